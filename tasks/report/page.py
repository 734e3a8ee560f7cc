"""Write a report: one folder that opens in a browser, offline, and is the same every time.

Put here: the files of the folder, the page, and `report.json`.
Keep out: what is drawn in a figure (`tasks.report.figures`), how the old folder is replaced
    (`tasks.report.folder`), reading tables (`flows`).

Shapes:
    P  pairs of images on the plane    M  mined pairs on the plane    H, W, C  an image
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image

from tasks.report.contents import PairCard, ReportContents
from tasks.report.figures import DARK, PicturedPair, draw_pairs, draw_plane, png_bytes
from tasks.report.folder import replacing
from tasks.report.pictures import NO_REASON, Picture, ReadImage, write_thumbnail

KIND: Final = "mmvp-report"
"""Marks a `report.json` as ours, and with it the folder that a later report may replace."""

SHOWN_CARDS: Final = 200
"""Cards on the page; more would make it slow to open. `report.json` holds them all."""

PICTURED_PAIRS: Final = 8

QUANTILES: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999)


class ShownCard(NamedTuple):
    """A card with what became of its two images."""

    card: PairCard
    picture_a: Picture
    picture_b: Picture


def write_report(
    folder: Path,
    contents: ReportContents,
    *,
    read_image: ReadImage,
    cards_shown: int = SHOWN_CARDS,
) -> list[Path]:
    """Write the report of `contents` into `folder`, in place of an older one.

    The same contents and images give the same bytes. Until everything is written `folder` stays
    as it was, and then changes at once; what a killed call left is removed by the next one.

    Args:
        folder: absent, empty, or an older report, which is replaced as a whole.
        contents: what to say.
        read_image: gives RGB pixels (H, W, 3) for a card's path, or the reason why there are
            none. Called once for each image on the page.
        cards_shown: how many cards the page shows at most.

    Returns:
        Every file of the report, `index.html` first.

    Raises:
        ValueError: if `folder` is a file or holds something that is not a report.
    """
    with replacing(folder, is_ours=is_report) as building:
        cards = contents.cards[:cards_shown]
        pictures = _write_pictures(building, cards, read_image)
        shown = [ShownCard(card, pictures[card.image_a], pictures[card.image_b]) for card in cards]
        plane = draw_plane(contents)
        best = draw_pairs(contents, _picture_pairs(building, shown))
        (building / "plane.png").write_bytes(png_bytes(plane))
        (building / "plane-dark.png").write_bytes(png_bytes(draw_plane(contents, DARK)))
        (building / "pairs.png").write_bytes(png_bytes(best))
        page = render_page(contents, shown, plane_size=plane.canvas.get_width_height())
        # A file's name may hold bytes that are not text; the page then shows their numbers.
        (building / "index.html").write_bytes(page.encode("utf-8", "backslashreplace"))
        (building / "report.json").write_text(render_json(contents, pictures), encoding="ascii")
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(written, key=lambda path: path.name != "index.html")


def is_report(folder: Path) -> bool:
    """Whether `folder` is a report that `write_report` wrote."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("kind") == KIND


def _write_pictures(
    folder: Path, cards: Sequence[PairCard], read_image: ReadImage
) -> dict[str, Picture]:
    pictures: dict[str, Picture] = {}
    for card in cards:
        for image, path in ((card.image_a, card.path_a), (card.image_b, card.path_b)):
            if image not in pictures:
                pixels_HWC = read_image(path)
                if pixels_HWC is None or isinstance(pixels_HWC, str):
                    pictures[image] = Picture(reason=pixels_HWC or NO_REASON)
                else:
                    pictures[image] = write_thumbnail(folder, image, pixels_HWC)
    return pictures


def _picture_pairs(folder: Path, shown: Sequence[ShownCard]) -> list[PicturedPair]:
    """Give the best pairs whose two images are both there."""
    whole = [each for each in shown if each.picture_a.is_there and each.picture_b.is_there]
    return [
        PicturedPair(card, _open(folder / a.file), _open(folder / b.file))
        for card, a, b in whole[:PICTURED_PAIRS]
    ]


def _open(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


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


def render_json(contents: ReportContents, pictures: Mapping[str, Picture]) -> str:
    """Give `report.json`: all of the contents, with the two planes as counts and quantiles.

    Args:
        contents: what to say.
        pictures: what became of the images on the page, by image id.
    """
    arrays = {"clip_cosines_P", "ssl_cosines_P", "mined_clip_M", "mined_ssl_M", "cards", "versions"}
    names = [field.name for field in dataclasses.fields(contents) if field.name not in arrays]
    report: dict[str, Any] = {name: _plain(getattr(contents, name)) for name in names}
    report |= {
        "kind": KIND,
        "cards": [dataclasses.asdict(card) for card in contents.cards],
        "versions": [dataclasses.asdict(version) for version in contents.versions],
        "pairs_drawn": int(contents.clip_cosines_P.size),
        "mined_drawn": int(contents.mined_clip_M.size),
        "quantiles": quantiles(contents),
        "not_available": {i: p.reason for i, p in pictures.items() if not p.is_there},
    }
    return json.dumps(report, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    """Turn any mapping and sequence into the dict and list that JSON knows."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


def render_page(
    contents: ReportContents, shown: Sequence[ShownCard], *, plane_size: tuple[int, int]
) -> str:
    """Give the HTML of the page; every text in it is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "cosine": lambda cosine: f"{cosine:z.3f}",
        "threshold": lambda threshold: f"{threshold:.4g}",
        "percent": lambda cosine: f"{100 * min(max(cosine, 0.0), 1.0):.1f}",
        "file_name": lambda path: path.rstrip("/").rpartition("/")[2] or path,
        "short_id": _short_id,
    }
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    missing = {c.image_a for c, a, _ in shown if not a.is_there}
    missing |= {c.image_b for c, _, b in shown if not b.is_there}
    return template.render(
        report=contents,
        shown=shown,
        unavailable=len(missing),
        quantiles=quantiles(contents),
        mined_drawn=contents.mined_clip_M.size,
        refused=_most_first(contents.refused),
        refused_total=sum(contents.refused.values()),
        left_out=_most_first(contents.left_out),
        settings=sorted(contents.settings.items()),
        plane_size=plane_size,
    )


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _short_id(pair_id: str) -> str:
    """Shorten an id, and one made of two images' ids so that pairs of one image stay apart."""
    image_a, joint, image_b = pair_id.partition("+")
    return f"{image_a[:8]}+{image_b[:8]}" if joint else pair_id[:12]
