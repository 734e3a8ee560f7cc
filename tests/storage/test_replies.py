"""The table `replies`: one row a request, the last word stands."""

import dataclasses

from storage import replies
from storage.replies import ReplyRow


def row_of(request, **changes):
    told = {
        "model": "openai:m",
        "protocol": "write-1",
        "response": "{}",
        "cut": False,
        "failure": None,
    }
    return ReplyRow(request=request, **told | changes)


def test_replies_come_back_by_request_and_others_stay_out(db):
    rows = [row_of("a" * 64), row_of("b" * 64, response="\u00e9\n{"), row_of("c" * 64)]
    replies.upsert(db, rows)

    found = replies.read(db, ["a" * 64, "b" * 64, "f" * 64])

    assert found == {row.request: row for row in rows[:2]}
    assert replies.read(db, []) == {}


def test_a_reply_takes_the_place_of_a_failure(db):
    failed = row_of("a" * 64, response="", failure="timeout: no reply")
    replies.upsert(db, [failed])
    said = dataclasses.replace(failed, response="yes", failure=None)
    replies.upsert(db, [said])
    version = db.version(replies.SPEC)
    replies.upsert(db, [said])

    assert replies.read(db, ["a" * 64]) == {"a" * 64: said}
    assert db.version(replies.SPEC) == version, "nothing new, no new version"
