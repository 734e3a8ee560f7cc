"""Protocols by name: what is asked, how the reply is read, which key and which rule for pairs.

A protocol is a value: it asks no model and scores no benchmark by itself.
"""

from tasks.protocols.protocol import Decoding, Judge, Prompt, Protocol, Reading
from tasks.protocols.reading import read_reply
from tasks.protocols.registry import PROTOCOLS, protocol_named, protocol_of

__all__ = [
    "PROTOCOLS",
    "Decoding",
    "Judge",
    "Prompt",
    "Protocol",
    "Reading",
    "protocol_named",
    "protocol_of",
    "read_reply",
]
