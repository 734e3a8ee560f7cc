"""What is remembered of a mining: the images compared, and nothing of another's."""

from storage import minings
from storage.minings import MiningRow


def row(mining="m", **changes):
    values = {
        "mining": mining,
        "made_by": "code",
        "clip": "embeddings_a",
        "ssl": "embeddings_b",
        "clip_above": 0.95,
        "ssl_below": 0.6,
        "found": 7,
        "alike": 2,
        "images": ["0" * 64, "ab" * 32],
    }
    return MiningRow(**values | changes)


def test_a_mining_comes_back_as_it_was_written(db):
    assert minings.read(db, "m") is None

    minings.write(db, row())
    minings.write(db, row("other", images=[]))

    assert minings.read(db, "m") == row()
    assert minings.read(db, "other") == row("other", images=[])


def test_writing_replaces_what_was_remembered(db):
    minings.write(db, row())

    minings.write(db, row(images=["cd" * 32], found=0))

    assert minings.read(db, "m") == row(images=["cd" * 32], found=0)
