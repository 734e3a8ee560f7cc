"""Read replies as others' harnesses do, each with its quirks.

Put here: a parser for each harness, written from what it accepts.
Keep out: our own parsers (`rules`, beside this file), prompts (`prompts`).
Source: lmms-eval 0.7.2, VLMEvalKit of August 2026, Cambrian of October 2024, InternVL.
"""

import re
from collections.abc import Sequence
from typing import Final

_LETTERS: Final = "AB"
_ONE: Final = r"\(?([AB])\)?"


def _place(letter: str) -> int | None:
    return _LETTERS.find(letter) if letter and letter in _LETTERS else None


# lmms-eval: the first of these that is found anywhere, whatever the case of letters. The last has
# no left edge, so a word that ends in a or b counts ("camera" is A), and so does the article a.
_LMMS_PLACES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\A{_ONE}[.\s]",
        rf"answer\s+is\s+{_ONE}",
        rf"option\s+{_ONE}",
        rf"{_ONE}(?:\s|\Z)",
        r"\A([AB])",
    )
)


def read_lmms_eval(reply: str, options: Sequence[str]) -> int | None:
    """Return the option of the first letter that lmms-eval finds; options' texts do not count."""
    bare = reply.strip()
    for place in _LMMS_PLACES:
        if found := place.search(bare):
            return _place(found[1].upper())
    return None


_REFUSALS: Final = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_FAILED: Final = "Failed to obtain answer via API"
_TO_BLANKS: Final = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_STATED: Final = re.compile(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)
_LAST_WORDS: Final = 4


def read_vlmevalkit(reply: str, options: Sequence[str]) -> int | None:
    """Return what VLMEvalKit infers without its language model; None is wrong there, its Z.

    A capital letter counts if the other is no word of the reply and it stands among the last four
    words; else a stated answer; else the only option whose text the reply holds, if the reply is
    no longer than twice both options.
    """
    if any(refusal in reply for refusal in _REFUSALS) and _FAILED not in reply:
        return None
    if _FAILED not in reply:
        words = reply.translate(_TO_BLANKS).split()
        letters = [letter for letter in _LETTERS if letter in words]
        if len(letters) == 1 and words.index(letters[0]) >= len(words) - _LAST_WORDS:
            return _place(letters[0])
        if not letters and "Z" in words:
            return None
        stated = _STATED.search(reply)
        if stated and (place := _place(stated[1].upper())) is not None:
            return place
    return _only_option_in(reply.lower(), [option.lower() for option in options])


def _only_option_in(reply: str, options: Sequence[str]) -> int | None:
    if len(reply) > 2 * sum(map(len, options)):
        return None
    held = [place for place, option in enumerate(options) if option in reply]
    return held[0] if len(held) == 1 else None


def read_cambrian(reply: str, options: Sequence[str]) -> int | None:
    """Return the option that is left of the reply: its letter or its whole text, nothing else.

    What stands before the last "answer is", then "answer:", goes. "answer is: b" is unread, as its
    colon stays in front.
    """
    said = reply.lower().strip()
    for mark in ("answer is", "answer is:", "answer:"):
        said = said.rpartition(mark)[2]
    said = said.strip().rstrip(".:,").lstrip("(").rstrip(")")
    taken = [*_LETTERS.lower(), *(option.lower() for option in options)]
    return taken.index(said) % len(_LETTERS) if said in taken else None


def read_internvl(reply: str, options: Sequence[str]) -> int | None:
    """Return the option of a capital first letter, else the first whose text the reply holds.

    "Both" is B and "Away" is A; a small letter alone is unread.
    """
    said = reply.strip()
    if not said or len(said) == 1 or said[0] in _LETTERS:
        return _place(said[:1])
    return next((place for place, option in enumerate(options) if option in said), None)


def judge_says_right(verdict: str) -> bool:
    """Whether MMVP's `gpt_grader.py` takes its judge's reply for right: yes alone.

    "Yes." and "Yes, it does" count as wrong.
    """
    return verdict.lower() == "yes"
