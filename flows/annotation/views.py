"""What the page is told, as JSON: the thing to work on, and how far all are.

Put here: the form of each answer. A checker or participant is told nothing that gives the answer.
Keep out: requests (`app`, beside this file); who gets what (`tasks.annotation.queue`).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from storage.questions import QuestionRow
from tasks.annotation.acts import ADJUDICATE, CHECK, NO_PATTERN, WRITE
from tasks.annotation.agreement import agreements, by_question
from tasks.annotation.queue import ToCheck, disputes
from tasks.annotation.standing import (
    ACCEPTED,
    OPEN,
    REJECTED,
    finished,
    key_of,
    progress,
    standing,
    standings,
)
from tasks.annotation.state import Item, Rules, State
from tasks.patterns import PATTERNS

View = dict[str, Any]


def write_view(state: State, who: str, pair: str) -> View:
    """Return a pair to write about, with what this person has typed about it."""
    sheet = state.sheet(who, pair)
    return {
        "mode": WRITE,
        "subject": pair,
        "images": state.pairs[pair],
        "draft": sheet.draft.model_dump() if sheet.draft is not None else None,
        "written": sheet.written is not None,
        "skipped": sheet.skipped,
        "flag": state.flags.get(pair, {}).get(who, ""),
    }


def check_view(state: State, who: str, due: ToCheck) -> View:
    """Return one image to answer about; once both are answered, the two side by side."""
    item = due.item
    view = _asked(item) | {
        "mode": CHECK,
        "flag": state.flags.get(item.proposal_id, {}).get(who, ""),
        "image": due.image,
    }
    if due.image is None:
        view |= _answered(state, item) | {"answers": state.check(who, item.proposal_id).answers}
    return view


def dispute_view(state: State, who: str, item: Item) -> View:
    """Return a question in dispute with all that was said of it."""
    return (
        _asked(item)
        | _answered(state, item)
        | {
            "mode": ADJUDICATE,
            "flag": state.flags.get(item.proposal_id, {}).get(who, ""),
            "writers": item.writers,
            "checks": [
                {"who": w, "answers": c.answers, "verdict": c.verdict, "note": c.note}
                for w, c in finished(state, item).items()
            ],
            "flags": state.flags.get(item.proposal_id, {}),
        }
    )


def study_view(state: State, who: str, row: QuestionRow, order: Sequence[str]) -> View:
    """Return one question of the study, about one image; `order` is what the person is asked."""
    given = state.choices.get(who, {})
    place = order.index(row.question_id)
    return {
        "mode": "study",
        "subject": row.question_id,
        "image": row.image,
        "question": row.question,
        "options": row.options,
        "number": place + 1,
        "total": len(order),
        "answered": sum(name in given for name in order),
        "before": order[place - 1] if place else None,
        "choice": given.get(row.question_id, "none yet"),
        "flag": state.flags.get(row.question_id, {}).get(who, ""),
    }


def _asked(item: Item) -> View:
    draft = item.draft
    return {
        "subject": item.proposal_id,
        "question": draft.question,
        "options": [draft.option_1, draft.option_2],
    }


def _answered(state: State, item: Item) -> View:
    images = state.pairs[item.pair_id]
    return {
        "images": images,
        "key": key_of(item, images),
        "difference": item.draft.difference,
        "pattern": item.draft.pattern,
        "statements": [item.draft.statement_a, item.draft.statement_b],
    }


def mine_view(state: State, who: str, rules: Rules) -> list[View]:
    """Return what a person has begun, written, skipped or flagged, the latest first."""
    found = standings(state, rules)
    rows = []
    for pair, people in state.sheets.items():
        sheet = people.get(who)
        if sheet is None or pair not in state.pairs:
            continue
        stands = found.get(sheet.proposal_id or "")
        notes = list(_notes(state, sheet.proposal_id))
        rows.append(
            {
                "subject": pair,
                "images": state.pairs[pair],
                "question": sheet.draft.question if sheet.draft is not None else "",
                "stands": stands or ("skipped" if sheet.skipped is not None else "draft"),
                "notes": notes if stands != OPEN else [],
                "flag": state.flags.get(pair, {}).get(who, ""),
                "at": state.touched[who, pair],
            }
        )
    return sorted(rows, key=lambda row: -int(row["at"]))


def _notes(state: State, proposal_id: str | None) -> Iterator[View]:
    """Yield what checkers said, without their names, and what was decided."""
    if proposal_id is None:
        return
    for _, check in sorted(state.checks.get(proposal_id, {}).items()):
        if check.verdict is not None:
            yield {"says": check.verdict, "note": check.note}
    decision = state.decisions.get(proposal_id)
    if decision is not None:
        yield {"says": "accepted" if decision.accepted else "rejected", "note": decision.note}


def progress_view(state: State, who: str, rules: Rules, now: int) -> View:
    """Return the counts, the agreement, each question's, and what each person did."""
    return {
        "counts": progress(state, rules, now)._asdict(),
        "agreement": {name: found._asdict() for name, found in agreements(state).items()},
        "people": _people(state),
        "to_check": _to_check(state, who, rules),
        "disputes": len(disputes(state, who, rules)),
    }


