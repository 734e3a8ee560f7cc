"""The pipeline from a folder of images to a report, run again and again on what has changed."""

import shutil
import subprocess
import sys

import lancedb
import pyarrow as pa
import pytest

import flows.mmvp
from storage.database import StoreError
from tasks.mining.thresholds import MineConfig
from tests import pictures
from tests.flows import runs

GHOST = "f" * 64
"""An image id that no file of a test has."""


@pytest.fixture
def other_home(home, tmp_path, monkeypatch):
    """A second home; calling it makes it the current one."""

    def move():
        monkeypatch.setenv("MMVP_HOME", str(tmp_path / "other"))
        return tmp_path / "other"

    return move


def test_a_second_run_does_nothing(server, cluster, home, photos):
    first = runs.run([photos], cluster, through="report")

    second = runs.run([photos], cluster, through="report")

    assert set(runs.states(first).values()) == {"done"}
    assert set(runs.states(second).values()) == {"current"}
    assert first["ingest"]["new"] == first["embed"]["new"] == 12
    assert {stage["new"] for stage in second.values()} == {0}
    assert {name: stage["receipts"] for name, stage in second.items()} == {
        name: stage["receipts"] for name, stage in first.items()
    }


def test_ten_files_added_give_the_pairs_of_a_run_from_scratch(
    server, cluster, home, other_home, photos
):
    runs.run([photos], cluster)
    for seed in range(100, 110):
        pictures.draw_photo(photos / "added" / f"{seed}.png", seed)

    grown = runs.run([photos], cluster)
    pairs, images = runs.shown("pairs"), runs.shown("images")
    place = other_home()
    scratch = runs.run([photos], cluster)

    assert grown["ingest"]["new"] == grown["embed"]["new"] == 10
    assert len(images) == 22
    assert (pairs, images) == (runs.shown("pairs"), runs.shown("images"))
    assert runs.vectors(home, grown) == runs.vectors(place, scratch)
    assert len(pairs) > 0


def test_two_homes_never_share_a_hit(server, cluster, home, other_home, photos):
    runs.run([photos], cluster)
    other_home()

    stages = runs.run([photos], cluster)

    assert set(runs.states(stages).values()) == {"done"}
    assert stages["ingest"]["new"] == stages["embed"]["new"] == 12


def test_a_renamed_file_is_opened_and_not_embedded(server, cluster, home, photos):
    runs.run([photos], cluster)
    before = runs.shown("pairs")
    (photos / "a" / "00.png").rename(photos / "a" / "renamed.png")

    stages = runs.run([photos], cluster)

    assert runs.states(stages) == {"ingest": "done", "embed": "current", "mine": "current"}
    assert {stage["new"] for stage in stages.values()} == {0}
    after = runs.shown("pairs")
    assert [row["pair_id"] for row in after] == [row["pair_id"] for row in before]
    held = {row["image"]: row["path"] for row in runs.shown("images")}
    assert str(photos / "a" / "renamed.png") in held.values()
    assert {(row["path_a"], row["path_b"]) for row in after} == {
        (held[row["image_a"]], held[row["image_b"]]) for row in after
    }


def test_a_file_whose_content_changed_is_embedded_and_no_other(server, cluster, home, photos):
    first = runs.run([photos], cluster)
    before = runs.vectors(home, first)
    pictures.draw_photo(photos / "a" / "00.png", 500)

    stages = runs.run([photos], cluster)

    assert stages["ingest"]["new"] == stages["embed"]["new"] == 1
    assert stages["ingest"]["figures"]["removed"] == 1
    after = runs.vectors(home, stages)
    changed = next(row["image"] for row in runs.shown("images") if row["path"].endswith("00.png"))
    assert {role: set(after[role]) - set(before[role]) for role in after} == {
        "clip": {changed},
        "ssl": {changed},
    }


def test_pairs_of_a_removed_file_go_and_the_others_stay(server, cluster, home, photos):
    runs.run([photos], cluster)
    before = {row["pair_id"]: row for row in runs.shown("pairs")}
    gone = next(iter(before.values()))
    (photos / gone["path_a"]).unlink()

    stages = runs.run([photos], cluster)

    after = {row["pair_id"]: row for row in runs.shown("pairs")}
    kept = {
        name
        for name, row in before.items()
        if gone["image_a"] not in {row["image_a"], row["image_b"]}
    }
    assert set(after) == kept < set(before)
    assert all(after[name]["clip_cosine"] == before[name]["clip_cosine"] for name in kept)
    assert stages["ingest"]["figures"]["removed"] == 1
    assert stages["embed"]["new"] == stages["mine"]["new"] == 0
    assert gone["image_a"] not in {row["image"] for row in runs.shown("images")}


