"""Record finished shards, so that anyone can see which worker did what, and in how many tries.

Put here: turning a finished shard into its row.
Keep out: running shards (`tasks.workers`); the table (`storage.shards`).
"""

import time
from typing import Any

from storage import shards
from storage.database import Database
from storage.shards import ShardRow
from tasks.fingerprints import digest
from tasks.workers import Done


def record(db: Database, stage: str, done: Done[Any, Any], *, scope: str = "") -> None:
    """Write the row of a finished shard; `scope` tells apart shards of the same items."""
    items = [item if isinstance(item, str) else item.key for item in done.shard.items]
    row = ShardRow(
        shard=digest([stage, scope, items])[:32],
        stage=stage,
        first=items[0],
        last=items[-1],
        rows=len(items),
        worker=done.worker,
        pid=done.pid,
        attempts=done.shard.attempts,
        seconds=done.seconds,
        finished=time.time(),
    )
    shards.upsert(db, [row])
