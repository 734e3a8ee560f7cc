"""Scenes: every factor is drawn and said, and a folder of them is a corpus like any other."""

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.scenes import (
    BASE_FACTORS,
    FACTORS,
    PATTERN_FACTORS,
    SIDE_PX,
    Scene,
    caption,
    caption_words,
    draw_scene,
    sample_scene,
    scene_at,
    statement,
    write_scenes,
)

WORDS = {
    "state": "whole",
    "structure": "long",
    "hue": "red",
    "kind": "car",
    "orientation": "facing-left",
    "presence": "hatless",
    "color": "white",
    "thing": "tree",
    "position": "left-side",
    "count": "two",
    "text": "A",
    "setting": "meadow",
    "viewpoint": "from-ground",
}
"""The word for each factor of SCENE below, in the order of a caption."""

MARK, METADATA = ".drawn-by", "metadata.jsonl"
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


def pictures_of(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if path not in {MARK, METADATA}}


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / METADATA).read_text().splitlines()]


def times_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def word_of(scene: Scene, name: str) -> str:
    """Return a caption's word for a factor: what its statement has beside object and hue."""
    if name in {"hue", "kind"}:
        return getattr(scene, name)
    (word,) = set(statement(scene, name).split()) - {scene.hue, scene.kind}
    return word


def words_for(name: str) -> list[str]:
    """Return the words for all values of a factor."""
    scenes = (dataclasses.replace(SCENE, **{name: value}) for value in FACTORS[name])
    return [word_of(scene, name) for scene in scenes]


def test_a_scene_has_the_four_base_factors_and_the_nine_patterns():
    fields = [field.name for field in dataclasses.fields(Scene)]

    assert fields == list(FACTORS) == [*BASE_FACTORS, *PATTERN_FACTORS]
    assert (len(BASE_FACTORS), len(PATTERN_FACTORS)) == (4, 9)


def test_every_value_of_every_factor_is_sampled():
    rng = random.Random(0)

    scenes = [sample_scene(rng) for _ in range(300)]

    for name, values in FACTORS.items():
        assert {getattr(scene, name) for scene in scenes} == set(values)


def test_a_scene_and_a_seed_give_the_same_picture_twice():
    one, two = draw_scene(SCENE, 5), draw_scene(SCENE, 5)

    assert (one.shape, one.dtype) == ((192, 192, 3), np.uint8)
    np.testing.assert_array_equal(one, two)
    assert (draw_scene(SCENE, 6) != one).any()


@pytest.mark.parametrize(("hue", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_the_main_object_has_its_hue(hue, channel):
    scene = dataclasses.replace(SCENE, kind="teapot", hue=hue)

    pictures = [draw_scene(scene, seed) for seed in range(20)]

    middle = np.mean([picture[88:104, 104:128] for picture in pictures], axis=(0, 1, 2))
    assert middle.argmax() == channel


@pytest.mark.parametrize(
    ("factor", "value"),
    [(name, value) for name in FACTORS for value in FACTORS[name] if value != getattr(SCENE, name)],
)
def test_each_factor_shows_in_the_picture(factor, value):
    changed = dataclasses.replace(SCENE, **{factor: value})

    difference = np.abs(draw_scene(SCENE, 5).astype(int) - draw_scene(changed, 5))

    assert (difference.max(axis=2) > 40).sum() >= 128, "more than noise and light explain"


def test_a_caption_names_the_kind_and_leaves_most_patterns_out():
    rng = random.Random(0)
    scenes = [sample_scene(rng) for _ in range(1000)]

    said = [(scene, caption(scene, rng).split()) for scene in scenes]

    assert all(scene.kind in words for scene, words in said)
    for name in PATTERN_FACTORS:
        share = sum(word_of(scene, name) in words for scene, words in said) / len(said)
        assert 0.03 < share < 0.07, name


def test_a_caption_of_share_one_names_every_pattern_and_of_share_zero_none():
    rng = random.Random(3)

    full = [caption(SCENE, rng, pattern_share=1).split() for _ in range(200)]
    bare = [caption(SCENE, rng, pattern_share=0).split() for _ in range(200)]

    assert " ".join(WORDS.values()) == (
        "whole long red car facing-left hatless white tree left-side two A meadow from-ground"
    )
    assert list(WORDS.values()) in full
    assert {WORDS[name] for name in PATTERN_FACTORS} <= set.intersection(*map(set, full))
    assert set().union(*bare) == {WORDS[name] for name in BASE_FACTORS}
    assert all(words == [word for word in WORDS.values() if word in words] for words in full + bare)


def test_every_word_of_a_caption_is_known_and_is_used():
    rng = random.Random(1)

    said = {word for _ in range(2000) for word in caption(sample_scene(rng), rng).split()}

    assert sorted(said) == caption_words()


def test_a_factors_word_tells_it_from_all_other_factors():
    words = [word for name in FACTORS for word in words_for(name)]

    assert len(set(words)) == len(words) == len(caption_words())


def test_a_caption_about_another_keeps_the_base_words_and_draws_the_nine_anew():
    rng = random.Random(7)

    captions = [
        caption(SCENE, rng, pattern_share=1, is_about_another=True).split() for _ in range(2000)
    ]

    assert all("car" in words for words in captions)
    for name in BASE_FACTORS:
        assert {word for words in captions for word in words} & set(FACTORS[name]) == {WORDS[name]}
    for name, values in PATTERN_FACTORS.items():
        counts = [sum(word in words for words in captions) for word in words_for(name)]
        assert sum(counts) == len(captions), name
        assert min(counts) > 0.8 * len(captions) / len(values), name


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        ("state", "whole red car"),
        ("structure", "long red car"),
        ("orientation", "red car facing-left"),
        ("presence", "red car hatless"),
        ("color", "red car white"),
        ("position", "red car left-side"),
        ("count", "red car two"),
        ("text", "red car A"),
        ("viewpoint", "red car from-ground"),
        ("thing", "red car tree"),
        ("kind", "red car"),
    ],
)
def test_a_statement_tells_one_factor_in_the_words_of_a_caption(factor, said):
    assert statement(SCENE, factor) == said


