"""The outcome of a pair: right only if both questions are, and wrong in ways that tell a lot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scores import AskedQuestion, pair_outcomes, right_pairs
from tasks.scores.outcomes import BOTH_RIGHT, OTHER, OUTCOMES, SAME_ANSWER, SWAPPED


def pair(first, second, *, pair_id="p", answers=("left", "right"), pattern=None):
    """Two questions with these choices."""
    return [
        AskedQuestion(pair_id=pair_id, pattern=pattern, answer=answer, choice=choice)
        for answer, choice in zip(answers, (first, second), strict=True)
    ]


@pytest.mark.parametrize(
    ("first", "second", "outcome", "right", "unread"),
    [
        ("left", "right", BOTH_RIGHT, 2, 0),
        ("left", "left", SAME_ANSWER, 1, 0),
        ("right", "right", SAME_ANSWER, 1, 0),
        ("right", "left", SWAPPED, 0, 0),
        (None, "right", OTHER, 1, 1),
        ("left", None, OTHER, 1, 1),
        (None, "left", OTHER, 0, 1),
        (None, None, OTHER, 0, 2),
    ],
)
def test_each_two_choices_have_one_outcome(first, second, outcome, right, unread):
    (found,) = pair_outcomes(pair(first, second))

    assert (found.outcome, found.questions_right, found.unread) == (outcome, right, unread)
    assert found.is_right is (outcome == BOTH_RIGHT)


@pytest.mark.parametrize(
    ("answers", "choices", "outcome", "why"),
    [
        (("2", "5"), ("3", "2"), OTHER, "the first image got neither image's answer"),
        (("2", "5"), ("3", "3"), SAME_ANSWER, "whatever it is, it is the same"),
        (("2", "5"), ("2", "4"), OTHER, "one is right, and the other is nobody's answer"),
        (("2", "2"), ("2", "2"), BOTH_RIGHT, "right is right, even if the key sees no difference"),
        (("2", "2"), ("2", "5"), OTHER, "the key sees no difference to swap"),
        (("a", "A"), ("A", "a"), SWAPPED, "texts are compared as they are"),
    ],
)
def test_questions_with_other_options_have_an_outcome_too(answers, choices, outcome, why):
    (found,) = pair_outcomes(pair(*choices, answers=answers))

    assert found.outcome == outcome, why


def test_pairs_come_back_by_id_with_their_pattern_whatever_the_order_of_questions():
    first_b, second_b = pair("left", "left", pair_id="b", pattern="color")
    first_a, second_a = pair("left", "right", pair_id="a")

    found = pair_outcomes([second_b, first_a, first_b, second_a])

    assert [(row.pair_id, row.pattern, row.outcome) for row in found] == [
        ("a", None, BOTH_RIGHT),
        ("b", "color", SAME_ANSWER),
    ]
    assert right_pairs(found) == {"a": True, "b": False}


def test_no_questions_make_no_pairs():
    assert pair_outcomes([]) == []
    assert right_pairs([]) == {}


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_pair_without_exactly_two_questions_is_refused_by_name(number):
    questions = (pair("left", "right", pair_id="it's") * 2)[:number]

    with pytest.raises(ValueError, match=rf"""pair "it's" has {number} of .* expected 2"""):
        pair_outcomes([*pair("left", "right", pair_id="a"), *questions])


def test_a_pair_with_two_patterns_is_refused_by_name():
    questions = [
        *pair("left", "right", pattern="color")[:1],
        *pair("left", "right", pattern="text")[1:],
    ]

    with pytest.raises(ValueError, match="pair 'p' have the patterns 'color' and 'text'"):
        pair_outcomes(questions)


choices = st.sampled_from(["left", "right", None])


@given(choices, choices)
def test_an_outcome_does_not_depend_on_which_image_comes_first(first, second):
    (one,) = pair_outcomes(pair(first, second))
    (other,) = pair_outcomes(pair(first, second)[::-1])

    assert one == other
    assert one.outcome in OUTCOMES


@given(st.sampled_from(["left", "right"]), st.integers(1, 9))
def test_a_model_that_always_says_the_same_sees_no_difference_in_any_pair(word, pairs):
    questions = [q for number in range(pairs) for q in pair(word, word, pair_id=str(number))]

    outcomes = pair_outcomes(questions)

    assert {row.outcome for row in outcomes} == {SAME_ANSWER}
    assert sum(row.questions_right for row in outcomes) == pairs, "half of its questions"
