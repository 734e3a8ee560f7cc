"""Read a reply under a protocol, by lot too where its harness does so.

Put here: the reading of one reply, and the lot that is the same however often it is drawn.
Keep out: parsers (`harnesses`, `rules`, beside this file).
"""

import hashlib
from typing import Final

from tasks.benchmarks.question import Question
from tasks.protocols.protocol import Protocol, Reading

_LOTS: Final = (0, 1, None)
"""VLMEvalKit draws A, B or Z, and Z is wrong."""


def read_reply(
    protocol: Protocol, question: Question, reply: str | None, *, seed: int | None = None
) -> Reading:
    """Return the option that a reply takes; no reply is unread, whatever the protocol.

    With a seed, a protocol that draws does so where it cannot read; the lot is the seed's and the
    question's, so that neither order nor repetition changes it.
    """
    if reply is None:
        return Reading(None, "unread")
    option = protocol.parse(reply, question.options)
    if option is not None:
        return Reading(option, "read")
    if not protocol.draws or seed is None:
        return Reading(None, "unread")
    name = f"{seed} {protocol.name} {question.number} {question.text}".encode()
    number = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    return Reading(_LOTS[number % len(_LOTS)], "drawn")
