"""Try a kernel in a process of its own before it is trusted: a wrong instruction would end ours.

Put here: the trial, what it compares, where its verdict is kept.
Keep out: the order in which kernels are tried (`tasks.mining.kernels`).

A verdict holds for one machine and the versions of all that makes machine code; it is kept beside
the compiled code. What may pass by itself, such as too little time, is not kept.
"""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[3]
NVIDIA = Path("/dev/nvidiactl")
SECONDS = 300
WIDTHS = (16, 32, 64, 96, 128)


@cache
def processor_features() -> frozenset[str]:
    """Return the features of this machine's processor, by LLVM's names, "cuda" with a driver."""
    import llvmlite.binding

    names = {name for name, has in llvmlite.binding.get_host_cpu_features().items() if has}
    return frozenset(names | ({"cuda"} if NVIDIA.exists() else set()))


def trial(name: str) -> str | None:
    """Return why a kernel does not work on this machine, None if it does; tried once a machine."""
    from tasks.mining.kernels.compiling import cache_folder

    verdict = cache_folder() / f"{name}-{_machine()}.json"
    with FileLock(f"{verdict}.lock"):
        if verdict.exists():
            kept: str | None = json.loads(verdict.read_text())
            return kept
        why, is_final = _try_out(name)
        if is_final:
            written = verdict.with_suffix(".part")
            written.write_text(json.dumps(why))
            written.replace(verdict)
        return why


def _machine() -> str:
    import llvmlite
    import numba
    import numpy as np

    named = [
        sys.version,
        platform.machine(),
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        str(numba.config.CPU_NAME),
        str(numba.config.CPU_FEATURES),
        *sorted(processor_features()),
    ]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


def _try_out(name: str) -> tuple[str | None, bool]:
    """Return what is wrong with a kernel, and whether it would be again."""
    command = [sys.executable, "-m", __name__, name]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error), False
    if done.returncode == 0:
        return None, True
    if done.returncode < 0:
        number = -done.returncode
        is_final = number not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        return f"its process died of {signal.Signals(number).name}", is_final
    told = done.stderr.strip().splitlines() or ["no message"]
    return told[-1], "MemoryError" not in told[-1]


def check(name: str) -> None:
    """Compare a kernel's pairs with those of NumPy on codes that reach all limits.

    Raises:
        ValueError: if they differ.
    """
    import numpy as np

    from tasks.mining.kernels import KERNELS

    rng = np.random.default_rng(0)
    for width in WIDTHS:
        rows, columns = rng.integers(-127, 128, (2, 203, width)).astype(np.int8)
        rows[:7], columns[:9] = rng.choice([-127, 127], (2, width)).astype(np.int8)[:, None]
        products = rows.astype(np.int64) @ columns.T.astype(np.int64)
        biases = rng.integers(-(1 << 23), 1 << 20, (2, 203)).astype(np.int32)
        biases[:, 20:] //= 256
        constant = -int(np.quantile(products, 0.9))
        biases[1, 100:150] = 0
        edge = products[np.arange(50), np.arange(100, 150)] + constant  # the sum is 0 there
        biases[0, :50] = edge + np.arange(50) % 2  # ... or -1, which does not pass
        passes = products - biases[0][:, None] - biases[1] + constant >= 0
        scan = KERNELS[name].scan((rows, biases[0]), (columns, biases[1]), constant)
        room = np.empty((2, passes.size), np.int32)
        for first, last, upper in ((0, 203, False), (0, 203, True), (50, 101, True)):
            expected = np.zeros_like(passes)
            expected[first:last, 64:199] = passes[first:last, 64:199]
            expected = np.triu(expected, 1) if upper else expected
            count = scan(slice(first, last), slice(64, 199), room[0], room[1], upper)
            found = np.zeros_like(passes)
            found[room[0, :count], room[1, :count]] = True
            if count != expected.sum() or (found != expected).any():
                message = f"{name} finds other pairs than NumPy among codes of width {width}"
                raise ValueError(message)


if __name__ == "__main__":
    check(sys.argv[1])
