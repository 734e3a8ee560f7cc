"""The `conversations` table: a mix is replaced part by part, and others are left alone."""

import dataclasses

import pytest

from storage import conversations
from storage.conversations import ConversationRow, Turn


def row(position, mix="m", **fields):
    return ConversationRow(
        mix=mix,
        position=position,
        **{
            "id": "it's 猫",
            "system": None,
            "images": ("a" * 64, "b" * 64),
            "turns": (Turn("<image> and <image>?", 'two "cats"'), Turn("Sure?", "Yes.")),
        }
        | fields,
    )


def test_conversations_come_back_as_written_by_position(db):
    rows = [
        row(2),
        row(10, system="Be brief.", id=None),
        row(11, images=(), turns=(Turn("a", "b"),)),
    ]

    new = conversations.replace(db, "m", rows[::-1], start=0)

    assert new == 3
    assert conversations.read(db, "m") == rows
    assert conversations.contents(db, "m") == [(one.position, one.content) for one in rows]
    assert conversations.mixes(db) == ["m"]


def test_a_part_that_is_there_makes_no_version_and_one_that_changed_is_replaced(db):
    conversations.replace(db, "m", [row(n) for n in range(6)], start=0)
    conversations.replace(db, "other", [row(1, "other")], start=0)
    version = db.version(conversations.SPEC)

    assert conversations.replace(db, "m", [row(2), row(3)], start=2, stop=4) == 0
    assert db.version(conversations.SPEC) == version
    changed = [row(2, id="new")]
    assert conversations.replace(db, "m", changed, start=2, stop=4) == 1
    assert conversations.read(db, "m") == [row(0), row(1), *changed, row(4), row(5)]
    assert conversations.read(db, "m", version=version) == [row(n) for n in range(6)]
    assert conversations.read(db, "other") == [row(1, "other")]
    assert conversations.replace(db, "m", [], start=4) == 0
    assert [one.position for one in conversations.read(db, "m")] == [0, 1, 2]


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"system": ""},
        {"images": ("b" * 64, "a" * 64)},
        {"turns": (Turn("<image> and <image>?", 'two "cats"'),)},
        {"turns": (Turn("<image> and <image>?", 'two "cats" '), Turn("Sure?", "Yes."))},
    ],
)
def test_the_content_names_all_that_a_row_says_and_not_where_it_stands(fields):
    assert dataclasses.replace(row(1), **fields).content != row(1).content
    assert row(2, "other").content == row(1).content


def test_words_are_those_of_all_texts():
    assert row(0).words == 7
    assert row(0, system=" Be  brief.\n").words == 9
