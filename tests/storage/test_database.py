"""The store itself: one commit a write, versions that stay readable, errors that say what to do."""

import datetime as dt
import subprocess
import sys

import lancedb
import pyarrow as pa
import pytest

from storage.database import VERSION_KEY, StoreError, any_of
from tests.storage.things import SPEC, rows_of, table_of

ODD = ["it's", "''; --", 'a "quoted" b', "back\\slash", "naïve 画像.png", "%_*", "", "two\nlines"]


def plain(db, name=SPEC.name):
    """The table as anyone opens it who has lancedb and not us."""
    return lancedb.connect(db.uri).open_table(name)


def test_rows_come_back_in_the_order_of_their_keys(db):
    db.upsert(SPEC, table_of(("b", "x", 1, "n"), ("a", "y", 2, None), ("a", "x", 3, "")))

    assert rows_of(db) == [("a", "x", 3, ""), ("a", "y", 2, None), ("b", "x", 1, "n")]


def test_only_the_columns_asked_for_come_back_and_still_in_key_order(db):
    db.upsert(SPEC, table_of(("b", "x", 1, None), ("a", "x", 2, None)))

    assert rows_of(db, columns=["size"]) == [(2,), (1,)]


def test_writing_the_same_rows_twice_makes_no_new_version(db):
    rows = table_of(("a", "x", 1, None), ("a", "y", 2, "n"))
    db.upsert(SPEC, rows)
    version = db.version(SPEC)

    db.upsert(SPEC, rows)

    assert db.version(SPEC) == version


def test_a_changed_row_is_updated_in_place_and_in_one_version(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None), ("a", "y", 2, None)))
    version = db.version(SPEC)

    db.upsert(SPEC, table_of(("a", "x", 1, "told"), ("a", "y", 2, None), ("a", "z", 3, None)))

    assert rows_of(db) == [("a", "x", 1, "told"), ("a", "y", 2, None), ("a", "z", 3, None)]
    assert db.version(SPEC) == version + 1


LISTS = SPEC._replace(schema=SPEC.schema.set(3, pa.field("note", pa.list_(pa.string()))))


def test_rows_with_lists_are_compared_by_what_is_in_them(db):
    def table(*rows):
        return table_of(*rows, spec=LISTS)

    rows = [
        ("a", "v", 1, []),
        ("a", "w", 1, None),
        ("a", "x", 1, ["n", None]),
        ("a", "y", 2, ["m"]),
    ]
    db.upsert(LISTS, table(*rows))
    version = db.version(LISTS)

    db.upsert(LISTS, table(*rows))
    unchanged = db.version(LISTS)
    db.upsert(LISTS, table(("a", "v", 1, None), ("a", "w", 1, []), ("a", "x", 1, [None, "n"])))

    assert unchanged == version
    assert db.version(LISTS) == version + 1
    assert rows_of(db, LISTS) == [
        ("a", "v", 1, None),
        ("a", "w", 1, []),
        ("a", "x", 1, [None, "n"]),
        ("a", "y", 2, ["m"]),
    ]


def test_of_two_rows_with_one_key_the_last_is_written(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None), ("b", "x", 5, None), ("a", "x", 2, "n")))
    version = db.version(SPEC)

    db.upsert(SPEC, table_of(("a", "x", 3, None), ("a", "x", 2, "n")))

    assert rows_of(db) == [("a", "x", 2, "n"), ("b", "x", 5, None)]
    assert db.version(SPEC) == version


@pytest.mark.parametrize("few", [0, 1, 2])
def test_rows_are_recognised_however_many_values_a_first_key_has(db, monkeypatch, few):
    monkeypatch.setattr("storage.database.FEW_KEYS", few)
    rows = table_of(("it's", "x", 1, None), ("b", "x", 1, None))
    db.upsert(SPEC, rows)
    version = db.version(SPEC)

    db.upsert(SPEC, rows)

    assert db.version(SPEC) == version


def test_rows_are_told_apart_by_the_whole_key(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))

    db.upsert(SPEC, table_of(("b", "x", 1, None)))

    assert rows_of(db) == [("a", "x", 1, None), ("b", "x", 1, None)]


