"""Votes, people, rules and the paper's judge make grades; graders are compared reply by reply."""

import csv
import io
import json
import random

import pytest
from sklearn.metrics import cohen_kappa_score

from tasks.backends import Failure, Reply
from tasks.benchmarks.question import Question
from tasks.graders import (
    NoVerdict,
    Verdict,
    agreement,
    disagreements,
    grade,
    grade_by_paper,
    grade_by_people,
    grade_by_rules,
    majority,
    paper_request,
    to_csv,
)
from tasks.graders.agreement import cohens_kappa
from tasks.protocols import protocol_named
from tests.tasks.graders.replies import given, texts

PAPER = protocol_named("paper-2024")
QUESTION = Question(
    number=99,
    pair=50,
    image=None,
    text="Is it open?",
    options=("Open", "Closed"),
    options_written="(a) Open (b) Closed",
    original=0,
    corrected=1,
    pattern=None,
)


def voted(*votes, one=None):
    read = [NoVerdict("timeout: none") if vote is None else Verdict(vote, "") for vote in votes]
    return grade(one or given(), read, grader="judge:big", request="f" * 64)


@pytest.mark.parametrize(
    ("votes", "taken"),
    [
        ("a", "a"),
        ("aab", "a"),
        ("bab", "b"),
        ("abn", "neither"),
        ("ab", "neither"),
        ("aabbn", "neither"),
        ("nna", "neither"),
        ("aanna", "a"),
        ("", "neither"),
    ],
)
def test_more_than_half_decide_and_a_tie_is_neither(votes, taken):
    assert majority([{"n": "neither"}.get(vote, vote) for vote in votes]) == taken


@pytest.mark.parametrize(
    ("votes", "option", "failed"),
    [
        (("a", "a", None), "Open", False),
        (("a", "b", None), None, False),
        (("b", "b", "a"), "Closed", False),
        (("a", None, None), None, True),
        ((None,), None, True),
        (("a", "a", None, None), None, True),
    ],
)
def test_failed_votes_are_failures_and_never_votes(votes, option, failed):
    found = voted(*votes)

    assert (found.option, found.votes, found.failure is not None) == (option, votes, failed)


def test_no_votes_are_a_mistake():
    with pytest.raises(ValueError, match="question 'q': no vote of 'judge:big'"):
        voted()


@pytest.mark.parametrize(
    ("reply", "option"), [("(b)", "Closed"), ("Answer: a", "Open"), ("Hm.", None)]
)
def test_rules_grade_as_the_protocol_reads(reply, option):
    found = grade_by_rules(protocol_named("letter"), given(reply))

    assert (found.option, found.grader, found.failure) == (option, "rules:letter", None)


def test_people_vote_in_the_order_of_their_names():
    found = grade_by_people(given(), {"zoe": "b", "ann": "a", "bob": "b"})

    assert (found.option, found.votes) == ("Closed", ("a", "b", "b"))
    assert found.request != grade_by_people(given(), {"zoe": "b", "ann": "b", "bob": "b"}).request


@pytest.mark.parametrize(("key", "label"), [("original", "(a)"), ("corrected", "(b)")])
def test_the_papers_judge_is_told_the_right_answer(key, label):
    request = paper_request(PAPER, QUESTION, "It is closed.", key=key)

    assert texts(request) == [
        PAPER.judge.system,
        f"Given the following question Is it open? (a) Open (b) Closed, the correct answer is "
        f"{label}. Does the following answer correctly answers the question, answer:It is closed.?",
    ]
    assert (request.model, request.decoding.temperature) == ("gpt-4-0314", 0.2)


@pytest.mark.parametrize(
    ("said", "option"), [("yes", "Closed"), ("Yes", "Closed"), ("Yes.", None), ("no", None)]
)
def test_the_papers_judge_takes_yes_alone_for_right(said, option):
    found = grade_by_paper(PAPER, QUESTION, given(), Reply(text=said), key="corrected")

    assert (found.option, found.failure) == (option, None)
    assert found.grader == "paper:gpt-4-0314:corrected"


def test_a_failed_call_of_the_papers_judge_is_a_failure():
    failure = Failure(reason="timeout", message="no reply")
    found = grade_by_paper(PAPER, QUESTION, given(), failure, key="original")

    assert found.failure == "1 of 1 votes failed: timeout: no reply"


def test_a_protocol_without_a_judge_and_a_question_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="protocol 'letter' has no judge"):
        paper_request(protocol_named("letter"), QUESTION, "a", key="original")
    with pytest.raises(ValueError, match="key 'excluded' leaves out question 99"):
        paper_request(PAPER, QUESTION, "a", key="excluded")


def three():
    replies = [given(reply, question_id=str(n)) for n, reply in enumerate(["(a)", "(b)", "=1+1"])]
    rules = [grade_by_rules(protocol_named("letter"), one) for one in replies]
    return replies, rules


def test_agreement_counts_the_replies_that_both_graded():
    replies, rules = three()
    judged = [voted(vote, one=one) for vote, one in zip(("a", "a", None), replies, strict=True)]

    found = agreement(replies, rules, judged)

    assert (found.first, found.second) == ("rules:letter", "judge:big")
    assert (found.graded, found.failed, found.share) == (2, 1, 0.5)
    assert found.interval.low < 0.5 < found.interval.high
    assert found.kappa == 0.0


def test_of_nothing_graded_there_is_no_agreement():
    found = agreement([], [], [])

    assert (found.share, found.kappa, found.interval) == (None, None, (0.0, 1.0))


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed):
    lot = random.Random(seed)
    one = lot.choices(["a", "b", "neither"], [5, 3, 1], k=60)
    other = [label if lot.random() < 0.7 else lot.choice(["a", "b"]) for label in one]

    assert cohens_kappa(list(zip(one, other, strict=True))) == pytest.approx(
        cohen_kappa_score(one, other)
    )


def test_kappa_of_one_label_only_is_unknown():
    assert cohens_kappa([("a", "a")] * 9) is None


def test_disagreements_are_rows_for_json_and_for_a_spreadsheet():
    replies, rules = three()
    judged = [voted("a", "a", None, one=one) for one in replies]

    rows = disagreements(replies, rules, judged)

    assert json.loads(json.dumps(rows)) == rows
    assert [(row["reply"], row["first_option"], row["second_option"]) for row in rows] == [
        ("(b)", "Closed", "Open"),
        ("=1+1", None, "Open"),
    ]
    first, second = csv.DictReader(io.StringIO(to_csv(rows)))
    assert (first["first_votes"], first["second_votes"]) == ("b", "a a failed")
    assert (second["reply"], second["first_option"]) == ("'=1+1", "neither")


def test_a_failed_grade_is_no_disagreement():
    replies, rules = three()

    assert disagreements(replies, rules, [voted(None, one=one) for one in replies]) == []


def test_grades_of_other_replies_are_not_compared():
    replies, rules = three()

    with pytest.raises(ValueError, match="3 grades of 'rules:letter' for 3 replies"):
        agreement(replies, rules, rules[::-1])
