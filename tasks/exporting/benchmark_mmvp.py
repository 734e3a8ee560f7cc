"""Write a benchmark as MMVP and MMVP-VLM are published.

Put here: their files, columns and folders; which pairs cannot be written so.
Keep out: numbers of questions (`benchmark_pairs`, beside this file); reading (`tasks.benchmarks`).

Source: huggingface.co/datasets/MMVP/MMVP and MMVP/MMVP_VLM, headers and folders as published.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tasks.benchmarks import read_questions, read_statements
from tasks.benchmarks.questions import ANSWER, FOLDERS, OPTIONS, PATTERN, QUESTION
from tasks.benchmarks.statements import FOLDERS as VLM_FOLDERS
from tasks.benchmarks.statements import NUMBER, STATEMENT, TYPE, TYPES, pattern_of_type
from tasks.exporting.benchmark_pairs import (
    NumberedPair,
    ReadImage,
    file_of,
    questions_of,
)
from tasks.exporting.cells import refuse_texts

FILE: Final = "Questions.csv"
INDEX: Final = "lndex"  # as published
NO_PATTERN: Final = "Other"

_MARK: Final = re.compile(r"\([a-cA-C1-3]\)")
_TYPE_OF: Final = {pattern: written for written, pattern in TYPES.items()}


def refuse_questions(pair: NumberedPair) -> str | None:
    """Return why a pair cannot be written in MMVP's column of options, if it cannot."""
    for row in pair.rows:
        texts = [option.strip() for option in row.options]
        if any(_MARK.search(option) for option in texts) or "" in texts or len(set(texts)) < 2:
            return "options-hold-marks"
        if not row.question.strip():
            return "question-is-blank"
    return refuse_texts(text for q in questions_of([pair]) for text in (q.text, q.options_written))


def refuse_statements(pair: NumberedPair) -> str | None:
    """Return why a pair has no place in MMVP-VLM, if it has none."""
    first, second = (" ".join((row.statement or "").split()) for row in pair.rows)
    if not first or not second or first == second:
        return "no-statements"
    return refuse_texts((first, second))


def write_questions(to: Path, pairs: Sequence[NumberedPair], read_image: ReadImage) -> None:
    """Write `Questions.csv` and `MMVP Images`, and read them back.

    Raises:
        ValueError: if it does not read back as it was.
    """
    rows = (
        (q.number, q.text, q.options_written, f"({'ab'[q.original]})", q.pattern or "")
        for q in questions_of(pairs)
    )
    _write_csv(to / FILE, (INDEX, QUESTION, OPTIONS, ANSWER, PATTERN), rows)
    folder = to / FOLDERS[0]
    for pair in pairs:
        for number, row in pair.numbered:
            _put_image(folder, number, read_image(row.image))
    expected = [(q.number, q.text, _stripped(q.options), q.original) for q in questions_of(pairs)]
    found = read_questions(to).questions
    if [(q.number, q.text, _stripped(q.options), q.original) for q in found] != expected:
        message = f"{str(to / FILE)!r} does not read back as it was written; please report this"
        raise ValueError(message)


def write_statements(to: Path, pairs: Sequence[NumberedPair], read_image: ReadImage) -> None:
    """Write `Questions.csv` and `MLLM_VLM Images`, a folder a pattern, and read them back.

    Raises:
        ValueError: if it does not read back as it was.
    """
    rows, expected = [], []
    for pair in pairs:
        kind = pattern_of_type(pair.rows[0].pattern or NO_PATTERN)
        folder = to / VLM_FOLDERS[0] / _TYPE_OF.get(kind, kind)
        for number, row in pair.numbered:
            statement = " ".join((row.statement or "").split())
            rows.append((number, _TYPE_OF.get(kind, kind), statement))
            expected.append((number, kind, statement))
            _put_image(folder, number, read_image(row.image))
    _write_csv(to / FILE, (NUMBER, TYPE, STATEMENT), rows)
    found = [
        (number, pair.pattern, statement)
        for pair in read_statements(to).pairs
        for number, statement in zip(pair.numbers, pair.statements, strict=True)
    ]
    if found != expected:
        message = f"{str(to / FILE)!r} does not read back as it was written; please report this"
        raise ValueError(message)


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _put_image(folder: Path, number: int, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shown, _ = file_of(data)
    (folder / f"{number}.jpg").write_bytes(shown)  # the scripts open no other name


def _stripped(options: Sequence[str]) -> tuple[str, ...]:
    return tuple(option.strip() for option in options)
