"""Near-duplicates: replaced as one, a mining at a time, read in a stable order."""

import pyarrow as pa

from storage import duplicates
from storage.duplicates import DuplicateRow


def rows(mining, *names):
    listed = [
        {
            "mining": mining,
            "pair_id": name,
            "image_a": f"a{name}",
            "image_b": f"b{name}",
            "clip_cosine": 0.99,
            "ssl_cosine": 0.995,
        }
        for name in names
    ]
    return pa.Table.from_pylist(listed, schema=duplicates.SPEC.schema)


def test_a_minings_near_duplicates_are_replaced_and_anothers_stay(db):
    duplicates.replace(db, "m", rows("m", "2", "1"))
    duplicates.replace(db, "other", rows("other", "1"))

    duplicates.replace(db, "m", rows("m", "3", "1"))

    found = duplicates.read(db, "m")
    assert found == [DuplicateRow(**row) for row in rows("m", "1", "3").to_pylist()]
    assert [row.pair_id for row in duplicates.read(db, "other")] == ["1"]


def test_none_left_is_an_empty_table(db):
    duplicates.replace(db, "m", rows("m", "1"))

    duplicates.replace(db, "m", rows("m"))

    assert duplicates.read(db, "m") == []
