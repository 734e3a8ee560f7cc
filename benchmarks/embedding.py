"""Embed JPEG files end to end on one core, beside its parts alone and clip-retrieval's loop.

Run it with `OMP_NUM_THREADS=1 LANCE_CPU_THREADS=1 python -m benchmarks.embedding`.

`efficiency` is the end-to-end rate over 1 / (1 / decode + 1 / model), which is what parts that
share a core can reach. The rival decodes with Pillow to floats, runs the same model batch by batch,
and keeps the vectors with np.save, all in one loop. The peak is that of torch's matrix product.
"""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks.measuring import (
    draw_jpegs,
    gemm_peak,
    interleaved,
    parser_of,
    read_options,
    show,
)
from storage import embeddings
from storage.database import Database
from tasks.encoders import Encoder, EncoderConfig, load
from tasks.images import image_id
from tasks.pipeline import Busy, ImageItem, embed_items, fit_item

ENCODERS = {
    "B/32 float32": {"spec": "open_clip:ViT-B-32/random"},
    "B/32 bfloat16": {"spec": "open_clip:ViT-B-32/random", "dtype": "bfloat16"},
    "B/32 OpenVINO": {"spec": "open_clip:ViT-B-32/random", "backend": "openvino"},
    "B/32 OpenVINO bfloat16": {
        "spec": "open_clip:ViT-B-32/random",
        "backend": "openvino",
        "dtype": "bfloat16",
    },
    "tiny": {"spec": "tiny:clip"},
}


class Bench:
    """Files on a disk, and a store for their vectors."""

    def __init__(self, folder: Path, files: Sequence[bytes]) -> None:
        self.files = files
        self.folder = folder
        self.db = Database(str(folder / "store"))
        self.busy = Busy()
        self.items = []
        for number, data in enumerate(files):
            path = folder / f"{number}.jpg"
            path.write_bytes(data)
            self.items.append(ImageItem(image_id(data), [str(path)], ("clip",)))
        self._tables = 0

    def decode(self, *encoders: Encoder) -> list[Any]:
        """Read, check, decode and resize each file for all encoders."""
        by_role = {str(number): encoder for number, encoder in enumerate(encoders)}
        roles = tuple(by_role)
        return [
            fit_item(item._replace(roles=roles), by_role, Busy()).pixels["0"] for item in self.items
        ]

    def model(self, encoder: Encoder, fitted: Sequence[Any]) -> None:
        """Run the model on pixels that are at hand, as many at once as it wants."""
        first = 0
        while first < len(fitted):
            count = encoder.passes.sizes.wanted
            part = fitted[first : first + count]
            encoder.unit(encoder.passes.finish(encoder.passes.start(part)))
            first += len(part)

    def whole(self, encoder: Encoder) -> None:
        """Do what a worker does with a shard, and what the flow does with what it wrote."""
        self._tables += 1
        table = f"x-{self._tables}"

        def write(role: str, width: int, batches: Any) -> Any:
            return embeddings.write(self.db.uri, table, width, batches)

        self.busy = Busy()
        written, _ = embed_items(self.items, {"clip": encoder}, write, threads=1, busy=self.busy)
        embeddings.append(self.db, table, [written["clip"]], {}, read_version=0)

    def rival(self, visual: torch.nn.Module, transform: Callable[[Image.Image], Any]) -> None:
        """Do what clip-retrieval does."""
        rows = []
        with torch.inference_mode():
            for first in range(0, len(self.files), 16):
                images = [Image.open(io.BytesIO(one)) for one in self.files[first : first + 16]]
                rows.append(visual(torch.stack([transform(image) for image in images])))
        np.save(self.folder / "rival.npy", torch.cat(rows).half().numpy())


def measure(bench: Bench, name: str, rounds: int) -> dict[str, Any]:
    """Return an encoder's rates in images a CPU second."""
    encoder = load(EncoderConfig.model_validate(ENCODERS[name]))
    fitted = bench.decode(encoder)
    wall: list[float] = []

    def whole() -> None:
        begun = time.perf_counter()
        bench.whole(encoder)
        wall.append(time.perf_counter() - begun)

    works: dict[str, Callable[[], object]] = {
        "decode": lambda: bench.decode(encoder),
        "model": lambda: bench.model(encoder, fitted),
        "end to end": whole,
    }
    rate = {
        part: len(bench.files) / seconds
        for part, seconds in interleaved(works, rounds=rounds).items()
    }
    reachable = 1 / (1 / rate["decode"] + 1 / rate["model"])
    return {
        "encoder": name,
        **{f"{part}, images/CPU-s": value for part, value in rate.items()},
        "efficiency": rate["end to end"] / reachable,
        **{
            f"busy: {part}": bench.busy.seconds[part] / wall[-1]
            for part in ("decode", "model", "write")
        },
        "batch": encoder.passes.sizes.current,
    }


def measure_rival(bench: Bench, rounds: int) -> dict[str, Any]:
    """Return the rate of clip-retrieval's loop."""
    visual = open_clip.create_model("ViT-B-32", pretrained=None).visual.eval()
    transform = open_clip.image_transform(224, is_train=False)
    works = {"loop": lambda: bench.rival(visual, transform)}
    seconds = interleaved(works, rounds=rounds)["loop"]
    return {"encoder": "clip-retrieval's loop, B/32", END: len(bench.files) / seconds}


END = "end to end, images/CPU-s"


def main() -> None:
    """Print the table."""
    options = read_options(parser_of(__doc__, images=64, rounds=3))
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder), draw_jpegs(options.images))
        rows = [measure_rival(bench, options.rounds)]
        rows += [measure(bench, name, options.rounds) for name in ENCODERS]
    for row in rows:
        row["ratio"] = row[END] / rows[0][END] if row["encoder"] != "tiny" else ""
    peaks = ", ".join(f"{kind} {gemm_peak(kind):.0f}" for kind in ("float32", "bfloat16"))
    show(f"embedding: {options.images} JPEGs; peak GFLOP/CPU-s: {peaks}", rows, options)


if __name__ == "__main__":
    main()
