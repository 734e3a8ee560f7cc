"""Select a benchmark from mined pairs: the blindest first, each image at most once.

Put here: the order of pairs and the reasons why one is left out.
Keep out: finding pairs (`tasks.mining.search`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.mining.search import BlindPairs

IMAGE_USED: Final = "image-used"
BENCHMARK_FULL: Final = "benchmark-full"

LEFT_OUT: Final = {
    IMAGE_USED: "one of its images is in a pair with a wider gap between the two cosines",
    BENCHMARK_FULL: "the benchmark has as many pairs as asked for, all with a wider gap",
}


def select(pairs: BlindPairs, benchmark_pairs: int) -> NDArray[np.object_]:
    """Return for each pair None if it is selected, else why it is left out.

    Pairs are taken by the gap between CLIP and SSL cosine, widest first; ties by `i`, then `j`.
    """
    left_out = np.full(len(pairs.i), None, dtype=object)
    order = np.lexsort((pairs.j, pairs.i, pairs.ssl_cosine - pairs.clip_cosine))
    used: set[int] = set()
    selected = 0
    for position in order:
        images = {int(pairs.i[position]), int(pairs.j[position])}
        if images & used:
            left_out[position] = IMAGE_USED
        elif selected >= benchmark_pairs:
            left_out[position] = BENCHMARK_FULL
        else:
            used |= images
            selected += 1
    return left_out
