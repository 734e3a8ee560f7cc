"""The `proposals` table: what was proposed is kept, whatever checks make of it."""

from dataclasses import replace

from storage import proposals
from storage.proposals import ProposalRow
from storage.tables import SPECS

ROW = ProposalRow(
    mining="m",
    pair_id="p",
    writer="people:ada",
    number=0,
    request="0" * 64,
    image_a="a",
    image_b="b",
    question="Is it open?",
    option_1="open",
    option_2="closed",
    answer_a="open",
    answer_b="open",
)


def test_proposals_come_back_by_pair_writer_and_number(db):
    rows = [
        ROW,
        replace(ROW, number=1, question="Is it's 猫 shut?"),
        replace(ROW, writer="model:m", question=None, failure="time-out"),
        replace(ROW, pair_id="o"),
    ]
    db.make(SPECS.values())
    proposals.upsert(db, rows)
    proposals.upsert(db, rows[:1])

    assert proposals.read(db, "m") == [rows[3], rows[2], rows[0], rows[1]]
    assert proposals.read(db, "m", writers=["model:m"]) == [rows[2]]
    assert proposals.read(db, "other") == []


def test_a_proposal_is_named_by_what_it_says_not_by_who_says_it():
    assert ROW.proposal_id == replace(ROW, writer="model:m", number=4).proposal_id
    assert ROW.proposal_id != replace(ROW, answer_b="closed").proposal_id
