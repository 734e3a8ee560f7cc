"""Figures of results: what they say, that nothing is cut off, and that their bytes are stable."""

import dataclasses

import pytest

from tasks.report.charts import draw_results, draw_sweep
from tasks.report.drawing import DARK, LIGHT, png_bytes
from tasks.report.probe_chart import draw_probes, probe_order
from tasks.report.radar import draw_radar, spokes
from tests.report_values import PATTERNS, probe, results, score, variants

FIGURES = {
    "results": draw_results,
    "radar": draw_radar,
    "sweep": draw_sweep,
    "probes": draw_probes,
}
HOSTILE = "$\\frac{x$ <b>" + "very-long-" * 12 + "\u202e\n\x00"


def full(seeds=(0,), pairs=32):
    """Give results that all figures can be drawn from."""
    rows = variants(seeds) + variants(seeds, benchmark="captioned", pair_accuracy=0.9)
    for name in PATTERNS:
        rows += variants(seeds, pattern=name, pairs=pairs)
    roles = ("clip", "ssl", "control")
    probes = [probe(role, name) for role in roles for name in ("count", "text")]
    return results(rows, probes=probes)


def texts(figure):
    """Return all that a figure says."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts]
        found += [axes.get_title(), axes.get_title(loc="left"), axes.get_xlabel()]
        found += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return "\n".join(found)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", FIGURES)
def test_equal_results_are_equal_bytes(name, palette):
    first = png_bytes(FIGURES[name](full(), palette))

    assert first == png_bytes(FIGURES[name](full(), palette))


@pytest.mark.parametrize("name", FIGURES)
def test_of_nothing_there_is_no_figure(name):
    assert FIGURES[name](results()) is None


@pytest.mark.parametrize("name", FIGURES)
def test_any_name_can_be_drawn(name):
    shown = full()
    rows = [dataclasses.replace(row, label=HOSTILE, pattern=row.pattern) for row in shown.scores]
    rows = [
        dataclasses.replace(row, pattern=row.pattern and f"{n % 3}{HOSTILE}")
        for n, row in enumerate(rows)
    ]
    probes = [
        dataclasses.replace(row, attribute=HOSTILE, encoder=HOSTILE, role=HOSTILE)
        for row in shown.probes
    ]
    hostile = results(rows, probes=probes, benchmarks={"mined": HOSTILE})

    figure = FIGURES[name](hostile)

    assert figure is None or png_bytes(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_off(name):
    figure = FIGURES[name](full(seeds=(0, 1)))
    png_bytes(figure)

    width, height = figure.canvas.get_width_height()
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
    boxes += [(t.get_text(), t.get_window_extent(renderer)) for a in figure.axes for t in a.texts]
    boxes += [("legend", each.get_window_extent(renderer)) for each in figure.legends]
    cut = [
        said
        for said, box in boxes
        if said and (min(box.x0, box.y0) < 0 or box.x1 > width or box.y1 > height)
    ]
    assert cut == []


def test_the_results_stand_beside_the_general_ability():
    figure = draw_results(full())

    said = texts(figure)
    assert "mined: CLIP-blind pairs\n32 pairs" in said
    assert "captioned: captions\n32 pairs" in said
    assert "50.0" in said
    assert "90.0" in said
    assert figure.get_figwidth() == 9


def test_one_model_has_results_but_no_sweep():
    one = results([score(), *(score(pattern=name) for name in PATTERNS)])

    assert draw_results(one) is not None
    assert draw_radar(one) is not None
    assert draw_sweep(one) is None


@pytest.mark.parametrize("name", ["results", "sweep"])
@pytest.mark.parametrize(("accuracy", "low", "high"), [(0, 0, 0.1), (1, 0.9, 1)])
def test_intervals_stay_on_their_axis(name, accuracy, low, high):
    rows = variants(pair_accuracy=accuracy, pair_low=low, pair_high=high)

    axes = FIGURES[name](results(rows)).axes[0]

    ends = [
        value
        for line in axes.get_lines()
        if line.get_transform() == axes.transData
        for value in (line.get_xdata() if name == "results" else line.get_ydata())
    ]
    low_end, high_end = axes.get_xlim() if name == "results" else axes.get_ylim()
    assert low_end <= min(ends)
    assert max(ends) <= high_end


def test_the_sweep_runs_from_clip_to_ssl_and_names_interleaved():
    said = texts(draw_sweep(full(seeds=(0, 1))))

    for words in (
        "0\nCLIP only",
        "0.25",
        "0.5",
        "0.75",
        "1\nSSL only",
        "both in turn\nInterleaved",
    ):
        assert words in said
    assert "each small point is a seed" in said
    assert "each small point" not in texts(draw_sweep(full()))


def test_the_radar_prints_the_pairs_of_each_pattern_and_warns_of_few():
    said, few = texts(draw_radar(full())), texts(draw_radar(full(pairs=29)))

    assert said.count("n = 32") == 3
    assert "(!)" not in said
    assert few.count("n = 29 (!)") == 3
    assert "fewer than 30" in few


def test_a_radar_needs_three_patterns_and_shows_at_most_twelve():
    two = results([score(), *(score(pattern=name) for name in PATTERNS[:2])])
    many = [score(pattern=f"pattern {n:02}", pairs=n + 1) for n in range(20)]

    assert draw_radar(two) is None
    shown = spokes(results([score(), *many])).pairs
    assert list(shown) == [f"pattern {n:02}" for n in range(8, 20)]


def test_probes_of_what_captions_name_come_first_then_patterns():
    probes = [
        probe(attribute="zebra", pattern=None),
        probe(attribute="text", pattern="Text"),
        probe(attribute="way", pattern="Orientation and Direction"),
        probe(attribute="hue", pattern="Color and Appearance", captioned=True),
        probe(role="ssl", attribute="text", pattern="Text"),
    ]

    assert probe_order(results(probes=probes)) == ["hue", "way", "text", "zebra"]
    said = texts(draw_probes(results(probes=probes)))
    assert "captions often name it" in said
    assert "captions leave it out" in said


def test_each_probe_has_a_tick_for_chance():
    figure = draw_probes(results(probes=[probe(chance=0.27)]))

    ticks = [line for line in figure.axes[0].get_lines() if set(line.get_xdata()) == {0.27}]
    assert len(ticks) == 1
