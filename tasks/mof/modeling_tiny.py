"""The tiny encoders as towers: transformers' CLIP and DINOv2 behind a convolutional stem.

Put here: the towers of the small models that are trained here, for a model that is exported.
Keep out: the stem (`tasks.encoders.tiny_stem`), where weights come from (`tasks.exporting`).

Shapes:
    B  images    N  tokens    D  width of a token
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, CLIPVisionModel, Dinov2Model

from tasks.encoders.tiny_stem import Stem

from .configuration_tiny import TinyClipConfig, TinyDinov2Config


class TinyClipModel(CLIPVisionModel):  # type: ignore[misc] # transformers has no types
    """A CLIP image tower with a convolutional stem."""

    config: TinyClipConfig

    def __init__(self, config: TinyClipConfig) -> None:
        super().__init__(config)
        self.embeddings.patch_embedding = Stem(config.hidden_size)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> Any:  # CLIPVisionModel's output
        """Return what CLIP does, its hidden states as they are stored."""
        return _as_stored(super().forward(pixel_values, **kwargs))


class TinyDinov2Model(Dinov2Model):  # type: ignore[misc] # transformers has no types
    """A DINOv2 with a convolutional stem."""

    config: TinyDinov2Config

    def __init__(self, config: TinyDinov2Config) -> None:
        super().__init__(config)
        self.embeddings.patch_embeddings.projection = Stem(config.hidden_size)

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> Any:  # Dinov2Model's output
        """Return what DINOv2 does, its hidden states as they are stored."""
        return _as_stored(super().forward(pixel_values, **kwargs))


def _as_stored(output: Any) -> Any:
    """Round hidden states (B, N, D) to float16: language models learnt from tokens kept as that."""
    if output.hidden_states is not None:
        output.hidden_states = tuple(
            state_BND.to(torch.float16).to(state_BND.dtype) for state_BND in output.hidden_states
        )
    return output


AutoModel.register(TinyClipConfig, TinyClipModel, exist_ok=True)
AutoModel.register(TinyDinov2Config, TinyDinov2Model, exist_ok=True)
