"""The stage `mine`: from stored vectors to the pairs of one mining, or of several at once.

Put here: what a mining is named by, which minings are searched together, the order of writes, the
receipts of pairs.
Keep out: the search (`tasks.mining.comparing`); what an earlier run has compared (`.growth`); what
a mining works on (`.given`); its rows (`.storing`).

A mining is two encoders and thresholds over some corpora. Of a corpus that grew, new images are
compared with all, old ones no more with each other; pairs of images that are gone go along. The
pairs of a mining are replaced in one commit, so the table never holds half a search.

Minings of one CLIP encoder look at the same near pairs, so those that are to compare the same
images are searched in one pass, each with its own SSL encoder; what is stored of each is what it
would store alone.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from storage import duplicates, minings, pairs, paths
from storage.minings import MiningRow
from storage.receipts import Receipt, digest_rows
from tasks.attributes import know
from tasks.fingerprints import digest
from tasks.mining.comparing import compare, cut_parts, forget
from tasks.mining.given import Given, draw, find_given
from tasks.mining.growth import Compared, compared
from tasks.mining.parts import Found, Search, join_found, read_vectors
from tasks.mining.plan import plan_search
from tasks.mining.storing import store_found
from tasks.mining.thresholds import MineConfig
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "mine"

PLANNED_BY: Final = 4096
"""Vectors, drawn by lot, by which a search is planned; the plan decides about speed alone."""


def prepare(site: Site, config: MineConfig, corpora: Sequence[str], inputs: Receipts) -> Context:
    """Name the mining."""
    known = know(paths.metadata(site.db, corpora, version=inputs["paths"].version))
    return Context(
        site=site,
        config=config,
        facts={
            "mining": _name(corpora, config, inputs),
            "corpora": list(corpora),
            "config": config.model_dump(mode="json"),
            "knowledge": known.digest(),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=known,
    )


def with_encoders(context: Context, inputs: Receipts) -> Context:
    """Return the mining of the encoders of other receipts, all else equal."""
    mining = _name(context.facts["corpora"], context.config, inputs)
    return replace(context, facts={**context.facts, "mining": mining}, inputs=inputs)


def _name(corpora: Sequence[str], config: MineConfig, inputs: Receipts) -> str:
    encoders = {role: inputs[role].table for role in ("clip", "ssl")}
    thresholds = config.model_dump(mode="json", exclude={"benchmark_pairs"})
    return digest([sorted(corpora), encoders, thresholds])[:16]


def run(context: Context) -> Outcome:
    """Compare what was not compared yet and store the pairs that are blind."""
    (outcome,) = run_together([context])
    return outcome


def run_together(contexts: Sequence[Context]) -> list[Outcome]:
    """Run several minings; those of one CLIP encoder that compare the same images in one pass."""
    begun = [_begin(context) for context in contexts]
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, one in enumerate(begun):
        groups[one.shared].append(place)
    outcomes: dict[int, Outcome] = {}
    for group in groups.values():
        found = _search([begun[place] for place in group])
        for place, found_by in zip(group, found, strict=True):
            outcomes[place] = _finish(begun[place], found_by)
    return [outcomes[place] for place in range(len(begun))]


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A mining before its search."""

    context: Context
    given: Given
    row: MiningRow
    """Its row with no images yet."""
    before: Compared
    images: str
    """Digest of the images and of which of them were compared before."""

    @property
    def shared(self) -> Hashable:
        """All that minings which are searched together have in common."""
        config: MineConfig = self.context.config
        clip, above = self.given.sources[0], self.given.thresholds.clip_above
        return clip, above, self.images, config.duplicate_above, config.pairs_per_image

    @property
    def tiles(self) -> str:
        """The name of all that a tile of this mining depends on."""
        size = self.context.site.workers.config.tile_images
        thresholds = list(self.given.thresholds)
        return digest([self.context.made_by, thresholds, self.images, size])[:16]


def _begin(context: Context) -> _Begun:
    given = find_given(context)
    row = MiningRow(
        mining=context.facts["mining"],
        made_by=context.made_by,
        clip=context.inputs["clip"].table,
        ssl=context.inputs["ssl"].table,
        **given.thresholds._asdict(),
        found=0,
        alike=0,
        images=[],
    )
    ids = given.places.ids
    before = compared(context.db, row, ids)
    old = map(str, np.flatnonzero(before.old_N).tolist())
    images = digest([digest_rows([], ids.to_pylist()), digest_rows([], old)])
    return _Begun(context=context, given=given, row=row, before=before, images=images)


def _search(group: Sequence[_Begun]) -> list[Found]:
    """Compare the new images with each other and with the old ones, for each of the minings."""
    first = group[0]
    site, config, (clip, _) = first.context.site, first.context.config, first.given.sources
    ssl_N = tuple(one.given.places.ssl_N[0] for one in group)
    places = first.given.places._replace(ssl_N=ssl_N)
    total, new = len(places.ids), np.flatnonzero(~first.before.old_N)
    if total < 2 or not len(new):
        return [join_found([], config.pairs_per_image)] * len(group)
    uri = site.db.uri
    sample = read_vectors(uri, clip, places.clip_N[draw(total, PLANNED_BY)])
    search = Search(
        store=uri,
        plan=plan_search(sample, **first.given.thresholds._asdict(), images=total),
        clip=clip,
        ssl=tuple(one.given.sources[1] for one in group),
        ssl_below=tuple(one.given.thresholds.ssl_below for one in group),
        alike_above=config.duplicate_above,
        most=config.pairs_per_image,
    )
    size = site.workers.config.tile_images
    parts = cut_parts(places, new, size, first=0)
    old = cut_parts(places, np.flatnonzero(first.before.old_N), size, first=len(new))
    folders = [_folder(one) / one.tiles for one in group]
    return compare(site.workers, search, parts, old, folders=folders)


def _folder(one: _Begun) -> Path:
    """Return where the mining's finished tiles lie."""
    return one.context.site.home / "cache" / "mining" / one.row.mining


def _finish(one: _Begun, found: Found) -> Outcome:
    """Store what the mining has found; its own row is written before its pairs and after them."""
    context, before, row = one.context, one.before, one.row
    ids: list[str] = one.given.places.ids.to_pylist()
    found = join_found([before.found, found], context.config.pairs_per_image)
    old = [image for image, is_old in zip(ids, before.old_N, strict=True) if is_old]
    counted = (before.found.blind_found, before.found.alike_found)
    minings.write(context.db, replace(row, images=old, found=counted[0], alike=counted[1]))
    outcome = store_found(context, one.given, found, ids)
    counted = (found.blind_found, found.alike_found)
    minings.write(context.db, replace(row, images=ids, found=counted[0], alike=counted[1]))
    forget(_folder(one))
    new = len(ids) - len(old)
    return replace(outcome, figures={**outcome.figures, "compared_anew": new})


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
