"""A search over stored vectors, cut into parts that workers read and code on their own.

Put here: what a worker is told, what it reads, what it finds in one tile.
Keep out: which tiles there are and what becomes of them (`tasks.mining.comparing`).

Shapes:
    B  images of a part    P  pairs    D  width of a vector

A part's codes stay in memory on whichever worker made them. Its vectors stay in the store: they are
read once to be coded, and again where codes leave pairs to be decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import embeddings
from storage.database import Database
from tasks.mining.blocks import Block, make_block
from tasks.mining.capping import cap, take
from tasks.mining.kernels import choose_kernel
from tasks.mining.pairs import BlindPairs, NearPairs, join
from tasks.mining.plan import Plan
from tasks.mining.tiles import near_parts, ssl_cosines
from tasks.mining.vectors import Fetched, Vectors

PAIRS_HELD: Final = 1 << 21
"""Pairs found in a tile beyond which long lists are cut before the tile is finished."""


class Source(NamedTuple):
    """An encoder's table at a version."""

    encoder: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for, and in which tables: pairs near for `clip` and far for one of `ssl`."""

    store: str
    plan: Plan
    clip: Source
    ssl: tuple[Source, ...]
    ssl_below: tuple[float, ...]
    alike_above: float
    """A pair that both encoders put above this is a near-duplicate."""
    most: int
    """Pairs kept of an image, in each of the two lists."""


class Part(NamedTuple):
    """Consecutive images of a search: the number of the first, and where their rows are."""

    first: int
    rank_B: NDArray[np.int64]
    """Their places among all images, sorted by id; pairs that are found are named by them."""
    clip_B: NDArray[np.int64]
    """Offsets of their rows in the table of `clip`, increasing."""
    ssl_B: tuple[NDArray[np.int64], ...]
    """...and in those of `ssl`."""


class Coded(NamedTuple):
    """A part and its codes, as a worker keeps it."""

    part: Part
    block: Block


class Found(NamedTuple):
    """What one tile, or all, hold: `i < j` are ranks; lists of an image are cut to `most`."""

    blind: BlindPairs
    alike: BlindPairs
    """Near-duplicates."""
    blind_found: int
    """Blind pairs before lists were cut."""
    alike_found: int


def code_part(part: Part, *, search: Search) -> Coded:
    """Read a part's CLIP vectors and code them.

    Raises:
        StoreError: if the version of the table is gone.
        ValueError: if a vector is zero or not finite.
    """
    vectors_BD = read_vectors(search.store, search.clip, part.clip_B)
    block = make_block(search.plan, part.first, Vectors("clip", vectors_BD, first=part.first))
    return Coded(part, replace(block, clip=_fetched(search.store, search.clip, part.clip_B)))


def compare_parts(
    tile: Sequence[tuple[int, int]], rows: Coded, columns: Coded, *, search: Search
) -> list[Found]:
    """Return what a tile holds for each of the encoders `ssl`; `tile` names it and is not read."""
    del tile
    gathered = [_Gathered(search.most) for _ in search.ssl]
    for near in near_parts(search.plan, rows.block, columns.block, choose_kernel()):
        for place, found in enumerate(gathered):
            cosine_P = ssl_cosines(
                near,
                rows.block,
                columns.block,
                _fetched(search.store, search.ssl[place], rows.part.ssl_B[place]),
                _fetched(search.store, search.ssl[place], columns.part.ssl_B[place]),
            )
            pairs = _ranked(near, cosine_P, rows.part, columns.part)
            found.add(pairs, cosine_P < search.ssl_below[place], _alike(pairs, search))
    return [found.all() for found in gathered]


def _alike(pairs: BlindPairs, search: Search) -> NDArray[np.bool_]:
    return (pairs.clip_cosine > search.alike_above) & (pairs.ssl_cosine > search.alike_above)


def _ranked(
    near: NearPairs, cosine_P: NDArray[np.float64], rows: Part, columns: Part
) -> BlindPairs:
    """Return near pairs by the ranks of their images instead of the numbers."""
    parts = sorted((rows, columns), key=lambda part: part.first)  # near.i is in the first of them
    one_P = parts[0].rank_B[near.i - parts[0].first]
    other_P = parts[1].rank_B[near.j - parts[1].first]
    return BlindPairs(
        np.minimum(one_P, other_P), np.maximum(one_P, other_P), near.clip_cosine, cosine_P
    )


class _Gathered:
    """Pairs as they are found, in memory bounded by what is kept of an image."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lists: tuple[list[BlindPairs], list[BlindPairs]] = ([], [])
        self._found = [0, 0]

    def add(self, pairs: BlindPairs, *chosen: NDArray[np.bool_]) -> None:
        for place, chosen_P in enumerate(chosen):
            kept = self._lists[place]
            kept.append(take(pairs, chosen_P))
            self._found[place] += int(chosen_P.sum())
            if sum(len(part.i) for part in kept) > PAIRS_HELD:
                kept[:] = [cap(join(kept), self._most).pairs]

    def all(self) -> Found:
        blind, alike = (cap(join(kept), self._most).pairs for kept in self._lists)
        return Found(blind, alike, *self._found)


def join_found(parts: Iterator[Found] | Sequence[Found], most: int) -> Found:
    """Return what tiles that have no pair in common hold together."""
    gathered = _Gathered(most)
    blind_found = alike_found = 0
    for part in parts:
        every = np.ones(len(part.blind.i), bool)
        gathered.add(part.blind, every, np.zeros_like(every))
        every = np.ones(len(part.alike.i), bool)
        gathered.add(part.alike, np.zeros_like(every), every)
        blind_found += part.blind_found
        alike_found += part.alike_found
    joined = gathered.all()
    return Found(joined.blind, joined.alike, blind_found, alike_found)


def _fetched(store: str, source: Source, offset_B: NDArray[np.int64]) -> Fetched:
    return Fetched(source.encoder, len(offset_B), partial(_fetch, store, source, offset_B))


def _fetch(
    store: str, source: Source, offset_B: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.floating]:
    return read_vectors(store, source, offset_B[places])


def read_vectors(store: str, source: Source, offsets: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the vectors (B, D) at these offsets of a table, in any order.

    Raises:
        StoreError: if the version of the table is gone.
    """
    order = np.argsort(offsets)
    vectors_BD = embeddings.at(_open(store), source.encoder, offsets[order], version=source.version)
    if (np.diff(order) == 1).all():
        return vectors_BD
    back = np.empty_like(vectors_BD)
    back[order] = vectors_BD
    return back


@lru_cache(maxsize=2)
def _open(store: str) -> Database:
    return Database(store)
