"""What a format of stored replies comes down to.

Put here: the values that the readers of formats return.
Keep out: reading them (`lines`, `sheets`), fitting them to questions (`replies`), all beside this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class StoredReply(NamedTuple):
    """One reply: where it is in its file, for messages; its question; the words as stored.

    `question` is a name or a number as the format has it. `asked` is the question or the whole
    prompt, empty where the format does not keep it.
    """

    place: str
    question: str
    response: str
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The replies of a file.

    `first` says which number the format may give the first question: 1 where it keeps the
    benchmark's own numbers, 0 where it counts rows. `by_name` says that questions are named, so
    that no order of rows is trusted.
    """

    format: str
    replies: Sequence[StoredReply]
    first: tuple[int, ...] = (1,)
    by_name: bool = True
    model: str | None = None
    notes: list[str] = field(default_factory=list)
