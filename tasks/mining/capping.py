"""Keep the pairs that an image is in from growing with the square of its look-alikes.

Put here: which pairs are kept when an image is in more than a number of them.
Keep out: finding pairs (`tasks.mining.search`); choosing a benchmark (`tasks.mining.selection`).

A thousand cuttings of one photograph are half a million pairs. Of each image the pairs with the
widest gap between CLIP and SSL cosine are kept, at most `most`; a pair stays if it is among those
of either of its images. What is kept of all pairs is kept of any part of them too, so parts may be
cut before they are joined: cutting the joined ones then gives what cutting all at once gives.

Shapes:
    P  pairs
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.mining.pairs import BlindPairs


class Capped(NamedTuple):
    """The pairs that are kept, in the order given, and the number of those that are not."""

    pairs: BlindPairs
    cut: int


def cap(pairs: BlindPairs, most: int) -> Capped:
    """Keep of each image its `most` pairs with the widest gap; ties go to smaller `i`, then `j`."""
    if not len(pairs.i) or _most_pairs_of_an_image(pairs) <= most:
        return Capped(pairs, 0)
    order_P = np.lexsort((pairs.j, pairs.i, pairs.ssl_cosine - pairs.clip_cosine))
    images = np.concatenate([pairs.i[order_P], pairs.j[order_P]])
    places = np.tile(np.arange(len(order_P)), 2)
    by_image = np.lexsort((places, images))
    first = np.flatnonzero(np.diff(images[by_image], prepend=-1))
    rank = np.arange(len(by_image)) - np.repeat(first, np.diff(first, append=len(by_image)))
    kept_P = np.zeros(len(order_P), bool)
    kept_P[order_P[places[by_image[rank < most]]]] = True
    return Capped(take(pairs, kept_P), int(len(kept_P) - kept_P.sum()))


def take(pairs: BlindPairs, which: NDArray[np.bool_] | NDArray[np.int64]) -> BlindPairs:
    """Return some of the pairs."""
    return BlindPairs(
        pairs.i[which], pairs.j[which], pairs.clip_cosine[which], pairs.ssl_cosine[which]
    )


def _most_pairs_of_an_image(pairs: BlindPairs) -> int:
    images, place = np.unique(np.concatenate([pairs.i, pairs.j]), return_inverse=True)
    return int(np.bincount(place, minlength=len(images)).max())
