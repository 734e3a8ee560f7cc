"""The libraries whose models can be encoders, and what each must tell about a model.

Put here: the table of libraries, how another package adds one, and `Source`.
Keep out: anything that imports a model library; that belongs to the module that the table names.

Another package adds a library by an entry point of the group `mmvp.encoders`, whose name is the
library's and whose value is a `module:function` as in the table below.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks import plugins
from tasks.encoders.recipes import Recipe
from tasks.encoders.specs import Device, EncoderConfig, parse_spec, refuse

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"

Forward: TypeAlias = Callable[[NDArray[np.uint8]], Any]
"""Pixels (B, S, S, 3), resized and cropped but not normalised, to one row an image, (B, D) float32,
not yet of unit length: a NumPy array, or a torch tensor that may still be computed on its GPU.
Raises `MemoryError` where there is too little for so many images, so that fewer are tried."""

LIBRARIES: Final[dict[str, str]] = {
    "hf": "tasks.encoders.hf:find",
    "open_clip": "tasks.encoders.open_clip:find",
    "timm": "tasks.encoders.timm:find",
    "tiny": "tasks.encoders.tiny:find",
    "vectors": "tasks.encoders.vectors:find",
}
"""A function takes a `Spec` and an `EncoderConfig`, returns a `Source`, and builds no model."""

TextForward: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to one row each, (N, D), not yet of unit length."""

SEED: Final = 0
"""Random weights come from this seed, always."""


class Parameters(NamedTuple):
    """How many parameters a model has, by tower; a projection counts with its tower.

    `total` has those of neither tower too: a scale, a bias, a decoder of captions.
    """

    image: int
    text: int | None
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """A text tower that has been found: what decides its vectors beside its model's `Source`."""

    facts: Mapping[str, JSON]
    """What shapes it and its tokenizer; never a path."""

    files: Sequence[Path]
    """The tokenizer's own files, in a fixed order; none where the library brings it."""

    module: str
    """Where it is built."""

    build: Callable[[Device], TextForward]
    """Read the weights and put the tower on a device, in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model that has been found: all that decides its vectors, and how to build it."""

    label: str
    """What people call it, for the table's name."""

    facts: Mapping[str, JSON]
    """What the library knows the model by; never a path, so that a copy has the same name."""

    recipe: Recipe
    """From an image to the model's input, `image_px` applied."""

    files: Sequence[Path]
    """The weights that will be read, in a fixed order; none for random ones."""

    packages: Sequence[str]
    """Distributions that compute besides torch, NumPy and Pillow."""

    build: Callable[[Device], Forward]
    """Read the weights and put the model on a device."""

    build_tokens: Callable[[Device, int], Forward] | None = None
    """The same for patch tokens (B, P, D) after a block: -1 the last, -2 the one before."""

    find_texts: Callable[[], Texts] | None = None
    """Find the text tower; None if there is none. Raises ValueError if it cannot be had."""

    count: Callable[[], Parameters] | None = None
    """Count parameters without reading weights; None where that is not known."""


def find_source(config: EncoderConfig) -> tuple[str, Source]:
    """Return the module that knows the encoder's library, and what it says about the model.

    The package of a library that is not ours counts among those that compute.

    Raises:
        ValueError: if the library, the model or its weights are unknown or cannot be had.
    """
    spec = parse_spec(config.spec)
    others = plugins.offered(plugins.ENCODERS, LIBRARIES)
    if spec.library not in {*LIBRARIES, *others}:
        refuse("encoder library", spec.library, {*LIBRARIES, *others})
    if spec.file is not None and not spec.file.is_file():
        message = f"weights file {str(spec.file)!r} of encoder {spec.text!r} is not there"
        raise ValueError(message)
    if spec.library in LIBRARIES:
        address = LIBRARIES[spec.library]
        source: Source = resolve_name(address)(spec, config)
        return address.partition(":")[0], source
    point = others[spec.library]
    source = plugins.load(point)(spec, config)
    own = [point.dist.name] if point.dist else []
    return point.module, replace(source, packages=[*source.packages, *own])
