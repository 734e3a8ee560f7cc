"""POPE: is there a thing in the image? Yes or no, for things that are and are not there.

Put here: its questions, our prompt, two ways to read a reply, its figures.
Keep out: files of answers (`asked`), intervals (`resampling`), beside this file.

Source: Li et al. 2023 (arXiv:2305.10355); `evaluate.py` of github.com/AoiDragon/POPE, which reads
all as yes that holds no "no" or "not" before the first full stop, words it cannot read included.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tasks.backends.request import Failure, Outcome
from tasks.general.asked import Asked, check_distinct, image_file, read_records
from tasks.general.resampling import group_sums, resampled
from tasks.scores.statistics import Interval, wilson

SPLITS: Final[Mapping[str, str]] = {
    "random": "things drawn by lot",
    "popular": "things that are in many images",
    "adversarial": "things that often come with those in the image",
}
"""How the things that are not there were chosen."""

OURS: Final = "first-word"
OFFICIAL: Final = "official"
PROMPT: Final = "{text}\nReply with yes or no, and nothing else."

_FIRST: Final = re.compile(r"(?:answer\s*:)?[\s\"'*(]*(yes|no)\b", re.IGNORECASE)
_NEGATIVE: Final = frozenset({"No", "not", "no"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PopeQuestion:
    """One question about one image; `label` says whether the thing is there."""

    question_id: str
    split: str
    image: str
    text: str
    label: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PopeScore:
    """The figures of a split under a way to read replies; shares from 0 to 1.

    "Yes" is the positive answer. A reply that is not read, a failed call and a question without a
    reply are wrong, and no yes: they are counted as `unread`, `failed` and `missing`.
    """

    split: str
    reading: str
    questions: int
    images: int
    accuracy: float
    accuracy_interval: Interval
    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    yes_share: float
    unread: int
    failed: int
    missing: int


def read_pope(path: Path) -> list[PopeQuestion]:
    """Read one of POPE's files, JSON lines with `question_id`, `image`, `text`, `label`.

    The split is the row's `category`, else the one that the file's name holds, else its name.

    Raises:
        ValueError: if a row is damaged, or a question comes twice.
    """
    named = next((split for split in SPLITS if split in path.stem.lower()), path.stem)
    questions = []
    for record in read_records(path):
        label = record.text("label").strip().lower()
        if label not in ("yes", "no"):
            message = f"{record.place}: 'label' is {label!r}, expected yes or no"
            raise ValueError(message)
        split = record.values.get("category") or named
        questions.append(
            PopeQuestion(
                question_id=record.name("question_id"),
                split=str(split),
                image=record.text("image"),
                text=record.text("text"),
                label=label == "yes",
            )
        )
    check_distinct(path, [question.question_id for question in questions])
    return questions


def asked(questions: Sequence[PopeQuestion], images: Path) -> list[Asked]:
    """Return the requests of questions, under our own prompt.

    Raises:
        ValueError: if an image is not in the folder.
    """
    return [
        Asked(one.question_id, image_file(images, one.image), PROMPT.format(text=one.text))
        for one in questions
    ]


def read_first_word(reply: str) -> bool | None:
    """Return whether a reply begins with yes or with no; None: unread."""
    found = _FIRST.match(reply.strip())
    return None if found is None else found[1].lower() == "yes"


def read_as_official(reply: str) -> bool | None:
    """Return what POPE's own script takes from a reply: yes, unless a word denies."""
    words = reply.partition(".")[0].replace(",", "").split(" ")
    return _NEGATIVE.isdisjoint(words)


READINGS: Final[Mapping[str, Callable[[str], bool | None]]] = {
    OURS: read_first_word,
    OFFICIAL: read_as_official,
}


def score_pope(
    questions: Sequence[PopeQuestion], said: Mapping[str, Outcome], reading: str = OURS
) -> PopeScore:
    """Score one split.

    Raises:
        ValueError: if there are no questions.
    """
    if not questions:
        message = "POPE has no questions to score; expected a file with rows"
        raise ValueError(message)
    outcomes = [said.get(question.question_id) for question in questions]
    taken = [
        None if outcome is None or isinstance(outcome, Failure) else READINGS[reading](outcome.text)
        for outcome in outcomes
    ]
    rows = [_counts(one.label, yes) for one, yes in zip(questions, taken, strict=True)]
    sums_GK = group_sums([question.image for question in questions], rows)
    total = sums_GK.sum(axis=0)
    true_yes, false_yes, true_no, missed_yes = (int(value) for value in total)
    right = true_yes + true_no
    failed, missing = sum(isinstance(one, Failure) for one in outcomes), outcomes.count(None)
    return PopeScore(
        split=questions[0].split,
        reading=reading,
        questions=len(questions),
        images=len(sums_GK),
        accuracy=right / len(questions),
        accuracy_interval=wilson(right, len(questions)),
        precision=_share(true_yes, true_yes + false_yes),
        recall=_share(true_yes, true_yes + missed_yes),
        f1=_f1(total),
        f1_interval=resampled(sums_GK, _f1),
        yes_share=(true_yes + false_yes) / len(questions),
        unread=taken.count(None) - failed - missing,
        failed=failed,
        missing=missing,
    )


def _counts(label: bool, yes: bool | None) -> tuple[int, int, int, int]:  # noqa: FBT001
    """Return which it is, if any: right yes, wrong yes, right no, missed yes."""
    return (
        int(label and yes is True),
        int(not label and yes is True),
        int(not label and yes is False),
        int(label and yes is not True),
    )


def _f1(total_K: NDArray[np.float64]) -> float:
    true_yes, false_yes, _, missed_yes = total_K
    return _share(2 * true_yes, 2 * true_yes + false_yes + missed_yes)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0
