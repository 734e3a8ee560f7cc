"""`mmvp export benchmark`: the questions of the latest mining, with their images, or why not."""

import json
from dataclasses import replace

import pytest

from flows.cli import main
from flows.settings import Settings
from flows.stored_answers import score_file
from storage import minings, paths, questions, runs
from storage.database import Database
from storage.minings import MiningRow
from storage.pairs import pair_id
from storage.paths import PathRow
from storage.questions import QuestionRow, question_id
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.tables import SPECS
from tasks.benchmarks import read_questions
from tasks.exporting.benchmark_pairs import number_pairs
from tasks.images import image_id
from tests.pictures import draw_photo

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


def path_of(file):
    data = file.read_bytes()
    return PathRow(
        corpus="photos",
        path=str(file),
        image=image_id(data),
        label=None,
        caption=None,
        attributes=None,
        size_bytes=len(data),
        mtime_ns=1,
        made_by="f" * 64,
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


def export(capsys, to, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["export", "benchmark", "--to", str(to), "--json", *arguments])
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
