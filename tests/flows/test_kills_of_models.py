"""What is left when a run is killed while it asks, trains or evaluates."""

import random

import pytest

from tasks.scenes import write_scenes
from tests.flows import runs
from tests.flows.kills import KilledRun, Moment, run_and_kill

pytestmark = pytest.mark.slow

OPTIONS = (
    *("--clip-above-quantile", 0.8, "--ssl-below-quantile", 0.5),
    *("--benchmark-pairs", 18, "--lot-pairs", 2),
    *("--features", "clip", "interleaved", "--steps", 20, "--workers", 2, "--through", "evaluate"),
)
TABLES = ("questions", "answers", "models", "scores", "comparisons", "probes")
BEFORE = {"questions": "mine", "train": "probe", "evaluate": "train"}
SECONDS = {
    "questions": (0.0, 0.5),
    "train": (2.0, 10.0),
    "evaluate": (0.0, 6.0),
}


class ModelsRun(KilledRun):
    """A run with models in it, on the corpora in a folder."""

    def __init__(self, place, home):
        self.trained = models_in(home)
        super().__init__(home, *arguments(place))

    def is_at(self, moment):
        return self.ended(BEFORE[moment.stage])


def models_in(home):
    """Return when each whole model of a home was written."""
    found = (home / "models").glob("*/training.json")
    return {
        file.parent.name: file.stat().st_mtime_ns for file in found if file.parent.name[0] != "."
    }


def rows_of(home):
    return {table: runs.shown(table, home) for table in TABLES}


def arguments(place):
    return "--corpus", place / "scenes", "--train-corpus", place / "lessons", *OPTIONS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with sixty drawn scenes to mine and thirty others to train on."""
    place = tmp_path_factory.mktemp("kills-of-models")
    write_scenes(place / "scenes", 60, seed=5)
    write_scenes(place / "lessons", 30, seed=6)
    return place


@pytest.fixture(scope="module")
def undisturbed(server, place):
    """The home of a run on two workers that nothing killed."""
    home = place / "home"
    runs.borrow_server(home)
    code, _, messages = runs.finish(runs.start("run", *arguments(place), home=home))
    assert code == 0, messages
    return home


def test_a_run_killed_while_it_asks_and_trains_ends_with_the_rows_of_an_undisturbed_one(
    place, undisturbed, tmp_path
):
    home = tmp_path / "home"
    runs.borrow_server(home)  # that of tests.flows.test_kills dies too; no stage knows it
    rng = random.Random(4)
    places = [
        ("questions", "flow"),
        ("train", "worker"),
        ("train", "flow"),
        ("evaluate", "flow"),
    ]
    moments = [Moment(stage, victim, rng.uniform(*SECONDS[stage])) for stage, victim in places]

    tried, stages = run_and_kill(lambda: ModelsRun(place, home), moments)

    assert rows_of(home) == rows_of(undisturbed)
    now = models_in(home)
    assert len(now) == 2
    for run in tried:
        assert run.trained.items() <= now.items()
    assert not list((home / "models").glob(".*"))
    assert stages["train"]["state"] == "current"
