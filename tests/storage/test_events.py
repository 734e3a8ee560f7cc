"""The table of all that people did."""

import dataclasses

from storage import events
from storage.events import EventRow, of_line

ACT = EventRow(
    event_id="0" * 32,
    mining="m",
    at=1_700_000_000_000_001,
    who="ada",
    kind="draft",
    subject="pair",
    body={"question": "Where's the hat? 帽子", "answer_a": 1, "pattern": None},
)


def later(number, **changes):
    return dataclasses.replace(ACT, event_id=f"{number:032x}", at=ACT.at + number, **changes)


def test_events_come_back_as_they_were_in_the_order_in_which_they_happened(db):
    acts = [later(2), later(3, who="grace"), later(1)]

    events.add(db, acts)

    assert events.read(db, "m") == sorted(acts, key=lambda act: act.at)
    assert events.read(db, "other") == []


def test_an_event_that_comes_twice_counts_once_and_makes_no_version(db):
    events.add(db, [ACT])
    version = db.version(events.SPEC)

    events.add(db, [ACT, dataclasses.replace(ACT, who="mallory")])

    assert events.read(db, "m") == [ACT]
    assert db.version(events.SPEC) == version


def test_an_event_is_one_line_and_comes_back_from_it():
    act = later(4, body={"question": "two\nlines"})

    assert "\n" not in act.to_line()
    assert of_line(act.to_line()) == act