def test_more_rows_than_one_query_asks_for_are_still_recognised(db, monkeypatch):
    monkeypatch.setattr("storage.database.KEYS_IN_ONE_QUERY", 3)
    rows = table_of(*(("a", f"{number:02}", number, None) for number in range(10)))
    db.upsert(SPEC, rows)
    version = db.version(SPEC)

    db.upsert(SPEC, rows)

    assert (db.version(SPEC), len(rows_of(db))) == (version, 10)


def test_insert_leaves_rows_alone_that_are_there(db):
    db.upsert(SPEC, table_of(("a", "x", 1, "first")))

    db.insert(SPEC, table_of(("a", "x", 2, "second"), ("a", "y", 3, None)))

    assert rows_of(db) == [("a", "x", 1, "first"), ("a", "y", 3, None)]


def test_inserting_only_what_is_there_makes_no_new_version(db):
    db.insert(SPEC, table_of(("a", "x", 1, None)))
    version = db.version(SPEC)

    db.insert(SPEC, table_of(("a", "x", 2, None)))

    assert db.version(SPEC) == version


def test_writing_no_rows_makes_no_table(db):
    db.upsert(SPEC, table_of())
    db.insert(SPEC, table_of())
    db.replace(SPEC, table_of(), where="true")
    db.delete(SPEC, where="true")

    assert (db.tables(), db.version(SPEC), rows_of(db)) == ([], 0, [])


def test_replace_changes_what_the_condition_covers_and_in_one_version(db):
    db.upsert(
        SPEC, table_of(("a", "gone", 1, None), ("a", "kept", 2, None), ("b", "other", 3, None))
    )
    version = db.version(SPEC)

    db.replace(
        SPEC, table_of(("a", "new", 5, None), ("a", "kept", 4, None)), where=any_of("place", ["a"])
    )

    assert rows_of(db) == [("a", "kept", 4, None), ("a", "new", 5, None), ("b", "other", 3, None)]
    assert db.version(SPEC) == version + 1


def test_replacing_rows_by_themselves_in_any_order_makes_no_new_version(db):
    rows = [("a", "x", 1, None), ("a", "y", 2, "n")]
    db.replace(SPEC, table_of(*rows), where=any_of("place", ["a"]))
    version = db.version(SPEC)

    db.replace(SPEC, table_of(*reversed(rows)), where=any_of("place", ["a"]))

    assert db.version(SPEC) == version


def test_replacing_by_nothing_removes_what_the_condition_covers(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None), ("b", "x", 2, None)))

    db.replace(SPEC, table_of(), where=any_of("place", ["a"]))

    assert rows_of(db) == [("b", "x", 2, None)]


def test_delete_removes_what_the_condition_covers(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None), ("b", "x", 2, None)))

    db.delete(SPEC, where=any_of("place", ["a"]))

    assert rows_of(db) == [("b", "x", 2, None)]


def test_deleting_nothing_makes_no_new_version(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    version = db.version(SPEC)

    db.delete(SPEC, where=any_of("place", ["b"]))

    assert db.version(SPEC) == version


@pytest.mark.parametrize("name", ODD)
def test_a_value_is_matched_whatever_it_is_made_of(db, name):
    db.upsert(SPEC, table_of(*(("a", odd, 1, None) for odd in ODD)))
    db.upsert(SPEC, table_of(("a", name, 2, "changed")))

    found = rows_of(db, where=any_of("name", [name]))
    db.delete(SPEC, where=any_of("name", [name]))

    assert found == [("a", name, 2, "changed")]
    assert [row[1] for row in rows_of(db)] == sorted(set(ODD) - {name})


def test_any_of_nothing_is_nothing(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))

    assert rows_of(db, where=any_of("place", [])) == []


def test_a_pinned_version_is_read_while_another_process_appends(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    pinned = db.version(SPEC)
    append = (
        "import lancedb, sys; table = lancedb.connect(sys.argv[1]).open_table('things');"
        "[table.add([{'place': 'b', 'name': str(n), 'size': n, 'note': None}]) for n in range(5)]"
    )

    subprocess.run([sys.executable, "-c", append, db.uri], check=True, timeout=60)

    assert rows_of(db, version=pinned) == [("a", "x", 1, None)]
    assert len(rows_of(db)) == 6, "the same connection sees the latest rows when not pinned"
    assert db.version(SPEC) > pinned


def test_version_0_is_the_table_before_it_was_made(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))

    before = db.read(SPEC, version=0)

    assert (before.num_rows, before.schema) == (0, SPEC.schema)


