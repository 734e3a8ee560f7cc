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

from tasks.report.board_chart import draw_board
from tasks.report.charts import draw_results, draw_sweep
from tasks.report.contents import BenchmarkContents, PairCard, ReportContents
from tasks.report.drawing import DARK, LIGHT, Palette, png_bytes, spots
from tasks.report.evidence_charts import (
    draw_imagenet,
    draw_measured_correlations,
    draw_paper_correlations,
    draw_scale,
)
from tasks.report.figures import PicturedPair, draw_pairs, draw_plane
from tasks.report.folder import replacing
from tasks.report.html import ShownCard, ShownFigure, render_benchmark, render_page
from tasks.report.numbers import KIND, render_json
from tasks.report.outcome_chart import draw_outcomes
from tasks.report.pictures import NO_IMAGES, NO_REASON, Picture, ReadImage, write_thumbnail
from tasks.report.probe_chart import draw_probes
from tasks.report.radar import draw_radar
from tasks.report.results import Results
from tasks.report.spread_chart import draw_spread
from tasks.report.tables import results_markdown

SHOWN_CARDS: Final = 200
"""Cards on the page; more would make it slow to open. `report.json` holds them all."""

PICTURED_PAIRS: Final = 8

Draw = Callable[[Results, Palette], Figure | None]

ABOUT_MODELS: Final[Mapping[str, Draw]] = {
    "outcomes": draw_outcomes,
    "spread": draw_spread,
    "radar": draw_radar,
    "correlation": draw_measured_correlations,
    "paper-correlation": draw_paper_correlations,
    "imagenet": draw_imagenet,
    "scaling": draw_scale,
}
OF_MINING: Final[Mapping[str, Draw]] = {
    "results": draw_results,
    **ABOUT_MODELS,
    "sweep": draw_sweep,
    "probes": draw_probes,
}
"""The figures of models and encoders, by the name of their files."""

OF_BENCHMARK: Final[Mapping[str, Draw]] = {
    "leaderboard": draw_board,
    **ABOUT_MODELS,
}


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
        pictures, shown = _show_cards(building, contents.cards[:cards_shown], read_image)
        best = draw_pairs(contents, _picture_pairs(building, shown))
        (building / "pairs.png").write_bytes(png_bytes(best))
        plane = write_figure(building, "plane", draw_plane(contents), draw_plane(contents, DARK))
        figures = _write_figures(building, contents.results, OF_MINING)
        page = render_page(contents, shown, plane=plane, figures=figures)
        _write_texts(building, page, render_json(contents, pictures), contents.results)
    return _files(folder)


def write_benchmark_report(
    folder: Path,
    contents: BenchmarkContents,
    *,
    read_image: ReadImage,
    cards_shown: int = SHOWN_CARDS,
) -> list[Path]:
    """Write the report of a published benchmark; see `write_report`."""
    with replacing(folder, is_ours=is_report) as building:
        pictures, shown = _show_cards(building, contents.cards[:cards_shown], read_image)
        figures = _write_figures(building, contents.results, OF_BENCHMARK)
        page = render_benchmark(contents, shown, figures=figures)
        _write_texts(building, page, render_json(contents, pictures), contents.results)
    return _files(folder)


def _files(folder: Path) -> list[Path]:
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return sorted(written, key=lambda path: path.name != "index.html")


def _write_texts(folder: Path, page: str, numbers: str, results: Results) -> None:
    # A file's name may hold bytes that are not text; the page then shows their numbers.
    (folder / "index.html").write_bytes(page.encode("utf-8", "backslashreplace"))
    (folder / "report.json").write_text(numbers, encoding="ascii")
    table = results_markdown(results)
    if table:
        (folder / "results.md").write_bytes(table.encode("utf-8", "backslashreplace"))


def _write_figures(
    folder: Path, results: Results, wanted: Mapping[str, Draw]
) -> dict[str, ShownFigure]:
    """Write the figures of results that there are."""
    found = {}
    for name, draw in wanted.items():
        figure, dark = draw(results, LIGHT), draw(results, DARK)
        if figure is not None and dark is not None:
            found[name] = write_figure(folder, name, figure, dark)
    return found


def write_figure(folder: Path, name: str, figure: Figure, dark: Figure) -> ShownFigure:
    """Write a figure for both settings; return its size and points. Equal figures, equal bytes."""
    (folder / f"{name}.png").write_bytes(png_bytes(figure))
    (folder / f"{name}-dark.png").write_bytes(png_bytes(dark))
    width, height = figure.canvas.get_width_height()
    return ShownFigure(width, height, spots(figure))


def is_report(folder: Path) -> bool:
    """Whether `folder` is a report that `write_report` wrote."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("kind") == KIND


def _show_cards(
    folder: Path, cards: Sequence[PairCard], read_image: ReadImage
) -> tuple[dict[str, Picture], list[ShownCard]]:
    """Write the images of cards; return what became of each, and the cards with theirs."""
    pictures: dict[str, Picture] = {}
    for card in cards:
        for image, path in ((card.image_a, card.path_a), (card.image_b, card.path_b)):
            if image and image not in pictures:
                pixels_HWC = read_image(path)
                if pixels_HWC is None or isinstance(pixels_HWC, str):
                    pictures[image] = Picture(reason=pixels_HWC or NO_REASON)
                else:
                    pictures[image] = write_thumbnail(folder, image, pixels_HWC)
    none = Picture(reason=NO_IMAGES)
    shown = [
        ShownCard(card, pictures.get(card.image_a, none), pictures.get(card.image_b, none))
        for card in cards
    ]
    return pictures, shown


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