def test_a_touched_file_is_opened_alone_and_nothing_is_embedded(server, cluster, home, photos):
    runs.run([photos], cluster)
    opened = {row["shard"] for row in runs.stored(home, "shards")}
    touched = photos / "c" / "02.png"
    touched.touch()

    stages = runs.run([photos], cluster)

    shards = [row for row in runs.stored(home, "shards") if row["shard"] not in opened]
    assert [(row["stage"], row["rows"], row["first"]) for row in shards] == [
        ("ingest", 1, str(touched))
    ]
    assert runs.states(stages) == {"ingest": "done", "embed": "current", "mine": "current"}


def test_rehash_opens_every_file_and_embeds_none(server, cluster, home, photos):
    runs.run([photos], cluster)

    stages = runs.run([photos], cluster, rehash=True)

    opened = [row for row in runs.stored(home, "shards") if row["stage"] == "ingest"]
    assert max(row["finished"] for row in opened) > max(
        row["finished"] for row in runs.stored(home, "shards") if row["stage"] == "embed"
    )
    assert sum(row["rows"] for row in opened) == 12
    assert runs.states(stages) == {"ingest": "done", "embed": "current", "mine": "current"}


def test_two_corpora_in_one_store_share_images_and_no_pair(server, cluster, home, photos):
    other = photos.parent / "other-photos"
    shutil.copytree(photos / "a", other)  # four of the twelve
    for seed in range(200, 208):
        pictures.draw_photo(other / f"{seed}.png", seed)

    first = runs.run([photos], cluster)
    pairs_of_first = runs.shown("pairs")
    second = runs.run([other], cluster)
    pairs_of_second = runs.shown("pairs")
    again = runs.run([photos], cluster)

    assert first["embed"]["new"] == 12
    assert second["embed"]["new"] == 8
    assert len(runs.vectors(home, first)["clip"]) == len(runs.stored(home, "images")) == 20
    assert {row["corpus"] for row in runs.stored(home, "paths")} == {str(photos), str(other)}
    for folder, pairs in ((photos, pairs_of_first), (other, pairs_of_second)):
        ends = [row[end] for row in pairs for end in ("path_a", "path_b")]
        assert ends
        assert all(path.startswith(f"{folder}/") for path in ends)
    assert set(runs.states(again).values()) == {"current"}
    assert runs.shown("pairs") == pairs_of_first


def test_pairs_of_several_folders_equal_a_float64_brute_force(server, cluster, home, photos):
    other = photos.parent / "other-photos"
    for seed in range(300, 318):
        pictures.draw_photo(other / f"{seed}.png", seed)

    stages = runs.run([other, photos], cluster)

    pairs = {(row["image_a"], row["image_b"]): row for row in runs.shown("pairs")}
    expected = runs.brute_force(runs.vectors(home, stages))
    assert set(pairs) == set(expected)
    for ends, (clip, ssl) in expected.items():
        assert pairs[ends]["clip_cosine"] == pytest.approx(clip, abs=1e-12)
        assert pairs[ends]["ssl_cosine"] == pytest.approx(ssl, abs=1e-12)
    across = [row for row in pairs.values() if "other" in row["path_a"] + row["path_b"]]
    assert any(
        row["path_a"].startswith(str(other)) != row["path_b"].startswith(str(other))
        for row in across
    )


def test_a_store_deleted_under_the_cache_is_rebuilt(server, cluster, home, photos):
    first = runs.run([photos], cluster, through="report")
    pairs = runs.shown("pairs")
    shutil.rmtree(home / "store")

    stages = runs.run([photos], cluster, through="report")

    assert runs.states(stages) == dict.fromkeys(first, "done") | {"report": "current"}
    assert stages["embed"]["new"] == 12
    assert runs.shown("pairs") == pairs


def test_a_table_of_a_newer_schema_is_refused_in_words_and_left_alone(server, home, photos):
    schema = pa.schema([pa.field("image", pa.string())], metadata={"mmvp.schema": "99"})
    table = lancedb.connect(home / "store").create_table("images", schema=schema)

    with pytest.raises(StoreError, match="schema version 99, written by a newer mmvp"):
        runs.run([photos], runs.NO_WORKERS)

    assert (table.version, table.count_rows()) == (1, 0)


