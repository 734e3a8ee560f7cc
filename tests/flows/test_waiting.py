"""`mmvp/full` with questions by people: it waits suspended, for days, and goes on by itself."""

import json
import time
import uuid

import pytest

from tests.flows import runs
from tests.flows.annotation.site import Site
from tests.flows.test_up import Up

SECONDS = 180
QUESTIONS = {"by": ["people"]}
WANTED = 2


@pytest.fixture
def up(tmp_path):
    served = Up(tmp_path)
    served.start()
    yield served
    if served.process.poll() is None:
        served.stop()


def states(up):
    """The states of the runs of `mmvp/full` themselves, the latest first."""
    found = up.ask("/flow_runs/filter", {"sort": "START_TIME_DESC"})
    return [(run["id"], run["state"]["name"]) for run in found if run["parent_task_run_id"] is None]


def wait_for(up, wanted):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ((name, state),) = states(up)
        if state == wanted:
            return name
        assert state not in {"Failed", "Crashed"}, state
        time.sleep(0.5)
    raise AssertionError(states(up))


def write(client, mining, number):
    """Write about the next pair of the queue."""
    told = client.post("/api/next", json={"mode": "write"}).json()
    body = {
        "difference": "the hat",
        "question": f"Is hat {number} there?",
        "option_1": "Yes",
        "option_2": "No",
        "answer_a": 1,
        "pattern": "Presence of Specific Features",
        "statement_a": "",
        "statement_b": "",
    }
    act = {"event_id": uuid.uuid4().hex, "kind": "written", "subject": told["subject"]}
    acts = [act | {"body": body}]
    answer = client.post("/api/acts", json={"who": "ada", "mining": mining, "acts": acts})
    assert answer.json() == {"refused": []}, answer.text


@pytest.mark.slow
def test_a_run_waits_for_people_over_a_restart_and_redoes_no_stage(up):
    parameters = {"corpus": ["scenes:60"], "through": "scores", "questions": QUESTIONS}
    done = up.prefect("deployment", "run", "mmvp/full", "--params", json.dumps(parameters))
    assert done.returncode == 0, done.stdout + done.stderr
    run = wait_for(up, "Suspended")
    told = up.ask("/artifacts/latest/filter", {})
    assert "mmvp annotate" in next(one["data"] for one in told if one["key"] == "waiting")
    up.stop()
    mining = runs.stored(up.home, "pairs")[0]["mining"]
    before = {table: runs.stored(up.home, table) for table in ("images", "pairs")}

    with Site(up.home, "--annotators", "ada", "--pairs", WANTED, "--checks", 0) as site:
        site.read_links()
        with site.client("ada") as client:
            write(client, mining, 0)
            up.start()
            time.sleep(8)
            assert states(up) == [(run, "Suspended")], "one of two is not enough"
            write(client, mining, 1)
            assert wait_for(up, "Completed") == run

    assert {table: runs.stored(up.home, table) for table in before} == before
    asked = runs.shown("questions", up.home)
    assert {row["question"] for row in asked} == {"Is hat 0 there?", "Is hat 1 there?"}
    assert {row["source"] for row in asked} == {"people"}
    pages = [up.ask("/logs/filter", {"offset": offset}) for offset in range(0, 1000, 200)]
    said = "\n".join(line["message"] for lines in pages for line in lines)
    for stage in ("ingest", "embed", "mine"):
        assert said.count(f"{stage}: done") == 1
        assert said.count(f"{stage}: current") == 1
