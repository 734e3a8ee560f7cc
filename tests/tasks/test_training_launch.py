"""Processes that train together: they say what they do, stop together, and none is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from tasks.training import checkpoints
from tasks.training.large import METRICS, train_together
from tasks.training.launch import (
    INTERRUPTED,
    InterruptedRunError,
    LaunchError,
    launch,
    torchrun,
    visible_gpus,
)
from tasks.training.metrics import read_metrics
from tests import drills

ROOT = Path(__file__).parents[2]
HANGING = """
import signal, sys, time, torch.distributed as d
signal.signal(signal.SIGTERM, signal.SIG_IGN)
d.init_process_group("gloo")
print(f"up {d.get_rank()}\\n", end="", flush=True)
d.barrier() if d.get_rank() == 0 else time.sleep(600)
"""
ORPHANS = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{tag}"],
                 start_new_session=True)
print("started", flush=True)
{then}
"""


def say(code):
    return [sys.executable, "-c", code]


def alive(tag):
    """The processes with a word on their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any(tag in word for word in words) and process.pid != os.getpid():
            found.append(words)
    return found


def test_each_line_is_told_and_kept(tmp_path):
    lines = []

    launch(say("print('one'); print('two')"), tmp_path / "log", tell=lines.append)
    launch(say("print('three')"), tmp_path / "log", tell=lines.append)

    assert lines == ["one", "two", "three"]
    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"


def test_a_failure_shows_the_end_of_the_log(tmp_path):
    code = "import sys; [print('line', n) for n in range(60)]; sys.exit('no such picture')"

    with pytest.raises(LaunchError, match=r"ended with 1; its log is .*log") as caught:
        launch(say(code), tmp_path / "log", tell=str)

    assert "no such picture" in str(caught.value)
    assert "line 59" in str(caught.value)
    assert "line 3\n" not in str(caught.value)


def test_a_signal_is_named(tmp_path):
    code = "import os; os.kill(os.getpid(), 9)"

    with pytest.raises(LaunchError, match="was killed by SIGKILL"):
        launch(say(code), tmp_path / "log", tell=str)


def test_code_75_is_an_interruption(tmp_path):
    with pytest.raises(InterruptedRunError, match="run it again"):
        launch(say(f"raise SystemExit({INTERRUPTED})"), tmp_path / "log", tell=str)


def test_a_listener_that_fails_stops_nothing(tmp_path):
    def fail(line):
        raise RuntimeError(line)

    launch(say("print('one'); print('two')"), tmp_path / "log", tell=fail)

    assert (tmp_path / "log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize("then", ["", "sys.exit(3)", "import time; time.sleep(600)"])
def test_nothing_is_left_of_a_child_in_sessions_of_its_own(then, tmp_path):
    tag = f"orphan-{os.getpid()}-{time.monotonic_ns()}"
    stop = threading.Event()

    def tell(line):
        assert alive(tag)
        stop.set()

    code = ORPHANS.format(tag=tag, then=then)
    with suppress(LaunchError):
        launch(say(code), tmp_path / "log", tell=tell, stop=stop, grace_s=1)

    assert stop.is_set()
    assert not alive(tag)


def test_a_child_that_is_asked_to_stop_may_save_itself(tmp_path):
    code = (
        "import signal, sys, time\n"
        "def save(*_): print('saved', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)"
    )
    lines, stop = [], threading.Event()

    def tell(line):
        lines.append(line)
        stop.set()

    with pytest.raises(InterruptedRunError, match="asked to stop"):
        launch(say(code), tmp_path / "log", tell=tell, stop=stop, grace_s=20)

    assert lines == ["ready", "saved"]


@pytest.mark.slow
def test_a_collective_that_hangs_is_found_and_no_process_is_left(tmp_path):
    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    command = torchrun("hanging", processes=2, shutdown_s=600)
    lines = []

    with pytest.raises(LaunchError, match="said nothing for 20 s: a process that hangs"):
        launch(
            command,
            tmp_path / "log",
            tell=lines.append,
            idle_s=20,
            grace_s=1,
            environment={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        )

    assert sorted(line for line in lines if "up" in line) == ["up 0", "up 1"]
    assert not alive("hanging")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,2,5"}, 3),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,2"}, 1),
        ({"CUDA_VISIBLE_DEVICES": "MIG-2f, MIG-3a"}, 2),
    ],
)
def test_gpus_are_those_that_are_made_visible(environment, expected):
    assert visible_gpus(environment) == expected


def test_gpus_are_counted_by_the_driver_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)

    assert visible_gpus({}, tmp_path / "gpus") == 2
    assert visible_gpus({}, tmp_path / "none") == 0


def test_launching_loads_no_torch():
    code = "import sys, tasks.training.large; print('torch' in sys.modules)"

    done = subprocess.run(say(code), capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout == "False\n"


@pytest.fixture
def together(monkeypatch, tmp_path):
    """Two processes that train, and what they say."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv(drills.CALM, str(tmp_path / "calm"))

    def together(job, tell=str, **how):
        return train_together(job, processes=2, tell=tell, idle_s=120, grace_s=20, **how)

    return together


@pytest.mark.slow
def test_two_processes_are_killed_stopped_and_resumed_to_the_same_bits(together, tmp_path):
    """With rows of text; the second epoch's order is another."""
    model = drills.write_model(tmp_path / "model")
    how = drills.settings(steps=40, micro_batch=1)
    make = {"make": "tests.drills:Dangerous", "rows": 14, "fatal": 9}
    job = drills.job(model, tmp_path / "cut", how, **make)
    whole = job.model_copy(update={"out": tmp_path / "whole"})

    with pytest.raises(LaunchError, match="exitcode  : 17") as caught:
        together(job)
    assert not isinstance(caught.value, InterruptedRunError)
    assert not alive(str(job.out))
    killed = checkpoints.checkpoints(job.out / "checkpoints")
    assert killed, "it was killed at a step, not before the first"

    stop = threading.Event()
    with pytest.raises(InterruptedRunError, match=r"checkpoint-\d+ is its last checkpoint"):
        together(job, lambda line: stop.set() if "step 15 of" in line else None, stop=stop)
    assert not alive(str(job.out))
    assert stop.is_set()
    last = checkpoints.checkpoints(job.out / "checkpoints")[-1]
    assert 15 <= int(last.name.removeprefix("checkpoint-")) < 40
    assert (last / "rng_state_1.pth").exists()

    folder = together(job)
    expected = together(whole)

    ours, theirs = (load_file(at / "model.safetensors") for at in (folder, expected))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert read_metrics(job.out / METRICS)[-1]["step"] == 40


@pytest.mark.slow
def test_a_launcher_that_is_killed_takes_its_processes_along(together, tmp_path):
    model = drills.write_model(tmp_path / "model")
    job = drills.job(model, tmp_path / "out", drills.settings(steps=100_000, tell_every=1))
    code = (
        "from pathlib import Path\n"
        "from tasks.training.large import *\n"
        f"job = StageJob.model_validate_json('''{job.model_dump_json()}''')\n"
        "train_together(job, processes=1, tell=lambda line: print(line, flush=True), grace_s=30)"
    )
    launcher = subprocess.Popen(say(code), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    for line in launcher.stdout:
        if "step 3 of" in line:
            break
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()

    until = time.monotonic() + 60
    while alive(str(job.out)) and time.monotonic() < until:
        time.sleep(0.2)

    assert not alive(str(job.out))
    assert checkpoints.checkpoints(job.out / "checkpoints")
