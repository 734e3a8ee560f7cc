"""Words of questions and options, taken apart.

Put here: what counts as a word, as the same word, as a word that tells something.
Keep out: what is wrong with a wording (`wording`, beside this file).
"""

import re
import unicodedata
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_ENDINGS: Final = ("ings", "ing", "ies", "ied", "ed", "es", "s")
_SHORTEST_STEM: Final = 3

EMPTY: Final = frozenset(
    (
        *("a", "an", "the", "is", "are", "was", "were", "be", "been", "being", "do", "does", "did"),
        *("has", "have", "had", "it", "its", "this", "that", "these", "those", "there", "here"),
        *("of", "in", "on", "at", "to", "for", "from", "by", "with", "and", "or", "as", "into"),
        *("onto", "out", "up", "down", "off", "over", "under", "any", "some", "what", "which"),
        *("who", "whom", "whose", "when", "where", "why", "how", "than", "then"),
        "so",
    )
)
"""Words that tell nothing by themselves."""

TURNING: Final = frozenset(
    (
        *("no", "not", "none", "never", "without", "neither", "nor", "nothing"),
        *("isn't", "aren't", "doesn't", "don't", "hasn't", "more", "less", "fewer"),
    )
)
"""Words by which what an option adds to another makes it another."""

YES: Final = frozenset(("yes", "yeah", "yep", "true", "correct"))
NO: Final = frozenset(("no", "nope", "false", "incorrect"))


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, in small letters."""
    return [word.replace("\u2019", "'") for word in _WORD.findall(folded(text))]


def folded(text: str) -> str:
    """Return a text in which letters that look alike are the same."""
    return unicodedata.normalize("NFKC", text).casefold()


def stem(word: str) -> str:
    """Return a word without its commonest endings: enough to tell `facing` and `faces` are one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("e") if len(word) > _SHORTEST_STEM else word


def telling(text: str) -> frozenset[str]:
    """Return the stems of the words of a text that tell something; yes and no alone do not."""
    return frozenset(stem(word) for word in words_of(text) if word not in EMPTY | YES | NO)
