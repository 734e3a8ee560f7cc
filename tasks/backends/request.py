"""What is asked of a model behind a back end, and what comes back: frozen, complete, named.

Put here: requests and their fingerprints, replies, failures, the protocol `Backend`.
Keep out: how a request is sent (`openai`, `anthropic`, `gemini`, `replay`); how many are sent
(`running`), all beside this file; which words are sent (the named protocols).

Shapes: tokens are counts; log-probabilities are in nats; waits are in seconds.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, get_args

from tasks.fingerprints import digest

FORMAT: Final = 1
"""Of what a fingerprint covers; another number makes every stored request another."""

Role = Literal["system", "user", "assistant"]
Reason = Literal[
    "timeout", "rate-limited", "refused", "rejected", "bad-reply", "server-error", "over-budget"
]
"""Why a call has no answer. `refused`: the model or a filter would not answer this request;
`rejected`: the server did not take it (wrong key, unknown model, too large)."""
REASONS: Final[tuple[str, ...]] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a message."""

    text: str

    def named(self) -> dict[str, Any]:
        """Return what a fingerprint covers."""
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a message, by the name of its content; the bytes are fetched when it is sent.

    `handling` names what is done to the image before it is sent (crop, padding, format), `detail`
    the resolution asked of servers that offer one. Both change what a model sees.
    """

    image: str
    handling: str = "as-is"
    detail: str | None = None

    def named(self) -> dict[str, Any]:
        """Return what a fingerprint covers."""
        return {"image": self.image, "handling": self.handling, "detail": self.detail}


Images = Callable[[Picture], bytes]
"""Gives the bytes of a picture, as a file in PNG, JPEG, WebP or GIF."""


@dataclass(frozen=True, slots=True)
class Message:
    """A turn of a conversation."""

    role: Role
    parts: tuple[Text | Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How a model chooses its words; greedy unless told otherwise.

    None leaves a setting to the server, for models that refuse it. `extra` goes into the body of
    the request as it is (`{"top_k": 1}`).
    """

    max_new_tokens: int = 1024
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = None
    top_logprobs: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", MappingProxyType(copy.deepcopy(dict(self.extra))))

    def named(self) -> dict[str, Any]:
        """Return what a fingerprint covers."""
        return {
            "max_new_tokens": self.max_new_tokens,
            "temperature": None if self.temperature is None else float(self.temperature),
            "top_p": None if self.top_p is None else float(self.top_p),
            "seed": self.seed,
            "top_logprobs": self.top_logprobs,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that decides an answer: the model, the conversation, the decoding, the protocol.

    `model` is the name that the server knows; `revision` is what the user knows of the weights
    behind it. No key, address or time-out belongs here: they decide no word of an answer.
    """

    model: str
    messages: tuple[Message, ...]
    protocol: str
    decoding: Decoding = Decoding()
    revision: str | None = None

    @property
    def fingerprint(self) -> str:
        """The name of the request (64 hex digits): the key under which its answer is kept."""
        messages = [
            {"role": message.role, "parts": [part.named() for part in message.parts]}
            for message in self.messages
        ]
        return digest(
            {
                "format": FORMAT,
                "model": self.model,
                "revision": self.revision,
                "messages": messages,
                "decoding": self.decoding.named(),
                "protocol": self.protocol,
            }
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a server says it read and wrote."""

    read: int
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model said, verbatim.

    `cut` says that it had more to say than `max_new_tokens`. `first` holds the log-probabilities
    of the likeliest first tokens, where asked for and given. `model` is the name that the server
    gives itself, often with a date.
    """

    text: str
    cut: bool = False
    usage: Usage | None = None
    first: tuple[tuple[str, float], ...] = ()
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call has no answer; never to be read as one.

    `retry_after` is how long (s) the server asks to be left alone. `usage` is set where the server
    says what the failed call cost.
    """

    reason: Reason
    message: str
    retry_after: float | None = None
    usage: Usage | None = None


Outcome = Reply | Failure


class Backend(Protocol):
    """A way to reach models. A call that fails returns a `Failure`; only mistakes raise."""

    async def reply(self, request: Request) -> Outcome:
        """Ask once, without a second try."""
        ...


def media_type(data: bytes) -> str:
    """Return the media type of an image file by its first bytes.

    Raises:
        ValueError: if it is none of PNG, JPEG, WebP, GIF.
    """
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    marks = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
    for mark, name in marks.items():
        if data.startswith(mark):
            return name
    message = (
        f"an image to be sent begins with {data[:8]!r}; expected PNG, JPEG, WebP or GIF: "
        f"convert it before it is asked about"
    )
    raise ValueError(message)
