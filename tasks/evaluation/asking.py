"""What is asked of a model, and what comes back.

Put here: a question as a worker gets it (without the answer), how a reply is made, a reply, the
name of a request.
Keep out: the ways to ask (`ways`), those who are asked (`language`, `local`, `remote`,
`contrast`), tables (`stage`), beside this file.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tasks.fingerprints import digest
from tasks.protocols.protocol import GENERATE, LOGPROBS, Decoding

OPTION_LOGPROB: Final = "option-logprob"
FREE: Final = "free"
MMVP_VLM: Final = "mmvp-vlm"
"""The paper's rule: each text takes the image that is nearer. Winoground calls it image score."""

MMVP_VLM_TEXT: Final = "mmvp-vlm-text"
"""Each image takes the text that is nearer: Winoground's text score."""

MMVP_VLM_GROUP: Final = "mmvp-vlm-group"
"""Both: Winoground's group score."""

CONTRASTS: Final = (MMVP_VLM, MMVP_VLM_TEXT, MMVP_VLM_GROUP)
"""The ways in which encoders are asked that match texts to images."""

NO_IMAGE: Final = "none"
"""In the place of an image's hash: the question is asked without one."""

BLANK: Final = "blank"
"""In the place of an image's hash: a grey picture."""

BLANK_PX: Final = 336
BLANK_GREY: Final = 127


class Picture(NamedTuple):
    """An image by its hash, `NO_IMAGE` or `BLANK`, and the files that hold it."""

    image: str
    paths: Sequence[str]


class Asked(NamedTuple):
    """A question about an image, as it is put to a model; its right answer stays at home."""

    question_id: str
    image: str
    paths: Sequence[str]
    question: str
    options: Sequence[str]
    system: str | None = None


class Manner(NamedTuple):
    """How a reply is made: written (`generate`), or the likelier option (`logprobs`)."""

    asks: str
    decoding: Decoding
    seed: int = 0


LIKELIER: Final = Manner(LOGPROBS, Decoding(0.0, 1, 0))
GREEDY: Final = Manner(GENERATE, Decoding(0.0, 1, 64))


class Reply(NamedTuple):
    """What a model said; of likelihoods, the option that it finds likelier.

    `choice` is the option taken where that is known without reading the response.
    """

    question_id: str
    response: str
    choice: str | None
    scores: tuple[float, ...] | None


def request_of(model: str, code: str, *content: Any) -> str:
    """Return the fingerprint of a request: the model's weights, the code that asks, all it gets."""
    return digest([model, code, *content])
