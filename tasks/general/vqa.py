"""A held-out VQA set of the user's: questions about images, with the answers of people.

Put here: its reader, our prompt, how answers are made comparable, its accuracy.
Keep out: files of answers (`asked`), intervals (`resampling`), beside this file.

Source: Antol et al. 2015 (arXiv:1505.00468), "VQA: Visual Question Answering", accuracy
min(people who said it / 3, 1), and its evaluation's steps: small letters, no articles, numbers as
digits, contractions with their apostrophe, no punctuation. Contractions are matched here by leaving
the apostrophe out, where that script has a table.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.backends.request import Failure, Outcome
from tasks.general.asked import Asked, Record, check_distinct, image_file, read_records
from tasks.general.resampling import group_sums, resampled
from tasks.scores.statistics import Interval

AGREEING: Final = 3
"""So many people who gave an answer make it wholly right; of fewer people, all."""

PROMPT: Final = "{text}\nReply with one word or a short phrase."

_ARTICLES: Final = frozenset({"a", "an", "the"})
_NUMBERS: Final[Mapping[str, str]] = {
    word: str(number)
    for number, words in enumerate(
        (
            *(("zero", "none"), ("one",), ("two",), ("three",), ("four",), ("five",)),
            *(("six",), ("seven",), ("eight",), ("nine",), ("ten",)),
        )
    )
    for word in words
}
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d)")
_APOSTROPHES: Final = re.compile(r"['\u2019]")
_MARKS: Final = re.compile(r"[;/\[\]\"{}()=+\\_\-><@`,?!*:]|(?<!\d)\.|\.(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VqaQuestion:
    """One question about one image, with one or more answers that people gave."""

    question_id: str
    image: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VqaScore:
    """Accuracy (share), and how many replies are `empty`, calls `failed`, and replies `missing`.

    `by_nine` is what VQA's own script prints: the mean over the sets of answers that leave one out;
    None where a question has fewer than `AGREEING` + 1 answers. `exact` says that every question
    has one answer, so that accuracy is exact match.
    """

    questions: int
    images: int
    exact: bool
    accuracy: float
    interval: Interval
    by_nine: float | None
    empty: int
    failed: int
    missing: int


def read_vqa(path: Path) -> list[VqaQuestion]:
    """Read JSON lines, a JSON list or CSV with `question`, `image` and `answers`.

    `answers` is a list of texts, or of objects with `answer` as VQA has them; in CSV a JSON list or
    one answer; `answer` is taken, too. Without `question_id` the row's number is the name.

    Raises:
        ValueError: if a row is damaged, or a question comes twice.
    """
    questions = [
        VqaQuestion(
            question_id=record.name("question_id") if "question_id" in record.values else str(row),
            image=record.text("image"),
            text=record.text("question"),
            answers=_answers(record),
        )
        for row, record in enumerate(read_records(path), start=1)
    ]
    check_distinct(path, [question.question_id for question in questions])
    return questions


def asked(questions: Sequence[VqaQuestion], images: Path) -> list[Asked]:
    """Return the requests of questions, under our own prompt.

    Raises:
        ValueError: if an image is not in the folder.
    """
    return [
        Asked(one.question_id, image_file(images, one.image), PROMPT.format(text=one.text))
        for one in questions
    ]


def comparable(answer: str) -> str:
    """Return an answer in the form in which answers are compared; at worst an empty text."""
    bare = _MARKS.sub(" ", _THOUSANDS.sub("", _APOSTROPHES.sub("", answer.casefold())))
    words = (_NUMBERS.get(word, word) for word in bare.split() if word not in _ARTICLES)
    return " ".join(words)


def accuracy_of(reply: str, answers: Sequence[str]) -> float:
    """Return the share of `AGREEING` people, or of all if they are fewer, who gave this answer."""
    said = comparable(reply)
    agreeing = sum(comparable(answer) == said for answer in answers)
    return min(agreeing / min(AGREEING, len(answers)), 1.0)


def accuracy_by_nine(reply: str, answers: Sequence[str]) -> float:
    """Return the mean accuracy over the sets of answers that leave one out (nine of ten)."""
    said = comparable(reply)
    equal = [comparable(answer) == said for answer in answers]
    each = [min((sum(equal) - one) / AGREEING, 1.0) for one in equal]
    return sum(each) / len(each)


def score_vqa(questions: Sequence[VqaQuestion], said: Mapping[str, Outcome]) -> VqaScore:
    """Score replies; a failed call or a question without a reply is wrong.

    Raises:
        ValueError: if there are no questions.
    """
    if not questions:
        message = "the VQA set has no questions to score; expected a file with rows"
        raise ValueError(message)
    outcomes = [said.get(question.question_id) for question in questions]
    texts = [
        None if outcome is None or isinstance(outcome, Failure) else outcome.text
        for outcome in outcomes
    ]
    pairs = list(zip(questions, texts, strict=True))
    shares = [0.0 if text is None else accuracy_of(text, one.answers) for one, text in pairs]
    nine = [0.0 if text is None else accuracy_by_nine(text, one.answers) for one, text in pairs]
    many = all(len(question.answers) > AGREEING for question in questions)
    sums_GK = group_sums([one.image for one in questions], [(share, 1.0) for share in shares])
    return VqaScore(
        questions=len(questions),
        images=len(sums_GK),
        exact=all(len(question.answers) == 1 for question in questions),
        accuracy=sum(shares) / len(shares),
        interval=resampled(sums_GK, _mean),
        by_nine=sum(nine) / len(nine) if many else None,
        empty=sum(text is not None and not text.strip() for text in texts),
        failed=sum(isinstance(outcome, Failure) for outcome in outcomes),
        missing=outcomes.count(None),
    )


def _mean(total_K: NDArray[np.float64]) -> float:
    return float(total_K[0] / total_K[1])


def _answers(record: Record) -> tuple[str, ...]:
    value = record.values.get("answers", record.values.get("answer"))
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError as error:
            message = f"{record.place}: 'answers' is {value[:80]!r}: {error}; expected a JSON list"
            raise ValueError(message) from None
    listed = value if isinstance(value, list) else [value]
    told = [one.get("answer") if isinstance(one, dict) else one for one in listed]
    texts = [text for text in told if isinstance(text, str) and text.strip()]
    if not texts or len(texts) < len(told):
        message = f"{record.place}: 'answers' is {str(value)[:80]!r}, expected a list of texts"
        raise ValueError(message)
    return tuple(texts)
