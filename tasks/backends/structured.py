"""Structured replies, and the words of others inside prompts.

Put here: asking for JSON of a schema, finding it in what was said, and keeping texts that others
wrote apart from the prompt's own.
Keep out: what is asked for (`tasks.graders`, `tasks.proposals`, `tasks.checks`).

Texts that others wrote may hold instructions, or the lines that should keep them apart. So they
stand between lines that bear a mark made of their hash, which they cannot hold themselves, and the
signs that begin special tokens of chat templates are replaced by look-alikes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tasks.backends.request import Reply

_LOOK_ALIKES: Final = str.maketrans({"<": "\u2039", ">": "\u203a", "[": "\uff3b", "]": "\uff3d"})
"""Chat templates' special tokens begin with one of these, and a server may read them in texts."""


def json_format(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which vLLM, SGLang, Ollama and OpenAI are told a JSON schema."""
    told = {"name": name, "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": told}}


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def plain(text: str) -> str:
    """Return a text of others as it goes into a prompt: without signs that begin special tokens."""
    return text.translate(_LOOK_ALIKES)


def mark_of(*texts: str) -> str:
    """Return 16 hex digits that none of the texts can hold, for the lines around them."""
    text = "\0".join(texts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def objects_in(reply: Reply) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a reply, from left to right, none inside another.

    A thought before `</think>` does not count.
    """
    text = reply.text.rpartition("</think>")[2]
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            yield value
        at = text.find("{", end)
