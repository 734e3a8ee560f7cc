"""From answers in the store to scores and comparisons."""

import dataclasses

import pytest

from storage import answers
from storage.answers import AnswerRow
from storage.models import ModelRow
from storage.questions import QuestionRow
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.scoring import score_all

TEXT, COUNT = "Text", "Quantity and Count"


def pair_of(number, *, benchmark="random", attribute="text", pattern=TEXT):
    """The two questions of a pair, whose answers are yes and no."""
    return [
        QuestionRow(
            mining="m",
            benchmark=benchmark,
            question_id=f"{benchmark} {attribute} {number} {answer}",
            pair_id=f"pair{number}",
            image=f"{number}{answer}",
            attribute=attribute,
            question="?",
            options=("yes", "no"),
            answer=answer,
            statement=None,
            pattern=pattern,
            source="attribute",
            key="metadata",
        )
        for answer in ("yes", "no")
    ]


def candidate(model, protocol="free", share=None):
    row = ModelRow(
        model=model,
        features="additive",
        ssl_share=share,
        seed=3,
        steps=7,
        folder="",
        weights="",
        facts={},
        figures={},
        trained_images=5,
    )
    return Candidate(model, protocol, "additive", row.weights, row)


def scored(db, asked, candidates):
    choices = {row.name: row.choice for row in answers.read(db)}
    return score_all("m", asked, candidates, choices)


def say(db, model, pair, choices, protocol="free"):
    """Store a model's choices; None for words that are no option, ... for no answer at all."""
    rows = [
        AnswerRow(
            question_id=row.question_id,
            model=model,
            protocol=protocol,
            request="r",
            response="?" if choice is None else choice,
            choice=choice,
            scores=None,
            failure=None,
        )
        for row, choice in zip(pair, choices, strict=True)
        if choice is not ...
    ]
    answers.upsert(db, rows)


@pytest.mark.parametrize(
    ("choices", "outcome", "right", "unread"),
    [
        (("yes", "no"), "both_right", 1.0, 0),
        (("yes", "yes"), "same_answer", 0.5, 0),
        (("no", "yes"), "swapped", 0.0, 0),
        (("yes", None), "other", 0.5, 1),
        (("yes", ...), "other", 0.5, 1),
        ((..., ...), "other", 0.0, 2),
    ],
)
def test_answers_make_the_outcome_of_a_pair(db, choices, outcome, right, unread):
    pair = pair_of(1)
    say(db, "a", pair, choices)

    (overall, text), compared = scored(db, pair, [candidate("a")])

    assert compared == []
    assert (overall.pattern, text.pattern) == (None, TEXT)
    for row in (overall, text):
        assert getattr(row, outcome) == 1
        assert (row.question_accuracy, row.unread, row.pairs) == (right, unread, 1)
        assert row.pair_accuracy == (outcome == "both_right")


def test_a_score_says_which_model_it_is_of(db):
    rows, _ = scored(db, pair_of(1), [candidate("a", share=0.25), Candidate("c", "v", None, "w")])

    assert [(row.mining, row.benchmark, row.key) for row in rows] == [
        ("m", "random", "metadata")
    ] * 4
    trained, clip = rows[0], rows[2]
    assert (trained.model, trained.protocol, trained.features) == ("a", "free", "additive")
    assert (trained.ssl_share, trained.seed, trained.steps) == (0.25, 3, 7)
    assert (clip.model, clip.protocol, clip.features) == ("c", "v", None)
    assert (clip.ssl_share, clip.seed, clip.steps) == (None, None, None)


def test_every_benchmark_and_pattern_has_its_scores(db):
    asked = [
        *pair_of(1),
        *pair_of(2, attribute="count", pattern=COUNT),
        *pair_of(3, benchmark="captioned", attribute="hue", pattern=None),
        *pair_of(1, benchmark="mined"),
    ]
    for number in range(0, len(asked), 2):
        say(db, "a", asked[number : number + 2], ("yes", "no") if number else ("no", "no"))

    rows, _ = scored(db, asked, [candidate("a")])

    found = {(row.benchmark, row.pattern): (row.pairs, row.pair_accuracy) for row in rows}
    assert found == {
        ("random", None): (2, 0.5),
        ("random", TEXT): (1, 0),
        ("random", COUNT): (1, 1),
        ("captioned", None): (1, 1),
        ("captioned", "hue"): (1, 1),
        ("mined", None): (1, 1),
        ("mined", TEXT): (1, 1),
    }


def test_two_images_may_be_asked_about_twice(db):
    """The same pair under two attributes counts as two pairs."""
    asked = [*pair_of(1), *pair_of(1, attribute="count", pattern=COUNT)]
    say(db, "a", asked[:2], ("yes", "no"))

    (overall, *_), _ = scored(db, asked, [candidate("a")])

    assert (overall.pairs, overall.both_right, overall.other) == (2, 0.5, 0.5)


def test_models_are_compared_under_one_protocol(db):
    asked = [*pair_of(1), *pair_of(2)]
    say(db, "a", asked[:2], ("yes", "no"))
    say(db, "b", asked[2:], ("yes", "no"))
    candidates = [candidate("a"), candidate("b"), candidate("a", "option-logprob")]

    rows, (compared,) = scored(db, asked, candidates)

    assert (compared.model_a, compared.model_b, compared.protocol) == ("a", "b", "free")
    assert (compared.pairs, compared.only_a, compared.only_b) == (2, 1, 1)
    assert (compared.benchmark, compared.p_value) == ("random", 1)
    told = {(row.model, row.protocol): row.pair_accuracy for row in rows if row.pattern is None}
    assert told == {("a", "free"): 0.5, ("b", "free"): 0.5, ("a", "option-logprob"): 0}


def test_answers_of_other_models_protocols_and_failed_calls_do_not_count(db):
    pair = pair_of(1)
    say(db, "b", pair, ("yes", "no"))
    say(db, "a", pair, ("yes", "no"), protocol="option-logprob")
    (stored, _) = answers.read(db, models=["b"])
    failed = dataclasses.replace(stored, model="a", response="", choice=None, failure="timeout")
    answers.upsert(db, [failed])

    (overall, *_), _ = scored(db, pair, [candidate("a")])

    assert (overall.unread, overall.other) == (2, 1)


def test_of_no_question_there_is_no_score(db):
    assert scored(db, [], [candidate("a")]) == ([], [])
