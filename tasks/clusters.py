"""Dask clusters of this machine, and the way to one that runs already.

Put here: how many workers there is room for, how they are set up, connecting to a scheduler.
Keep out: what workers are given to do (`tasks.workers`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

CONNECT_TRIES = 3

KEEP_MEMORY = {
    f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_": 2**30
    for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")
}
"""Dask's own setting has workers give memory back at every chance: half the time of training."""

SINGLE_THREADS = {
    f"distributed.nanny.pre-spawn-environ.{name}": 1
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LANCE_CPU_THREADS")
}
"""A worker has one core; libraries that each start a thread a core would spin on the others'."""

QUIET = {"distributed.nanny.pre-spawn-environ.LANCE_LOG": "error"}
"""Lance warns of every fragment that it writes before its table's first commit."""

WORKER_BYTES = 3 * 2**30
"""Memory that a CPU worker may need: two large encoders in float32 and their activations."""


@contextmanager
def local_cluster(device: Literal["cpu", "cuda"], workers: int | None) -> Iterator[Any]:
    """Start workers on this machine: one a GPU, or so many.

    Raises:
        ImportError: if the machine has a GPU and dask-cuda is missing.
    """
    import dask
    from distributed import LocalCluster  # first: else to put `set` back takes its defaults too

    settings: dict[str, Any] = {"distributed.scheduler.allowed-failures": 0}
    settings |= KEEP_MEMORY | SINGLE_THREADS | QUIET
    places = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with dask.config.set(settings):
        if device == "cuda":
            try:
                from dask_cuda import LocalCUDACluster
            except ImportError as error:
                message = (
                    "this machine has a GPU but dask-cuda is not installed: "
                    "`uv pip install 'mmvp[gpu]'`, or run with --device cpu"
                )
                raise ImportError(message) from error
            cluster = LocalCUDACluster(n_workers=workers, **places)
        else:
            count = workers or count_workers()
            cluster = LocalCluster(n_workers=count, threads_per_worker=1, processes=True, **places)
        with cluster:
            yield cluster


def connect(address: Any) -> Any:  # a cluster or an address, to a distributed.Client
    """Return a client of a cluster, or of the scheduler at an address.

    Raises:
        ConnectionError: if no scheduler answers.
    """
    from distributed import Client

    tries = 0
    while True:
        tries += 1
        try:
            return Client(address, set_as_default=False, timeout=30)
        except AssertionError:
            # A busy scheduler may send more along with its greeting, and the client of
            # distributed 2026.7 asserts that it does not.
            if tries == CONNECT_TRIES:
                raise
        except OSError as error:
            message = (
                f"no Dask scheduler answers at {address!r}; start one with "
                f"`dask scheduler`, or leave --scheduler out to use this machine"
            )
            raise ConnectionError(message) from error


def count_gpus() -> int:
    """Return the number of NVIDIA GPUs that torch can use here."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return 0
    try:
        with open("/proc/driver/nvidia/version"):  # noqa: PTH123  # spares a torch import
            import torch

            return int(torch.cuda.device_count())
    except OSError:
        return 0


def decode_threads(device: Literal["cpu", "cuda"]) -> int:
    """Return how many threads of a worker decode: its GPU's share of the cores, else one."""
    return max(1, _cores() // max(1, count_gpus())) if device == "cuda" else 1


def _cores() -> int:
    import psutil

    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 0
    return cores or os.cpu_count() or 1


def count_workers() -> int:
    """Return how many CPU workers this machine has room for: one a core, as memory allows."""
    import psutil

    return max(1, min(_cores(), int(psutil.virtual_memory().total // WORKER_BYTES)))