def test_a_folder_of_nothing_but_bad_files_fails_and_keeps_the_reasons(
    server, cluster, home, tmp_path
):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.png").touch()
    (folder / "words.jpg").write_text("no image at all")
    whole = pictures.draw_photo(tmp_path / "whole.png", 1).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])

    runs.borrow_server(home)
    code, result, messages = runs.finish(
        runs.start("run", "--corpus", folder, "--scheduler", cluster.scheduler, home=home)
    )

    assert code == 1
    assert f"no image in {folder}: 3 files, 1 empty, " in messages
    assert result["error"] in messages
    refused = {row["path"]: row["reason"] for row in runs.shown("refused")}
    assert set(refused) == {str(path) for path in folder.iterdir()}
    assert refused[str(folder / "empty.png")] == "empty"


def test_a_corpus_without_a_blind_pair_completes(server, cluster, home, photos):
    stages = runs.run([photos], cluster, through="report", mine=MineConfig(clip_above=1))

    assert stages["mine"]["rows"] == stages["report"]["rows"] == 0
    assert runs.shown("pairs") == []
    assert len(list((home / "reports").rglob("index.html"))) == 1


INTRUDE = """
import sys, lancedb
store, corpus = sys.argv[1:]
db = lancedb.connect(store)
ghost = "f" * 64
for name in db.list_tables().tables:
    table = db.open_table(name)
    rows = table.to_arrow().to_pylist()
    if not rows or name in ("runs", "shards"):
        continue
    row = rows[0]
    if name == "paths":  # a foreign corpus, and an image in this one that the run has not seen
        table.add([row | {"corpus": "/foreign", "path": "/foreign/x.png", "image": ghost}])
        table.add([row | {"corpus": corpus, "path": f"{corpus}/{db.open_table(name).version}.png",
                          "image": ghost}])
    elif name == "pairs":  # a foreign mining, and a pair in this one that the run has not mined
        table.add([row | {"mining": "foreign"}, row | {"pair_id": "0" * 32, "image_b": ghost}])
    elif {"mining", "scope", "model"} & row.keys():  # another's questions, answers, models, scores
        table.add([row | {name: "foreign" for name in ("mining", "scope", "model") if name in row}])
    else:
        table.add([row | {"image": ghost}])
"""


def test_rows_appended_by_another_process_between_stages_change_nothing(
    server, cluster, home, other_home, photos, monkeypatch
):
    undisturbed = runs.run([photos], cluster, through="report")
    expected = {table: runs.shown(table) for table in ("images", "pairs", "refused")}
    place = other_home()
    intrusions = []
    for name in ("embed", "mine_flow", "report_flow"):
        flow = getattr(flows.mmvp, name)

        def after_intrusion(*arguments, flow=flow):
            command = [sys.executable, "-c", INTRUDE, str(place / "store"), str(photos)]
            subprocess.run(command, check=True)
            intrusions.append(flow.name)
            return flow(*arguments)

        monkeypatch.setattr(flows.mmvp, name, after_intrusion)

    disturbed = runs.run([photos], cluster, through="report")

    assert intrusions == ["embed", "mine", "report"]
    assert {table: runs.shown(table) for table in expected} == expected
    assert _digests(disturbed) == _digests(undisturbed)
    assert GHOST in {row["image"] for row in runs.stored(place, "paths")}
    assert GHOST in {row["image_b"] for row in runs.stored(place, "pairs")}


def _digests(stages):
    """Return what must be equal wherever and however often the rows were made."""
    return {
        name: [
            (stage["new"], stage["rows"], stage["reasons"]),
            *(
                (receipt, values["rows"], values["digest"])
                for receipt, values in stage["receipts"].items()
                if receipt != "report"  # the page tells versions, which count others' writes too
            ),
        ]
        for name, stage in stages.items()
    }


def test_a_file_that_went_and_came_back_is_in_the_store_again(server, cluster, home, photos):
    runs.run([photos], cluster)
    before = {table: runs.stored(home, table) for table in ("paths", "pairs")}
    elsewhere = photos.parent / "elsewhere.png"
    (photos / "a" / "00.png").rename(elsewhere)
    runs.run([photos], cluster)
    elsewhere.rename(photos / "a" / "00.png")

    stages = runs.run([photos], cluster)

    assert stages["embed"]["new"] == 0
    assert {table: runs.stored(home, table) for table in before} == before
