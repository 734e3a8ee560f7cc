"""The `grades` table: which option each grader takes each answer for.

Put here: the schema of `grades`, its keys, its reads and writes.
Keep out: grading (`tasks.graders`); what models said (`storage.answers`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from storage.database import Database, TableSpec, any_of

SPEC: Final = TableSpec(
    name="grades",
    schema=pa.schema(
        [
            pa.field("question_id", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("grader", pa.string(), nullable=False),
            pa.field("request", pa.string(), nullable=False),
            pa.field("option", pa.string()),
            pa.field("votes", pa.list_(pa.string()), nullable=False),
            pa.field("failure", pa.string()),
        ]
    ),
    keys=("question_id", "model", "protocol", "grader"),
)


class GradeName(NamedTuple):
    """What names a grade; equal to the plain tuple of the four."""

    question_id: str
    model: str
    protocol: str
    grader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeRow:
    """What one grader makes of one answer, whose name are the first three.

    `request` (64 hex digits) names all that the grade depends on. `option` is the text of the
    option taken, null for neither. `votes` are `a`, `b` or `neither` a vote, null for one that
    failed. `failure` says why there is no grade (null when there is one).

    Raises:
        ValueError: if a failed grade has an option.
    """

    question_id: str
    model: str
    protocol: str
    grader: str
    request: str
    option: str | None
    votes: tuple[str | None, ...]
    failure: str | None

    def __post_init__(self) -> None:
        if self.failure is not None and self.option is not None:
            message = (
                f"the grade of {self.grader!r} for question {self.question_id!r} failed "
                f"({self.failure}) and has the option {self.option!r}; expected None"
            )
            raise ValueError(message)

    @property
    def name(self) -> GradeName:
        """The grade's name."""
        return GradeName(self.question_id, self.model, self.protocol, self.grader)


def upsert(db: Database, rows: Sequence[GradeRow]) -> None:
    """Write grades by answer and grader in one commit; of two with one name, the last.

    Grades that are there with equal values are left alone.
    """
    db.upsert(SPEC, pa.Table.from_pylist([asdict(row) for row in rows], schema=SPEC.schema))


def read(
    db: Database,
    *,
    question_ids: Collection[str] | None = None,
    graders: Sequence[str] | None = None,
    version: int | None = None,
) -> list[GradeRow]:
    """Return grades by question, model, protocol and grader: all, or of these questions or graders.

    Failed grades come back too; look at `failure`.
    """
    where = None if graders is None else any_of("grader", graders)
    rows = db.read(SPEC, version=version, where=where)
    if question_ids is not None:  # as a condition, thousands of ids take longer than reading all
        wanted = pa.array(sorted(question_ids), pa.string())
        rows = rows.filter(pc.is_in(rows["question_id"], value_set=wanted))
    return [GradeRow(**row | {"votes": tuple(row["votes"])}) for row in rows.to_pylist()]
