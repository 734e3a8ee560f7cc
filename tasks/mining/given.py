"""What a mining works on: images that both encoders have embedded, and what makes a pair blind.

Put here: which images, where their vectors lie, quantiles resolved.
Keep out: comparing (`tasks.mining.comparing`); what quantiles are (`tasks.mining.thresholds`).

Shapes:
    N  images of a mining, sorted by id
"""

from functools import lru_cache, partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from storage import embeddings, paths
from tasks.mining.comparing import Places
from tasks.mining.parts import Source, read_vectors
from tasks.mining.thresholds import Thresholds, find_quantile, resolve_thresholds
from tasks.stage import Context

QUANTILES_BY: Final = 50_000
"""Images, drawn by lot, among which quantiles of cosines are looked for."""


class Given(NamedTuple):
    """What a run works on: images with vectors of both encoders, and what makes a pair blind."""

    places: Places
    sources: tuple[Source, Source]
    thresholds: Thresholds
    unembedded: int


def find_given(context: Context) -> Given:
    """Return what the mining works on; tag the versions of the vectors that it reads."""
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
    drawn = draw(len(places.ids), QUANTILES_BY)
    quantiles = (
        partial(_quantile, context.db.uri, source, at_N[drawn].tobytes())
        for source, at_N in ((clip, places.clip_N), (ssl, places.ssl_N[0]))
    )
    return resolve_thresholds(context.config, *quantiles)


@lru_cache(maxsize=32)
def _quantile(store: str, source: Source, offsets: bytes, share: float) -> float | None:
    """Return a quantile of an encoder's cosines; other minings of these images ask for the same."""
    at_B = np.frombuffer(offsets, np.int64)
    return find_quantile(read_vectors(store, source, at_B), share)


def draw(total: int, most: int) -> NDArray[np.int64]:
    """Return the numbers of all, or of some drawn by lot, sorted."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, most, replace=False))
