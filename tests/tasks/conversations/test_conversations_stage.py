"""The stage `conversations`: rows by content, refusals by reason, growth, kills."""

import json

import lancedb
import pytest

from storage import conversations, refused
from tasks import ingest
from tasks.conversations import stage
from tasks.ingest import IngestConfig
from tasks.stage import Site, key_of
from tasks.workers import Workers, WorkersConfig
from tests import pictures
from tests.tasks.corpora import builders


@pytest.fixture(scope="module")
def workers():
    """A worker that all tests of this module share."""
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        yield started


@pytest.fixture
def site(db, home, workers):
    return Site(db=db, home=home, workers=workers)


@pytest.fixture
def coco(tmp_path):
    """A corpus of three pictures and one file that is none, laid out as LLaVA's are."""
    for number in range(3):
        pictures.draw_photo(tmp_path / f"coco/train2017/{number}.png", number)
    (tmp_path / "coco/train2017/bad.png").write_bytes(b"no picture")
    return tmp_path / "coco"


def row(number, image=None, answer="Yes.", **fields):
    asked = "<image>\nIs it?" if image else "Is it?"
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return (
        {"id": str(number), "conversations": turns} | ({"image": image} if image else {}) | fields
    )


def write(file, rows):
    file.write_text(json.dumps(rows))
    return file


def prepare(site, file, *corpora):
    inputs = {}
    names = ingest.resolve_corpora(list(map(str, corpora))) if corpora else []
    if corpora:
        context = ingest.prepare(site, IngestConfig(), names)
        ingest.run(context)
        inputs = ingest.look(context)
    return stage.prepare(site, file, names, inputs)


def stored(context):
    return conversations.read(context.db, context.facts["mix"])


def image_of(db, name):
    rows = lancedb.connect(db.uri).open_table("paths").to_arrow().to_pylist()
    return next(row["image"] for row in rows if row["path"].endswith(name))


def test_conversations_hold_their_images_by_content(site, coco, tmp_path):
    file = write(
        tmp_path / "mix.json",
        [
            row(1, "coco/train2017/1.png"),
            row(1, "train2017/2.png"),
            row(2),
            row(3, [f"{coco}/train2017/0.png", "./train2017/1.png"])
            | {
                "conversations": [
                    {"from": "human", "value": "<image><image>\nAlike?"},
                    {"from": "gpt", "value": "No, not at all."},
                ]
            },
        ],
    )
    context = prepare(site, file, coco)

    outcome = stage.run(context)

    assert (outcome.new, outcome.rows, outcome.reasons) == (4, 4, {})
    first, second, third, fourth = stored(context)
    ids = [image_of(site.db, f"{number}.png") for number in range(3)]
    assert [one.images for one in (first, second, third, fourth)] == [
        (ids[1],),
        (ids[2],),
        (),
        (ids[0], ids[1]),
    ]
    assert [first.id, second.id] == ["1", "1"]
    assert len({one.name for one in stored(context)}) == 4
    table = lancedb.connect(site.db.uri).open_table("conversations").to_arrow()
    assert table["text_only"].to_pylist() == [False, False, True, False]
    assert table["words"].to_pylist() == [4, 4, 3, 6]


def test_what_is_refused_stands_in_the_store_and_is_counted(site, coco, tmp_path):
    pictures.draw_photo(tmp_path / "more/train2017/1.png", 99)
    file = write(
        tmp_path / "mix.json",
        [
            row(1, "train2017/0.png"),
            row(2, "train2017/9.png"),
            row(3, "train2017/bad.png"),
            row(4, "train2017/1.png"),
            row(5, "coco/train2017/1.png"),
            row(6, answer=""),
            17,
        ],
    )
    context = prepare(site, file, coco, tmp_path / "more")

    outcome = stage.run(context)

    assert outcome.rows == 2
    assert outcome.reasons == {
        "bad-row": 1,
        "image-ambiguous": 1,
        "image-missing": 1,
        "image-refused": 1,
        "no-answer": 1,
    }
    found = refused.read(site.db, stage.NAME, [context.facts["mix"]])
    told = {bad.path.removeprefix(f"{file}!/"): (bad.reason, bad.detail) for bad in found}
    assert told["000000001"] == ("image-missing", "no corpus has train2017/9.png")
    assert told["000000002"] == ("image-refused", "train2017/bad.png: not-an-image")
    assert [row.position for row in stored(context)] == [0, 4]


def test_members_of_tars_are_found_by_their_names(site, tmp_path):
    builders.write_tar(tmp_path / "tars/00000.tar", builders.pictures(2))
    file = write(tmp_path / "mix.json", [row(1, "000000001.png"), row(2)])
    context = prepare(site, file, tmp_path / "tars")

    assert stage.run(context).reasons == {}
    assert stored(context)[0].images == (image_of(site.db, "000000001.png"),)


