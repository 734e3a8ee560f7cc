"""What this core can do at best, measured: products in float32, products in int8, our scans."""

import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = 64
SIZES = (512, 1024, 2048, 4096)
Product = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], Any]


def processor() -> str:
    """Return the name of the processor and how many of its cores this machine has."""
    import llvmlite.binding
    import psutil

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = named[0] if named else platform.processor()
    return f"{name} ({llvmlite.binding.get_host_cpu_name()}), {psutil.cpu_count()} cores"


def measure(width: int) -> dict[str, Any]:
    """Return the peaks of one core."""
    import torch

    torch.set_num_threads(1)
    rates = [_rate(product, size, width) for product in _products().values() for size in SIZES]
    rates += [_rate(product, 2048, 2048) for product in _products().values()]
    codes = torch.randint(-127, 128, (2048, 4096), dtype=torch.int8)
    int8 = 2 * 2048 * 2048 * 4096 / _least(lambda: torch._int_mm(codes, codes.T)) / 1e9
    return {"fp32_gflops": max(rates), "int8_gops": int8, "scan_gops": _scans()}


@cache
def fastest_product(images: int, width: int) -> tuple[str, int, Product]:
    """Return the library and size of block that find large products of all pairs fastest."""

    def search(product: Product) -> Product:
        return lambda one, other, out: (product(one, other, out), out.max(axis=1))

    products = _products()
    name, size = max(
        ((name, size) for name in products for size in SIZES),
        # a block on the diagonal holds each of its pairs twice
        key=lambda case: _rate(search(products[case[0]]), case[1], width) / (images + case[1]),
    )
    return name, size, products[name]


def _products() -> dict[str, Product]:
    import torch

    torch.set_num_threads(1)

    def by_torch(one: NDArray[Any], other: NDArray[Any], out: NDArray[Any]) -> None:
        rows, columns, products = map(torch.from_numpy, (one, other, out))
        torch.mm(rows, columns.T, out=products)

    return {"NumPy": lambda one, other, out: np.matmul(one, other.T, out=out), "torch": by_torch}


def _rate(product: Product, size: int, width: int) -> float:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((size, width), dtype=np.float32)
    columns = rng.standard_normal((size, width), dtype=np.float32)
    out = np.empty((size, size), np.float32)
    return 2 * size * size * width / _least(lambda: product(rows, columns, out)) / 1e9


def _scans() -> dict[str, float]:
    """Return the rate of each kernel on codes of which no pair passes."""
    from tasks.mining.kernels import KERNELS, kernels_here

    rng, images = np.random.default_rng(0), 8192
    codes = rng.integers(-60, 61, (images, CODES)).astype(np.int8)
    biases = np.full(images, 1 << 20, np.int32)
    room = np.empty((2, 64), np.int32)
    found = {}
    for name in kernels_here():
        scan = KERNELS[name].scan((codes, biases), (codes, biases), 0)
        limits = (slice(0, 4096), slice(0, images), room[0], room[1], False)
        spent = _least(lambda scan=scan, limits=limits: scan(*limits))
        found[name] = 2 * CODES * 4096 * images / spent / 1e9
    return found


def _least(work: Callable[[], Any], times: int = 10) -> float:
    spent = []
    for _ in range(times):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)
