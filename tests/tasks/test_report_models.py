"""The page and numbers of a report on models: values, escaping, cards, and parts left out."""

import dataclasses
import json
import re
from importlib.resources import files

import pytest

from tasks.report import ModelScore, write_report
from tests.report_values import (
    asked_pair,
    comparison,
    probe,
    reply,
    results,
    score,
    variants,
)
from tests.tasks.test_report import HOSTILE, Tags, card, contents, draw, files_of, page
from tests.tasks.test_report_charts import full

TODAY = {"index.html", "plane.png", "plane-dark.png", "pairs.png", "report.json"}


def written(tmp_path, found, cards=(), **changes):
    write_report(tmp_path / "report", contents(cards, results=found, **changes), read_image=draw)
    return page(tmp_path / "report")


def text_of(html):
    """Return what a reader sees, a space for each tag."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


OURS = files("tasks.report").joinpath("sort.js").read_text()


def scripts_of(html):
    return re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)


def rows_of(html, caption):
    """Return the cells' texts of each row of the table with this caption."""
    table = html[html.index(caption) :].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)
    return [
        [text_of(c).strip() for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


def test_without_models_the_report_is_that_of_mining(tmp_path):
    html = written(tmp_path, results(), [card(0)])

    assert files_of(tmp_path / "report").keys() - {"images/a000.png", "images/b000.png"} == TODAY
    for words in ("What models see", "by visual pattern", "What each encoder sees", "<nav"):
        assert words not in html
    assert 'class="filters"' not in html
    assert "results.md" not in html
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (
        report["scores"] == report["comparisons"] == report["probes"] == report["questions"] == []
    )


def test_a_report_on_models_is_the_same_bytes_every_time(tmp_path):
    found = full(seeds=(0, 1))
    asked = dataclasses.replace(found, questions=[asked_pair("a000+b000", [reply()])])

    written(tmp_path, asked, [card(0)])
    first = files_of(tmp_path / "report")
    written(tmp_path, asked, [card(0)])

    assert files_of(tmp_path / "report") == first
    figures = {
        f"{name}{shade}.png"
        for name in ("results", "outcomes", "radar", "sweep", "probes")
        for shade in ("", "-dark")
    }
    assert first.keys() - {"images/a000.png", "images/b000.png"} == TODAY | figures | {"results.md"}


def test_all_links_of_the_page_lead_into_the_folder(tmp_path):
    html = written(tmp_path, full())

    tags = Tags(html).found
    links = {a[n] for _, a in tags for n in ("src", "srcset", "href") if n in a} - {"data:,"}
    anchors = {link for link in links if link.startswith("#")}
    assert all((tmp_path / "report" / link).is_file() for link in links - anchors)
    ids = {attrs.get("id") for _, attrs in tags}
    assert {anchor[1:] for anchor in anchors} <= ids
    assert scripts_of(html) == [OURS]


def test_the_table_shows_pair_accuracy_with_its_interval_for_all_benchmarks(tmp_path):
    rows = [
        score(benchmark=benchmark, protocol=protocol, pair_accuracy=accuracy)
        for benchmark, protocol, accuracy in (
            ("mined", "option-logprob", 0.41),
            ("mined", "free", 0.42),
            ("random", "option-logprob", 0.43),
            ("random", "free", 0.44),
            ("captioned", "option-logprob", 0.45),
            ("captioned", "free", 0.46),
        )
    ]

    html = written(tmp_path, results([*rows, variants()[-1]]))

    names, protocols, row, encoder = rows_of(html, "Pair accuracy by model, benchmark and protocol")
    assert names == ["Model", "mined : CLIP-blind pairs", "random : by lot", "captioned : captions"]
    assert protocols == ["option-logprob", "free"] * 3
    assert row[0] == "CLIP only seed 0, 300 steps"
    assert [cell.split()[0] for cell in row[1:]] == ["41.0", "42.0", "43.0", "44.0", "45.0", "46.0"]
    assert row[1] == "41.0 35.0&ndash;65.0"
    assert encoder[0] == "tiny CLIP by MMVP-VLM&#39;s rule"
    assert [cell.split()[0] for cell in encoder[1:]] == ["50.0", "not", "not"]


def test_pair_and_question_accuracy_each_have_their_table(tmp_path):
    html = written(tmp_path, results([score()]))

    head, row = rows_of(html, "Pair accuracy on mined")
    cells = dict(zip(head, row, strict=True))
    assert cells["Model"] == "CLIP only, seed 0, 300 steps"
    assert cells["Pair accuracy, %"].startswith("50.0 35.0")
    assert (cells["Unread"], cells["Pairs"]) == ("3", "32")
    assert "both right 50.0 %, same answer 50.0 %" in cells["Pairs by outcome, %"]
    head, row = rows_of(html, "Question accuracy on mined")
    cells = dict(zip(head, row, strict=True))
    assert cells["Question accuracy, %"].startswith("71.0 60.0")
    assert "Pairs by outcome, %" not in cells


@pytest.mark.parametrize(("accuracy", "low", "high"), [(0, 0, 0.11), (1, 0.89, 1), (1 / 3, 0, 1)])
def test_no_bar_leaves_its_frame(tmp_path, accuracy, low, high):
    html = written(tmp_path, results([score(pair_accuracy=accuracy, pair_low=low, pair_high=high)]))

    bars = re.findall(r'<i style="left:([\d.]+)%;right:([\d.]+)%">', html)
    assert bars
    assert all(float(left) + float(right) <= 100.1 for left, right in bars)
    splits = re.findall(r'<span class="split" aria-hidden="true">(.*?)</span>', html, re.DOTALL)
    widths = [sum(map(float, re.findall(r"width:([\d.]+)%", split))) for split in splits]
    assert all(width <= 100.1 for width in widths)


def test_several_seeds_are_shown_by_their_mean_and_one_by_one(tmp_path):
    rows = [score(seed=n, pair_accuracy=a) for n, a in enumerate((0.2, 0.3, 0.7))]

    html = written(tmp_path, results(rows))

    (*_, row) = rows_of(html, "Pair accuracy by model, benchmark and protocol")
    assert row[0] == "CLIP only mean of 3 seeds, 300 steps"
    assert row[1].startswith("40.0 ")
    assert row[1].endswith("seeds: 20.0, 30.0, 70.0")
    _, *each = rows_of(html, "Pair accuracy on mined")
    assert [cells[3].split()[0] for cells in each] == ["70.0", "30.0", "20.0"]  # best first


def test_models_that_differ_are_marked_not_by_colour_alone(tmp_path):
    rows = [
        score(),
        score("SSL only", features="ssl"),
        score("Interleaved", features="interleaved"),
    ]
    names = [row.model for row in rows]
    found = [
        comparison(names[0], names[1], 10, 30, 0.0001),
        comparison(names[0], names[2], 10, 12, 1.0),
        comparison(names[1], names[2], 30, 29, 1.0),
    ]

    html = written(tmp_path, results(rows, comparisons=found))

    head, ssl, interleaved = rows_of(html, "Differences between the models of seed 0")
    assert head == ["minus", "CLIP only", "SSL only"]
    assert ssl == ["SSL only", "&#9679; +10.0 p &lt; 0.001", ""]
    assert interleaved == ["Interleaved", "+1.0 p = 1.00", "\N{MINUS SIGN}0.5 p = 1.00"]


def test_few_pairs_of_a_pattern_are_warned_of(tmp_path):
    assert "have fewer than 30 pairs" in written(tmp_path, full(pairs=29))
    assert "have fewer than 30 pairs" not in written(tmp_path, full(pairs=30))


def test_probes_need_no_models(tmp_path):
    html = written(tmp_path, results(probes=[probe(accuracy=0.987)]))

    assert "What models see" not in html
    _, row = rows_of(html, "Probe accuracy by attribute and encoder")
    assert row[:4] == ["count", "leave it out", "tiny CLIP", "98.7"]


def test_a_card_shows_question_right_answers_and_what_each_model_said(tmp_path):
    said = [
        reply(said=("two", "two")),
        reply(protocol="free", said=("two", "three"), response_b="three"),
    ]
    found = results([score(), score(protocol="free")], questions=[asked_pair("a000+b000", said)])

    html = written(tmp_path, found, [card(0)])

    text = text_of(html)
    assert "How many balls are there? two or three" in text
    assert text.index("right answer: two") < text.index("right answer: three")
    head, row = rows_of(html, "Answers to pair 1")
    assert head == ["Quantity and Count", "A", "B"]
    assert row == ["CLIP only", "✓ two", "✗ two to free : &ldquo; three &rdquo;"]


def test_an_answer_that_could_not_be_read_is_neither_right_nor_silent(tmp_path):
    said = [reply(said=(None, "three"), response_a="balls balls", outcome="other")]
    found = results([score()], questions=[asked_pair("a000+b000", said)])

    _, row = rows_of(written(tmp_path, found, [card(0)]), "Answers to pair 1")

    words = "? unread to option-logprob : &ldquo; balls balls &rdquo;"
    assert row == ["CLIP only", words, "✓ three"]


def test_seeds_that_disagree_share_a_row_of_the_card(tmp_path):
    rows = [score(seed=n) for n in range(3)]
    said = [
        reply(model=row.model, said=(choice, "three"))
        for row, choice in zip(rows, ("two", "three", "two"), strict=True)
    ]
    found = results(rows, questions=[asked_pair("a000+b000", said)])

    _, row = rows_of(written(tmp_path, found, [card(0)]), "Answers to pair 1")

    assert row == ["CLIP only", "✓ two 2 of 3 ✗ three 1 of 3", "✓ three 3 of 3"]


def test_questions_without_models_are_shown_too(tmp_path):
    html = written(tmp_path, results(questions=[asked_pair("a000+b000")]), [card(0), card(1)])

    assert "no model was asked" in html
    assert html.count("right answer:") == 2
    assert "by-outcome" not in html


def test_cards_can_be_chosen_by_pattern_and_outcome_without_a_script(tmp_path):
    asked = [
        asked_pair("a000+b000", [reply(outcome="both_right")]),
        asked_pair("a001+b001", [reply(outcome="swapped")], pattern=None, attribute="zebra"),
    ]

    html = written(tmp_path, results([score()], questions=asked), [card(0), card(1)])

    tags = Tags(html).found
    marks = [attrs["data-marks"] for tag, attrs in tags if attrs.get("class") == "card"]
    assert marks == ["p0 m1-0 m0-0", "p1 m1-1 m0-1"]  # m0 is any model
    text = text_of(html)
    assert "Quantity and Count (1)" in text
    assert "zebra (1)" in text
    for mark in ("p0", "p1", "m0-0", "m0-1", "m1-0", "m1-1"):
        assert f'.card:not([data-marks~="{mark}"])' in html


def test_hostile_results_are_text_and_nothing_else(tmp_path):
    rows = [
        score(HOSTILE, model=HOSTILE, benchmark=benchmark, protocol=HOSTILE, pattern=pattern)
        for benchmark in ("mined", HOSTILE)
        for pattern in (None, HOSTILE, f"1{HOSTILE}", f"2{HOSTILE}")
    ]
    rows += [dataclasses.replace(row, label=f"2{HOSTILE}", model=f"2{HOSTILE}") for row in rows]
    compared = dataclasses.replace(comparison(HOSTILE, f"2{HOSTILE}", 1, 2, 1), protocol=HOSTILE)
    said = reply(model=HOSTILE, protocol=HOSTILE, said=(HOSTILE, None), outcome=HOSTILE)
    asked = asked_pair(
        "a000+b000",
        [said],
        **dict.fromkeys(("attribute", "pattern", "question", "answer_a", "answer_b"), HOSTILE),
        options=(HOSTILE, "other"),
    )
    found = results(
        rows,
        comparisons=[compared],
        probes=[probe(attribute=HOSTILE, role=HOSTILE, encoder=HOSTILE)],
        questions=[asked],
        benchmarks={HOSTILE: HOSTILE},
        protocols={HOSTILE: HOSTILE},
        outcomes={HOSTILE: HOSTILE},
    )

    html = written(tmp_path, found, [card(0)])

    tags = Tags(html).found
    assert scripts_of(html) == [OURS]
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    assert "<script" not in (tmp_path / "report" / "results.md").read_text()


def test_report_json_holds_all_results(tmp_path):
    found = full(seeds=(0, 1))
    asked = [asked_pair("a000+b000", [reply()])]
    found = dataclasses.replace(
        found, questions=asked, comparisons=[comparison("one", "two", 1, 2, 0.5)]
    )

    written(tmp_path, found, [card(0)])

    read = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [ModelScore(**row) for row in read["scores"]] == found.scores
    assert read["comparisons"] == [dataclasses.asdict(row) for row in found.comparisons]
    assert read["probes"] == [dataclasses.asdict(row) for row in found.probes]
    (question,) = read["questions"]
    assert question["options"] == ["two", "three"]
    assert question["replies"] == [dataclasses.asdict(reply())]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((192, 192), (192, 192)),
        ((48, 32), (192, 128)),
        ((150, 100), (150, 100)),
        ((800, 400), (192, 96)),
    ],
)
def test_an_image_is_shown_as_it_is_up_to_192_pixels_and_tiny_ones_enlarged(tmp_path, size, shown):
    write_report(
        tmp_path / "report", contents([card(0)]), read_image=lambda path: draw(path, size=size)
    )

    image = [attrs for tag, attrs in Tags(page(tmp_path / "report")).found if tag == "img"][1]
    assert (int(image["width"]), int(image["height"])) == shown
