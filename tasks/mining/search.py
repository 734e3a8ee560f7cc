"""The exact search for CLIP-blind pairs among vectors in memory.

Put here: the public function `mine`.
Keep out: how a tile is searched (`tasks.mining.tiles`); where vectors come from and where pairs go
(`tasks.mining.stage`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Finding CLIP-blind pairs".

Shapes:
    N  images    D  width of a CLIP vector    E  width of an SSL vector
"""

import numpy as np
from numpy.typing import NDArray

from tasks.mining.blocks import make_block
from tasks.mining.pairs import BlindPairs
from tasks.mining.plan import plan_search
from tasks.mining.tiles import mine_tile
from tasks.mining.vectors import Vectors


def mine(
    clip_ND: NDArray[np.floating],
    ssl_NE: NDArray[np.floating],
    *,
    clip_above: float,
    ssl_below: float,
) -> BlindPairs:
    """Return all pairs with a CLIP cosine above `clip_above` and an SSL cosine below `ssl_below`.

    Both inequalities are strict, as in the paper (0.95 and 0.6 there). The vectors may be float16,
    float32 or float64 and of any length but zero; a cosine is that of the normalised rows in
    float64, in [-1, 1].

    Raises:
        ValueError: if the arrays are not two matrices with as many rows, or rows are zero or not
            finite.
    """
    if clip_ND.ndim != 2 or ssl_NE.ndim != 2 or len(clip_ND) != len(ssl_NE):
        message = (
            f"clip_ND and ssl_NE must be matrices with as many rows, found shapes "
            f"{clip_ND.shape} and {ssl_NE.shape}"
        )
        raise ValueError(message)
    clip, ssl = Vectors("clip_ND", clip_ND), Vectors("ssl_NE", ssl_NE)
    plan = plan_search(clip, clip_above=clip_above, ssl_below=ssl_below)
    block = make_block(plan, 0, clip, ssl)
    return mine_tile(plan, block, block)
