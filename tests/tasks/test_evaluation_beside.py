"""What stands beside a score, on models whose habits are known."""

import dataclasses
import json

import pytest

from storage import answers, comparisons, questions, scores
from storage.answers import AnswerRow
from storage.questions import QuestionRow
from tasks.evaluation.asking import MMVP_VLM
from tasks.evaluation.beside import detectable, summarise, tell
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.scoring import score_all

PAIRS = 40
SET = "doors-0123456789ab"
OPTIONS = ("Open", "Closed")


def ask(pair, place, *, corrected=None):
    return QuestionRow(
        mining=SET,
        benchmark="doors",
        question_id=f"{SET}-{2 * pair - 1 + place:04}",
        pair_id=f"{SET}-pair-{pair:04}",
        image=f"{pair}{place}",
        attribute="",
        question=f"Is door {pair} open or closed?",
        options=OPTIONS,
        answer=OPTIONS[place],
        statement=None,
        pattern=None,
        source="published",
        key="original",
        written="(a) Open (b) Closed",
        corrected=corrected,
    )


ASKED = [ask(pair, place) for pair in range(1, PAIRS + 1) for place in (0, 1)]
LETTERS = dict(zip(OPTIONS, "AB", strict=True))


def say(model, choose, *, way="letter", asked=ASKED):
    """A model's answers; `choose` takes the question and gives an option, or None for a mumble."""
    choices = [(row, choose(row)) for row in asked]
    return [
        AnswerRow(
            question_id=row.question_id,
            model=model,
            protocol=way,
            request="r",
            response="mumble" if choice is None else LETTERS[choice],
            choice=choice,
            scores=None,
            failure=None,
        )
        for row, choice in choices
    ]


def truth(row):
    return row.answer


def always_open(row):
    return "Open"


def scored(*given, asked=ASKED):
    """The answers of all models with their scores."""
    rows = [row for one in given for row in one]
    names = dict.fromkeys((row.model, row.protocol) for row in rows)
    candidates = [Candidate(model, way, None, "") for model, way in names]
    found, _ = score_all(SET, asked, candidates, {row.name: row.choice for row in rows})
    return asked, found, rows


def beside(told, way="letter", model="m", key="original"):
    (one,) = (b for b in told.beside if (b.model, b.protocol, b.key) == (model, way, key))
    return one


def test_the_text_alone_stands_beside_the_score_of_the_same_protocol():
    told = tell(*scored(say("m", truth), say("m", always_open, way="letter+text-only")))

    text = beside(told).text_only
    assert (text["pair_accuracy"], text["question_accuracy"]) == (0, 0.5)
    assert (text["only_with_image"], text["only_with_text"]) == (PAIRS, 0)
    assert text["p_value"] < 1e-6
    assert beside(told, "letter+text-only").text_only is None


def test_a_control_of_another_model_stands_beside_no_score():
    told = tell(*scored(say("m", truth), say("other", always_open, way="letter+text-only")))

    assert beside(told).text_only is None


def test_a_model_that_goes_by_the_place_is_told_from_one_that_reads():
    turned = "letter+swapped-options"
    told = tell(
        *scored(
            say("reads", truth),
            say("reads", truth, way=turned),
            say("first", always_open),
            say("first", lambda row: "Closed", way=turned),  # which then stands first
        )
    )

    reads, first = (beside(told, model=name) for name in ("reads", "first"))
    assert (reads.first_option["share"], first.first_option["share"]) == (0.5, 1)
    assert (reads.same_when_turned["share"], first.same_when_turned["share"]) == (1, 0)
    assert beside(told, turned, "first").first_option["share"] == 1


@pytest.mark.parametrize("way", ["option-logprob", "free", MMVP_VLM])
def test_where_no_options_are_shown_there_is_no_bias_for_their_place(way):
    told = tell(*scored(say("m", truth, way=way)))

    assert beside(told, way).first_option is None
    assert beside(told, way).same_when_turned is None


def test_people_are_no_models_but_have_a_say_on_labels():
    told = tell(*scored(say("people:Ann", truth, way="people"), say("m", truth)))

    ann = beside(told, "people", "people:Ann")
    assert (ann.text_only, ann.first_option, ann.spread) == (None, None, None)
    assert told.heard == {"doors": 2}


