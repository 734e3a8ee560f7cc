"""Compare images tile by tile on workers: new ones with all, old ones no more with each other.

Put here: which tiles there are, who holds which codes, what a killed run finds again.
Keep out: what happens in a tile (`tasks.mining.parts`); which images are new (`.stage`).

Shapes:
    N  images of a search, old and new

A finished tile is a file an SSL encoder until the search is over, so a run that is killed goes on
behind its last tile. The files lie in a folder an encoder, named by all that they depend on, so it
does not matter which encoders are searched for together.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.files import write_whole
from tasks.mining.pairs import BlindPairs, join
from tasks.mining.parts import Found, Part, Search, code_part, compare_parts, join_found
from tasks.progress import Progress
from tasks.workers import Workers

log = logging.getLogger(__name__)


class Places(NamedTuple):
    """The images of a search, sorted by id, and where each table holds their vectors."""

    ids: pa.StringArray
    clip_N: NDArray[np.int64]
    ssl_N: tuple[NDArray[np.int64], ...]


def cut_parts(places: Places, ranks: NDArray[np.int64], size: int, *, first: int) -> list[Part]:
    """Cut these images, in the order of the CLIP table, into parts numbered from `first` on."""
    ordered = ranks[np.argsort(places.clip_N[ranks], kind="stable")]
    return [
        Part(
            first + start, rank_B, places.clip_N[rank_B], tuple(ssl[rank_B] for ssl in places.ssl_N)
        )
        for start in range(0, len(ordered), size)
        if len(rank_B := ordered[start : start + size])
    ]


def compare(
    workers: Workers,
    search: Search,
    new: Sequence[Part],
    old: Sequence[Part],
    *,
    folders: Sequence[Path],
) -> list[Found]:
    """Return what is found among the new images and between new and old ones, per SSL encoder.

    `folders` hold finished tiles, one folder an SSL encoder; whoever calls this removes them when
    the pairs are stored.

    Raises:
        ValueError: if no worker survives a tile.
    """
    parts = [*new, *old]
    tiles = [(a, b) for a in range(len(new)) for b in range(a, len(parts))]
    progress = Progress("mine", len(tiles), "tiles")
    kept = [_finished(tile, folders) for tile in tiles]
    found = [tile for tile in kept if tile is not None]
    if found:
        log.info("mine: %d of %d tiles were finished by an earlier run", len(found), len(tiles))
    progress.add(len(found))
    waiting = [tile for tile, done in zip(tiles, kept, strict=True) if done is None]
    for tile, values in _run(workers, search, parts, waiting):
        for folder, value in zip(folders, values, strict=True):
            write_tile(folder / _name(tile), value)
        found.append(values)
        progress.add(1)
    empty = [Found(_NONE, _NONE, 0, 0)] * len(search.ssl)
    return [join_found(list(column), search.most) for column in zip(empty, *found, strict=True)]


def _run(
    workers: Workers, search: Search, parts: Sequence[Part], tiles: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], list[Found]]]:
    work = partial(compare_parts, search=search)
    if len(tiles) == 1:  # done sooner than a worker would start
        coded = [code_part(parts[place], search=search) for place in dict.fromkeys(tiles[0])]
        yield tiles[0], work(tiles, coded[0], coded[-1])
    if len(tiles) < 2:
        return
    held = workers.hold(partial(code_part, search=search), parts)
    uses = Counter(place for tile in tiles for place in tile)
    shards = [[tile] for tile in tiles]
    for done in workers.run(work, shards, needs=lambda items: held.of(*items[0])):
        (tile,) = done.shard.items
        if done.value is None:
            message = (
                f"no worker survived the comparison of {len(parts[tile[0]].rank_B)} with "
                f"{len(parts[tile[1]].rank_B)} images; give workers more memory, or fewer images "
                f"at once with --tile-images"
            )
            raise ValueError(message)
        for place in tile:
            uses[place] -= 1
            if not uses[place]:
                held.release(place)
        yield tile, done.value


def _name(tile: tuple[int, int]) -> str:
    return f"{tile[0]}-{tile[1]}.arrow"


def _finished(tile: tuple[int, int], folders: Sequence[Path]) -> list[Found] | None:
    """Return what a tile holds for each encoder, or None if that of one is missing."""
    found = []
    for folder in folders:
        kept = read_tile(folder / _name(tile))
        if kept is None:
            return None
        found.append(kept)
    return found


_NONE = join([])


def write_tile(path: Path, found: Found) -> None:
    """Write what a tile holds for an encoder to a file, all of it or nothing."""
    sink = pa.BufferOutputStream()
    batch = _batch(found)
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    write_whole(path, sink.getvalue().to_pybytes())


def read_tile(path: Path) -> Found | None:
    """Return what `write_tile` wrote, or None if there is no such file that can be read."""
    try:
        with pa.ipc.open_file(pa.BufferReader(path.read_bytes())) as reader:
            return _found(reader.get_batch(0))
    except (OSError, pa.ArrowInvalid):
        return None


_LISTS = ("blind", "alike")


def _batch(found: Found) -> pa.RecordBatch:
    """Return a batch of one row: lists of pairs as lists of their columns."""
    columns: dict[str, pa.Array] = {}
    for name, pairs in zip(_LISTS, (found.blind, found.alike), strict=True):
        for field, column in zip(BlindPairs._fields, pairs, strict=True):
            columns[f"{name}_{field}"] = pa.array([column])
    for name, count in zip(_LISTS, (found.blind_found, found.alike_found), strict=True):
        columns[f"{name}_found"] = pa.array([count], pa.int64())
    return pa.RecordBatch.from_pydict(columns)


def _found(batch: pa.RecordBatch) -> Found:
    blind, alike = (
        BlindPairs._make(
            batch[f"{name}_{field}"].flatten().to_numpy() for field in BlindPairs._fields
        )
        for name in _LISTS
    )
    return Found(blind, alike, *(batch[f"{name}_found"][0].as_py() for name in _LISTS))


def forget(folder: Path) -> None:
    """Remove finished tiles, those of earlier searches too."""
    shutil.rmtree(folder, ignore_errors=True)
