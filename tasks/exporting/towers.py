"""The tiny encoders as towers that travel with a model.

Put here: weights of a tiny encoder under the names of transformers' CLIP and DINOv2.
Keep out: the towers' code (`tasks.mof.modeling_tiny`), models of language (`model`, beside this
file).
"""

from typing import Any, Final

from torch import Tensor
from transformers import PreTrainedModel

from tasks.encoders import EncoderConfig
from tasks.encoders.registry import find_source
from tasks.encoders.specs import parse_spec
from tasks.encoders.tiny_models import BLOCKS, HEAD_WIDTH, IMAGE_PX, PATCH_PX
from tasks.encoders.tiny_stem import WIDTH
from tasks.encoders.tiny_towers import clip_visual, ssl_model
from tasks.mof.configuration_tiny import TinyClipConfig, TinyDinov2Config
from tasks.mof.modeling_tiny import TinyClipModel, TinyDinov2Model

SHAPE: Final = {
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": WIDTH // HEAD_WIDTH,
    "image_size": IMAGE_PX,
    "patch_size": PATCH_PX,
}
CLIP_NAMES: Final = (
    ("conv1.", "embeddings.patch_embedding."),
    ("class_embedding", "embeddings.class_embedding"),
    ("positional_embedding", "embeddings.position_embedding.weight"),
    ("ln_pre.", "pre_layrnorm."),
    ("ln_post.", "post_layernorm."),
    ("transformer.resblocks.", "encoder.layers."),
    (".attn.", ".self_attn."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)
"""Parts of names in open_clip, and what transformers calls them."""


def tower_of(encoder: EncoderConfig) -> PreTrainedModel:
    """Return an encoder as a tower whose hidden states are the tokens that it gives.

    Raises:
        ValueError: if it is no tiny encoder, or its weights cannot be had.
    """
    if parse_spec(encoder.spec).library != "tiny":
        message = f"encoder {encoder.spec!r} cannot travel with a model yet; those of tiny: can"
        raise ValueError(message)
    _, source = find_source(encoder)
    file = source.files[0] if source.files else None
    tower: Any
    if source.facts["model"] == "ssl":
        model, _ = ssl_model(file, encoder)
        tower = TinyDinov2Model(TinyDinov2Config(**SHAPE, layerscale_value=1.0))
        state = model.state_dict()
    else:
        tower = TinyClipModel(
            TinyClipConfig(**SHAPE, intermediate_size=4 * WIDTH, hidden_act="gelu")
        )
        state = clip_state(clip_visual(file, encoder).state_dict())
    tower.load_state_dict(state)
    return tower.eval().requires_grad_(requires_grad=False)


def clip_state(visual: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of open_clip's image tower under transformers' names.

    Its projection is left out: a language model reads tokens, not the image's one vector.
    """
    state = {}
    for name, tensor in visual.items():
        if name == "proj":
            continue
        renamed = name
        for theirs, ours in CLIP_NAMES:
            inner = theirs.startswith(".")
            if inner and theirs in renamed:
                renamed = renamed.replace(theirs, ours)
            elif not inner and renamed.startswith(theirs):
                renamed = ours + renamed.removeprefix(theirs)
        if ".in_proj_" in renamed:  # queries, keys and values in one
            start, kind = renamed.split("in_proj_")
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                state[f"{start}{part}_proj.{kind}"] = rows.contiguous()
        else:
            state[renamed] = tensor
    return state
