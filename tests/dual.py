"""Tiny random dual encoders of several families, as folders that both libraries can load."""

import json

import open_clip
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from tasks.encoders.towers import seeded

WORDS = ["<pad>", "<start>", "<end>", "<unk>", "a", "photo", "of"]
WORDS += ["red", "blue", "car", "duck", "hat", "hatless", "one", "two", "left", "right"]
LENGTH = 12
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SMALL |= {"intermediate_size": 64}
VISION = {**SMALL, "image_size": 32, "patch_size": 8}
TEXT = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": LENGTH}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
ROBERTA = TEXT | {"max_position_embeddings": LENGTH + 1, **IDS}
BOTH = {"projection_dim": 24}

HF = ("clip", "siglip", "altclip", "align", "chinese_clip", "metaclip_2")
OPEN_CLIP = ("open_clip", "open_clip-custom", "open_clip-coca")

TOWER = {"context_length": LENGTH, "width": 64, "heads": 2, "layers": 1}
OPEN = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {**TOWER, "vocab_size": 49408},
}
CUSTOM = {
    **OPEN,
    "custom_text": True,
    "text_cfg": {
        **TOWER,
        "vocab_size": len(WORDS),
        "hf_tokenizer_name": "org/words",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "pool_type": "last",
        "proj_bias": True,
    },
}
COCA = {
    **OPEN,
    "custom_text": True,
    "vision_cfg": OPEN["vision_cfg"]
    | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": OPEN["text_cfg"] | {"embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TOWER, "vocab_size": 49408, "attn_pooler_heads": 2},
}


def tokenizer():
    """A tokenizer of few words that puts a start before and an end behind."""
    backend = Tokenizer(WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    names = {"pad": "<pad>", "bos": "<start>", "eos": "<end>", "unk": "<unk>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=LENGTH,
        **{f"{name}_token": word for name, word in names.items()},
    )


def model_of(family):
    """A random model of a family of transformers."""
    t = transformers
    with seeded():
        if family == "clip":
            return t.CLIPModel(t.CLIPConfig(text_config=TEXT | IDS, vision_config=VISION, **BOTH))
        if family == "siglip":
            text = TEXT | {"projection_size": 32}
            return t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=VISION))
        if family == "altclip":
            text = ROBERTA | {"project_dim": 24}
            return t.AltCLIPModel(t.AltCLIPConfig(text_config=text, vision_config=VISION, **BOTH))
        if family == "chinese_clip":
            return t.ChineseCLIPModel(
                t.ChineseCLIPConfig(text_config=TEXT, vision_config=VISION, **BOTH)
            )
        if family == "metaclip_2":
            return t.MetaClip2Model(
                t.MetaClip2Config(text_config=TEXT | IDS, vision_config=VISION, **BOTH)
            )
        vision = {"image_size": 32, "hidden_dim": 40, "depth_coefficient": 0.2}
        vision |= {"width_coefficient": 0.3}
        return t.AlignModel(
            t.AlignConfig(text_config=TEXT, vision_config=vision, projection_dim=96)
        )


def perturbed(model):
    """The model with weights in which every norm and bias matters."""
    with seeded(), torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def write(family, folder):
    """Write a random model of a family to a folder; return its spec and the library's model."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save_pretrained(folder)
    if family in HF:
        model = perturbed(model_of(family))
        model.save_pretrained(folder)
        return f"hf:{folder}", model
    settings = {"open_clip": OPEN, "open_clip-custom": CUSTOM, "open_clip-coca": COCA}[family]
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": settings, "preprocess_cfg": {"mean": [0.5] * 3}})
    )
    with seeded():
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(perturbed(model).state_dict(), folder / "open_clip_model.safetensors")
    return f"open_clip:local-dir:{folder}", model
