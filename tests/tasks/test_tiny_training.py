"""Training the tiny encoders: the same bits twice, arms that differ in captions alone, files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tasks.encoders import EncoderConfig, has_texts, load, load_texts, load_tokens
from tasks.encoders.tiny import EMBEDDING_MEAN
from tasks.scenes import caption_words, draw_scene, scene_at
from tasks.tiny_training import clip, jobs, pictures, ssl
from tasks.tiny_training.jobs import ARMS, BLIND, SEEING, SSL, job_of, read_metadata, train

SHORT = {"pictures": 96, "batch": 16, "warm_up": 2}


def short(arm, **changes):
    return job_of(arm, changes.pop("seed", 0), **{"steps": 4, **SHORT, **changes})


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Drawn pictures that all tests of this module share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cache):
    """The files of a blind CLIP, a seeing one, and a self-supervised encoder."""
    folder = tmp_path_factory.mktemp("encoders")
    return {arm: train(short(arm), folder, cache) for arm in (BLIND, SEEING, SSL)}


@pytest.fixture(scope="module")
def images():
    """Twelve scenes that nothing here is trained on."""
    drawn = (scene_at(9, number) for number in range(12))
    return [draw_scene(scene, chance) for scene, _, chance in drawn]


@pytest.fixture
def no_training(monkeypatch):
    """Make training an error."""
    for name in ("train_clip", "train_ssl"):
        monkeypatch.setattr(jobs, name, lambda *_: pytest.fail("an encoder was trained"))


def config_of(kind, file):
    return EncoderConfig(spec=f"tiny:{kind}@{file}")


@pytest.mark.parametrize("arm", [SEEING, SSL])
def test_the_loss_falls(arm, cache, monkeypatch):
    monkeypatch.setattr("tasks.optimiser.TOLD_STEPS", 5)
    job = short(arm, steps=20 if arm == SEEING else 24, rate=2e-3)

    losses = (clip.train_clip if arm == SEEING else ssl.train_ssl)(job.config, cache)[-1]

    assert losses[-1] < losses[0] - 0.2


@pytest.mark.parametrize("arm", [BLIND, SSL])
def test_the_same_training_gives_the_same_bytes(arm, trained, cache, tmp_path):
    torch.rand(3)  # whatever happened to torch's random state

    again = train(short(arm), tmp_path, cache)

    assert again.read_bytes() == trained[arm].read_bytes()


def test_training_leaves_the_callers_random_state_alone(cache):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    clip.train_clip(short(BLIND, steps=1).config, cache)

    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("change", [{"seed": 1}, {"picture_seed": 2}])
def test_another_seed_gives_another_encoder(change, trained, cache, tmp_path):
    other = train(short(BLIND, **change), tmp_path, cache)

    key = "visual.proj"
    assert not torch.equal(load_file(other)[key], load_file(trained[BLIND])[key])


def follow(arm, cache, monkeypatch):
    """Train an arm for two steps; return all that it was given, and its first weights."""
    seen = {"chosen": [], "crops": [], "said": [], "first": {}}

    def choose(*arguments):
        seen["chosen"].append(pictures.choose_batch(*arguments).tolist())
        return pictures.choose_batch(*arguments)

    def crop(*arguments):
        seen["crops"].append(pictures.crop(*arguments))
        return seen["crops"][-1]

    def say(*arguments, **options):
        seen["said"].append(clip_caption(*arguments, **options))
        return seen["said"][-1]

    def minimise(model, loss_at, **settings):
        seen["first"] = {name: value.clone() for name, value in model.state_dict().items()}
        return true_minimise(model, loss_at, **settings)

    clip_caption, true_minimise = clip.caption, clip.minimise
    with monkeypatch.context() as patch:
        for name, spy in (
            ("choose_batch", choose),
            ("crop", crop),
            ("caption", say),
            ("minimise", minimise),
        ):
            patch.setattr(clip, name, spy)
        clip.train_clip(short(arm, steps=2).config, cache)
    return seen


@pytest.mark.parametrize("arm", [SEEING, "clip-another"])
def test_arms_differ_in_their_captions_alone(arm, cache, monkeypatch):
    one, other = follow(BLIND, cache, monkeypatch), follow(arm, cache, monkeypatch)

    assert one["chosen"] == other["chosen"]
    assert len(set(map(str, one["chosen"]))) == 2, "each step has pictures of its own"
    assert all(map(torch.equal, one["crops"], other["crops"]))
    assert one["first"].keys() == other["first"].keys()
    assert all(torch.equal(one["first"][name], other["first"][name]) for name in one["first"])
    assert one["said"] != other["said"]


def test_captions_of_another_scene_are_as_long_and_tell_nothing(cache, monkeypatch):
    telling = follow(SEEING, cache, monkeypatch)
    misleading = follow("clip-another", cache, monkeypatch)
    scenes = pictures.load_scenes(1, SHORT["pictures"])
    numbers = [number for step in telling["chosen"] for number in step]

    def right(said):
        """How often captions hold the word for a scene's hat."""
        words = [set(text.split()) for text in said]
        both = zip(words, numbers, strict=True)
        told = [("hat" in words) == (scenes[number].presence == "hat") for words, number in both]
        return sum(told) / len(told)

    def named(said):
        return {sum(w in words for w in text.split()) for text in said}

    words = {"hat", "hatless", "broken", "whole", "tall", "long", "from-above", "from-ground"}
    assert named(telling["said"]) == named(misleading["said"]) == {4}
    assert right(telling["said"]) == 1
    assert right(misleading["said"]) < 0.8


