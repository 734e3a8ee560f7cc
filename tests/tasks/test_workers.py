"""Real Dask workers: what they lose when one is killed, and what nobody else can reach."""

import ipaddress
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import dask
import distributed
import psutil
import pytest
from pydantic import ValidationError

from tasks import workers as working
from tasks.workers import TRIES, Workers, WorkersConfig, cut

ROOT = Path(__file__).parents[2]


def double(items):
    return [2 * item for item in items]


def die_once(marker, items):
    """Kill the worker the first time that the item 5 comes along."""
    if 5 in items and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return double(items)


def die_of(poison, items):
    """Kill the worker whenever a poisonous item comes along."""
    if poison in items:
        os.kill(os.getpid(), signal.SIGKILL)
    return double(items)


def fail_on(bad, items):
    if bad in items:
        message = f"item {bad} is bad"
        raise KeyError(message)
    return double(items)


def raise_timeout(items):
    message = "a timeout of its own"
    raise TimeoutError(message)


def wait_and_double(items):
    time.sleep(0.2)
    return double(items)


@pytest.fixture(scope="module")
def workers():
    """Two workers that all tests of this module share."""
    with Workers(WorkersConfig(workers=2, device="cpu")) as started:
        yield started


def values_of(results):
    """All values by item."""
    return {
        item: value
        for done in results
        for item, value in zip(done.shard.items, done.value, strict=True)
    }


def bound_by(process):
    """The addresses at which others can reach a process."""
    try:
        sockets = process.net_connections(kind="inet")
    except psutil.NoSuchProcess:
        return []
    return [socket.laddr for socket in sockets if socket.laddr and not socket.raddr]


def test_every_shard_comes_back_with_its_value(workers):
    results = list(workers.run(double, cut(range(23), 4)))

    assert values_of(results) == {item: 2 * item for item in range(23)}
    assert sorted(len(done.shard.items) for done in results) == [3, 4, 4, 4, 4, 4]
    assert {done.shard.attempts for done in results} == {1}
    assert all(done.worker.startswith("tcp://127.0.0.1:") for done in results)


def test_both_workers_have_a_share_and_neither_is_this_process(workers):
    results = list(workers.run(wait_and_double, cut(range(8), 1)))

    pids = {done.pid for done in results}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert all(done.seconds >= 0.2 for done in results)


def test_equal_shards_are_each_done(workers):
    results = list(workers.run(double, [[1], [1], [1]]))

    assert [done.value for done in results] == [[2], [2], [2]]


def test_a_killed_worker_costs_one_retry_and_nothing_else(workers, tmp_path):
    results = list(workers.run(partial(die_once, tmp_path / "died"), cut(range(8), 2)))

    attempts = {done.shard.items[0]: done.shard.attempts for done in results}
    assert values_of(results) == {item: 2 * item for item in range(8)}
    assert attempts[4] == 2
    assert max(attempts.values()) == 2


def test_an_item_that_kills_every_worker_comes_back_alone_and_without_a_value(workers):
    results = list(workers.run(partial(die_of, 2), cut(range(6), 3)))

    (lost,) = [done for done in results if done.value is None]
    assert list(lost.shard.items) == [2]
    assert lost.shard.attempts == TRIES
    values = values_of(done for done in results if done.value is not None)
    assert values == {item: 2 * item for item in range(6) if item != 2}


def test_workers_that_were_killed_are_back_for_the_next_stage(workers):
    assert values_of(workers.run(double, cut(range(4), 1))) == {0: 0, 1: 2, 2: 4, 3: 6}


def fill_memory(greedy, items):
    """Take more memory than a worker may have when the greedy item comes along."""
    taken = []
    while greedy in items:
        taken.append(bytearray(2**26))
        time.sleep(0.02)
    return double(items)


