"""The nine visual patterns in which CLIP fails, and telling them from a corpus' own metadata.

Put here: the patterns' names; which of them an attribute is about.
Keep out: wording questions (`tasks.questions`).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.1, "Visual patterns".
"""

from collections.abc import Iterable, Mapping
from typing import Final

PATTERNS: Final[Mapping[str, str]] = {
    "orientation": "Orientation and Direction",
    "presence": "Presence of Specific Features",
    "state": "State and Condition",
    "count": "Quantity and Count",
    "position": "Positional and Relational Context",
    "color": "Color and Appearance",
    "structure": "Structural and Physical Characteristics",
    "text": "Text",
    "viewpoint": "Viewpoint and Perspective",
}
"""Pattern by its short name. A corpus whose metadata has a column of such a name says with it that
the column is about that pattern."""

MEANINGS: Final[Mapping[str, str]] = {
    "orientation": "where something faces or moves",
    "presence": "whether something is there or not",
    "state": "open or closed, whole or broken, wet or dry, on or off",
    "count": "how many",
    "position": "where something is beside, above or behind another",
    "color": "colors, materials, patterns of a surface",
    "structure": "shape, form, size, build",
    "text": "letters, numbers, words and symbols that can be read",
    "viewpoint": "from where the picture is taken, how near, what is cut off",
}
"""What each pattern is about, for those who are to tell them apart."""

NONE_OF_THESE: Final = "None of these"
NAMES: Final = (*PATTERNS.values(), NONE_OF_THESE)

_VALUES: Final[Mapping[str, str]] = {
    "orientation": "left right up down leftward rightward forward backward north south east west",
    "presence": "yes no with without present absent",
    "state": "open closed broken whole intact empty full on off wet dry lit unlit awake asleep",
    "count": "0 1 2 3 4 5 6 7 8 9 10 none one two three four five six seven eight nine ten",
    "position": "above below under behind beside inside outside near far between",
    "color": "red orange yellow green blue purple pink brown black white grey gray cyan magenta",
    "viewpoint": "front side back top aerial overhead close-up closeup",
}
_PATTERN_OF_VALUE: Final = {
    value: pattern for pattern, values in _VALUES.items() for value in values.split()
}


def listed() -> str:
    """Return the patterns with their meanings, a line each, and none of these: for prompts."""
    lines = [f"- {PATTERNS[name]}: {meaning}." for name, meaning in MEANINGS.items()]
    return "\n".join([*lines, f"- {NONE_OF_THESE}."])


def pattern_of(attribute: str, values: Iterable[str]) -> str | None:
    """Return the short name of the pattern that an attribute is about; None if nothing tells it.

    Its own name decides, else what all of its values speak of: numbers count, sides orient.
    """
    if attribute in PATTERNS:
        return attribute
    found = {_PATTERN_OF_VALUE.get(value.lower()) for value in values}
    return found.pop() if len(found) == 1 else None
