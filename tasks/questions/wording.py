"""How a fact is asked for, answered and stated.

Put here: wordings of the drawn scenes' factors, and of any other attribute, label or caption.
Keep out: what can be asked (`tasks.attributes`), which pairs are asked (`tasks.mining.selection`).

A question is worded without the values of other attributes, so that one wording asks both images
of a pair.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final, NamedTuple

from tasks.attributes import CAPTION, LABEL, Facts
from tasks.scenes import FACTORS, Scene, statement


class Wording(NamedTuple):
    """A fact in words: the question it answers, and the answer."""

    question: str
    answer: str


_SCENE_QUESTIONS: Final[Mapping[str, str]] = {
    "kind": "What is the main object?",
    "hue": "What color is it?",
    "thing": "What is beside it?",
    "setting": "Where was this taken?",
    "orientation": "Is it facing left or right?",
    "presence": "Is there a hat on it?",
    "state": "Is it broken or whole?",
    "count": "How many balls are there?",
    "position": "On which side of it is the thing?",
    "color": "What color are its details?",
    "structure": "Is it tall or long?",
    "text": "Which letter is on the sign?",
    "viewpoint": "Is it seen from above or from the ground?",
}
_SCENE_ANSWERS: Final[Mapping[str, Mapping[str, str]]] = {
    "presence": {"hat": "yes", "no hat": "no"},
    "count": {"1": "one", "2": "two", "3": "three", "4": "four"},
}


def word(attribute: str, facts: Facts) -> Wording:
    """Put one of an image's facts into words."""
    value = facts[attribute]
    if is_scene(facts) and attribute in _SCENE_QUESTIONS:
        answer = _SCENE_ANSWERS.get(attribute, {}).get(value, value)
        return Wording(_SCENE_QUESTIONS[attribute], answer)
    if attribute in {LABEL, CAPTION}:
        return Wording("What does this picture show?", value)
    return Wording(f"What is the {attribute.replace('_', ' ')} in this picture?", value)


def state(attribute: str, facts: Facts) -> str:
    """State one of an image's facts in a simple declarative text, as MMVP-VLM does."""
    if is_scene(facts) and attribute in _SCENE_QUESTIONS:
        return statement(Scene(**{name: facts[name] for name in FACTORS}), attribute)
    if attribute == CAPTION:
        return facts[CAPTION]
    label = facts.get(LABEL)
    if attribute == LABEL:
        return f"a photo of a {label}"
    shown = f"a photo of a {label}" if label else "a photo"
    return f"{shown}, {attribute.replace('_', ' ')}: {facts[attribute]}"


def is_scene(facts: Facts) -> bool:
    """Say whether these are the facts of a drawn scene."""
    return all(facts.get(field.name) in FACTORS[field.name] for field in fields(Scene))
