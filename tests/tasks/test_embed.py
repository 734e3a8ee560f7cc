"""The stage `embed` on real workers: what the killed leave behind, and that no row is lost."""

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from storage import embeddings, paths, refused
from storage.refused import RefusedRow
from tasks import commits, embed, ingest
from tasks.embed import EmbedConfig
from tasks.encoders import load
from tasks.images import decode_pixels
from tasks.ingest import IngestConfig
from tasks.pipeline import ImageItem
from tasks.stage import Site
from tasks.workers import Workers, WorkersConfig
from tests import pictures

IMAGES = 12


@pytest.fixture(scope="module")
def workers():
    """Two workers that all tests of this module share."""
    config = WorkersConfig(workers=2, device="cpu", shard_images=3)
    with Workers(config) as started:
        yield started


@pytest.fixture
def context(db, home, workers, tmp_path):
    """Twelve images that are ingested and not embedded."""
    site = Site(db=db, home=home, workers=workers)
    for number in range(IMAGES):
        pictures.draw_photo(tmp_path / "photos" / f"{number:02}.png", number, side=48)
    corpora = ingest.resolve_corpora([str(tmp_path / "photos")])
    ingested = ingest.prepare(site, IngestConfig(), corpora)
    ingest.run(ingested)
    return embed.prepare(site, EmbedConfig(), corpora, ingest.look(ingested))


class Through:
    """Workers that run another function around that of the stage."""

    def __init__(self, workers, around):
        self.config, self.shard_size = workers.config, workers.shard_size
        self._workers, self._around = workers, around

    def run(self, function, shards):
        return self._workers.run(partial(self._around, function), shards)


def with_workers(context, workers):
    return replace(context, site=replace(context.site, workers=workers))


def die_once_written(marker, function, items):
    """Kill the worker when it has written its first shard and has not told anybody."""
    value = function(items)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def fail_at(image, function, items):
    if image in {item.key for item in items}:
        message = "the plug was pulled"
        raise OSError(message)
    return function(items)


def rows_of(context):
    """Every row's image and vector, by role."""
    rows = {}
    for role, identity in context.given.items():
        version = embeddings.version(context.db, identity.name)
        batches = list(embeddings.scan(context.db, identity.name, version=version))
        rows[role] = [
            (image, vector_D.tobytes())
            for batch in batches
            for image, vector_D in zip(batch.ids.to_pylist(), batch.vectors_BD, strict=True)
        ]
    return rows


def expected(context):
    """What the encoders give for each image, alone."""
    held = paths.images(context.db, context.facts["corpora"])
    rows = {}
    for role, config in context.config.roles().items():
        encoder = load(config)
        vectors_ND = encoder.embed(
            [decode_pixels(Path(files[0]).read_bytes()) for files in held.values()]
        )
        rows[role] = [
            (image, vector_D.tobytes())
            for image, vector_D in zip(held, vectors_ND.astype(np.float16), strict=True)
        ]
    return rows


def data_files(context, role):
    name = embeddings.PREFIX + context.given[role].name
    return list(Path(context.db.location(name), "data").iterdir())


def test_every_image_gets_one_vector_an_encoder_in_one_commit(context):
    outcome = embed.run(context)

    assert (outcome.new, outcome.rows, outcome.reasons) == (IMAGES, IMAGES, {})
    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)
    busy = outcome.figures["busy"]
    assert set(busy) == {"load", "decode", "model", "write"}
    assert all(0 <= share <= 1 for share in busy.values())
    assert busy["load"] > 0
    assert embed.look(context)["clip"].rows == IMAGES
    assert embed.run(context).new == 0


def test_only_some_images_are_embedded_and_what_was_refused_of_others_stays(context):
    corpora, inputs = context.facts["corpora"], context.inputs
    held = paths.images(context.db, corpora)
    files = {row.path: row for row in paths.read(context.db, corpora)}
    few, other = sorted(held)[:3], files[held[sorted(held)[5]][0]]
    values = {"corpus": other.corpus, "path": other.path, "reason": "decode", "detail": ""}
    values |= {"size_bytes": 1, "mtime_ns": 1, "made_by": "another run"}
    refused.replace(context.db, embed.NAME, corpora, [RefusedRow(stage=embed.NAME, **values)])
    some = embed.prepare(context.site, context.config, corpora, inputs, only=[*few, "gone"])

    outcome = embed.run(some)

    assert (outcome.new, outcome.rows) == (3, 3)
    assert {image for image, _ in rows_of(context)["clip"]} == set(few)
    assert embed.look(some)["clip"].rows == 3
    assert embed.look(context) is None, "the others have no vector"
    assert [row.path for row in refused.read(context.db, embed.NAME, corpora)] == [other.path]


def test_a_worker_keeps_the_encoders_of_its_last_shard_alone(context):
    device, store = "cpu", context.db.uri
    names = {role: identity.name for role, identity in context.given.items()}
    both = context.config
    alone = EmbedConfig(clip=both.ssl, ssl=both.ssl)
    item = [
        ImageItem(image, files, ("clip",))
        for image, files in list(paths.images(context.db, context.facts["corpora"]).items())[:1]
    ]

    embed.embed_images(item, config=both, names=names, device=device, store=store)
    assert {one.spec for one, _, _ in embed._LOADED} == {"tiny:clip"}
    roles = dict.fromkeys(("clip", "ssl"), names["ssl"])
    embed.embed_images(item, config=alone, names=roles, device=device, store=store)

    assert {one.spec for one, _, _ in embed._LOADED} == {"tiny:ssl"}


def test_a_worker_killed_between_writing_and_the_commit_leaves_no_row_and_loses_none(
    context, workers, tmp_path
):
    deadly = Through(workers, partial(die_once_written, tmp_path / "died"))

    outcome = embed.run(with_workers(context, deadly))

    assert outcome.new == IMAGES
    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)
    assert len(data_files(context, "clip")) == 5, "one of a shard that was written twice"

    embed.run(context)

    assert len(data_files(context, "clip")) == 4
    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)


def test_what_was_done_before_a_failure_is_committed_and_not_done_again(context, workers):
    held = paths.images(context.db, context.facts["corpora"])
    last = max(held, key=lambda image: held[image])  # images are embedded as their files lie
    failing = Through(workers, partial(fail_at, last))
    with pytest.raises(OSError, match="the plug was pulled"):
        embed.run(with_workers(context, failing))
    before = len(rows_of(context)["clip"])

    outcome = embed.run(context)

    assert 0 < before < IMAGES
    assert outcome.new == IMAGES - before
    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)


@pytest.mark.parametrize("role", ["clip", "ssl"])
def test_a_flow_killed_in_the_middle_of_a_group_loses_that_group_and_no_row(
    context, monkeypatch, role
):
    append, name = embeddings.append, context.given[role].name

    def killed(db, encoder, *args, **kwargs):
        if encoder == name:
            raise KeyboardInterrupt
        return append(db, encoder, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(embeddings, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            embed.run(context)
    assert embeddings.version(context.db, name) == 0

    embed.run(context)

    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)


def test_groups_are_committed_as_their_time_is_over(context, monkeypatch):
    monkeypatch.setattr(commits, "GROUP_SECONDS", 0)

    embed.run(context)

    name = context.given["clip"].name
    assert embeddings.version(context.db, name) == 2 + IMAGES // 3, "made, keyed, and each shard"
    assert {role: sorted(rows) for role, rows in rows_of(context).items()} == expected(context)
