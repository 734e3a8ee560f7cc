"""The `refused` table: refusals of one stage and corpus leave the others alone."""

from storage import refused
from storage.refused import RefusedRow


def row(path, *, stage="ingest", corpus="/photos", reason="truncated"):
    return RefusedRow(
        stage=stage,
        corpus=corpus,
        path=path,
        reason=reason,
        detail="it's cut",
        size_bytes=9,
        mtime_ns=2**60,
        made_by="m",
    )


def test_refusals_come_back_as_written_and_by_path(db):
    rows = [row("/photos/b.png"), row("/photos/a.png", reason="empty")]
    refused.upsert(db, rows)

    assert refused.read(db, "ingest", ["/photos"]) == rows[::-1]


def test_a_stage_sees_its_own_refusals_of_its_own_corpora(db):
    refused.upsert(
        db, [row("/photos/a.png"), row("/photos/a.png", stage="embed"), row("/x", corpus="/more")]
    )

    assert refused.read(db, "ingest", ["/photos"]) == [row("/photos/a.png")]


def test_a_new_reason_replaces_the_old_one(db):
    refused.upsert(db, [row("/photos/a.png")])

    refused.upsert(db, [row("/photos/a.png", reason="empty")])

    assert [found.reason for found in refused.read(db, "ingest", ["/photos"])] == ["empty"]


def test_replacing_leaves_other_stages_and_corpora_alone_and_is_one_version(db):
    others = [row("/photos/a.png", stage="embed"), row("/x", corpus="/more")]
    refused.upsert(db, [row("/photos/a.png"), *others])
    version = db.version(refused.SPEC)

    refused.replace(db, "ingest", ["/photos"], [row("/photos/b.png")])

    assert db.version(refused.SPEC) == version + 1
    assert refused.read(db, "ingest", ["/photos"]) == [row("/photos/b.png")]
    assert refused.read(db, "embed", ["/photos"]) == others[:1]
    assert refused.read(db, "ingest", ["/more"]) == others[1:]


def test_replacing_by_the_same_makes_no_new_version(db):
    refused.replace(db, "ingest", ["/photos"], [row("/photos/a.png")])
    version = db.version(refused.SPEC)

    refused.replace(db, "ingest", ["/photos"], [row("/photos/a.png")])

    assert db.version(refused.SPEC) == version


def test_a_refusal_can_be_forgotten_without_those_of_another_stage(db):
    refused.upsert(db, [row("/photos/it's.png"), row("/photos/it's.png", stage="embed")])

    refused.remove(db, "ingest", "/photos", ["/photos/it's.png"])

    assert refused.read(db, "ingest", ["/photos"]) == []
    assert len(refused.read(db, "embed", ["/photos"])) == 1


def test_refusals_are_those_of_the_version_asked_for(db):
    refused.upsert(db, [row("/photos/a.png")])
    version = db.version(refused.SPEC)
    refused.remove(db, "ingest", "/photos", ["/photos/a.png"])

    assert refused.read(db, "ingest", ["/photos"], version=version) == [row("/photos/a.png")]
    assert refused.read(db, "ingest", ["/photos"], version=0) == []
