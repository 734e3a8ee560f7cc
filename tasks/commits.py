"""Make what workers wrote part of the store, in groups of shards.

Put here: when fragments are committed, and what is recorded with them.
Keep out: writing fragments (`storage.embeddings`); what workers do (`tasks.pipeline`).

A commit is a round trip to the store and makes a version, so it is worth more than one shard. A run
that is killed loses the shards of its last group, whose files nobody reads.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from storage import embeddings
from storage.database import Database
from storage.embeddings import Written
from tasks.encoders import EncoderIdentity
from tasks.shards import record
from tasks.workers import Done

GROUP_SECONDS: Final = 20.0
"""So long after a commit the next one is due: what a killed run loses of each worker's time."""


class Commits:
    """The shards of a stage that are done; those not yet committed are when the block ends."""

    def __init__(self, db: Database, stage: str, identities: Mapping[str, EncoderIdentity]) -> None:
        self._db = db
        self._stage = stage
        self._identities = identities
        self._scope = " ".join(sorted(identity.name for identity in identities.values()))
        self._versions = {
            role: embeddings.version(db, identity.name) for role, identity in identities.items()
        }
        self._waiting: list[tuple[Done[Any, Any], Mapping[str, Written]]] = []
        self._since = -GROUP_SECONDS  # the first shard at once: what cannot be written shows early

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.commit()

    def add(self, done: Done[Any, Any], written: Mapping[str, Written]) -> None:
        """Take a finished shard and what it wrote by role; commit if the group's time is over."""
        self._waiting.append((done, written))
        if time.monotonic() - self._since >= GROUP_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Commit what waits, one commit an encoder, then record the shards.

        Shards whose commit fails are not tried again by this object: the stage's next try finds
        what they lack and computes it.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        for role, identity in self._identities.items():
            self._versions[role] = embeddings.append(
                self._db,
                identity.name,
                [written[role] for _, written in waiting if role in written],
                identity.facts,
                read_version=self._versions[role],
            )
        for done, _ in waiting:
            record(self._db, self._stage, done, scope=self._scope)
        self._since = time.monotonic()
