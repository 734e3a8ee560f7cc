"""What is left when parts of a run are killed at any moment, and what the next run makes of it.

The nannies of a run's own Dask workers live in the flow's process, so killing it kills them.
"""

import json
import os
import random
import re
import signal
import threading
import time
from typing import NamedTuple

import lancedb
import psutil
import pytest

from flows.settings import Settings
from flows.site import hold_store
from tests import pictures
from tests.flows import runs

IMAGES = 48
SHARD_IMAGES = 4
OPTIONS = ("--workers", 2, "--shard-images", SHARD_IMAGES)
SECONDS_TO_END = 15


class Moment(NamedTuple):
    """When something is killed: so many seconds after the stage is seen at work."""

    stage: str
    victim: str
    seconds: float


SECONDS = {
    "start": (0.0, 6.0),
    "ingest": (0.0, 0.15),
    "embed": (0.0, 0.3),
    "mine": (0.0, 0.8),
    "report": (0.0, 1.5),
}
SECONDS_TO_IMPORT = (3.0, 6.0)
"""Since ingest has ended: by now workers have their first shards and import torch to embed."""


def moments(seed, places):
    """Return moments at these places (stage, victim) in order, their seconds drawn from a seed."""
    rng = random.Random(seed)
    importing = ("embed", "worker")
    return [
        Moment(
            *place, rng.uniform(*(SECONDS_TO_IMPORT if place == importing else SECONDS[place[0]]))
        )
        for place in places
    ]


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    """A corpus of 48 small pictures, and the home of a run on two workers that nothing killed."""
    place = tmp_path_factory.mktemp("kills")
    for seed in range(IMAGES):
        pictures.draw_photo(place / "photos" / f"{seed:02}.png", seed, side=48)
    runs.borrow_server(place / "home")
    process = runs.start("run", "--corpus", place / "photos", *OPTIONS, home=place / "home")
    code, _, messages = runs.finish(process)
    assert code == 0, messages
    return place / "photos", place / "home"


def rows_of(home):
    """Return all that a run leaves for others, as bytes: images, pairs, vectors."""
    shown = {table: runs.shown(table, home) for table in ("images", "pairs")}
    vectors = {name: runs.stored(home, name) for name in embedding_tables(home)}
    return json.dumps([shown, vectors]).encode()


def embedding_tables(home):
    names = lancedb.connect(home / "store").list_tables().tables
    return sorted(name for name in names if name.startswith("embeddings_"))


def committed(home):
    """Return how many files were read, and how many images have both vectors."""
    names = lancedb.connect(home / "store").list_tables().tables
    read = len(runs.stored(home, "paths")) if "paths" in names else 0
    sets = [{row["image"] for row in runs.stored(home, name)} for name in embedding_tables(home)]
    return {"ingest": read, "embed": len(set.intersection(*sets)) if len(sets) == 2 else 0}


class KilledRun:
    """A run in a process of its own that is watched, struck and at the end cleaned up after."""

    def __init__(self, photos, home):
        self.home = home
        self.before = committed(home)
        self.process = runs.start("run", "--corpus", photos, *OPTIONS, home=home)
        self.lines = []
        self._shards = self._shards_done()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.strip().partition(" ")[2])

    def _shards_done(self):
        if "shards" not in lancedb.connect(self.home / "store").list_tables().tables:
            return {}
        stages = [row["stage"] for row in runs.stored(self.home, "shards")]
        return {stage: stages.count(stage) for stage in set(stages)}

    def said(self, words):
        return any(line.startswith(words) for line in self.lines)

    def ended(self, stage):
        return self.said(f"{stage}: done") or self.said(f"{stage}: current")

    def is_at(self, moment):
        """Say whether the moment's stage is at work, or has ended before it was seen."""
        if moment.stage == "start":
            return True
        if (moment.stage, moment.victim) == ("embed", "worker"):
            return self.ended("ingest")
        if moment.stage in {"ingest", "embed"}:
            before = self._shards.get(moment.stage, 0)
            return self._shards_done().get(moment.stage, 0) > before or self.ended(moment.stage)
        return self.ended({"mine": "embed", "report": "mine"}[moment.stage])

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
        """Wait for the end of a run that was not ended."""
        out = self.process.stdout.read()
        code = self.process.wait()
        self._reader.join()
        assert code == 0, "\n".join(self.lines)
        return json.loads(out.strip().splitlines()[-1])["stages"]

    def announced(self):
        """Return how many files and images the run set out to do, by stage."""
        found = (re.match(r"(ingest|embed): \d+ of (\d+) ", line) for line in self.lines)
        return {match[1]: int(match[2]) for match in found if match}


