"""A benchmark as a dataset: what libraries load, what tools of annotation send back."""

import base64
import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from tasks.corpora.corpus import Rights
from tasks.exporting.argilla import read_records, settings
from tasks.exporting.benchmark import LAYOUTS, write_benchmark
from tasks.exporting.benchmark_pairs import file_of, number_pairs
from tasks.exporting.forms import CHOICES, TEXTS, form_of, proposal_of
from tasks.exporting.hf_dataset import SCHEMA
from tasks.exporting.label_studio import read_tasks
from tasks.exporting.licences import Policy
from tasks.exporting.material import Cosines, Material, Origin
from tasks.images import decode
from tests.tasks.test_exporting_benchmark import IMAGES, LINEAGE, ROWS, both

PAIRS = number_pairs(ROWS)
SOURCE = "https://example.org/c"
ORIGINS = {
    image: [Origin("photos", f"{image}.png", Rights("CC BY 4.0", None, None))] for image in "abdef"
} | {"c": [Origin("photos", "c.png", Rights(None, SOURCE, "A. Nobody"))]}
PERSON = "12345678-1234-1234-1234-123456789012"


def write(to, layout, *, pairs=PAIRS, checks=(), origins=ORIGINS, **more):
    material = Material(
        lineage=LINEAGE,
        read_image=IMAGES.__getitem__,
        origins=origins,
        cosines={pair.rows[0].pair_id: Cosines(0.96, 0.5) for pair in pairs},
        **more,
    )
    return write_benchmark(to, pairs, material, layout=layout, checks=checks)


def dataset_of(folder):
    return pq.read_table(folder / "data" / "test-00000-of-00001.parquet").to_pylist()


def test_a_row_of_the_dataset_has_the_question_its_image_and_where_both_are_from(tmp_path):
    write(tmp_path / "out", "hf")
    rows = dataset_of(tmp_path / "out")

    asked = [(number, row) for pair in PAIRS for number, row in pair.numbered]
    assert [
        (r["number"], r["question"], r["options"], r["answer"], r["pattern"], r["image_id"])
        for r in rows
    ] == [
        (number, row.question, list(row.options), row.answer, row.pattern, row.image)
        for number, row in asked
    ]
    assert [r["image"]["bytes"] for r in rows] == [
        file_of(IMAGES[row.image])[0] for _, row in asked
    ]
    (of_c,) = (row for row in rows if row["image_id"] == "c")
    told = {name: of_c[name] for name in ("corpus", "path", "licence", "source", "attribution")}
    assert tuple(told.values()) == ("photos", "c.png", None, SOURCE, "A. Nobody")
    assert (of_c["clip_cosine"], of_c["ssl_cosine"], of_c["clip"]) == (0.96, 0.5, LINEAGE.clip)


def test_the_library_datasets_loads_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    write(tmp_path / "out", "hf")

    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))

    assert list(loaded) == ["test"]
    rows = [row for pair in PAIRS for row in pair.rows]
    assert [
        (one["question_id"], one["question"], tuple(one["options"]), one["answer"], one["pattern"])
        for one in loaded["test"].remove_columns("image")
    ] == [(row.question_id, row.question, row.options, row.answer, row.pattern) for row in rows]
    for one, row in zip(loaded["test"], rows, strict=True):
        assert (np.asarray(one["image"]) == decode(IMAGES[row.image]).pixels_HWC).all()


def test_features_are_of_types_that_older_versions_of_datasets_know():
    features = json.loads(SCHEMA.metadata[b"huggingface"])["info"]["features"]

    assert {one["_type"] for one in features.values()} == {"Image", "Value", "Sequence"}


def test_the_card_tells_composition_agreement_and_licences(tmp_path):
    write(tmp_path / "out", "hf", agreement={"Krippendorff's alpha": 0.8125})
    card = (tmp_path / "out" / "README.md").read_text()

    told = DatasetCard(card).data
    assert told.license == ["cc-by-4.0", "unknown"]
    assert told.configs[0]["data_files"] == [{"split": "test", "path": "data/test-*.parquet"}]
    assert told.size_categories == ["n<1K"]
    assert "| Quantity and Count | attribute | 1 |" in card
    assert "| Krippendorff's alpha | 0.812 |" in card
    assert "| CC BY 4.0 | 5 |" in card
    assert "| not told | 1 |" in card


def test_the_card_holds_no_markup_of_a_corpus_and_says_if_nobody_was_compared(tmp_path):
    odd = {image: [Origin("x", "y", Rights('<b>"mine"</b> | \n: # yours'))] for image in "abcdef"}
    write(tmp_path / "out", "hf", origins=odd)
    card = (tmp_path / "out" / "README.md").read_text()

    assert DatasetCard(card).data.license == ["other"]
    assert '| &lt;b&gt;"mine"&lt;/b&gt; \\| : # yours | 6 |' in card
    assert "How far annotators agree was not measured." in card


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_says_where_each_image_is_from(tmp_path, layout):
    write(tmp_path / "out", layout)
    with (tmp_path / "out" / "sources.csv").open() as file:
        rows = list(csv.DictReader(file))

    told = {row["image"]: (row["licence"], row["source"], row["attribution"]) for row in rows}
    assert told.get("c", ("", SOURCE, "A. Nobody")) == ("", SOURCE, "A. Nobody")
    assert told["a"] == ("CC BY 4.0", "", "")


