"""Receipts: what a stage left in one table, measured from the store and small enough to pass on.

Put here: `Receipt` and the digest that names a set of rows.
Keep out: which rows belong to a receipt; that is the table's own module.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Rows of one table at one version.

    Versions count writes, so two stores that hold the same rows may differ in them; the digest
    is of the rows' keys in order and of the fingerprints of what made them, so it is the same
    wherever and however often the rows were made. Caches are keyed on digests, reads on versions.
    """

    table: str
    version: int
    rows: int
    digest: str

    def to_json(self) -> dict[str, str | int]:
        """Return the fields as a dict of JSON values."""
        return asdict(self)


def digest_rows(made_by: Iterable[str], keys: Iterable[str]) -> str:
    """Return the sha256 (64 hex digits) of fingerprints and of keys, both in the order given.

    Every item is hashed with its length in front, so no two different lists collide by
    running into each other.
    """
    name = hashlib.sha256()
    for part in (made_by, keys):
        name.update(b"part;")
        for item in part:
            text = item.encode()
            name.update(b"%d:" % len(text))
            name.update(text)
    return name.hexdigest()
