"""A server in every kind of trouble and a run that is killed: nothing lost, nothing asked twice."""

import csv
import json
import os
import signal
import threading
import time
from collections import Counter

import pytest

from tests import pictures
from tests.flows import runs
from tests.tasks.backends.server import completion, serve

PAIRS = 16
ANSWERED_BEFORE_THE_KILL = 8
REFUSAL = completion("I cannot help with that.", finish="content_filter")
TROUBLES = [
    (429, {"error": {"message": "slow down"}}, {"Retry-After": "0.2"}),
    (500, {"error": {"message": "oh"}}, {}),
    "cut",
    (200, "{]", {}),
    (200, completion(""), {}),
    (200, REFUSAL, {}),
    "hang",
    None,
]
"""What happens to a question's first calls, by its number; None: it is answered."""


class Troubled:
    """A server that answers rightly after its troubles, which are over once it has `recovered`."""

    def __init__(self):
        self.recovered = False
        self.calls, self.answered = Counter(), Counter()
        self.lock = threading.Lock()

    def __call__(self, number, body):
        question = body["messages"][-1]["content"][1]["text"].split("?")[0]
        door = int(question.split()[-1])
        with self.lock:
            self.calls[question] += 1
            tried = self.calls[question]
        trouble = TROUBLES[door % len(TROUBLES)]
        lasting = trouble in ((200, REFUSAL, {}), (200, "{]", {}), (200, completion(""), {}))
        if trouble is not None and not self.recovered and (lasting or tried == 1):
            return trouble
        time.sleep(0.05)
        with self.lock:
            self.answered[question] += 1
        return 200, completion(f"({'ba'[door % 2]})"), {}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "doors"
    place.mkdir()
    with (place / "Questions.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["lndex", "Question", "Options", "Correct Answer"])
        for number in range(1, 2 * PAIRS + 1):
            truth = "ba"[number % 2]
            lines.writerow([number, f"Is this door {number}?", "(a) Yes (b) No", f"({truth})"])
            pictures.draw_photo(place / "MMVP Images" / f"{number}.png", number)
    return place


def recorded(home):
    """How many answers are on the disk, in the journal."""
    journal = home / "journal" / "answers.jsonl"
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return sum(json.loads(line)["failure"] is None for line in lines)


def test_each_question_is_answered_once_whatever_happens_on_the_way(
    server, cluster, tmp_path, folder
):
    home = tmp_path / "killed"
    runs.borrow_server(home)
    troubled = Troubled()
    with serve(troubled) as stub:
        command = [
            *("evaluate", "--benchmark", folder, "--model", f"openai:stub@{stub.url}"),
            *("--timeout-s", "1", "--at-once", "2", "--scheduler", cluster.scheduler),
        ]
        process = runs.start(*command, home=home)
        while recorded(home) < ANSWERED_BEFORE_THE_KILL:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kept = recorded(home)
        in_the_air = sum(troubled.answered.values()) - kept
        assert 0 <= in_the_air <= 2, "of two calls at once, two may be answered and not known"

        code, _, said = runs.finish(runs.start(*command, home=home))

        assert code == 1
        assert "questions have no answer" in said
        failed = {row["question_id"]: row for row in runs.stored(home, "answers") if row["failure"]}
        assert {row["response"] for row in failed.values()} == {""}
        assert {row["failure"].split(":")[0] for row in failed.values()} == {"bad-reply", "refused"}
        assert sum(troubled.answered.values()) - in_the_air == 2 * PAIRS - len(failed)

        troubled.recovered, before = True, troubled.calls.copy()
        code, found, said = runs.finish(runs.start(*command, home=home))

        assert code == 0, said
        assert sum((troubled.calls - before).values()) == len(failed), "only what is missing"
        assert set((troubled.calls - before).values()) == {1}
        assert found["pair_accuracy"] == 1
        assert sum(troubled.answered.values()) - in_the_air == 2 * PAIRS
        assert len(runs.stored(home, "answers")) == 2 * PAIRS
