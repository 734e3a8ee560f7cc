"""A sweep: mixtures over seeds and steps, scored on the pairs of their own encoders."""

import json

import pytest

from flows.sweep import PAPER_SHARES, SWEPT, sweep
from storage.questions import MINED
from tasks.evaluation.asking import MMVP_VLM, OPTION_LOGPROB
from tests.flows.test_study import SHORT, WIDE

MIXED = ("clip", "clip-clip", "additive", "interleaved")
TRAIN = type(SHORT)(**SHORT.model_dump() | {"features": MIXED, "seeds": (0, 1), "score_at": (1,)})
ASKED = {
    "corpus": ["scenes:60@5"],
    "train_corpus": ["scenes:30@6"],
    "mine": WIDE,
    "train": TRAIN,
}


def test_every_model_is_scored_at_every_step_and_once_only(server, cluster, home):
    result = sweep(**ASKED, workers=cluster)
    file = home / "sweep.json"
    written = file.read_bytes()

    again = sweep(**ASKED, workers=cluster)

    rows = json.loads(written)
    assert again["rows"] == result["rows"] == len(rows)
    assert file.read_bytes() == written
    scores = [r for r in rows if r["table"] == "scores" and r["benchmark"] == MINED]
    overall = [r for r in scores if r["protocol"] == OPTION_LOGPROB]
    assert {r["pattern"] for r in scores} == {None}
    expected = {(each, seed, step) for each in MIXED for seed in (0, 1) for step in (1, 2)}
    assert len(overall) == len(expected)
    assert {(r["features"], r["seed"], r["steps"]) for r in overall} == expected
    assert {r["protocol"] for r in scores} == {OPTION_LOGPROB, MMVP_VLM}
    models = {r["model"] for r in rows if r["table"] == "models"}
    assert models == {r["model"] for r in overall}
    compared = [r for r in rows if r["table"] == "comparisons" and r["benchmark"] == MINED]
    pairs = len(MIXED) * (len(MIXED) - 1) // 2
    assert len(compared) == 4 * pairs, "of two seeds, after one step and after two"


def test_a_sweep_without_a_corpus_to_learn_from_is_refused(server, cluster, home):
    with pytest.raises(ValueError, match="no corpus to learn from; name one with --train-corpus"):
        sweep(corpus=["scenes:60@5"], workers=cluster)


def test_the_sweep_covers_what_the_paper_did_and_the_control_of_equal_tokens():
    assert SWEPT.ssl_shares == PAPER_SHARES == (0.0, 0.25, 0.5, 0.625, 0.75, 0.875, 1.0)
    assert {"clip", "ssl", "clip-clip", "additive", "interleaved"} == set(SWEPT.features)