def annotate(folder, person):
    """Do as Label Studio does when a person submits what a task proposes."""
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:
        (prediction,) = task.pop("predictions")
        cancelled = {"completed_by": 9, "was_cancelled": True, "result": []}
        task["annotations"] = [cancelled, {"completed_by": person, "result": prediction["result"]}]
    file = folder.parent / "exported.json"
    file.write_text(json.dumps(tasks))
    return file


def test_what_label_studio_exports_comes_back_equal(tmp_path):
    write(tmp_path / "out", "label-studio")

    found = read_tasks(annotate(tmp_path / "out", {"id": 1, "email": "ann@example.org"}))

    assert [one.form for one in found] == [form_of(pair) for pair in PAIRS]
    assert {one.writer for one in found} == {"people:ann@example.org"}


def test_label_studios_own_sdk_takes_configuration_tasks_and_results(tmp_path):
    from label_studio_sdk.label_interface import LabelInterface

    write(tmp_path / "out", "label-studio")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())

    config = LabelInterface((tmp_path / "out" / "labeling_config.xml").read_text())
    config.validate()

    assert len(tasks) == 3
    for task in tasks:
        (prediction,) = task["predictions"]
        assert config.validate_task({"data": task["data"]})
        assert config.validate_prediction(prediction, return_errors=True) == []
        prediction["result"][-1]["value"]["choices"] = ["no such pattern"]
        assert config.validate_prediction(prediction, return_errors=True) != []


def test_label_studio_finds_the_images_that_tasks_name(tmp_path):
    write(tmp_path / "out", "label-studio")

    for task, pair in zip(
        json.loads((tmp_path / "out/tasks.json").read_text()), PAIRS, strict=True
    ):
        for name, row in zip(("image_a_file", "image_b_file"), pair.rows, strict=True):
            place = task["data"][name].removeprefix("/data/local-files/?d=")
            assert (tmp_path / "out" / place).read_bytes() == file_of(IMAGES[row.image])[0]


def test_what_argilla_exports_comes_back_equal(tmp_path):
    write(tmp_path / "out", "argilla")
    file = tmp_path / "out" / "records.json"
    records = json.loads(file.read_text())
    for record in records:
        record["responses"] = {
            name: [{"value": suggestion["value"], "user_id": PERSON}]
            for name, suggestion in record["suggestions"].items()
        }
    file.write_text(json.dumps(records))

    found = read_records(tmp_path / "out")

    assert [one.form for one in found] == [form_of(pair) for pair in PAIRS]
    assert {one.writer for one in found} == {f"people:{PERSON}"}


def test_argillas_records_answer_questions_that_its_settings_ask(tmp_path):
    write(tmp_path / "out", "argilla")
    asked = {one["name"]: one["settings"] for one in settings()["questions"]}

    assert asked.keys() == {*TEXTS, *CHOICES}
    for record in json.loads((tmp_path / "out" / "records.json").read_text()):
        assert record["fields"].keys() == {"image_a", "image_b"}
        for name, suggestion in record["suggestions"].items():
            options = [option["value"] for option in asked[name].get("options", ())]
            assert not options or suggestion["value"] in options


def test_a_filled_form_is_a_proposal_of_whoever_filled_it():
    pair = PAIRS[1]

    row = proposal_of(form_of(pair), "people:ann", 0)

    assert (row.pair_id, row.image_a, row.image_b) == (pair.rows[0].pair_id, "a", "b")
    assert (row.question, row.option_1, row.option_2) == (
        pair.rows[0].question,
        *pair.rows[0].options,
    )
    assert (row.answer_a, row.answer_b) == tuple(one.answer for one in pair.rows)
    assert (row.statement_a, row.statement_b) == tuple(one.statement for one in pair.rows)
    assert row.pattern == "Quantity and Count"
    assert proposal_of(form_of(PAIRS[2]), "people:ann", 0).pattern is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda task: task["data"].pop("pair_id"), "does not name its pair: no pair_id"),
        (lambda task: task["annotations"][1].pop("result"), "an annotation of another form"),
        (
            lambda task: task["annotations"][1]["result"][-1]["value"].update(choices=["Taste"]),
            "pattern is 'Taste', expected one of",
        ),
    ],
)
def test_annotations_of_another_form_are_named(tmp_path, change, said):
    write(tmp_path / "out", "label-studio")
    file = annotate(tmp_path / "out", 1)
    tasks = json.loads(file.read_text())
    change(tasks[1])
    file.write_text(json.dumps(tasks))

    with pytest.raises(ValueError, match=said) as error:
        read_tasks(file)
    assert "task 2" in str(error.value)


