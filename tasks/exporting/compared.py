"""Which images of an export others hold already: a training set, a published benchmark.

Put here: comparing by content and by vectors, what is found as rows, why a pair is refused.
Keep out: reading the other images and their vectors (`flows.compared`).

Near-duplicates are what mining lists as such: pairs of which both cosines are above a threshold.

Shapes:
    N  images of the export    B  other images    D  width of a CLIP vector    E  of an SSL vector
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.exporting.benchmark_pairs import NumberedPair
from tasks.exporting.material import Objection

FILE: Final = "compared.csv"
REASON: Final = "in-other-data"
SAME: Final = "same-bytes"
NEAR: Final = "near-duplicate"
MIRRORED: Final = "mirrored"


class Other(NamedTuple):
    """An image elsewhere: its content hash, and where it lies in a place that a user named."""

    image: str
    place: str
    path: str


class Held(NamedTuple):
    """An image of the export that is elsewhere too; cosines are None where bytes are the same."""

    image: str
    place: str
    path: str
    kind: str
    clip_cosine: float | None
    ssl_cosine: float | None


class Vectors(NamedTuple):
    """Both encoders' vectors of images, as they are stored; rows of `clip_ND` and `ssl_NE` pair."""

    clip_ND: NDArray[np.floating]
    ssl_NE: NDArray[np.floating]


def same(ours: Collection[str], others: Sequence[Other]) -> list[Held]:
    """Return the images of the export of which others have the very bytes."""
    held = set(ours)
    return [Held(*other, SAME, None, None) for other in others if other.image in held]


def near(
    ours: Sequence[str],
    vectors: Vectors,
    others: Sequence[Other],
    theirs: Vectors,
    *,
    above: float,
    kind: str = NEAR,
) -> list[Held]:
    """Return the images of the export that both encoders take for others', above a cosine.

    Cosines are of the vectors as given, in float64; those of equal bytes are `same`'s to tell.
    `kind` is `mirrored` where the vectors are of the images mirrored left to right.
    """
    if not others:
        return []
    clip_NB = cosines(vectors.clip_ND, theirs.clip_ND)
    ssl_NB = cosines(vectors.ssl_NE, theirs.ssl_NE)
    found = []
    for row, column in np.argwhere((clip_NB > above) & (ssl_NB > above)):
        image, other = ours[row], others[column]
        if image != other.image:
            both = float(clip_NB[row, column]), float(ssl_NB[row, column])
            found.append(Held(image, other.place, other.path, kind, *both))
    return found


def cosines(rows_ND: NDArray[np.floating], others_BD: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosines (N, B) of all rows to all others, in float64."""
    found_NB: NDArray[np.float64] = _unit(rows_ND) @ _unit(others_BD).T
    return found_NB


def _unit(rows_ND: NDArray[np.floating]) -> NDArray[np.float64]:
    wide_ND = rows_ND.astype(np.float64)
    unit_ND: NDArray[np.float64] = wide_ND / np.linalg.norm(wide_ND, axis=1, keepdims=True)
    return unit_ND


def pairs_that_hold(pairs: Sequence[NumberedPair], found: Sequence[Held]) -> list[NumberedPair]:
    """Return the pairs of which an image is elsewhere."""
    images = {one.image for one in found}
    return [pair for pair in pairs if any(row.image in images for row in pair.rows)]


def object_to(pair: NumberedPair, found: Sequence[Held]) -> Objection | None:
    """Return why a pair must not be exported: the first of its images that is elsewhere."""
    images = {row.image for row in pair.rows}
    for one in found:
        if one.image in images:
            return Objection(REASON, f"{one.kind}: {one.place}: {one.path}")
    return None


def write_compared(to: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a row for each image that is elsewhere; rows have the fields of `Held`."""
    with (to / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, Held._fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
