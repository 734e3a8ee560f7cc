"""Models that are asked over the network: their names, their requests, their keys.

Put here: what `--model openai:NAME@URL` stands for, and a question as a request.
Keep out: calls, second tries, money (`tasks.backends`); what is missing (`stage`).

Another package adds a back end by an entry point of the group `mmvp.backends`, whose name stands
before the colon. Its value names a callable: `(model, url, *, images, timeout_s)` to a
`tasks.backends.Backend`; `url` is None where none was given.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from tasks import plugins
from tasks.backends import (
    Backend,
    Decoding,
    Images,
    Message,
    OpenAIServer,
    Picture,
    Request,
    Text,
    read_secret,
)
from tasks.backends.anthropic import Anthropic
from tasks.backends.gemini import Gemini
from tasks.backends.request import media_type
from tasks.backends.structured import json_format
from tasks.corpora.locations import find_bytes
from tasks.evaluation.asking import BLANK, BLANK_GREY, BLANK_PX, NO_IMAGE, Asked
from tasks.evaluation.ways import Way
from tasks.images import decode_pixels
from tasks.protocols.protocol import LOGPROBS

OPENAI: Final = "https://api.openai.com/v1"
KEYS: Final[Mapping[str, str]] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
}
"""The environment variable of each provider's key."""

ROOM_TO_THINK: Final = 8192
"""Tokens of an answer by a server's own decoding: thoughts that are not shown count too."""

View = Callable[[bytes], bytes]
"""From an image's file to the file that is shown, in PNG or JPEG."""

NO_VIEWS: Final[Mapping[str, View]] = MappingProxyType({})
IMAGES_KEPT: Final = 64
"""An image is asked about several times in a row."""

OWN_KEY: Final = "MMVP_API_KEY"
"""The key of a server with an address of its own, which may have none. A provider's key is never
sent there."""


