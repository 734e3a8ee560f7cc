"""Published benchmarks as rows of the table `questions`, and rows as questions of a protocol.

Put here: the names of a published set and of its questions; both directions of the translation.
Keep out: reading files (`tasks.benchmarks`), the stage (`benchmark`, beside this file).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from storage.questions import QuestionRow
from tasks.benchmarks.keys import KEYS, ORIGINAL
from tasks.benchmarks.question import (
    Question,
    QuestionSet,
    StatementPair,
    StatementSet,
    written,
)
from tasks.fingerprints import digest
from tasks.patterns import PATTERNS

PUBLISHED: Final = "published"
"""What `source` says of a question that others wrote."""

MIXED: Final = "+"
"""Between the keys of questions that different kinds of writers wrote."""

MATCH: Final = "Which of the two statements is true of the picture?"
"""Asked of models that read, of a benchmark that is made of statements."""

Images = Mapping[int, str]
"""The content hash of the image of each number."""


def set_name(found: QuestionSet | StatementSet) -> str:
    """Return the name of a published set: what it is called, and 12 digits of what it asks."""
    asked: object
    if isinstance(found, StatementSet):
        asked = [[pair.numbers, pair.pattern, pair.statements] for pair in found.pairs]
    else:
        asked = [
            [q.number, q.text, q.options_written, q.original, q.corrected, q.pattern]
            for q in found.questions
        ]
    return f"{label(found.name)}-{digest(asked)[:12]}"


def label(name: str) -> str:
    """Return a name in small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "benchmark"


def rows_of(found: QuestionSet | StatementSet, images: Images) -> list[QuestionRow]:
    """Return the rows of a published set, by number; an image that is not known is ''."""
    if isinstance(found, StatementSet):
        return [row for pair in found.pairs for row in _statements(found, pair, images)]
    name = set_name(found)
    return [
        QuestionRow(
            mining=name,
            benchmark=label(found.name),
            question_id=question_name(name, q.number),
            pair_id=_pair_name(name, q.pair),
            image=images.get(q.number, ""),
            attribute="",
            question=q.text,
            options=q.options,
            answer=q.options[q.original],
            statement=None,
            pattern=PATTERNS.get(q.pattern or "", q.pattern),
            source=PUBLISHED,
            key=ORIGINAL,
            written=q.options_written,
            corrected=None if q.corrected == q.original else q.options[q.corrected],
        )
        for q in found.questions
    ]


def _statements(found: StatementSet, pair: StatementPair, images: Images) -> Iterable[QuestionRow]:
    name = set_name(found)
    for number, statement in zip(pair.numbers, pair.statements, strict=True):
        yield QuestionRow(
            mining=name,
            benchmark=label(found.name),
            question_id=question_name(name, number),
            pair_id=_pair_name(name, pair.pair),
            image=images.get(number, ""),
            attribute="",
            question=MATCH,
            options=pair.statements,
            answer=statement,
            statement=statement,
            pattern=PATTERNS.get(pair.pattern, pair.pattern),
            source=PUBLISHED,
            key=ORIGINAL,
        )


def question_name(set_name: str, number: int) -> str:
    """Return the id of a published question."""
    return f"{set_name}-{number:04}"


def _pair_name(set_name: str, pair: int) -> str:
    return f"{set_name}-pair-{pair:04}"


def question_of(row: QuestionRow, number: int = 1) -> Question:
    """Return a row as a protocol takes it, without its image.

    The questions `2n - 1` and `2n` are a pair; where only one is looked at, its number is nothing.
    """
    first, second = row.options
    return Question(
        number=number,
        pair=(number + 1) // 2,
        image=None,
        text=row.question,
        options=(first, second),
        options_written=row.written or written(row.options),
        original=row.options.index(row.answer),
        corrected=row.options.index(row.corrected or row.answer),
        pattern=row.pattern or row.attribute or None,
    )


def answer_of(row: QuestionRow, key: str) -> str | None:
    """Return the right option of a row under a key; None where the key leaves the question out.

    Raises:
        ValueError: if there is no such key.
    """
    if row.key in key.split(MIXED) and row.key not in KEYS:
        return row.answer
    place = question_of(row).answer(key)
    return None if place is None else row.options[place]


def keys_of(rows: Iterable[QuestionRow]) -> list[str]:
    """Return the keys under which a benchmark's scores differ, or may; the row's own first.

    Of questions by several kinds of writers the key is all of theirs: `metadata+model`.
    """
    rows = list(rows)
    if any(row.corrected for row in rows):
        return list(KEYS)
    return [MIXED.join(sorted({row.key for row in rows}))] if rows else []
