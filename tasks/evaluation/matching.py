"""The vectors by which a dual encoder is asked, from the store.

Put here: the vectors of the images of questions, ready for cosines.
Keep out: which of two is nearer (`contrast`, beside this file); rows (`storage.embeddings`).

Shapes:
    N  images    D  width of a vector
"""

from collections.abc import Collection

import numpy as np

from storage import embeddings
from storage.database import Database
from storage.embeddings import PREFIX
from storage.receipts import Receipt
from tasks.evaluation.contrast import Vectors


def image_vectors(db: Database, receipt: Receipt, images: Collection[str]) -> Vectors:
    """Return unit vectors (D,) in float64 of those of `images` that have one.

    What is stored was rounded to float16, and is no unit vector any more; it is made one again.

    Raises:
        StoreError: if the receipt's version no longer exists.
    """
    name = receipt.table.removeprefix(PREFIX)
    ids, vectors_ND = embeddings.read(db, name, sorted(images), version=receipt.version)
    wide_ND = vectors_ND.astype(np.float64)
    wide_ND /= np.linalg.norm(wide_ND, axis=1, keepdims=True)
    return dict(zip(ids, wide_ND, strict=True))
