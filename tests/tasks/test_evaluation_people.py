"""People who took the whole test have scores beside those of models."""

from itertools import pairwise

import pytest

from storage import answers
from storage.answers import AnswerRow
from tasks.annotation.state import fold
from tasks.annotation.study import CANNOT_TELL, answers_of, draw_order, next_question
from tasks.evaluation.people import score_people
from tasks.evaluation.ways import about
from tests.tasks.annotation.acts import Acts
from tests.tasks.test_evaluation_scoring import pair_of, say

MINED = [*pair_of(1), *pair_of(2), *pair_of(3)]
OTHER = pair_of(9, benchmark="captioned")


def scored(db, asked=MINED + OTHER):
    return score_people("m", asked, answers.read(db))


def test_who_answered_every_question_of_a_benchmark_has_a_score_in_it(db):
    say(db, "people:ada", MINED, ("yes", "no", "yes", "yes", "no", "yes"), "people")
    say(db, "people:grace", MINED, ("yes", "no", "yes", "no", "yes", ...), "people")
    say(db, "people:joan", OTHER, (None, "no"), "people")

    rows, compared = scored(db)

    overall = {row.model: row for row in rows if row.pattern is None}
    assert {name: row.benchmark for name, row in overall.items()} == {
        "people:ada": "random",
        "people:joan": "captioned",
    }
    ada, joan = overall["people:ada"], overall["people:joan"]
    assert (ada.pairs, ada.both_right, ada.same_answer) == (3, 1 / 3, 1 / 3)
    assert ada.question_accuracy == 0.5
    assert ada.pair_low < 1 / 3 < ada.pair_high
    assert (joan.unread, joan.question_accuracy) == (1, 0.5)
    assert compared == []


def test_people_are_compared_with_each_other_and_models_are_left_to_others(db):
    for who, protocol in (("people:ada", "people"), ("people:grace", "people"), ("m", "free")):
        say(db, who, MINED, ("yes", "no") * 3, protocol)

    rows, (one,) = scored(db)

    assert {row.model for row in rows} == {"people", "people:ada", "people:grace"}
    assert (one.model_a, one.model_b, one.p_value) == ("people:ada", "people:grace", 1)


def test_the_pooled_row_is_the_mean_of_those_who_finished_with_an_interval_over_them_and_pairs(db):
    right, same = ("yes", "no"), ("yes", "yes")
    for who, said in (
        ("ada", right * 3),
        ("grace", (*right, *right, *same)),
        ("joan", (*same, *same, "no", "yes")),
        ("kay", (*right, *right, "yes", ...)),
    ):
        say(db, f"people:{who}", MINED, said, "people")

    rows, _ = scored(db)

    pooled = {row.pattern: row for row in rows if row.model == "people"}
    alone = [row for row in rows if row.model != "people" and row.pattern is None]
    assert len(alone) == 3, "kay has not finished"
    one = pooled[None]
    assert (one.protocol, one.key, one.pairs, one.unread) == ("people", "metadata", 3, 0)
    assert one.pair_accuracy == pytest.approx((3 / 3 + 2 / 3 + 0) / 3)
    assert one.question_accuracy == pytest.approx((6 + 5 + 2) / 18)
    assert one.swapped == pytest.approx(1 / 9)
    assert one.same_answer == pytest.approx(3 / 9)
    assert one.both_right + one.same_answer + one.swapped + one.other == pytest.approx(1)
    assert one.pair_low < 0.15, "three people who differ so tell little of others"
    assert one.pair_high > 0.85
    assert one.question_low < one.question_accuracy < one.question_high
    assert pooled.keys() == {None, "Text"}


def test_one_person_alone_is_not_the_mean_of_people(db):
    say(db, "people:ada", MINED, ("yes", "no") * 3, "people")

    assert {row.model for row in scored(db)[0]} == {"people:ada"}


def test_a_page_can_say_what_this_way_to_ask_is():
    assert "one image at a time" in about("people")


@pytest.mark.parametrize("seed", [str(number) for number in range(20)])
def test_an_order_holds_every_question_once_and_pairs_stay_apart(seed):
    rows = [row for number in range(5) for row in pair_of(number)]
    pairs = {row.question_id: row.pair_id for row in rows}

    order = draw_order(seed, rows)

    assert sorted(order) == sorted(pairs)
    assert order == draw_order(seed, rows[::-1])
    together = sum(pairs[a] == pairs[b] for a, b in pairwise(order))
    assert together <= 1, "only the last two may be left"


def test_orders_differ_between_participants():
    rows = [row for number in range(5) for row in pair_of(number)]

    assert len({tuple(draw_order(f"{n}", rows)) for n in range(20)}) == 20


def test_a_participant_gets_what_is_not_answered_and_may_change_an_answer():
    acts = Acts()
    names = [row.question_id for row in MINED]
    acts("ada", "ordered", "", seed="s", questions=names)
    acts("ada", "chosen", names[0], choice=2)
    acts("ada", "chosen", names[0], choice=1)
    acts("ada", "chosen", names[1], choice=None)

    state = fold(acts.events, {})
    first, second = sorted(answers_of(state, MINED, {"ada"}), key=lambda row: row.choice is None)

    assert next_question(state, "ada", names) == names[2]
    assert (first.response, first.choice, first.model) == ("yes", "yes", "people:ada")
    assert (second.response, second.choice, second.failure) == (CANNOT_TELL, None, None)
    assert isinstance(first, AnswerRow)
    assert answers_of(state, MINED, set()) == []


def test_questions_that_come_and_go_leave_the_order_of_the_others_and_are_asked_last_or_not():
    acts = Acts()
    acts("ada", "ordered", "", seed="s", questions=["a", "b", "c"])
    acts("ada", "chosen", "a", choice=1)
    acts("ada", "ordered", "", seed="t", questions=["c", "e", "d"])

    state = fold(acts.events, {})

    assert state.orders["ada"] == ("a", "b", "c", "e", "d")
    assert next_question(state, "ada", {"a", "c", "d", "e"}) == "c"
    assert next_question(state, "ada", {"a", "d"}) == "d"
    assert next_question(state, "ada", {"a"}) is None
