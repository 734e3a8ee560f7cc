"""`mmvp patterns`: models find patterns in the latest questions, and say what each is about.

Put here: choosing the questions, asking, storing, what agrees with what.
Keep out: prompts and their reading (`tasks.discovery`); sending (`tasks.evaluation.replies`).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any, NamedTuple

from flows.parameters import terms_of
from flows.settings import Settings
from flows.site import hold_store
from storage import assignments, paths, patterns, questions, runs
from storage.database import Database
from storage.questions import MINED
from tasks.backends import Ledger
from tasks.backends.terms import Terms
from tasks.discovery.asked import PairAsked, pairs_asked
from tasks.discovery.assigning import accord, assign_requests, by_author, read_assignment
from tasks.discovery.discovering import (
    TEXT_ONLY,
    WITH_IMAGES,
    consolidate_request,
    looks,
    read_consolidated,
    read_look,
)
from tasks.evaluation.replies import Call, ask, known
from tasks.evaluation.servers import Server, images_of
from tasks.evaluation.views import WITHIN, within
from tasks.patterns import PATTERNS
from tasks.questions.config import METADATA, servers_of

WRITERS = {METADATA: "the metadata", "model": "the writing model", "people": "the writing people"}


class Wish(NamedTuple):
    """Who is asked, how often, and whether pictures are shown to those who look for patterns."""

    models: Sequence[str]
    votes: int = 3
    runs: int = 3
    with_images: bool = False

    @property
    def way(self) -> str:
        """How patterns are looked for."""
        return WITH_IMAGES if self.with_images else TEXT_ONLY


class _Asking(NamedTuple):
    """What every call needs."""

    db: Database
    settings: Settings
    held: Mapping[str, Sequence[str]]
    terms: Terms
    ledger: Ledger

    def ask(self, calls: Sequence[Call]) -> dict[str, Any]:
        images = images_of(self.held, {WITHIN: within})
        ask(self.db, self.settings.home, calls, images, self.terms, self.ledger)
        return known(self.db, calls)


def find_patterns(settings: Settings, wish: Wish, terms: Terms) -> dict[str, Any]:
    """Ask models about the mined questions of the latest run, store and return what they say.

    Raises:
        ValueError: if there are no questions, a model is on no server, or asking is pointless.
        StoreError: if the store cannot be read or written.
    """
    servers = servers_of(wish.models)
    if wish.votes % 2 == 0:
        message = f"--votes must be odd, found {wish.votes}"
        raise ValueError(message)
    with hold_store(settings, "patterns"):
        db = Database(settings.store)
        latest = runs.latest(db, "questions", mined=True)
        version = None if latest is None else latest.receipts["questions"].version
        mining = "" if latest is None else latest.mining
        rows = questions.read(db, mining, version=version, benchmark=MINED)
        if latest is None or not rows:
            message = "no mined questions were written yet; run `mmvp questions`, or `mmvp run`"
            raise ValueError(message)
        asked = pairs_asked(rows)
        version = latest.receipts["paths"].version
        held = paths.images(db, latest.settings["corpora"], version=version)
        asking = _Asking(db, settings, held, terms, terms.ledger())
        failed = sum(_assign(asking, server, asked, mining, wish) for server in servers)
        lost = sum(_discover(asking, server, asked, mining, wish) for server in servers)
        found = [asdict(row) for row in patterns.read(db, mining) if row.way == wish.way]
        return {
            "questions": len(asked),
            "assigned": _accords(asked, assignments.read(db, mining)),
            "patterns": found,
            "missing": sorted(set(PATTERNS.values()) - {row["like"] for row in found}),
            "failed": failed + lost,
            "spent": asking.ledger.as_json(),
        }


def _assign(
    asking: _Asking, server: Server, asked: Sequence[PairAsked], mining: str, wish: Wish
) -> int:
    """Let a model assign each question; return how many it could not."""
    own = asking.terms.own_decoding
    requests = {one: assign_requests(server, one, wish.votes, own=own) for one in asked}
    calls = [Call(server, request) for several in requests.values() for request in several]
    outcomes = asking.ask(calls)
    rows = [
        read_assignment(server, one, mining, several, outcomes) for one, several in requests.items()
    ]
    assignments.upsert(asking.db, rows)
    return sum(row.failure is not None for row in rows)


def _discover(
    asking: _Asking, server: Server, asked: Sequence[PairAsked], mining: str, wish: Wish
) -> int:
    """Let a model look for patterns; return how many of its replies are no patterns."""
    seen = list(looks(server, asked, wish.way, wish.runs, own=asking.terms.own_decoding))
    outcomes = asking.ask([Call(server, look.request) for look in seen])
    read = [read_look(look, outcomes.get(look.request.fingerprint)) for look in seen]
    found = [pattern for several in read for pattern in several or ()]
    lost = read.count(None)
    if not found:
        return lost
    request = consolidate_request(server, found, own=asking.terms.own_decoding)
    outcome = asking.ask([Call(server, request)]).get(request.fingerprint)
    left = read_consolidated(server, found, outcome, mining=mining, way=wish.way, request=request)
    if left is None:
        return lost + 1
    patterns.replace(asking.db, mining, server.label, wish.way, left)
    return lost


def _accords(
    asked: Sequence[PairAsked], rows: Sequence[assignments.AssignmentRow]
) -> list[dict[str, Any]]:
    """Return how far those who assigned agree with who wrote the questions, and each other.

    What metadata says of a question is the truth; what its writer says is one more opinion.
    """
    names = {one.question_id for one in asked}
    authors = by_author([row for row in rows if row.question_id in names])
    told: dict[str, dict[str, str | None]] = {
        WRITERS.get(key, key): {
            one.question_id: one.pattern for one in asked if one.key == key and one.pattern
        }
        for key in sorted({one.key for one in asked})
    }
    pairs = [(one, other) for one in sorted(authors) for other in told if told[other]]
    pairs += list(combinations(sorted(authors), 2))
    known_to = {**told, **authors}
    return [
        {"one": one, "other": other, **_plain(accord(known_to[one], known_to[other])._asdict())}
        for one, other in pairs
    ]


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    low, high = told["interval"]
    return {k: v for k, v in told.items() if k != "interval"} | {"low": low, "high": high}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Find what the options ask for, and print it unless JSON is asked for."""
    wish = Wish(**{name: getattr(options, name) for name in Wish._fields})
    found = find_patterns(Settings.read(), wish, terms_of(options))
    if not options.json:
        _print(found)
    return found


def _print(found: Mapping[str, Any]) -> None:
    print(f"{found['questions']:,} mined pairs")
    for row in found["assigned"]:
        kappa = "none" if row["kappa"] is None else f"{row['kappa']:.2f}"
        print(
            f"  {row['one']} and {row['other']} agree on {row['share']:.1%} of "
            f"{row['questions']:,} (95 %: {row['low']:.1%} to {row['high']:.1%}), kappa {kappa}"
            if row["questions"]
            else f"  {row['one']} and {row['other']} have no question in common"
        )
    for row in found["patterns"]:
        like = row["like"] or "none of the nine"
        count = f"{row['runs']} runs, {len(row['question_ids'])} pairs"
        print(f"{row['by']}: {row['name']} ({like}; {count})")
        print(f"    {row['description']}")
    if found["missing"]:
        print(f"of the nine not found: {', '.join(found['missing'])}")
    if found["failed"]:
        print(f"{found['failed']:,} have no readable reply; calls that failed are made again")
