"""The stage `mine`: from stored vectors to the pairs of one mining.

Put here: what a mining is named by, the order of its writes, the receipts of its pairs.
Keep out: the search (`tasks.mining.comparing`); what an earlier run has compared (`.growth`);
selection (`tasks.mining.selection`).

A mining is two encoders and thresholds over some corpora. Of a corpus that grew, new images are
compared with all, old ones no more with each other; pairs of images that are gone go along. The
pairs of a mining are replaced in one commit, so the table never holds half a search.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage import duplicates, embeddings, minings, pairs, paths
from storage.minings import MiningRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import know
from tasks.fingerprints import digest
from tasks.mining.comparing import Places, compare, cut_parts, forget
from tasks.mining.growth import compared
from tasks.mining.pairs import BlindPairs
from tasks.mining.parts import Found, Search, Source, join_found, read_vectors
from tasks.mining.plan import plan_search
from tasks.mining.selection import select
from tasks.mining.thresholds import MineConfig, Thresholds, resolve_thresholds
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "mine"

PLANNED_BY: Final = 4096
"""Vectors, drawn by lot, by which a search is planned; the plan decides about speed alone."""

QUANTILES_BY: Final = 50_000
"""Images, drawn by lot, among which quantiles of cosines are looked for."""

LONG_LIST: Final = "long-list"
"""Why a blind pair is not stored: both its images are in as many with a wider gap."""


def prepare(site: Site, config: MineConfig, corpora: Sequence[str], inputs: Receipts) -> Context:
    """Name the mining."""
    encoders = {role: inputs[role].table for role in ("clip", "ssl")}
    thresholds = config.model_dump(mode="json", exclude={"benchmark_pairs"})
    known = know(paths.metadata(site.db, corpora, version=inputs["paths"].version))
    mining = digest([sorted(corpora), encoders, thresholds])[:16]
    return Context(
        site=site,
        config=config,
        facts={
            "mining": mining,
            "corpora": list(corpora),
            "config": config.model_dump(mode="json"),
            "knowledge": known.digest(),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=known,
    )


class Given(NamedTuple):
    """What a run works on: images with vectors of both encoders, and what makes a pair blind."""

    places: Places
    sources: tuple[Source, Source]
    thresholds: Thresholds
    unembedded: int


def run(context: Context) -> Outcome:
    """Compare what was not compared yet and store the pairs that are blind."""
    db, mining = context.db, context.facts["mining"]
    given = _given(context)
    ids = given.places.ids.to_pylist()
    row = MiningRow(
        mining=mining,
        made_by=context.made_by,
        clip=context.inputs["clip"].table,
        ssl=context.inputs["ssl"].table,
        **given.thresholds._asdict(),
        found=0,
        alike=0,
        images=ids,
    )
    before = compared(db, row, given.places.ids)
    folder = context.site.home / "cache" / "mining" / mining
    found = _search(
        context, given, before.old_N, folder / _tiles_name(context, given, before.old_N)
    )
    found = join_found([before.found, found], context.config.pairs_per_image)
    old = [image for image, is_old in zip(ids, before.old_N, strict=True) if is_old]
    counted = (before.found.blind_found, before.found.alike_found)
    minings.write(db, replace(row, images=old, found=counted[0], alike=counted[1]))
    outcome = _store(context, given, found, ids)
    minings.write(db, replace(row, found=found.blind_found, alike=found.alike_found))
    forget(folder)
    new = int((~before.old_N).sum())
    return replace(outcome, figures={**outcome.figures, "compared_anew": new})


def _given(context: Context) -> Given:
    db, inputs = context.db, context.inputs
    held = paths.ids(db, context.facts["corpora"], version=inputs["paths"].version)
    clip, ssl = (
        Source(inputs[role].table.removeprefix(embeddings.PREFIX), inputs[role].version)
        for role in ("clip", "ssl")
    )
    for source in (clip, ssl):
        if source.version:
            embeddings.pin(
                db, source.encoder, f"mine-{context.facts['mining']}", version=source.version
            )
    at = [
        embeddings.offsets(db, source.encoder, held, version=source.version)
        for source in (clip, ssl)
    ]
    both_N = (at[0] >= 0) & (at[1] >= 0)
    places = Places(held.filter(pa.array(both_N)), at[0][both_N], (at[1][both_N],))
    thresholds = _thresholds(context, places, clip, ssl)
    return Given(places, (clip, ssl), thresholds, len(held) - len(places.ids))


def _thresholds(context: Context, places: Places, clip: Source, ssl: Source) -> Thresholds:
    config: MineConfig = context.config
    if config.clip_above_quantile is None and config.ssl_below_quantile is None:
        return Thresholds(config.clip_above, config.ssl_below)
    drawn = _drawn(len(places.ids), QUANTILES_BY)
    uri = context.db.uri
    vectors = (
        read_vectors(uri, clip, places.clip_N[drawn]),
        read_vectors(uri, ssl, places.ssl_N[0][drawn]),
    )
    return resolve_thresholds(config, *vectors)


def _drawn(total: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of all, or of some drawn by lot, sorted."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, most, replace=False))


def _tiles_name(context: Context, given: Given, old_N: NDArray[np.bool_]) -> str:
    """Return the name of all that a tile of this search depends on."""
    size = context.site.workers.config.tile_images
    images = digest_rows([], given.places.ids.to_pylist())
    old = digest_rows([], map(str, np.flatnonzero(old_N).tolist()))
    return digest([context.made_by, list(given.thresholds), images, old, size])[:16]


def _search(context: Context, given: Given, old_N: NDArray[np.bool_], folder: Path) -> Found:
    """Compare the new images with each other and with the old ones."""
    (clip, ssl), places, config = given.sources, given.places, context.config
    workers, total = context.site.workers, len(given.places.ids)
    new = np.flatnonzero(~old_N)
    if total < 2 or not len(new):
        return join_found([], config.pairs_per_image)
    sample = read_vectors(context.db.uri, clip, places.clip_N[_drawn(total, PLANNED_BY)])
    plan = plan_search(sample, **given.thresholds._asdict(), images=total)
    search = Search(
        store=context.db.uri,
        plan=plan,
        clip=clip,
        ssl=(ssl,),
        ssl_below=(given.thresholds.ssl_below,),
        alike_above=config.duplicate_above,
        most=config.pairs_per_image,
    )
    size = workers.config.tile_images
    parts = cut_parts(places, new, size, first=0)
    others = cut_parts(places, np.flatnonzero(old_N), size, first=len(new))
    (found,) = compare(workers, search, parts, others, folder=folder)
    return found


def _store(context: Context, given: Given, found: Found, ids: Sequence[str]) -> Outcome:
    db, mining, config = context.db, context.facts["mining"], context.config
    left_out, attribute = select(found.blind, config.benchmark_pairs, ids, context.given)
    rows = _rows(mining, found.blind, ids)
    rows = rows.append_column("selected", pa.array([why is None for why in left_out], pa.bool_()))
    rows = rows.append_column("left_out", pa.array(left_out, pa.string()))
    rows = rows.append_column("attribute", pa.array(attribute, pa.string()))
    before, now = set(pairs.ids(db, mining)), set(rows["pair_id"].to_pylist())
    pairs.replace(db, mining, rows)
    duplicates.replace(db, mining, _rows(mining, found.alike, ids))
    reasons = Counter(reason for reason in left_out if reason is not None)
    reasons += Counter(
        {
            "image-without-vector": given.unembedded,
            LONG_LIST: found.blind_found - len(found.blind.i),
        }
    )
    return Outcome(
        new=len(now - before),
        rows=len(rows),
        reasons=dict(sorted(reasons.items())),
        figures={
            "mining": mining,
            **given.thresholds._asdict(),
            "images": len(ids),
            "selected": int(sum(reason is None for reason in left_out)),
            "removed": len(before - now),
            "source": context.given.source,
            "near_duplicates": found.alike_found,
            "near_duplicates_cut": found.alike_found - len(found.alike.i),
        },
    )


def _rows(mining: str, found: BlindPairs, ids: Sequence[str]) -> pa.Table:
    image_a, image_b = ([ids[rank] for rank in ranks.tolist()] for ranks in (found.i, found.j))
    names = [pairs.pair_id(a, b) for a, b in zip(image_a, image_b, strict=True)]
    return pa.table(
        {
            "mining": pa.array([mining] * len(names), pa.string()),
            "pair_id": pa.array(names, pa.string()),
            "image_a": pa.array(image_a, pa.string()),
            "image_b": pa.array(image_b, pa.string()),
            "clip_cosine": found.clip_cosine,
            "ssl_cosine": found.ssl_cosine,
        }
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipts `pairs` and `duplicates` of the mining."""
    db, mining = context.db, context.facts["mining"]
    versions = {table: db.version(table.SPEC) for table in (pairs, duplicates)}
    rows = pairs.read(db, mining, version=versions[pairs])
    alike = duplicates.read(db, mining, version=versions[duplicates])
    keys = {
        pairs: [f"{row.pair_id} {row.left_out} {row.attribute}" for row in rows],
        duplicates: [row.pair_id for row in alike],
    }
    return {
        table.SPEC.name: Receipt(
            table=table.SPEC.name,
            version=versions[table],
            rows=len(keys[table]),
            digest=digest_rows([context.made_by, mining], keys[table]),
        )
        for table in (pairs, duplicates)
    }


STAGE = Stage(name=NAME, module=__name__, reads=("images", "clip", "ssl"), run=run, look=look)
