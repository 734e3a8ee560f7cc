"""Scores overall and by pattern, and comparisons of models, on pairs that can be counted by eye."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.comparisons import ComparisonRow
from storage.scores import ScoreRow
from tasks.scores import AskedQuestion, Comparison, Score, compare, score
from tasks.scores.statistics import wilson

KINDS = {
    "right": ("left", "right"),
    "same": ("left", "left"),
    "swapped": ("right", "left"),
    "half": ("left", None),
    "silent": (None, None),
}


def questions_of(*pairs):
    """Questions of pairs of (kind, pattern)."""
    return [
        AskedQuestion(pair_id=f"{number:03}", pattern=pattern, answer=answer, choice=choice)
        for number, (kind, pattern) in enumerate(pairs)
        for answer, choice in zip(("left", "right"), KINDS[kind], strict=True)
    ]


def test_a_score_counts_pairs_questions_and_outcomes():
    pairs = ["right"] * 4 + ["same"] * 3 + ["swapped", "half", "silent"]

    (found,) = score(questions_of(*((kind, None) for kind in pairs)))

    assert (found.pattern, found.pairs, found.unread, found.chance) == (None, 10, 3, 0.25)
    assert found.pair_accuracy == 0.4
    assert (found.pair_low, found.pair_high) == wilson(4, 10)
    assert found.question_accuracy == (4 * 2 + 3 + 1) / 20
    assert found.question_low < 0.6 < found.question_high
    assert (found.both_right, found.same_answer, found.swapped, found.other) == (0.4, 0.3, 0.1, 0.2)


def test_patterns_follow_the_overall_score_in_order_and_have_their_own_pairs():
    found = score(
        questions_of(("right", "text"), ("same", "color"), ("right", "color"), ("silent", None))
    )

    assert [(row.pattern, row.pairs, row.pair_accuracy, row.unread) for row in found] == [
        (None, 4, 0.5, 2),
        ("color", 2, 0.5, 0),
        ("text", 1, 1.0, 0),
    ]


def test_all_right_is_no_certainty():
    (found,) = score(questions_of(*[("right", None)] * 150))

    assert (found.pair_accuracy, found.pair_high) == (1.0, 1.0)
    assert (found.question_accuracy, found.question_high) == (1.0, 1.0)
    assert found.pair_low == pytest.approx(0.975, abs=5e-4)
    assert found.question_low == pytest.approx(found.pair_low)


def test_nothing_read_is_all_wrong_and_said_so():
    (found,) = score(questions_of(*[("silent", None)] * 3))

    assert (found.pair_accuracy, found.question_accuracy, found.other) == (0.0, 0.0, 1.0)
    assert found.unread == 6


def test_a_model_that_always_says_the_same_has_half_the_questions_and_no_pair():
    (found,) = score(questions_of(*[("same", None)] * 150))

    assert (found.question_accuracy, found.pair_accuracy, found.same_answer) == (0.5, 0.0, 1.0)


def test_of_no_questions_there_is_no_score():
    assert score([]) == []


def test_another_protocol_may_have_another_chance():
    assert {row.chance for row in score(questions_of(("same", "color")), chance=0.5)} == {0.5}


@given(
    st.lists(
        st.tuples(st.sampled_from(list(KINDS)), st.sampled_from([None, "color", "text"])),
        min_size=1,
        max_size=40,
    ),
    st.randoms(),
)
@settings(deadline=None)
def test_scores_are_consistent_and_the_same_in_any_order(pairs, random):
    questions = questions_of(*pairs)

    found = score(questions)

    assert score(random.sample(questions, len(questions))) == found
    for row in found:
        shares = (row.both_right, row.same_answer, row.swapped, row.other)
        assert sum(shares) == pytest.approx(1.0)
        assert row.pair_low <= row.pair_accuracy == row.both_right <= row.pair_high
        assert row.question_low <= row.question_accuracy <= row.question_high
        right = round(row.question_accuracy * 2 * row.pairs)
        both = round(row.pair_accuracy * row.pairs)
        assert 2 * both <= right <= row.pairs + both
        assert row.unread <= 2 * round(row.other * row.pairs)
    named = [pattern for _, pattern in pairs if pattern]
    assert [(row.pattern, row.pairs) for row in found[1:]] == [
        (pattern, named.count(pattern)) for pattern in sorted(set(named))
    ]


def right_of(marks):
    """Pairs marked `+` are right."""
    return {f"{number:03}": mark == "+" for number, mark in enumerate(marks)}


def test_models_are_compared_on_the_pairs_that_only_one_gets_right():
    (found,) = compare({"b": right_of("+------+"), "a": right_of("-++++++-") | {"more": True}})

    assert found == Comparison(
        model_a="a",
        model_b="b",
        pairs=8,
        only_a=6,
        only_b=2,
        p_value=pytest.approx(2 * (1 + 8 + 28) / 256),
        p_holm=pytest.approx(2 * (1 + 8 + 28) / 256),
    )


def test_every_two_models_are_compared_by_name_and_corrected_together():
    found = compare(
        {"c": right_of("-" * 10), "a": right_of("+" * 10), "b": right_of("+" * 8 + "-" * 2)}
    )

    assert [(row.model_a, row.model_b, row.only_a, row.only_b) for row in found] == [
        ("a", "b", 2, 0),
        ("a", "c", 10, 0),
        ("b", "c", 8, 0),
    ]
    assert [row.p_value for row in found] == pytest.approx([1 / 2, 1 / 512, 1 / 128])
    assert [row.p_holm for row in found] == pytest.approx([1 / 2, 3 / 512, 2 / 128])


@pytest.mark.parametrize(
    ("right", "why"),
    [
        ({"a": right_of("+-+"), "b": right_of("+-+")}, "they agree on every pair"),
        ({"a": right_of("+++"), "b": {"other": False}}, "they have no pair in common"),
        ({"a": {}, "b": {}}, "there are no pairs"),
    ],
)
def test_models_that_no_pair_tells_apart_do_not_differ(right, why):
    (found,) = compare(right)

    assert (found.only_a, found.only_b, found.p_value, found.p_holm) == (0, 0, 1.0, 1.0), why


@pytest.mark.parametrize("right", [{}, {"a": right_of("+-")}])
def test_fewer_than_two_models_make_no_comparison(right):
    assert compare(right) == []


@pytest.mark.parametrize(
    ("row", "result", "named_by"),
    [
        (
            ScoreRow,
            Score,
            {
                "mining",
                "benchmark",
                "model",
                "features",
                "ssl_share",
                "seed",
                "steps",
                "protocol",
                "key",
            },
        ),
        (ComparisonRow, Comparison, {"mining", "benchmark", "protocol"}),
    ],
)
def test_a_row_of_the_store_is_what_names_it_and_the_result(row, result, named_by):
    columns, fields = ({f.name for f in dataclasses.fields(kind)} for kind in (row, result))

    assert columns - fields == named_by
    assert fields <= columns
