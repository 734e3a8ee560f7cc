"""A mined benchmark in the layouts of others reads back as it was, the same bytes each time."""

import base64
import csv
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from storage.pairs import pair_id
from storage.questions import QuestionRow, question_id
from tasks.benchmarks import read_questions, read_statements
from tasks.bridges import read_replies
from tasks.exporting.benchmark import LAYOUTS, write_benchmark
from tasks.exporting.benchmark_pairs import file_of, number_pairs, questions_of
from tasks.exporting.material import Lineage, Material
from tasks.exporting.placing import RECORD

LINEAGE = Lineage(
    benchmark="mined",
    mining="c0ffee" * 4,
    clip="tiny-clip-0123456789ab",
    ssl="tiny-ssl-0123456789ab",
    clip_above=0.95,
    ssl_below=0.6,
    questions="d" * 64,
)
NAME = "mmvp_mined_c0ffeec0ffee"


def picture(number, form="PNG", **options):
    pixels = np.full((8, 9, 3), number * 16, np.uint8)
    pixels[0] = 255
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form, **options)
    return data.getvalue()


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(5, "JPEG", exif=exif)


IMAGES = {
    "a": picture(1, "JPEG"),
    "b": picture(2),
    "c": picture(3, "WEBP"),
    "d": picture(4, "GIF"),
    "e": rotated(),
    "f": picture(6, "JPEG"),
}


def ask(images, image, answer, **changes):
    fields = {
        "pair_id": pair_id(*images),
        "image": image,
        "question": 'How many balls,\n"really", are there?',
        "options": ("two", "three, or so"),
        "answer": answer,
        "key": "metadata",
    } | {name: changes.pop(name) for name in ("question", "options") if name in changes}
    told = {
        "attribute": "count",
        "statement": f"{answer} balls",
        "pattern": "Quantity and Count",
        "source": "attribute",
    }
    return QuestionRow(
        mining=LINEAGE.mining,
        benchmark="mined",
        question_id=question_id(**fields),
        **fields,
        **told | changes,
    )


def both(images, answers=("two", "three, or so"), **changes):
    rows = zip(images, answers, strict=True)
    return [ask(images, image, answer, **changes) for image, answer in rows]


ROWS = [
    *both("ab"),
    *both("cd", pattern=None, statement=None, attribute="weight"),
    *both("ef", pattern="Orientation and Direction", attribute="facing"),
]


def write(to, layout, rows=ROWS, read_image=IMAGES.__getitem__):
    material = Material(lineage=LINEAGE, read_image=read_image)
    return write_benchmark(to, number_pairs(rows), material, layout=layout)


