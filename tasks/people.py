"""What people are called where models have names: writers, checkers, participants of the study.

Put here: the names.
Keep out: what people do (`tasks.annotation`), how they score (`tasks.evaluation.people`).
"""

from typing import Final

PEOPLE: Final = "people"
"""One image at a time, two options, no time limit. As a model: all who took a whole test."""

BY_PEOPLE: Final = "people:"
"""What the name of a person begins with, where models have names."""


def named(who: str) -> str:
    """Return what a person is called in `proposals`, `answers` and `scores`."""
    return f"{BY_PEOPLE}{who}"