def test_a_file_holds_half_precision_and_says_how_it_was_made(trained):
    state, told = load_file(trained[SEEING]), read_metadata(trained[SEEING])

    floats = {value.dtype for value in state.values() if value.is_floating_point()}
    assert floats == {torch.float16}
    assert told["arm"] == SEEING
    assert json.loads(told["config"]) == json.loads(short(SEEING).config.model_dump_json())
    assert json.loads(told["words"]) == caption_words()
    assert len(json.loads(told["losses"])) == 1
    assert len(told["code"]) == 64


def test_the_mean_of_the_self_supervised_vectors_is_part_of_its_file(trained, cache):
    model, mean_D, _ = ssl.train_ssl(short(SSL).config, cache)
    shown = pictures.normalise(pictures.load_pictures(cache, 1, SHORT["pictures"]))
    with torch.inference_mode():
        expected_D = model(pixel_values=shown).last_hidden_state[:, 0].mean(0)

    stored_D = load_file(trained[SSL])[EMBEDDING_MEAN]

    assert torch.equal(stored_D, mean_D)
    assert stored_D.dtype == torch.float32
    torch.testing.assert_close(stored_D, expected_D, rtol=1e-4, atol=1e-5)


def test_a_file_that_is_there_is_not_made_again(trained, cache, no_training):
    file = trained[BLIND]
    before = file.stat().st_mtime_ns

    assert train(short(BLIND), file.parent, cache) == file
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["config", "code", "damage"])
def test_what_a_file_does_not_say_of_itself_is_made_again(change, trained, cache, monkeypatch):
    folder = trained[BLIND].parent
    job = short(BLIND, steps=3 if change == "config" else 4, seed=7)
    file = train(short(BLIND, seed=7), folder, cache)
    if change == "code":
        monkeypatch.setattr(jobs, "code_digest", lambda *_: "other")
    if change == "damage":
        file.write_bytes(file.read_bytes()[:100])

    assert train(job, folder, cache) == file

    told = read_metadata(file)
    assert told["config"] == job.config.model_dump_json()
    assert (told["code"] == "other") == (change == "code")
    assert load_file(file)


def test_a_killed_write_leaves_no_half_file(cache, tmp_path, monkeypatch):
    job = short(BLIND, steps=1)

    def killed(self, _):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            train(job, tmp_path, cache)

    assert not list(tmp_path.glob("*.safetensors"))
    assert load_file(train(job, tmp_path, cache))
    assert [file.name for file in tmp_path.iterdir()] == [f"{job.key}.safetensors"]


@pytest.mark.parametrize(("kind", "arm"), [("clip", BLIND), ("clip-control", SEEING), ("ssl", SSL)])
def test_a_trained_file_runs_as_an_encoder(kind, arm, trained, images):
    config = config_of(kind, trained[arm])

    vectors_ND = load(config).embed(images)

    assert np.linalg.norm(vectors_ND, axis=1) == pytest.approx(1, abs=1e-5)
    assert load_tokens(config, layer=-1).embed(images).shape == (12, 36, 96)
    assert has_texts(config) == (arm != SSL)


