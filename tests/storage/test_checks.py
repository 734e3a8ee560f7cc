"""The table `checks`: a row a check, author and proposal."""

import dataclasses

from storage import checks
from storage.checks import CheckRow


def row_of(proposal, check="form", by="rules", **changes):
    told = {"passed": True, "detail": "", "request": "r"}
    return CheckRow(mining="m", check=check, by=by, proposal_id=proposal, **told | changes)


def test_findings_come_back_by_mining_and_proposal(db):
    rows = [
        row_of("p1"),
        row_of("p1", "agree-a", "people:ann", passed=False, detail="takes 'x' for image 1"),
        row_of("p2", passed=None, detail="timeout: no reply"),
    ]
    checks.upsert(db, [*rows, dataclasses.replace(rows[0], mining="other")])

    assert sorted(checks.read(db, "m"), key=str) == sorted(rows, key=str)
    assert checks.read(db, "m", proposals={"p2"}) == [rows[2]]


def test_a_finding_that_is_made_again_takes_the_place_of_the_first(db):
    checks.upsert(db, [row_of("p1", passed=None)])
    checks.upsert(db, [row_of("p1", passed=False, detail="twice")])

    assert checks.read(db, "m") == [row_of("p1", passed=False, detail="twice")]
