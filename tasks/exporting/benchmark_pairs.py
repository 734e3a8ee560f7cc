"""The pairs of a stored benchmark in the order in which all layouts number them.

Put here: numbers of questions, which follow from the rows alone; their images' bytes.
Keep out: layouts (`benchmark_mmvp`, `benchmark_harnesses`, beside this file).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from storage.questions import QuestionRow
from tasks.benchmarks.question import Question
from tasks.evaluation.rows import question_of
from tasks.images import decode
from tasks.patterns import PATTERNS

ReadImage = Callable[[str], bytes]
"""From the id of an image to the bytes of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedPair:
    """The two questions of a pair; `pair` counts from 1, the questions of pair 1 are 1 and 2."""

    pair: int
    rows: tuple[QuestionRow, QuestionRow]

    @property
    def numbered(self) -> tuple[tuple[int, QuestionRow], tuple[int, QuestionRow]]:
        """The questions with their numbers."""
        return (2 * self.pair - 1, self.rows[0]), (2 * self.pair, self.rows[1])


def number_pairs(rows: Sequence[QuestionRow]) -> list[NumberedPair]:
    """Number the questions of one benchmark: by pattern, pair, attribute, image.

    Raises:
        ValueError: if there are none, or a pair has not exactly two.
    """
    pairs: dict[tuple[str, str], list[QuestionRow]] = {}
    for row in rows:
        pairs.setdefault((row.pair_id, row.attribute), []).append(row)
    for (pair_id, attribute), both in pairs.items():
        if len(both) != 2 or both[0].pattern != both[1].pattern:
            message = (
                f"pair {pair_id!r} has {len(both)} questions about {attribute!r}; expected two, "
                f"one for each image, of one pattern: run `mmvp questions` again"
            )
            raise ValueError(message)
    if not pairs:
        message = "the benchmark has no questions; run `mmvp questions`"
        raise ValueError(message)
    order = {name: place for place, name in enumerate(PATTERNS.values())}
    ordered = sorted(
        pairs.items(),
        key=lambda item: (
            order.get(item[1][0].pattern or "", len(order)),
            item[1][0].pattern or "",
            item[0],
        ),
    )
    found = []
    for pair, (_, both) in enumerate(ordered, start=1):
        first, second = sorted(both, key=lambda row: (row.image, row.question_id))
        found.append(NumberedPair(pair=pair, rows=(first, second)))
    return found


def questions_of(pairs: Sequence[NumberedPair]) -> list[Question]:
    """Return the questions of pairs by number, as exports have them, without images."""
    return [numbered_question(number, row) for pair in pairs for number, row in pair.numbered]


def numbered_question(number: int, row: QuestionRow) -> Question:
    """Return a question as exports have it; what has no pattern gets none."""
    return replace(question_of(row, number), pattern=row.pattern)


def file_of(data: bytes) -> tuple[bytes, str]:
    """Return the bytes and the suffix of an image that every harness shows alike.

    An upright RGB JPEG stays as it is; all else is decoded, turned upright, and written as PNG:
    readers that turn nothing, or make RGB of CMYK and grey in ways of their own, see the same.

    Raises:
        RefusedImageError: if the bytes are no image.
    """
    found = decode(data)
    if found.format == "JPEG":
        with Image.open(io.BytesIO(data)) as stored:
            if stored.mode == "RGB" and np.array_equal(np.asarray(stored), found.pixels_HWC):
                return data, ".jpg"
    written = io.BytesIO()
    Image.fromarray(found.pixels_HWC).save(written, format="PNG")
    return written.getvalue(), ".png"