def test_an_item_that_takes_too_much_memory_costs_itself_alone():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, memory_limit="700MB", dashboard_address=":0"
        ) as cluster,
        Workers(WorkersConfig(scheduler=cluster.scheduler_address)) as workers,
    ):
        results = list(workers.run(partial(fill_memory, 2), cut(range(4), 2)))

    (lost,) = [done for done in results if done.value is None]
    assert list(lost.shard.items) == [2]
    assert values_of(done for done in results if done.value is not None) == {0: 0, 1: 2, 3: 6}


def square_once(marks, item):
    """Leave a mark a time that an item is squared."""
    (marks / f"{item}-{time.monotonic_ns()}").touch()
    return item * item


def add_held(items, *held):
    return [item + sum(held) for item in items]


def die_with_held(marker, items, *held):
    """Kill the worker, and what it holds, the first time that the item 5 comes along."""
    if 5 in items and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return add_held(items, *held)


def test_a_value_that_many_shards_need_is_computed_once(workers, tmp_path):
    held = workers.hold(partial(square_once, tmp_path), [3, 4])

    results = list(workers.run(add_held, cut(range(8), 2), needs=lambda _: held.of(0, 1)))

    assert values_of(results) == {item: item + 25 for item in range(8)}
    assert sorted(mark.name[0] for mark in tmp_path.iterdir()) == ["3", "4"]


def test_a_value_that_is_lost_with_its_worker_is_computed_again(workers, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    held = workers.hold(partial(square_once, marks), [3, 4])
    mine = partial(die_with_held, tmp_path / "died")

    results = list(workers.run(mine, cut(range(8), 1), needs=lambda _: held.of(0, 1)))

    assert (tmp_path / "died").exists()
    assert values_of(results) == {item: item + 25 for item in range(8)}


def test_an_exception_is_raised_as_it_is(workers):
    with pytest.raises(KeyError, match="item 5 is bad"):
        list(workers.run(partial(fail_on, 5), cut(range(9), 3)))

    assert values_of(workers.run(double, [[1]])) == {1: 2}, "the workers are of use afterwards"
    with pytest.raises(TimeoutError, match="of its own"):
        list(workers.run(raise_timeout, [[1]]))


def test_a_caller_that_stops_early_leaves_the_workers_of_use(workers):
    next(workers.run(wait_and_double, cut(range(8), 1)))

    assert values_of(workers.run(double, [[1]])) == {1: 2}


def test_nothing_listens_beyond_this_machine(workers):
    next(workers.run(double, [[1]]))
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]

    addresses = [address for process in family for address in bound_by(process)]

    assert len(addresses) >= 3, "a scheduler and two workers at least"
    assert [a for a in addresses if not ipaddress.ip_address(a.ip).is_loopback] == []


def test_no_process_is_left_when_the_block_ends():
    before = set(psutil.Process().children(recursive=True))
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        (done,) = started.run(double, [[1]])
        assert psutil.pid_exists(done.pid)

    left = set(psutil.Process().children(recursive=True)) - before
    assert not psutil.pid_exists(done.pid)
    assert [address for process in left for address in bound_by(process)] == []


def test_workers_that_do_not_start_again_end_the_stage_and_the_next_try_has_new_ones(
    monkeypatch, tmp_path
):
    async def stay_down(nanny):
        await nanny.close()

    monkeypatch.setattr(working, "SECONDS_TO_LOOK", 0.2)
    monkeypatch.setattr(working, "SECONDS_TO_REVIVE", 1.0)
    shards, task = cut(range(8), 2), partial(die_once, tmp_path / "died")
    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        list(started.run(double, [[1]]))
        with monkeypatch.context() as patch:
            patch.setattr(distributed.Nanny, "instantiate", stay_down)
            with pytest.raises(ConnectionError, match="did not start again"):
                for _ in started.run(task, shards):
                    pass
        values = values_of(started.run(task, shards))

    assert values == {item: 2 * item for item in range(8)}


def test_workers_that_do_not_end_in_time_cost_no_result(monkeypatch, caplog):
    ends = distributed.LocalCluster._close

    async def end_late(cluster):
        await ends(cluster)
        raise TimeoutError

    with Workers(WorkersConfig(workers=1, device="cpu")) as started:
        (done,) = started.run(double, [[1]])
        monkeypatch.setattr(distributed.LocalCluster, "_close", end_late)

    assert done.value == [2]
    assert "did not end in good order" in caplog.text


