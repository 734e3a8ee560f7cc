"""Score answers that are stored in a file: no model, no image and no server is needed.

Run it by hand with `mmvp evaluate --benchmark DIR --answers FILE --protocol NAME --key KEY`.

Put here: the benchmark and the file, what makes an answer file incomplete, the rows that are kept.
Keep out: formats of files (`tasks.bridges`), figures (`tasks.evaluation.stored`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from flows.settings import Settings
from flows.site import hold_store
from storage import questions, runs, scores
from storage.database import Database
from storage.questions import MINED
from storage.scores import ScoreRow
from storage.tables import SPECS
from tasks.backends import Failure, Reply
from tasks.benchmarks import Question, QuestionSet
from tasks.bridges import read_replies
from tasks.evaluation.benchmark import read_benchmark
from tasks.evaluation.rows import label, question_name, question_of, rows_of, set_name
from tasks.evaluation.stored import score_replies
from tasks.exporting.benchmark_pairs import number_pairs
from tasks.protocols import protocol_named


class Benchmark(NamedTuple):
    """The questions that answers belong to; `names` are the numbers of questions by their ids."""

    set_name: str
    name: str
    questions: Sequence[Question]
    names: Mapping[str, int]
    notes: Sequence[str]


def score_file(  # each is an option of the command
    settings: Settings,
    answers: Path,
    *,
    place: str | None,
    protocol: str,
    key: str | None,
    model: str | None = None,
    seed: int | None = None,
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """Return the scores of an answer file, and keep them in the store beside others'.

    Args:
        settings: Where the store is.
        answers: MMVP's script's JSONL, ours, lmms-eval's samples or VLMEvalKit's sheets.
        place: The benchmark's folder or CSV; None: the mined benchmark of the latest run.
        protocol: What reads the replies.
        key: The answer key; None: the protocol's own.
        model: What to call the model; None: what the file says, else the file's name.
        seed: Draws lots where the protocol's harness does; None: unread stays unread.
        allow_incomplete: Score although answers are missing or are records of failed calls.

    Raises:
        ValueError: if the benchmark, the file, the protocol or the key cannot be used, or answers
            are missing.
    """
    how = protocol_named(protocol)
    asked = _published(place) if place is not None else _mined(settings)
    found = read_replies(answers, asked.questions, names=asked.names, benchmark=asked.name)
    replies = {n: one.text for n, one in found.replies.items() if isinstance(one, Reply)}
    failed = sum(isinstance(one, Failure) for one in found.replies.values())
    missing = len(asked.questions) - len(found.replies)
    if (failed or missing) and not allow_incomplete:
        message = (
            f"{str(answers)!r} is incomplete: of {len(asked.questions)} questions {missing} have "
            f"no line and {failed} hold a failed call; ask those again, or score without them, as "
            f"wrong, with --allow-incomplete"
        )
        raise ValueError(message)
    scored = score_replies(how, asked.questions, replies, key=key, seed=seed)
    named = model or found.model or answers.stem
    result = {
        "benchmark": asked.name,
        "set": asked.set_name,
        "model": named,
        **scored,
        "failed": failed,
        "missing": missing,
        "complete": not (failed or missing),
        "format": found.format,
        "notes": [*asked.notes, *found.notes],
    }
    _keep(settings, asked, result)
    return result


def _published(place: str) -> Benchmark:
    found = read_benchmark(Path(place).expanduser())
    name = set_name(found)
    if isinstance(found, QuestionSet):
        asked = list(found.questions)
        names = {question_name(name, q.number): q.number for q in asked}
    else:
        numbered = list(enumerate(rows_of(found, {}), start=1))
        asked = [question_of(row, number) for number, row in numbered]
        names = {row.question_id: number for number, row in numbered}
    return Benchmark(name, label(found.name), asked, names, found.notes)


def _mined(settings: Settings) -> Benchmark:
    """Return the mined questions, by the numbers that `mmvp export benchmark` gives them."""
    db = Database(settings.store)
    run = runs.latest(db, "pairs")
    rows = questions.read(db, run.mining, benchmark=MINED) if run is not None else []
    if run is None or not rows:
        message = (
            f"the store {settings.store} has no mined questions; run `mmvp questions` first, or "
            f"name a published benchmark with --benchmark DIR"
        )
        raise ValueError(message)
    numbered = [each for pair in number_pairs(rows) for each in pair.numbered]
    asked = [question_of(row, number) for number, row in numbered]
    names = {row.question_id: number for number, row in numbered}
    return Benchmark(run.mining, MINED, asked, names, ())


def _keep(settings: Settings, asked: Benchmark, result: Mapping[str, Any]) -> None:
    """Write the scores of all pairs and of each pattern beside those of other models."""
    columns = {field.name for field in fields(ScoreRow)}
    base = dict.fromkeys(("features", "ssl_share", "seed", "steps", "pattern"))
    named = {"mining": asked.set_name, "benchmark": asked.name, "model": result["model"]}
    common = base | named | {"protocol": result["protocol"], "key": result["key"]}
    kept = [
        ScoreRow(**common | {k: v for k, v in row.items() if k in columns})
        for row in (result, *result["patterns"])
    ]
    with hold_store(settings, "evaluate"):
        db = Database(settings.store)
        db.make(SPECS.values())
        scores.upsert(db, kept)