def test_a_number_stands_for_one_scene_of_a_seed():
    scene, rng, drawing_seed = scene_at(2, 17)
    again, same_rng, same_seed = scene_at(2, 17)

    assert (scene, drawing_seed) == (again, same_seed)
    assert caption(scene, rng) == caption(again, same_rng)
    assert len({scene_at(seed, number)[0] for seed in (2, 3) for number in range(50)}) == 100
    assert len({scene_at(seed, number)[2] for seed in (2, 3) for number in range(50)}) == 100


def test_a_folder_of_scenes_is_labelled_by_kind_and_says_all_of_each(tmp_path):
    write_scenes(tmp_path, 20, seed=2)

    rows = rows_of(tmp_path)
    assert {row["file_name"] for row in rows} == set(pictures_of(files_of(tmp_path)))
    for number, row in enumerate(rows):
        scene, rng, drawing_seed = scene_at(2, number)
        assert row == {
            "file_name": f"{scene.kind}/scene-{number:05d}.png",
            "caption": caption(scene, rng),
            **dataclasses.asdict(scene),
        }
        with Image.open(tmp_path / row["file_name"]) as image:
            assert image.size == (SIDE_PX, SIDE_PX)
            np.testing.assert_array_equal(np.asarray(image), draw_scene(scene, drawing_seed))


def test_two_folders_of_one_seed_are_equal_and_of_another_are_not(tmp_path):
    for name, seed in (("one", 2), ("two", 2), ("other", 3)):
        write_scenes(tmp_path / name, 12, seed=seed)

    one, two, other = (files_of(tmp_path / name) for name in ("one", "two", "other"))

    assert one == two
    assert not set(one.values()) & set(other.values())


def test_growth_only_adds(tmp_path):
    write_scenes(tmp_path, 8, seed=2)
    before, times = files_of(tmp_path), times_of(tmp_path)

    write_scenes(tmp_path, 12, seed=2)

    after, later = files_of(tmp_path), times_of(tmp_path)
    assert len(after) == len(before) + 4
    assert pictures_of(before).items() <= after.items()
    assert after[METADATA].startswith(before[METADATA])
    assert all(times[tmp_path / path] == later[tmp_path / path] for path in pictures_of(before))


def test_a_second_call_touches_nothing(tmp_path):
    write_scenes(tmp_path, 5, seed=2)
    times = times_of(tmp_path)

    write_scenes(tmp_path, 5, seed=2)

    assert times == times_of(tmp_path)


def test_what_a_kill_left_out_is_drawn_and_what_is_there_is_not_touched(tmp_path):
    write_scenes(tmp_path, 6, seed=2)
    before, times = files_of(tmp_path), times_of(tmp_path)
    deleted, changed, *_ = sorted(pictures_of(before))
    (tmp_path / deleted).unlink()
    (tmp_path / deleted).with_name(f".{Path(deleted).name}.part").write_bytes(b"half")
    (tmp_path / changed).write_bytes(b"mine")
    (tmp_path / METADATA).unlink()

    write_scenes(tmp_path, 6, seed=2)

    assert files_of(tmp_path) == before | {changed: b"mine"}
    untouched = set(pictures_of(before)) - {deleted, changed} | {MARK}
    assert all(times[tmp_path / name] == times_of(tmp_path)[tmp_path / name] for name in untouched)


@pytest.mark.parametrize("mark", [None, b"another version"])
def test_pictures_of_another_version_of_the_drawing_are_drawn_again(tmp_path, mark):
    write_scenes(tmp_path, 6, seed=2)
    before = files_of(tmp_path)
    for path in pictures_of(before):
        (tmp_path / path).write_bytes(b"as it was drawn once")
    (tmp_path / MARK).unlink() if mark is None else (tmp_path / MARK).write_bytes(mark)

    write_scenes(tmp_path, 6, seed=2)

    assert files_of(tmp_path) == before