def test_a_pair_with_two_questions_is_no_form(tmp_path):
    other = both("ab", question="Are there balls?", options=("yes", "no"), answers=("yes", "no"))
    odd = number_pairs([ROWS[0], other[1], *ROWS[2:4]])

    record = write(tmp_path / "out", "argilla", pairs=odd)

    assert (record["pairs"], record["left_out"]) == (1, {"two-questions": 1})


def test_fiftyone_gets_a_sample_an_image(tmp_path):
    write(tmp_path / "out", "fiftyone")
    samples = json.loads((tmp_path / "out" / "samples.json").read_text())["samples"]

    for sample, row in zip(samples, [row for pair in PAIRS for row in pair.rows], strict=True):
        assert (tmp_path / "out" / sample["filepath"]).read_bytes() == file_of(IMAGES[row.image])[0]
        assert sample["answer"] == {"_cls": "Classification", "label": row.answer}
        assert (sample["question_id"], sample["pair_id"]) == (row.question_id, row.pair_id)


@pytest.mark.parametrize(
    ("allowed", "left"),
    [
        (["any"], {}),
        (["known"], {"licence-unknown": 1}),
        (["cc-by-4.0"], {"licence-unknown": 1}),
        (["CC_BY_4.0", "CC0"], {"licence-unknown": 1}),
        (["CC0-1.0"], {"licence-not-allowed": 2, "licence-unknown": 1}),
    ],
)
def test_nothing_is_exported_that_the_policy_does_not_allow(tmp_path, allowed, left):
    policy = Policy(allowed)

    def check(pair):
        return policy.object_to(pair, ORIGINS)

    if sum(left.values()) == len(PAIRS):
        with pytest.raises(ValueError, match="2: an image has a licence that was not allowed"):
            write(tmp_path / "out", "hf", checks=[check])
        assert not (tmp_path / "out").exists()
        return
    record = write(tmp_path / "out", "hf", checks=[check])

    assert record["left_out"] == left
    assert [one["reason"] for one in record["refused"]] == list(left)
    assert len(dataset_of(tmp_path / "out")) == 2 * (3 - sum(left.values()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_of_a_pair_that_is_refused_is_in_any_file(tmp_path, layout):
    """Neither words nor pictures nor where they are from; that a pair was refused is told."""
    kept, secret = (
        both("ab"),
        both("cd", question="Is it SECRET?", statement="SECRET", pattern=None, attribute="weight"),
    )
    secret[1] = replace(secret[1], statement="another SECRET")
    hidden = [Origin("photos", "SECRET.png", Rights("CC0-1.0", "SECRET", "SECRET"))]
    origins = ORIGINS | {"c": [hidden[0]._replace(rights=Rights(None, "SECRET", "SECRET"))]}
    pairs = number_pairs([*kept, *secret])
    policy = Policy(["known"])

    def export(name, origins):
        def check(pair):
            return policy.object_to(pair, origins)

        return write(tmp_path / name, layout, pairs=pairs, origins=origins, checks=[check])

    found = [export("refused", origins), export("allowed", origins | {"c": hidden})]

    assert [record["left_out"] for record in found] == [{"licence-unknown": 1}, {}]
    pictures = [file_of(IMAGES[image])[0] for image in "cd"]
    told = [b"SECRET", *pictures, *map(base64.b64encode, pictures)]
    assert any(one in everything(tmp_path / "allowed") for one in told)
    assert not any(one in everything(tmp_path / "refused") for one in told)
    assert "1 pairs are left out" in (tmp_path / "refused" / "README.md").read_text()


def everything(folder):
    """Return all names and contents of a folder; tables unpacked, images beside as they are."""
    found = []
    for file in sorted(folder.rglob("*")):
        found.append(file.relative_to(folder).as_posix().encode())
        if file.suffix == ".parquet":
            rows = pq.read_table(file).to_pylist()
            found += [row["image"].pop("bytes") for row in rows]
            found.append(repr(rows).encode())
        elif file.is_file():
            found.append(file.read_bytes())
    return b"\n".join(found)


def test_an_image_with_two_licences_is_allowed_only_if_both_are():
    (pair,) = (one for one in PAIRS if one.rows[0].image == "a")
    twice = ORIGINS | {"a": [*ORIGINS["a"], Origin("web", "x.png", Rights("All rights reserved"))]}

    found = Policy(["CC-BY-4.0"]).object_to(pair, twice)

    assert found == ("licence-not-allowed", "all-rights-reserved")
    assert Policy(["known"]).object_to(pair, twice) is None
    nobody = ORIGINS | {"a": [Origin("web", "x.png", Rights("unknown"))]}
    assert Policy(["known"]).object_to(pair, nobody).reason == "licence-unknown"


def test_a_policy_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="expected any, known, or the licences"):
        Policy(["known", "CC0-1.0"])
