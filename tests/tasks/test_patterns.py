"""Patterns: what an attribute is about, told by its name, else by all of its values."""

import pytest

from tasks.patterns import PATTERNS, pattern_of
from tasks.scenes import PATTERN_FACTORS


def test_the_nine_patterns_are_the_papers_in_its_order():
    assert list(PATTERNS) == list(PATTERN_FACTORS)
    assert len(set(PATTERNS.values())) == 9


@pytest.mark.parametrize("name", PATTERNS)
def test_a_column_that_is_named_as_a_pattern_is_about_it_whatever_its_values(name):
    assert pattern_of(name, {"red", "17"}) == name


@pytest.mark.parametrize(
    ("attribute", "values", "pattern"),
    [
        ("side", {"left", "right"}, "orientation"),
        ("heading", {"north", "east", "south"}, "orientation"),
        ("has_dog", {"yes", "no"}, "presence"),
        ("door", {"open", "closed"}, "state"),
        ("num_dogs", {"1", "2", "3"}, "count"),
        ("dogs", {"two", "none"}, "count"),
        ("place", {"above", "under"}, "position"),
        ("wall", {"red", "blue"}, "color"),
        ("wall", {"Red", "BLUE"}, "color"),
        ("camera", {"front", "top"}, "viewpoint"),
    ],
)
def test_else_all_values_together_tell(attribute, values, pattern):
    assert pattern_of(attribute, values) == pattern


@pytest.mark.parametrize(
    ("attribute", "values", "why"),
    [
        ("weather", {"sunny", "rainy"}, "no pattern has such values"),
        ("wall", {"red", "brick"}, "one value tells nothing"),
        ("wall", {"red", "open"}, "the values are of two patterns"),
        ("dogs", {"1", "1.5"}, "a measure is no count"),
        ("year", {"2019", "2020"}, "nor are larger numbers"),
        ("wall", set(), "there is no value"),
        ("Color of the wall", {"dark", "light"}, "a name must be a pattern's own"),
    ],
)
def test_what_nothing_tells_has_no_pattern(attribute, values, why):
    assert pattern_of(attribute, values) is None, why


def test_values_are_told_whatever_holds_them():
    assert pattern_of("side", iter(["left", "left", "right"])) == "orientation"
