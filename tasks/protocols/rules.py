"""Read replies by our own rules: strictly for a letter, and leniently out of free text.

Put here: what counts as taking an option.
Keep out: how other harnesses read (`harnesses`, beside this file).

Both leave a reply unread rather than guess: one that takes both options, denies one, or hedges.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_MARKS: Final = " \t\n.,;:!?\"'`*"
_BEFORE_MARK: Final = re.compile(r" (?=[,.;:!?])")
"""Tokenizers of words put a blank there."""
_LETTER: Final = re.compile(r"\(?([ab])[).:]*", re.IGNORECASE)
_LETTERED: Final = re.compile(r"(?:\(([ab])\)|([ab])[).:])\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_PREFIX: Final = re.compile(r"answer\s*:\s*", re.IGNORECASE)
_THINKS: Final = "<think>"
_THOUGHT: Final = "</think>"
_STATED: Final = re.compile(
    r"(?:answer|option|choice)(?:\s+is)?\s*:?\s*[*\"']*(?:\(([ab])\)|([ab])(?![\w'-]| \w))",
    re.IGNORECASE,
)
_BRACKETED: Final = re.compile(r"\(([ab])\)", re.IGNORECASE)
_DENIED: Final = re.compile(
    r"\b(?:not|never|no|neither|nor|without|cannot|\w+n['\u2019]t)\b[^.;,]*\Z", re.IGNORECASE
)
_SAYS: Final = frozenset({"yes", "no"})


def read_letter(reply: str, options: Sequence[str]) -> int | None:
    """Return the option of `a`, `(a)`, `A.`, `Answer: a`, of its text, or of both as in `(a) Yes`.

    Case and marks around do not matter. All else is unread.
    """
    said = _without_prefix(reply.strip())
    if found := _LETTER.fullmatch(said.strip(" *`")):
        return _place(found[1])
    taken = read_whole(said, options)
    if taken is not None:
        return taken
    if found := _LETTERED.fullmatch(said):
        place = _place(found[1] or found[2])
        return place if read_whole(found[3], options) == place else None
    return None


def read_free(reply: str, options: Sequence[str]) -> int | None:
    """Return the option that free words take: a letter if one is stated, else the only text.

    What a model thought before `</think>` does not count, nor a thought that was cut off. Yes and
    no count at the beginning only.
    """
    said = reply.rpartition(_THOUGHT)[2].strip()
    if _THINKS in said:
        return None
    taken = read_letter(said, options)
    if taken is not None:
        return taken
    for pattern in (_STATED, _BRACKETED):
        letters = {next(filter(None, found.groups())) for found in pattern.finditer(said)}
        if letters:
            return _only({_place(letter) for letter in letters})
    return _only(_named(said, options))


def read_option(reply: str, options: Sequence[str]) -> int | None:
    """Return the option that is the reply, as it is."""
    return next((place for place, option in enumerate(options) if option == reply), None)


def read_whole(reply: str, options: Sequence[str]) -> int | None:
    """Return the option whose text is the reply, but for case and marks around it.

    Where that does not tell the options apart, the reply must be one to the letter.
    """
    for form in (str.strip, _bare):
        taken = {place for place, option in enumerate(options) if form(option) == form(reply)}
        if len(taken) == 1:
            return taken.pop()
    return None


def _place(letter: str) -> int:
    return "ab".index(letter.lower())


def _only(places: set[int]) -> int | None:
    return places.pop() if len(places) == 1 else None


def _without_prefix(said: str) -> str:
    found = _PREFIX.match(said)
    return said[found.end() :] if found else said


def _bare(text: str) -> str:
    return _BEFORE_MARK.sub("", " ".join(text.casefold().split())).strip(_MARKS)


def _named(said: str, options: Sequence[str]) -> set[int]:
    """Return the options that are named; a longer one's words do not name the shorter one."""
    rest = " ".join(said.casefold().split())
    named: set[int] = set()
    for place in sorted(range(len(options)), key=lambda place: -len(options[place])):
        option = _bare(options[place])
        if not option:
            continue
        edge = re.compile(rf"(?<!\w){re.escape(option)}(?!\w)")
        found = list(edge.finditer(rest))
        if option in _SAYS:
            found = [one for one in found if one.start() == 0]
        if _denied(rest, found):
            return set()
        if found:
            named.add(place)
        rest = edge.sub(lambda match: "\0" * len(match[0]), rest)
    return named


def _denied(said: str, found: Iterable[re.Match[str]]) -> bool:
    return any(_DENIED.search(said[: match.start()]) for match in found)
