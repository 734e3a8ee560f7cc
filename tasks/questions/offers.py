"""What is proposed about each selected pair, in order of preference, and what checks made of it.

Put here: whose proposals count, their order, the findings that count.
Keep out: making proposals (`proposing`) and findings (`checking`), taking them (`stage`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from storage import checks, pairs, proposals
from storage.checks import CheckRow
from storage.database import Database
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from tasks.proposals.writing import BY_MODEL
from tasks.questions.config import MODEL, PEOPLE, QuestionConfig

BY_PEOPLE = "people:"
"""What the name of a writer or of the author of a finding begins with that is a person."""

RULES_NAME = "rules"
"""The author of findings that no one had to be asked for."""


def selected_pairs(db: Database, mining: str, *, version: int | None = None) -> list[PairRow]:
    """Return the pairs of a mining's benchmark, the widest gap between the cosines first."""
    rows = [row for row in pairs.read(db, mining, version=version) if row.selected]
    return sorted(rows, key=lambda row: (row.ssl_cosine - row.clip_cosine, row.pair_id))


def source_of(row: ProposalRow) -> str:
    """Return whether people or a model wrote a proposal."""
    return PEOPLE if row.writer.startswith(BY_PEOPLE) else MODEL


def offered(
    db: Database, mining: str, config: QuestionConfig
) -> dict[str, dict[str, list[ProposalRow]]]:
    """Return the proposals that count: source -> pair -> proposals, the preferred first.

    Of people all do, of models those of the config's writers; by number, then by writer.
    """
    order = {BY_MODEL + server.label: place for place, server in enumerate(config.writing())}
    found: dict[str, dict[str, list[ProposalRow]]] = {source: {} for source in config.by}
    for row in proposals.read(db, mining):
        source = source_of(row)
        if source not in found or row.failure is not None:
            continue
        if source == PEOPLE or row.writer in order:
            found[source].setdefault(row.pair_id, []).append(row)
    for by_pair in found.values():
        for rows in by_pair.values():
            rows.sort(key=lambda row: (row.number, order.get(row.writer, 0), row.writer))
    return found


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
