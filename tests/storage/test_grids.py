"""Grids: a grid's rows are replaced as one, another's stay."""

import pyarrow as pa

from storage import grids


def rows(grid, *sides):
    listed = [
        {
            "grid": grid,
            "clip": clip,
            "ssl": ssl,
            "mining": f"{clip}{ssl}",
            "clip_above": 0.95,
            "ssl_below": 0.6,
            "images": 10,
            "pairs": 3,
            "images_in_pairs": 4,
        }
        for clip, ssl in sides
    ]
    return pa.Table.from_pylist(listed, schema=grids.SPEC.schema)


def overlaps(grid, jaccard):
    row = {"grid": grid, "mining_a": "ab", "mining_b": "ba", "common": 1, "jaccard": jaccard}
    return pa.Table.from_pylist([row], schema=grids.OVERLAPS.schema)


def test_a_grid_is_replaced_and_another_stays(db):
    grids.replace(db, "g", rows("g", "ab", "ba"), overlaps("g", 0.5))
    grids.replace(db, "other", rows("other", "ab"), overlaps("other", None))

    grids.replace(db, "g", rows("g", "ba"), overlaps("g", 0.25))

    assert [(row.clip, row.ssl) for row in grids.read(db, "g")] == [("b", "a")]
    assert [row.jaccard for row in grids.read_overlaps(db, "g")] == [0.25]
    assert [row.jaccard for row in grids.read_overlaps(db, "other")] == [None]
    assert len(grids.read(db, "other")) == 1