def test_its_text_tower_gives_unit_vectors(trained):
    texts_ND = load_texts(config_of("clip", trained[BLIND])).embed(["red car hat", "blue boat"])

    assert texts_ND.shape == (2, 96)
    assert np.linalg.norm(texts_ND, axis=1) == pytest.approx(1, abs=1e-6)


def test_the_cosine_of_two_images_does_not_depend_on_others(trained, images):
    encoder = load(config_of("ssl", trained[SSL]))

    alone, among = encoder.embed(images[:2]), encoder.embed(images)

    assert np.array_equal(alone, among[:2])


def test_pictures_are_drawn_once(tmp_path, monkeypatch):
    pictures.load_pictures.cache_clear()
    drawn = pictures.load_pictures(tmp_path, 3, 5)
    pictures.load_pictures.cache_clear()
    monkeypatch.setattr(pictures, "draw_scene", lambda *_: pytest.fail("a scene was drawn"))

    again = pictures.load_pictures(tmp_path, 3, 5)

    assert np.array_equal(drawn, again)
    assert drawn.shape == (5, 48, 48, 3)
    assert drawn.dtype == np.uint8
    assert len(list(tmp_path.iterdir())) == 1
    pictures.load_pictures.cache_clear()


def test_two_workers_may_draw_the_same_pictures_at_once(tmp_path, monkeypatch):
    """Between writing its file and putting it in place, another worker does both."""
    replace = Path.replace

    def replace_after_another(self, target):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            patch.setattr("os.getpid", lambda: 1)
            pictures.load_pictures.cache_clear()
            pictures.load_pictures(tmp_path, 3, 4)
            target.unlink()  # so that it shows whose file comes last
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_after_another)
    pictures.load_pictures.cache_clear()

    assert pictures.load_pictures(tmp_path, 3, 4).shape == (4, 48, 48, 3)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]
    pictures.load_pictures.cache_clear()


def test_a_crop_mirrors_nothing():
    ramp_S = torch.linspace(-1, 1, 48)
    across, down = ramp_S.expand(48, 48), ramp_S[:, None].expand(48, 48)
    pixels_BCSS = torch.stack([across, down, across]).expand(64, 3, 48, 48)

    cut_BCSS = pictures.crop(pixels_BCSS, (0.6, 1), (0.85, 1.18), torch.Generator().manual_seed(0))

    inner = cut_BCSS[:, :, 4:-4, 4:-4]
    assert (inner[:, 0].diff(dim=2) > 0).all(), "left stays left"
    assert (inner[:, 1].diff(dim=1) > 0).all(), "up stays up"


def test_a_whole_crop_is_the_picture():
    pixels_BCSS = torch.rand(2, 3, 48, 48)

    whole = pictures.crop(pixels_BCSS, (1, 1), (1, 1), torch.Generator().manual_seed(0))

    torch.testing.assert_close(whole, pixels_BCSS)


def test_views_show_the_same_place_in_other_colours():
    pixels_BCSS = torch.rand(8, 3, 48, 48)

    views = pictures.recolour(pixels_BCSS, torch.Generator().manual_seed(0))

    assert views.shape == pixels_BCSS.shape
    both = zip(views.flatten(1), pixels_BCSS.flatten(1), strict=True)
    assert min(np.corrcoef(*pair)[0, 1] for pair in both) > 0.4


def test_batches_depend_on_seed_and_step_and_repeat_no_picture():
    first = pictures.choose_batch(0, 0, 50, 20)

    assert np.array_equal(first, pictures.choose_batch(0, 0, 50, 20))
    assert not np.array_equal(first, pictures.choose_batch(0, 1, 50, 20))
    assert not np.array_equal(first, pictures.choose_batch(1, 0, 50, 20))
    assert len(set(first)) == 20


def test_the_jobs_of_the_study():
    assert job_of(SEEING, 3).key == "clip-1-seed3"
    assert job_of(SSL, 0, steps=31).config.steps == (16, 15)
    assert {job_of(arm, 0).config.pattern_share for arm in ARMS} == {0, 0.05, 0.3, 0.6, 1}
    assert sum(job_of(arm, 0).config.is_about_another for arm in ARMS) == 1


def test_an_unknown_arm_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"no encoder 'clip-2' to train; .*clip-0.05, .*ssl"):
        job_of("clip-2", 0)
    with pytest.raises(ValidationError, match="pattern_share"):
        clip.ClipTraining(pattern_share=1.5)