def questions_view(state: State, who: str, rules: Rules) -> list[View]:
    """Return how each question stands and how far people agree on it.

    The words of a question that this person may still check are left out.
    """
    items = state.items()
    rows = []
    for row in by_question(state, rules):
        item = items[row.proposal_id]
        hidden = standing(state, item, rules) == OPEN and who not in item.writers
        rows.append(row._asdict() | ({"question": None, "writers": []} if hidden else {}))
    return rows


def patterns_view(state: State, rules: Rules) -> Mapping[str, Mapping[str, int]]:
    """Return how many pairs have a question of each pattern that may count, or does."""
    found = standings(state, rules)
    pairs: dict[str, dict[str, set[str]]] = {
        name: {OPEN: set(), ACCEPTED: set()} for name in (*PATTERNS.values(), NO_PATTERN)
    }
    for name, item in state.items().items():
        if found[name] != REJECTED:
            told = pairs[item.draft.pattern or NO_PATTERN]
            told[ACCEPTED if found[name] == ACCEPTED else OPEN].add(item.pair_id)
    return {
        name: {"written": len(told[OPEN] | told[ACCEPTED]), "accepted": len(told[ACCEPTED])}
        for name, told in pairs.items()
    }


def _to_check(state: State, who: str, rules: Rules) -> int:
    found = standings(state, rules)
    return sum(
        found[name] == OPEN
        and who not in item.writers
        and state.check(who, name).verdict is None
        and (who in state.takers(CHECK, name) or len(finished(state, item)) < rules.checks)
        for name, item in state.items().items()
    )


def _people(state: State) -> Mapping[str, Mapping[str, int]]:
    sheets = [each for people in state.sheets.values() for each in people.items()]
    checks = [each for people in state.checks.values() for each in people.items()]
    counts = {
        "written": Counter(who for who, sheet in sheets if sheet.written is not None),
        "skipped": Counter(who for who, sheet in sheets if sheet.skipped is not None),
        "checked": Counter(who for who, check in checks if check.verdict is not None),
        "decided": Counter(decision.who for decision in state.decisions.values()),
    }
    names = sorted(set().union(*counts.values()))
    return {who: {what: count[who] for what, count in counts.items()} for who in names}


def study_progress_view(state: State, people: Sequence[str], asked: Collection[str]) -> View:
    """Return how many of the questions each participant has answered."""
    return {
        "total": len(asked),
        "people": {who: sum(n in asked for n in state.choices.get(who, {})) for who in people},
        "flagged": sum(bool(state.flags.get(name)) for name in set().union(*state.orders.values())),
    }
