"""Small models of every library with weights of their own, and a hub's cache that holds some."""

import json
import shutil

import open_clip
import timm
import torch
import transformers
from safetensors.torch import save_file

from tasks.encoders.towers import seeded

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**SMALL, "intermediate_size": 64, "image_size": 32, "patch_size": 8, "projection_dim": 24}
TEXT = {**SMALL, "intermediate_size": 64, "vocab_size": 60, "max_position_embeddings": 9}
OPEN_CLIP = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 9, "vocab_size": 60, "width": 64, "heads": 2, "layers": 1},
}


def perturbed(model):
    """The model with weights in which every norm and bias matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def make_models(root):
    """Return a spec and the library's own model for each kind, with weights in folders."""
    found = {"tiny_clip": ("tiny:clip", None), "tiny_ssl": ("tiny:ssl", None)}
    with seeded():
        dinov2 = transformers.Dinov2Config(**SMALL, mlp_ratio=2, image_size=56, patch_size=14)
        clip = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24)
        for name, model in {
            "dinov2": transformers.Dinov2Model(dinov2),
            "clip": transformers.CLIPModel(clip),
            "clip_vision": transformers.CLIPVisionModelWithProjection(clip.vision_config),
        }.items():
            perturbed(model).save_pretrained(root / name)
            found[name] = (f"hf:{root}/{name}", model)
        folder = root / "open_clip"
        folder.mkdir()
        settings = {"model_cfg": OPEN_CLIP, "preprocess_cfg": {"mean": [0.5] * 3}}
        (folder / "open_clip_config.json").write_text(json.dumps(settings))
        model = perturbed(open_clip.create_model(f"local-dir:{folder}", load_weights=False))
        save_file(model.state_dict(), folder / "open_clip_model.safetensors")
        found["open_clip"] = (f"open_clip:local-dir:{folder}", model)
        for name, architecture in {"timm": "test_vit", "convnet": "test_resnet"}.items():
            model = perturbed(timm.create_model(architecture))
            save_file(model.state_dict(), root / f"{name}.safetensors")
            found[name] = (f"timm:{architecture}@{root}/{name}.safetensors", model)
    return found


def write_hub(cache, repo, files):
    """The hub's cache after a download of `files` (name to path) from `repo`."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name, path in files.items():
        shutil.copy(path, snapshot / name)
