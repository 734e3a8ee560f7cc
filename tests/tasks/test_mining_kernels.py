"""Kernels: each is tried in a process of its own; what fails there is told and not used."""

import json
import logging
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tasks.mining import kernels
from tasks.mining.kernels import KERNELS, Kernel, choose_kernel, kernels_here, selftest

FAKE = Kernel("fake", ("sse2",), pair_ns=0, code_ns=0)
SAMPLE = np.random.default_rng(0).integers(-127, 128, (70, 32)).astype(np.int8)


def forget():
    for known in (kernels._fastest, kernels._missing, kernels._unfit):
        known.cache_clear()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A folder for verdicts of the test's own, and nothing remembered before or after."""
    from tasks.mining.kernels import compiling

    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def fake_first(monkeypatch):
    """A kernel that the processor seems to have and that is tried before all others."""
    monkeypatch.setattr(selftest, "processor_features", lambda: frozenset({"sse2"}))
    monkeypatch.setattr(kernels, "KERNELS", {"fake": FAKE, "plain": KERNELS["plain"]})


def python_that(tmp_path, does):
    """An interpreter that does something else than what it is asked."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_that_the_processor_has_finds_the_pairs_of_numpy(name):
    if not set(KERNELS[name].needs) <= selftest.processor_features():
        pytest.skip(f"this processor has no {name}")

    selftest.check(name)


def test_a_kernel_that_finds_other_pairs_fails_its_check(monkeypatch):
    def off_by_one(self, rows, columns, constant):
        return KERNELS["plain"].scan(rows, columns, constant + 1)

    monkeypatch.setattr(selftest, "WIDTHS", (32,))
    monkeypatch.setitem(KERNELS, "fake", type("Wrong", (), {"scan": off_by_one})())

    with pytest.raises(ValueError, match="fake finds other pairs than NumPy among codes of width"):
        selftest.check("fake")


@pytest.mark.usefixtures("fake_first")
@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("kill -SEGV $$", "its process died of SIGSEGV"),
        ("kill -ILL $$", "its process died of SIGILL"),
        ("echo 'LLVM ERROR: Cannot select' >&2; exit 1", "LLVM ERROR: Cannot select"),
        ("exit 3", "no message"),
    ],
)
def test_a_kernel_whose_trial_fails_is_told_and_another_is_used(
    does, told, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, does))

    with caplog.at_level(logging.WARNING):
        chosen = choose_kernel()

    assert chosen.name == "plain"
    assert f"the kernel 'fake' fails its self-test ({told}); mining uses another" in caplog.text
    with pytest.raises(ValueError, match=r"the kernel 'fake' cannot be used here: .*take 'plain'"):
        choose_kernel("fake")


@pytest.mark.usefixtures("fake_first")
def test_a_verdict_is_kept_and_what_may_pass_is_not(tmp_path, monkeypatch):
    for does, kept in (("kill -KILL $$", []), ("kill -SEGV $$", ["its process died of SIGSEGV"])):
        monkeypatch.setattr(sys, "executable", python_that(tmp_path, does))

        assert selftest.trial("fake") is not None
        assert [json.loads(file.read_text()) for file in tmp_path.glob("*.json")] == kept

    monkeypatch.setattr(sys, "executable", python_that(tmp_path, "exit 0"))
    assert selftest.trial("fake") == "its process died of SIGSEGV", "the verdict was not kept"


def test_a_trial_in_time_it_does_not_have_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", python_that(tmp_path, "exec sleep 60"))
    monkeypatch.setattr(selftest, "SECONDS", 0.2)

    assert "timed out" in selftest.trial("fake")
    assert list(tmp_path.glob("*.json")) == []


def test_a_kernel_of_another_processor_is_not_even_tried(monkeypatch):
    monkeypatch.setattr(selftest, "processor_features", lambda: frozenset({"neon"}))
    monkeypatch.setattr(selftest, "trial", lambda name: pytest.fail(f"{name} was tried"))

    assert kernels_here() == ["plain"]
    assert choose_kernel().name == "plain"
    with pytest.raises(ValueError, match=r"'avx2' cannot be used here: the processor lacks avx2"):
        choose_kernel("avx2")


def test_a_kernel_that_nobody_knows_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no kernel is called 'mmx', expected one of triton, vnni"):
        choose_kernel("mmx")


def test_a_scan_says_that_it_has_no_room():
    biases = np.zeros(len(SAMPLE), np.int32)
    side = (SAMPLE, biases)
    for kernel in KERNELS.values():
        if not set(kernel.needs) <= selftest.processor_features():
            continue
        scan = kernel.scan(side, side, 1 << 20)
        room = np.empty((2, 70 * 69 // 2), np.int32)

        assert scan(slice(0, 70), slice(0, 70), *room, True) == 70 * 69 // 2
        assert scan(slice(0, 70), slice(0, 70), *room[:, :-1], True) == 70 * 69 // 2


def test_choosing_a_kernel_loads_no_compiler_before():
    program = "import sys; from tasks.mining import mine; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=selftest.ROOT,
    )

    assert "tasks.mining.search" in done.stdout.split()
    assert not {"numba", "llvmlite"} & {*done.stdout.split()}


INTERPRETED = """
import numpy as np
from tasks.mining.kernels import triton
rng = np.random.default_rng(0)
for codes in (32, 48):
    rows, columns = rng.integers(-127, 128, (2, 203, codes)).astype(np.int8)
    biases = rng.integers(-1000, 1000, (2, 203)).astype(np.int32)
    sums = rows.astype(int) @ columns.T.astype(int) - biases[0][:, None] - biases[1] - 60_000
    scan = triton.scans((rows, biases[0]), (columns, biases[1]), -60_000, device="cpu", side=64)
    room = np.empty((2, 8000), np.int32)
    for first, upper in ((10, False), (60, True)):
        expected = np.zeros(sums.shape, bool)
        expected[first:190, 64:199] = sums[first:190, 64:199] >= 0
        expected = np.triu(expected, 1) if upper else expected
        count = scan(slice(first, 190), slice(64, 199), *room, upper)
        found = {*zip(*room[:, :count].tolist())}
        assert 0 < count == len(found) == expected.sum(), (codes, count, expected.sum())
        assert found == {*zip(*np.nonzero(expected))}, codes
        assert scan(slice(first, 190), slice(64, 199), *room[:, : count - 1], upper) == count
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_kernel_for_gpus_finds_the_pairs_of_numpy_in_tritons_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        capture_output=True,
        text=True,
        check=False,
        cwd=selftest.ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
    )

    assert done.returncode == 0, done.stderr
