"""The factors of a scene: what web captions name, and the nine visual patterns that they leave out.

Put here: the values that each factor takes, and drawing them by lot.
Keep out: how they look (`tasks.scenes.drawing`), how captions say them (`tasks.scenes.captions`).
Source: Tong et al. 2024, arXiv 2401.06209, "Systematic Failures in CLIP", for the nine patterns.
"""

import dataclasses
import random
from collections.abc import Mapping
from typing import Final

BASE_FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": (
        *("car", "fish", "cup", "teapot", "boat"),
        *("snail", "duck", "elephant", "plane", "rabbit"),
    ),
    "hue": ("red", "blue", "green", "yellow", "purple", "pink"),
    "thing": ("tree", "house", "cactus", "cone", "box", "flower"),
    "setting": ("beach", "meadow", "snow", "city", "night"),
}
"""The values of what captions often name."""

PATTERN_FACTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "orientation": ("left", "right"),
    "presence": ("hat", "no hat"),
    "state": ("broken", "whole"),
    "count": ("1", "2", "3", "4"),
    "position": ("left", "right"),
    "color": ("white", "black", "cyan", "magenta"),
    "structure": ("tall", "long"),
    "text": ("A", "H", "T", "X"),
    "viewpoint": ("above", "ground"),
}
"""The values of the nine visual patterns, one factor a pattern, in the paper's order."""

FACTORS: Final[Mapping[str, tuple[str, ...]]] = {**BASE_FACTORS, **PATTERN_FACTORS}


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a drawing shows: a value of each factor. All else in it is chance, by a seed."""

    kind: str
    hue: str
    thing: str
    setting: str
    orientation: str  # where the main object faces
    presence: str
    state: str  # whether a crack runs through the main object
    count: str  # how many balls lie in front
    position: str  # the side of the main object where the thing stands
    color: str  # the main object's accents
    structure: str
    text: str  # the letter on the sign
    viewpoint: str


def sample_scene(rng: random.Random) -> Scene:
    """Draw each factor on its own, all values alike."""
    return Scene(**{name: rng.choice(values) for name, values in FACTORS.items()})
