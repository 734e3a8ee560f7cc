"""The numbers of a report, as JSON.

Put here: `report.json`, and the quantiles of the planes.
Keep out: the page (`html`), the files of the folder (`page`), beside this file.

Shapes:
    P  pairs of images on the plane
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tasks.report.contents import BenchmarkContents, ReportContents
from tasks.report.pictures import Picture

KIND: Final = "mmvp-report"
"""Marks a `report.json` as ours, and with it the folder that a later report may replace."""

QUANTILES: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)

APART: Final = frozenset(
    {
        *("clip_cosines_P", "ssl_cosines_P", "mined_clip_M", "mined_ssl_M"),
        *("cards", "versions", "results"),
    }
)
"""Fields that do not go into `report.json` as they are."""


def quantiles(contents: ReportContents) -> list[dict[str, float]]:
    """Give the quantiles of both cosines over all pairs; empty if there are no pairs."""
    if not contents.clip_cosines_P.size:
        return []
    clip = np.quantile(contents.clip_cosines_P, QUANTILES)
    ssl = np.quantile(contents.ssl_cosines_P, QUANTILES)
    return [
        {"quantile": quantile, "clip_cosine": float(c), "ssl_cosine": float(s)}
        for quantile, c, s in zip(QUANTILES, clip, ssl, strict=True)
    ]


def render_json(
    contents: ReportContents | BenchmarkContents, pictures: Mapping[str, Picture]
) -> str:
    """Give `report.json`: all of the contents, with the two planes as counts and quantiles.

    Args:
        contents: what to say.
        pictures: what became of the images on the page, by image id.
    """
    names = [field.name for field in dataclasses.fields(contents) if field.name not in APART]
    results = contents.results
    report: dict[str, Any] = {name: _plain(getattr(contents, name)) for name in names}
    report |= {
        "kind": KIND,
        "cards": _rows(contents.cards),
        "versions": _rows(contents.versions),
        "scores": _rows(results.scores),
        "other_keys": _rows(results.other_keys),
        "comparisons": _rows(results.comparisons),
        "probes": _rows(results.probes),
        "questions": _rows(results.questions),
        "evidence": dataclasses.asdict(results.evidence),
        "not_available": {i: p.reason for i, p in pictures.items() if not p.is_there},
    }
    if isinstance(contents, ReportContents):
        report |= {
            "pairs_drawn": int(contents.clip_cosines_P.size),
            "mined_drawn": int(contents.mined_clip_M.size),
            "quantiles": quantiles(contents),
        }
    return json.dumps(report, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(row) for row in rows]


def _plain(value: object) -> object:
    """Turn any mapping and sequence into the dict and list that JSON knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value
