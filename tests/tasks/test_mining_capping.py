"""The most pairs that are kept of an image: the widest gaps, the same however pairs came in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.mining.capping import cap, take
from tasks.mining.pairs import BlindPairs


def clique(images, seed=0):
    """All pairs of so many images, with cosines of few values, so that many gaps are equal."""
    i, j = np.triu_indices(images, 1)
    rng = np.random.default_rng(seed)
    return BlindPairs(
        i.astype(np.int64),
        j.astype(np.int64),
        rng.choice([0.96, 0.97, 0.99], len(i)),
        rng.choice([0.1, 0.2, 0.5], len(i)),
    )


def kept_one_by_one(pairs, most):
    """The definition: sort each image's pairs by gap, then `i`, then `j`; keep its first."""
    rows = list(zip(*(column.tolist() for column in pairs), strict=True))
    kept = set()
    for image in {*pairs.i.tolist(), *pairs.j.tolist()}:
        mine = [row for row in rows if image in row[:2]]
        mine.sort(key=lambda row: (row[3] - row[2], row[0], row[1]))
        kept.update(mine[:most])
    return sorted(kept)


def rows(pairs):
    return list(zip(*(column.tolist() for column in pairs), strict=True))


@pytest.mark.parametrize("most", [1, 2, 5, 8])
def test_each_image_keeps_the_pairs_with_its_widest_gaps(most):
    pairs = clique(10)

    kept, cut = cap(pairs, most)

    assert rows(kept) == kept_one_by_one(pairs, most)
    assert cut == 45 - len(kept.i) > 0


def test_nothing_is_cut_where_no_image_is_in_too_many(subtests):
    for pairs in (clique(10), clique(2), take(clique(3), np.zeros(3, bool))):
        with subtests.test(pairs=len(pairs.i)):
            assert cap(pairs, 9) == (pairs, 0)


@given(st.integers(2, 14), st.integers(1, 6), st.integers(0, 5), st.integers(1, 4))
def test_parts_may_be_cut_before_they_are_joined(images, most, seed, parts):
    pairs = clique(images, seed)
    part_P = np.random.default_rng(seed).integers(0, parts, len(pairs.i))
    cut = [cap(take(pairs, part_P == part), most).pairs for part in range(parts)]

    joined = BlindPairs(*(np.concatenate(column) for column in zip(*cut, strict=True)))

    assert sorted(rows(cap(joined, most).pairs)) == kept_one_by_one(pairs, most)
