"""What alt text says of a scene: keywords, the kind of object first of all.

Put here: captions, the words they are made of, the statement that tells a factor's value.
Keep out: questions about scenes (`tasks.questions`).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.2, for statements in MMVP-VLM.
"""

import dataclasses
import random
from collections.abc import Callable, Mapping
from typing import Final

from tasks.scenes.factors import BASE_FACTORS, FACTORS, PATTERN_FACTORS, Scene, sample_scene

SHARES: Final[Mapping[str, float]] = {"kind": 1.0, "hue": 0.6, "thing": 0.7, "setting": 0.5}
"""How often a caption names each of the base factors."""

WEB_SHARE: Final = 0.05
"""How often a caption of the embedded web names each of the nine patterns."""

_COUNTS: Final = dict(zip("1234", ("one", "two", "three", "four"), strict=True))
_WORDS: Final[Mapping[str, Callable[[str], str]]] = {  # in the order of a caption
    "state": str,
    "structure": str,
    "hue": str,
    "kind": str,
    "orientation": lambda side: f"facing-{side}",
    "presence": lambda hat: "hat" if hat == "hat" else "hatless",
    "color": str,
    "thing": str,
    "position": lambda side: f"{side}-side",
    "count": lambda count: _COUNTS[count],
    "text": str,
    "setting": str,
    "viewpoint": lambda place: f"from-{place}",
}


def caption(
    scene: Scene,
    rng: random.Random,
    *,
    pattern_share: float = WEB_SHARE,
    is_about_another: bool = False,
) -> str:
    """Say what web captions do: always the kind, a pattern with probability `pattern_share`.

    With `is_about_another` the patterns' values are those of another scene: captions as long, of
    the same words in the same frequencies, that tell nothing of the nine.
    """
    told = scene
    if is_about_another:
        base = {name: getattr(scene, name) for name in BASE_FACTORS}
        told = dataclasses.replace(sample_scene(rng), **base)
    said = [name for name in _WORDS if rng.random() < SHARES.get(name, pattern_share)]
    return " ".join(_WORDS[name](getattr(told, name)) for name in said)


def caption_words() -> list[str]:
    """Return every word that a caption can hold, sorted."""
    return sorted({_WORDS[name](value) for name in FACTORS for value in FACTORS[name]})


def statement(scene: Scene, factor: str) -> str:
    """State a factor's value in a caption's own words, with the object and its hue.

    >>> statement(sample_scene(random.Random(0)), "state").split()[0] in ("broken", "whole")
    True
    """
    said = [name for name in _WORDS if name in {"hue", "kind", factor}]
    return " ".join(_WORDS[name](getattr(scene, name)) for name in said)


assert set(_WORDS) == {*BASE_FACTORS, *PATTERN_FACTORS}
