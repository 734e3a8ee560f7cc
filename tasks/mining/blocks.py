"""Blocks: consecutive images, coded for a plan, with their vectors or a way to get them.

Put here: what a tile is made of and what may travel to a worker.
Keep out: the search in a tile (`tasks.mining.tiles`).

Shapes:
    N  rows of a block    D  width of a CLIP vector    E  width of an SSL vector
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.mining.codes import Codes
from tasks.mining.plan import Plan
from tasks.mining.vectors import Rows, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive images: their codes for a plan, and where their vectors are.

    It may be pickled, and serves every kernel. To keep codes alone in memory, replace `clip` and
    `ssl` by `Fetched`.
    """

    plan: str
    """Digest of the plan that the codes are for."""
    first: int
    """The number of the first image."""
    codes: tuple[Codes, ...]
    clip: Rows
    ssl: Rows | None = None

    def __len__(self) -> int:
        return len(self.clip)


def make_block(
    plan: Plan,
    first: int,
    clip: Vectors | NDArray[np.floating],
    ssl: Vectors | NDArray[np.floating] | None = None,
) -> Block:
    """Code consecutive images for a plan; float16 and float32 vectors are not copied.

    Raises:
        ValueError: if a vector is zero or not finite, or the encoders have not as many rows.
    """
    clip = clip if isinstance(clip, Vectors) else Vectors("clip", clip, first=first)
    ssl = Vectors("ssl", ssl, first=first) if isinstance(ssl, np.ndarray) else ssl
    if ssl is not None and len(ssl) != len(clip):
        message = f"block {first}: {len(clip)} CLIP and {len(ssl)} SSL vectors, expected as many"
        raise ValueError(message)
    codes = tuple(codebook.encode(clip) for codebook in plan.codebooks)
    return Block(plan.digest, first, codes, clip, ssl)
