"""The benchmark: the blindest pairs, each image once, all patterns, and a reason for each rest."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tasks.attributes import Knowledge
from tasks.mining import BlindPairs
from tasks.mining.selection import (
    BENCHMARK_FULL,
    LEFT_OUT,
    PATTERN_FULL,
    select,
)
from tasks.reasons import IMAGE_USED, NOTHING_TO_ASK

NOTHING = Knowledge(facts={})


def pairs_of(*rows):
    """Pairs of (i, j, clip cosine, ssl cosine)."""
    i, j, clip_cosine, ssl_cosine = zip(*rows, strict=True) if rows else ((),) * 4
    return BlindPairs(
        np.array(i, np.int64), np.array(j, np.int64), np.array(clip_cosine), np.array(ssl_cosine)
    )


def left_out_of(pairs, benchmark_pairs):
    """Why pairs are left out where nothing is known."""
    left_out, attribute = select(pairs, benchmark_pairs, [str(n) for n in range(99)], NOTHING)

    assert set(attribute) <= {None}
    return left_out.tolist()


def asked(*differences, benchmark_pairs, patterns=None):
    """Select among pairs of images of their own, ever narrower, that differ in these attributes."""
    names = sorted(set("".join(differences)))
    facts = {}
    for pair, differing in enumerate(differences):
        facts[f"{pair}a"] = dict.fromkeys(names, "same")
        facts[f"{pair}b"] = {name: "other" if name in differing else "same" for name in names}
    know = Knowledge(facts=facts, patterns=patterns or dict.fromkeys(names), source="attribute")
    pairs = pairs_of(*((2 * n, 2 * n + 1, 0.96, n / 1000) for n in range(len(differences))))
    left_out, attribute = select(pairs, benchmark_pairs, list(facts), know)

    assert [why is None for why in left_out] == [name is not None for name in attribute]
    return [why or name for why, name in zip(left_out, attribute, strict=True)]


def test_the_widest_gap_is_selected_first_and_its_images_are_used_up():
    pairs = pairs_of((0, 1, 0.96, 0.5), (0, 2, 0.97, 0.1), (1, 3, 0.99, 0.5), (2, 3, 0.96, 0.0))

    assert left_out_of(pairs, 150) == [None, IMAGE_USED, IMAGE_USED, None]


def test_ties_are_broken_by_the_order_of_images():
    pairs = pairs_of((0, 1, 0.75, 0.5), (0, 2, 0.75, 0.5), (1, 2, 0.75, 0.5), (2, 3, 0.75, 0.5))

    assert left_out_of(pairs, 150) == [None, IMAGE_USED, IMAGE_USED, None]


def test_a_full_benchmark_takes_no_more():
    pairs = pairs_of((0, 1, 1.0, 0.5), (2, 3, 1.0, 0.25), (4, 5, 1.0, 0.0), (4, 6, 1.0, 0.25))

    assert left_out_of(pairs, 2) == [BENCHMARK_FULL, None, None, IMAGE_USED]


def test_a_benchmark_of_no_pairs_leaves_all_out():
    assert left_out_of(pairs_of((0, 1, 1.0, 0.5)), 0) == [BENCHMARK_FULL]
    assert asked("x", "y", benchmark_pairs=0) == [BENCHMARK_FULL] * 2


def test_nothing_is_selected_from_nothing():
    assert left_out_of(pairs_of(), 150) == []


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9))), st.integers(0, 6), st.randoms())
def test_no_image_is_in_two_selected_pairs(places, benchmark_pairs, random):
    images = sorted({(min(pair), max(pair)) for pair in places if pair[0] != pair[1]})
    pairs = pairs_of(*((i, j, 0.96, random.choice([0.0, 0.25, 0.5])) for i, j in images))

    left_out = left_out_of(pairs, benchmark_pairs)

    selected = [pair for pair, why in zip(images, left_out, strict=True) if why is None]
    used = [image for pair in selected for image in pair]
    assert len(used) == len(set(used))
    assert len(selected) <= benchmark_pairs
    for pair, why in zip(images, left_out, strict=True):
        assert (why == IMAGE_USED) is (why is not None and bool(set(pair) & set(used)))
        assert why in {None, IMAGE_USED, BENCHMARK_FULL}
        assert why != BENCHMARK_FULL or len(selected) == benchmark_pairs


def test_each_pair_is_asked_about_the_pattern_with_the_fewest_pairs():
    assert asked("x", "xy", "xyz", "xyz", benchmark_pairs=9) == ["x", "y", "z", "x"]


def test_a_pair_that_differs_in_nothing_is_left_out_and_its_images_are_free():
    know = Knowledge(
        facts={"a": {"x": "1"}, "b": {"x": "1"}, "c": {"x": "2"}, "d": {}}, patterns={"x": None}
    )
    pairs = pairs_of((0, 1, 0.96, 0.0), (0, 3, 0.96, 0.1), (1, 2, 0.96, 0.2))

    left_out, attribute = select(pairs, 5, ["a", "b", "c", "d"], know)

    assert left_out.tolist() == [NOTHING_TO_ASK, NOTHING_TO_ASK, None]
    assert attribute.tolist() == [None, None, "x"]


def test_no_pattern_gets_more_than_its_share():
    found = asked("x", "x", "x", "y", "x", "y", benchmark_pairs=4)

    assert found == ["x", "x", PATTERN_FULL, "y", PATTERN_FULL, "y"]


def test_a_share_is_rounded_up_and_the_benchmark_is_not():
    found = asked("x", "x", "x", "y", "y", benchmark_pairs=3)

    assert found == ["x", "x", PATTERN_FULL, "y", BENCHMARK_FULL]


def test_attributes_of_one_pattern_share_its_share():
    patterns = {"x": "color", "y": "color", "z": "count"}

    found = asked("x", "y", "xy", "z", "z", benchmark_pairs=4, patterns=patterns)

    assert found == ["x", "y", PATTERN_FULL, "z", "z"]


def test_an_earlier_pair_is_asked_about_something_else_where_that_makes_room():
    assert asked("xy", "x", benchmark_pairs=2) == ["y", "x"]
    assert asked("xy", "yz", "xz", "z", benchmark_pairs=3) == ["x", "y", "z", BENCHMARK_FULL]
    assert asked("xy", "yz", "y", benchmark_pairs=3) == ["x", "z", "y"]
    assert asked("xy", "x", "x", "z", benchmark_pairs=3) == ["y", "x", PATTERN_FULL, "z"]
    assert asked("xy", "xy", "x", "z", benchmark_pairs=3) == ["x", "y", PATTERN_FULL, "z"]


def test_captioned_attributes_are_not_asked_about_and_have_no_share():
    know = Knowledge(
        facts={"a": {"x": "1", "y": "1"}, "b": {"x": "2", "y": "2"}, "c": {"x": "3", "y": "2"}},
        patterns={"x": None, "y": None},
        captioned=frozenset({"x"}),
    )
    pairs = pairs_of((1, 2, 0.96, 0.0), (0, 1, 0.96, 0.1))

    left_out, attribute = select(pairs, 1, ["a", "b", "c"], know)

    assert left_out.tolist() == [NOTHING_TO_ASK, None]
    assert attribute.tolist() == [None, "y"]


def test_where_captions_name_all_that_is_known_pairs_are_selected_as_if_nothing_were():
    facts = {"a": {"x": "1"}, "b": {"x": "2"}, "c": {"x": "2"}, "d": {"x": "2"}}
    know = Knowledge(facts=facts, patterns={"x": None}, captioned=frozenset({"x"}))

    left_out, attribute = select(
        pairs_of((0, 1, 0.96, 0.0), (0, 2, 0.96, 0.1), (2, 3, 0.96, 0.2)), 5, list(facts), know
    )

    assert left_out.tolist() == [None, IMAGE_USED, None]
    assert attribute.tolist() == [None] * 3


def most_seats(differences, shares):
    """The most of these pairs that shares have room for, by trying all ways to ask them."""
    ways = itertools.product(*(f"{differing} " for differing in differences))
    counts = (Counter(way) for way in ways)
    return max(
        sum(count[name] for name in shares)
        for count in counts
        if all(count[name] <= most for name, most in shares.items())
    )


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from(["", "x", "y", "z", "xy", "xz", "yz", "xyz"]), max_size=7),
    st.integers(1, 6),
)
def test_the_widest_gaps_fill_the_benchmark_as_far_as_shares_have_room(
    differences, benchmark_pairs
):
    names = sorted(set("".join(differences)))
    assume(names)
    most = -(-benchmark_pairs // len(names))

    found = asked(*differences, benchmark_pairs=benchmark_pairs)

    counts = Counter(name for name in found if name not in LEFT_OUT)
    assert counts.total() <= benchmark_pairs
    assert max(counts.values()) <= most
    seated = []
    for differing, name in zip(differences, found, strict=True):
        if name not in LEFT_OUT:
            assert name in differing
            seated.append(differing)
        elif name == BENCHMARK_FULL:
            assert len(seated) == benchmark_pairs
        else:
            assert name == (PATTERN_FULL if differing else NOTHING_TO_ASK)
            assert most_seats([*seated, differing], dict.fromkeys(names, most)) == len(seated)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_in_which_pairs_are_given_does_not_count(order):
    rows = [(0, 1, 0.96, 0.1), (1, 2, 0.97, 0.2), (2, 3, 0.98, 0.3), (4, 5, 0.96, 0.1)]
    facts = {name: {"x": name, "y": name.upper() * 2} for name in "abcdef"}
    know = Knowledge(facts=facts, patterns={"x": None, "y": None})

    left_out, attribute = select(pairs_of(*rows[::order]), 3, "abcdef", know)

    assert left_out[::order].tolist() == [None, IMAGE_USED, None, None]
    assert attribute[::order].tolist() == ["x", None, "x", "y"]
