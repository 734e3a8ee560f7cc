"""A training that is killed and run again ends with the bits of an undisturbed one."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from tasks.mof import MofForConditionalGeneration
from tasks.training import checkpoints, run
from tasks.training.large import METRICS, StageJob
from tasks.training.metrics import read_metrics
from tests import drills

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tasks.training.run", "peft"])
KILLED = 17

VARIANTS = {
    "adapter": (drills.settings("adapter"), {"texts": False}),
    "instruct, rows of text": (drills.settings(), {}),
    "lora": (drills.settings(lora={"rank": 4, "alpha": 8, "dropout": 0.2}), {}),
    "bfloat16, accumulated": (
        drills.settings(bfloat16=True, checkpointing=True, micro_batch=2),
        {},
    ),
    "loaders, epochs": (drills.settings(steps=None, epochs=1.5, loaders=1), {"rows": 18}),
}
"""Seven steps each, or nine: a checkpoint every two."""


class Killer(TrainerCallback):
    """Listens to nobody, and ends its process like a lack of memory would."""

    def __init__(self, at=None):
        self.at = at

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.at:
            os._exit(KILLED)


def carry_out(text, at=None, saving=None):
    """Carry out a job, given as JSON, and be killed at a step's end or while saving a step."""
    torch.set_num_threads(1)
    if saving is not None:
        finish = checkpoints.finish

        def cut_short(folder, step, made_of):
            if step == saving:
                os._exit(KILLED)
            return finish(folder, step, made_of)

        checkpoints.finish = cut_short
    run.train(StageJob.model_validate_json(text), run.Place(0, 1), Killer(at))


def killed(job, **how):
    process = SERVER.Process(target=carry_out, args=(job.model_dump_json(),), kwargs=how)
    process.start()
    process.join(120)
    assert process.exitcode == KILLED


def done(job, killer=None):
    return run.train(job, run.Place(0, 1), killer or Killer())


