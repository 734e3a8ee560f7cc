"""Read the replies of others and fit them to the questions of a benchmark.

Put here: which format a file has, by its content; the question of each reply; failed calls.
Keep out: formats (`lines`, `sheets`, beside this file); reading choices out of words and scoring
(`tasks.protocols`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tasks.backends.replay import stored_outcome
from tasks.backends.request import Failure, Outcome
from tasks.benchmarks.keys import MMVP
from tasks.benchmarks.question import Question
from tasks.bridges.lines import read_lines
from tasks.bridges.sheets import read_records, read_table_text, read_workbook
from tasks.bridges.stored import Stored, StoredReply

_SHOWN: Final = 5
_OTHER_TEXTS: Final = 0.1
"""The share of replies whose questions may read otherwise, as editions of a benchmark differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What a file holds for the questions of a benchmark, by number, in the order of the numbers.

    `format` says whose file it is, `model` whose replies (None where the file does not tell).
    Replies are verbatim; failed calls are failures. `notes` tells what was odd.
    """

    format: str
    model: str | None
    replies: Mapping[int, Outcome]
    notes: tuple[str, ...]


def read_replies(
    path: Path,
    questions: Sequence[Question],
    *,
    names: Mapping[str, int] = MappingProxyType({}),
    benchmark: str = MMVP,
) -> Replies:
    """Read stored replies: MMVP's script's, ours, lmms-eval's samples, VLMEvalKit's sheets.

    Args:
        path: The file; its format is told by its content.
        questions: The questions of the benchmark.
        names: Numbers of questions by other names, as a store has them.
        benchmark: The name of the benchmark, with which names of VLMEvalKit's files end.

    Raises:
        ValueError: if the file cannot be read, is of no format, has a question twice or one that
            the benchmark lacks, or asks other questions.
    """
    stored = _read(path, benchmark)
    numbers = _numbers(path, stored, questions, names)
    notes = [*stored.notes, *_compare_texts(path, stored, numbers, questions)]
    found = {
        number: stored_outcome(reply.response)
        for number, reply in sorted(zip(numbers, stored.replies, strict=True))
    }
    if failed := sum(isinstance(outcome, Failure) for outcome in found.values()):
        notes.append(f"{failed} replies are records of failed calls: they count as no answer")
    if missing := len(questions) - len(found):
        notes.append(f"{missing} of {len(questions)} questions have no reply")
    return Replies(format=stored.format, model=stored.model, replies=found, notes=tuple(notes))


def _read(path: Path, benchmark: str) -> Stored:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{str(path)!r} cannot be read: {error.strerror}; expected stored replies"
        raise ValueError(message) from error
    if content.startswith(b"PK\x03\x04"):
        return read_workbook(path, content, benchmark)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line} of {str(path)!r} is no UTF-8; save the file as UTF-8"
        raise ValueError(message) from None
    start = text.lstrip()[:1]
    if start == "{":
        return read_lines(path, text)
    if start == "[":
        return read_records(path, text, benchmark)
    return read_table_text(path, text, benchmark)


def _numbers(
    path: Path, stored: Stored, questions: Sequence[Question], names: Mapping[str, int]
) -> list[int]:
    """Return the number of each reply's question.

    Raises:
        ValueError: if there is none, one twice, or rows can be counted from 0 and from 1.
    """
    known = {str(question.number): question.number for question in questions}
    fitting: list[list[int]] = []
    problems: list[str] = []
    for first in stored.first:
        counted = {str(number - 1 + first): number for number in known.values()}
        all_names = {**names, **counted}
        found = [all_names.get(reply.question) for reply in stored.replies]
        if problem := _problem(stored.replies, found):
            problems.append(problem)
        else:
            fitting.append([number for number in found if number is not None])
    if not fitting:
        message = (
            f"questions of {str(path)!r}: {problems[0]}; expected each of the benchmark's "
            f"{len(questions)} questions once, numbered from 1"
        )
        raise ValueError(message)
    other = [len(_other_texts(stored, numbers, questions)) for numbers in fitting]
    if other.count(min(other)) > 1:
        message = (
            f"the numbers of the questions in {str(path)!r} may count from 0 or from 1, and both "
            f"fit; expected all questions, or those whose texts tell"
        )
        raise ValueError(message)
    return fitting[other.index(min(other))]


def _problem(replies: Sequence[StoredReply], found: Sequence[int | None]) -> str:
    unknown = [
        f"{reply.question!r} ({reply.place.partition(' of ')[0]})"
        for reply, number in zip(replies, found, strict=True)
        if number is None
    ]
    counts = Counter(number for number in found if number is not None)
    doubled = [str(number) for number, times in counts.items() if times > 1]
    return "; ".join(
        f"{len(odd)} {what}: {', '.join(odd[:_SHOWN])}{', ...' if odd[_SHOWN:] else ''}"
        for what, odd in (("doubled", doubled), ("unknown", unknown))
        if odd
    )


def _compare_texts(
    path: Path, stored: Stored, numbers: Sequence[int], questions: Sequence[Question]
) -> list[str]:
    """Return a note on replies to questions that read otherwise than the benchmark's.

    Raises:
        ValueError: if they are many and only their order tells which is which.
    """
    other = _other_texts(stored, numbers, questions)
    if not other:
        return []
    reply, question = other[0]
    example = f"{reply.place} asks {reply.asked[:80]!r}, question {question.number} is "
    example += repr(question.text[:80])
    if not stored.by_name and len(other) > _OTHER_TEXTS * len(numbers):
        message = (
            f"{len(other)} of {len(numbers)} replies in {str(path)!r} are to other questions than "
            f"the benchmark's: {example}; expected the same benchmark in the same order"
        )
        raise ValueError(message)
    return [f"{len(other)} questions read otherwise than the benchmark's: {example}"]


def _other_texts(
    stored: Stored, numbers: Sequence[int], questions: Sequence[Question]
) -> list[tuple[StoredReply, Question]]:
    by_number = {question.number: question for question in questions}
    pairs = [(r, by_number[n]) for r, n in zip(stored.replies, numbers, strict=True) if r.asked]
    return [(r, question) for r, question in pairs if _bare(question.text) not in _bare(r.asked)]


def _bare(text: str) -> str:
    return " ".join(text.split()).casefold()
