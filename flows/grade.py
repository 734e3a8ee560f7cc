"""`mmvp grade`: which option rules, judges and others' graders take each stored reply for.

Put here: grading the replies of the latest evaluation, what is printed of it.
Keep out: graders (`tasks.graders`), what is compared (`tasks.evaluation.grading`).
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.parameters import terms_of
from flows.settings import Settings
from flows.site import hold_store
from storage import answers, grades, questions, runs
from storage.database import Database
from storage.grades import GradeRow
from storage.tables import SPECS
from tasks.backends.terms import Terms
from tasks.evaluation.grading import Replies, Sitting, compare, sittings_of
from tasks.evaluation.judging import VOTES, grade_by_server, judge_of
from tasks.files import write_whole
from tasks.graders import disagreements, to_csv
from tasks.graders.registry import RULES, grader_named


def grade_answers(
    settings: Settings,
    names: Sequence[str] = (),
    judges: Sequence[str] = (),
    to: Path | None = None,
    *,
    votes: int = VOTES,
    terms: Terms = Terms(),
) -> dict[str, Any]:
    """Grade the replies of the latest evaluation, and store the grades.

    Args:
        settings: Where the store is.
        names: Of graders that other packages add; the protocols' own rules always grade, to
            compare the others with.
        judges: Servers whose language models grade, too.
        to: A CSV for the replies that a grader takes otherwise than the rules, if it is wanted.
        votes: Of each judge on each reply.
        terms: On which judges are asked.

    Raises:
        ValueError: if there are no replies in words, or a grader cannot be used.
    """
    graders = {name: grader_named(name) for name in dict.fromkeys([RULES, *names])}
    as_served = terms.own_decoding
    asked = [judge_of(spec, votes, own=as_served) for spec in dict.fromkeys(judges)]
    with hold_store(settings, "grade"):
        db = Database(settings.store)
        db.make(SPECS.values())
        sittings = _sittings(db)
        given = [one for replies in sittings.values() for one in replies.given]
        graded = {name: [grade(one) for one in given] for name, grade in graders.items()}
        for who in asked:
            made = grade_by_server(db, settings.home, who, given, terms)
            graded[who[1].name] = made
        for made in graded.values():
            grades.upsert(db, [GradeRow(**asdict(one)) for one in made])
    found: list[dict[str, Any]] = []
    differing: list[dict[str, Any]] = []
    for name, made in graded.items():
        by_name = {(one.question_id, one.model, one.protocol): one for one in made}
        rules = {one.name: rule for one, rule in zip(given, graded[RULES], strict=True)}
        for sitting, (rows, said) in sittings.items():
            mine, own = [by_name[one.name] for one in said], [rules[one.name] for one in said]
            found.append({"grader": name, **compare(sitting, Replies(rows, said), own, mine)})
            differing += disagreements(said, own, mine)
    if to is not None:
        write_whole(to.expanduser(), to_csv(differing).encode())
    return {"graders": found, "disagreements": len(differing)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Grade as the options say, and print a line a model and grader unless JSON is asked for."""
    to = Path(options.to) if options.to else None
    found = grade_answers(
        Settings.read(),
        options.grader,
        options.judge,
        to,
        votes=options.votes,
        terms=terms_of(options),
    )
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
    given = answers.read(db, question_ids={row.question_id for row in rows})
    found = sittings_of(rows, given)
    if not found:
        message = "no model has answered in words yet; run `mmvp evaluate` with a model that does"
        raise ValueError(message)
    return found
