"""Logs for Inspect View: its own reader reads them back, failures stay failures."""

import dataclasses
import importlib.util

import pytest

from storage.answers import AnswerRow
from storage.questions import QuestionRow
from storage.scores import ScoreRow
from tasks.exporting.inspect_log import Sitting, write_inspect_log
from tasks.scores import AskedQuestion, score

needs_inspect = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None, reason="the extra `inspect` is not installed"
)
PNG = b"\x89PNG\r\n\x1a\n rest of a picture"


def question(name, pair, answer):
    return QuestionRow(
        mining="mmvp-1",
        benchmark="published",
        question_id=name,
        pair_id=pair,
        image=f"image {name}",
        attribute="",
        question="Is it open?",
        options=("Open", "Closed"),
        answer=answer,
        statement=None,
        pattern="state",
        source="file",
        key="original",
    )


QUESTIONS = [question("1", "p", "Open"), question("2", "p", "Closed"), question("3", "q", "Open")]


def answer(name, response, choice, failure=None):
    return AnswerRow(
        question_id=name,
        model="m",
        protocol="letter",
        request="f" * 64,
        response=response,
        choice=choice,
        scores=None,
        failure=failure,
    )


ANSWERS = [answer("1", "(a)", "Open"), answer("2", "Hm.", None), answer("3", "", None, "timeout")]


def sitting(**fields):
    asked = [
        AskedQuestion(pair_id="p", pattern="state", answer=one.answer, choice=two.choice)
        for one, two in zip(QUESTIONS[:2], ANSWERS[:2], strict=True)
    ]
    trained = dict.fromkeys(["features", "ssl_share", "seed", "steps"])
    named = {"mining": "mmvp-1", "benchmark": "published", "key": "original"}
    scores = [
        ScoreRow(model="m", protocol="letter", **named, **trained, **dataclasses.asdict(one))
        for one in score(asked)
    ]
    given = {"questions": QUESTIONS, "answers": ANSWERS, "scores": scores} | fields
    return Sitting(model="m", protocol="letter", created="2026-01-01T12:00:00+00:00", **given)


@needs_inspect
def test_inspects_own_reader_reads_questions_answers_and_scores(tmp_path):
    from inspect_ai.log import read_eval_log

    write_inspect_log(tmp_path / "m.eval", sitting(), images=lambda image: PNG)
    log = read_eval_log(str(tmp_path / "m.eval"))

    right, unread, failed = log.samples
    assert (log.eval.model, log.eval.task, log.status) == ("m", "mmvp-letter", "error")
    assert [sample.id for sample in log.samples] == ["1", "2", "3"]
    assert right.input[0].content[0].text == "Is it open?"
    assert right.input[0].content[1].type == "image"
    assert (right.target, right.choices, right.output.completion) == (
        "Open",
        ["Open", "Closed"],
        "(a)",
    )
    assert (right.scores["letter"].value, right.scores["letter"].answer) == ("C", "Open")
    assert unread.scores["letter"].value == "I"
    assert (failed.error.message, failed.scores) == ("timeout", None)
    overall, state = log.results.scores
    assert (overall.name, state.name) == ("all pairs", "state")
    assert overall.metrics["question_accuracy"].value == 0.5
    assert overall.metrics["unread"].value == 1
    assert (log.results.total_samples, log.results.completed_samples) == (3, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["m.eval"]


@needs_inspect
def test_a_question_that_was_not_asked_has_no_answer(tmp_path):
    from inspect_ai.log import read_eval_log

    write_inspect_log(tmp_path / "m.eval", sitting(answers=ANSWERS[:1]))
    log = read_eval_log(str(tmp_path / "m.eval"))

    assert [sample.error and sample.error.message for sample in log.samples] == [
        None,
        "not asked",
        "not asked",
    ]


def test_another_ending_and_another_models_answers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends with \.eval"):
        write_inspect_log(tmp_path / "m.json", sitting())
    other = [dataclasses.replace(ANSWERS[0], model="n")]
    with pytest.raises(ValueError, match=r"1 answers \(1\) and 0 scores are not of model 'm'"):
        write_inspect_log(tmp_path / "m.eval", sitting(answers=other))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("inspect_ai") is not None, reason="it is installed")
def test_without_the_library_the_extra_is_named(tmp_path):
    with pytest.raises(ImportError, match=r"pip install 'mmvp\[inspect\]'"):
        write_inspect_log(tmp_path / "m.eval", sitting())
