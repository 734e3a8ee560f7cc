"""What an export of questions is made of: their lineage, their images, what is known of both.

Put here: the values that every layout is given.
Keep out: numbering (`benchmark_pairs`), layouts, beside this file; reading the store (`flows`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.corpora.corpus import Rights
from tasks.exporting.benchmark_pairs import NumberedPair, ReadImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a benchmark is from: its mining with both encoders and thresholds, and a digest.

    `questions` is the digest of the receipt under which the questions were written.
    """

    benchmark: str
    mining: str
    clip: str
    ssl: str
    clip_above: float
    ssl_below: float
    questions: str


class Origin(NamedTuple):
    """A file that holds an image: its corpus' own name, its path in there, and its rights.

    No part of it is a path of the machine that exports.
    """

    corpus: str
    path: str
    rights: Rights


class Cosines(NamedTuple):
    """How alike both encoders find the images of a pair, in [-1, 1]."""

    clip: float
    ssl: float


class LeftOut(NamedTuple):
    """A pair that is not exported: its number, a reason to count it by, and what was found."""

    pair: int
    pair_id: str
    reason: str
    detail: str


class Objection(NamedTuple):
    """Why a pair must not be exported: a reason to count it by, and what was found."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a layout may write beside the questions themselves.

    `origins` are by image id, several where files have equal content; `cosines` by pair id;
    `agreement` has what was measured between annotators, by what was measured, in [-1, 1].
    """

    lineage: Lineage
    read_image: ReadImage
    origins: Mapping[str, Sequence[Origin]] = field(default_factory=dict)
    cosines: Mapping[str, Cosines] = field(default_factory=dict)
    agreement: Mapping[str, float] = field(default_factory=dict)

    def origin(self, image: str) -> Origin:
        """Return the first file of an image, with what any of its files tells of its rights."""
        files = self.origins.get(image, ())
        rights = Rights()
        for file in files:
            rights = rights.else_of(file.rights)
        return files[0]._replace(rights=rights) if files else Origin("", "", rights)

    def cosines_of(self, pair: NumberedPair) -> Cosines | None:
        """Return the cosines of a pair, where the mining holds it."""
        return self.cosines.get(pair.rows[0].pair_id)
