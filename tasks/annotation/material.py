"""What the page shows of pairs: cosines, what the corpus tells, pairs that look alike.

Put here: reads of the store for one pair at a time.
Keep out: what people did (`state`), bytes of images (`pictures`), beside this file.

A corpus may hold millions of images, so what is told of them is read when a pair is shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from storage import minings, neighbours, pairs, paths, runs
from storage.database import Database, any_of
from storage.embeddings import PREFIX
from storage.pairs import PairRow
from tasks.annotation.outcome import pairs_in_order
from tasks.annotation.state import Pairs

SIMILAR: Final = 6
NEAREST: Final = 24
SEARCHED: Final = 1_000_000
"""Images up to which neighbours are looked up by reading every vector, when there is no index."""


def versions(db: Database) -> dict[str, int]:
    """Return versions of tables that change when something was mined."""
    return {spec.name: db.version(spec) for spec in (pairs.SPEC, runs.SPEC)}


def newer(db: Database, mining: str) -> str:
    """Return what to tell of a later mining than this one; '' if there is none."""
    last = runs.latest(db, "pairs", mined=True)
    if last is None or last.mining == mining:
        return ""
    return (
        f"A run has mined other pairs ({last.receipts['pairs'].rows:,}) with other encoders, "
        f"thresholds or corpora. This page goes on with its own; whoever serves it can start it "
        f"again for those."
    )


class Material:
    """The pairs of a mining, in the order in which people get them."""

    def __init__(self, db: Database, mining: str, corpora: Sequence[str]) -> None:
        self.db, self.mining, self.corpora = db, mining, corpora
        self.rows: dict[str, PairRow] = {row.pair_id: row for row in pairs_in_order(db, mining)}
        found = db.read(minings.SPEC, where=any_of("mining", [mining]), columns=["clip"])
        self._clip: str | None = found["clip"][0].as_py() if len(found) else None
        self._of_image: dict[str, list[str]] = defaultdict(list)
        for row in self.rows.values():
            self._of_image[row.image_a].append(row.pair_id)
            self._of_image[row.image_b].append(row.pair_id)

    @property
    def pairs(self) -> Pairs:
        """The two images of each pair."""
        return {name: (row.image_a, row.image_b) for name, row in self.rows.items()}

    @property
    def wanted(self) -> int:
        """How many pairs a benchmark of this mining has: those selected, or all."""
        return sum(row.selected for row in self.rows.values()) or len(self.rows)

    @property
    def images(self) -> set[str]:
        """All images of the pairs."""
        return set(self._of_image)

    def told(self, pair: str) -> list[dict[str, Any]]:
        """Return what the corpus tells of the two images: label, caption, attributes."""
        row = self.rows[pair]
        found = paths.metadata(self.db, self.corpora, only=[row.image_a, row.image_b])
        empty = paths.Metadata(label=None, caption=None, attributes={})
        return [asdict(found.get(image, empty)) for image in (row.image_a, row.image_b)]

    def similar(self, pair: str, without: Iterable[str] = ()) -> list[PairRow]:
        """Return pairs that hold one of the images, then pairs of images near to them."""
        row = self.rows[pair]
        out = {pair, *without}
        near = [row.image_a, row.image_b, *self._nearest(row.image_a), *self._nearest(row.image_b)]
        names = [name for image in dict.fromkeys(near) for name in self._of_image.get(image, ())]
        found = [name for name in dict.fromkeys(names) if name not in out]
        return [self.rows[name] for name in found[:SIMILAR]]

    def _nearest(self, image: str) -> list[str]:
        """Return the images that the pair's CLIP takes for nearest to one; nearest first."""
        if self._clip is None or self._clip not in self.db.tables():
            return []
        encoder = self._clip.removeprefix(PREFIX)
        table = self.db.open(self._clip)
        vector_D = neighbours.vector(self.db, encoder, image)
        if vector_D is None or (table.count_rows() > SEARCHED and not table.list_indices()):
            return []
        return [one.image for one in neighbours.nearest(self.db, encoder, vector_D, NEAREST)]
