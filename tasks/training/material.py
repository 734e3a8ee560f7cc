"""What a model learns from: images with their caption and the questions that their facts answer.

Put here: gathering examples from a corpus, keeping them as a file for the workers.
Keep out: tokens (`words`), pictures (`features`), both beside this file.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from storage.paths import Metadata
from tasks.attributes import CAPTION, know
from tasks.files import write_whole
from tasks.fingerprints import digest
from tasks.questions.wording import word

ASK_FOR_CAPTION = "Describe the picture."


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An image and what is said of it; `turns` are questions and answers."""

    image: str
    paths: tuple[str, ...]
    caption: str | None
    turns: tuple[tuple[str, str], ...]


def gather(
    metadata: Mapping[str, Metadata],
    held: Mapping[str, Sequence[str]],
    *,
    without: Collection[str],
    most: int | None,
) -> list[Example]:
    """Return the examples of a corpus by image id, at most `most`.

    `held` maps ids to files. Images in `without`, and those of which nothing is known, are left
    out.
    """
    facts = know(metadata).facts
    examples = []
    for image in sorted(held.keys() - set(without)):
        told = facts.get(image, {})
        turns = [word(name, told) for name in sorted(told) if name != CAPTION]
        caption = metadata[image].caption
        if turns or caption:
            examples.append(
                Example(
                    image=image,
                    paths=tuple(held[image]),
                    caption=caption,
                    turns=tuple((turn.question, turn.answer) for turn in turns),
                )
            )
    return examples[:most]


def digest_of(examples: Sequence[Example]) -> str:
    """Return the fingerprint of examples; where their files lie is not part of it."""
    return digest([[one.image, one.caption, one.turns] for one in examples])


def keep(examples: Sequence[Example], folder: Path) -> Path:
    """Write examples to a file of `folder` that is named by them, and return it."""
    content = json.dumps([asdict(example) for example in examples])
    file = folder / f"material-{digest(content)[:16]}.json"
    if not file.exists():
        write_whole(file, content.encode())
    return file


@lru_cache(maxsize=1)
def load(file: Path) -> tuple[Example, ...]:
    """Read the examples of a file."""
    return tuple(
        Example(
            image=row["image"],
            paths=tuple(row["paths"]),
            caption=row["caption"],
            turns=tuple((question, answer) for question, answer in row["turns"]),
        )
        for row in json.loads(file.read_text())
    )
