"""The architectures of the shipped encoders: a convolutional stem and two transformer blocks.

Put here: the tiny CLIP and the tiny self-supervised transformer, for whoever trains or runs them.
Keep out: their weights and input (`tasks.encoders.tiny`), training them.

A plain patch embedding does not learn shapes from as few pictures as these were trained on; the
stem does.
"""

from itertools import pairwise
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

IMAGE_PX: Final = 48
PATCH_PX: Final = 8
WIDTH: Final = 96
BLOCKS: Final = 2
HEAD_WIDTH: Final = 32
TEXT_TOKENS: Final = 17
VOCABULARY: Final = 55


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.b = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.na = nn.BatchNorm2d(channels)
        self.nb = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same shape."""
        inner: Tensor = self.nb(self.b(functional.relu(self.na(self.a(x)))))
        return functional.relu(x + inner)


class Stem(nn.Sequential):
    """Three halving convolutions in place of one linear patch embedding.

    It learns shapes from far fewer pictures than a plain patch embedding does.
    """

    def __init__(self, width: int = WIDTH) -> None:
        layers: list[nn.Module] = []
        channels = (3, 24, 48, width)
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
            layers += [ResidualBlock(after)] if before != 3 else []
        super().__init__(*layers, nn.Conv2d(width, width, 1))

    @property
    def weight(self) -> Tensor:
        """The last layer's weight, whose dtype transformers asks for."""
        weight: Tensor = self[-1].weight  # type: ignore[assignment]
        return weight


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
