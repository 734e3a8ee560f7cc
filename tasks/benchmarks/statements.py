"""Read MMVP-VLM's published folder: statements of which a CLIP must match each to its own image.

Put here: its columns, its patterns' names, its image folders by pattern.
Keep out: damaged CSV (`table`, beside this file), matching (`tasks.evaluation.contrast`).
Source: huggingface.co/datasets/MMVP/MMVP_VLM; the README of the code gives the folder and one
pattern another name than the data.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tasks.benchmarks.pictures import image_folder, images_by_number
from tasks.benchmarks.question import StatementPair, StatementSet
from tasks.benchmarks.table import Row, Table, number_rows, pair_of, read_table
from tasks.patterns import PATTERNS

FILE: Final = "Questions.csv"
FOLDERS: Final = (
    "MLLM_VLM Images",
    "MMVP_VLM_Images",
    "MMVP_VLM Images",
    "MLLM_VLM_Images",
    "images",
    "Images",
)
TYPES: Final[Mapping[str, str]] = {
    "Orientation": "orientation",
    "Presence": "presence",
    "State": "state",
    "Quantity": "count",
    "Spatial": "position",
    "Color": "color",
    "Structural Character": "structure",
    "Text": "text",
    "Camera Perspective": "viewpoint",
}
"""Pattern by the name that the data gives it."""

NUMBER, TYPE, STATEMENT = "Question ID", "Type", "Statement"
_NAMES: Final = {
    NUMBER: ("question id", "id", "index", "lndex"),
    TYPE: ("type", "pattern", "category"),
    STATEMENT: ("statement",),
}
_BY_NAME: Final = {
    name.casefold(): short
    for names in (TYPES, {long: short for short, long in PATTERNS.items()})
    for name, short in names.items()
} | {short: short for short in PATTERNS}


def read_statements(place: Path) -> StatementSet:
    """Read a benchmark's statements; `place` is its folder, or its CSV file.

    Raises:
        ValueError: if the file is damaged, a pair has two patterns, or images are missing.
    """
    file = place / FILE if place.is_dir() else place
    table = read_table(file, _NAMES, (NUMBER, TYPE, STATEMENT))
    rows = list(number_rows(table, NUMBER).items())
    folder = image_folder(file.parent, FOLDERS, table.notes)
    for _, row in rows:
        for column in (TYPE, STATEMENT):
            if not row.cells[column].strip():
                table.damaged(row, column, "a text")
    pairs = tuple(
        _pair(table, folder, dict(both)) for both in zip(rows[::2], rows[1::2], strict=True)
    )
    unknown = {pair.pattern for pair in pairs} - PATTERNS.keys()
    if unknown:
        table.notes.append(f"patterns that are none of the nine: {', '.join(sorted(unknown))}")
    notes = tuple(dict.fromkeys(table.notes))
    return StatementSet(name=file.parent.name, pairs=pairs, notes=notes)


def pattern_of_type(written: str) -> str:
    """Return a pattern's short name; a name that is none of the nine stays as it is."""
    bare = " ".join(written.replace("_", " ").split())
    return _BY_NAME.get(bare.casefold(), bare)


def _pair(table: Table, folder: Path | None, rows: Mapping[int, Row]) -> StatementPair:
    (one, first), (two, second) = rows.items()
    pattern = pattern_of_type(first.cells[TYPE])
    if pattern_of_type(second.cells[TYPE]) != pattern:
        table.damaged(second, TYPE, f"{first.cells[TYPE]!r}, as in line {first.line} of its pair")
    statements = first.cells[STATEMENT].strip(), second.cells[STATEMENT].strip()
    if statements[0] == statements[1]:
        table.damaged(second, STATEMENT, f"another statement than line {first.line} of its pair")
    images = None
    if folder is not None:
        within = _folder_of_type(folder, first.cells[TYPE].strip(), table.notes)
        found = images_by_number(within, [one, two])
        images = found[one], found[two]
    return StatementPair(
        pair=pair_of(one),
        numbers=(one, two),
        pattern=pattern,
        statements=statements,
        images=images,
    )


def _folder_of_type(folder: Path, written: str, notes: list[str]) -> Path:
    """Return the folder of a pattern's images; without folders by pattern all are in one."""
    for name in (written, written.replace(" ", "_"), written.replace("_", " ")):
        if (folder / name).is_dir():
            if name != written:
                notes.append(f"the images of {written!r} are in the folder {name!r}")
            return folder / name
    return folder
