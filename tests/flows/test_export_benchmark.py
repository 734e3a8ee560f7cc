"""`mmvp export benchmark`: the questions of the latest mining, with their images, or why not."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli import main
from flows.compared import Found
from flows.settings import Settings
from flows.stored_answers import score_file
from storage import events, minings, pairs, paths, proposals, questions, runs
from storage.database import Database
from storage.minings import MiningRow
from storage.pairs import pair_id
from storage.paths import PathRow
from storage.questions import QuestionRow, question_id
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.tables import SPECS
from tasks.benchmarks import read_questions
from tasks.exporting.benchmark_pairs import file_of, number_pairs, questions_of
from tasks.exporting.compared import Held
from tasks.images import image_id
from tasks.protocols import protocol_named
from tasks.questions.config import QuestionConfig
from tasks.questions.offers import offered
from tests.pictures import draw_photo
from tests.tasks.annotation.acts import PAIRS, Acts
from tests.tasks.test_exporting_datasets import annotate

MINING = "c0ffee" * 4


@pytest.fixture
def db(home):
    found = Database(Settings.read().store)
    found.make(SPECS.values())
    return found


@pytest.fixture
def files(tmp_path):
    """Two pictures of a corpus."""
    return [draw_photo(tmp_path / "photos" / f"{number}.png", number) for number in (1, 2)]


@pytest.fixture
def asked(db, files):
    """A store in which two questions about them were written."""
    ids = sorted(image_id(file.read_bytes()) for file in files)
    rows = [ask(ids, image, answer) for image, answer in zip(ids, ("one", "two"), strict=True)]
    questions.replace(db, MINING, rows)
    paths.upsert(db, [path_of(file) for file in files])
    minings.write(
        db,
        MiningRow(
            mining=MINING,
            made_by="f" * 64,
            clip="embeddings_tiny-clip-0123456789ab",
            ssl="embeddings_tiny-ssl-0123456789ab",
            clip_above=0.95,
            ssl_below=0.6,
            found=1,
            alike=0,
            images=ids,
        ),
    )
    receipts = {
        name: Receipt(table=name, version=db.version(SPECS[name]), rows=2, digest="d" * 64)
        for name in ("questions", "paths")
    }
    run = RunRow(
        run="r",
        finished=1.0,
        flow="mmvp",
        state="done",
        settings={"corpora": ["photos"], "figures": {"mine": {"mining": MINING}}},
        receipts=receipts,
    )
    runs.add(db, run)
    return rows


def path_of(file, corpus="photos", **rights):
    data = file.read_bytes()
    return PathRow(
        corpus=corpus,
        path=str(file),
        image=image_id(data),
        label=None,
        caption=None,
        attributes=None,
        size_bytes=len(data),
        mtime_ns=1,
        made_by="f" * 64,
        **rights,
    )


def ask(ids, image, answer):
    fields = {
        "pair_id": pair_id(*ids),
        "image": image,
        "question": "How many balls are there?",
        "options": ("one", "two"),
        "answer": answer,
        "key": "metadata",
    }
    return QuestionRow(
        mining=MINING,
        benchmark="mined",
        question_id=question_id(**fields),
        attribute="count",
        statement=f"{answer} balls",
        pattern="Quantity and Count",
        source="attribute",
        **fields,
    )


def export(capsys, to, *arguments, what="benchmark"):
    return call(capsys, "export", what, "--to", str(to), "--json", *arguments)


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out = capsys.readouterr()
    return ended.value.code, json.loads(out.out.splitlines()[-1]) if out.out else out.err


@pytest.mark.parametrize("layout", ["mmvp", "mmvp-vlm", "lmms-eval", "vlmevalkit"])
def test_the_benchmark_of_the_latest_mining_is_written(asked, tmp_path, capsys, layout):
    code, found = export(capsys, tmp_path / "out", "--layout", layout)

    assert code == 0
    assert found["folder"] == str(tmp_path / "out")
    assert (found["pairs"], found["left_out"]) == (1, {})
    assert (found["clip"], found["clip_above"]) == ("tiny-clip-0123456789ab", 0.95)
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record | {"folder": found["folder"]} == found


def test_its_questions_are_about_their_images(asked, tmp_path, capsys):
    export(capsys, tmp_path / "out", "--layout", "mmvp")

    found = read_questions(tmp_path / "out").questions
    assert [q.options[q.original] for q in found] == [row.answer for row in asked]


def test_an_exported_folder_gives_our_evaluator_the_same_items(asked, db, files, tmp_path, capsys):
    (run,) = runs.read(db)
    receipts = {"pairs": run.receipts["questions"]}
    runs.add(db, replace(run, run="s", finished=2.0, receipts=receipts))
    export(capsys, tmp_path / "out", "--layout", "mmvp")
    said = tmp_path / "answers.jsonl"
    lines = [{"question_id": 1, "response": "(a)"}, {"question_id": 2, "response": "two of them"}]
    said.write_text("".join(json.dumps(line) + "\n" for line in lines))

    ours, theirs = (
        score_file(Settings.read(), said, place=place, protocol="paper-2024", key=None)
        for place in (None, str(tmp_path / "out"))
    )

    paper = protocol_named("paper-2024")
    (pair,) = number_pairs(asked)
    back = read_questions(tmp_path / "out").questions
    assert [paper.prompt(q) for q in back] == [paper.prompt(q) for q in questions_of([pair])]
    by_id = {image_id(file.read_bytes()): file.read_bytes() for file in files}
    assert [q.image.read_bytes() for q in back] == [
        file_of(by_id[row.image])[0] for row in pair.rows
    ]
    figures = ("pairs", "pair_accuracy", "question_accuracy", "both_right", "unread", "harness")
    assert {name: ours[name] for name in figures} == {name: theirs[name] for name in figures}


def test_a_run_on_a_published_benchmark_changes_nothing(asked, db, tmp_path, capsys):
    about = {"set": "mmvp-0123456789ab", "figures": {"benchmark": {}}}
    (before,) = runs.read(db)
    runs.add(db, replace(before, run="s", finished=2.0, flow="benchmark", settings=about))

    code, found = export(capsys, tmp_path / "out", "--layout", "mmvp")

    assert (code, found["pairs"]) == (0, 1)


def test_answers_by_number_are_to_the_questions_that_exports_number_so(asked, db, tmp_path):
    """Numbers follow patterns first, whatever the pairs are called."""
    others = [
        replace(
            row, question_id=f"text {row.answer}", pair_id="0", attribute="text", pattern="Text"
        )
        for row in reversed(asked)
    ]
    rows = [replace(row, image=image) for row, image in zip(others, "ab", strict=True)]
    questions.replace(db, MINING, [*asked, *rows])
    (before,) = runs.read(db)
    receipts = {"pairs": before.receipts["questions"]}
    runs.add(db, replace(before, run="s", finished=2.0, receipts=receipts))
    numbered = [row for pair in number_pairs([*asked, *rows]) for row in pair.rows]
    lines = [
        {"question_id": number, "response": row.answer}
        for number, row in enumerate(numbered, start=1)
    ]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    found = score_file(Settings.read(), file, place=None, protocol="letter", key=None)

    assert [row.pair_id for row in numbered[2:]] == ["0", "0"]
    assert (found["pairs"], found["pair_accuracy"]) == (2, 1)


def test_what_is_not_there_is_named(asked, tmp_path, capsys):
    code, found = export(capsys, tmp_path / "out", "--layout", "mmvp", "--benchmark", "random")

    assert code == 1
    assert found["error"] == "the latest mining has no benchmark 'random'; there are: mined"


def test_an_image_that_has_changed_is_named(asked, files, tmp_path, capsys):
    draw_photo(files[0], 7)

    code, found = export(capsys, tmp_path / "out", "--layout", "mmvp")

    assert code == 1
    assert f"{files[0]} has changed; run `mmvp run` on the corpus again" in found["error"]
    assert not (tmp_path / "out").exists()


def test_a_store_without_questions_says_what_to_run(db, tmp_path, capsys):
    code, found = export(capsys, tmp_path / "out", "--layout", "mmvp")

    assert code == 1
    assert "run `mmvp questions`" in found["error"]


def test_a_layout_is_asked_for(db, tmp_path, capsys):
    code, said = export(capsys, tmp_path / "out")

    assert code == 2
    assert "--layout" in said


@pytest.mark.parametrize("layout", ["hf", "label-studio", "argilla", "fiftyone"])
def test_the_questions_are_written_as_a_dataset_that_names_no_path_of_this_machine(
    asked, tmp_path, capsys, layout
):
    code, found = export(capsys, tmp_path / "out", "--layout", layout, what="dataset")

    assert (code, found["pairs"], found["licences"]) == (0, 1, {"not told": 2})
    for file in (file for file in (tmp_path / "out").rglob("*") if file.is_file()):
        assert str(tmp_path).encode() not in file.read_bytes(), file


def test_what_has_no_permission_is_refused_listed_and_counted(asked, db, files, tmp_path, capsys):
    paths.upsert(db, [path_of(files[0], licence="CC0-1.0", source="https://example.org")])

    code, said = export(capsys, tmp_path / "out", "--licences", "known", what="dataset")
    paths.upsert(db, [path_of(files[1], licence="CC-BY-NC-4.0")])
    known = export(capsys, tmp_path / "out", "--licences", "known", what="dataset")[1]
    refused = export(
        capsys, tmp_path / "other", "--layout", "mmvp", "--licences", "CC0-1.0", "CC-BY-4.0"
    )

    assert code == 1
    assert "1: the corpus tells no licence of an image" in said["error"]
    assert (known["pairs"], known["left_out"]) == (1, {})
    assert known["licences"] == {"CC-BY-NC-4.0": 1, "CC0-1.0": 1}
    assert refused[0] == 1
    assert "1: an image has a licence that was not allowed" in refused[1]["error"]
    assert not (tmp_path / "other").exists()


def test_what_people_annotated_is_imported_once(asked, db, tmp_path, capsys):
    pairs.replace(db, MINING, table_of_pairs(asked))
    export(capsys, tmp_path / "out", "--layout", "label-studio", what="dataset")
    file = annotate(tmp_path / "out", 7)
    tasks = json.loads(file.read_text())
    strange = json.loads(json.dumps(tasks[0]))
    image = strange["data"]["image_a"]
    strange["data"] |= {"image_b": "z", "pair_id": pair_id(image, "z")}
    file.write_text(json.dumps([*tasks, strange]))
    arguments = ("import", "--layout", "label-studio", str(file), "--json")

    code, found = call(capsys, *arguments)
    before = db.version(proposals.SPEC)

    assert code == 0
    assert (found["proposals"], found["writers"]) == (1, ["people:7"])
    assert found["left_out"] == {"pair-not-in-store": 1}
    (row,) = proposals.read(db, MINING)
    assert (row.question, {row.option_1, row.option_2}) == (asked[0].question, {"one", "two"})
    assert (row.answer_a, row.answer_b) == ("one", "two")
    by_people = offered(db, tmp_path, MINING, QuestionConfig(by=("people",)))
    assert by_people["people"] == {row.pair_id: [row]}
    call(capsys, *arguments)
    assert db.version(proposals.SPEC) == before


def test_the_card_tells_how_far_people_agreed(asked, db, tmp_path, capsys, monkeypatch):
    pairs.replace(db, MINING, table_of_pairs(asked))
    pair = asked[0].pair_id
    monkeypatch.setitem(PAIRS, pair, tuple(sorted(row.image for row in asked)))
    acts = Acts()
    acts.check("grace", acts.write("ada", pair))
    events.add(db, [replace(event, mining=MINING) for event in acts.events])

    found = export(capsys, tmp_path / "out", what="dataset")[1]

    assert found["agreement"] == {"Krippendorff's alpha of answers": 1}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| Krippendorff's alpha of answers | 1.000 |" in card
    (row, _) = pq.read_table(tmp_path / "out" / "data").to_pylist()
    assert (row["clip_cosine"], row["ssl_cosine"]) == (0.96, 0.5)


def table_of_pairs(asked):
    first, second = sorted(row.image for row in asked)
    row = {
        "mining": MINING,
        "pair_id": asked[0].pair_id,
        "image_a": first,
        "image_b": second,
        "clip_cosine": 0.96,
        "ssl_cosine": 0.5,
        "selected": True,
        "left_out": None,
        "attribute": "count",
    }
    return pa.Table.from_pylist([row], schema=pairs.SPEC.schema)


def test_pairs_that_other_data_hold_are_left_out_or_listed(
    asked, db, files, tmp_path, capsys, monkeypatch
):
    """What is found is the business of `compare`; here it is what becomes of it."""
    monkeypatch.setattr(
        "flows.export_benchmark.compare", lambda *_, **__: found_copy(asked[0].image)
    )

    kept = export(capsys, tmp_path / "out", "--against", "x", "--keep-held", what="dataset")[1]
    code, said = export(capsys, tmp_path / "other", "--against", "x", what="dataset")

    assert (kept["pairs"], kept["compared"]["pairs"], kept["compared"]["images"]) == (1, 1, 12)
    assert "a/copy.png" in (tmp_path / "out" / "compared.csv").read_text()
    assert "10 images of x were compared" in (tmp_path / "out" / "README.md").read_text()
    assert code == 1
    assert "1: an image is, or nearly is, one of the data that were compared" in said["error"]


def found_copy(image):
    held = [Held(image, "x", "a/copy.png", "same-bytes", None, None)]
    return Found(["x"], held, 12, 2)
