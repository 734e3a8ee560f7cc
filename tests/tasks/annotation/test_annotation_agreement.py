"""Agreement against published values."""

import pytest

from tasks.annotation.agreement import agreeing, agreements, alpha
from tests.tasks.annotation.acts import Acts

FOUR_OBSERVERS = """
1 1 . 1
2 2 3 2
3 3 3 3
3 3 3 3
2 2 2 2
1 2 3 4
4 4 4 4
1 1 2 1
2 2 2 2
. 5 5 5
. . 1 1
. . 3 .
"""
"""Krippendorff 2011, section C: twelve units, four observers; alpha is 0.743."""

TWO_OBSERVERS = """
0 1
1 1
0 1
0 0
0 0
0 1
0 0
0 0
1 0
0 0
"""
"""The same, section A: ten units, two observers; alpha is 0.095."""


def units(text):
    lines = text.strip().splitlines()
    return [[value for value in line.split() if value != "."] for line in lines]


@pytest.mark.parametrize(("told", "expected"), [(FOUR_OBSERVERS, 0.743), (TWO_OBSERVERS, 0.095)])
def test_alpha_is_that_of_the_published_examples(told, expected):
    assert alpha(units(told)).alpha == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("told", "why"),
    [([], "nothing"), ([[1], [2]], "one judgement each"), ([[1, 1], [1, 1]], "one value only")],
)
def test_there_is_no_alpha_of(told, why):
    assert alpha(told).alpha is None, why


def test_cannot_tell_is_a_value_and_not_a_blank():
    assert agreeing([1, None]) == 0
    assert alpha([[1, None], [1, 1], [2, 2]]).alpha < 1


def test_people_who_all_agree_have_an_alpha_of_one():
    acts = Acts()
    for pair in ("p1", "p2"):
        acts.check("grace", acts.write("ada", pair))

    assert agreements(acts.state)["answers"].alpha == 1
    assert agreements(acts.state)["verdicts"].alpha is None
