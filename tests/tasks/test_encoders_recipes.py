"""Preprocessing: the pixels of torchvision, open_clip and timm, and images of odd shapes."""

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
from torchvision.transforms.v2 import functional

from tasks.encoders import EncoderConfig, identify
from tasks.encoders.recipes import Recipe, fit
from tasks.encoders.towers import Tower


def recipe(resize_px=256, crop_px=224, resize="shortest", interpolation="bicubic"):
    return Recipe(
        resize_px=resize_px,
        crop_px=crop_px,
        resize=resize,
        interpolation=interpolation,
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.3, 0.25),
    )


def photo(height, width, seed=0):
    """Smooth, coloured and noisy, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize(
    ("height", "width"), [(333, 501), (501, 333), (37, 55), (224, 224), (256, 411), (300, 3999)]
)
def test_pixels_are_those_of_pillow_up_to_single_roundings(height, width, resize, interpolation):
    image, settings = photo(height, width), recipe(resize=resize, interpolation=interpolation)
    size = 256 if resize == "shortest" else (256, 256)
    theirs = Compose([Resize(size, InterpolationMode(interpolation)), CenterCrop(224)])

    off = np.abs(fit(image, settings).astype(int) - np.asarray(theirs(Image.fromarray(image))))
    is_narrowed_last = resize == "squash" and height > width  # Pillow 13: height first, then width
    assert off.max() <= 2
    assert (off > 0).mean() < (0.3 if is_narrowed_last else 0.01)


def prepare(image, settings):
    """The input of a model with these settings."""
    tower = Tower(torch.nn.Identity(), torch.nn.Identity(), settings, torch.float32, None)
    return tower(torch.from_numpy(fit(image, settings))[None])[0].numpy()


def same_but_for_roundings(ours, theirs, settings):
    values = (ours - theirs) * np.reshape(settings.std, (3, 1, 1)) * 255
    return np.abs(values).max() < 2.001 and (np.abs(values) > 0.001).mean() < 0.01


def test_input_is_open_clips():
    stored = identify(EncoderConfig(spec="open_clip:ViT-B-32/random")).facts["recipe"]
    image = photo(301, 433)

    theirs = open_clip.image_transform(224, is_train=False)(Image.fromarray(image)).numpy()

    assert same_but_for_roundings(prepare(image, Recipe(**stored)), theirs, Recipe(**stored))


def test_an_image_that_fits_is_normalised_bit_for_bit_as_open_clip_does():
    stored = identify(EncoderConfig(spec="open_clip:ViT-B-32/random")).facts["recipe"]
    image = photo(224, 224)

    theirs = open_clip.image_transform(224, is_train=False)(Image.fromarray(image)).numpy()

    assert np.array_equal(prepare(image, Recipe(**stored)), theirs)


SQUASHED = "vit_so150m2_patch16_reg1_gap_448.sbb_e200_in12k_ft_in1k"


@pytest.mark.parametrize("name", ["resnet10t", "test_vit", "vit_base_patch16_224.mae", SQUASHED])
def test_input_is_timms(name):
    stored = identify(EncoderConfig(spec=f"timm:{name}/random")).facts["recipe"]
    image = photo(301, 433)

    settings = resolve_data_config(pretrained_cfg=get_pretrained_cfg(name).to_dict())
    theirs = create_transform(**settings)(Image.fromarray(image)).numpy()

    assert same_but_for_roundings(prepare(image, Recipe(**stored)), theirs, Recipe(**stored))


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1), (3, 60_000), (2, 33)])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_no_shape_crashes_or_fills_the_memory(shape, resize, monkeypatch):
    image, sizes, plain = photo(*shape), [], functional.resize
    monkeypatch.setattr(
        functional,
        "resize",
        lambda image, size, **k: sizes.append(size) or plain(image, size, **k),
    )

    pixels = fit(image, recipe(resize=resize))

    assert pixels.shape == (224, 224, 3)
    assert all(width * height < 20 * 256 * 256 for width, height in sizes)


def test_an_extreme_image_has_the_pixels_of_the_plain_way():
    image = photo(40, 2000)
    plain = Compose([Resize(64, InterpolationMode.BICUBIC), CenterCrop(48)])

    difference = fit(image, recipe(64, 48)).astype(int) - np.asarray(plain(Image.fromarray(image)))

    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["grey", "four channels", "float", "empty"],
)
def test_what_is_no_rgb_image_is_refused(image):
    with pytest.raises(ValueError, match="expected uint8 RGB of shape"):
        fit(image, recipe())


def test_another_input_side_keeps_the_margin():
    assert (recipe().at(112).resize_px, recipe().at(112).crop_px) == (128, 112)
    assert recipe().at(None) == recipe().at(224) == recipe()


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="cannot crop 256 px from an image resized to 224 px"):
        recipe(224, 256)
