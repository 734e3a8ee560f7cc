"""`mmvp grade --grader NAME`: which option graders take each stored reply for.

Put here: which replies are graded, agreement with the rules, scores under each grader.
Keep out: graders (`tasks.graders`), agreement and scores (`tasks.graders`, `tasks.scores`).
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from flows.settings import Settings
from flows.site import hold_store
from storage import answers, grades, questions, runs
from storage.answers import AnswerRow
from storage.database import Database
from storage.grades import GradeRow
from storage.questions import QuestionRow
from tasks.evaluation.asking import MMVP_VLM
from tasks.evaluation.scoring import asked_under
from tasks.files import write_whole
from tasks.graders import Given, Grade, agreement, disagreements, to_csv
from tasks.graders.registry import RULES, grader_named
from tasks.protocols import protocol_named
from tasks.protocols.protocol import LOGPROBS
from tasks.scores import score


class Sitting(NamedTuple):
    """A model that was asked a benchmark in a way."""

    benchmark: str
    model: str
    protocol: str


class Replies(NamedTuple):
    """All questions of a benchmark, and the replies to them."""

    asked: Sequence[QuestionRow]
    given: list[Given]


def grade_answers(settings: Settings, names: Sequence[str], to: Path | None) -> dict[str, Any]:
    """Grade the replies of the latest evaluation, and store the grades.

    Args:
        settings: Where the store is.
        names: Of graders; the protocol's own rules grade too, to compare the others with.
        to: A CSV for the replies that a grader takes otherwise than the rules, if it is wanted.

    Raises:
        ValueError: if there are no replies in words, or a grader cannot be used.
    """
    graders = {name: grader_named(name) for name in dict.fromkeys([RULES, *names])}
    with hold_store(settings, "grade"):
        db = Database(settings.store)
        found: list[dict[str, Any]] = []
        differing: list[dict[str, Any]] = []
        for sitting, replies in _sittings(db).items():
            graded = {
                name: [grade(one) for one in replies.given] for name, grade in graders.items()
            }
            for name, made in graded.items():
                grades.upsert(db, [GradeRow(**asdict(one)) for one in made])
                told = asdict(agreement(replies.given, graded[RULES], made))
                scored = _score(replies.asked, made)
                found.append({**sitting._asdict(), "grader": name, **told, **scored})
                differing += disagreements(replies.given, graded[RULES], made)
    if to is not None:
        write_whole(to.expanduser(), to_csv(differing).encode())
    return {"graders": found, "disagreements": len(differing)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Grade as the options say, and print a line a model and grader unless JSON is asked for."""
    to = Path(options.to) if options.to else None
    found = grade_answers(Settings.read(), options.grader, to)
    if not options.json:
        columns = ("pairs", "pair accuracy", "agrees with rules", "kappa", "failed")
        print("\t".join([*Sitting._fields, "grader", *columns]))
        for row in found["graders"]:
            shares = (row["pair_accuracy"], row["share"], row["kappa"])
            cells = ["" if value is None else f"{value:.3f}" for value in shares]
            named = [*(row[name] for name in (*Sitting._fields, "grader")), str(row["pairs"])]
            print("\t".join([*named, *cells, str(row["failed"])]))
    return found


def _sittings(db: Database) -> dict[Sitting, Replies]:
    """Return the replies in words of the latest evaluation."""
    latest = runs.latest(db, "answers")
    rows = questions.read(db, latest.mining) if latest is not None else []
    benchmarks: dict[str, dict[str, QuestionRow]] = defaultdict(dict)
    for row in rows:
        benchmarks[row.benchmark][row.question_id] = row
    found: dict[Sitting, Replies] = {}
    for answer in answers.read(db, question_ids={row.question_id for row in rows}):
        if answer.failure is not None or not _in_words(answer.protocol):
            continue
        for benchmark, asked in benchmarks.items():
            if answer.question_id in asked:
                sitting = Sitting(benchmark, answer.model, answer.protocol)
                replies = found.setdefault(sitting, Replies(list(asked.values()), []))
                replies.given.append(_given(asked[answer.question_id], answer))
    if not found:
        message = "no model has answered in words yet; run `mmvp evaluate` with a model that does"
        raise ValueError(message)
    return dict(sorted(found.items()))


def _given(row: QuestionRow, answer: AnswerRow) -> Given:
    return Given(
        question_id=row.question_id,
        model=answer.model,
        protocol=answer.protocol,
        question=row.question,
        options=(row.options[0], row.options[1]),
        reply=answer.response,
    )


def _in_words(way: str) -> bool:
    protocol = way.partition("+")[0].partition("#")[0]
    return protocol != MMVP_VLM and protocol_named(protocol).asks != LOGPROBS


def _score(asked: Sequence[QuestionRow], made: Sequence[Grade]) -> dict[str, Any]:
    """Return the accuracy under the questions' own key; what has no grade is wrong."""
    choices = {one.question_id: one.option for one in made}
    overall = score(asked_under(asked[0].key, asked, choices))[0]
    names = ("pairs", "pair_accuracy", "pair_low", "pair_high", "question_accuracy", "unread")
    return {name: getattr(overall, name) for name in names}
