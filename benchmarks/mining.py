"""Measure the miner against others on the same vectors, in one run, on one core.

    python benchmarks/mining.py --images 20000 --width 768 --features clip

Prints a table: CPU-seconds of each method, preparation included, how many times more that is than
ours, the pairs found and whether they are the same; before it the peaks of this core, measured in
the same run. faiss takes part if it is installed (`pip install faiss-cpu`, not in the lock).
"""

import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mining_peaks as peaks
import mining_vectors as corpora
import numpy as np
from numpy.typing import NDArray

from tasks.mining.blocks import make_block
from tasks.mining.kernels import choose_kernel, kernels_here
from tasks.mining.plan import plan_search
from tasks.mining.tiles import mine_tile
from tasks.mining.vectors import Vectors

log = logging.getLogger("benchmark")
ABOVE, BELOW = 0.95, 0.6
BLOCK = 4096
MARGIN = 1e-4
Pairs = set[tuple[int, int]]


@dataclass
class Row:
    """A line of the table."""

    method: str
    cpu_s: float
    pairs: int | None
    same: bool | None
    note: str


def mine_by(kernel: str, clip_ND: NDArray[Any], ssl_NE: NDArray[Any]) -> tuple[Pairs, str]:
    """Ours: what `tasks.mining.mine` does, with a given kernel."""
    start = time.process_time()
    clip, ssl = Vectors("clip", clip_ND), Vectors("ssl", ssl_NE)
    plan = plan_search(clip, clip_above=ABOVE, ssl_below=BELOW, kernel=choose_kernel(kernel))
    block = make_block(plan, 0, clip, ssl)
    prepared = time.process_time() - start
    found = mine_tile(plan, block, block, kernel=choose_kernel(kernel))
    codes = "+".join(str(len(book.centre_K)) for book in plan.codebooks) or "products"
    note = f"codes {codes}, preparation {prepared:.2f} s"
    return set(zip(found.i.tolist(), found.j.tolist(), strict=True)), note


def blocked_products(clip_ND: NDArray[Any], ssl_NE: NDArray[Any]) -> tuple[Pairs, str]:
    """Float32 products of the upper triangle by block, by the faster of NumPy and torch."""
    library, size, multiply = peaks.fastest_product(*clip_ND.shape)
    total, proposed = len(clip_ND), []
    room = np.empty((size, size), np.float32)
    for top in range(0, total, size):
        rows_ND = clip_ND[top : top + size]
        for left in range(top, total, size):
            columns_ND = clip_ND[left : left + size]
            products = room.ravel()[: len(rows_ND) * len(columns_ND)]
            products = products.reshape(len(rows_ND), len(columns_ND))
            multiply(rows_ND, columns_ND, products)
            rows = np.flatnonzero(products.max(axis=1) > ABOVE - MARGIN)
            i, j = np.nonzero(products[rows] > ABOVE - MARGIN)
            proposed.append(np.stack([rows[i] + top, j + left]))
    return decide(
        np.concatenate(proposed, axis=1), clip_ND, ssl_NE
    ), f"products of {size} rows by {library}"


