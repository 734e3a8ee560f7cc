"""Fragments: what several writers leave behind, what counts, what is kept and what is cleaned."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from storage import embeddings, fragments
from storage.database import StoreError

FACTS = {"model": "clip"}


def write(db, images, value=1.0):
    vectors_ND = np.full((len(images), 3), value, np.float16)
    return embeddings.write(db.uri, "clip-1", 3, [(images, vectors_ND)])


def append(db, *written, read_version=0):
    return embeddings.append(db, "clip-1", written, FACTS, read_version=read_version)


def stored(db, version=None):
    version = embeddings.version(db, "clip-1") if version is None else version
    return {
        image: float(vector_D[0])
        for batch in embeddings.scan(db, "clip-1", version=version)
        for image, vector_D in zip(batch.ids.to_pylist(), batch.vectors_BD, strict=True)
    }


def rows(db):
    return sum(
        len(batch.ids)
        for batch in embeddings.scan(db, "clip-1", version=embeddings.version(db, "clip-1"))
    )


def data_files(db):
    return set(Path(db.location("embeddings_clip-1"), "data").iterdir())


def test_nothing_counts_before_the_commit_and_all_after_it(db):
    written = [write(db, ["a", "b"]), write(db, ["c"])]
    assert embeddings.version(db, "clip-1") == 0

    first = append(db, *written)
    second = append(db, write(db, ["d"]), read_version=first)

    assert stored(db, first) == {"a": 1, "b": 1, "c": 1}
    assert stored(db) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert second == first + 1


def test_batches_are_streamed_into_one_fragment(db):
    batches = (([f"{start}-{i}" for i in range(50)], np.ones((50, 3))) for start in range(9))

    written = embeddings.write(db.uri, "clip-1", 3, batches)
    append(db, written)

    assert (len(written.fragments), written.rows, rows(db)) == (1, 450, 450)


def test_of_two_writers_who_both_make_the_table_the_earlier_counts(db):
    one, two = write(db, ["a", "b"], 1), write(db, ["b", "c"], 2)

    append(db, one)
    append(db, two)

    assert stored(db) == {"a": 1, "b": 1, "c": 2}
    assert rows(db) == 3


def test_of_two_writers_of_an_image_the_earlier_counts(db):
    start = append(db, write(db, ["z"]))
    one, two = write(db, ["a", "b"], 1), write(db, ["b", "c"], 2)

    append(db, one, read_version=start)
    append(db, two, read_version=start)

    assert stored(db) == {"z": 1, "a": 1, "b": 1, "c": 2}
    assert rows(db) == 4


KILLED = """
import sys, os, signal, numpy as np
from storage import embeddings
def batches():
    yield ["a", "b"], np.ones((2, 3), np.float16)
    if sys.argv[2] == "writing":
        yield [f"x{i}" for i in range(500_000)], np.ones((500_000, 3), np.float16)
        os.kill(os.getpid(), signal.SIGKILL)
embeddings.write(sys.argv[1], "clip-1", 3, batches())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["writing", "written"])
def test_what_a_killed_writer_leaves_is_never_read_and_is_cleaned(db, moment):
    version = append(db, write(db, ["z"]))
    before = data_files(db)
    killed = subprocess.run([sys.executable, "-c", KILLED, db.uri, moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert data_files(db) > before

    append(db, write(db, ["a"]), read_version=version)
    embeddings.clean(db, "clip-1")

    assert stored(db) == {"z": 1, "a": 1}
    assert len(data_files(db)) == 2


def test_a_pinned_version_stays_until_its_pin_moves_on(db):
    first = append(db, write(db, ["a"]))
    second = append(db, write(db, ["b"]), read_version=first)
    third = append(db, write(db, ["c"]), read_version=second)
    embeddings.pin(db, "clip-1", "mining-x", version=first)

    embeddings.clean(db, "clip-1")

    assert stored(db, first) == {"a": 1}
    with pytest.raises(StoreError, match=f"version {second} of table 'embeddings_clip-1'"):
        stored(db, second)

    embeddings.pin(db, "clip-1", "mining-x", version=third)
    embeddings.clean(db, "clip-1")

    assert stored(db, third) == {"a": 1, "b": 1, "c": 1}
    with pytest.raises(StoreError, match=f"version {first} of table"):
        stored(db, first)


def test_a_version_without_its_pin_goes_and_a_second_unpin_does_nothing(db):
    first = append(db, write(db, ["a"]))
    append(db, write(db, ["b"]), read_version=first)
    embeddings.pin(db, "clip-1", "mining-x", version=first)

    for _ in range(2):
        embeddings.unpin(db, "clip-1", "mining-x")
    embeddings.clean(db, "clip-1")

    with pytest.raises(StoreError, match=f"version {first} of table"):
        stored(db, first)


def test_many_small_fragments_are_joined_and_keep_their_rows_in_order(db):
    names = [f"{number:03}" for number in range(fragments.SMALL_FRAGMENTS)]
    version = append(db, *(write(db, [name], float(name)) for name in names))
    before = stored(db)

    embeddings.clean(db, "clip-1")

    assert list(stored(db).items()) == list(before.items())
    assert stored(db, version) == before, "somebody may have been about to read it"

    embeddings.clean(db, "clip-1")

    assert list(stored(db).items()) == list(before.items())
    assert len(data_files(db)) == 1


def test_cleaning_a_table_that_is_not_there_does_nothing(db):
    embeddings.clean(db, "clip-1")

    assert db.tables() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_says_so(db):
    version = append(db, write(db, ["a"]))
    written = write(db, ["b"])
    folder = Path(db.location("embeddings_clip-1"), "_versions")
    folder.chmod(0o500)

    try:
        with pytest.raises(StoreError, match="cannot write the store"):
            append(db, written, read_version=version)
    finally:
        folder.chmod(0o700)
