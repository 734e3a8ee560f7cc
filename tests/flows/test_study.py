"""Training tiny encoders from the flow, and the study that compares those that it trained."""

import json

import pytest

from flows.encoders import encoders
from flows.study import study
from storage.questions import MINED
from tasks.mining.thresholds import MineConfig
from tasks.tiny_training.jobs import ARMS, BLIND, SSL, read_metadata
from tasks.training.recipe import TrainConfig

SHORT = TrainConfig(
    ssl_shares=(0.5,),
    steps=2,
    adapter_steps=1,
    language_steps=1,
    batch=4,
    width=32,
    layers=1,
)
WIDE = MineConfig(clip_above_quantile=0.5, ssl_below_quantile=0.5, benchmark_pairs=9)


@pytest.fixture
def studied(server, cluster, home):
    """The rows of a study of one encoder seed, all of it very short."""
    result = study(
        corpus=["scenes:60@5"],
        train_corpus=["scenes:30@6"],
        seeds=[4],
        encoder_steps=2,
        mine=WIDE,
        train=SHORT,
        workers=cluster,
    )
    rows = json.loads((home / "study.json").read_text())
    assert result["rows"] == len(rows)
    return rows


def test_the_flow_trains_each_encoder_once_and_says_how(server, cluster, home):
    asked = {"arms": [BLIND, BLIND], "seeds": [7], "steps": 2, "workers": cluster}
    files = encoders(**asked)["encoders"]
    file = home / "encoders" / f"{BLIND}-seed7.safetensors"
    written = file.stat().st_mtime_ns

    again = encoders(**asked)["encoders"]

    told = read_metadata(file)
    config = json.loads(told["config"])
    assert again == files == {f"{BLIND}-seed7": str(file)}
    assert (told["arm"], config["seed"]) == (BLIND, 7)
    assert config["pictures"] == 2 * config["batch"]
    assert file.stat().st_mtime_ns == written


def test_an_unknown_arm_is_refused_before_anything_is_trained(server, cluster, home):
    with pytest.raises(ValueError, match="no encoder 'clip-2' to train"):
        encoders(arms=[SSL, "clip-2"], steps=1, workers=cluster)

    assert not (home / "encoders").exists()


def test_the_study_compares_every_arm_on_the_pairs_of_the_blind_one(studied):
    arms = set(ARMS) - {BLIND}
    by_table = {name: [r for r in studied if r["table"] == name] for name in ("pairs", "probes")}
    asked = [r for r in studied if r["table"] == "scores" and r["benchmark"] == MINED]
    controls = [r for r in asked if r["features"] == "clip-control" and r["pattern"] is None]
    others = [r for r in asked if r["features"] in {"clip", "ssl"} and r["protocol"] == "free"]

    assert {r["control"] for r in by_table["pairs"]} == arms
    assert len({r["pairs"] for r in by_table["pairs"]}) == 1
    for arm in arms:
        probed = {r["attribute"] for r in by_table["probes"] if r["control"] == arm}
        assert {"presence", "count", "kind"} <= probed
        assert {r["role"] for r in by_table["probes"]} == {"clip", "ssl", "control"}
    assert {r["control"] for r in controls} == arms
    assert len({r["pairs"] for r in controls}) == 1
    assert len({(r["features"], r["pair_accuracy"]) for r in others}) == 2  # of all arms the same
    assert {r["encoder_seed"] for r in studied} == {4}
