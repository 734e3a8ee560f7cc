"""The `probes` table: a scope is replaced as a whole and leaves the others alone."""

import dataclasses

from storage import probes
from storage.probes import ProbeRow


def row(encoder, attribute, *, scope="s", role="clip"):
    return ProbeRow(
        scope=scope,
        encoder=encoder,
        role=role,
        attribute=attribute,
        classes=2,
        train_images=800,
        test_images=200,
        accuracy=0.1 + 0.2,
        low=0.25,
        high=0.375,
        chance=0.5,
    )


ROWS = [row("a", "color"), row("a", "count"), row("b", "color", role="ssl")]


def test_probes_come_back_as_written_and_by_encoder_and_attribute(db):
    probes.replace(db, "s", ROWS[::-1])

    assert probes.read(db, "s") == ROWS


def test_replacing_a_scope_leaves_the_others_alone_and_is_one_version(db):
    other = row("a", "color", scope="it's")
    probes.replace(db, "s", ROWS)
    probes.replace(db, "it's", [other])
    version = db.version(probes.SPEC)
    changed = [dataclasses.replace(ROWS[1], accuracy=0.5), ROWS[2]]

    probes.replace(db, "s", changed[::-1])

    assert db.version(probes.SPEC) == version + 1
    assert probes.read(db, "s") == changed
    assert probes.read(db, "it's") == [other]
    assert probes.read(db, "s", version=version) == ROWS


def test_replacing_a_scope_by_itself_makes_no_new_version(db):
    probes.replace(db, "s", ROWS)
    version = db.version(probes.SPEC)

    probes.replace(db, "s", ROWS[::-1])

    assert db.version(probes.SPEC) == version
