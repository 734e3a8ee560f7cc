"""Images to vectors on a worker, its parts at work at the same time: decode, model, write.

Put here: the threads of a worker, the queues between them, how busy each part was.
Keep out: what is missing and what is committed (`tasks.embed`); encoders (`tasks.encoders`); how an
image is decoded (`tasks.images`).

Threads decode and resize, no more than a few passes ahead; the calling thread fills passes and runs
models, a pass of each under way while the next is filled; a thread an encoder writes. One decode
feeds every encoder, and encoders that want the same size share the resize.

Shapes:
    B  images in a pass    D  width of a vector
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import Full, Queue
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.corpora.locations import find_bytes
from tasks.encoders import Encoder
from tasks.encoders.passes import Started
from tasks.encoders.recipes import fit
from tasks.images import RefusedImageError, decode_pixels

PASSES_AHEAD: Final = 2
"""Decoded images may wait for so many passes."""

BATCHES_AHEAD: Final = 4
"""Vectors of so many passes may wait to be written."""

Batch = tuple[Sequence[str], NDArray[np.float32]]
Write = Callable[[str, int, Iterator[Batch]], Any]
"""Takes an encoder's role, the width of its vectors, and ids with vectors (B, D) as they come."""


class ImageItem(NamedTuple):
    """An image to embed: its id, the files that hold it, the roles that lack its vector."""

    key: str
    paths: Sequence[str]
    roles: Sequence[str]


class Failure(NamedTuple):
    """An image that gave no vector."""

    image: str
    reason: str
    detail: str


class Fitted(NamedTuple):
    """An image resized for each encoder that wants it, by role, or why there is none."""

    key: str
    pixels: Mapping[str, NDArray[np.uint8]]
    failure: Failure | None


class Busy:
    """Seconds that the parts were at work, of any number of threads."""

    def __init__(self) -> None:
        self.seconds = {"load": 0.0, "decode": 0.0, "model": 0.0, "write": 0.0}
        self._lock = threading.Lock()

    @contextmanager
    def at(self, part: str, *, sign: int = 1) -> Iterator[None]:
        """Count the seconds of the block, or with `sign` -1 take them off again."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[part] += sign * (time.perf_counter() - begun)


def embed_items(
    items: Sequence[ImageItem],
    encoders: Mapping[str, Encoder],
    write: Write,
    *,
    threads: int,
    busy: Busy,
) -> tuple[dict[str, Any], list[Failure]]:
    """Return what `write` returned for each role that has a vector, and the images that gave none.

    Raises:
        Exception: whatever an encoder or `write` raised.
    """
    failures: list[Failure] = []
    ahead = PASSES_AHEAD * max(one.passes.sizes.reference for one in encoders.values()) + threads
    lines = {role: _Line(role, one, write, busy) for role, one in encoders.items()}
    try:
        for fitted in _fit_ahead(items, encoders, threads, ahead, busy):
            if fitted.failure:
                failures.append(fitted.failure)
            for role, pixels in fitted.pixels.items():
                lines[role].add(fitted.key, pixels)
        results = {role: line.end() for role, line in lines.items()}
    finally:
        for line in lines.values():
            line.stop()
    return {role: result for role, result in results.items() if result is not None}, failures


def _fit_ahead(
    items: Iterable[ImageItem],
    encoders: Mapping[str, Encoder],
    threads: int,
    ahead: int,
    busy: Busy,
) -> Iterator[Fitted]:
    """Yield items in order, decoded and resized in threads, at most `ahead` of them at a time."""
    waiting: deque[Future[Fitted]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(fit_item, item, encoders, busy))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def fit_item(item: ImageItem, encoders: Mapping[str, Encoder], busy: Busy) -> Fitted:
    """Read, decode and resize one image for the encoders that lack it."""
    with busy.at("decode"):
        try:
            pixels_HWC = decode_pixels(find_bytes(item.key, item.paths))
        except RefusedImageError as error:
            return Fitted(item.key, {}, Failure(item.key, error.reason, error.detail))
        fitted: dict[tuple[object, ...], NDArray[np.uint8]] = {}
        by_role = {}
        for role in item.roles:
            recipe = encoders[role].recipe
            wish = (recipe.resize_px, recipe.crop_px, recipe.resize, recipe.interpolation)
            if wish not in fitted:
                fitted[wish] = np.ascontiguousarray(fit(pixels_HWC, recipe))
            by_role[role] = fitted[wish]
        return Fitted(item.key, by_role, None)


class _Line:
    """One encoder's way from fitted images to files."""

    def __init__(self, role: str, encoder: Encoder, write: Write, busy: Busy) -> None:
        self._encoder = encoder
        self._busy = busy
        self._keys: list[str] = []
        self._pixels: list[NDArray[np.uint8]] = []
        self._under_way: deque[tuple[list[str], list[Started]]] = deque()
        self._vectors: Queue[Batch | None] = Queue(BATCHES_AHEAD)
        self._writer = ThreadPoolExecutor(1)
        self._write = partial(write, role, encoder.width)
        self._writing: Future[Any] | None = None

    def add(self, key: str, pixels_SSC: NDArray[np.uint8]) -> None:
        """Take an image; when there are enough for a pass, run it."""
        self._keys.append(key)
        self._pixels.append(pixels_SSC)
        if len(self._keys) >= self._encoder.passes.sizes.wanted:
            self._run()

    def end(self) -> Any:
        """Run what is left and return what the writer returned, None if there was nothing."""
        if self._keys:
            self._run()
        while self._under_way:
            self._hand_on()
        if self._writing is None:
            return None
        self._put(None)
        return self._writing.result()

    def stop(self) -> None:
        """End the writer, also after a failure."""
        if self._writing:
            self._put(None, check=False)
        self._writer.shutdown()

    def _run(self) -> None:
        """Start a pass, and only then wait for the one before."""
        with self._busy.at("model"):
            started = self._encoder.passes.start(self._pixels)
        self._under_way.append((self._keys, started))
        self._keys, self._pixels = [], []
        if len(self._under_way) > 1:
            self._hand_on()

    def _hand_on(self) -> None:
        keys, started = self._under_way.popleft()
        with self._busy.at("model"):
            vectors_BD = self._encoder.unit(self._encoder.passes.finish(started))
        if self._writing is None:
            self._writing = self._writer.submit(self._timed_write)
        self._put((keys, vectors_BD))

    def _put(self, batch: Batch | None, *, check: bool = True) -> None:
        """Hand a batch on, unless the writer has failed; then raise what it raised."""
        while self._writing and not self._writing.done():
            try:
                self._vectors.put(batch, timeout=0.1)
            except Full:
                continue
            return
        if check and self._writing:
            self._writing.result()

    def _timed_write(self) -> Any:
        with self._busy.at("write"):
            return self._write(self._batches())

    def _batches(self) -> Iterator[Batch]:
        while True:
            with self._busy.at("write", sign=-1):  # waiting is not work
                batch = self._vectors.get()
            if batch is None:
                return
            yield batch