def test_a_table_that_was_never_made_reads_as_empty(db):
    assert (rows_of(db), db.version(SPEC), db.overview()) == ([], 0, [])


@pytest.mark.parametrize("rows", [[], [("a", "x", 1, None)]])
def test_a_version_that_never_was_is_refused(db, rows):
    db.upsert(SPEC, table_of(*rows))

    with pytest.raises(StoreError, match=r"version 99 of table 'things' .* no longer exists"):
        db.read(SPEC, version=99)


@pytest.mark.filterwarnings("ignore:optimize")
def test_a_version_that_was_cleaned_away_is_refused(db):
    db.upsert(SPEC, table_of(("a", "x", 1, None)))
    old = db.version(SPEC)
    db.upsert(SPEC, table_of(("a", "y", 1, None)))
    plain(db).optimize(cleanup_older_than=dt.timedelta(0))

    with pytest.raises(StoreError, match=rf"version {old} .* run `mmvp run` again"):
        db.read(SPEC, version=old)


def test_a_table_of_a_newer_mmvp_is_refused_and_stays_as_it_is(db):
    newer = SPEC._replace(schema_version=2)
    db.upsert(newer, table_of(("a", "x", 1, None)))
    version = db.version(newer)

    for use in (db.read, db.version, lambda spec: db.upsert(spec, table_of(("b", "x", 1, None)))):
        with pytest.raises(StoreError, match=r"'things' .* newer mmvp.* upgrade mmvp"):
            use(SPEC)

    assert (plain(db).version, plain(db).count_rows()) == (version, 1)


def test_a_column_of_another_type_is_refused_and_stays_as_it_is(db):
    other = SPEC._replace(schema=SPEC.schema.set(2, pa.field("size", pa.string(), nullable=False)))
    db.upsert(other, table_of(("a", "x", "large", None), spec=other))
    version = plain(db).version

    with pytest.raises(StoreError, match=r"size: string, expected int64.*use the mmvp that wrote"):
        db.upsert(SPEC, table_of(("a", "y", 1, None)))

    assert (plain(db).version, plain(db).schema.field("size").type) == (version, pa.string())


def test_a_table_that_lacks_a_column_we_cannot_do_without_is_refused(db):
    older = SPEC._replace(schema=SPEC.schema.remove(2))
    db.upsert(older, table_of(("a", "x", None), spec=older))

    with pytest.raises(StoreError, match="size: missing"):
        db.read(SPEC)


@pytest.fixture
def wider(db):
    """A spec with a column more than the table in `db` has; the table holds two rows."""
    db.upsert(SPEC, table_of(("a", "x", 1, None), ("a", "y", 2, "n")))
    return SPEC._replace(
        schema=SPEC.schema.append(pa.field("color", pa.string())), schema_version=2
    )


def test_an_older_table_gains_the_column_it_lacks_and_keeps_its_rows(db, wider):
    gained = rows_of(db, wider)
    db.upsert(wider, table_of(("a", "x", 1, None, "red"), spec=wider))

    assert gained == [("a", "x", 1, None, None), ("a", "y", 2, "n", None)]
    assert rows_of(db, wider) == [("a", "x", 1, None, "red"), ("a", "y", 2, "n", None)]


def test_a_version_from_before_a_column_was_gained_is_still_readable(db, wider):
    pinned = db.version(SPEC)
    db.upsert(wider, table_of(("a", "z", 3, None, "red"), spec=wider))

    assert rows_of(db, wider, version=pinned) == [
        ("a", "x", 1, None, None),
        ("a", "y", 2, "n", None),
    ]
    assert rows_of(db, wider, version=pinned, columns=["color"]) == [(None,), (None,)]


def test_a_new_table_tells_its_schema_version(db):
    db.upsert(SPEC._replace(schema_version=3), table_of(("a", "x", 1, None)))

    assert plain(db).schema.metadata[VERSION_KEY] == b"3"


def test_the_overview_names_every_table_however_many_there_are(db):
    names = [f"table-{number:02}" for number in range(25)]
    for name in names:
        db.upsert(SPEC._replace(name=name), table_of(("a", "x", 1, None)))

    assert db.tables() == names
    assert [(name, rows) for name, _, rows in db.overview()] == [(name, 1) for name in names]
