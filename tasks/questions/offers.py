"""What is proposed about each selected pair, in order of preference, and what checks made of it.

Put here: whose proposals count, their order, the findings that count.
Keep out: making proposals (`proposing`) and findings (`checking`), taking them (`stage`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from storage import checks, pairs, proposals
from storage.checks import CheckRow
from storage.database import Database
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from tasks.annotation.outcome import read_state, rules_of
from tasks.annotation.standing import ACCEPTED, standings
from tasks.people import BY_PEOPLE
from tasks.proposals.writing import BY_MODEL
from tasks.questions.config import MODEL, PEOPLE, QuestionConfig

RULES_NAME = "rules"
"""The author of findings that no one had to be asked for."""


def selected_pairs(db: Database, mining: str, *, version: int | None = None) -> list[PairRow]:
    """Return the pairs of a mining's benchmark, the widest gap between the cosines first."""
    return pairs_offered(db, mining, {}, version=version)


def pairs_offered(
    db: Database,
    mining: str,
    by_source: Mapping[str, Mapping[str, Sequence[ProposalRow]]],
    *,
    version: int | None = None,
) -> list[PairRow]:
    """Return the pairs of a mining's benchmark, and after them others that people wrote about.

    Both the widest gap between the cosines first.
    """
    people = by_source.get(PEOPLE, {})
    rows = pairs.read(db, mining, version=version)
    found = [row for row in rows if row.selected or row.pair_id in people]
    return sorted(found, key=lambda row: (not row.selected, _gap(row), row.pair_id))


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