def _is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_and_kill(photos, home, waiting):
    """Start runs until one ends with no moment left; return them all, and the last's stages."""
    waiting, tried = list(waiting), []
    while True:
        run = KilledRun(photos, home)
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


def assert_nothing_is_lost_or_redone(home, undisturbed_home, tried):
    assert rows_of(home) == rows_of(undisturbed_home)
    for run in tried:
        for stage, announced in run.announced().items():
            assert announced == IMAGES - run.before[stage]


def test_a_run_killed_in_each_of_its_parts_ends_with_the_rows_of_an_undisturbed_one(
    undisturbed, tmp_path
):
    photos, home = undisturbed
    places = [("ingest", "flow"), ("embed", "worker"), ("report", "server")]

    tried, stages = run_and_kill(photos, tmp_path / "home", moments(3, places))

    assert_nothing_is_lost_or_redone(tmp_path / "home", home, tried)
    assert len(tried) == 3
    assert stages["embed"]["state"] == "current"
    lost = [row for row in runs.stored(tmp_path / "home", "shards") if row["attempts"] > 1]
    assert {row["stage"] for row in lost} == {"embed"}
    assert 1 <= len(lost) <= 2  # the dead worker's shard, and the one that waited for it


def test_a_run_whose_server_is_killed_starts_it_again_and_goes_on(undisturbed, tmp_path):
    photos, home = undisturbed
    run = KilledRun(photos, tmp_path / "home")
    while not run.ended("ingest"):
        time.sleep(0.05)

    for server in run.members("server"):
        server.kill()
    run.finish()

    assert run.said("the Prefect server ended")
    assert rows_of(tmp_path / "home") == rows_of(home)


@pytest.mark.slow
def test_runs_killed_at_twenty_moments_end_with_the_rows_of_an_undisturbed_one(
    undisturbed, tmp_path
):
    photos, home = undisturbed
    places = [
        *zip(["start"] * 2, ["flow", "server"], strict=True),
        *zip(["ingest"] * 5, ["worker", "flow", "server", "worker", "flow"], strict=True),
        *zip(["embed"] * 7, ["worker", "flow", "server"] * 2 + ["worker"], strict=True),
        *zip(["mine"] * 3, ["flow", "server", "flow"], strict=True),
        *zip(["report"] * 3, ["server", "flow", "flow"], strict=True),
    ]
    assert len(places) == 20

    tried, _ = run_and_kill(photos, tmp_path / "home", moments(20, places))

    assert_nothing_is_lost_or_redone(tmp_path / "home", home, tried)
    for stage in ("ingest", "embed"):
        assert any(0 < run.before[stage] < IMAGES for run in tried)


def test_both_workers_of_a_run_stand_in_the_rows_of_its_shards(undisturbed):
    _, home = undisturbed

    rows = runs.stored(home, "shards")

    for stage in ("ingest", "embed"):
        of_stage = [row for row in rows if row["stage"] == stage]
        assert len(of_stage) == IMAGES / SHARD_IMAGES
        assert sum(row["rows"] for row in of_stage) == IMAGES
    assert len({row["worker"] for row in rows}) == len({row["pid"] for row in rows}) == 2


def test_an_external_scheduler_gives_the_rows_of_the_runs_own_workers(undisturbed, cluster, home):
    photos, other = undisturbed

    stages = runs.run([photos], cluster, through="report")

    assert stages["embed"]["new"] == IMAGES
    assert rows_of(home) == rows_of(other)


def test_a_run_waits_for_the_one_that_holds_the_store_and_says_so(undisturbed):
    photos, home = undisturbed
    store = Settings(home=home, store=str(home / "store"))

    with hold_store(store, "first"):
        second = runs.start("run", "--corpus", photos, *OPTIONS, home=home)
        said = second.stderr.readline()
        running = second.poll() is None
    code, result, _ = runs.finish(second)

    assert f"waiting: run 'first' (process {os.getpid()}, for " in said
    assert running
    assert code == 0
    assert set(runs.states(result["stages"]).values()) == {"current"}
