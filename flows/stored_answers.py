"""Score answers that are stored in a file: no model, no image and no server is needed.

Run it by hand with `mmvp evaluate --benchmark DIR --answers FILE --protocol NAME --key KEY`.

Put here: the benchmark and the file, what makes an answer file incomplete, the rows that are kept.
Keep out: formats of files (`tasks.bridges`), figures (`tasks.evaluation.stored`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.settings import Settings
from flows.site import hold_store
from storage import answers, comparisons, questions, runs, scores
from storage.answers import AnswerName, AnswerRow
from storage.database import Database
from storage.questions import MINED, QuestionRow
from storage.tables import SPECS
from tasks.backends import Failure, Outcome, Reply
from tasks.benchmarks import Question, QuestionSet
from tasks.bridges import read_replies
from tasks.evaluation.benchmark import read_benchmark
from tasks.evaluation.beside import summarise
from tasks.evaluation.candidates import Candidate
from tasks.evaluation.given import came_in_file, request_of
from tasks.evaluation.rows import label, question_of, rows_of, set_name
from tasks.evaluation.scoring import score_all
from tasks.evaluation.stored import score_replies
from tasks.exporting.benchmark_pairs import number_pairs
from tasks.protocols import protocol_named
from tasks.protocols.protocol import Protocol
from tasks.protocols.reading import read_reply

MISSING: Final = "missing: the file has no line for it"


class Benchmark(NamedTuple):
    """The questions that answers belong to, by number, as protocols and as the store have them."""

    set_name: str
    name: str
    questions: Sequence[Question]
    rows: Mapping[int, QuestionRow]
    notes: Sequence[str]

    @property
    def names(self) -> dict[str, int]:
        """The numbers of questions by their ids."""
        return {row.question_id: number for number, row in self.rows.items()}


def score_file(  # each is an option of the command
    settings: Settings,
    file: Path,
    *,
    place: str | None,
    protocol: str,
    key: str | None,
    model: str | None = None,
    seed: int | None = None,
    allow_incomplete: bool = False,
) -> dict[str, Any]:
    """Return the scores of an answer file, and keep answers and scores in the store beside others'.

    Args:
        settings: Where the store is.
        file: MMVP's script's JSONL, ours, lmms-eval's samples or VLMEvalKit's sheets.
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
    found = read_replies(file, asked.questions, names=asked.names, benchmark=asked.name)
    replies = {n: one.text for n, one in found.replies.items() if isinstance(one, Reply)}
    failed = sum(isinstance(one, Failure) for one in found.replies.values())
    missing = len(asked.questions) - len(found.replies)
    if (failed or missing) and not allow_incomplete:
        message = (
            f"{str(file)!r} is incomplete: of {len(asked.questions)} questions {missing} have "
            f"no line and {failed} hold a failed call; ask those again, or score without them, as "
            f"wrong, with --allow-incomplete"
        )
        raise ValueError(message)
    scored = score_replies(how, asked.questions, replies, key=key, seed=seed)
    named = model or found.model or file.stem
    rows = _answer_rows(asked, found.replies, named, how, seed)
    beside = _keep(settings, asked, rows, how.name, scored["key"])
    return {
        "benchmark": asked.name,
        "set": asked.set_name,
        "model": named,
        **scored,
        **beside,
        "failed": failed,
        "missing": missing,
        "complete": not (failed or missing),
        "format": found.format,
        "notes": [*asked.notes, *found.notes],
    }


def _published(place: str) -> Benchmark:
    found = read_benchmark(Path(place).expanduser())
    rows = rows_of(found, {})
    if isinstance(found, QuestionSet):
        asked = list(found.questions)
        numbered = dict(zip((q.number for q in asked), rows, strict=True))
    else:
        numbered = dict(enumerate(rows, start=1))
        asked = [question_of(row, number) for number, row in numbered.items()]
    return Benchmark(set_name(found), label(found.name), asked, numbered, found.notes)


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
    numbered = dict(each for pair in number_pairs(rows) for each in pair.numbered)
    asked = [question_of(row, number) for number, row in numbered.items()]
    return Benchmark(run.mining, MINED, asked, numbered, ())


