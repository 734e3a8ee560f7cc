"""What a processor makes of an image is what each tower's own processor would have made of it."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BitImageProcessor,
    CLIPImageProcessor,
    DINOv3ViTImageProcessor,
    SiglipImageProcessor,
    ViTImageProcessor,
)
from transformers.models.llava.image_processing_llava import LlavaImageProcessor

from tasks.mof.vision import tower_input
from tests.tasks.test_mof_config import CANVAS_PX, towers_of

SQUARE = {"height": CANVAS_PX, "width": CANVAS_PX}
CANVAS = {
    "size": {"shortest_edge": CANVAS_PX},
    "crop_size": SQUARE,
    "do_rescale": False,
    "do_normalize": False,
}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
OWN = {
    "clip": CLIPImageProcessor(),
    "siglip": SiglipImageProcessor(),
    "dinov2": BitImageProcessor(**_IMAGENET),
    "registers": BitImageProcessor(**_IMAGENET),
    "dinov3": DINOv3ViTImageProcessor(),
    "mae": ViTImageProcessor(**_IMAGENET),
}
"""As the models' own files have them: where it says ImageNet the class has other numbers."""


def photo(width, height, seed=0):
    """A picture that is smooth enough to be resized alike by all."""
    rows, columns = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = np.sin(rows[..., None] / 9 + phase) * np.cos(columns[..., None] / 7 + phase)
    return Image.fromarray(np.uint8(127 + 120 * waves))


def canvas_of(image, **options):
    processor = LlavaImageProcessor(**{**CANVAS, **options})
    return processor(image, return_tensors="pt")["pixel_values"]


@pytest.mark.parametrize("size", [(56, 56), (90, 70), (61, 143)])
def test_the_canvas_of_an_image_of_any_size_is_clips_own(size):
    own = CLIPImageProcessor(size={"shortest_edge": CANVAS_PX}, crop_size=SQUARE)
    (clip,) = towers_of("clip")

    canvas = canvas_of(photo(*size))
    seen = tower_input(clip, canvas / 255)

    assert canvas.dtype == torch.uint8
    expected = own(photo(*size), return_tensors="pt")["pixel_values"]
    assert torch.allclose(seen, expected, atol=1e-5)


@pytest.mark.parametrize("family", OWN)
def test_each_tower_has_its_own_normalisation(family):
    (tower,) = towers_of(family)

    seen = tower_input(tower, canvas_of(photo(56, 56)) / 255)

    own = OWN[family](photo(56, 56), do_resize=False, do_center_crop=False, return_tensors="pt")[
        "pixel_values"
    ]
    assert torch.allclose(seen, own, atol=1e-5)


@pytest.mark.parametrize("size", [(60, 30), (30, 60), (57, 56)])
def test_padding_to_a_square_centres_the_image_on_clips_mean(size):
    image = photo(*size)
    side = max(size)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))

    padded = canvas_of(image, do_pad=True, do_resize=False, do_center_crop=False)

    assert np.array_equal(padded[0].permute(1, 2, 0).numpy(), np.asarray(square))


def test_a_whole_canvas_is_padded_before_it_is_resized():
    image = photo(120, 60)
    square = Image.new("RGB", (120, 120), (122, 116, 104))
    square.paste(image, (0, 30))

    assert torch.equal(canvas_of(image, do_pad=True), canvas_of(square))
