"""The tables that every store has; `storage.embeddings` adds one an encoder.

Put here: the list. It is no part of the package's `__init__`, so that a stage depends on the
tables that it uses and on no other.
"""

from collections.abc import Mapping
from typing import Final

from storage import (
    answers,
    assignments,
    checks,
    comparisons,
    conversations,
    corpus_shards,
    duplicates,
    events,
    general,
    grades,
    grids,
    images,
    minings,
    models,
    pairs,
    paths,
    patterns,
    probes,
    proposals,
    questions,
    refused,
    replies,
    runs,
    scores,
    shards,
    zoo,
)
from storage.database import TableSpec

SPECS: Final[Mapping[str, TableSpec]] = {
    grids.OVERLAPS.name: grids.OVERLAPS,
} | {
    module.SPEC.name: module.SPEC
    for module in (
        images,
        paths,
        refused,
        corpus_shards,
        conversations,
        pairs,
        duplicates,
        general,
        minings,
        grids,
        probes,
        proposals,
        events,
        replies,
        checks,
        questions,
        assignments,
        patterns,
        models,
        answers,
        grades,
        scores,
        comparisons,
        zoo,
        shards,
        runs,
    )
}