def test_lines_of_chats_need_no_corpus(site, tmp_path):
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]
    said.append({"role": "assistant", "content": "Hi."})
    (tmp_path / "chat.jsonl").write_text(json.dumps({"messages": said}) + "\n")
    context = prepare(site, tmp_path / "chat.jsonl")

    stage.run(context)

    (only,) = stored(context)
    assert (only.system, only.turns, only.images) == ("Be brief.", (("Hi?", "Hi."),), ())


def test_a_second_run_writes_nothing_and_measures_the_same(site, tmp_path):
    file = write(tmp_path / "mix.json", [row(1), row(2, answer=""), row(3)])
    context = prepare(site, file)
    stage.run(context)
    before = stage.look(context)

    outcome = stage.run(context)

    assert outcome.new == 0
    assert stage.look(context) == before
    assert before["conversations"].rows == 2
    assert before["unread"].rows == 1


def test_of_a_file_that_grew_only_the_new_rows_are_written(site, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "PART_ROWS", 4)
    rows = [row(number) for number in range(9)]
    first = prepare(site, write(tmp_path / "mix.json", rows))
    stage.run(first)
    before, version = stored(first), site.db.version(conversations.SPEC)
    digest = stage.look(first)["conversations"].digest
    grown = prepare(site, write(tmp_path / "mix.json", [*rows, row(9), row(10)]))

    outcome = stage.run(grown)

    assert key_of(stage.STAGE, grown) != key_of(stage.STAGE, first)
    assert (outcome.new, outcome.rows) == (2, 11)
    assert site.db.version(conversations.SPEC) == version + 1
    assert stored(grown)[:9] == before
    assert conversations.read(site.db, first.facts["mix"], version=version) == before
    assert stage.look(grown)["conversations"].digest != digest


def test_of_a_file_that_shrank_and_changed_the_store_holds_what_it_says_now(
    site, tmp_path, monkeypatch
):
    monkeypatch.setattr(stage, "PART_ROWS", 4)
    stage.run(prepare(site, write(tmp_path / "mix.json", [row(n) for n in range(11)])))
    other = prepare(site, write(tmp_path / "other.json", [row(0)]))
    stage.run(other)
    less = [row(0), row(1, answer="No."), row(2, answer=""), *(row(n) for n in range(3, 6))]
    context = prepare(site, write(tmp_path / "mix.json", less))

    outcome = stage.run(context)

    assert (outcome.new, outcome.rows) == (1, 5)
    assert [one.position for one in stored(context)] == [0, 1, 3, 4, 5]
    assert len(stored(other)) == 1


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("writes", range(4))
def test_a_run_that_is_killed_between_writes_ends_with_the_rows_of_an_undisturbed_one(
    site, tmp_path, monkeypatch, writes
):
    monkeypatch.setattr(stage, "PART_ROWS", 4)
    rows = [row(n, answer="" if n % 5 == 2 else f"{n}") for n in range(14)]
    context = prepare(site, write(tmp_path / "mix.json", rows))
    with monkeypatch.context() as patch:
        write_part, done = conversations.replace, []

        def die(*args, **kwargs):
            if len(done) == writes:
                raise KilledError
            done.append(write_part(*args, **kwargs))
            return done[-1]

        patch.setattr(conversations, "replace", die)
        with pytest.raises(KilledError):
            stage.run(context)

    outcome = stage.run(context)

    assert outcome.new == 11 - sum(done)
    assert [(one.position, one.turns[0].assistant) for one in stored(context)] == [
        (n, str(n)) for n in range(14) if n % 5 != 2
    ]
    assert stage.look(context)["unread"].rows == 3


def test_a_damaged_file_stops_the_run_and_a_whole_one_mends_it(site, tmp_path):
    whole = json.dumps([row(1), row(2)])
    (tmp_path / "mix.json").write_text(whole[:-30])
    with pytest.raises(ValueError, match="is damaged in line 1"):
        stage.run(prepare(site, tmp_path / "mix.json"))

    (tmp_path / "mix.json").write_text(whole)

    assert stage.run(prepare(site, tmp_path / "mix.json")).rows == 2


@pytest.mark.parametrize(
    ("rows", "told"), [([], "0 values, the file is empty"), ([{}, 3], "2 values, 2 bad-row")]
)
def test_a_file_without_a_conversation_is_an_error_that_counts_the_reasons(
    site, tmp_path, rows, told
):
    context = prepare(site, write(tmp_path / "mix.json", rows))

    with pytest.raises(ValueError, match=told):
        stage.run(context)

    assert stage.look(context) is None