def test_without_shards_no_cluster_is_started(monkeypatch):
    monkeypatch.setattr(Workers, "_open", lambda _: pytest.fail("a cluster was started"))

    with Workers(WorkersConfig(workers=1)) as idle:
        assert list(idle.run(double, [])) == []


TWICE = """
from tasks.workers import Workers, WorkersConfig
if __name__ == "__main__":
    for _ in range(2):
        with Workers(WorkersConfig(workers=1, device="cpu")) as workers:
            print([done.value for done in workers.run(sum, [[1, 2], [3]])])
"""


def test_a_process_can_start_workers_a_second_time(tmp_path):
    (tmp_path / "twice.py").write_text(TWICE)

    done = subprocess.run(
        [sys.executable, tmp_path / "twice.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "[3, 3]\n" * 2, done.stderr


def test_a_running_scheduler_is_used_and_left_running(workers):
    list(workers.run(double, [[1]]))
    address = workers._client.scheduler.address

    with Workers(WorkersConfig(scheduler=address)) as guests:
        results = list(guests.run(double, cut(range(4), 2)))

    assert values_of(results) == {0: 0, 1: 2, 2: 4, 3: 6}
    assert values_of(workers.run(double, [[1]])) == {1: 2}


def test_a_scheduler_that_does_not_answer_is_told_with_what_to_do(monkeypatch):
    client = distributed.Client

    def impatient(address, **options):
        return client(address, **options | {"timeout": 1})

    monkeypatch.setattr(distributed, "Client", impatient)
    told = r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'; start one with `dask scheduler`"

    with (
        Workers(WorkersConfig(scheduler="tcp://127.0.0.1:1")) as lost,
        pytest.raises(ConnectionError, match=told),
    ):
        list(lost.run(double, [[1]]))


@pytest.fixture
def foreign(tmp_path):
    """A scheduler with a worker, in processes of their own: the address, and the scheduler."""
    file = tmp_path / "address"
    local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", file]
    with ExitStack() as stack:
        started = []
        for name, options in (("scheduler", ["--port", "0"]), ("worker", ["--no-nanny"])):
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *local, *options]
            started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))
            stack.callback(started[-1].wait)
            stack.callback(started[-1].kill)
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], started[0]


def test_a_scheduler_that_is_lost_ends_the_run_with_what_to_do(foreign):
    address, scheduler = foreign

    with Workers(WorkersConfig(scheduler=address)) as guests:
        results = guests.run(wait_and_double, cut(range(9), 1))
        next(results)
        scheduler.kill()
        with pytest.raises(ConnectionError, match=f"the Dask scheduler {address} was lost; start"):
            list(results)


@pytest.mark.parametrize(
    ("count", "set_to", "expected"),
    [(10, None, 256), (5_000, None, 625), (10**6, None, 8192), (5_000, 7, 7)],
)
def test_a_shard_is_large_enough_to_write_and_small_enough_for_all_workers_to_share(
    workers, monkeypatch, count, set_to, expected
):
    monkeypatch.setattr(workers, "config", WorkersConfig(workers=2, shard_images=set_to))

    assert workers.shard_size(count) == expected


def threads_of(items):
    return [os.environ.get(name) for name in items]


def test_a_worker_has_one_thread_of_every_library(workers):
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "LANCE_CPU_THREADS"]

    (done,) = workers.run(threads_of, [names])

    assert done.value == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(2, [[0, 1], [2, 3], [4]]), (5, [[0, 1, 2, 3, 4]]), (9, [[0, 1, 2, 3, 4]])],
)
def test_items_are_cut_in_order_and_none_is_lost(size, expected):
    assert [list(shard) for shard in cut(range(5), size)] == expected
    assert cut([], size) == []


@pytest.mark.parametrize("options", [{"workers": 0}, {"shard_images": 0}, {"device": "tpu"}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        WorkersConfig(**options)
