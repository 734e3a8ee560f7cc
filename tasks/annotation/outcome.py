"""What comes out of the page: proposals, verdicts, how questions stand, how far people are.

Put here: what other stages read, from the store and the files of the home.
Keep out: serving the page (`flows.annotation`); what a policy takes (`tasks.questions`).
"""

import time
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.compute as pc

from storage import checks, pairs, proposals
from storage.checks import CheckRow
from storage.database import Database
from storage.pairs import PairRow
from storage.proposals import ProposalRow
from tasks.annotation.acts import CLEAR, WRITE
from tasks.annotation.journal import read_all
from tasks.annotation.standing import ACCEPTED, Progress, finished, progress, standings
from tasks.annotation.state import Rules, State, fold, proposal_of
from tasks.checks.answering import AGREE_A, AGREE_B
from tasks.people import named

FOLDER: Final = "annotation"
"""Where under the home the page keeps its files."""

RESERVE: Final = 10_000
"""Pairs beyond the selected ones from which writers get others for those that are skipped."""

VERDICT: Final = "verdict"
"""What the table `checks` calls a checker's verdict."""

WITHDRAWN: Final = "withdrawn by its writer"


class VerdictRow(NamedTuple):
    """What one checker said of one question.

    `answer_a` and `answer_b` are the options taken for each image alone, None for neither. `blind`
    says that the checker had not seen the two images side by side before.
    """

    proposal_id: str
    pair_id: str
    checker: str
    answer_a: str | None
    answer_b: str | None
    verdict: str
    note: str
    blind: bool


def pairs_in_order(db: Database, mining: str) -> list[PairRow]:
    """Return pairs to write about: the selected ones, then a reserve, wide gaps first."""
    found = pairs.table(db, mining)
    gap = pc.subtract(found["clip_cosine"], found["ssl_cosine"])
    order = pc.sort_indices(
        found.append_column("gap", gap),
        [("selected", "descending"), ("gap", "descending"), ("pair_id", "ascending")],
    )
    kept = order[: pc.sum(found["selected"]).as_py() + RESERVE] if len(found) else order
    return [PairRow(**row) for row in found.take(kept).to_pylist()]


def read_state(db: Database, home: Path, mining: str) -> State:
    """Return what people did about the pairs of a mining, up to the last act that was saved."""
    found = {row.pair_id: (row.image_a, row.image_b) for row in pairs_in_order(db, mining)}
    return fold(read_all(db, home / FOLDER, mining), found)


def rules_of(state: State) -> Rules:
    """Return the rules that the page was last started with; before that, all pairs are wanted."""
    return state.rules or Rules(wanted=len(state.pairs))


def read_progress(db: Database, home: Path, mining: str) -> Progress:
    """Return how far people are with a mining."""
    return progress_of(read_state(db, home, mining))


def progress_of(state: State) -> Progress:
    """Return how far people are now."""
    return progress(state, rules_of(state), time.time_ns() // 1000)


def proposals_of(state: State, mining: str) -> list[ProposalRow]:
    """Return a row for every question that was written, by pair and writer.

    One that its writer has taken back is a failed proposal.
    """
    rows = []
    for pair, people in sorted(state.sheets.items()):
        for who, sheet in sorted(people.items()):
            images = state.pairs.get(pair)
            if images is None or not sheet.was_written:
                continue
            if sheet.written is not None:
                rows.append(proposal_of(mining, who, pair, images, sheet.written))
            else:
                rows.append(_withdrawn(mining, who, pair, images))
    return rows


def publish(db: Database, home: Path, mining: str) -> None:
    """Put what people wrote and found into the store, as the page does while it is served."""
    state = read_state(db, home, mining)
    proposals.upsert(db, proposals_of(state, mining))
    checks.upsert(db, checks_of(state, mining))


def _withdrawn(mining: str, who: str, pair: str, images: tuple[str, str]) -> ProposalRow:
    return ProposalRow(
        mining=mining,
        pair_id=pair,
        writer=named(who),
        number=0,
        request="",
        image_a=images[0],
        image_b=images[1],
        failure=WITHDRAWN,
    )


def verdicts_of(state: State) -> list[VerdictRow]:
    """Return all checks that end with a verdict, of questions that stand; by question, checker."""
    rows = []
    for name, item in sorted(state.items().items()):
        images = state.pairs[item.pair_id]
        texts = {1: item.draft.option_1.strip(), 2: item.draft.option_2.strip(), None: None}
        for who, check in finished(state, item).items():
            seen = state.takers(WRITE, item.pair_id).get(who)
            rows.append(
                VerdictRow(
                    proposal_id=name,
                    pair_id=item.pair_id,
                    checker=named(who),
                    answer_a=texts[check.answers.get(images[0])],
                    answer_b=texts[check.answers.get(images[1])],
                    verdict=str(check.verdict),
                    note=check.note,
                    blind=seen is None or seen > check.first_at,
                )
            )
    return rows


def checks_of(state: State, mining: str) -> list[CheckRow]:
    """Return what people found, as rows of `checks` beside what models and rules find.

    `agree-a` and `agree-b`: the checker's answer about that image alone is the one written for it;
    `verdict`: the checker calls the question clear.
    """
    proposed = {row.proposal_id: row for row in proposals_of(state, mining)}
    rows = []
    for said in verdicts_of(state):
        row = proposed[said.proposal_id]
        told = f"{said.verdict}: {said.note}" if said.note else said.verdict
        for check, passed, detail in (
            (AGREE_A, said.answer_a == row.answer_a, f"takes {said.answer_a!r}"),
            (AGREE_B, said.answer_b == row.answer_b, f"takes {said.answer_b!r}"),
            (VERDICT, said.verdict == CLEAR, told),
        ):
            rows.append(
                CheckRow(
                    mining=mining,
                    check=check,
                    by=said.checker,
                    proposal_id=said.proposal_id,
                    passed=passed,
                    detail="" if passed else detail,
                    request="",
                )
            )
    return rows


def accepted(state: State, mining: str) -> list[ProposalRow]:
    """Return the proposals of people that stand accepted, by pair and writer."""
    found = standings(state, rules_of(state))
    return [row for row in proposals_of(state, mining) if found.get(row.proposal_id) == ACCEPTED]
