"""Run processes that train together as children: watched, stopped together, none left behind.

Put here: torchrun's command line, a child's output, its end; the GPUs there are.
Keep out: what the children do (`run`), where it is decided to train.

Nothing here loads torch: a CUDA context in the process that launches would hold a GPU's memory.
"""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

INTERRUPTED: Final = 75
"""The exit code of a run that saved itself and stopped: to be run again (EX_TEMPFAIL)."""
TAIL_LINES: Final = 40
LONGEST_LINE: Final = 2000
POLL_S: Final = 0.1
MARK: Final = "MMVP_LAUNCH"

Tell = Callable[[str], object]


class LaunchError(RuntimeError):
    """A child failed, or said nothing for too long."""


class InterruptedRunError(LaunchError):
    """A child was asked to stop, or its processes were; what it trained is kept."""


def torchrun(module: str, *arguments: str, processes: int, shutdown_s: float = 600) -> list[str]:
    """Return the command that runs a module in so many processes on this machine.

    `shutdown_s` is what they have to save themselves in once one is told to stop.
    """
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=0"),
        *(f"--nproc-per-node={processes}", f"--shutdown-timeout={shutdown_s:.0f}"),
        *("-m", module, *arguments),
    ]


def launch(
    command: Sequence[str],
    log_file: Path,
    *,
    tell: Tell,
    stop: threading.Event | None = None,
    idle_s: float | None = None,
    grace_s: float = 600,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command to its end; its processes end with this call, however it ends.

    Args:
        command: what to run. Its standard input ends when this process dies, even of SIGKILL.
        log_file: where its lines go too, after those that are there.
        tell: called with each line, from another thread.
        stop: when set, the processes get SIGTERM, and SIGKILL after `grace_s`.
        idle_s: most seconds between two lines; a collective that hangs says nothing.
        grace_s: seconds between SIGTERM and SIGKILL.
        environment: variables beside this process's own.

    Raises:
        InterruptedRunError: if it was asked to stop, or ended with the exit code 75.
        LaunchError: if it failed or said nothing for `idle_s`; the message ends with the log's end.
    """
    mark = uuid.uuid4().hex
    log_file.parent.mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {}), MARK: mark}
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env=variables,
    )
    output = _Output(child.stdout, log_file, tell)
    with _ended(child, mark, grace_s, output):
        while child.poll() is None:
            if stop is not None and stop.is_set():
                message = f"asked to stop; processes get {grace_s:.0f} s to save. Run it again"
                raise InterruptedRunError(message)
            if idle_s is not None and output.silence_s() > idle_s:
                message = (
                    f"{' '.join(command[:3])} ... said nothing for {idle_s:.0f} s: a process that "
                    f"hangs, or steps that take longer; its log is {log_file}\n{output.tail()}"
                )
                raise LaunchError(message)
            time.sleep(POLL_S)
    _check(child.returncode, command, log_file, output)


def _check(code: int, command: Sequence[str], log_file: Path, output: "_Output") -> None:
    if code == INTERRUPTED:
        message = f"stopped after saving; run it again to go on. Its log is {log_file}"
        raise InterruptedRunError(message)
    if code:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        message = f"{' '.join(command[:3])} ... {how}; its log is {log_file}\n{output.tail()}"
        raise LaunchError(message)


class _Output:
    """Reads a child's lines in a thread, so that a full pipe never stops it."""

    def __init__(self, lines: Any, log_file: Path, tell: Tell) -> None:
        self._lines, self._file, self._tell = lines, log_file, tell
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._file.open("a", encoding="utf-8", buffering=1) as file:
            for line in self._lines:
                self._last = time.monotonic()
                file.write(line)
                told = line.rstrip()[:LONGEST_LINE]
                self._tail.append(told)
                with suppress(Exception):  # a listener that fails must not stop the reading
                    self._tell(told)

    def silence_s(self) -> float:
        return time.monotonic() - self._last

    def tail(self) -> str:
        return "\n".join(list(self._tail))

    def close(self) -> None:
        self._thread.join(5)


@contextmanager
def _ended(
    child: "subprocess.Popen[str]", mark: str, grace_s: float, output: _Output
) -> Iterator[None]:
    """End a child with all that descends from it, gently if something is raised in between."""
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)  # torchrun hands it on to its processes
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
        raise
    finally:
        while left := left_of(mark):  # again, for what was started meanwhile
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
        child.wait()
        output.close()
        for end in (child.stdin, child.stdout):
            if end is not None:
                end.close()


def left_of(mark: str) -> list[psutil.Process]:
    """Return the living processes that a launch started, directly or not.

    Each of torchrun's processes leads a session of its own and outlives its parent, so neither
    process groups nor parents find them all; what they inherit in their environment does.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def visible_gpus(
    environment: Mapping[str, str] = os.environ, driver: Path = Path("/proc/driver/nvidia/gpus")
) -> int:
    """Return how many GPUs CUDA would find here, without making it look."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = 0
        for name in visible.split(","):  # CUDA reads up to the first that is none
            if name.strip() in {"", "-1"}:
                break
            count += 1
        return count
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        return int(nvml.nvmlDeviceGetCount())
    except Exception:  # not installed, or no driver; each has its own class
        return len(list(driver.glob("*"))) if driver.is_dir() else 0
