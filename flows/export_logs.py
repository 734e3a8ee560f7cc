"""`mmvp export logs`: what models of the latest evaluation were asked and said, for Inspect View.

Put here: which answers and scores belong together, names of files.
Keep out: the logs themselves (`tasks.exporting.inspect_log`).
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from flows.settings import Settings
from storage import answers, paths, questions, runs, scores
from storage.answers import AnswerRow
from storage.database import Database
from storage.questions import QuestionRow
from tasks.backends import Picture
from tasks.evaluation.servers import images_of
from tasks.exporting.inspect_log import Images, Sitting, write_inspect_log


class Name(NamedTuple):
    """Which log it is."""

    benchmark: str
    model: str
    protocol: str

    @property
    def file(self) -> str:
        """The log's file name; signs that file systems or shells mind are replaced."""
        return re.sub(r"[^A-Za-z0-9.#+~-]+", "-", "_".join(self)) + ".eval"


def export_logs(
    settings: Settings, to: Path, benchmark: str | None = None, *, with_images: bool = False
) -> dict[str, Any]:
    """Write a log for each benchmark, model and way to ask of the latest evaluation.

    Args:
        settings: Where the store is.
        to: A folder; logs of the same names are written anew.
        benchmark: Only this one's.
        with_images: Put the pictures into the logs, too.

    Raises:
        ValueError: if nothing was answered.
        ImportError: if inspect_ai is not installed.
    """
    db = Database(settings.store)
    run = runs.latest(db, "answers")
    rows = questions.read(db, run.mining, benchmark=benchmark) if run is not None else []
    given = _by_name(rows, answers.read(db, question_ids={row.question_id for row in rows}))
    if run is None or not given:
        message = f"no model has answered {benchmark or 'anything'} yet; run `mmvp evaluate`"
        raise ValueError(message)
    scored = scores.read(db, run.mining)
    images = _images(db, rows) if with_images else None
    to.mkdir(parents=True, exist_ok=True)
    created = datetime.fromtimestamp(run.finished, UTC).isoformat()
    for name, said in given.items():
        sitting = Sitting(
            model=name.model,
            protocol=name.protocol,
            created=created,
            questions=[row for row in rows if row.benchmark == name.benchmark],
            answers=said,
            scores=[row for row in scored if (row.benchmark, row.model, row.protocol) == name],
        )
        write_inspect_log(to / name.file, sitting, images=images)
    return {"logs": sorted(name.file for name in given), "to": str(to)}


def _by_name(
    rows: Sequence[QuestionRow], given: Sequence[AnswerRow]
) -> Mapping[Name, list[AnswerRow]]:
    benchmarks: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        benchmarks[row.question_id].append(row.benchmark)
    found: dict[Name, list[AnswerRow]] = defaultdict(list)
    for answer in given:
        for name in benchmarks[answer.question_id]:
            found[Name(name, answer.model, answer.protocol)].append(answer)
    return found


def _images(db: Database, rows: Sequence[QuestionRow]) -> Images:
    held = paths.images(db, paths.corpora(db), only=sorted({row.image for row in rows}))
    read = images_of(held)
    return lambda image: read(Picture(image))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write what the options name, and say where unless JSON is asked for."""
    to = Path(options.to).expanduser()
    found = export_logs(Settings.read(), to, options.benchmark, with_images=options.with_images)
    if not options.json:
        print(f"{len(found['logs'])} logs in {to}; look at them with: inspect view --log-dir {to}")
    return found
