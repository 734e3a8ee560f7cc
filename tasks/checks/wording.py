"""Checks that read: what can be wrong with a question, whatever the images show.

Put here: a rule a function; each returns what is wrong in a few words, or None.
Keep out: what answerers say (`answering`), what can be seen (`pixels`), beside this file.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from storage.proposals import ProposalRow
from tasks.attributes import read_alike
from tasks.checks.words import NO, TURNING, YES, folded, stem, telling, words_of

ANSWERS_DIFFER: Final = "answers-differ"
FORM: Final = "form"
INSTRUCTIONS: Final = "instructions"
LEAK: Final = "leak"

QUESTION_WORDS: Final = (3, 30)
OPTION_WORDS: Final = 8
OPTION_SIGNS: Final = 60
LONGER_BY: Final = 3
"""An option of more than so many times the other's signs, and `LONGER_SIGNS` more, stands out."""
LONGER_SIGNS: Final = 20

_IMAGE: Final = r"(?:image|picture|photo(?:graph)?|pic)"
_REFERENCES: Final = re.compile(
    rf"\b{_IMAGE}s?\s*(?:#\s*)?(?:[12]|one|two)\b"
    rf"|\b(?:first|second|1st|2nd|other|previous|next|both|either|two|these)\s+{_IMAGE}s?\b"
    rf"|\b(?:left|right)(?:-hand)?\s+{_IMAGE}\b"
    rf"|\b(?:between|across|compar\w+)\s+(?:the\s+)?{_IMAGE}s\b",
)
_UNDECIDED: Final = re.compile(
    r"^(?:both|neither|either)(?:\s+of\s+(?:them|these|the\s+two))?$"
    r"|\b(?:unsure|unclear|unknown|undecided|maybe|perhaps|depends|sometimes)\b"
    r"|\b(?:can(?:no|')t|cannot|can not)\s+(?:tell|say|see|be)\b|\b(?:all|none) of (?:the|these)\b"
    r"|\bnot (?:sure|applicable|clear)\b|\bn/a\b",
)
_TWICE: Final = re.compile(
    r"\b(?:and/or|if any|etc)\b"
    r"|\band\s+(?:is|are|was|were|do|does|did|has|have|can|what|which|where|who|why|how|if)\b"
)
_ORDERS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:ignor|disregard|forget|overrid|bypass)\w*\b.*\b(?:instruct|prompt|abov|previous|"
        r"prior|earlier|rule|image|picture|question|everything|guideline|told|said)",
        r"\b(?:answer|reply|respond|output|print|return|choose|select|pick|write|state)\w*\s+"
        r"(?:(?:with|by|using|only|always|just|simply)\b|(?:the\s+)?(?:option|letter|first|second|"
        r"last|former|latter)\b|[\"'(\u2018\u201c]|[ab12]\b|yes\b|no\b)",
        r"\b(?:correct|right|true|expected|best|desired|valid)\s+"
        r"(?:answer|option|choice|response|reply|letter)\b",
        r"\b(?:answer|option|choice|response)\s+(?:is|must|should|has to|will)\b",
        r"\b(?:system|developer|assistant|user|admin\w*)\s*(?::|prompt|message|note|mode)",
        r"\b(?:as|you are|act as|pretend)\b.{0,20}\b(?:ai|assistant|language model|chatbot|bot)\b",
        r"\byou\s+(?:must|should|shall|will|are to|have to|need to|may only|can only)\b",
        r"\b(?:please|kindly|make sure|remember|note that|important|attention|do not|don't)\b",
        r"\b(?:regardless|irrespective|no matter|whatever the|in any case|instead of)\b",
        r"\b(?:jailbreak|instructions?|override|prompt)\b",
        r"<\||\|>|\[/?inst\]|#{2,}|```|</?\w+>|https?://|\{|\}|\\n",
    )
)
_SENTENCES: Final = re.compile(r"[.!?;]\s+\S|[\n\r]")


def texts_of(row: ProposalRow) -> dict[str, str]:
    """Return all texts that others get to see, by column."""
    names = ("question", "option_1", "option_2", "statement_a", "statement_b")
    return {name: text for name in names if (text := getattr(row, name)) is not None}