def test_the_replies_of_a_run_are_read_under_every_protocol_that_sends_the_same_words():
    def both(row):
        return row.answer

    answered = [
        dataclasses.replace(row, response=f"({row.response})")
        for row in say("m", both, way="lmms-eval-0.7")
    ]
    told = tell(*scored(answered))

    spread = beside(told, "lmms-eval-0.7").spread
    assert spread["protocols"].keys() == {"lmms-eval-0.7", "internvl"}
    assert (spread["low"], spread["lowest"]) == (0, "internvl")  # it wants the bare letter first
    assert (spread["high"], spread["highest"]) == (1, "lmms-eval-0.7")
    assert beside(tell(*scored(say("m", truth)))).spread is None  # nobody else sends our words


def test_a_call_that_failed_is_no_reply_of_the_spread():
    rows = say("m", truth, way="internvl")
    failed = dataclasses.replace(rows[0], response="", choice=None, failure="timeout: 3 s")
    told = tell(*scored([failed, *rows[1:]]))

    found = beside(told, "internvl").spread["protocols"]
    assert found["lmms-eval-0.7"]["unread"] == 1


def test_swapped_labels_are_found_by_several_strong_models_and_by_no_single_one():
    asked = [
        dataclasses.replace(row, answer=OPTIONS[1 - OPTIONS.index(row.answer)])
        if row.pair_id.endswith("0007")
        else row
        for row in ASKED
    ]
    right = {row.question_id: row.answer for row in ASKED}

    def sees(row):
        return right[row.question_id]

    def panel(*models):
        return tell(*scored(*(say(m, sees, asked=asked) for m in models), asked=asked))

    several = tell(
        *scored(
            *(say(m, sees, asked=asked) for m in "abc"),
            say("blind", always_open, asked=asked),
            asked=asked,
        )
    )
    (suspect,) = several.suspects
    assert suspect.pair == f"{SET}-pair-0007"
    assert (suspect.models, suspect.swapped, suspect.right) == (3, 3, 0)
    assert suspect.question == "Is door 7 open or closed?"
    assert several.heard == {"doors": 3}
    assert panel("a").suspects == []


def test_a_key_that_leaves_pairs_out_leaves_them_out_beside_the_score():
    asked = [
        dataclasses.replace(row, corrected=OPTIONS[1 - OPTIONS.index(row.answer)])
        if row.pair_id.endswith("0007")
        else row
        for row in ASKED
    ]

    told = tell(*scored(say("m", truth, asked=asked), asked=asked))

    assert beside(told, key="corrected").first_option["pairs"] == PAIRS
    assert beside(told, key="excluded").first_option["pairs"] == PAIRS - 1


def test_more_pairs_show_smaller_differences():
    few, more, most = (detectable(pairs, 0.25) for pairs in (50, 150, 1000))

    assert few > more > most > 0
    assert detectable(150, 0.0) is None


def test_a_summary_is_json_and_marks_patterns_of_few_pairs(db):
    asked = [dataclasses.replace(row, pattern="Text") for row in ASKED[:20]]
    _, rows, given = scored(say("m", truth, asked=asked), say("n", truth, asked=asked), asked=asked)
    questions.replace(db, SET, asked)
    answers.upsert(db, given)
    scores.replace(db, SET, rows)
    _, compared = score_all(
        SET,
        asked,
        [Candidate(name, "letter", None, "") for name in "mn"],
        {row.name: row.choice for row in given},
    )
    comparisons.replace(db, SET, compared)

    found = json.loads(json.dumps(summarise(db, SET)))

    whole, of_pattern = (
        [row for row in found["scores"] if (row["pattern"] is None) == overall]
        for overall in (True, False)
    )
    assert [row["few"] for row in of_pattern] == [True, True]
    assert [row["beside"]["model"] for row in whole] == ["m", "n"]
    assert [(row["model_a"], row["only_a"]) for row in found["comparisons"]] == [("m", 0)]
    assert found["chance"]["opposite"]["pair_accuracy"] == 0.5
