"""Guessers, the place of options, the text alone: each on models whose habit is known."""

import random

import pytest

from tasks.scores import (
    CHANCE,
    AskedQuestion,
    Placed,
    beside_text,
    order_consistency,
    position_bias,
    score,
)

PAIRS = 4000


def asked(choices, answers=("left", "right")):
    """Questions of pairs, from the two choices of each."""
    return [
        AskedQuestion(pair_id=f"{number:06}", pattern=None, answer=answer, choice=choice)
        for number, two in enumerate(choices)
        for answer, choice in zip(answers, two, strict=True)
    ]


def placed(choose, *, pairs=100, turned=False):
    """Questions about `left` and `right`, shown in one order or the other."""
    options = ("right", "left") if turned else ("left", "right")
    return [
        Placed(
            question_id=f"{pair} {answer}",
            pair_id=f"{pair:04}",
            options=options,
            answer=answer,
            choice=choose(pair, options, answer),
        )
        for pair in range(pairs)
        for answer in ("left", "right")
    ]


def truth(pair, options, answer):
    return answer


def first(pair, options, answer):
    return options[0]


GUESSERS = {
    "independent": lambda lot: (lot.choice(["left", "right"]), lot.choice(["left", "right"])),
    "always-same": lambda lot: (lot.choice(["left", "right"]),) * 2,
    "opposite": lambda lot: tuple(lot.sample(["left", "right"], 2)),
}


@pytest.mark.parametrize("name", CHANCE)
def test_guessers_get_what_chance_says(name):
    lot = random.Random(name)
    overall, *_ = score(asked([GUESSERS[name](lot) for _ in range(PAIRS)]))

    assert overall.pair_accuracy == pytest.approx(CHANCE[name].pair_accuracy, abs=0.03)
    assert overall.question_accuracy == pytest.approx(CHANCE[name].question_accuracy, abs=0.03)


def test_always_the_same_is_exactly_no_pair_and_half_of_the_questions():
    overall, *_ = score(asked([("left", "left")] * 150))

    assert (overall.pair_accuracy, overall.question_accuracy) == (0.0, 0.5)
    assert overall.same_answer == 1.0


def test_who_always_takes_the_first_option_has_all_of_a_bias_and_who_is_right_none():
    assert position_bias(placed(first)).share == 1.0
    assert position_bias(placed(truth)).share == 0.5
    low, high = position_bias(placed(truth)).interval
    assert low < 0.5 < high


def test_a_lean_to_the_first_option_is_measured():
    def leaning(pair, options, answer):
        return answer if pair % 4 else options[0]

    found = position_bias(placed(leaning, pairs=400))

    assert found.share == pytest.approx(0.625), "half, and a quarter of the pairs twice"
    assert found.interval.low > 0.5
    assert (found.pairs, found.left_out) == (400, 0)


def test_pairs_whose_answers_stand_at_one_place_or_were_not_read_say_nothing():
    questions = placed(truth, pairs=2)
    unread = placed(lambda pair, options, answer: None if pair else answer, pairs=2)
    one_place = [
        Placed(question_id=name, pair_id="x", options=("2", "3"), answer="2", choice="2")
        for name in "ab"
    ]

    found = position_bias([*questions, *one_place])
    assert (found.share, found.pairs, found.left_out) == (0.5, 2, 1)
    found = position_bias(unread)
    assert (found.share, found.pairs, found.left_out) == (0.5, 1, 1)
    found = position_bias([])
    assert (found.share, found.interval) == (None, (0.0, 1.0))


def test_only_who_goes_by_the_content_is_consistent_when_options_change_places():
    assert order_consistency(placed(truth), placed(truth, turned=True)).share == 1.0
    assert order_consistency(placed(first), placed(first, turned=True)).share == 0.0

    lot = random.Random(0)
    toss = [placed(lambda pair, options, answer: lot.choice(options), turned=t) for t in (0, 1)]
    found = order_consistency(*toss)
    assert found.interval.low < 0.5 < found.interval.high

    def mute(pair, options, answer):
        return None if pair < 10 else answer

    found = order_consistency(placed(mute), placed(truth, turned=True))
    assert (found.share, found.pairs, found.left_out) == (1.0, 90, 10)


def test_options_that_were_not_turned_are_refused():
    with pytest.raises(ValueError, match="question '0 left' in the other order has options"):
        order_consistency(placed(truth), placed(truth))
    with pytest.raises(ValueError, match="question '0 left' in the other order has no question"):
        order_consistency(placed(truth), [])


def test_the_text_alone_stands_beside_the_score():
    seen = asked([("left", "right")] * 60 + [("left", "left")] * 40)
    unseen = asked([("left", "right")] * 5 + [("left", "left")] * 90 + [("left", "right")] * 5)

    found = beside_text(seen, unseen)

    assert (found.score.pair_accuracy, found.text_only.pair_accuracy) == (0.6, 0.1)
    assert (found.only_with_image, found.only_with_text) == (55, 5)
    assert found.p_value < 1e-9


def test_other_pairs_without_images_are_no_control():
    with pytest.raises(ValueError, match="2 pairs asked with their images and 1 without"):
        beside_text(asked([("left", "left")] * 2), asked([("left", "left")]))
    with pytest.raises(ValueError, match="0 pairs"):
        beside_text([], [])
