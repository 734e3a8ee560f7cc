"""Prompts as files: a system part, a line of three hyphens, a user part.

Put here: reading them, and naming a prompt by what it says.
Keep out: what they ask (the `.txt` files, beside those who use them).
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

from tasks.backends.request import Message, Picture, Text
from tasks.backends.structured import mark_of, plain
from tasks.fingerprints import digest


class Prompt(NamedTuple):
    """What is asked in words; `name` is another one when a word or the schema is."""

    name: str
    system: str
    user: str
    schema: Mapping[str, Any]

    def messages(
        self, *shown: Text | Picture, mark: str | None = None, **words: str
    ) -> tuple[Message, ...]:
        """Return the messages that show something and put words of others into their places.

        Words are kept apart by a mark (`$mark` in the file) that none of them holds.
        """
        told = {name: plain(text) for name, text in words.items()}
        told["mark"] = mark or mark_of(*words.values())
        system, user = (
            Template(part).substitute(told) if words else part for part in (self.system, self.user)
        )
        return Message("system", (Text(system),)), Message("user", (*shown, Text(user)))


@cache
def _parts(file: Path) -> tuple[str, str]:
    system, _, user = file.read_text(encoding="utf-8").partition("\n---\n")
    return system, user.strip("\n")


def read_prompt(file: Path, schema: Mapping[str, Any], **ours: str) -> Prompt:
    """Return the prompt of a file, named after it: `write-` and 12 digits of all it says.

    `ours` are texts of our own that stand in it by their names (`$nine`).
    """
    system, user = (Template(part).safe_substitute(ours) for part in _parts(file))
    name = f"{file.stem}-{digest([system, user, dict(schema)])[:12]}"
    return Prompt(name, system, user, schema)
