"""Bring vectors that somebody else computed into the store, for the images that corpora hold.

Put here: which row is of which image, what is refused, the one commit.
Keep out: reading the files (`tasks.corpora.vectors`), naming them (`tasks.encoders.vectors`).

A row is of the image that it names: by the location that `paths` has, by that location below a
corpus, or by the image's id. Vectors get unit length before they are stored in float16, as those of
other encoders do.

Shapes:
    B  rows of a batch    D  width of a vector
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embeddings, paths
from storage.database import Database
from tasks.corpora.vectors import VectorBatch, read_vectors
from tasks.encoders import EncoderConfig, EncoderIdentity
from tasks.encoders.vectors import open_source
from tasks.pipeline import Failure

log = logging.getLogger(__name__)

NO_VECTOR = "no-vector"


class Brought(NamedTuple):
    """What an import did: images that got a vector, images that have none, rows of no image."""

    new: int
    failures: Sequence[Failure]
    unused: int


def bring(
    db: Database,
    config: EncoderConfig,
    identity: EncoderIdentity,
    corpora: Sequence[str],
    *,
    version: int,
) -> Brought:
    """Store the vectors of the corpora's images (at this version of `paths`) that have none yet.

    Raises:
        ValueError: if the files cannot be read.
    """
    held = paths.images(db, corpora, version=version)
    latest = embeddings.version(db, identity.name)
    wanted = held.keys() - embeddings.ids(db, identity.name, version=latest)
    if not wanted:
        return Brought(0, (), 0)
    source = open_source(config)
    rows = _Rows(corpora, held, wanted)
    batches = rows.matched(read_vectors(source))
    written = embeddings.write(db.uri, identity.name, source.width, batches)
    if written.rows:
        facts = identity.facts
        embeddings.append(db, identity.name, [written], facts, read_version=latest)
    lacking = sorted(wanted - rows.done)
    failures = [Failure(image, NO_VECTOR, rows.why.get(image, "")) for image in lacking]
    if rows.unused:
        log.info("%s: %d vectors are of no image of the corpora", identity.name, rows.unused)
    return Brought(len(rows.done), failures, rows.unused)


class _Rows:
    """The rows of an import, matched with images; of several rows of one image the first counts."""

    def __init__(
        self, corpora: Sequence[str], held: Mapping[str, Sequence[str]], wanted: set[str]
    ) -> None:
        self.done: set[str] = set()
        self.why: dict[str, str] = {}
        self.unused = 0
        self._wanted = wanted
        self._held = held
        self._image_of = {path: image for image, files in held.items() for path in files}
        self._folders = [corpus.rstrip("/") + "/" for corpus in corpora]

    def matched(
        self, batches: Iterator[VectorBatch]
    ) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
        for batch in batches:
            for location, refusal in batch.refused:
                image = self._find(location)
                if image in self._wanted:
                    self.why.setdefault(image, f"{location}: {refusal.detail}")
            ids, places = [], []
            for place, location in enumerate(batch.locations):
                image = self._find(location)
                if not image:
                    self.unused += 1
                elif image in self._wanted and image not in self.done:
                    self.done.add(image)
                    ids.append(image)
                    places.append(place)
            if ids:
                wide_BD = batch.vectors_ND[places].astype(np.float64)
                wide_BD /= np.abs(wide_BD).max(axis=1, keepdims=True)  # no square overflows
                yield ids, wide_BD / np.linalg.norm(wide_BD, axis=1, keepdims=True)

    def _find(self, location: str) -> str:
        """Return the image that a row names, or nothing."""
        if location in self._held:
            return location
        for path in (location, *(folder + location for folder in self._folders)):
            if path in self._image_of:
                return self._image_of[path]
        return ""
