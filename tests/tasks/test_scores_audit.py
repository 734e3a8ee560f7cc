"""The audit of labels, on MMVP's questions and panels of models that know the truth fairly well."""

import dataclasses
import random
from pathlib import Path

import pytest

from tasks.benchmarks.keys import CORRECTED, ORIGINAL
from tasks.benchmarks.questions import read_questions
from tasks.protocols import protocol_named
from tasks.protocols.rescoring import rescore
from tasks.scores import AskedQuestion, audit_labels, pair_outcomes

MMVP = read_questions(Path(__file__).parent / "benchmarks" / "mmvp" / "Questions.csv").questions
WRONG = ["000050", "000140"]


def answers(seed, *, sees, key=ORIGINAL):
    """Outcomes, under a key, of a model that has a share of the pairs right in truth."""
    lot, asked = random.Random(seed), []
    for one, two in zip(MMVP[::2], MMVP[1::2], strict=True):
        if lot.random() < sees:
            taken = one.answer(CORRECTED), two.answer(CORRECTED)
        else:
            taken = lot.choice([(0, 0), (1, 1), (two.answer(CORRECTED), one.answer(CORRECTED))])
        asked += [
            AskedQuestion(
                pair_id=f"{question.pair:06}",
                pattern=None,
                answer=question.options[question.answer(key)],
                choice=question.options[place],
            )
            for question, place in zip((one, two), taken, strict=True)
        ]
    return pair_outcomes(asked)


def panel(models=16, *, sees=0.85, key=ORIGINAL):
    return {f"m{n}": answers(n, sees=sees - 0.01 * n, key=key) for n in range(models)}


def suspects(found):
    return sorted(one.pair_id for one in found if one.is_suspect)


def test_a_panel_of_strong_models_points_to_exactly_the_wrong_labels():
    found = audit_labels(panel())

    assert suspects(found) == WRONG
    assert sorted(one.pair_id for one in found[:2]) == WRONG
    assert len(found) == 150
    assert {one.models for one in found} == {16}


def test_under_the_corrected_key_no_label_is_suspect():
    assert suspects(audit_labels(panel(key=CORRECTED))) == []


def test_one_model_proves_nothing_and_puts_the_pairs_that_it_swaps_first():
    (name, outcomes), *_ = panel(1).items()
    found = audit_labels({name: outcomes})

    assert suspects(found) == []
    swapped = {one.pair_id for one in outcomes if one.outcome == "swapped"}
    assert {one.pair_id for one in found[: len(swapped)]} == swapped


def test_a_hard_pair_is_not_suspect_while_most_have_it_right():
    hard = "000007"
    found = {
        name: [
            dataclasses.replace(one, outcome="swapped" if number < 10 else "both_right")
            if one.pair_id == hard
            else one
            for one in outcomes
        ]
        for number, (name, outcomes) in enumerate(panel(21).items())
    }

    (audited,) = (one for one in audit_labels(found) if one.pair_id == hard)

    assert audited.p_holm < 0.05, "ten of 21 is far more than elsewhere"
    assert not audited.is_suspect


def test_weak_models_have_no_say():
    found = audit_labels(panel(3) | {f"w{n}": answers(n, sees=0.2) for n in range(20)})

    assert {one.models for one in found} == {3}
    assert audit_labels({"w": answers(0, sees=0.2)}) == []
    assert audit_labels({"none": []}) == []


@pytest.mark.parametrize("models", [5, 9])
def test_a_few_models_are_enough_if_they_are_strong(models):
    assert suspects(audit_labels(panel(models, sees=0.9))) == WRONG


@pytest.mark.parametrize(
    ("name", "right"), [(ORIGINAL, 148 / 150), (CORRECTED, 1.0), ("excluded", 1.0)]
)
def test_a_perfect_model_gets_148_of_150_pairs_under_the_original_key(name, right):
    replies = {question.number: "(a)(b)"[3 * question.answer(CORRECTED) :][:3] for question in MMVP}

    found = rescore(protocol_named("letter"), MMVP, replies, key=name)

    assert found.score.pair_accuracy == right
    assert found.score.swapped == pytest.approx(1 - right)


def test_who_always_replies_a_gets_no_pair_of_mmvp_and_half_of_its_questions():
    found = rescore(protocol_named("letter"), MMVP, dict.fromkeys(range(1, 301), "(a)")).score

    assert (found.pair_accuracy, found.question_accuracy) == (0.0, 0.5)
    assert (found.both_right, found.same_answer, found.unread) == (0.0, 1.0, 0)
