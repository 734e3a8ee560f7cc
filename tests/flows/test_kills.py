"""What is left when parts of a run are killed at any moment, and what the next run makes of it."""

import json
import os
import random
import re
import time

import lancedb
import pytest

from flows.settings import Settings
from flows.site import hold_store
from tests import pictures
from tests.flows import runs
from tests.flows.kills import KilledRun, Moment, run_and_kill

pytestmark = pytest.mark.slow

IMAGES = 48
SHARD_IMAGES = 4
OPTIONS = ("--workers", 2, "--shard-images", SHARD_IMAGES)

SECONDS = {
    "start": (0.0, 6.0),
    "ingest": (0.0, 0.15),
    "embed": (0.0, 0.15),
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


class PairsRun(KilledRun):
    """A run on photos, which ends after their pairs."""

    def __init__(self, photos, home):
        self.before = committed(home)
        self._shards = shards_done(home)
        super().__init__(home, "--corpus", photos, *OPTIONS)

    def is_at(self, moment):
        if moment.stage == "start":
            return True
        if (moment.stage, moment.victim) == ("embed", "worker"):
            return self.ended("ingest")
        if moment.stage in {"ingest", "embed"}:
            before = self._shards.get(moment.stage, 0)
            return shards_done(self.home).get(moment.stage, 0) > before or self.ended(moment.stage)
        return self.ended({"mine": "embed", "report": "mine"}[moment.stage])

    def announced(self):
        """Return how many files and images the run set out to do, by stage."""
        found = (re.match(r"(ingest|embed): \d+ of (\d+) ", line) for line in self.lines)
        return {match[1]: int(match[2]) for match in found if match}


def shards_done(home):
    """Return how many shards stand in the store, by stage."""
    if "shards" not in lancedb.connect(home / "store").list_tables().tables:
        return {}
    stages = [row["stage"] for row in runs.stored(home, "shards")]
    return {stage: stages.count(stage) for stage in set(stages)}


def test_a_run_whose_server_is_killed_starts_it_again_and_goes_on(undisturbed, tmp_path):
    photos, home = undisturbed
    run = PairsRun(photos, tmp_path / "home")
    while not run.ended("ingest"):
        time.sleep(0.05)

    for server in run.members("server"):
        server.kill()
    run.finish()

    assert run.said("the Prefect server ended")
    assert rows_of(tmp_path / "home") == rows_of(home)


def test_runs_killed_at_five_moments_end_with_the_rows_of_an_undisturbed_one(undisturbed, tmp_path):
    photos, home = undisturbed
    places = [
        ("start", "flow"),
        ("ingest", "worker"),
        ("embed", "flow"),
        ("embed", "worker"),
        ("report", "server"),
    ]

    tried, stages = run_and_kill(lambda: PairsRun(photos, tmp_path / "home"), moments(20, places))

    assert rows_of(tmp_path / "home") == rows_of(home)
    for run in tried:
        for stage, announced in run.announced().items():
            assert announced == IMAGES - run.before[stage]
    assert any(0 < run.before["embed"] < IMAGES for run in tried)
    assert stages["embed"]["state"] == "current"


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
