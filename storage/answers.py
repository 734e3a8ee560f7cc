"""The `answers` table: what each model said to each question, verbatim and as a choice.

Put here: the schema of `answers`, its keys, its reads and writes.
Keep out: asking models and reading choices out of texts (`tasks`); outcomes (`tasks.scores`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="answers",
    schema=pa.schema(
        [
            pa.field("question_id", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("request", pa.string(), nullable=False),
            pa.field("response", pa.string(), nullable=False),
            pa.field("choice", pa.string()),
            pa.field("scores", pa.list_(pa.float64())),
            pa.field("failure", pa.string()),
        ]
    ),
    keys=("question_id", "model", "protocol"),
)


class AnswerName(NamedTuple):
    """What names an answer; equal to the plain tuple of the three."""

    question_id: str
    model: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """What one model said to one question under one protocol.

    `request` is the fingerprint (64 hex digits) of the full request: weights, prompt, decoding,
    code. `response` is verbatim; of likelihoods it is the words that the model preferred.
    `choice` is the text of the option taken (null when none could be read). `scores` are a number
    an option, in their order, such as log-probabilities or cosines (null when there are none).
    `failure` says why a call failed (null when it did not).

    Raises:
        ValueError: if a failed call has a response or a choice: it is no answer.
    """

    question_id: str
    model: str
    protocol: str
    request: str
    response: str
    choice: str | None
    scores: tuple[float, ...] | None
    failure: str | None

    def __post_init__(self) -> None:
        if self.failure is not None and (self.response or self.choice is not None):
            message = (
                f"the call of {self.model!r} for question {self.question_id!r} failed "
                f"({self.failure}) and has the response {self.response!r} and the choice "
                f"{self.choice!r}; expected '' and None"
            )
            raise ValueError(message)

    @property
    def name(self) -> AnswerName:
        """The answer's name."""
        return AnswerName(self.question_id, self.model, self.protocol)


def upsert(db: Database, rows: Sequence[AnswerRow]) -> None:
    """Write answers by question, model and protocol in one commit; of two with one name, the last.

    Answers that are there with equal values are left alone.
    """
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(
    db: Database,
    *,
    question_ids: Collection[str] | None = None,
    models: Sequence[str] | None = None,
    version: int | None = None,
) -> list[AnswerRow]:
    """Return answers by question, model and protocol: all, or of these questions or models.

    Failed calls come back too; look at `failure`.
    """
    where = None if models is None else any_of("model", models)
    rows = db.read(SPEC, version=version, where=where)
    if question_ids is not None:  # as a condition, thousands of ids take longer than reading all
        wanted = pa.array(sorted(question_ids), pa.string())
        rows = rows.filter(pc.is_in(rows["question_id"], value_set=wanted))
    return [
        AnswerRow(**row | {"scores": None if row["scores"] is None else tuple(row["scores"])})
        for row in rows.to_pylist()
    ]


def requests(db: Database, models: Sequence[str]) -> dict[AnswerName, str]:
    """Return the requests that these models have answered: name -> fingerprint of the request.

    A failed call is not among them, so that it is made again.
    """
    where = f"{any_of('model', models)} AND failure IS NULL"
    rows = db.read(SPEC, where=where, columns=[*SPEC.keys, "request"])
    return {
        AnswerName(row["question_id"], row["model"], row["protocol"]): row["request"]
        for row in rows.to_pylist()
    }
