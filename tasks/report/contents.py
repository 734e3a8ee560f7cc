"""What a report shows: numbers, pairs and names, with nothing left to look up.

Put here: the values that `write_report` turns into files, and their checks.
Keep out: reading tables (`flows`), drawing (`tasks.report.figures`), the page
    (`tasks.report.page`).

Shapes:
    P  pairs of images on the plane    M  mined pairs on the plane
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.report.results import PEOPLE, Results


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCard:
    """One pair of a benchmark, as the page shows it.

    Labels and captions are None where the corpus has none, cosines of pairs that others chose. An
    image is '' of a benchmark that came without images.

    Raises:
        ValueError: if a cosine is not a finite number.
    """

    pair_id: str
    image_a: str
    image_b: str
    path_a: str
    path_b: str
    label_a: str | None = None
    label_b: str | None = None
    caption_a: str | None = None
    caption_b: str | None = None
    clip_cosine: float | None = None
    ssl_cosine: float | None = None

    def __post_init__(self) -> None:
        for name in ("clip_cosine", "ssl_cosine"):
            cosine = getattr(self, name)
            if cosine is not None and not math.isfinite(cosine):
                message = f"pair {self.pair_id!r} has {name} {cosine}; a cosine is in [-1, 1]"
                raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVersion:
    """The version of one table that a stage wrote and the report read."""

    stage: str
    table: str
    version: int
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportContents:
    """Everything that one report says.

    `clip_cosines_P` and `ssl_cosines_P` belong to the same pairs in the same order, and so do
    `mined_clip_M` and `mined_ssl_M`. Both may be samples; `plane_note` says of what
    (`"all 499,500 pairs"`), and `mined` is always the full count.

    Raises:
        ValueError: if two arrays of the same pairs differ in length, if a number is not finite,
            or if there are more cards than `cards_total`.
    """

    corpora: Sequence[str]
    clip: str
    """Name of the encoder in the role of CLIP."""
    ssl: str
    """Name of the encoder in the role of the self-supervised one."""
    clip_above: float
    ssl_below: float
    images: int
    """Distinct images; `files` counts duplicates too."""
    files: int
    refused: Mapping[str, int]
    """Files that could not be used, by reason."""
    mined: int
    """Pairs beyond both thresholds."""
    selected: int
    """Mined pairs that made it into the benchmark."""
    left_out: Mapping[str, int]
    """Mined pairs that did not, by reason."""
    cards: Sequence[PairCard]
    """The benchmark's pairs, best first; all of them or its beginning."""
    cards_total: int
    clip_cosines_P: NDArray[np.float64]
    ssl_cosines_P: NDArray[np.float64]
    plane_note: str
    mined_clip_M: NDArray[np.float64]
    mined_ssl_M: NDArray[np.float64]
    versions: Sequence[TableVersion]
    settings: Mapping[str, str]
    reasons_explained: Mapping[str, str]
    """Reason (of `refused` or `left_out`) to a sentence for people."""
    results: Results = field(default_factory=Results)
    """What is known of models and encoders; nothing if none was asked."""

    def __post_init__(self) -> None:
        _check_same_pairs("plane", self.clip_cosines_P, self.ssl_cosines_P)
        _check_same_pairs("mined", self.mined_clip_M, self.mined_ssl_M)
        for name in ("clip_above", "ssl_below"):
            if not math.isfinite(getattr(self, name)):
                message = f"threshold {name} is {getattr(self, name)}; a cosine is in [-1, 1]"
                raise ValueError(message)
        if len(self.cards) > self.cards_total:
            message = (
                f"report has {len(self.cards)} cards but cards_total is {self.cards_total}; "
                f"cards_total counts the shown and the left out"
            )
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchmarkContents:
    """Everything that the report of a published benchmark says.

    `name` is what people call it, `set_name` what the store does. `key` is the answer key of
    figures and cards, one of `keys`.
    """

    name: str
    set_name: str
    pairs: int
    key: str
    keys: Mapping[str, str]
    """Answer key to a sentence for people; none where there is only one."""
    cards: Sequence[PairCard]
    """All pairs in their order."""
    versions: Sequence[TableVersion]
    results: Results

    @property
    def models(self) -> int:
        """Models and people that were asked; a mean was not."""
        return len({row.model for row in self.results.scores} - {PEOPLE})


def _check_same_pairs(name: str, clip_P: NDArray[np.float64], ssl_P: NDArray[np.float64]) -> None:
    if clip_P.ndim != 1 or clip_P.shape != ssl_P.shape:
        message = (
            f"{name} cosines have shapes {clip_P.shape} (clip) and {ssl_P.shape} (ssl); "
            f"both need one number for each of the same pairs"
        )
        raise ValueError(message)
    if not (np.isfinite(clip_P).all() and np.isfinite(ssl_P).all()):
        message = f"{name} cosines hold NaN or infinity; a cosine is in [-1, 1]"
        raise ValueError(message)
