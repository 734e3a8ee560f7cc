"""Run every vision tower on one canvas.

Put here: a tower's resizing, normalising and forward pass, and which of its tokens are kept.
Keep out: bringing towers to one grid and mixing them (`mixing`).

Source: Tong et al. 2024 (arXiv:2401.06209), "Mixture-of-Features (MoF) for MLLM".
Differs from the paper: the towers see one canvas. The two encoders' own processors crop an image
differently, and then two tokens of one place in the sequence show different places of the image.

Shapes:
    B  images    C  channels: 3    S  side of a picture in pixels
    N  tokens of a tower    D  width of a token    H, W  height and width of a token grid
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from .configuration_mof import MofVisionConfig
from .modeling_tiny import TinyClipModel, TinyDinov2Model  # noqa: F401 # so that AutoModel knows
from .towers import Tower


class MofVisionModel(PreTrainedModel):  # type: ignore[misc] # transformers has no types
    """The towers that have a module, under their names in `towers`.

    A tower of which nothing is trained stays in evaluation mode, whatever mode the model is in, so
    that dropout in a frozen encoder does not make its features differ from stored ones.
    """

    config: MofVisionConfig
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MofVisionConfig) -> None:
        super().__init__(config)
        self.towers = nn.ModuleDict()
        for name in config.tower_names:
            if name not in config.precomputed:
                self.towers[name] = AutoModel.from_config(self._tower_config(name))
        self.post_init()

    def _tower_config(self, name: str) -> Any:  # a transformers config
        tower_config = self.config.tower_config(name)
        if self.config._attn_implementation is not None:
            # transformers hands it down to configs in fields, not to those in a list
            tower_config._attn_implementation = self.config._attn_implementation
        return tower_config

    def train(self, mode: bool = True) -> "MofVisionModel":  # noqa: FBT001, FBT002 # as torch has it
        """Set the mode of all towers but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        for tower in self.towers.values():
            if not is_trained(tower):
                tower.eval()
        return self

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutput:
        """Return every tower's features of every image.

        Args:
            pixel_values: canvases, uint8 in [0, 255] or floating point in [0, 1], of shape
                (B, C, S, S); towers with another input size resize them (bicubic, antialiased).

        Returns:
            `hidden_states`: for each tower, in order, features of shape (B, N, D), row by row from
            the top left, on the tower's own grid and before its `feature_norm`: what the model
            takes as `image_features`.

        Raises:
            ValueError: if a tower is precomputed, or the canvases have another shape.
        """
        canvas_BCSS = self._checked(pixel_values)
        features = [self._features(tower, canvas_BCSS) for tower in self.config.towers or []]
        return BaseModelOutput(hidden_states=tuple(features))

    def _checked(self, pixel_values: Tensor) -> Tensor:
        if self.config.precomputed:
            message = (
                f"tower {self.config.precomputed[0]!r} is precomputed: give image_features, one "
                f"tensor (images, tokens, width) for each of {', '.join(self.config.tower_names)}, "
                f"and no pixel_values"
            )
            raise ValueError(message)
        shape = tuple(pixel_values.shape)
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
            message = f"pixel_values has shape {shape}, expected (images, 3, side, side)"
            raise ValueError(message)
        canvas_BCSS = pixel_values.float()
        return canvas_BCSS if pixel_values.is_floating_point() else canvas_BCSS / 255

    def _features(self, tower: Tower, canvas_BCSS: Tensor) -> Tensor:
        module: Any = self.towers[tower["name"]]
        pixels_BCSS = tower_input(tower, canvas_BCSS).to(module.dtype)
        tokens = tower["grid_size"] ** 2
        learns = is_trained(module) or canvas_BCSS.requires_grad
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
            # All states, although one is used: transformers 5.20 cannot select.
            output = module(pixels_BCSS, output_hidden_states=True, **_options(module, pixels_BCSS))
        features = output.hidden_states[tower["feature_layer"]]
        if features.ndim == 4:  # timm's: (B, D, H, W)
            features = features.flatten(2).transpose(1, 2)
        # Class and register tokens, however many a tower has, come before those of patches.
        features_BND: Tensor = features[:, -tokens:]
        return features_BND


def is_trained(module: nn.Module) -> bool:
    """Say whether any of a module's parameters is to be trained."""
    return any(parameter.requires_grad for parameter in module.parameters())


def tower_input(tower: Tower, canvas_BCSS: Tensor) -> Tensor:
    """Resize canvases in [0, 1] to a tower's input size and normalise them for it, in float32."""
    side = tower["image_size"]
    if canvas_BCSS.shape[-1] != side:
        canvas_BCSS = functional.interpolate(
            canvas_BCSS, (side, side), mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 1)
    mean_C, std_C = (canvas_BCSS.new_tensor(tower[field]) for field in ("mean", "std"))
    return (canvas_BCSS - mean_C[:, None, None]) / std_C[:, None, None]


def _options(module: Any, pixels_BCSS: Tensor) -> dict[str, Any]:
    """Return what a tower's forward pass needs beside pixels, by the parameters it has."""
    options: dict[str, Any] = {}
    parameters = inspect.signature(module.forward).parameters
    if "interpolate_pos_encoding" in parameters:
        options["interpolate_pos_encoding"] = True  # changes nothing at the size it was trained on
    if "noise" in parameters:
        # ViT-MAE sorts its patches by noise, random if not given. In bfloat16 numbers above 256
        # would be equal and their order chance, hence float32.
        patch_px = module.config.patch_size
        count = (pixels_BCSS.shape[-1] // patch_px) ** 2
        order_N = torch.arange(count, device=pixels_BCSS.device, dtype=torch.float32)
        options["noise"] = order_N.expand(len(pixels_BCSS), count)
    return options
