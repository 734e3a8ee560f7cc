"""A model is assembled of pretrained parts on disk, of every family of towers; all is whole."""

import json

import pytest
import timm
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
    TimmWrapperConfig,
    TimmWrapperModel,
)

from tasks.mof import MofConfig, MofForConditionalGeneration, describe_tower
from tests.tasks.test_mof_config import CANVAS_PX, IMAGE, TEXT, VISION
from tests.tasks.test_mof_loading import edit_weights, llama, same_weights, vision_part
from tests.tasks.test_mof_model import batch, canvases, features_of

TIMM_PX, TIMM_PATCH_PX = 64, 16


def save_timm(folder):
    """Save a small ViT as timm does on the hub: its own names, its own config."""
    options = {"img_size": TIMM_PX, "depth": 2, "embed_dim": 32, "num_heads": 2, "num_classes": 0}
    model = timm.create_model("vit_tiny_patch16_224", **options)
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 0,
        "num_features": 32,
        "model_args": {key: options[key] for key in options if key != "num_classes"},
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    wrapped = TimmWrapperModel(TimmWrapperConfig.from_dict(config))
    wrapped.timm_model.load_state_dict(model.state_dict())
    return wrapped


def save_part(name, folder):
    """Save a small vision model as it lies on the hub; return its vision half."""
    if name == "timm":
        return save_timm(folder)
    if name in {"whole clip", "whole siglip"}:
        kind, config = (
            (CLIPModel, CLIPConfig) if name == "whole clip" else (SiglipModel, SiglipConfig)
        )
        texts = {"num_hidden_layers": 1, "hidden_size": 32, "intermediate_size": 32}
        whole = kind(
            config(
                text_config={**texts, "num_attention_heads": 2},
                vision_config=VISION[name.removeprefix("whole ")],
            )
        )
        whole.save_pretrained(folder)
        return whole.vision_model
    part = vision_part(name)
    part.save_pretrained(folder)
    return part


def config_of(*towers):
    vision = {"canvas_size": CANVAS_PX, "towers": list(towers)}
    return MofConfig(vision_config=vision, text_config=TEXT, image_token_index=IMAGE)


@pytest.mark.parametrize(
    "name",
    [
        "clip",
        "siglip",
        "dinov2",
        "registers",
        "dinov3",
        "mae",
        "timm",
        "whole clip",
        "whole siglip",
    ],
)
def test_a_tower_of_any_family_is_read_from_its_folder(tmp_path, name):
    part = save_part(name, tmp_path / "part").eval()
    llama().save_pretrained(tmp_path / "language")
    fields = {"image_size": TIMM_PX, "patch_size": TIMM_PATCH_PX} if name == "timm" else {}
    tower = describe_tower("eye", str(tmp_path / "part"), feature_layer=-1, **fields)

    model = MofForConditionalGeneration.from_parts(
        config_of(tower), str(tmp_path / "language"), [str(tmp_path / "part")]
    )

    read = model.model.vision_tower.towers["eye"]
    theirs, ours = part.state_dict(), read.state_dict()
    assert ours.keys() <= theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert torch.isfinite(model(**batch(model), pixel_values=canvases()).logits).all()
    model.save_pretrained(tmp_path / "model")
    again = MofForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert same_weights(model, again)
    for one, other in zip(
        features_of(model, canvases()), features_of(again, canvases()), strict=True
    ):
        assert torch.equal(one, other)


def test_a_description_takes_the_statistics_that_lie_beside_the_weights(tmp_path):
    save_part("clip", tmp_path / "alone")
    save_part("dinov2", tmp_path / "part")
    CLIPImageProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.4, 0.5, 0.6]).save_pretrained(
        tmp_path / "part"
    )
    save_timm(tmp_path / "timm")

    towers = [
        describe_tower("alone", str(tmp_path / "alone")),
        describe_tower("part", str(tmp_path / "part")),
        describe_tower("timm", str(tmp_path / "timm"), image_size=64, patch_size=16),
    ]

    alone, part, of_timm = config_of(*towers).vision_config.towers
    assert part["mean"] == of_timm["mean"] == [0.1, 0.2, 0.3]
    assert part["std"] == of_timm["std"] == [0.4, 0.5, 0.6]
    assert alone["mean"] == pytest.approx([0.4815, 0.4578, 0.4082], abs=1e-4)


def test_weights_that_are_no_safetensors_are_refused(tmp_path):
    part = save_part("clip", tmp_path / "part")
    (tmp_path / "part" / "model.safetensors").unlink()
    torch.save(part.state_dict(), tmp_path / "part" / "pytorch_model.bin")
    config = config_of(describe_tower("eye", str(tmp_path / "part")))

    with pytest.raises(OSError, match=r"model\.safetensors"):
        MofForConditionalGeneration.from_parts(config, llama(), [str(tmp_path / "part")])


@pytest.mark.parametrize("name", ["timm", "dinov3", "whole siglip"])
def test_a_tower_with_a_weight_missing_is_refused(tmp_path, name):
    save_part(name, tmp_path / "part")
    lost = []

    def lose(tensors):
        lost.append(
            next(
                key
                for key in tensors
                if "norm" in key and ("vision" in key or name != "whole siglip")
            )
        )
        del tensors[lost[0]]

    edit_weights(tmp_path / "part", lose)
    fields = {"image_size": TIMM_PX, "patch_size": TIMM_PATCH_PX} if name == "timm" else {}
    config = config_of(describe_tower("eye", str(tmp_path / "part"), **fields))

    with pytest.raises(ValueError, match="do not fit the model; missing: ") as refused:
        MofForConditionalGeneration.from_parts(config, llama(), [str(tmp_path / "part")])

    assert lost[0].removeprefix("vision_model.") in str(refused.value)


def test_a_language_model_with_a_weight_missing_is_refused(tmp_path):
    llama().save_pretrained(tmp_path / "language")
    edit_weights(tmp_path / "language", lambda tensors: tensors.pop("model.norm.weight"))

    with pytest.raises(ValueError, match=r"missing: model\.norm\.weight"):
        MofForConditionalGeneration.from_parts(
            config_of({"name": "eye", "config": VISION["clip"]}),
            str(tmp_path / "language"),
            [AutoModel.from_config(vision_part("clip").config)],
        )
