"""The architectures of the shipped encoders: a convolutional stem and two transformer blocks.

Put here: the tiny CLIP and the tiny self-supervised transformer, for whoever trains or runs them.
Keep out: their stem (`tiny_stem`), weights and input (`tiny`), beside this file; training them.
"""

from typing import Final

from torch import nn

from tasks.encoders.tiny_stem import WIDTH, Stem

IMAGE_PX: Final = 48
PATCH_PX: Final = 8
BLOCKS: Final = 2
HEAD_WIDTH: Final = 32
TEXT_TOKENS: Final = 17
VOCABULARY: Final = 55


def tiny_clip(vocabulary: int = VOCABULARY) -> nn.Module:
    """Build the CLIP, text tower included, with weights from torch's random state."""
    from open_clip.model import CLIP

    model: nn.Module = CLIP(
        embed_dim=WIDTH,
        vision_cfg={
            "image_size": IMAGE_PX,
            "patch_size": PATCH_PX,
            "width": WIDTH,
            "layers": BLOCKS,
            "head_width": HEAD_WIDTH,
            "pool_type": "avg",
        },
        text_cfg={
            "context_length": TEXT_TOKENS,
            "vocab_size": vocabulary,
            "width": WIDTH,
            "heads": WIDTH // HEAD_WIDTH,
            "layers": BLOCKS,
        },
    )
    model.get_submodule("visual").conv1 = Stem()
    return model


def tiny_ssl() -> nn.Module:
    """Build the self-supervised transformer, with weights from torch's random state."""
    from transformers import Dinov2Config, Dinov2Model

    model: nn.Module = Dinov2Model(
        Dinov2Config(
            hidden_size=WIDTH,
            num_hidden_layers=BLOCKS,
            num_attention_heads=WIDTH // HEAD_WIDTH,
            mlp_ratio=4,
            image_size=IMAGE_PX,
            patch_size=PATCH_PX,
            layerscale_value=1.0,
        )
    )
    model.get_submodule("embeddings.patch_embeddings").projection = Stem()
    return model
