"""Run a module as a child that ends when its parent does.

    python -m flows.child MODULE ARG...

Put here: starting children, watching a parent, ending what is left of one.
Keep out: which children there are (`flows.server`, `flows.up`).

A parent killed with SIGKILL cannot stop its children, so each child looks for its parent once a
second. The parent is named by pid and start time in `MMVP_PARENT`, which grandchildren inherit.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

PARENT: Final = "MMVP_PARENT"
SECONDS_TO_STOP: Final = 5.0


def start_child(
    arguments: Sequence[str], environment: Mapping[str, str], *, log: Path | None, cwd: Path
) -> subprocess.Popen[bytes]:
    """Start `python -m` with these arguments in a session of its own, tied to this process."""
    me = psutil.Process()
    tied = {**os.environ, **environment, PARENT: f"{me.pid}:{me.create_time()}"}
    output = log.open("ab") if log is not None else None
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.child", *arguments],
            env=tied,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )
    finally:
        if output is not None:
            output.close()


def stop_child(child: subprocess.Popen[bytes], *, seconds: float = SECONDS_TO_STOP) -> None:
    """Ask a child to end, wait, and kill it and all that it started if it does not."""
    family = _family(child.pid)
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            family += _family(child.pid)
            child.kill()
            child.wait()
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def _family(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def watch_parent() -> None:
    """End this process when the one named in `MMVP_PARENT` has gone; without the name, do not."""
    named = os.environ.get(PARENT)
    if not named or any(thread.name == PARENT for thread in threading.enumerate()):
        return
    pid, _, created = named.partition(":")
    if int(pid) != os.getpid():
        threading.Thread(
            target=_watch, args=(int(pid), float(created)), name=PARENT, daemon=True
        ).start()


def _watch(pid: int, created: float) -> None:
    while _lives(pid, created):
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_STOP)
    for process in _family(os.getpid()):
        process.kill()
    os.kill(os.getpid(), signal.SIGKILL)


def _lives(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        zombie: bool = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and bool(process.create_time() == created)
    except psutil.NoSuchProcess:
        return False


def main() -> None:
    """Run the module named first, with the arguments behind it, as `python -m` would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" leaves it ignored
    watch_parent()
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
