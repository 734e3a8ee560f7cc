"""Where the images of an export are from and what they may be used under, for every layout.

Put here: the file `sources.csv`, counts of licences, composition, both for cards.
Keep out: what is allowed (`licences`, beside this file).
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from tasks.exporting.benchmark_pairs import NumberedPair
from tasks.exporting.material import Material

FILE: Final = "sources.csv"
COLUMNS: Final = (
    *("number", "pair", "question_id", "image", "corpus", "path"),
    *("licence", "source", "attribution"),
)
NO_LICENCE: Final = "not told"


def write_sources(to: Path, pairs: Sequence[NumberedPair], material: Material) -> None:
    """Write a row for the image of each question."""
    with (to / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(pairs, material))


def _rows(pairs: Sequence[NumberedPair], material: Material) -> Iterator[Sequence[object]]:
    for pair in pairs:
        for number, row in pair.numbered:
            origin = material.origin(row.image)
            told = (text or "" for text in origin.rights)
            yield number, pair.pair, row.question_id, row.image, origin.corpus, origin.path, *told


def count_licences(pairs: Sequence[NumberedPair], material: Material) -> dict[str, int]:
    """Return how many images have each licence, as their corpora write it."""
    images = {row.image for pair in pairs for row in pair.rows}
    found = Counter(material.origin(image).rights.licence or NO_LICENCE for image in images)
    return dict(sorted(found.items()))


def composition(pairs: Sequence[NumberedPair]) -> list[dict[str, Any]]:
    """Return how many pairs there are of each pattern and source of questions."""
    found = Counter((pair.rows[0].pattern or "none", pair.rows[0].source) for pair in pairs)
    return [
        {"pattern": pattern, "written from": source, "pairs": count}
        for (pattern, source), count in sorted(found.items())
    ]


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([_cell(row[name]) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return " ".join(escape(text, quote=False).replace("|", "\\|").split())
