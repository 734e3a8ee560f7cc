"""What the benchmarks share: pictures to decode, clocks, the machine's peak, tables.

Put here: what two benchmarks need.
Keep out: what is measured, which each benchmark says itself.
"""

import argparse
import io
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Rows = Sequence[Mapping[str, Any]]


def draw_jpegs(
    count: int, *, height: int = 400, width: int = 500, quality: int = 90
) -> list[bytes]:
    """Draw pictures with the spectrum and the size in bytes of photographs, from a fixed seed."""
    pictures = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        pixels = np.zeros((height, width, 3))
        for octave in range(2, 8):  # half the contrast at twice the frequency
            coarse = rng.normal(0, 1, (2**octave, 2**octave, 3)).clip(-3, 3)
            layer = Image.fromarray(((coarse + 3) * 42).astype(np.uint8))
            smooth = layer.resize((width, height), Image.Resampling.BICUBIC)
            pixels += (np.asarray(smooth, np.float64) - 126) * 2.0 ** (1 - octave) * 1.5
        noisy = 128 + pixels + rng.normal(0, 14, pixels.shape)
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        pictures.append(file.getvalue())
    return pictures


def interleaved(works: Mapping[str, Callable[[], object]], *, rounds: int = 3) -> dict[str, float]:
    """Return the least CPU seconds of each work, all threads, after one run that does not count.

    The works take turns, so that all meet the same noise; and the least is taken, because what
    neighbours do to the caches only ever adds.
    """
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = time.process_time()
            work()
            taken[name].append(time.process_time() - begun)
    return {name: min(seconds) for name, seconds in taken.items()}


def gemm_peak(dtype_name: str = "float32") -> float:
    """Return the GFLOP a CPU second of torch's own product of matrices, the best of some."""
    import torch

    dtype = getattr(torch, dtype_name)
    a, b = torch.randn(1024, 768).to(dtype), torch.randn(768, 3072).to(dtype)
    works = {"product": lambda: torch.mm(a, b)}
    best = min(interleaved(works, rounds=1)["product"] for _ in range(8))
    return 2 * 1024 * 768 * 3072 / best / 1e9


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }


def show(title: str, rows: Rows, options: argparse.Namespace) -> None:
    """Print rows as a Markdown table, and write all to a JSON file if one is asked for."""
    print(f"\n{title}\n")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(_text(row.get(column, "")) for column in columns) + " |")
    if options.json:
        kept = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps({**kept, "machine": machine(), title: list(rows)}))


def _text(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def parser_of(description: str | None, **numbers: int) -> argparse.ArgumentParser:
    """Return a parser of `--json FILE` and of a number for each given default."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N")
    return parser


def read_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line and say what machine this is."""
    options = parser.parse_args()
    print(json.dumps(machine()), file=sys.stderr)
    return options
