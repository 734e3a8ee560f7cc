"""Mine a store of any size through the flow: time, memory of all processes, killed and resumed.

    python benchmarks/mining_flow.py --images 1000000 --home million
    python benchmarks/mining_flow.py --images 1000000 --home million --kill-after 60

The first call fills the store with drawn float16 vectors under the names of the shipped encoders
(CLIP-like ones of width 768 for both, see `mining_vectors`), images that have no files, then
runs `mmvp mine` on it. With `--kill-after` that run is killed so many seconds after its first tile
and started again. Prints wall and CPU seconds, the peak of memory of all processes together (their
proportional set sizes), and a digest of the pairs, which is the same however often it was killed.
"""

import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import argparse
import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from mining_vectors import plant
from numpy.typing import NDArray

from storage import embeddings, images, pairs, paths
from storage.database import Database
from tasks.encoders import EncoderConfig, identify

CHUNK = 50_000
PER_CLUSTER = 100
SSL_FALL = 0.4


def fill(home: Path, count: int, width: int) -> None:
    """Write images without files, where a corpus says they lie, and their vectors."""
    db = Database(str(home / "store"))
    corpus = home / "corpus"
    corpus.mkdir(parents=True)
    names = [identify(EncoderConfig(spec=spec)).name for spec in ("tiny:clip", "tiny:ssl")]
    rng = np.random.default_rng(0)
    scale_D = (np.arange(width, dtype=np.float32) + 4) ** np.float32(-0.5)
    scale_D /= np.linalg.norm(scale_D)
    mean_D = rng.standard_normal(width).astype(np.float32)
    mean_D /= np.linalg.norm(mean_D)
    shape = (max(50, count // PER_CLUSTER), width)
    centres_KD = rng.standard_normal(shape, dtype=np.float32) * scale_D * np.float32(0.66**0.5)
    db.make([images.SPEC, paths.SPEC])
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        rng = np.random.default_rng(start + 1)
        clip_ND = rng.standard_normal((size, width), dtype=np.float32)
        clip_ND *= scale_D * np.float32(0.34**0.5)
        clip_ND += centres_KD[rng.integers(0, len(centres_KD), size)] + mean_D
        ssl_NE = rng.standard_normal((size, width), dtype=np.float32)
        ssl_NE *= (np.arange(width, dtype=np.float32) + 4) ** np.float32(-SSL_FALL)
        clip_ND /= np.linalg.norm(clip_ND, axis=1, keepdims=True)
        ssl_NE /= np.linalg.norm(ssl_NE, axis=1, keepdims=True)
        plant(rng, clip_ND, ssl_NE)
        ids = [hashlib.sha256(b"%d" % n).hexdigest() for n in range(start, start + size)]
        _add(db, corpus, ids, names, (clip_ND, ssl_NE))
        print(f"filled {start + size:,} of {count:,}", file=sys.stderr)


def _add(
    db: Database,
    corpus: Path,
    ids: list[str],
    names: list[str],
    vectors: tuple[NDArray[np.float32], ...],
) -> None:
    for name, vectors_ND in zip(names, vectors, strict=True):
        batches = (
            (ids[at : at + 4096], vectors_ND[at : at + 4096]) for at in range(0, len(ids), 4096)
        )
        written = embeddings.write(db.uri, name, vectors_ND.shape[1], batches)
        latest = embeddings.version(db, name)
        embeddings.append(db, name, [written], {}, read_version=latest)
    same = {"width": 224, "height": 224, "format": "JPEG", "mode": "RGB", "frames": 1}
    rows = [{"image": one, **same, "size_bytes": 1} for one in ids]
    db.open("images").add(pa.Table.from_pylist(rows, schema=images.SPEC.schema))
    file = {"corpus": str(corpus), "size_bytes": 1, "mtime_ns": 1, "made_by": "benchmark"}
    rows = [{"path": f"{corpus}/{one[:20]}.jpg", "image": one, **file} for one in ids]
    db.open("paths").add(pa.Table.from_pylist(rows, schema=paths.SPEC.schema))


class Watch:
    """The most memory that a process and its children had at one time, in GiB."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._process = psutil.Process(pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._process.is_running():
            total = 0
            try:
                for one in [self._process, *self._process.children(recursive=True)]:
                    total += one.memory_full_info().pss
            except psutil.Error:
                pass
            self.peak = max(self.peak, total / 2**30)
            time.sleep(0.5)


def mine(home: Path, options: list[str], kill_after: float | None) -> dict[str, Any]:
    """Run `mmvp mine` on the store; kill it if asked to; return what it took."""
    command = [sys.executable, "-m", "flows.cli", "mine", "--home", str(home), "--json"]
    command += ["--corpus", str(home / "corpus"), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = Watch(process.pid)
    if kill_after is not None:
        cache = home / "cache" / "mining"
        while process.poll() is None and not list(cache.rglob("*.arrow")):
            time.sleep(0.1)
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = json.loads(out.splitlines()[-1])["stages"]["mine"] if out else {"state": "killed"}
    return {"wall_s": wall, "cpu_s": cpu, "peak_gib": watch.peak, "mine": figures}


def main() -> None:
    """Fill, mine, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--kill-after", type=float)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tile-images", type=int, default=65_536)
    options = parser.parse_args()
    home = options.home.resolve()
    if not (home / "store").exists():
        fill(home, options.images, options.width)
    chosen = ["--workers", str(options.workers), "--tile-images", str(options.tile_images)]
    db = Database(str(home / "store"))
    db.make([pairs.SPEC])
    shutil.rmtree(home / "results", ignore_errors=True)
    for table in ("pairs", "duplicates", "minings"):
        if table in db.tables():
            db.open(table).delete("true")
    runs = []
    if options.kill_after is not None:
        runs.append(mine(home, chosen, options.kill_after))
    runs.append(mine(home, chosen, None))
    rows = db.read(pairs.SPEC)
    digest = hashlib.sha256(json.dumps(rows.to_pylist(), sort_keys=True).encode()).hexdigest()
    for run in runs:
        stage = run["mine"]
        print(
            f"{options.images:,} images: {run['wall_s']:.0f} s, {run['cpu_s']:.0f} CPU-s, peak "
            f"{run['peak_gib']:.1f} GiB; {stage['state']}, {stage.get('rows', 0):,} pairs"
        )
    print(f"pairs {digest[:16]}")


if __name__ == "__main__":
    main()
