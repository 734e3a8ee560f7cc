"""Versions of an answer key: as published, with wrong labels put right, or without their pairs.

Put here: the keys' names, and which of MMVP's labels are wrong.
Keep out: reading labels (`questions`, beside this file).
Source: issues 14 and 30 of github.com/tsb0601/MMVP; lmms-lab-eval/MMVP puts right the same labels.
"""

from collections.abc import Mapping
from typing import Final

ORIGINAL: Final = "original"
CORRECTED: Final = "corrected"
EXCLUDED: Final = "excluded"

KEYS: Final[Mapping[str, str]] = {
    ORIGINAL: "the labels as published",
    CORRECTED: "labels known to be wrong are put right: in MMVP pairs 50 and 140",
    EXCLUDED: "pairs with labels known to be wrong are left out",
}

MMVP: Final = "mmvp"
MMVP_QUESTIONS: Final = 300

WRONG: Final[Mapping[int, tuple[str, int]]] = {
    99: ("Does the elephant have long or short tusks?", 0),
    100: ("Does the elephant have long or short tusks?", 1),
    279: ("Is the elderly person standing or sitting in the picture?", 0),
    280: ("Is the elderly person standing or sitting in the picture?", 1),
}
"""MMVP's wrong labels: question and published place of the answer, by number."""


def is_mmvp(texts: Mapping[int, str]) -> bool:
    """Whether questions, by number, are those of MMVP: as many, and the disputed ones among them.

    Files that were written anew, with other blanks or labels, count too.
    """
    return len(texts) == MMVP_QUESTIONS and all(
        " ".join(texts.get(number, "").split()) == text for number, (text, _) in WRONG.items()
    )
