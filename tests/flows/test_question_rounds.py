"""Models are asked about more pairs while the benchmark lacks some, in rounds that resume."""

import hashlib
import json

import pytest

from flows.mmvp import mmvp
from tasks.mining.thresholds import MineConfig
from tasks.patterns import PATTERNS
from tasks.questions.config import QuestionConfig
from tests import pictures
from tests.flows import runs
from tests.flows.test_questions import doors
from tests.tasks.backends.server import serve

FEW = MineConfig(clip_above=-1.0, ssl_below=1.0, benchmark_pairs=6)


@pytest.fixture
def bare(tmp_path):
    """Forty pictures, so that fourteen pairs are in line after the six that are selected."""
    folder = tmp_path / "bare"
    for number in range(40):
        pictures.draw_photo(folder / f"{number:02}.png", number)
    return folder


def asking(stub, cluster, **changes):
    told = {"by": ("model",), "writers": (f"openai:doors@{stub.url}",), "extra_pairs": 14}
    return {
        "mine": FEW,
        "questions": QuestionConfig(**told | changes),
        "through": "questions",
        "workers": cluster,
    }


def test_refused_pairs_are_replaced_and_a_second_run_asks_nothing(server, cluster, home, bare):
    with serve(doors) as stub:
        told = asking(stub, cluster)
        first = mmvp([str(bare)], **told)["stages"]
        sent = len(stub.bodies)
        second = mmvp([str(bare)], **told)["stages"]

        assert len(stub.bodies) == sent
    selected = [row for row in runs.shown("pairs") if row["selected"]]
    asked = {row["pair_id"] for row in runs.shown("questions")}
    beyond = asked - {row["pair_id"] for row in selected}
    assert len(selected) == len(asked) == 6
    assert beyond, "the seeds of the pictures give a selected pair that does not differ"
    assert first["propose"]["new"] == first["propose"]["rows"] == sent
    assert 6 < sent < 20, "no more pairs are asked about than a round too many"
    assert first["questions"]["figures"]["lacking"] == 0
    assert set(runs.states(second).values()) == {"current"}


def test_a_round_that_fails_is_finished_by_the_next_run_with_the_same_questions(
    server, cluster, home, bare, monkeypatch, tmp_path
):
    down = True

    def failing(number, body):
        lot = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()[0]
        return (400, {}, {}) if down and lot % 3 == 0 else doors(number, body)

    with serve(failing) as stub:
        told = asking(stub, cluster, pairs_per_pattern=6)
        mmvp([str(bare)], **told)
        failed = [row for row in runs.shown("proposals") if "rejected" in (row["failure"] or "")]
        down = False
        mmvp([str(bare)], **told)
        mended = runs.shown("questions")
        monkeypatch.setenv("MMVP_HOME", str(tmp_path / "other"))
        whole = mmvp([str(bare)], **told)["stages"]

    assert failed
    assert mended == runs.shown("questions")
    assert len(mended) == 12
    short = whole["questions"]["figures"]["short"]
    assert set(short) == set(PATTERNS.values()) - {"State and Condition"}
