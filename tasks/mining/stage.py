"""The stage `mine`: from stored vectors to the pairs of one mining.

Put here: what a mining is named by, which vectors it reads, the receipt of its pairs.
Keep out: the rule and the search (`tasks.mining.search`); selection (`tasks.mining.selection`).

A mining is two encoders and thresholds over some corpora. The pairs of a mining are replaced in
one commit, so the table never holds half a search, and pairs of images that are gone go along.
"""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from storage import embeddings, pairs, paths
from storage.receipts import Receipt, digest_rows
from tasks.attributes import know
from tasks.fingerprints import digest
from tasks.mining.search import mine
from tasks.mining.selection import select
from tasks.mining.thresholds import MineConfig, resolve_thresholds
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "mine"


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


def run(context: Context) -> Outcome:
    """Search all pairs of the corpora's images and store those that are blind."""
    config: MineConfig = context.config
    mining, corpora = context.facts["mining"], context.facts["corpora"]
    db, inputs = context.db, context.inputs
    held = paths.images(db, corpora, version=inputs["paths"].version)
    ids, clip_ND, ssl_NE = embeddings.read_both(db, inputs["clip"], inputs["ssl"], list(held))
    thresholds = resolve_thresholds(config, clip_ND, ssl_NE)
    found = mine(clip_ND, ssl_NE, clip_above=thresholds.clip_above, ssl_below=thresholds.ssl_below)
    left_out, attribute = select(found, config.benchmark_pairs, ids, context.given)
    image_a = [ids[i] for i in found.i]
    image_b = [ids[j] for j in found.j]
    names = [pairs.pair_id(a, b) for a, b in zip(image_a, image_b, strict=True)]
    rows = pa.table(
        {
            "mining": pa.array([mining] * len(names), pa.string()),
            "pair_id": pa.array(names, pa.string()),
            "image_a": pa.array(image_a, pa.string()),
            "image_b": pa.array(image_b, pa.string()),
            "clip_cosine": found.clip_cosine,
            "ssl_cosine": found.ssl_cosine,
            "selected": pa.array([reason is None for reason in left_out], pa.bool_()),
            "left_out": pa.array(left_out, pa.string()),
            "attribute": pa.array(attribute, pa.string()),
        }
    )
    before = set(pairs.ids(db, mining))
    pairs.replace(db, mining, rows)
    reasons = Counter(reason for reason in left_out if reason is not None)
    if len(held) > len(ids):
        reasons["image-without-vector"] = len(held) - len(ids)
    return Outcome(
        new=len(set(names) - before),
        rows=len(names),
        reasons=dict(sorted(reasons.items())),
        figures={
            "mining": mining,
            **thresholds._asdict(),
            "images": len(ids),
            "selected": int(sum(reason is None for reason in left_out)),
            "removed": len(before - set(names)),
            "source": context.given.source,
        },
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipt `pairs` of the mining."""
    db, mining = context.db, context.facts["mining"]
    version = db.version(pairs.SPEC)
    rows = pairs.read(db, mining, version=version)
    receipt = Receipt(
        table=pairs.SPEC.name,
        version=version,
        rows=len(rows),
        digest=digest_rows(
            [context.made_by, mining],
            [f"{row.pair_id} {row.left_out} {row.attribute}" for row in rows],
        ),
    )
    return {"pairs": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=("images", "clip", "ssl"), run=run, look=look)
