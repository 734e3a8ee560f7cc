"""Compare the images of an export with other data: `mmvp export ... --against PLACE`.

Put here: reading the other images, their vectors from the store or from the encoders.
Keep out: what counts as the same (`tasks.exporting.compared`).

A place is a corpus as `--corpus` takes it. Vectors that the store has are taken from there; images
without are embedded here, one batch after the other, and are not kept.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embeddings, paths, runs
from storage.database import Database
from storage.embeddings import PREFIX
from storage.minings import MiningRow
from tasks.corpora.corpus import Archive, FileEntry, Reading
from tasks.corpora.locations import find_pixels
from tasks.corpora.opening import open_corpus, resolve_corpus, split_name
from tasks.encoders import Encoder, EncoderConfig, identify, load
from tasks.exporting.benchmark_pairs import ReadImage
from tasks.exporting.compared import (
    MIRRORED,
    NEAR,
    Held,
    Other,
    Vectors,
    cosines,
    near,
    same,
)
from tasks.images import RefusedImageError, decode, image_id
from tasks.workers import WorkersConfig

BATCH: Final = 256
"""Images that are compared at once."""

MIRRORED_AT_ONCE: Final = 32
"""Images that are mirrored at once, which may be large."""


class Found(NamedTuple):
    """What other data hold of an export, and how many of their images were looked at.

    `places` are the last parts of their names: no path of a machine goes into an export.
    """

    places: Sequence[str]
    held: Sequence[Held]
    images: int
    unreadable: int


class _Item(NamedTuple):
    """An image elsewhere; `data` is None where the store knows its content."""

    other: Other
    data: bytes | None
    location: str


def compare(
    db: Database,
    mining: MiningRow,
    images: Sequence[str],
    places: Sequence[str],
    *,
    above: float,
    workers: WorkersConfig,
    mirrored: ReadImage | None = None,
) -> Found:
    """Find the images of an export that other data hold, by bytes and by both encoders' vectors.

    Args:
        db: The store; it has the vectors of `images`.
        mining: Names the encoders.
        images: Ids of the export's images.
        places: Corpora, in the store or not.
        above: The cosine above which both encoders take two images for one.
        workers: Whose device encoders run on.
        mirrored: Reads images, which are compared mirrored left to right, too; None: they are not.

    Raises:
        ValueError: if a place is no corpus, or images lack vectors and cannot be embedded.
    """
    encoders = _Encoders(db, mining, workers)
    ours, mine = encoders.stored(images)
    if len(ours) < len(set(images)):
        message = (
            f"{len(set(images)) - len(ours)} images of the benchmark have no vectors in the store "
            f"any more; run `mmvp embed` on their corpus, then export again"
        )
        raise ValueError(message)
    sides = {NEAR: mine}
    if mirrored is not None:
        sides[MIRRORED] = encoders.mirrored(ours, mirrored)
    held: set[Held] = set()
    known: dict[str, list[Other]] = {}
    looked_at = unreadable = 0
    for place in places:
        items = _items(db, place)
        for batch in iter(lambda: list(islice(items, BATCH)), []):  # noqa: B023 # used at once
            looked_at += len(batch)
            held.update(same(images, [item.other for item in batch]))
            for item in batch:
                if item.other.image in encoders.known:
                    known.setdefault(item.other.image, []).append(item.other)
            new = [item for item in batch if item.other.image not in encoders.known]
            others, theirs = encoders.embed(new)
            unreadable += len(new) - len(others)
            held.update(_near(ours, sides, others, theirs, above))
    held.update(_near_stored(encoders, ours, sides, known, above))
    return Found([_label(place) for place in places], sorted(held, key=repr), looked_at, unreadable)


def _near(
    ours: Sequence[str],
    sides: Mapping[str, Vectors],
    others: Sequence[Other],
    theirs: Vectors,
    above: float,
) -> Iterator[Held]:
    for kind, vectors in sides.items():
        yield from near(ours, vectors, others, theirs, above=above, kind=kind)


def _near_stored(
    encoders: "_Encoders",
    ours: Sequence[str],
    sides: Mapping[str, Vectors],
    known: Mapping[str, Sequence[Other]],
    above: float,
) -> Iterator[Held]:
    """Yield what is near to images that have vectors in the store."""
    clip_ND = np.concatenate([vectors.clip_ND for vectors in sides.values()])
    images, vectors = encoders.stored(encoders.nearest(clip_ND, known, above))
    for image, each in zip(images, zip(*vectors, strict=True), strict=True):
        one = Vectors(*(vector_D[None] for vector_D in each))
        for other in known[image]:
            yield from _near(ours, sides, [other], one, above)


def _label(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2]


def _items(db: Database, place: str) -> Iterator[_Item]:
    """Yield the images of a corpus: as the store has them, else as they are read."""
    name = resolve_corpus(place)
    root = split_name(name)[1]

    def inside(location: str) -> str:
        return location.removeprefix(root).lstrip("/") or PurePosixPath(location).name

    if name in paths.corpora(db):
        for image, locations in paths.images(db, [name]).items():
            yield _Item(Other(image, _label(place), inside(locations[0])), None, locations[0])
        return
    corpus, listing = open_corpus(name, Reading())
    entries: list[FileEntry | Archive] = [*listing.files, *listing.archives]
    for entry in entries:
        for part in corpus.cut(entry):
            for item in corpus.read(part):
                if isinstance(item.content, bytes):
                    other = Other(image_id(item.content), _label(place), inside(item.location))
                    yield _Item(other, item.content, item.location)


class _Encoders:
    """Both encoders of a mining: their stored vectors, and themselves once they are needed.

    `known` are the images that have vectors of both.
    """

    def __init__(self, db: Database, mining: MiningRow, workers: WorkersConfig) -> None:
        self._db = db
        self._names = {role: getattr(mining, role).removeprefix(PREFIX) for role in ("clip", "ssl")}
        self._versions = {role: embeddings.version(db, n) for role, n in self._names.items()}
        self._device = workers.device_kind()
        self._loaded: dict[str, Encoder] = {}
        clip, ssl = (
            embeddings.ids(db, name, version=self._versions[role])
            for role, name in self._names.items()
        )
        self.known = clip & ssl

    def stored(self, images: Sequence[str]) -> tuple[list[str], Vectors]:
        """Return those of the images that have both vectors, sorted, and these."""
        held = sorted(self.known & set(images))
        vectors = (
            embeddings.read(self._db, name, held, version=self._versions[role])[1]
            for role, name in self._names.items()
        )
        return held, Vectors(*vectors)

    def nearest(
        self, clip_ND: NDArray[np.floating], known: Collection[str], above: float
    ) -> list[str]:
        """Return those of the known images whose CLIP cosine to any row is above, in one pass."""
        found: list[str] = []
        version = self._versions["clip"]
        for rows in embeddings.scan(self._db, self._names["clip"], version=version):
            images = rows.ids.to_pylist() if rows.ids is not None else []
            at = [row for row, image in enumerate(images) if image in known]
            if at:
                near_NB = cosines(clip_ND, rows.vectors_BD[at]) > above
                found += [images[at[column]] for column in np.flatnonzero(near_NB.any(axis=0))]
        return found

    def embed(self, items: Sequence[_Item]) -> tuple[list[Other], Vectors]:
        """Return the images that can be read, and their vectors as the store would have them."""
        pixels = {}
        for item in items:
            try:
                pixels[item.other] = _pixels(item)
            except RefusedImageError:
                continue
        if not pixels:
            return [], Vectors(np.empty((0, 1), np.float16), np.empty((0, 1), np.float16))
        return list(pixels), self.vectors(list(pixels.values()))

    def mirrored(self, images: Sequence[str], read_image: ReadImage) -> Vectors:
        """Return the vectors of images that are mirrored left to right."""
        ids = iter(images)
        lots = [
            self.vectors([_mirror(read_image(image)) for image in lot])
            for lot in iter(lambda: list(islice(ids, MIRRORED_AT_ONCE)), [])
        ]
        return Vectors(*map(np.concatenate, zip(*lots, strict=True)))

    def vectors(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of images (H, W, C) as the store would have them."""
        both = (self._encoder(role).embed(images).astype(np.float16) for role in self._names)
        return Vectors(*both)

    def _encoder(self, role: str) -> Encoder:
        if role not in self._loaded:
            self._loaded[role] = self._load(role)
        return self._loaded[role]

    def _load(self, role: str) -> Encoder:
        name = self._names[role]
        for config in _named_by_runs(self._db):
            if identify(config, device=self._device).name == name:
                return load(config, device=self._device)
        message = (
            f"the images to compare with have no vectors of {name}, and no run in the store names "
            f"that encoder on this device; run `mmvp run --through embed` on them with the "
            f"encoders of the mining, then compare again"
        )
        raise ValueError(message)


def _named_by_runs(db: Database) -> Iterator[EncoderConfig]:
    """Yield the encoders of all runs, the latest first, then the shipped ones."""
    for run in reversed(runs.read(db)):
        given = run.settings.get("parameters", {})
        for role in ("clip", "ssl", "control"):
            if role in given:
                yield EncoderConfig.model_validate(given[role])
    yield from (EncoderConfig(spec=f"tiny:{role}") for role in ("clip", "ssl"))


def _pixels(item: _Item) -> NDArray[np.uint8]:
    if item.data is not None:
        return decode(item.data).pixels_HWC
    return find_pixels(item.other.image, [item.location])


def _mirror(data: bytes) -> NDArray[np.uint8]:
    return np.ascontiguousarray(decode(data).pixels_HWC[:, ::-1])
