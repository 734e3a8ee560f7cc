"""What of a mining stays when its corpus changes: the images compared before, and their pairs.

Put here: which images need no comparison any more, and which stored pairs count for them.
Keep out: comparing (`tasks.mining.comparing`); writing (`tasks.mining.stage`).

Shapes:
    N  images of a mining, sorted by id    P  pairs
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from storage import duplicates, minings, pairs
from storage.database import Database
from storage.minings import MiningRow
from tasks.mining.pairs import BlindPairs, join
from tasks.mining.parts import Found


class Compared(NamedTuple):
    """Which of the images were compared with each other, and what that found."""

    old_N: NDArray[np.bool_]
    found: Found


def compared(db: Database, now: MiningRow, ids: pa.StringArray) -> Compared:
    """Return what stays of what the store holds; `now` says how images are compared today.

    Nothing stays if they were compared by other code or thresholds. Nor does it if long lists of
    pairs were cut and images are gone, since then pairs that were cut would be in the lists.
    """
    nothing = Compared(np.zeros(len(ids), bool), _found(_NONE, _NONE))
    before = minings.read(db, now.mining)
    if before is None or _way(before) != _way(now):
        return nothing
    images = pa.array(before.images, pa.string())
    old_N = pc.is_in(ids, value_set=images).to_numpy(zero_copy_only=False)
    gone = len(images) - int(old_N.sum())
    blind, alike = (
        _Stored(table.table(db, now.mining), images, ids) for table in (pairs, duplicates)
    )
    cut = len(blind.inside) < before.found or len(alike.inside) < before.alike
    if cut and (gone or blind.strangers or alike.strangers):
        return nothing
    found = _found(blind.among(old_N), alike.among(old_N))
    if not gone:
        found = found._replace(blind_found=before.found, alike_found=before.alike)
    return Compared(old_N, found)


def _way(row: MiningRow) -> tuple[object, ...]:
    return (row.made_by, row.clip, row.ssl, row.clip_above, row.ssl_below)


class _Stored:
    """Stored pairs: those of images that were compared, and whether there are others.

    Others are of images that a run was about to note as compared when it was killed.
    """

    def __init__(self, rows: pa.Table, images: pa.Array, ids: pa.StringArray) -> None:
        both = [pc.is_in(rows[name], value_set=images) for name in ("image_a", "image_b")]
        self.inside = rows.filter(pc.and_(*both))
        self.strangers = len(rows) - len(self.inside)
        self._ids = ids

    def among(self, old_N: NDArray[np.bool_]) -> BlindPairs:
        """Return the pairs of the images that are old, by rank."""
        ends = [
            pc.index_in(self.inside[name], value_set=self._ids).fill_null(-1).to_numpy()
            for name in ("image_a", "image_b")
        ]
        stays = np.logical_and(*((end >= 0) & old_N[end] for end in ends)) if len(old_N) else []
        kept = self.inside.filter(pa.array(stays, pa.bool_()))
        i, j = (end[np.asarray(stays, bool)].astype(np.int64) for end in ends)
        cosines = (kept[name].to_numpy() for name in ("clip_cosine", "ssl_cosine"))
        return join([BlindPairs(i, j, *cosines)])


def _found(blind: BlindPairs, alike: BlindPairs) -> Found:
    return Found(blind, alike, len(blind.i), len(alike.i))


_NONE = join([])
