"""Write a report: one folder that opens in a browser, offline, and is the same every time.

Put here: which files the folder holds.
Keep out: the page's text (`html`), `report.json` (`numbers`), figures (one module a subject), how
    the old folder is replaced (`folder`), all beside this file; reading tables (`tasks.reporting`).

Shapes:
    P  pairs of images on the plane    M  mined pairs on the plane    H, W, C  an image
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from PIL import Image

from tasks.report.charts import draw_results, draw_sweep
from tasks.report.contents import PairCard, ReportContents
from tasks.report.drawing import DARK, LIGHT, Palette, png_bytes
from tasks.report.figures import PicturedPair, draw_pairs, draw_plane
from tasks.report.folder import replacing
from tasks.report.html import ShownCard, render_page
from tasks.report.numbers import KIND, render_json
from tasks.report.pictures import NO_REASON, Picture, ReadImage, write_thumbnail
from tasks.report.probe_chart import draw_probes
from tasks.report.radar import draw_radar
from tasks.report.results import Results
from tasks.report.tables import results_markdown

SHOWN_CARDS: Final = 200
"""Cards on the page; more would make it slow to open. `report.json` holds them all."""

PICTURED_PAIRS: Final = 8

RESULT_FIGURES: Final[Mapping[str, Callable[[Results, Palette], Figure | None]]] = {
    "results": draw_results,
    "radar": draw_radar,
    "sweep": draw_sweep,
    "probes": draw_probes,
}
"""The figures of models and encoders, by the name of their files, in the order of the page."""


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
        figures = _write_figures(building, contents.results)
        page = render_page(
            contents, shown, plane_size=plane.canvas.get_width_height(), figures=figures
        )
        # A file's name may hold bytes that are not text; the page then shows their numbers.
        (building / "index.html").write_bytes(page.encode("utf-8", "backslashreplace"))
        (building / "report.json").write_text(render_json(contents, pictures), encoding="ascii")
        table = results_markdown(contents.results)
        if table:
            (building / "results.md").write_bytes(table.encode("utf-8", "backslashreplace"))
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(written, key=lambda path: path.name != "index.html")


def _write_figures(folder: Path, results: Results) -> dict[str, tuple[int, int]]:
    """Write the figures of results that there are; return their sizes by name."""
    sizes = {}
    for name, draw in RESULT_FIGURES.items():
        figure, dark = draw(results, LIGHT), draw(results, DARK)
        if figure is not None and dark is not None:
            (folder / f"{name}.png").write_bytes(png_bytes(figure))
            (folder / f"{name}-dark.png").write_bytes(png_bytes(dark))
            sizes[name] = figure.canvas.get_width_height()
    return sizes


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
