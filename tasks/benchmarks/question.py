"""What a published benchmark consists of: questions about images, and pairs of statements.

Put here: the values that a reader returns, and the answer to a question under a key.
Keep out: reading files (`questions`, `statements`), which labels are wrong (`keys`), beside this.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.benchmarks.keys import CORRECTED, EXCLUDED, KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about one image of a pair; the pair's other question is about its other image.

    `number` counts from 1 and names the image. `image` is the file, None without an image folder.
    `options_written` is the column of options as the file has it, blanks included. `original` and
    `corrected` are the places (0 or 1) of the right option; they differ where a label is wrong.
    """

    number: int
    pair: int
    image: Path | None
    text: str
    options: tuple[str, str]
    options_written: str
    original: int
    corrected: int
    pattern: str | None

    def answer(self, key: str) -> int | None:
        """Return the place of the right option under a key; None where the key leaves it out.

        Raises:
            ValueError: if there is no such key.
        """
        if key not in KEYS:
            message = f"no answer key is called {key!r}; known: {', '.join(KEYS)}"
            raise ValueError(message)
        if key == EXCLUDED:
            return self.original if self.original == self.corrected else None
        return self.corrected if key == CORRECTED else self.original


def written(options: Sequence[str]) -> str:
    """Return options as MMVP's file writes them: (a) Open (b) Closed."""
    return " ".join(f"({letter}) {option}" for letter, option in zip("ab", options, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """The questions of a benchmark by number, and what was odd about its files."""

    name: str
    questions: tuple[Question, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPair:
    """Two statements, each true of its own image only; images are None without an image folder."""

    pair: int
    numbers: tuple[int, int]
    pattern: str
    statements: tuple[str, str]
    images: tuple[Path, Path] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSet:
    """The pairs of a benchmark for models that match texts to images, and what was odd."""

    name: str
    pairs: tuple[StatementPair, ...]
    notes: tuple[str, ...]
