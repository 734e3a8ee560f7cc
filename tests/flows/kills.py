"""Runs in processes of their own that are struck at chosen moments and cleaned up after.

The nannies of a run's own Dask workers live in the flow's process, so killing it kills them.
"""

import json
import os
import signal
import threading
import time
from typing import NamedTuple

import psutil

from tests.flows import runs

SECONDS_TO_END = 15


class Moment(NamedTuple):
    """When something is killed: so many seconds after the stage is seen at work."""

    stage: str
    victim: str
    seconds: float


class KilledRun:
    """A run that is watched, struck and at the end cleaned up after."""

    def __init__(self, home, *arguments):
        self.home = home
        self.process = runs.start("run", *arguments, home=home)
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.strip().partition(" ")[2])

    def said(self, words):
        return any(line.startswith(words) for line in self.lines)

    def ended(self, stage):
        return self.said(f"{stage}: done") or self.said(f"{stage}: current")

    def members(self, kind):
        mark = {"worker": "spawn_main", "server": "flows.child"}[kind]
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in found if any(mark in word for word in child.cmdline())]

    def strike(self, victim):
        """Kill a worker, the server or the flow; return whether that ends the run."""
        workers = self.members("worker") if victim == "worker" else []
        if workers:  # else no worker was started: all that they do is current
            workers[0].kill()
            return False
        family = psutil.Process(self.process.pid).children(recursive=True)
        if victim == "server":
            for server in self.members("server"):
                server.kill()
            time.sleep(1)  # the flow meets the loss, and is then killed by an impatient person
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _, left = psutil.wait_procs(family, timeout=SECONDS_TO_END)
        alive = [child for child in left if _is_alive(child)]
        assert not alive, f"left {SECONDS_TO_END} s after {victim} was killed: {alive}"
        return True

    def finish(self):
        """Wait for the end of a run that was not ended; return its stages."""
        out = self.process.stdout.read()
        code = self.process.wait()
        self._reader.join()
        assert code == 0, "\n".join(self.lines)
        return json.loads(out.strip().splitlines()[-1])["stages"]


def _is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_and_kill(start, waiting):
    """Start runs until one ends with no moment left; return them all, and the last's stages.

    `start()` returns a `KilledRun` with a method `is_at`, which says of a moment whether its stage
    is at work, or has ended before it was seen.
    """
    waiting, tried = list(waiting), []
    while True:
        run = start()
        tried.append(run)
        ended = False
        while waiting and not ended and run.process.poll() is None:
            if run.is_at(waiting[0]):
                time.sleep(waiting[0].seconds)
                ended = run.strike(waiting.pop(0).victim)
            time.sleep(0.01)
        if not ended:
            stages = run.finish()
            if not waiting:
                return tried, stages
