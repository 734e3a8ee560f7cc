"""Write the two questions of a pair, and draw pairs by lot that no encoder chose.

Put here: one question for both images of a pair; control pairs that were not mined.
Keep out: wordings (`wording`, beside this file); reading and storing (`stage`).
Source: Tong et al. 2024, arXiv 2401.06209, section 2, "Designing benchmark from CLIP-blind pairs".
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from storage.pairs import pair_id
from storage.proposals import ProposalRow
from storage.questions import QuestionRow, question_id
from tasks.attributes import Knowledge, read_alike
from tasks.patterns import PATTERNS
from tasks.questions.wording import state, word

KEY: Final = "metadata"
"""The version of the answer key: what the corpus itself says."""


def write_pair(
    know: Knowledge, attribute: str, images: tuple[str, str], *, mining: str, benchmark: str
) -> list[QuestionRow]:
    """Return the questions of a pair: the same words and options, opposite answers.

    Returns nothing if the two images' answers read the same.
    """
    pair = pair_id(*images)
    worded = [word(attribute, know.facts[image]) for image in images]
    options = [wording.answer for wording in worded]
    if read_alike(*options) or worded[0].question != worded[1].question:
        return []
    return [
        _row(
            pair,
            image,
            worded[0].question,
            options,
            wording.answer,
            mining=mining,
            benchmark=benchmark,
            attribute=attribute,
            statement=state(attribute, know.facts[image]),
            pattern=PATTERNS.get(know.patterns.get(attribute) or ""),
            source=know.source,
            key=KEY,
        )
        for image, wording in zip(images, worded, strict=True)
    ]


def write_proposed(
    row: ProposalRow, statements: tuple[str | None, str | None], *, source: str, benchmark: str
) -> list[QuestionRow]:
    """Return the questions of a pair as somebody proposed them; source and key say who."""
    answers = [row.answer_a or "", row.answer_b or ""]
    return [
        _row(
            row.pair_id,
            image,
            row.question or "",
            answers,
            answer,
            mining=row.mining,
            benchmark=benchmark,
            attribute="",
            statement=statement,
            pattern=PATTERNS.get(row.pattern or "", row.pattern),
            source=source,
            key=source,
        )
        for image, answer, statement in zip(
            (row.image_a, row.image_b), answers, statements, strict=True
        )
    ]


def _row(
    pair: str, image: str, question: str, answers: Sequence[str], answer: str, **more: Any
) -> QuestionRow:
    """Return a question; `answers` are those of the pair's images in order.

    Which of them is the first option is decided by the pair, so that neither place holds the first
    image's answer more often.
    """
    options = tuple(reversed(answers)) if int(pair[:8], 16) % 2 else tuple(answers)
    return QuestionRow(
        question_id=question_id(
            pair_id=pair,
            image=image,
            question=question,
            options=options,
            answer=answer,
            key=more["key"],
        ),
        pair_id=pair,
        image=image,
        question=question,
        options=options,
        answer=answer,
        **more,
    )


def draw_pairs(know: Knowledge, attribute: str, count: int) -> Iterator[tuple[str, str]]:
    """Yield up to `count` pairs that differ in an attribute and agree in what statements name.

    No image comes twice. The lot is the digest of an image's id, so that the same images give the
    same pairs, in whatever order they are known.
    """
    return islice(_all_pairs(know, attribute), count)


def _all_pairs(know: Knowledge, attribute: str) -> Iterator[tuple[str, str]]:
    """Pair each image with the first that waits for one of another value.

    Those that wait in one context all have the same value, else they would be a pair.
    """
    waiting: defaultdict[tuple[str | None, ...], deque[str]] = defaultdict(deque)
    known = (image for image, facts in know.facts.items() if attribute in facts)
    for image in sorted(known, key=lambda image: _lot(attribute, image)):
        alike = waiting[know.context(image, attribute)]
        if not alike or read_alike(know.facts[alike[0]][attribute], know.facts[image][attribute]):
            alike.append(image)
        else:
            other = alike.popleft()
            yield min(image, other), max(image, other)


def asked_attributes(know: Knowledge, *, captioned: bool) -> Sequence[str]:
    """Return the attributes that are captioned, or those that are not, sorted."""
    return [name for name in sorted(know.patterns) if (name in know.captioned) == captioned]


def _lot(attribute: str, image: str) -> str:
    return hashlib.sha256(f"{attribute}/{image}".encode()).hexdigest()
