"""Store what a mining has found: its blind pairs, with the benchmark selected, and near-duplicates.

Put here: rows of `pairs` and `duplicates`, what is counted about them.
Keep out: which pairs are selected (`tasks.mining.selection`); what else is written, and in which
order (`.stage`).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from storage import duplicates, pairs
from tasks.mining.given import Given
from tasks.mining.pairs import BlindPairs
from tasks.mining.parts import Found
from tasks.mining.selection import select
from tasks.stage import Context, Outcome

LONG_LIST: Final = "long-list"
"""Why a blind pair is not stored: both its images are in as many with a wider gap."""


def store_found(context: Context, given: Given, found: Found, ids: Sequence[str]) -> Outcome:
    """Make what was found all pairs and near-duplicates of the mining; select the benchmark."""
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
