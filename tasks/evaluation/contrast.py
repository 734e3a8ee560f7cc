"""Ask a dual encoder by the rule of MMVP-VLM, and by Winoground's: which of two is nearer.

Put here: the rules, on vectors of images and texts; how a statement is put to a text tower.
Keep out: the vectors (`matching`, beside this file; `storage.embeddings`, `tasks.encoders`).
Source: Tong et al. 2024, arXiv 2401.06209, section 3.2: a pair is right if both texts are matched
to their images, each by a softmax over the two images; that is the image score of Thrush et al.
2022, arXiv 2204.03162, whose text score matches images to texts and whose group score wants both.

Of equal cosines the other's is taken: no difference was seen.

Shapes:
    D  width of a vector
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.questions import QuestionRow
from tasks.evaluation.asking import MMVP_VLM, MMVP_VLM_GROUP, MMVP_VLM_TEXT, Reply

Vectors = Mapping[str, NDArray[np.floating]]
"""Unit vectors (D,) by image, or by text."""

PROMPT: Final = "a photo of "
"""What the paper's script puts before a statement."""

WORDED: Final = ("attribute", "label", "caption")
"""Sources of statements that are worded as captions, and are put as they are."""

UNDECIDED: Final = "undecided"
"""The choice of a group whose text and image do not take each other: none of the options."""

GROUP_CHANCE: Final = 1 / 6
"""Group score of guessing: of four cosines in any order the two right ones are the largest."""


def said(row: QuestionRow) -> str:
    """Return the text that stands for a question's image.

    Raises:
        ValueError: if there is no statement.
    """
    if row.statement is None:
        message = f"question {row.question_id} has no statement for a CLIP to match"
        raise ValueError(message)
    return row.statement if row.source in WORDED else PROMPT + row.statement


def contrast(pair: Sequence[QuestionRow], images: Vectors, texts: Vectors) -> list[Reply]:
    """Return which image each of a pair's two texts is nearer to; `texts` are by what is `said`.

    A reply's scores are the cosines of the text with its own and with the other image; the choice
    is the answer of the image that is nearer.
    """
    return contrasts(pair, images, texts)[MMVP_VLM]


def contrasts(
    pair: Sequence[QuestionRow], images: Vectors, texts: Vectors
) -> dict[str, list[Reply]]:
    """Return the replies to a pair under each rule, by its name.

    Scores begin with the cosine of the question's own text and image; then come that of the text
    with the other image, or of the image with the other text, or both.
    """
    replies: dict[str, list[Reply]] = {MMVP_VLM: [], MMVP_VLM_TEXT: [], MMVP_VLM_GROUP: []}
    for own, other in ((pair[0], pair[1]), (pair[1], pair[0])):
        near = _cosine(own, own, images, texts)
        far_image, far_text = _cosine(own, other, images, texts), _cosine(other, own, images, texts)
        by_text, by_image = near > far_image, near > far_text
        replies[MMVP_VLM].append(_reply(own, own if by_text else other, (near, far_image)))
        replies[MMVP_VLM_TEXT].append(_reply(own, own if by_image else other, (near, far_text)))
        scores = (near, far_image, far_text)
        if by_text == by_image:
            both = _reply(own, own if by_text else other, scores)
        else:
            both = Reply(own.question_id, UNDECIDED, UNDECIDED, scores)
        replies[MMVP_VLM_GROUP].append(both)
    return replies


def _cosine(text: QuestionRow, image: QuestionRow, images: Vectors, texts: Vectors) -> float:
    text_D = texts[said(text)].astype(np.float64)
    return float(text_D @ images[image.image].astype(np.float64))


def _reply(own: QuestionRow, taken: QuestionRow, scores: tuple[float, ...]) -> Reply:
    return Reply(own.question_id, str(taken.statement), taken.answer, scores)
