"""The table `zoo`: an encoder's row is replaced, others stay."""

from storage import zoo
from storage.zoo import ZooRow


def row(entry, mining="m", **values):
    return ZooRow(mining=mining, entry=entry, name=entry, spec=entry, **values)


def test_rows_come_back_by_entry_and_a_second_write_makes_no_version(db):
    rows = [row("b", model="b-1", parameters=3, imagenet=0.5), row("a", refused="no hub")]

    zoo.upsert(db, rows)
    version = db.version(zoo.SPEC)
    zoo.upsert(db, rows[::-1])

    assert zoo.read(db, "m") == rows[::-1]
    assert db.version(zoo.SPEC) == version
    assert zoo.read(db, "m", {"b"}) == rows[:1]


def test_an_encoder_that_is_had_again_is_refused_no_more_and_others_stay(db):
    zoo.upsert(db, [row("a", refused="no hub"), row("b", model="b-1"), row("a", mining="other")])

    zoo.upsert(db, [row("a", model="a-1")])

    assert [(one.entry, one.model, one.refused) for one in zoo.read(db, "m")] == [
        ("a", "a-1", None),
        ("b", "b-1", None),
    ]
    assert zoo.models(db, "m") == {"a-1", "b-1"}
    assert zoo.models(db, "other") == set()
