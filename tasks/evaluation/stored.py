"""Score replies that are there already: under a protocol and a key, and under all that ask alike.

Put here: from replies by question number to the figures that a command prints.
Keep out: reading files of replies (`tasks.backends.replay`, `tasks.bridges`), tables (`stage`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from tasks.benchmarks.keys import KEYS
from tasks.benchmarks.question import Question
from tasks.protocols import PROTOCOLS
from tasks.protocols.protocol import LOGPROBS, Protocol
from tasks.protocols.rescoring import Rescored, group_by_asked, rescore, spread

FEW_PAIRS: Final = 30
"""Of fewer pairs a single one moves the score by more than three points."""


def score_replies(
    protocol: Protocol,
    questions: Sequence[Question],
    replies: Mapping[int, str],
    *,
    key: str | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """Return the scores of replies by question number, in the order of their file.

    Shares are from 0 to 1. `harness` counts pairs by the protocol's own rule. `spread` has the same
    replies under every protocol that sends the same words. A reply that is not there is unread.

    Raises:
        ValueError: if a reply is to no question, no question is scored, or the pair rule refuses.
    """
    found = rescore(protocol, questions, replies, key=key, seed=seed)
    kept = [question for question in questions if question.answer(found.key) is not None]
    overall = asdict(found.score)
    return {
        "protocol": protocol.name,
        "key": found.key,
        **{name: value for name, value in overall.items() if name != "pattern"},
        "drawn": found.drawn,
        "harness": {
            "pair_rule": protocol.pair_rule,
            "right": found.harness.right,
            "total": found.harness.total,
            "headline": protocol.headline,
        },
        "patterns": [asdict(row) | {"few": row.pairs < FEW_PAIRS} for row in found.by_pattern],
        "keys": _by_key(protocol, questions, replies, seed),
        "spread": spread_of(protocol, kept, replies, key=found.key, seed=seed),
    }


def _by_key(
    protocol: Protocol,
    questions: Sequence[Question],
    replies: Mapping[int, str],
    seed: int | None,
) -> dict[str, Any]:
    """Return the accuracies under every key, where keys differ."""
    if all(q.original == q.corrected for q in questions):
        return {}
    scored = {key: rescore(protocol, questions, replies, key=key, seed=seed).score for key in KEYS}
    return {
        key: {
            "pairs": row.pairs,
            "pair_accuracy": row.pair_accuracy,
            "question_accuracy": row.question_accuracy,
        }
        for key, row in scored.items()
    }


def spread_of(
    protocol: Protocol,
    questions: Sequence[Question],
    replies: Mapping[int, str],
    *,
    key: str,
    seed: int | None = None,
) -> dict[str, Any] | None:
    """Return the same replies under all protocols that send the same words; None if none does."""
    if protocol.asks == LOGPROBS:
        return None
    known = {**PROTOCOLS, protocol.name: protocol}  # another package's is none of ours
    groups = group_by_asked(known.values(), questions, decoding=False)
    alike = next(names for names in groups if protocol.name in names)
    if len(alike) < 2:
        return None
    numbers = {question.number for question in questions}
    kept = {number: reply for number, reply in replies.items() if number in numbers}
    scored: list[Rescored] = []
    told: dict[str, dict[str, Any]] = {}
    for name in alike:
        try:
            one = rescore(known[name], questions, kept, key=key, seed=seed)
        except ValueError as error:  # a pair rule that takes complete answers only
            told[name] = {"refused": str(error)}
            continue
        scored.append(one)
        told[name] = {
            "pair_accuracy": one.score.pair_accuracy,
            "question_accuracy": one.score.question_accuracy,
            "unread": one.score.unread,
        }
    if not scored:
        return None
    found = spread(scored)
    return {
        "protocols": told,
        "low": found.low,
        "high": found.high,
        "lowest": found.lowest,
        "highest": found.highest,
    }
