"""Which pairs may be asked about, what is proposed about each, and what checks made of it.

Put here: the order of pairs, whose proposals count, their order, the findings that count.
Keep out: making proposals (`proposing`) and findings (`checking`), taking them (`stage`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from storage import checks, pairs, proposals
from storage.checks import CheckRow
from storage.database import Database
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from tasks.annotation.outcome import read_state, rules_of
from tasks.annotation.standing import ACCEPTED, standings
from tasks.people import BY_PEOPLE
from tasks.proposals.writing import BY_MODEL
from tasks.questions.config import METADATA, MODEL, PEOPLE, QuestionConfig
from tasks.reasons import NOTHING_TO_ASK

RULES_NAME = "rules"
"""The author of findings that no one had to be asked for."""


class Candidates(NamedTuple):
    """Pairs of a mining that may be asked about, each once, in this order.

    In each list the widest gap between the cosines comes first. An image is in one of the pairs
    that are `selected` or `extra` at most.
    """

    selected: Sequence[PairRow]
    written: Sequence[PairRow] = ()
    """Others that people wrote about."""
    extra: Sequence[PairRow] = ()
    """The next in line, for want of good questions about the selected ones."""

    def all(self) -> Iterator[PairRow]:
        """Yield all of them."""
        seen: set[str] = set()
        for row in chain(self.selected, self.written, self.extra):
            if row.pair_id not in seen:
                seen.add(row.pair_id)
                yield row


def candidates(
    db: Database,
    mining: str,
    config: QuestionConfig,
    by_source: Mapping[str, Mapping[str, Sequence[ProposalRow]]] | None = None,
    *,
    version: int | None = None,
) -> Candidates:
    """Return the pairs of a mining that may be asked about."""
    people = (by_source or {}).get(PEOPLE, {})
    rows = pairs.read(db, mining, version=version)
    selected = [row for row in rows if row.selected]
    others = [row for row in rows if not row.selected]
    most = config.most_extra(len(selected))
    return Candidates(
        _widest_first(selected),
        _widest_first(row for row in others if row.pair_id in people),
        list(islice(_in_line(selected, others, config), most)),
    )


def _widest_first(rows: Iterable[PairRow]) -> list[PairRow]:
    return sorted(rows, key=lambda row: (_gap(row), row.pair_id))


def _in_line(
    selected: Iterable[PairRow], others: Iterable[PairRow], config: QuestionConfig
) -> Iterator[PairRow]:
    """Yield the pairs that a larger benchmark would have, each image once."""
    used = {image for row in selected for image in (row.image_a, row.image_b)}
    told_alone = config.by == (METADATA,)
    for row in _widest_first(others):
        if told_alone and row.left_out == NOTHING_TO_ASK:
            continue
        if used.isdisjoint((row.image_a, row.image_b)):
            used |= {row.image_a, row.image_b}
            yield row


def _gap(row: PairRow) -> float:
    return row.ssl_cosine - row.clip_cosine


def source_of(row: ProposalRow) -> str:
    """Return whether people or a model wrote a proposal."""
    return PEOPLE if row.writer.startswith(BY_PEOPLE) else MODEL


def offered(
    db: Database, home: Path, mining: str, config: QuestionConfig
) -> dict[str, dict[str, list[ProposalRow]]]:
    """Return the proposals that count: source -> pair -> proposals, the preferred first.

    Of people those that stand accepted on the page of this home, or were written elsewhere; of
    models those of the config's writers; by number, then by writer. What was proposed in the same
    words before does not count again.
    """
    order = {BY_MODEL + server.label: place for place, server in enumerate(config.writing())}
    stands = _standings(db, home, mining) if PEOPLE in config.by else {}

    def counts(row: ProposalRow) -> bool:
        if source_of(row) == PEOPLE:
            return stands.get(row.proposal_id, ACCEPTED) == ACCEPTED
        return row.writer in order

    found: dict[str, dict[str, list[ProposalRow]]] = {source: {} for source in config.by}
    for row in proposals.read(db, mining):
        if source_of(row) in found and row.failure is None and counts(row):
            found[source_of(row)].setdefault(row.pair_id, []).append(row)
    for by_pair in found.values():
        for rows in by_pair.values():
            rows.sort(key=lambda row: (row.number, order.get(row.writer, 0), row.writer))
    return _each_once(found)


def _each_once(
    found: Mapping[str, Mapping[str, Sequence[ProposalRow]]],
) -> dict[str, dict[str, list[ProposalRow]]]:
    seen: set[str] = set()

    def is_new(row: ProposalRow) -> bool:
        known = row.proposal_id in seen
        seen.add(row.proposal_id)
        return not known

    return {
        source: {pair: [row for row in rows if is_new(row)] for pair, rows in by_pair.items()}
        for source, by_pair in found.items()
    }


def _standings(db: Database, home: Path, mining: str) -> Mapping[str, str]:
    state = read_state(db, home, mining)
    return standings(state, rules_of(state))


def ranked(
    by_source: Mapping[str, Mapping[str, Sequence[ProposalRow]]], pair_id: str
) -> list[ProposalRow]:
    """Return what is proposed about a pair, the preferred source first."""
    return [row for by_pair in by_source.values() for row in by_pair.get(pair_id, ())]


def findings_of(db: Database, mining: str, config: QuestionConfig) -> dict[str, list[CheckRow]]:
    """Return the findings that count, by proposal: by rules, the config's answerers, and people."""
    authors = {RULES_NAME, *(answerer.name for answerer in config.answering())}
    found: dict[str, list[CheckRow]] = defaultdict(list)
    for row in checks.read(db, mining):
        if row.by in authors or row.by.startswith(BY_PEOPLE):
            found[row.proposal_id].append(row)
    return found
