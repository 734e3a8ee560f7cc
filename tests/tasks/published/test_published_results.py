"""The published results say what they are and where they are from."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tasks.published import published_imagenet, published_results
from tasks.published.results import LEVELS, PublishedRow, read_results

ROW = {
    "table": "fig4",
    "model": "GPT-4V",
    "benchmark": "mmvp",
    "level": "pair",
    "value": 38.7,
    "unit": "percent",
    "source": "somewhere",
}


def write(place, *rows):
    (place / "results.json").write_text(json.dumps({"rows": rows}))
    return place / "results.json"


def test_every_row_has_a_source_and_no_number_stands_twice():
    rows = published_results()
    places = Counter((r.table, r.model, r.benchmark, r.pattern, r.level, r.note) for r in rows)

    assert len(rows) == 408
    assert all(row.source and "recalled" not in row.source for row in rows)
    assert [place for place, count in places.items() if count > 1] == []


def test_what_was_only_recalled_is_not_shipped():
    benchmarks = {row.benchmark for row in published_results() if "I-MoF @336" in row.model}

    assert benchmarks == {"mmvp", "vqav2", "pope"}


def test_pair_and_question_accuracy_of_one_run_are_two_rows():
    found = {
        row.level: row.value for row in published_results() if row.source == "tsb0601/MMVP, issue 8"
    }

    assert found == {"pair": 22.67, "question": 60.0}


def test_the_table_of_clips_is_on_the_grid_of_its_pairs():
    rows = [r for r in published_results() if r.table == "table1_mmvp_vlm" and r.pairs]
    means = {r.model: r.value for r in rows if r.pattern is None}

    assert len(rows) == 100
    for row in rows:
        right = row.value * row.pairs / 100
        assert abs(right - round(right)) < 0.05 * row.pairs / 15, row
    for model, mean in means.items():
        cells = [row.value for row in rows if row.model == model and row.pattern]
        assert sum(cells) / 9 == pytest.approx(mean, abs=0.06)


def test_the_papers_imagenet_accuracies_are_those_of_open_clips_table():
    rows = [row for row in published_results() if row.benchmark == "imagenet-1k"]

    assert len(rows) == 10
    for row in rows:
        known = published_imagenet(row.spec)
        assert known.top1 == pytest.approx(row.value, abs=0.1)
        assert known.parameters_millions == pytest.approx(row.parameters_millions, abs=0.1)
    assert published_imagenet("open_clip:ViT-L-14/random") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"level": "pairs"},
            "'GPT-4V' of 'fig4' has level 'pairs', expected one of pair, question",
        ),
        ({"value": 387}, "has the value 387, expected 0 to 100 percent"),
        ({"value": 38.7, "unit": "correlation"}, "expected -1 to 1 correlation"),
        ({"pattern": "quantity"}, "has pattern 'quantity'"),
        ({"source": " "}, "has the source ' '"),
        ({"accuracy": 1}, "row 1 of 'results.json' has accuracy, expected"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_results(write(tmp_path, ROW | change))


def test_a_row_that_lacks_something_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"row 1 of 'results.json' is incomplete.*'unit'"):
        read_results(write(tmp_path, {k: v for k, v in ROW.items() if k != "unit"}))
    (tmp_path / "broken.json").write_text("[1")
    with pytest.raises(ValueError, match="is no JSON object with a list `rows`"):
        read_results(tmp_path / "broken.json")
    with pytest.raises(ValueError, match="is no JSON object"):
        read_results(Path(tmp_path / "nowhere.json"))


def test_every_level_that_is_explained_occurs():
    assert {row.level for row in published_results()} == set(LEVELS)
    assert read_results.__doc__
    assert isinstance(published_results()[0], PublishedRow)
