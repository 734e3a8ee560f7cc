"""Functions of a task of lmms-eval: what is asked, how replies are read, what is counted.

This file travels with exported benchmarks as `utils.py`; it needs the standard library alone and
`mmvp_rules.py` beside it. A reply that cannot be read is wrong and counted as unread; a failed
call is wrong and counted as failed. Samples keep the number of the question and of its pair.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.protocols.rules import read_letter

log = logging.getLogger(__name__)

FAILED = ("[LMMS_EVAL_REQUEST_FAILED", "[LMMS_EVAL_BUDGET_EXCEEDED", "Failed to obtain answer")


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """Return the image in RGB."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Any = None) -> str:
    """Return the prompt: question, options, and the request for a letter."""
    words = lmms_eval_specific_kwargs or {}
    return f"{words.get('pre_prompt', '')}{doc['prompt']}{words.get('post_prompt', '')}"


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """Return the letter of the right option."""
    return str(doc["answer"])


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Return what a reply counts for; `pair` is the cluster of the question."""
    said = results[0] or ""
    failed = said.lstrip().startswith(FAILED)
    place = None if failed else read_letter(said, (doc["option_a"], doc["option_b"]))
    right = place is not None and "AB"[place] == doc["answer"]
    told = {
        "number": doc["number"],
        "pair": doc["pair"],
        "pattern": doc["pattern"],
        "taken": None if place is None else "AB"[place],
    }
    return {
        "question_accuracy": told | {"score": float(right)},
        "pair_accuracy": told | {"right": right},
        "unread": told | {"score": float(place is None and not failed)},
        "failed": told | {"score": float(failed)},
    }


def mean_score(items: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of questions, of all that were asked."""
    return sum(item["score"] for item in items) / len(items) if items else 0.0


def pair_accuracy(items: Sequence[Mapping[str, Any]]) -> float:
    """Return the share of pairs with both questions right; a question that is missing is wrong."""
    right: dict[int, int] = {}
    for item in items:
        right[item["pair"]] = right.get(item["pair"], 0) + bool(item["right"])
    if missing := 2 * len(right) - len(items):
        log.warning("%d questions are missing; their pairs count as wrong", missing)
    return sum(both == 2 for both in right.values()) / len(right) if right else 0.0