def answers_differ(row: ProposalRow) -> str | None:
    """Each image's answer is one of the options, and they are not the same one."""
    options = (row.option_1, row.option_2)
    for image, answer in (("1", row.answer_a), ("2", row.answer_b)):
        if answer not in options:
            return f"the answer {answer!r} for image {image} is none of the options"
    if row.answer_a == row.answer_b or read_alike(row.answer_a or "", row.answer_b or ""):
        return f"both images have the answer {row.answer_a!r}"
    return None


def form(row: ProposalRow) -> str | None:
    """The question is one question with two short options of which only one can hold."""
    return (
        _signs(row)
        or _question(row.question or "")
        or _options(row.option_1 or "", row.option_2 or "")
        or _references(row)
    )


def _signs(row: ProposalRow) -> str | None:
    for name, text in texts_of(row).items():
        odd = next((sign for sign in text if unicodedata.category(sign)[0] == "C"), None)
        if odd is not None:
            return f"{name} holds the control character U+{ord(odd):04X}"
        if not text.strip():
            return f"{name} is empty"
    return None


def _question(text: str) -> str | None:
    least, most = QUESTION_WORDS
    count = len(words_of(text))
    if not least <= count <= most:
        return f"the question has {count} words; expected {least} to {most}"
    if text.count("?") != 1 or not text.endswith("?"):
        return "the question does not end with its only question mark"
    if _SENTENCES.search(text):
        return "the question is more than one sentence"
    if found := _TWICE.search(folded(text)):
        return f"the question asks more than one thing: {found[0]!r}"
    return None


def _options(one: str, other: str) -> str | None:
    for option in (one, other):
        if len(words_of(option)) > OPTION_WORDS or len(option) > OPTION_SIGNS:
            return f"the option {option[:OPTION_SIGNS]!r} is long"
        if "?" in option or _SENTENCES.search(option):
            return f"the option {option!r} is more than an answer"
        if _UNDECIDED.search(folded(option)):
            return f"the option {option!r} decides nothing"
    return _overlap(one, other)


def _overlap(one: str, other: str) -> str | None:
    """Both hold where the options say the same, or one says what the other says and more."""
    first, second = _without_article(one), _without_article(other)
    if first == second:
        return f"the options {one!r} and {other!r} read alike"
    for sign in (YES, NO):
        if first[:1] and second[:1] and first[0] in sign and second[0] in sign:
            return f"the options {one!r} and {other!r} both say {first[0]}"
    small, large = sorted((first, second), key=len)
    more = set(map(stem, large)) - set(map(stem, small))
    if set(map(stem, small)) <= set(map(stem, large)) and not more & {stem(w) for w in TURNING}:
        return f"where {' '.join(large)!r} holds, {' '.join(small)!r} holds too"
    return None


def _without_article(text: str) -> list[str]:
    """Return the words of a text; a letter A that does not lead is no article."""
    words = words_of(text)
    return words[1:] if len(words) > 1 and words[0] in {"a", "an", "the"} else words


def _references(row: ProposalRow) -> str | None:
    for name, text in texts_of(row).items():
        if found := _REFERENCES.search(folded(text)):
            return f"{name} speaks of {found[0]!r}, but each image is shown alone"
    return None


def instructions(row: ProposalRow) -> str | None:
    """No text tells the one who answers what to do."""
    for name, text in texts_of(row).items():
        for order in _ORDERS:
            if found := order.search(folded(text)):
                return f"{name} reads like an instruction: {found[0][:40]!r}"
    return None


def leak(row: ProposalRow) -> str | None:
    """The question's words name both of the options or none, and neither option stands out."""
    one, other = row.option_1 or "", row.option_2 or ""
    asked = telling(row.question or "")
    for named, left in ((one, other), (other, one)):
        own, others = telling(named) - telling(left), telling(left) - telling(named)
        if own & asked and others and not others & asked:
            return f"the question names {named!r} and not the other option"
    short, long = sorted((len(one), len(other)))
    if long > LONGER_BY * short and long - short > LONGER_SIGNS:
        return f"one option has {long} signs, the other {short}"
    return None


RULES: Final[Mapping[str, Callable[[ProposalRow], str | None]]] = {
    ANSWERS_DIFFER: answers_differ,
    FORM: form,
    INSTRUCTIONS: instructions,
    LEAK: leak,
}
"""The rules by name, in the order in which they are asked."""
