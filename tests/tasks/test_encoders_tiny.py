"""The shipped encoders: their patch tokens, their text towers, and the words that these know."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

from tasks.encoders import EncoderConfig, has_texts, identify, load, load_texts, load_tokens
from tasks.encoders.tiny import SHIPPED, WORDS, read_words
from tasks.encoders.tiny_models import TEXT_TOKENS
from tasks.encoders.tiny_words import PAD, START, UNKNOWN, Words
from tasks.scenes import caption_words, draw_scene, scene_at, statement

ALL = ("clip", "clip-control", "ssl")


def config(name):
    return EncoderConfig(spec=f"tiny:{name}")


def tokens_of(name, layer, images):
    return load_tokens(config(name), layer=layer).embed(images)


def draw(changes, count=20):
    """Draw scenes that have these values; return them and what they show."""
    drawn = [scene_at(5, number) for number in range(count)]
    scenes = [dataclasses.replace(scene, **changes) for scene, *_ in drawn]
    chances = [chance for *_, chance in drawn]
    return [draw_scene(s, c) for s, c in zip(scenes, chances, strict=True)], scenes


@pytest.fixture(scope="module")
def images():
    return draw({}, 5)[0]


def test_a_token_a_word():
    words = Words(["red", "car"])

    assert words.tokens(["red car", "car"]).tolist() == [
        [START, 3, 4, 5, *[PAD] * 13],
        [START, 4, 5, *[PAD] * 14],
    ]
    assert len(words) == 6


def test_a_word_that_is_not_known_has_a_token_of_its_own():
    assert Words(["red"]).tokens(["red zebra"])[0, :4].tolist() == [START, 3, UNKNOWN, 4]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 40])
def test_the_end_is_always_there_and_has_the_highest_token(count):
    words = Words(["red", "car"])

    (row,) = words.tokens(["car " * count]).tolist()

    assert len(row) == TEXT_TOKENS
    assert row.index(max(row)) == min(count, TEXT_TOKENS - 2) + 1
    assert row.count(len(words) - 1) == 1


def test_the_shipped_text_towers_know_the_words_of_captions():
    for name in ("clip", "clip-control"):
        assert read_words(SHIPPED / f"tiny-{name}.safetensors") == caption_words()


@pytest.mark.parametrize("name", ALL)
def test_a_shipped_encoder_gives_a_vector_and_thirty_six_tokens_an_image(name, images):
    vectors_ND = load(config(name)).embed(images)
    tokens_NPD = tokens_of(name, -1, images)

    assert vectors_ND.shape == (5, 96)
    assert tokens_NPD.shape == (5, 36, 96)
    assert tokens_NPD.dtype == np.float32
    assert load_tokens(config(name), layer=-1).identity == identify(config(name))


@pytest.mark.parametrize("name", ALL)
def test_each_layer_has_its_own_tokens(name, images):
    last, before = (tokens_of(name, layer, images) for layer in (-1, -2))

    assert not np.allclose(last, before, atol=1e-2)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("layer", [0, 1, -3])
def test_a_layer_that_there_is_not_is_refused(name, layer):
    with pytest.raises(ValueError, match=rf"has 2 blocks, found layer {layer}; count from the end"):
        load_tokens(config(name), layer=layer)


@pytest.mark.parametrize("name", ["clip", "clip-control"])
def test_a_clips_vector_is_the_mean_of_its_last_tokens(name, images):
    state = {k: v.float() for k, v in load_file(SHIPPED / f"tiny-{name}.safetensors").items()}
    tokens_NPD = torch.from_numpy(tokens_of(name, -1, images))
    norm = (state["visual.ln_post.weight"], state["visual.ln_post.bias"])

    normed_NPD = functional.layer_norm(tokens_NPD, (96,), *norm)
    vectors_ND = functional.normalize(normed_NPD.mean(1) @ state["visual.proj"], dim=1)

    assert np.allclose(vectors_ND, load(config(name)).embed(images), atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_an_images_tokens_do_not_depend_on_others(name, images):
    assert np.array_equal(tokens_of(name, -1, images[:1]), tokens_of(name, -1, images)[:1])


def test_the_tokens_of_no_image_are_refused():
    with pytest.raises(ValueError, match="no image at all"):
        tokens_of("clip", -1, [])


def test_texts_have_unit_vectors_and_each_word_counts():
    texts = load_texts(config("clip-control"))

    hat_D, hatless_D = texts.embed(["red car hat", "red car hatless"])

    assert np.linalg.norm([hat_D, hatless_D], axis=1) == pytest.approx(1, abs=1e-6)
    assert hat_D @ hatless_D < 0.9
    assert np.array_equal(texts.embed(["red car hat"])[0], hat_D)


@pytest.mark.parametrize(
    ("factor", "values", "blind_range", "seeing_range"),
    [
        ("kind", ("car", "duck"), (0.8, 1), (0.8, 1)),
        ("presence", ("hat", "no hat"), (0, 0.25), (0.8, 1)),
        ("state", ("broken", "whole"), (0, 0.25), (0.8, 1)),
    ],
)
def test_captions_decide_what_a_clip_sees(factor, values, blind_range, seeing_range):
    """By the rule of MMVP-VLM, on pairs of scenes that differ in one factor."""
    shown = [draw({factor: value}) for value in values]
    for name, (low, high) in (("clip", blind_range), ("clip-control", seeing_range)):
        encoder, texts = load(config(name)), load_texts(config(name))
        a_ND, b_ND = (encoder.embed(images) for images, _ in shown)
        say_a_ND, say_b_ND = (
            texts.embed([statement(scene, factor) for scene in scenes]) for _, scenes in shown
        )
        gaps = [(say_a_ND * (a_ND - b_ND)).sum(1), (say_b_ND * (b_ND - a_ND)).sum(1)]

        assert low <= (np.minimum(*gaps) > 0).mean() <= high, name


@pytest.mark.parametrize(
    "spec", ["tiny:ssl", "tiny:clip/random", "tiny:ssl/random", "timm:resnet18/random"]
)
def test_an_encoder_without_a_text_tower_is_said(spec):
    no_texts = EncoderConfig(spec=spec)

    assert not has_texts(no_texts)
    with pytest.raises(ValueError, match=f"encoder '{spec}' has no text tower to ask"):
        load_texts(no_texts)


def test_other_libraries_give_no_tokens_yet():
    with pytest.raises(ValueError, match="gives no patch tokens yet; those of tiny: do"):
        load_tokens(EncoderConfig(spec="timm:resnet18/random"), layer=-1)


def test_random_weights_have_tokens(images):
    assert tokens_of("clip/random", -2, images).shape == (5, 36, 96)


@pytest.mark.parametrize("words", [None, "[", "[]"])
def test_a_file_that_tells_no_words_has_no_text_tower(words, tmp_path, images):
    file = tmp_path / "w.safetensors"
    metadata = None if words is None else {WORDS: words}
    save_file(load_file(SHIPPED / "tiny-clip.safetensors"), file, metadata)

    assert not has_texts(config(f"clip@{file}"))
    assert load(config(f"clip@{file}")).embed(images).shape == (5, 96)


def test_a_text_tower_may_know_other_words(tmp_path, images):
    file = tmp_path / "w.safetensors"
    state = load_file(SHIPPED / "tiny-clip.safetensors")
    state["token_embedding.weight"] = state["token_embedding.weight"][:6].contiguous()
    save_file(state, file, {WORDS: '["red", "car"]'})

    assert load_texts(config(f"clip@{file}")).embed(["red car"]).shape == (1, 96)
    assert np.array_equal(
        load(config(f"clip@{file}")).embed(images), load(config("clip")).embed(images)
    )


def test_asking_for_a_text_tower_imports_no_torch():
    code = (
        "import sys; from tasks.encoders import *;"
        "print(has_texts(EncoderConfig(spec='tiny:clip')), 'torch' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True False\n"


@pytest.mark.parametrize("name", ALL)
def test_a_shipped_file_says_how_it_was_trained(name):
    with safe_open(SHIPPED / f"tiny-{name}.safetensors", "pt") as opened:
        told = opened.metadata()

    arms = {"clip": "clip-0.05", "clip-control": "clip-1", "ssl": "ssl"}
    assert told["arm"] == arms[name]
    assert {"config", "code", "losses"} <= told.keys()
