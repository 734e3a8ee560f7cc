"""What is asked of a model, and what comes back.

Put here: a question as a worker gets it (without the answer), a reply, the name of a request.
Keep out: the ways to ask (`language`, `contrast`), tables (`stage`), beside this file.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tasks.fingerprints import digest

OPTION_LOGPROB: Final = "option-logprob"
FREE: Final = "free"
MMVP_VLM: Final = "mmvp-vlm"

PROTOCOLS: Final[Mapping[str, str]] = {
    OPTION_LOGPROB: "the option that the model finds likelier as the answer, word by word",
    FREE: "the model's own words, greedily, which must be one of the two options",
    MMVP_VLM: "a CLIP: the text of each image must be nearer to it than to the other image",
}


class Asked(NamedTuple):
    """A question about an image; its right answer stays at home."""

    question_id: str
    image: str
    paths: Sequence[str]
    question: str
    options: Sequence[str]


class Reply(NamedTuple):
    """What a model said; `choice` is the option taken, None if its words are none of the two."""

    question_id: str
    response: str
    choice: str | None
    scores: tuple[float, ...] | None


def request_of(model: str, protocol: str, code: str, *content: Any) -> str:
    """Return the fingerprint of a request: the model's weights, the way of asking, the question."""
    return digest([model, protocol, code, *content])