def files(place):
    return {
        file.relative_to(place).as_posix(): file.read_bytes()
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_numbers_follow_from_the_rows_alone():
    numbered = number_pairs(list(reversed(ROWS)))

    assert numbered == number_pairs(ROWS)
    assert [(n, row.image) for pair in numbered for n, row in pair.numbered] == [
        *[(1, "e"), (2, "f"), (3, "a"), (4, "b"), (5, "c"), (6, "d")],
    ]


@pytest.mark.parametrize("rows", [[], ROWS[:3], [*ROWS, ask("ab", "a", "three, or so")]])
def test_pairs_of_other_than_two_questions_are_refused(rows):
    with pytest.raises(ValueError, match="run `mmvp questions`"):
        number_pairs(rows)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rerun_gives_the_same_bytes_and_replaces_nothing_else(tmp_path, layout):
    first = write(tmp_path / "out", layout)
    before = files(tmp_path / "out")

    assert write(tmp_path / "out", layout, rows=ROWS[::-1]) == first
    assert files(tmp_path / "out") == before
    assert [place.name for place in tmp_path.iterdir()] == ["out"]

    (tmp_path / "out" / RECORD).unlink()
    with pytest.raises(ValueError, match="holds no export"):
        write(tmp_path / "out", layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_image_that_cannot_be_read_leaves_the_earlier_export(tmp_path, layout):
    write(tmp_path / "out", layout)
    before = files(tmp_path / "out")

    def fail(image):
        message = "gone"
        raise ValueError(message)

    with pytest.raises(ValueError, match="gone"):
        write(tmp_path / "out", layout, read_image=fail)
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_card_has_the_lineage(tmp_path, layout):
    record = write(tmp_path / "out", layout)
    card = (tmp_path / "out" / "README.md").read_text()

    for value in (LINEAGE.mining, LINEAGE.clip, LINEAGE.ssl, record["digest"], "0.95", "0.6"):
        assert f"| {value} |" in card
    assert f"# {NAME}\n" in card
    assert "check the licence of the corpus" in card


def test_mmvps_layout_reads_back(tmp_path):
    record = write(tmp_path / "out", "mmvp")
    found = read_questions(tmp_path / "out")

    assert record["pairs"] == 3
    assert record["left_out"] == {}
    assert found.notes == ("the header says lndex for Index",)
    assert [(q.number, q.text, q.options, q.original, q.pattern) for q in found.questions] == [
        (q.number, q.text, q.options, q.original, q.pattern)
        for q in questions_of(number_pairs(ROWS))
    ]
    header = (tmp_path / "out" / "Questions.csv").read_text().partition("\n")[0]
    assert header == "lndex,Question,Options,Correct Answer,Pattern"
    names = [q.image.name for q in found.questions]
    assert names == [f"{number}.jpg" for number in range(1, 7)]
    assert found.questions[2].image.read_bytes() == IMAGES["a"]
    assert (pixels(found.questions[3].image.read_bytes()) == pixels(IMAGES["b"])).all()


def test_a_turned_jpeg_is_written_upright():
    data, suffix = file_of(IMAGES["e"])

    assert suffix == ".png"
    assert Image.open(io.BytesIO(data)).size == (8, 9)


def test_pairs_that_do_not_fit_are_left_out_by_reason_and_keep_their_numbers(tmp_path):
    marked = both("ef", ("(a) two", "3"), options=("(a) two", "3"), attribute="facing")
    record = write(tmp_path / "out", "mmvp", rows=[*ROWS[:4], *marked])

    assert record["left_out"] == {"options-hold-marks": 1}
    assert record["pairs"] == 2
    assert "1 pairs are left out" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(
        ValueError, match="no pair of the benchmark can be written in the layout 'mmvp'"
    ):
        write(tmp_path / "other", "mmvp", rows=marked)


def test_statements_read_back(tmp_path):
    record = write(tmp_path / "out", "mmvp-vlm")
    found = read_statements(tmp_path / "out")

    assert record["left_out"] == {"no-statements": 1}
    assert found.notes == ()
    assert [(pair.numbers, pair.pattern, pair.statements) for pair in found.pairs] == [
        ((1, 2), "orientation", ("two balls", "three, or so balls")),
        ((3, 4), "count", ("two balls", "three, or so balls")),
    ]
    folder = tmp_path / "out" / "MLLM_VLM Images" / "Quantity"
    assert found.pairs[1].images == (folder / "3.jpg", folder / "4.jpg")


class Loader(yaml.SafeLoader):
    """Reads a task as lmms-eval does, functions by their names."""


Loader.add_constructor("!function", lambda loader, node: node.value)


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task folder: its settings, its rows, its code as another program imports it."""
    write(tmp_path / "out", "lmms-eval")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mmvp_rules", raising=False)
    spec = importlib.util.spec_from_file_location("utils", tmp_path / "out" / "utils.py")
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    settings = yaml.load((tmp_path / "out" / f"{NAME}.yaml").read_text(), Loader)
    yield settings, code
    sys.modules.pop("mmvp_rules", None)


def test_a_task_of_lmms_eval_names_functions_that_are_there(task):
    settings, code = task
    named = [
        *(value for value in settings.values() if str(value).startswith("utils.")),
        *(metric["aggregation"] for metric in settings["metric_list"]),
    ]

    assert settings["task"] == NAME
    assert len(named) == 8
    assert all(callable(getattr(code, name.removeprefix("utils."))) for name in named)
    assert "tasks." not in Path(code.__file__).read_text()


def test_a_task_of_lmms_eval_has_its_images_as_bytes(task):
    settings, code = task
    table = pq.read_table(settings["dataset_path"])
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    rows = table.to_pylist()

    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(table.schema.names)
    assert rows[2]["image"] == {"bytes": IMAGES["a"], "path": "3.jpg"}
    assert (rows[2]["number"], rows[2]["pair"], rows[2]["answer"]) == (3, 2, "A")
    assert "\n(b) three, or so\n" in code.doc_to_text(rows[2])


def test_a_task_of_lmms_eval_scores_pairs_and_its_samples_come_back(task, tmp_path):
    settings, code = task
    rows = pq.read_table(settings["dataset_path"]).to_pylist()
    said = ["A", "(b)", "a", "I cannot say", "[LMMS_EVAL_REQUEST_FAILED after 3 retries]", "B"]
    found = [code.process_results(row, [text]) for row, text in zip(rows, said, strict=True)]
    figures = {
        metric["metric"]: getattr(code, metric["aggregation"].removeprefix("utils."))(
            [one[metric["metric"]] for one in found]
        )
        for metric in settings["metric_list"]
    }

    assert figures == {
        "pair_accuracy": 1 / 3,
        "question_accuracy": 4 / 6,
        "unread": 1 / 6,
        "failed": 1 / 6,
    }
    assert settings["cluster_key"] in found[0]["question_accuracy"]
    assert "score" in found[0]["question_accuracy"]
    assert "score" not in found[0]["pair_accuracy"]

    samples = tmp_path / "model" / f"2026_samples_{NAME}.jsonl"
    samples.parent.mkdir()
    logged = [
        {"doc_id": at, "filtered_resps": text, "input": code.doc_to_text(row), **result}
        for at, (row, text, result) in enumerate(zip(rows, said, found, strict=True))
    ]
    samples.write_text("".join(json.dumps(one) + "\n" for one in reversed(logged)))
    back = read_replies(samples, questions_of(number_pairs(ROWS)))
    assert list(back.replies) == [1, 2, 3, 4, 5, 6]
    assert back.model == "model"
    assert back.notes == ("1 replies are records of failed calls: they count as no answer",)


def test_a_question_that_is_missing_makes_its_pair_wrong(task):
    _, code = task

    assert code.pair_accuracy([{"pair": 1, "right": True}]) == 0
    assert code.pair_accuracy([]) == 0


def test_a_sheet_is_read_by_pandas_as_vlmevalkit_does(tmp_path):
    write(tmp_path / "out", "vlmevalkit")
    found = pd.read_csv(tmp_path / "out" / f"{NAME}.tsv", sep="\t")

    assert list(found["index"]) == [1, 2, 3, 4, 5, 6]
    assert list(found["answer"]) == list("ABABAB")
    assert list(found["category"])[:4:2] == ["Orientation and Direction", "Quantity and Count"]
    assert list(found["question"][::2]) == list(found["question"][1::2])
    assert not found.isna().any().any()
    assert base64.b64decode(found["image"][2]) == IMAGES["a"]


def test_predictions_to_a_sheet_come_back(tmp_path):
    write(tmp_path / "out", "vlmevalkit")
    sheet = pd.read_csv(tmp_path / "out" / f"{NAME}.tsv", sep="\t").drop(columns="image")
    sheet["prediction"] = list("ABABAB")
    sheet.to_csv(tmp_path / f"llava_{NAME}.tsv", sep="\t", index=False, quoting=csv.QUOTE_ALL)

    questions = questions_of(number_pairs(ROWS))
    found = read_replies(tmp_path / f"llava_{NAME}.tsv", questions, benchmark=NAME)

    assert "".join(reply.text for reply in found.replies.values()) == "ABABAB"
    assert found.model == "llava"
    assert found.notes == ()


def test_what_pandas_takes_for_an_empty_cell_is_left_out(tmp_path):
    none = both("ef", ("None", "two"), options=("None", "two"), attribute="facing")

    record = write(tmp_path / "out", "vlmevalkit", rows=[*ROWS[:4], *none])
    assert record["left_out"] == {"read-as-missing": 1}
