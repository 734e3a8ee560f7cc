"""The `questions` table: what each benchmark of each mining asks about the images of its pairs.

Put here: the schema of `questions`, its keys, its reads and writes, and the name of a question.
Keep out: writing questions from metadata (`tasks`); what models said to them (`storage.answers`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import pyarrow as pa

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="questions",
    schema=pa.schema(
        [
            pa.field("mining", pa.string(), nullable=False),
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("question_id", pa.string(), nullable=False),
            pa.field("pair_id", pa.string(), nullable=False),
            pa.field("image", pa.string(), nullable=False),
            pa.field("attribute", pa.string(), nullable=False),
            pa.field("question", pa.string(), nullable=False),
            pa.field("options", pa.list_(pa.string()), nullable=False),
            pa.field("answer", pa.string(), nullable=False),
            pa.field("statement", pa.string()),
            pa.field("pattern", pa.string()),
            pa.field("source", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("written", pa.string()),
            pa.field("corrected", pa.string()),
        ]
    ),
    keys=("mining", "benchmark", "question_id"),
)

OPTIONS: Final = 2

MINED: Final = "mined"
RANDOM: Final = "random"
CAPTIONED: Final = "captioned"

BENCHMARKS: Final[Mapping[str, str]] = {
    MINED: "CLIP-blind pairs",
    RANDOM: "pairs drawn by lot",
    CAPTIONED: "what captions name",
}
"""What each benchmark is made of."""


def question_id(
    *, pair_id: str, image: str, question: str, options: Sequence[str], answer: str, key: str
) -> str:
    """Return the name of a question: 32 hex digits of the sha256 of all that it asks, as JSON.

    The order of the options counts: shown the other way round it is another question.

    Raises:
        ValueError: if there are not two different options, or the answer is none of them.
    """
    if len(options) != OPTIONS or len(set(options)) != OPTIONS:
        message = (
            f"question {question!r} about image {image!r} has the options {list(options)!r}; "
            f"expected two different ones"
        )
        raise ValueError(message)
    if answer not in options:
        message = (
            f"the answer {answer!r} to question {question!r} about image {image!r} "
            f"is none of its options {list(options)!r}"
        )
        raise ValueError(message)
    asked = {
        "pair_id": pair_id,
        "image": image,
        "question": question,
        "options": list(options),
        "answer": answer,
        "key": key,
    }
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """One question about one image of a pair; the pair's other question is about its other image.

    `mining` names the pairs' mining, or the set of a published benchmark; `benchmark` is mined,
    captioned, random, or a name; `attribute` is what of the metadata is asked about ('' of a
    published question). `image` is '' where a published benchmark came without images. `options`
    are shown in this order, and `answer` is the text of the right one.
    `statement` is a sentence that is true of this image and not of the other, for models that
    match texts to images (null when there is none); `pattern` is the visual pattern (null when
    unknown). `source` says what the question was written from (attribute, label, caption) or by
    whom (model, people). `key` is the version of the answer key: metadata if `answer` is what the
    metadata says, model or people if it is what these say.
    `written` is the text of the options as a published file has it (null when it has none);
    `corrected` is the right option under the key that mends a wrong label (null when `answer` is).
    """

    mining: str
    benchmark: str
    question_id: str
    pair_id: str
    image: str
    attribute: str
    question: str
    options: tuple[str, ...]
    answer: str
    statement: str | None
    pattern: str | None
    source: str
    key: str
    written: str | None = None
    corrected: str | None = None


def replace(db: Database, mining: str, rows: Sequence[QuestionRow]) -> None:
    """Make `rows` all questions of a mining, of all its benchmarks, in one commit."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema)
    db.replace(SPEC, table, where=any_of("mining", [mining]))


def read(
    db: Database, mining: str, *, version: int | None = None, benchmark: str | None = None
) -> list[QuestionRow]:
    """Return the questions of a mining, or of one of its benchmarks, by benchmark, pair, image."""
    where = any_of("mining", [mining])
    if benchmark is not None:
        where += f" AND {any_of('benchmark', [benchmark])}"
    rows = [
        QuestionRow(**row | {"options": tuple(row["options"])})
        for row in db.read(SPEC, version=version, where=where).to_pylist()
    ]
    return sorted(rows, key=lambda row: (row.benchmark, row.pair_id, row.image, row.question_id))
