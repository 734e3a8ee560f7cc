"""The convolutional stem of the shipped encoders, in place of a plain patch embedding.

Put here: what both tiny encoders begin with; torch alone, because this file travels with models
that are exported.
Keep out: the encoders (`tasks.encoders.tiny_models`, `tasks.mof.modeling_tiny`).

A plain patch embedding does not learn shapes from as few pictures as these were trained on; the
stem does.
"""

from itertools import pairwise
from typing import Final

from torch import Tensor, nn
from torch.nn import functional

WIDTH: Final = 96


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