def _answer_rows(
    asked: Benchmark,
    replies: Mapping[int, Outcome],
    model: str,
    protocol: Protocol,
    seed: int | None,
) -> list[AnswerRow]:
    """Return a row of the table `answers` for every question, so that no earlier one stays."""
    rows = []
    for question in asked.questions:
        said = replies.get(question.number)
        name = AnswerName(asked.rows[question.number].question_id, model, protocol.name)
        text = said.text if isinstance(said, Reply) else ""
        known = text if isinstance(said, Reply) else None
        taken = read_reply(protocol, question, known, seed=seed).option
        rows.append(
            AnswerRow(
                **name._asdict(),
                request=request_of(name, text),
                response=text,
                choice=None if taken is None else question.options[taken],
                scores=None,
                failure=_failure(said),
            )
        )
    return rows


def _failure(said: Outcome | None) -> str | None:
    if said is None:
        return MISSING
    return f"{said.reason}: {said.message}" if isinstance(said, Failure) else None


def _keep(
    settings: Settings, asked: Benchmark, rows: Sequence[AnswerRow], protocol: str, key: str
) -> dict[str, Any]:
    """Write answers and scores beside those of other models; return what stands beside the score.

    Raises:
        ValueError: if the model itself was asked under that name.
    """
    model = rows[0].model
    with hold_store(settings, "evaluate"):
        db = Database(settings.store)
        db.make(SPECS.values())
        _check_not_asked(db, model, protocol)
        held = [row for row in questions.read(db, asked.set_name) if row.benchmark == asked.name]
        if not held:  # those of an earlier run know their images
            held = list(asked.rows.values())
            questions.replace(db, asked.set_name, held)
        answers.upsert(db, rows)
        given = answers.read(db, question_ids={row.question_id for row in held})
        choices = {row.name: row.choice for row in given}
        mine, _ = score_all(asked.set_name, held, [Candidate(model, protocol, None, "")], choices)
        scores.upsert(db, mine)
        whole = [row for row in given if row.failure is None or came_in_file(row)]
        _, compared = score_all(asked.set_name, held, [], choices, whole)
        others = comparisons.read(db, asked.set_name)
        kept = [row for row in others if row.benchmark != asked.name]
        comparisons.replace(db, asked.set_name, [*kept, *compared])
        found = summarise(db, asked.set_name)
    return _about(found, asked.name, model, protocol, key)


def _check_not_asked(db: Database, model: str, protocol: str) -> None:
    before = answers.read(db, models=[model])
    asked = [row for row in before if row.protocol == protocol and not came_in_file(row)]
    if asked:
        message = (
            f"model {model!r} was asked itself under {protocol!r}: {len(asked)} of its answers are "
            f"in the store, and a file does not replace them; call the file's model otherwise with "
            f"--name"
        )
        raise ValueError(message)


def _about(
    found: Mapping[str, Any], benchmark: str, model: str, protocol: str, key: str
) -> dict[str, Any]:
    """Return what stands beside one score: of comparisons, only those of its model."""
    mine = [
        row["beside"]
        for row in found["scores"]
        if (row["benchmark"], row["model"], row["protocol"]) == (benchmark, model, protocol)
        and row["pattern"] is None
    ]
    by_key = {beside["key"]: beside for beside in mine}
    return {
        "beside": by_key.get(key, mine[0]),
        "comparisons": [
            row
            for row in found["comparisons"]
            if row["benchmark"] == benchmark
            and row["protocol"] == protocol
            and model in (row["model_a"], row["model_b"])
        ],
        "labels": found["labels"],
        "chance": found["chance"],
    }
