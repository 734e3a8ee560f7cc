"""The benchmark: the blindest pairs, each image once, and a reason for each pair left out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.mining import BlindPairs
from tasks.mining.selection import BENCHMARK_FULL, IMAGE_USED, LEFT_OUT, select


def pairs_of(*rows):
    """Pairs of (i, j, clip cosine, ssl cosine)."""
    i, j, clip_cosine, ssl_cosine = zip(*rows, strict=True) if rows else ((),) * 4
    return BlindPairs(
        np.array(i, np.int64), np.array(j, np.int64), np.array(clip_cosine), np.array(ssl_cosine)
    )


def test_the_widest_gap_is_selected_first_and_its_images_are_used_up():
    pairs = pairs_of((0, 1, 0.96, 0.5), (0, 2, 0.97, 0.1), (1, 3, 0.99, 0.5), (2, 3, 0.96, 0.0))

    left_out = select(pairs, 150)

    assert left_out.tolist() == [None, IMAGE_USED, IMAGE_USED, None]


def test_ties_are_broken_by_the_order_of_images():
    pairs = pairs_of((0, 1, 0.75, 0.5), (0, 2, 0.75, 0.5), (1, 2, 0.75, 0.5), (2, 3, 0.75, 0.5))

    assert select(pairs, 150).tolist() == [None, IMAGE_USED, IMAGE_USED, None]


def test_a_full_benchmark_takes_no_more():
    pairs = pairs_of((0, 1, 1.0, 0.5), (2, 3, 1.0, 0.25), (4, 5, 1.0, 0.0), (4, 6, 1.0, 0.25))

    assert select(pairs, 2).tolist() == [BENCHMARK_FULL, None, None, IMAGE_USED]


def test_a_benchmark_of_no_pairs_leaves_all_out():
    assert select(pairs_of((0, 1, 1.0, 0.5)), 0).tolist() == [BENCHMARK_FULL]


def test_nothing_is_selected_from_nothing():
    assert select(pairs_of(), 150).tolist() == []


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.integers(0, 6), st.randoms())
def test_no_image_is_in_two_selected_pairs(places, benchmark_pairs, random):
    images = sorted({(min(pair), max(pair)) for pair in places if pair[0] != pair[1]})
    pairs = pairs_of(*((i, j, 0.96, random.choice([0.0, 0.25, 0.5])) for i, j in images))

    left_out = select(pairs, benchmark_pairs)

    selected = [pair for pair, why in zip(images, left_out, strict=True) if why is None]
    used = [image for pair in selected for image in pair]
    assert len(used) == len(set(used))
    assert len(selected) <= benchmark_pairs
    assert set(left_out) - {None} <= set(LEFT_OUT)
    for pair, why in zip(images, left_out, strict=True):
        assert (why == IMAGE_USED) is (why is not None and bool(set(pair) & set(used)))
        assert why != BENCHMARK_FULL or len(selected) == benchmark_pairs