def weights(job):
    return load_file(job.out / "model" / "model.safetensors")


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def folders(job):
    return sorted(each.name for each in (job.out / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drills.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """An undisturbed instruction stage."""
    job = drills.job(model, tmp_path_factory.mktemp("whole"))
    assert done(job)
    return job


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_killed_and_resumed_is_as_if_nothing_had_been(variant, model, tmp_path):
    how, arguments = VARIANTS[variant]
    undisturbed, job = (drills.job(model, tmp_path / name, how, **arguments) for name in "ab")
    assert done(undisturbed)

    killed(job, at=5)
    left = folders(job)
    assert done(job)

    assert left == ["checkpoint-2", "checkpoint-4"]
    assert same(weights(job), weights(undisturbed))
    told = [(line["step"], line["loss"]) for line in read_metrics(job.out / METRICS)]
    expected = [(line["step"], line["loss"]) for line in read_metrics(undisturbed.out / METRICS)]
    assert told == expected
    before = load_file(model / "model.safetensors")
    assert not same(weights(job), before)


@pytest.mark.slow
def test_a_kill_while_saving_leaves_no_checkpoint_that_is_taken_for_whole(model, whole, tmp_path):
    job = drills.job(model, tmp_path)

    killed(job, saving=4)
    found = [each.name for each in checkpoints.checkpoints(job.out / "checkpoints")]
    assert done(job)

    assert found == ["checkpoint-2"]
    assert same(weights(job), weights(whole))


def test_a_kill_before_the_model_is_written_takes_no_step_too_many(model, whole, tmp_path):
    job = drills.job(model, tmp_path)
    shutil.copytree(whole.out / "checkpoints", job.out / "checkpoints")

    assert done(job)

    assert same(weights(job), weights(whole))
    assert not (job.out / METRICS).exists()


def test_what_is_done_is_not_done_again(model, whole, monkeypatch):
    monkeypatch.setattr(run, "train_stage", None)

    assert done(whole)


def test_a_checkpoint_holds_what_is_trained_and_the_last_two_are_kept(model, whole, tmp_path):
    adapter = drills.job(model, tmp_path, drills.settings("adapter"), texts=False)
    done(adapter)

    names = load_file(adapter.out / "checkpoints" / "checkpoint-7" / checkpoints.WEIGHTS)
    assert names
    assert all(name.startswith("model.multi_modal_projector.") for name in names)
    assert folders(adapter) == folders(whole) == ["checkpoint-6", "checkpoint-7"]
    instructed = load_file(whole.out / "checkpoints" / "checkpoint-7" / checkpoints.WEIGHTS)
    assert any("language_model" in name for name in instructed)
    assert not any("vision_tower" in name for name in instructed)


def test_a_stage_changes_what_it_trains_and_the_next_begins_with_it(model, tmp_path):
    first = drills.job(model, tmp_path / "1", drills.settings("adapter", steps=2), texts=False)
    done(first)
    before, after = load_file(model / "model.safetensors"), weights(first)
    changed = {name for name in before if not torch.equal(before[name], after[name])}

    assert changed == {name for name in before if "multi_modal_projector" in name}
    start = MofForConditionalGeneration.from_pretrained(first.out / "model").state_dict()
    last = load_file(first.out / "checkpoints" / "checkpoint-2" / checkpoints.WEIGHTS)
    assert {name.split(".")[3] for name in last} == {"clip", "dinov2"}
    assert all(torch.equal(start[name], last[name]) for name in last)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": drills.settings(rate=0.1)}, "settings.rate was 0.002, now 0.1"),
        ({"seed": 3}, "seed was 0, now 3"),
        ({"data": drills.job(Path(), Path(), rows=8).data}, "rows was 24, now 8"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(change, said, whole):
    with pytest.raises(ValueError, match=f"is of another training: .*{said}"):
        done(whole.model_copy(update=change))


def test_a_checkpoint_of_another_model_is_refused(whole, tmp_path):
    other = drills.write_model(tmp_path / "other", mode="additive")

    with pytest.raises(ValueError, match=r"is of another training: model\.config\.json was"):
        done(whole.model_copy(update={"model": other}))


def test_what_can_be_changed_without_changing_a_bit_can_be_changed(model, whole, tmp_path):
    job = drills.job(model, tmp_path, drills.settings(save_every=3, tell_every=5))
    shutil.copytree(whole.out / "checkpoints", job.out / "checkpoints")

    assert done(job)


def test_a_model_is_written_in_the_dtype_asked_for(model, whole, tmp_path):
    job = drills.job(model, tmp_path).model_copy(update={"dtype": "bfloat16"})
    shutil.copytree(whole.out / "checkpoints", job.out / "checkpoints")
    done(job)

    expected = {name: tensor.to(torch.bfloat16) for name, tensor in weights(whole).items()}
    assert same(weights(job), expected)


def test_low_rank_adapters_are_merged_into_a_plain_model(model, tmp_path):
    lora = {"rank": 4, "alpha": 8, "dropout": 0.0}
    job = drills.job(model, tmp_path, drills.settings(lora=lora, steps=2))
    done(job)

    before, after = load_file(model / "model.safetensors"), weights(job)
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"multi_modal_projector", "language_model"} == {name.split(".")[1] for name in changed}
    assert not any("norm" in name or "embed" in name for name in changed)
    names = load_file(job.out / "checkpoints" / "checkpoint-2" / checkpoints.WEIGHTS)
    assert all("lora_" in name or "modules_to_save" in name for name in names)


def test_a_training_set_that_is_not_there_is_named(model, tmp_path):
    job = drills.job(model, tmp_path, make="tests.drills:Circles")

    with pytest.raises(ValueError, match=r"'tests\.drills:Circles' is not found: .*Circles"):
        done(job)


def test_a_record_says_what_a_model_is_made_of(whole):
    record = json.loads((whole.out / "model" / "stage.json").read_text())

    assert record["settings"]["steps"] == 7
    assert len(record["model"]["model.safetensors"]) == 64
    assert record["data"]["make"] == "tests.drills:Squares"
