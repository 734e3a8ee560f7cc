"""What people are called where models have names: writers, checkers, participants of the study.

Put here: the two names.
Keep out: what people do (`tasks.annotation`), how they score (`tasks.evaluation.people`).
"""

from typing import Final

PEOPLE: Final = "people"
"""One image at a time, two options, no time limit."""


def named(who: str) -> str:
    """Return what a person is called in `proposals`, `answers` and `scores`."""
    return f"people:{who}"
