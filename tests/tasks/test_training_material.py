"""What models learn from, and which models there are to train."""

import dataclasses

import pytest
from pydantic import ValidationError

from storage.paths import Metadata
from tasks.training import material
from tasks.training.material import Example
from tasks.training.recipe import TrainConfig, Variant, variants

SIX = {
    f"image{number}": Metadata(
        label=None,
        caption=None if number == 3 else f"a {('cat', 'dog')[number % 2]}",
        attributes={} if number == 5 else {"fur": ("white", "black")[number % 2], "age": "2"},
    )
    for number in range(6)
}
HELD = {image: [f"/photos/{image}.png"] for image in SIX}


def gather(metadata=SIX, held=HELD, without=(), most=None):
    return material.gather(metadata, held, without=without, most=most)


def names(examples):
    return [example.image for example in examples]


def test_an_example_has_its_caption_and_a_turn_a_fact():
    first = gather()[0]

    assert first == Example(
        image="image0",
        paths=("/photos/image0.png",),
        caption="a cat",
        turns=(
            ("What is the age in this picture?", "2"),
            ("What is the fur in this picture?", "white"),
        ),
    )


def test_images_that_are_asked_about_are_left_out():
    assert names(gather(without={"image1", "image4"})) == ["image0", "image2", "image3", "image5"]


def test_an_image_that_nothing_is_known_of_is_left_out():
    told = SIX | {"image4": Metadata(label=None, caption=None, attributes={})}

    examples = gather(told)

    assert names(examples) == ["image0", "image1", "image2", "image3", "image5"]
    assert [example.image for example in examples if example.caption is None] == ["image3"]
    assert [example.image for example in examples if not example.turns] == ["image5"]


def test_the_order_of_images_is_that_of_their_ids():
    reverse = gather(dict(reversed(SIX.items())), dict(reversed(HELD.items())))

    assert reverse == gather()
    assert names(gather(most=2, without={"image0"})) == ["image1", "image2"]


def test_captions_are_asked_for_and_not_about():
    told = {
        image: Metadata(label=None, caption=f"picture {image}", attributes={}) for image in HELD
    }

    assert [example.turns for example in gather(told)] == [()] * 6


def test_labels_are_asked_about_where_there_is_nothing_else():
    told = {
        image: Metadata(label=label, caption=None, attributes={})
        for image, label in zip(HELD, "aabbcc", strict=True)
    }

    assert gather(told)[0].turns == (("What does this picture show?", "a"),)


def test_the_digest_covers_what_is_learnt_and_no_path():
    examples = gather()
    moved = gather(held={image: ["/elsewhere.png", "/twice.png"] for image in SIX})

    assert material.digest_of(moved) == material.digest_of(examples)
    for change in ({"caption": "x"}, {"turns": ()}, {"image": "x"}):
        other = [dataclasses.replace(examples[0], **change), *examples[1:]]
        assert material.digest_of(other) != material.digest_of(examples)
    assert material.digest_of(examples[::-1]) != material.digest_of(examples)


def test_what_is_kept_is_read_again(tmp_path):
    examples = gather()

    file = material.keep(examples, tmp_path / "cache")

    assert material.load(file) == tuple(examples)
    before = file.stat().st_mtime_ns
    assert material.keep(examples, tmp_path / "cache") == file
    assert file.stat().st_mtime_ns == before
    assert material.keep(examples[1:], tmp_path / "cache") != file
    assert {path.suffix for path in file.parent.iterdir()} == {".json"}


def labels(config, roles):
    return [variant.label for variant in variants(config, roles)]


def test_every_mixture_is_a_model():
    assert labels(TrainConfig(), ("clip", "ssl", "control")) == [
        "mof-clip-seed0",
        "mof-ssl-seed0",
        "mof-additive-0.25-seed0",
        "mof-additive-0.5-seed0",
        "mof-additive-0.75-seed0",
        "mof-interleaved-seed0",
        "mof-clip-control-seed0",
    ]


def test_without_a_control_there_is_no_model_of_it():
    without = labels(TrainConfig(), ("clip", "ssl"))

    assert without == [
        name for name in labels(TrainConfig(), ("clip", "ssl", "control")) if "control" not in name
    ]


def test_every_seed_has_all_models_and_none_is_named_twice():
    config = TrainConfig(
        features=("clip", "additive", "clip"), ssl_shares=(1, 1.0), seeds=(3, 1, 3)
    )

    assert variants(config, ("clip", "ssl")) == [
        Variant("clip", None, 3),
        Variant("additive", 1.0, 3),
        Variant("clip", None, 1),
        Variant("additive", 1.0, 1),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ssl_shares": (0.5, 1.5)}, "ssl_shares"),
        ({"features": ("clip", "dino")}, "features"),
        ({"width": 98}, "width is 98 and heads is 2; expected a width that is a multiple"),
        ({"steps": 0}, "steps"),
    ],
)
def test_settings_that_make_no_model_are_refused_at_once(changes, words):
    with pytest.raises(ValidationError, match=words):
        TrainConfig(**changes)


def test_which_others_are_trained_decides_no_bit_of_a_model():
    config = TrainConfig()
    beside_others = TrainConfig(features=("clip",), ssl_shares=(0.1,), seeds=(1, 2), images=9)

    assert beside_others.of_each_model() == config.of_each_model()
    for change in ({"steps": 7}, {"width": 48}, {"decay": 0.5}, {"turns": 1}):
        assert TrainConfig(**change).of_each_model() != config.of_each_model()
