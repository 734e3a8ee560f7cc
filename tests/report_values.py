"""Scores, comparisons, probes and questions as a report takes them, made up."""

import dataclasses

from tasks.report.results import (
    AskedPair,
    ModelComparison,
    ModelScore,
    ProbeScore,
    Reply,
    Results,
    label_of,
)

PATTERNS = ("Orientation and Direction", "Quantity and Count", "Text")
TINY = {"clip": "tiny-clip-0123456789ab", "control": "tiny-clip-control-0123456789ab"}


def score(label="CLIP only", **changes):
    """Give a score of 0.5 on 32 mined pairs."""
    fields = {
        "benchmark": "mined",
        "model": f"{label}-{changes.get('seed', 0)}",
        "label": label,
        "features": "clip",
        "ssl_share": None,
        "seed": 0,
        "steps": 300,
        "protocol": "option-logprob",
        "key": "metadata",
        "pattern": None,
        "pairs": 32,
        "pair_accuracy": 0.5,
        "pair_low": 0.35,
        "pair_high": 0.65,
        "question_accuracy": 0.71,
        "question_low": 0.6,
        "question_high": 0.82,
        "both_right": changes.get("pair_accuracy", 0.5),
        "same_answer": 1 - changes.get("pair_accuracy", 0.5),
        "swapped": 0.0,
        "other": 0.0,
        "unread": 3,
        "chance": 0.25,
    }
    return ModelScore(**fields | changes)


def variants(seeds=(0,), **changes):
    """Give scores of all ways to look, and of a CLIP that is asked itself."""
    looks = [("clip", None), ("ssl", None), ("interleaved", None), ("clip-control", None)]
    looks += [("additive", 0.25), ("additive", 0.5), ("additive", 0.75)]
    rows = [
        score(label_of(features, share, TINY), features=features, ssl_share=share, seed=seed)
        for seed in seeds
        for features, share in looks
    ]
    asked = {"features": None, "seed": None, "steps": None, "protocol": "mmvp-vlm"}
    rows.append(score("tiny CLIP by MMVP-VLM's rule", model="tiny-clip", **asked))
    return [dataclasses.replace(row, **changes) for row in rows]


def comparison(a, b, only_a, only_b, p_holm):
    return ModelComparison(
        benchmark="mined",
        protocol="option-logprob",
        model_a=a,
        model_b=b,
        pairs=200,
        only_a=only_a,
        only_b=only_b,
        p_value=p_holm / 2,
        p_holm=p_holm,
    )


def probe(role="clip", attribute="count", **changes):
    fields = {
        "encoder": f"tiny-{role}-0123456789ab",
        "role": role,
        "attribute": attribute,
        "pattern": "Quantity and Count",
        "captioned": False,
        "classes": 4,
        "train_images": 500,
        "test_images": 400,
        "accuracy": 0.4,
        "low": 0.35,
        "high": 0.45,
        "chance": 0.27,
    }
    return ProbeScore(**fields | changes)


def reply(model="CLIP only-0", protocol="option-logprob", said=("two", "two"), **changes):
    fields = {
        "model": model,
        "protocol": protocol,
        "choice_a": said[0],
        "choice_b": said[1],
        "response_a": said[0] or "",
        "response_b": said[1] or "",
        "outcome": "same_answer",
    }
    return Reply(**fields | changes)


def asked_pair(pair_id, replies=(), **changes):
    fields = {
        "pair_id": pair_id,
        "attribute": "count",
        "pattern": "Quantity and Count",
        "question": "How many balls are there?",
        "options": ("two", "three"),
        "answer_a": "two",
        "answer_b": "three",
        "statement_a": "two balls",
        "statement_b": "three balls",
        "source": "attribute",
        "key": "metadata",
        "replies": list(replies),
    }
    return AskedPair(**fields | changes)


def results(scores=(), **changes):
    fields = {
        "scores": list(scores),
        "benchmarks": {"mined": "CLIP-blind pairs", "random": "by lot", "captioned": "captions"},
        "protocols": {"option-logprob": "the likelier", "free": "words", "mmvp-vlm": "a rule"},
        "outcomes": {
            "both_right": "both are right",
            "same_answer": "the same to both",
            "swapped": "the other's",
            "other": "none",
        },
        "patterns": PATTERNS,
    }
    return Results(**fields | changes)
