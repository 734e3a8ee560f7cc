"""The tables of results: rows for the page, and the table of `results.md`.

Put here: what stands in which cell.
Keep out: HTML (the templates), figures (`charts`, `radar`, `probe_chart`), beside this file.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tasks.report.radar import spokes
from tasks.report.results import ModelComparison, ModelScore, Results, Standing, standings

SURE: Final = 0.05
"""Below this corrected p-value two models are said to differ."""

MINUS: Final = "\N{MINUS SIGN}"


class AskedRow(NamedTuple):
    """A variant and its standing in each column of the overview; None where it was not asked."""

    label: str
    seeds: Sequence[int]
    steps: int | None
    cells: Sequence[Standing | None]


class Overview(NamedTuple):
    """Pair accuracy side by side: a column for each benchmark and protocol."""

    benchmarks: Sequence[str]
    protocols: Sequence[str]
    trained: Sequence[AskedRow]
    encoders: Sequence[AskedRow]


def overview(results: Results) -> Overview:
    """Gather the pair accuracy of all variants on all benchmarks.

    A trained variant has a cell for each benchmark and protocol, benchmarks outermost; an encoder,
    which is asked by a rule of its own, one for each benchmark.
    """
    names = results.asked_benchmarks
    asked = {row.protocol for row in results.scores if row.is_trained}
    protocols = [name for name in results.asked_protocols if name in asked]
    trained = [(name, protocol) for name in names for protocol in protocols]
    return Overview(
        names,
        protocols,
        _asked_rows(results, trained, are_trained=True),
        _asked_rows(results, [(name, None) for name in names], are_trained=False),
    )


def _asked_rows(
    results: Results, columns: Sequence[tuple[str, str | None]], *, are_trained: bool
) -> list[AskedRow]:
    found = [
        {
            _name(each): each
            for each in standings(results, benchmark, protocol)
            if each.is_trained == are_trained
        }
        for benchmark, protocol in columns
    ]
    first = {name: each for column in reversed(found) for name, each in column.items()}
    order = dict.fromkeys(name for column in found for name in column)
    return [
        AskedRow(
            label=name[0],
            seeds=[row.seed for row in first[name].seeds if row.seed is not None],
            steps=name[1],
            cells=[column.get(name) for column in found],
        )
        for name in order
    ]


def _name(standing: Standing) -> tuple[str, int | None]:
    return standing.label, standing.seeds[0].steps


class PatternRow(NamedTuple):
    """A pattern with its pairs, and the main models in it."""

    pattern: str
    pairs: int
    accuracies: Sequence[float]


def pattern_table(results: Results) -> tuple[list[str], list[PatternRow]]:
    """Return the labels of the main models, and their accuracy by pattern: the radar in numbers."""
    pairs, models = spokes(results)
    rows = [
        PatternRow(pattern, count, [accuracies[n] for _, accuracies in models])
        for n, (pattern, count) in enumerate(pairs.items())
    ]
    return [each.label for each, _ in models], rows if models else []


class Difference(NamedTuple):
    """A model minus another: points of pair accuracy, and how sure."""

    points: str
    p_value: str
    is_sure: bool
    said: str


class Matrix(NamedTuple):
    """Each model against those before it; `rows` leave out the first, which has none.

    `seed` is None of models that were not trained here; `protocol` is how all were asked.
    """

    seed: int | None
    protocol: str
    labels: Sequence[str]
    rows: Sequence[Sequence[Difference | None]]


def matrices(results: Results) -> list[Matrix]:
    """Return the comparisons of models on the main benchmark.

    Trained models have a matrix a seed, under their first protocol; others one a protocol.
    """
    compared = {row.protocol for row in results.comparisons if row.benchmark == results.main}
    protocols = [name for name in results.asked_protocols if name in compared]
    trained = [_models(results, name, are_trained=True) for name in protocols]
    first = next((n for n, rows in enumerate(trained) if len(rows) > 1), None)
    found = []
    if first is not None:
        for seed in sorted({row.seed for row in trained[first] if row.seed is not None}):
            rows = [row for row in trained[first] if row.seed == seed]
            found.append(_matrix(results, seed, protocols[first], rows))
    found += [
        _matrix(results, None, name, _models(results, name, are_trained=False))
        for name in protocols
        if "+" not in name  # controls are no contest
    ]
    return [matrix for matrix in found if len(matrix.labels) > 1]


def _models(results: Results, protocol: str, *, are_trained: bool) -> list[ModelScore]:
    return [
        row
        for each in standings(results, results.main, protocol)
        if each.is_trained == are_trained
        for row in each.seeds
    ]


def _matrix(
    results: Results, seed: int | None, protocol: str, models: Sequence[ModelScore]
) -> Matrix:
    found = {
        (row.model_a, row.model_b): row
        for row in results.comparisons
        if (row.benchmark, row.protocol) == (results.main, protocol)
    }
    rows = [
        [_difference(one, other, found) for other in models[:n]]
        for n, one in enumerate(models)
        if n > 0
    ]
    return Matrix(seed, protocol, [row.label for row in models], rows)


def _difference(
    one: ModelScore,
    other: ModelScore,
    found: Mapping[tuple[str, str], ModelComparison],
) -> Difference | None:
    straight = found.get((one.model, other.model))
    row = straight or found.get((other.model, one.model))
    if row is None or not row.pairs:
        return None
    mine, its = (row.only_a, row.only_b) if straight else (row.only_b, row.only_a)
    return Difference(
        points=f"{100 * (mine - its) / row.pairs:+.1f}".replace("-", MINUS)
        if mine != its
        else "0.0",
        p_value=p_text(row.p_holm),
        is_sure=row.p_holm < SURE,
        said=f"{one.label} alone is right on {mine} of {row.pairs} pairs, {other.label} on {its}",
    )


def p_text(p_value: float) -> str:
    """Return a p-value as people read it."""
    if p_value < 0.001:
        return "< 0.001"
    return f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def results_markdown(results: Results) -> str:
    """Return the overview as a Markdown table; empty if there are no scores."""
    names = results.asked_benchmarks
    if not names:
        return ""
    heads = ["Model", "Asked by", *(f"{_escaped(name)}: pair accuracy, %" for name in names)]
    heads.append(f"{_escaped(names[0])}: question accuracy, %")
    lines = [heads, ["---", "---", *["---:"] * (len(names) + 1)]]
    for protocol in results.asked_protocols:
        columns = [(name, protocol) for name in names]
        for are_trained in (True, False):
            rows = _asked_rows(results, columns, are_trained=are_trained)
            lines += [_markdown_row(row, protocol) for row in rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = (
        "Pair accuracy: both questions of a pair right, with a 95 % interval; guessing: 25. "
        "Question accuracy is of single questions; guessing: 50."
    )
    return f"{table}\n\n{notes}\n"


def _markdown_row(row: AskedRow, protocol: str) -> list[str]:
    seeds = f", mean of {len(row.seeds)} seeds" if len(row.seeds) > 1 else ""
    steps = f", {row.steps:,} steps" if row.steps is not None else ""
    cells = [
        f"{100 * each.accuracy:.1f} ({100 * each.low:.1f} to {100 * each.high:.1f})"
        if each is not None
        else ""
        for each in row.cells
    ]
    first = row.cells[0]
    questions = f"{100 * first.question_accuracy:.1f}" if first is not None else ""
    return [_escaped(f"{row.label}{seeds}{steps}"), _escaped(protocol), *cells, questions]


def _escaped(text: str) -> str:
    """Return a text that Markdown and HTML show as it is."""
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\n", " ")):
        text = text.replace(sign, instead)
    return "".join(f"\\{sign}" if sign in "|\\`*_[]!#" else sign for sign in text)