def faiss_range_search(clip_ND: NDArray[Any], ssl_NE: NDArray[Any]) -> tuple[Pairs, str]:
    """What faiss offers for all pairs above a product: an exact range search of each row."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(clip_ND.shape[1])
    index.add(clip_ND)
    limits, _, j = index.range_search(clip_ND, ABOVE - MARGIN)
    i = np.repeat(np.arange(len(clip_ND)), np.diff(limits.astype(np.int64)))
    return decide(np.stack([i, j]), clip_ND, ssl_NE), f"faiss {faiss.__version__}"


def decide(proposed: NDArray[np.int64], clip_ND: NDArray[Any], ssl_NE: NDArray[Any]) -> Pairs:
    """Decide proposed pairs in float64, as the rivals need it too for the same pairs."""
    i, j = proposed[:, proposed[0] < proposed[1]]
    blind = np.empty(len(i), bool)
    for start in range(0, len(i), BLOCK):
        part = slice(start, start + BLOCK)
        clip_P, ssl_P = (cosines(rows, i[part], j[part]) for rows in (clip_ND, ssl_NE))
        blind[part] = (clip_P > ABOVE) & (ssl_P < BELOW)
    return set(zip(i[blind].tolist(), j[blind].tolist(), strict=True))


def cosines(rows_ND: NDArray[Any], i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[Any]:
    """Return the cosines of pairs in float64."""
    one, other = rows_ND[i].astype(np.float64), rows_ND[j].astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / lengths)


Method = Callable[[NDArray[Any], NDArray[Any]], tuple[Pairs, str]]


def measure(name: str, method: Method, images: int, vectors: Any, truth: Pairs | None) -> Row:
    """Run a method on the first `images` and return its line; fewer than all are scaled by N^2."""
    clip_ND, ssl_NE = (rows[:images] for rows in vectors)
    total = len(vectors[0])
    start = time.process_time()
    found, note = method(clip_ND, ssl_NE)
    spent = time.process_time() - start
    if images < total:
        truth = truth and {pair for pair in truth if pair[1] < images}
        note += f", {spent:.2f} s for {images} images, scaled by N^2"
        spent *= (total / images) ** 2
    if name.startswith("blocked"):
        note += f", {total**2 * clip_ND.shape[1] / spent / 1e9:.0f} GFLOP/s"
    return Row(name, spent, len(found), None if truth is None else found == truth, note)


def rows_of(arguments: argparse.Namespace, vectors: Any) -> list[Row]:
    """Measure every method that was asked for, ours first."""
    total = len(vectors[0])
    part = min(arguments.rivals_on or total, total)
    kernels = [name for name in kernels_here() if arguments.kernels in ("all", name)]
    few = tuple(rows[:3000] for rows in vectors)
    peaks.fastest_product(part, vectors[0].shape[1])  # not part of the rival's time
    lines: list[Row] = []
    truth: Pairs | None = None
    for name in kernels:
        mine_by(name, *few)  # what is compiled is loaded, as in a worker's second tile
        best: Row | None = None
        for _ in range(arguments.repeat):
            line = measure(
                f"ours, {name}", lambda *v, k=name: mine_by(k, *v), total, vectors, truth
            )
            best = line if best is None or line.cpu_s < best.cpu_s else best
        assert best
        lines.append(best)
        truth = truth or mine_by(name, *vectors)[0]
    rivals: dict[str, Method] = {"blocked": blocked_products, "faiss": faiss_range_search}
    for name, method in rivals.items():
        if name not in arguments.rivals:
            continue
        try:
            lines.append(measure(NAMES[name], method, part, vectors, truth))
        except ImportError as error:
            log.warning("%s is left out: %s", name, error)
    return lines


NAMES = {"blocked": "blocked fp32 products", "faiss": "faiss range_search"}


def show(lines: list[Row], found: dict[str, Any]) -> None:
    """Print the table as Markdown."""
    print(f"{found['machine']}; {found['features']}, {found['images']} x {found['width']}")
    print(f"command: {found['command']}")
    print(
        f"peaks of one core: float32 {found['fp32_gflops']:.0f} GFLOP/s, int8 "
        f"{found['int8_gops']:.0f} GOP/s; scan of {peaks.CODES} codes: "
        + ", ".join(f"{name} {rate:.0f} GOP/s" for name, rate in found["scan_gops"].items())
    )
    print("\n| method | CPU-s | times ours | pairs | same | notes |\n|---|---|---|---|---|---|")
    for line in lines:
        same = {True: "yes", False: "NO", None: "reference"}[line.same]
        print(
            f"| {line.method} | {line.cpu_s:.2f} | {line.cpu_s / lines[0].cpu_s:.1f} | "
            f"{line.pairs} | {same} | {line.note} |"
        )


def main() -> int:
    """Measure and print; return 1 if a method found other pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--features", choices=corpora.FEATURES, default="clip")
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float32")
    parser.add_argument("--kernels", default="all", help="one kernel; default: all of the machine")
    parser.add_argument("--rivals", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--rivals-on", type=int, help="measure rivals on so many, scale by N^2")
    parser.add_argument("--repeat", type=int, default=3, help="of ours; the least counts")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    vectors = corpora.make(arguments.features, arguments.images, arguments.width)
    if arguments.dtype == "float16":
        vectors = tuple(rows.astype(np.float16) for rows in vectors)
    found = {
        "command": "python benchmarks/mining.py " + " ".join(sys.argv[1:]),
        "machine": f"{peaks.processor()}, Python {platform.python_version()}",
        "features": arguments.features,
        "images": len(vectors[0]),
        "width": vectors[0].shape[1],
        **peaks.measure(vectors[0].shape[1]),
    }
    lines = rows_of(arguments, vectors)
    show(lines, found)
    if arguments.json:
        arguments.json.write_text(json.dumps({**found, "rows": [asdict(row) for row in lines]}))
    return int(any(line.same is False for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
