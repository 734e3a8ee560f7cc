"""Stored answers are taken as they are, and every id is accounted for."""

import asyncio
import json

import pytest

from tasks.backends import Failure, Replay, Reply, read_answers
from tests.tasks.backends.asked import request

IDS = ["1", "2", "3"]
GOOD = [{"question_id": int(number), "response": f"({number})"} for number in IDS]


def stored(tmp_path, rows):
    place = tmp_path / "answers.jsonl"
    place.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return place


def test_answers_come_back_verbatim_in_the_order_of_the_questions(tmp_path):
    official = {"prompt": "Open? (a) Open (b) Closed", "answer": "(a)", "answer_id": "x"}
    rows = [row | official for row in reversed(GOOD)]
    rows[0]["response"] = ""

    found = read_answers(stored(tmp_path, [*rows, ""]), IDS)

    assert list(found.items()) == [
        ("1", Reply(text="(1)")),
        ("2", Reply(text="(2)")),
        ("3", Reply(text="")),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (GOOD[:2], "1 missing: 3"),
        ([*GOOD, GOOD[0]], "1 doubled: 1"),
        ([*GOOD, {"question_id": "x", "response": ""}], "1 unknown: x"),
        ([*GOOD, "{"], "line 4"),
        ([*GOOD, {"question_id": 4}], "line 4"),
        ([*GOOD, {"question_id": 4, "response": None}], "line 4"),
        ([*GOOD, {"question_id": True, "response": ""}], "line 4"),
        ([*GOOD, "[]"], "line 4"),
    ],
)
def test_a_file_that_does_not_fit_the_questions_says_where(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words) as raised:
        read_answers(stored(tmp_path, rows), IDS)
    assert "answers.jsonl" in str(raised.value)
    assert "expected" in str(raised.value)


def test_part_of_the_answers_is_no_mistake_if_asked_for(tmp_path):
    assert list(read_answers(stored(tmp_path, GOOD[:2]), IDS, partial=True)) == ["1", "2"]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("[LMMS_EVAL_REQUEST_FAILED after 3 tries]", "server-error"),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", "over-budget"),
        ("Failed to obtain answer via API.", "server-error"),
    ],
)
def test_what_harnesses_store_for_a_failed_call_is_no_answer(tmp_path, response, reason):
    rows = [*GOOD[:2], {"question_id": 3, "response": response}]

    outcome = read_answers(stored(tmp_path, rows), IDS)["3"]

    assert isinstance(outcome, Failure)
    assert outcome.reason == reason


def test_a_replay_gives_what_is_stored_and_nothing_else():
    known, unknown = request("known"), request("unknown")
    replay = Replay({known.fingerprint: Reply(text="(a)")})

    assert asyncio.run(replay.reply(known)) == Reply(text="(a)")
    with pytest.raises(ValueError, match="no answer is stored"):
        asyncio.run(replay.reply(unknown))
