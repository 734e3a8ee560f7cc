"""The loops that see every pair, compiled for the processor at hand.

Put here: which kernels there are and which one this machine uses.
Keep out: what is computed (`scan`, `verify`, `encode`); all kernels find the same pairs.

This module and `selftest` load neither numba nor LLVM before a kernel is chosen.
"""

import logging
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tasks.mining.kernels.scan import Scan

log = logging.getLogger(__name__)


GPU: Final = "triton"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A way to scan a tile, with what it costs."""

    name: str
    needs: tuple[str, ...]
    """Features of the processor, by LLVM's names, or "cuda"."""
    pair_ns: float
    """CPU time of a pair, beside its codes."""
    code_ns: float
    """CPU time of a pair for each of its codes."""
    cut_scale: int = 1
    """How much larger cuts are each way than those that fit a core's cache."""

    def scan(self, rows: Any, columns: Any, constant: int) -> "Scan":
        """Prepare the scan of two blocks' codes: see `scan.Scan`."""
        if self.name == GPU:
            # Not by `import`: torch is loaded where there is a GPU alone, and whatever finds the
            # pairs to look at is no part of what names a mining.
            on_gpu: Scan = import_module(f"{__name__}.triton").scans(rows, columns, constant)
            return on_gpu
        from tasks.mining.kernels import scan

        if self.needs:
            return scan.blocks(self.name, rows, columns, constant)
        return scan.products(rows, columns, constant)


KERNELS: Final = {
    kernel.name: kernel
    for kernel in (
        Kernel(GPU, ("cuda",), pair_ns=0.001, code_ns=0.00001, cut_scale=2),
        Kernel("vnni", ("avx512f", "avx512bw", "avx512vnni"), pair_ns=0.01, code_ns=0.0019),
        Kernel("avxvnni", ("avx2", "avxvnni"), pair_ns=0.01, code_ns=0.0038),
        Kernel("avx2", ("avx2",), pair_ns=0.01, code_ns=0.0077),
        Kernel("plain", (), pair_ns=0.8, code_ns=0.015),
    )
}
"""Fastest first; costs as measured on one core of an AMD Zen 5 (that of the GPU's is a guess), of
which only the ratios count."""

PLAIN: Final = "plain"


def choose_kernel(name: str | None = None) -> Kernel:
    """Return the kernel `name`, or the fastest one that this machine has and that works on it.

    Raises:
        ValueError: if there is no such kernel, or this machine does not have it.
    """
    if name is None:
        return _fastest()
    if name not in KERNELS:
        message = f"no kernel is called {name!r}, expected one of {', '.join(KERNELS)}"
        raise ValueError(message)
    if why := _unfit(KERNELS[name]):
        message = f"the kernel {name!r} cannot be used here: {why}; leave it out or take 'plain'"
        raise ValueError(message)
    return KERNELS[name]


def kernels_here() -> list[str]:
    """Return the names of the kernels that work on this machine, fastest first."""
    return [name for name, kernel in KERNELS.items() if not _unfit(kernel)]


@cache
def _fastest() -> Kernel:
    for kernel in KERNELS.values():
        if not _missing(kernel) and not _unfit(kernel):
            return kernel
    return KERNELS[PLAIN]


@cache
def _missing(kernel: Kernel) -> str | None:
    from tasks.mining.kernels.selftest import processor_features

    lacking = [name for name in kernel.needs if name not in processor_features()]
    return f"the processor lacks {', '.join(lacking)}" if lacking else None


@cache
def _unfit(kernel: Kernel) -> str | None:
    """Return why a kernel cannot be used; one that ought to work and does not is warned about."""
    from tasks.mining.kernels.selftest import trial

    if not kernel.needs:
        return None
    if lacking := _missing(kernel):
        return lacking
    why = trial(kernel.name)
    if why:
        log.warning("the kernel %r fails its self-test (%s); mining uses another", kernel.name, why)
    return why
