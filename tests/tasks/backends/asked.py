"""Requests to ask in tests, and a clock that does not wait."""

import asyncio

from tasks.backends import Decoding, Message, Picture, Request, Text
from tasks.backends.pace import Clock

PNG = b"\x89PNG\r\n\x1a\n rest of a picture"


def images(picture):
    return PNG


def request(words="Is it open?", *, picture=None, model="stub", protocol="letter", **decoding):
    parts = [Text(words)] + ([Picture(picture)] if picture else [])
    return Request(
        model=model,
        messages=(Message("user", tuple(parts)),),
        protocol=protocol,
        decoding=Decoding(**{"max_new_tokens": 16} | decoding),
    )


def requests(count):
    return [request(f"question {number}") for number in range(count)]


class FakeTime:
    """Passes only when someone waits."""

    def __init__(self):
        self.now = 0.0
        self.waits = []

    @property
    def clock(self):
        return Clock(lambda: self.now, self.sleep)

    async def sleep(self, seconds):
        self.waits.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)
