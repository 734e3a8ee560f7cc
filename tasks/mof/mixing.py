"""Mix the features of several towers into the tokens a language model reads.

Put here: the common grid, the norm, the adapters, and the paper's ways of mixing.
Keep out: where features come from (`vision`, or a table of stored ones).

Source: Tong et al. 2024 (arXiv:2401.06209), "Additive MoF" and "Interleaved MoF"; the adapter is
LLaVA-1.5's (arXiv:2310.03744): two linear layers with gelu between them.

Shapes:
    B  images    N  tokens of a tower    P  tokens of the common grid    L  tokens of an image
    D  width of a tower's token    E  width of the language model
    G  side of a tower's grid    H  side of the common grid
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from .configuration_mof import SEQUENCE_MODES, MofConfig
from .towers import Tower

SHARED: Final = "shared"
"""The one adapter of modes in which features are mixed before it."""


class MofMixer(nn.Module):
    """Bring tower features to one grid, project and mix them.

    The adapters are in `projectors` under their towers' names (under `shared` in the modes
    `additive` and `concat`), so weights of one tower's adapter cannot be read into another's.
    They sit in one module, which fine-tuning libraries can save and train as a whole.
    """

    def __init__(self, config: MofConfig) -> None:
        super().__init__()
        self.mode: str = config.mode
        self.towers: list[Tower] = config.vision_config.towers
        self.grid_size: int = config.vision_config.grid_size
        self.weights = config.mixing_weights
        self.projectors = nn.ModuleDict()
        for name, width in self._input_widths().items():
            self.projectors[name] = _adapter(config, width)

    def _input_widths(self) -> dict[str, int]:
        widths: dict[str, int] = {tower["name"]: tower["hidden_size"] for tower in self.towers}
        if self.mode in SEQUENCE_MODES or len(widths) == 1:
            return widths
        return {SHARED: sum(widths.values()) if self.mode == "concat" else max(widths.values())}

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the tokens of each image, in the adapters' dtype.

        Args:
            features: for each tower a floating point tensor (B, N, D), as `MofVisionModel` makes.

        Returns:
            Tokens (B, L, E), row by row from the top left. `interleaved`: the first patch of every
            tower, then the second of every tower. `append`: one tower's after the other's.
            `additive` and `concat`: one token a patch.

        Raises:
            ValueError: if the features do not fit the towers.
        """
        aligned = self.align(features)
        if len(aligned) == 1:
            return self._project(self.towers[0]["name"], aligned[0])
        if self.mode == "additive":
            # A weight of 0 leaves its tower out: the ends of the scale are exactly one tower, and
            # an infinite feature times 0 is not a number.
            parts = [w * each for w, each in zip(self.weights, aligned, strict=True) if w]
            return self._project(SHARED, torch.stack(parts).sum(0))
        if self.mode == "concat":
            return self._project(SHARED, torch.cat(aligned, dim=-1))
        pairs = zip(self.towers, aligned, strict=True)
        sequences = [self._project(tower["name"], each_BPD) for tower, each_BPD in pairs]
        if self.mode == "append":
            return torch.cat(sequences, dim=1)
        return torch.stack(sequences, dim=2).flatten(1, 2)

    def align(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Bring each tower's features to the common grid, then apply its `feature_norm`.

        The norm comes last, so tokens are mixed at one scale also where a grid was resized. What is
        resized or normed is computed and returned in float32.

        Returns:
            For each tower features of shape (B, P, D).

        Raises:
            ValueError: if the features do not fit the towers.
        """
        check_features(features, self.towers)
        return [
            _align(each_BND, tower, self.grid_size)
            for each_BND, tower in zip(features, self.towers, strict=True)
        ]

    def _project(self, name: str, features_BPD: Tensor) -> Tensor:
        adapter = self.projectors[name]
        weight = next(adapter.parameters())
        tokens_BPE: Tensor = adapter(features_BPD.to(weight.device, weight.dtype))
        return tokens_BPE


def check_features(features: Sequence[Tensor], towers: Sequence[Tower]) -> None:
    """Check that there is one tensor a tower, of its tokens and width, for as many images.

    Raises:
        ValueError: if not; the message names the tower.
    """
    if len(features) != len(towers):
        names = ", ".join(tower["name"] for tower in towers)
        message = f"image_features holds {len(features)} towers, expected {len(towers)}: {names}"
        raise ValueError(message)
    for each_BND, tower in zip(features, towers, strict=True):
        tokens, width = tower["grid_size"] ** 2, tower["hidden_size"]
        expected = (len(features[0]), tokens, width)
        if tuple(each_BND.shape) != expected:
            message = (
                f"image_features of tower {tower['name']!r} has shape {tuple(each_BND.shape)}, "
                f"expected {expected}: images, grid_size {tower['grid_size']} squared, hidden_size"
            )
            raise ValueError(message)


def _align(features_BND: Tensor, tower: Tower, grid_size: int) -> Tensor:
    if tower["grid_size"] != grid_size:
        features_BND = resize_grid(features_BND, grid_size)
    if tower["feature_norm"] == "layernorm":
        features_BND = functional.layer_norm(features_BND.float(), features_BND.shape[-1:])
    return features_BND


def resize_grid(features_BND: Tensor, grid_size: int) -> Tensor:
    """Resize a square grid of tokens bilinearly (antialiased), in float32."""
    side = round(features_BND.shape[1] ** 0.5)
    grid_BDGG = features_BND.float().transpose(1, 2).reshape(len(features_BND), -1, side, side)
    resized_BDHH = functional.interpolate(
        grid_BDGG, (grid_size, grid_size), mode="bilinear", antialias=True, align_corners=False
    )
    return resized_BDHH.flatten(2).transpose(1, 2)


def _adapter(config: MofConfig, width: int) -> nn.Sequential:
    hidden, bias = config.text_config.hidden_size, config.multimodal_projector_bias
    layers: list[nn.Module] = [nn.Linear(width, hidden, bias=bias)]
    for _ in range(config.projector_layers - 1):
        layers += [ACT2FN[config.projector_hidden_act], nn.Linear(hidden, hidden, bias=bias)]
    return nn.Sequential(*layers)
