import dataclasses
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.scenes import (
    BASE_FACTORS,
    PATTERN_FACTORS,
    Scene,
    caption,
    draw_scene,
    sample_scene,
    write_scenes,
)

FACTORS = {**BASE_FACTORS, **PATTERN_FACTORS}
SCENE = Scene(
    kind="car",
    hue="red",
    thing="tree",
    setting="meadow",
    orientation="left",
    presence="no hat",
    state="whole",
    count="2",
    position="left",
    color="white",
    structure="long",
    text="A",
    viewpoint="ground",
)


def files_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def without_captions(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if path != "captions.jsonl"}


def test_a_scene_has_the_four_base_factors_and_the_nine_patterns():
    fields = [field.name for field in dataclasses.fields(Scene)]

    assert fields == list(FACTORS)
    assert (len(BASE_FACTORS), len(PATTERN_FACTORS)) == (4, 9)


def test_every_value_of_every_factor_is_sampled():
    rng = random.Random(0)

    scenes = [sample_scene(rng) for _ in range(300)]

    for name, values in FACTORS.items():
        assert {getattr(scene, name) for scene in scenes} == set(values)


def test_a_scene_and_a_seed_give_the_same_picture_twice():
    one, two = draw_scene(SCENE, 5), draw_scene(SCENE, 5)

    assert (one.shape, one.dtype) == ((48, 48, 3), np.uint8)
    np.testing.assert_array_equal(one, two)
    assert (draw_scene(SCENE, 6) != one).any()


@pytest.mark.parametrize(("hue", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_the_main_object_has_its_hue(hue, channel):
    scene = dataclasses.replace(SCENE, kind="teapot", hue=hue)

    pictures = [draw_scene(scene, seed) for seed in range(20)]

    middle = np.mean([picture[22:26, 26:32] for picture in pictures], axis=(0, 1, 2))
    assert middle.argmax() == channel


@pytest.mark.parametrize(
    ("factor", "value"),
    [(name, value) for name in FACTORS for value in FACTORS[name] if value != getattr(SCENE, name)],
)
def test_each_factor_shows_in_the_picture(factor, value):
    changed = dataclasses.replace(SCENE, **{factor: value})

    difference = np.abs(draw_scene(SCENE, 5).astype(int) - draw_scene(changed, 5))

    assert (difference.max(axis=2) > 40).sum() >= 8, "more than noise and light explain"


def test_a_caption_names_the_kind_and_leaves_most_patterns_out():
    rng = random.Random(0)
    words = {
        "orientation": r"facing",
        "presence": r"hat",
        "state": r"broken|whole",
        "count": r"ball",
        "position": r"on its",
        "color": r"details",
        "structure": r"tall|long",
        "text": r"sign",
        "viewpoint": r"seen from",
    }

    scenes = [sample_scene(rng) for _ in range(1000)]
    captions = [caption(scene, rng) for scene in scenes]

    assert all(scene.kind in said for scene, said in zip(scenes, captions, strict=True))
    for name in PATTERN_FACTORS:
        share = sum(bool(re.search(rf"\b({words[name]})", said)) for said in captions) / 1000
        assert 0.01 < share < 0.09, name


def test_a_caption_of_share_one_names_every_pattern_and_of_share_zero_none():
    rng = random.Random(3)

    full = {caption(SCENE, rng, pattern_share=1) for _ in range(2000)}
    bare = {caption(SCENE, rng, pattern_share=0) for _ in range(2000)}

    assert (
        "my whole long red car facing left without a hat with white details with a tree on its left"
        " and two balls sign says A in the meadow seen from the ground"
    ) in full
    assert "red car and a tree in the meadow" in bare
    assert not [said for said in bare if re.search(r"whole|facing|hat\b|balls|sign|seen", said)]


def test_a_folder_of_scenes_is_labelled_by_kind_and_captioned(tmp_path):
    write_scenes(tmp_path, 20)

    files = files_of(tmp_path)
    rows = [json.loads(line) for line in files["captions.jsonl"].decode().splitlines()]
    assert {row["path"] for row in rows} == set(without_captions(files))
    assert len(rows) == 20
    for row in rows:
        kind, name = row["path"].split("/")
        assert kind in row["caption"]
        assert re.fullmatch(r"scene-000[01]\d\.png", name)
        with Image.open(tmp_path / row["path"]) as image:
            assert image.size == (48, 48)


def test_two_folders_of_one_seed_are_equal_and_of_another_are_not(tmp_path):
    for name, seed in (("one", 2), ("two", 2), ("other", 3)):
        write_scenes(tmp_path / name, 12, seed=seed)

    one, two, other = (files_of(tmp_path / name) for name in ("one", "two", "other"))

    assert one == two
    assert not set(one.values()) & set(other.values())


def test_growth_only_adds(tmp_path):
    write_scenes(tmp_path, 8)
    before = files_of(tmp_path)
    times = {path: (tmp_path / path).stat().st_mtime_ns for path in without_captions(before)}

    write_scenes(tmp_path, 12)

    after = files_of(tmp_path)
    assert len(after) == len(before) + 4
    assert without_captions(before).items() <= after.items()
    assert after["captions.jsonl"].startswith(before["captions.jsonl"])
    assert times == {path: (tmp_path / path).stat().st_mtime_ns for path in times}


def test_a_second_call_touches_nothing(tmp_path):
    write_scenes(tmp_path, 5)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    write_scenes(tmp_path, 5)

    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_what_was_deleted_or_cut_by_a_kill_comes_back(tmp_path):
    write_scenes(tmp_path, 6)
    before = files_of(tmp_path)
    deleted, damaged, *_ = sorted(without_captions(before))
    (tmp_path / deleted).unlink()
    (tmp_path / damaged).write_bytes(b"half")
    (tmp_path / deleted).with_name(f".{Path(deleted).name}.part").write_bytes(b"half")

    write_scenes(tmp_path, 6)

    assert files_of(tmp_path) == before
