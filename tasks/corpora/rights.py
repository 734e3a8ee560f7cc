"""Under what licence an image may be used, where it is from, whom to name: as a corpus tells.

Put here: the usual names of such columns, reading them from a row.
Keep out: which licences an export allows (`tasks.exporting.licences`).

They are no attributes: nothing is asked about them.
"""

from collections.abc import Mapping
from typing import Final

from tasks.corpora.corpus import Rights

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "licence": ("licence", "license", "licence_name", "license_name"),
    "source": ("source_url", "original_url", "page_url", "source", "url", "image_url"),
    "attribution": ("attribution", "credit", "photographer", "copyright"),
}
"""Usual names of the columns, in small letters; of several in a row the first that is filled."""

MOST_CHARACTERS: Final = 2000


def rights_columns(names: Mapping[str, str]) -> dict[str, str]:
    """Return which columns tell of rights: a column -> licence, source or attribution.

    `names` are the columns that a user renamed: a column -> what it is.
    """
    usual = {name: kind for kind, known in NAMES.items() for name in known}
    return usual | {column: kind for column, kind in names.items() if kind in NAMES}


def read_rights(fields: Mapping[str, object], names: Mapping[str, str]) -> Rights:
    """Return what the named values of a row tell of its image's rights."""
    by_lower = {name.lower(): value for name, value in reversed(list(fields.items()))}
    found: dict[str, str] = {}
    for column, kind in names.items():
        if kind in NAMES and (text := _text(fields.get(column))):
            found[kind] = text
    for kind, known in NAMES.items():
        texts = (_text(by_lower.get(name)) for name in known if name not in names)
        if kind not in found and (text := next(filter(None, texts), None)):
            found[kind] = text
    return Rights(**found)


def _text(value: object) -> str | None:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    text = str(value).encode("utf-8", "replace").decode().strip()
    return text if 0 < len(text) <= MOST_CHARACTERS else None
