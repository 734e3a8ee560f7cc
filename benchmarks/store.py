"""Write and read vectors in float16, beside np.save and one large LanceDB add.

Run it with `OMP_NUM_THREADS=1 LANCE_CPU_THREADS=1 python -m benchmarks.store --folder /dev/shm`;
on tmpfs the software is measured and not the disk. `memory copy` is the machine's own peak.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.measuring import interleaved, parser_of, read_options, show
from storage import embeddings
from storage.database import Database

WIDTH = 768
BATCH = 8192


class Store:
    """Vectors and every way to write and read them that is measured."""

    def __init__(self, folder: Path, rows: int) -> None:
        drawn = np.random.default_rng(0).standard_normal((rows, WIDTH), dtype=np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        self.vectors_ND: NDArray[np.float16] = drawn.astype(np.float16)
        self.names = [f"{row:064x}" for row in range(rows)]
        self.folder = folder
        self.db = Database(str(folder / "store"))
        self._written = 0

    def batches(self) -> Iterator[tuple[list[str], NDArray[np.float16]]]:
        """Yield what a worker's models hand to its writer."""
        for start in range(0, len(self.names), BATCH):
            yield self.names[start : start + BATCH], self.vectors_ND[start : start + BATCH]

    def fragments(self) -> None:
        """Write as workers do, and commit as the flow does."""
        self._written += 1
        name = f"x-{self._written}"
        written = embeddings.write(self.db.uri, name, WIDTH, self.batches())
        embeddings.append(self.db, name, [written], {}, read_version=0)

    def records(self) -> Iterator[pa.RecordBatch]:
        """Yield the same as Arrow's batches."""
        for names, vectors_BD in self.batches():
            flat = pa.array(vectors_BD.reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(flat, WIDTH)
            yield pa.record_batch([pa.array(names), column], names=["image", "vector"])

    def streamed_add(self) -> None:
        """Write with LanceDB's own add, in a stream."""
        first = next(self.records())
        table = self._table(first.schema)
        table.add(pa.RecordBatchReader.from_batches(first.schema, self.records()))

    def one_add(self) -> None:
        """Write with LanceDB's own add, all at once."""
        rows = pa.Table.from_batches(self.records())
        self._table(rows.schema).add(rows)

    def _table(self, schema: pa.Schema) -> Any:  # LanceDB's
        place = lancedb.connect(self.folder / "rival")
        return place.create_table("t", schema=schema, mode="overwrite")

    def save(self) -> None:
        """Write with NumPy."""
        np.save(self.folder / "vectors.npy", self.vectors_ND)

    def scan(self) -> None:
        """Read as the miner does."""
        version = embeddings.version(self.db, "x-1")
        rows = sum(len(b.vectors_BD) for b in embeddings.scan(self.db, "x-1", version=version))
        assert rows == len(self.names)

    def scan_vectors(self) -> None:
        """Read the vectors without their ids."""
        dataset = lance.dataset(self.db.location("embeddings_x-1"))
        for batch in dataset.scanner(columns=["vector"], batch_size=BATCH).to_batches():
            batch["vector"].flatten().to_numpy(zero_copy_only=True)

    def to_arrow(self) -> None:
        """Read with LanceDB's own call."""
        lancedb.connect(self.folder / "store").open_table("embeddings_x-1").to_arrow()

    def load(self) -> None:
        """Read with NumPy, into memory."""
        np.load(self.folder / "vectors.npy")

    def copy(self) -> None:
        """Copy the vectors in memory."""
        self.vectors_ND.copy()


def main() -> None:
    """Print the tables."""
    parser = parser_of(__doc__, rows=400_000, rounds=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    options = read_options(parser)
    with TemporaryDirectory(dir=options.folder) as place:
        store = Store(Path(place), options.rows)
        megabytes = store.vectors_ND.nbytes / 1e6
        ways = {
            "write": {
                "np.save": store.save,
                "ours: write_fragments, one commit": store.fragments,
                "LanceDB add, streamed": store.streamed_add,
                "LanceDB add of one table": store.one_add,
                "memory copy": store.copy,
            },
            "read": {
                "np.load": store.load,
                "ours: scan, ids and vectors": store.scan,
                "Lance scan, vectors alone": store.scan_vectors,
                "LanceDB to_arrow": store.to_arrow,
                "memory copy": store.copy,
            },
        }
        for what, works in ways.items():
            seconds = interleaved(works, rounds=options.rounds)
            first = next(iter(seconds.values()))
            show(
                f"store: {what} {options.rows:,} x {WIDTH} float16, {megabytes:.0f} MB",
                [
                    {"way": way, "MB/CPU-s": megabytes / max(value, 1e-9), "ratio": first / value}
                    for way, value in seconds.items()
                ],
                options,
            )


if __name__ == "__main__":
    main()
