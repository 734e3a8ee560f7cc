"""Every tower looks at the same canvas and answers with one token a patch, in order."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, CLIPImageProcessor

from tasks.mof import MofVisionModel
from tasks.mof.vision import tower_input
from tests.tasks.test_mof_config import (
    CANVAS_PX,
    FAMILIES,
    TIMM,
    VISION,
    stored,
    tiny_config,
    tower,
)


def vision_model(*towers, seed=0):
    torch.manual_seed(seed)
    config = tiny_config(*towers).vision_config
    return MofVisionModel._from_config(config).eval()


def canvases(count=2, side=CANVAS_PX, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def features_of(model, pixels):
    with torch.no_grad():
        return model(pixels).hidden_states


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tower_gives_one_token_a_patch_whatever_its_family(family):
    model = vision_model(FAMILIES[family])
    described = model.config.towers[0]

    (first,) = features_of(model, canvases(3))
    (second,) = features_of(model, canvases(3))
    (alone,) = features_of(model, canvases(3)[1:2])

    assert first.shape == (3, described["grid_size"] ** 2, described["hidden_size"])
    assert torch.isfinite(first).all()
    assert torch.equal(first, second), "nothing is drawn at random, not even by ViT-MAE"
    assert torch.allclose(alone[0], first[1], atol=1e-5)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "timm"])
def test_token_k_looks_at_patch_k(family):
    described = {**FAMILIES[family], "feature_layer": 0}
    model = vision_model(described)
    grid = model.config.towers[0]["grid_size"]
    patch_px = 20
    side = grid * patch_px
    dark = torch.zeros(1, 3, side, side)
    lit = dark.clone()
    lit[..., patch_px + 6 : 2 * patch_px - 6, 3 * patch_px + 6 : 4 * patch_px - 6] = 1

    change_N = (features_of(model, lit)[0] - features_of(model, dark)[0]).abs().sum(-1)[0]

    assert change_N.argmax() == grid + 3, "row 1, column 3"
    assert (change_N > 1e-3).sum() == 1, "and no other token sees it"


def test_timm_tokens_come_row_by_row():
    model = vision_model(TIMM)
    dark = torch.zeros(1, 3, 64, 64)
    lit = dark.clone()
    lit[..., 16:32, 48:64] = 1

    change_N = (features_of(model, lit)[0] - features_of(model, dark)[0]).abs().sum(-1)[0]

    assert change_N.argmax() == 7


def test_many_patches_of_mae_are_told_apart_in_bfloat16():
    config = {**VISION["mae"], "image_size": 80, "patch_size": 4}
    described = {"name": "mae", "config": config, "image_size": 80, "feature_layer": 0}
    model = vision_model(described).to(torch.bfloat16)
    dark = torch.zeros(1, 3, 80, 80)
    lit = dark.clone()
    lit[..., 76:80, 72:76] = 1
    seen = []
    hook = model.towers["mae"].register_forward_pre_hook(
        lambda module, args, options: seen.append(options["noise"]), with_kwargs=True
    )

    change_N = (features_of(model, lit)[0] - features_of(model, dark)[0]).abs().sum(-1)[0]

    hook.remove()
    assert change_N.shape == (400,)
    assert change_N.argmax() == 398
    assert (seen[0].diff() > 0).all(), "equal numbers would be sorted as the device likes"


def test_the_canvas_is_what_clips_own_processor_makes_of_an_image():
    pixels = np.random.default_rng(0).integers(0, 256, (CANVAS_PX, CANVAS_PX, 3), np.uint8)
    size = {"height": CANVAS_PX, "width": CANVAS_PX}
    processor = CLIPImageProcessor(size={"shortest_edge": CANVAS_PX}, crop_size=size)
    theirs = processor(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    model = vision_model("clip")
    clip = model.towers["clip"]

    (ours,) = features_of(model, torch.from_numpy(pixels).permute(2, 0, 1)[None])

    with torch.no_grad():
        states = clip(theirs, output_hidden_states=True).hidden_states
    assert torch.allclose(ours, states[-2][:, 1:], atol=1e-5)


def test_a_tower_of_another_size_sees_the_whole_canvas_in_its_range():
    described = vision_model(tower("siglip", image_size=112)).config.towers[0]
    edges = torch.zeros(1, 3, CANVAS_PX, CANVAS_PX)
    edges[..., : CANVAS_PX // 2] = 1

    pixels = tower_input(described, edges)

    assert pixels.shape == (1, 3, 112, 112)
    assert (pixels.min(), pixels.max()) == (-1, 1), "bicubic overshoot is cut off"
    assert torch.allclose(pixels[..., :52], torch.ones(()), atol=1e-5)
    assert torch.allclose(pixels[..., 60:], -torch.ones(()), atol=1e-5)


def test_layer_minus_one_is_before_the_final_norm():
    model = vision_model(tower("dinov2", feature_layer=-1))
    dinov2 = model.towers["dinov2"]
    torch.nn.init.normal_(dinov2.layernorm.weight)

    (features,) = features_of(model, canvases())

    mean, std = (
        torch.tensor(model.config.towers[0][each])[:, None, None] for each in ("mean", "std")
    )
    with torch.no_grad():
        last = dinov2((canvases() / 255 - mean) / std).last_hidden_state
    assert torch.allclose(dinov2.layernorm(features), last[:, 1:], atol=1e-5)
    assert not torch.allclose(features, last[:, 1:], atol=1e-2)


def test_bytes_and_fractions_are_the_same_canvas():
    model = vision_model("clip", "dinov2")

    for whole, part in zip(
        features_of(model, canvases()), features_of(model, canvases() / 255), strict=True
    ):
        assert torch.equal(whole, part)


def test_towers_are_run_as_they_were_alone():
    model = vision_model("clip", "dinov2")
    model_of_one = vision_model("dinov2")
    model_of_one.towers["dinov2"].load_state_dict(model.towers["dinov2"].state_dict())

    both = features_of(model, canvases())

    assert torch.equal(features_of(model_of_one, canvases())[0], both[1])


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_tower_does_not_notice_that_the_model_trains(frozen):
    config = {**VISION["dinov2"], "hidden_dropout_prob": 0.5, "drop_path_rate": 0.5}
    model = vision_model(tower("dinov2", config=config))
    (quiet,) = features_of(model, canvases())

    model.requires_grad_(not frozen).train()
    (features,) = model(canvases()).hidden_states

    assert model.training
    assert model.towers["dinov2"].training is not frozen
    assert features.requires_grad is not frozen
    assert torch.equal(features, quiet) is frozen


def test_a_gradient_reaches_pixels_through_a_frozen_tower():
    model = vision_model("clip").requires_grad_(requires_grad=False)
    pixels = (canvases() / 255).requires_grad_()

    model(pixels).hidden_states[0].sum().backward()

    assert pixels.grad.abs().sum() > 0


def test_a_precomputed_tower_has_no_weights_and_takes_no_pixels():
    model = vision_model("clip", stored("dinov2"))

    assert list(model.towers) == ["clip"]
    with pytest.raises(ValueError, match="tower 'dinov2' is precomputed: give image_features"):
        model(canvases())


@pytest.mark.parametrize("shape", [(3, 56, 56), (1, 1, 56, 56), (1, 3, 56, 70)])
def test_a_canvas_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"pixel_values has shape .* expected"):
        vision_model("clip")(torch.zeros(shape))


def test_a_saved_encoder_can_be_used_alone(tmp_path):
    model = vision_model("clip", "mae")

    model.save_pretrained(tmp_path)
    read = AutoModel.from_pretrained(tmp_path)

    assert type(read) is MofVisionModel
    for ours, theirs in zip(
        features_of(model, canvases()), features_of(read, canvases()), strict=True
    ):
        assert torch.equal(ours, theirs)
