"""The page of a report, as text.

Put here: what the templates are given, and how they write numbers.
Keep out: the files of the folder (`page`), what stands in a table (`tables`), beside this file.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tasks.report.boards import boards
from tasks.report.cards import card_question, filters
from tasks.report.contents import BenchmarkContents, PairCard, ReportContents
from tasks.report.drawing import Spot
from tasks.report.numbers import quantiles
from tasks.report.pictures import Picture
from tasks.report.probe_chart import probe_order
from tasks.report.results import FEW_PAIRS, SHARES, ProbeScore, Results, encoder_label
from tasks.report.spread_chart import readings
from tasks.report.tables import matrices, overview, p_text, pattern_table

BRIEF = 60
"""Letters of a model's own words on a card; `report.json` has them all."""


class ShownCard(NamedTuple):
    """A card with what became of its two images."""

    card: PairCard
    picture_a: Picture
    picture_b: Picture


class ShownFigure(NamedTuple):
    """A figure's size in pixels, and its points that say something when hovered."""

    width: int
    height: int
    spots: Sequence[Spot]


def render_page(
    contents: ReportContents,
    shown: Sequence[ShownCard],
    *,
    plane: ShownFigure,
    figures: Mapping[str, ShownFigure],
) -> str:
    """Give the HTML of the page of a mining; every text in it is escaped.

    Args:
        contents: what to say.
        shown: the cards on the page.
        plane: the figure `plane.png`.
        figures: the figures of results that there are, by name.
    """
    return _render(
        "page.html",
        contents,
        shown,
        figures,
        plane=plane,
        **_of_mining(contents),
    )


def render_benchmark(
    contents: BenchmarkContents, shown: Sequence[ShownCard], *, figures: Mapping[str, ShownFigure]
) -> str:
    """Give the HTML of the page of a published benchmark; see `render_page`."""
    return _render("benchmark.html", contents, shown, figures)


def _render(
    page: str,
    contents: ReportContents | BenchmarkContents,
    shown: Sequence[ShownCard],
    figures: Mapping[str, ShownFigure],
    **others: Any,
) -> str:
    script = _read("sort.js")
    return (
        environment()
        .get_template(page)
        .render(
            report=contents,
            results=contents.results,
            shown=shown,
            figures=figures,
            is_mining=isinstance(contents, ReportContents),
            unavailable=len(_missing(shown)),
            script=Markup(script),  # our own file
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
            **_of_results(contents.results),
            **_of_evidence(contents.results),
            **_of_cards(contents.results, {each.card.pair_id for each in shown}),
            **others,
        )
    )


def _missing(shown: Sequence[ShownCard]) -> set[str]:
    missing = {c.image_a for c, a, _ in shown if not a.is_there}
    return (missing | {c.image_b for c, _, b in shown if not b.is_there}) - {""}


def _of_mining(contents: ReportContents) -> dict[str, Any]:
    return {
        "quantiles": quantiles(contents),
        "mined_drawn": contents.mined_clip_M.size,
        "refused": _most_first(contents.refused),
        "refused_total": sum(contents.refused.values()),
        "left_out": _most_first(contents.left_out),
        "settings": sorted(contents.settings.items()),
    }


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def environment() -> Environment:
    """Return what fills the templates beside this file; every text in them is escaped."""
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cosine": lambda cosine: f"{cosine:z.3f}",
        "threshold": lambda threshold: f"{threshold:.4g}",
        "percent": lambda share: f"{100 * min(max(share, 0.0), 1.0):.1f}",
        "file_name": lambda path: path.rstrip("/").rpartition("/")[2] or path,
        "short_id": _short_id,
        "encoder": encoder_label,
        "p_value": p_text,
        "brief": lambda text: text if len(text) <= BRIEF else f"{text[:BRIEF]}...",
    }
    return environment


def _of_results(results: Results) -> dict[str, Any]:
    labels, by_pattern = pattern_table(results)
    order = probe_order(results)

    def place(row: ProbeScore) -> tuple[int, str]:
        return order.index(row.attribute), row.role

    return {
        "shares": SHARES,
        "few": FEW_PAIRS,
        "standing_table": overview(results),
        "board_tables": boards(results),
        "difference_tables": matrices(results),
        "pattern_labels": labels,
        "by_pattern": by_pattern,
        "many_seeds": len({row.seed for row in results.scores if row.is_trained}) > 1,
        "few_pairs": any(row.pairs < FEW_PAIRS for row in by_pattern),
        "probe_rows": sorted(results.probes, key=place),
    }


def _of_evidence(results: Results) -> dict[str, Any]:
    evidence = results.evidence
    plain = [row for row in evidence.beside if "+" not in row.protocol]
    return {
        "beside_rows": [row for row in plain if row.benchmark == results.main],
        "protocol_readings": readings(results),
        "suspect_rows": [row for row in evidence.suspects if row.benchmark == results.main],
        "graded_rows": [row for row in evidence.graded if row.benchmark == results.main],
        "heard": evidence.heard.get(results.main, 0),
        "correlation_tables": [
            ("as measured here", "correlation", evidence.correlations),
            ("in the paper's Fig. 6, computed anew", "paper-correlation", evidence.as_published),
        ],
    }


def _of_cards(results: Results, pair_ids: set[str]) -> dict[str, Any]:
    asked = [each for each in results.questions if each.pair_id in pair_ids]
    choices = filters(results, asked)
    return {
        "choices": choices,
        "asked": {each.pair_id: card_question(results, each, choices) for each in asked},
    }


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _short_id(pair_id: str) -> str:
    """Shorten an id, and one made of two images' ids so that pairs of one image stay apart.

    Of a published pair it is its number.
    """
    _, of_set, number = pair_id.rpartition("-pair-")
    if of_set and number.isdecimal():
        return f"pair {int(number)}"
    image_a, joint, image_b = pair_id.partition("+")
    return f"{image_a[:8]}+{image_b[:8]}" if joint else pair_id[:12]
