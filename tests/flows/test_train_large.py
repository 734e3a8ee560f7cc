"""A recipe in the pipeline: torchrun under a Prefect task, then asked about the mined pairs."""

import json

import pytest

from flows import deployments
from flows.conversations import conversations
from flows.export import Wanted, export_model
from flows.mmvp import mmvp
from flows.settings import Settings
from tasks.evaluation.asking import Asked
from tasks.evaluation.local import LocalModel
from tasks.mining.thresholds import MineConfig
from tasks.recipes.large import LargeConfig
from tasks.training.recipe import TrainConfig
from tests import pictures
from tests.flows import runs
from tests.flows.runs import NO_WORKERS
from tests.tasks.recipes import parts

WIDE = MineConfig(clip_above_quantile=0.5, ssl_below_quantile=0.5, benchmark_pairs=9)
SMALL = {
    "canvas_px": 56,
    "stages.adapter.settings.batch": 2,
    "stages.instruct.settings.batch": 2,
    "stages.instruct.settings.tell_every": 1,
}


@pytest.fixture
def large(server, cluster, home, tmp_path):
    """A recipe on small parts, and conversations about three pictures in the store."""
    for number in range(3):
        pictures.draw_photo(tmp_path / f"learn/{number}.png", number)
    said = [{"from": "human", "value": "<image>\nIs it red?"}, {"from": "gpt", "value": "Yes."}]
    rows = [{"id": n, "image": f"{n}.png", "conversations": said} for n in range(3)]
    (tmp_path / "talks.json").write_text(json.dumps(rows))
    conversations(tmp_path / "talks.json", [str(tmp_path / "learn")], workers=cluster)
    return LargeConfig(
        recipe="llava15-7b",
        mixes=dict.fromkeys(("adapter", "instruct"), "talks"),
        overrides=SMALL,
        places={
            "language": parts.save_language(tmp_path / "language"),
            "clip": parts.save_clip(tmp_path / "clip"),
            "ssl": parts.save_dinov2(tmp_path / "dinov2"),
        },
        processes=1,
    )


@pytest.mark.slow
def test_models_of_a_recipe_are_trained_by_torchrun_and_scored_on_the_mined_pairs(
    large, cluster, home
):
    deployments.limit_gpus()
    asked = {
        "corpus": ["scenes:40@5"],
        "mine": WIDE,
        "train": TrainConfig(features=("interleaved",), large=large),
        "through": "evaluate",
    }

    first = mmvp(**asked, workers=cluster)["stages"]
    again = mmvp(**asked, workers=NO_WORKERS)["stages"]

    assert (first["train"]["state"], first["train"]["new"]) == ("done", 1)
    assert set(runs.states(again).values()) == {"current"}
    (name,) = first["train"]["figures"]["models"]
    shown = runs.shown("scores", home)
    own = [row for row in shown if row["model"] == name and row["pattern"] is None]
    assert {(row["features"], row["seed"], row["steps"]) for row in own} == {("interleaved", 0, 2)}
    assert {row["protocol"] for row in own} == {"option-logprob", "free"}
    folder = home / "training" / name
    exported = export_model(
        Settings.read(),
        Wanted("interleaved", None, None),
        home / "exported",
        dict.fromkeys(("clip", "ssl", "control")),
    )
    assert exported["model"] == name
    assert "| part `language` | `language-" in (home / "exported" / "README.md").read_text()
    asked = Asked("q", "image", (), "Is it red?", ("yes", "no"))
    assert LocalModel(home / "exported").prompts([asked])[0].count("<image>") == 1
    for stage in ("adapter", "instruct"):
        assert "is written" in (folder / stage / "train.log").read_text()
