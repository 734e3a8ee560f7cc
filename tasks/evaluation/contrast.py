"""Ask a CLIP by the rule of MMVP-VLM: each of two texts must be nearer to its own image.

Put here: the rule, on vectors of images and texts.
Keep out: the vectors (`storage.embeddings`, `tasks.encoders`).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.2: a pair is right if both texts are matched
to their images, each by a softmax over the two images.

Shapes:
    D  width of a vector
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from storage.questions import QuestionRow
from tasks.evaluation.asking import Reply

Vectors = Mapping[str, NDArray[np.floating]]
"""Unit vectors (D,) by image, or by text."""


def contrast(pair: Sequence[QuestionRow], images: Vectors, texts: Vectors) -> list[Reply]:
    """Return which image each of a pair's two statements is nearer to.

    A reply's scores are the cosines of the statement with its own and with the other image; the
    choice is the answer of the image that is nearer. Of equal cosines the other image's is taken:
    no difference was seen.
    """
    replies = []
    for own, other in ((pair[0], pair[1]), (pair[1], pair[0])):
        text_D = texts[_said(own)].astype(np.float64)
        near, far = (float(text_D @ images[row.image].astype(np.float64)) for row in (own, other))
        taken = own if near > far else other
        replies.append(Reply(own.question_id, _said(taken), taken.answer, (near, far)))
    return replies


def _said(row: QuestionRow) -> str:
    if row.statement is None:
        message = f"question {row.question_id} has no statement for a CLIP to match"
        raise ValueError(message)
    return row.statement