class Server(NamedTuple):
    """A model on a server; without an address it is the provider's own."""

    kind: str
    name: str
    url: str | None = None

    @classmethod
    def parse(cls, spec: str) -> Self | None:
        """Return what a spec names: `openai:NAME`, `openai:NAME@URL`, `anthropic:NAME`, ...

        None: it is no server but a folder, or a name on the hub.

        Raises:
            ValueError: if the name is missing, or an address is given to a provider.
        """
        written, colon, rest = spec.partition(":")
        kind = written
        if not colon or kind not in {*KEYS, *plugins.offered(plugins.BACKENDS, KEYS)}:
            return None
        name, at, url = rest.partition("@")
        if not name or (at and not url.startswith(("http://", "https://"))):
            message = f"model {spec!r}: expected {kind}:NAME or openai:NAME@http://HOST:PORT/v1"
            raise ValueError(message)
        if url and kind in KEYS and kind != "openai":
            message = f"model {spec!r}: only openai: takes an address, as many servers speak it"
            raise ValueError(message)
        return cls(kind, name, url.rstrip("/") or None)

    @property
    def label(self) -> str:
        """What tables call the model."""
        return f"{self.kind}:{self.name}{f'@{self.url}' if self.url else ''}"

    def structured(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decoding settings that ask for JSON; a prompt asks for it in words as well.

        Gemini is told that it is JSON and not the schema, of which its API knows a dialect only;
        Anthropic is told nothing.
        """
        if self.kind == "openai":
            return json_format(name, schema)
        return {"response_mime_type": "application/json"} if self.kind == "gemini" else {}

    def seed(self, number: int) -> int | None:
        """Return the seed of a draw; Anthropic knows none."""
        return None if self.kind == "anthropic" else number

    def decoding(
        self,
        most_tokens: int,
        temperature: float = 0.0,
        *,
        draw: int = 0,
        own: bool = False,
        structured: tuple[str, Mapping[str, Any]] | None = None,
    ) -> Decoding:
        """Return how a reply is made: a draw of its own where the temperature is not 0.

        With `own` the server decides, and there is room to think. `structured` is the name and the
        schema of the JSON that is asked for.
        """
        extra = {} if structured is None else self.structured(*structured)
        if own:
            most = max(most_tokens, ROOM_TO_THINK)
            return Decoding(max_new_tokens=most, temperature=None, extra=extra)
        return Decoding(
            max_new_tokens=most_tokens,
            temperature=temperature,
            seed=self.seed(draw) if temperature > 0 else None,
            extra=extra,
        )

    def backend(self, images: Images, *, timeout_s: float) -> Backend:
        """Return the way to the server.

        Raises:
            ValueError: if the environment lacks the key, or the address is none.
            ImportError: if the provider's library is not installed.
        """
        if self.kind not in KEYS:
            make = plugins.load(plugins.offered(plugins.BACKENDS, KEYS)[self.kind])
            other: Backend = make(self.name, self.url, images=images, timeout_s=timeout_s)
            return other
        if self.kind == "openai" and self.url is not None:
            key = read_secret(OWN_KEY, required=False)
            return OpenAIServer(self.url, images=images, key=key, timeout_s=timeout_s)
        key = read_secret(KEYS[self.kind])
        if self.kind == "openai":
            return OpenAIServer(
                OPENAI,
                images=images,
                key=key,
                timeout_s=timeout_s,
                limit_field="max_completion_tokens",  # its newer models know no other
            )
        provider = Anthropic if self.kind == "anthropic" else Gemini
        return provider(key, images=images, timeout_s=timeout_s)

    def request(self, way: Way, asked: Asked) -> Request:
        """Return the request that puts a question to the model.

        Raises:
            ValueError: if no server can be asked this way.
        """
        decoding = way.protocol.decoding
        if way.protocol.asks == LOGPROBS or decoding.beams > 1:
            message = (
                f"{self.label} cannot be asked by {way.protocol.name!r}: a server gives neither "
                f"the likelihood of a whole answer nor {decoding.beams} beams; use another "
                f"protocol, such as letter, or a local model"
            )
            raise ValueError(message)
        system = [Message("system", (Text(asked.system),))] if asked.system else []
        shown = [] if asked.image == NO_IMAGE else [Picture(asked.image)]
        return Request(
            model=self.name,
            messages=(*system, Message("user", (*shown, Text(asked.question)))),
            protocol=way.name,
            decoding=self.decoding(
                decoding.most_tokens,
                decoding.temperature,
                draw=way.manner.seed,
                own=way.own,
            ),
            revision=self.url,
        )


def images_of(held: Mapping[str, Sequence[str]], views: Mapping[str, View] = NO_VIEWS) -> Images:
    """Return a function that gives the bytes of images, as a server can read them.

    `held` are the files of each image, `views` how images are handled beside `as-is`. The function
    raises RefusedImageError if an image is gone.
    """

    @lru_cache(IMAGES_KEPT)
    def read(picture: Picture) -> bytes:
        if picture.image == BLANK:
            return png(np.full((BLANK_PX, BLANK_PX, 3), BLANK_GREY, np.uint8))
        data = find_bytes(picture.image, held[picture.image])
        if picture.handling in views:
            return views[picture.handling](data)
        return upright(data)

    return read


def upright(data: bytes) -> bytes:
    """Return an image's file where every reader sees in it what encoders get, else a PNG of that.

    Readers differ about EXIF's orientation, transparency and colours other than RGB and grey.

    Raises:
        RefusedImageError: if the bytes are no image.
    """
    try:
        media_type(data)
        with Image.open(io.BytesIO(data)) as stored:
            turned = stored.getexif().get(ExifTags.Base.Orientation, 1) != 1
            if stored.mode in ("RGB", "L") and "transparency" not in stored.info and not turned:
                return data
    except (ValueError, OSError):
        pass
    return png(decode_pixels(data))


def png(pixels_HWC: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W, 3) as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels_HWC).save(file, "PNG")
    return file.getvalue()
