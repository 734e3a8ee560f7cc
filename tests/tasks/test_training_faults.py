"""What goes wrong in a step stops the training, is said, and is never saved."""

import json

import pytest
import torch

from tasks.mof import MofForConditionalGeneration
from tasks.training import checkpoints
from tasks.training.checkpoints import last_checkpoint, read_trained, write_trained
from tasks.training.faults import NotFiniteError, ShortMemoryError
from tasks.training.metrics import Metrics, Work, read_metrics
from tasks.training.settings import Lora, StageSettings
from tasks.training.trainer import train_stage
from tasks.training.words import PAD
from tests import drills
from tests.tasks.test_mof_model import build


class Spoilt(drills.Squares):
    """Squares of which one has a picture that is not a number."""

    spoilt = 5

    def __getitem__(self, number):
        row = super().__getitem__(number)
        if number == self.spoilt:
            row["pixel_values"] = row["pixel_values"].float() * torch.nan
        return row


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return drills.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def train(folder, tmp_path):
    from transformers import AutoProcessor

    def train(data=drills.Squares, how=None, *, model=None, **options):
        model = model or MofForConditionalGeneration.from_pretrained(folder)
        model.set_stage("adapter")
        rows = data(AutoProcessor.from_pretrained(folder), model.config.image_seq_length)
        how = how or drills.settings("adapter", order="as-given", steps=3, save_every=1)
        out = tmp_path / "checkpoints"
        return train_stage(model, rows, how, pad=PAD, seed=0, folder=out, **options)

    return train


def test_a_loss_that_is_no_number_names_step_and_rows_and_is_not_saved(train, tmp_path):
    with pytest.raises(NotFiniteError, match=r"'adapter', step 2: the loss is nan") as caught:
        train(Spoilt)

    assert "Rows of this process in the step: 4, 5, 6, 7." in str(caught.value)
    assert "still those of step 1" in str(caught.value)
    found = checkpoints.checkpoints(tmp_path / "checkpoints")
    assert [each.name for each in found] == ["checkpoint-1"]


def test_a_gradient_that_is_infinite_is_found_though_the_loss_is_not(train, folder):
    model = MofForConditionalGeneration.from_pretrained(folder)
    (parameter, *_) = model.model.multi_modal_projector.parameters()
    parameter.register_hook(lambda gradient: gradient * torch.inf)

    with pytest.raises(NotFiniteError, match=r"step 1: the loss is \d.* norm (inf|nan)"):
        train(model=model)


def test_a_lack_of_memory_says_what_to_lower(train, monkeypatch):
    def forward(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(MofForConditionalGeneration, "forward", forward)

    with pytest.raises(ShortMemoryError) as caught:
        train()
    said = str(caught.value)
    assert "'adapter', step 1: out of memory on cpu with 4 conversations of" in said
    assert said.index("lower micro_batch to 2") < said.index("checkpointing")
    assert "lora" not in said


def test_metrics_say_what_was_learnt_and_how_fast(train, tmp_path):
    work, file, lines = Work(), tmp_path / "metrics.jsonl", []

    losses = train(callbacks=[Metrics(work, file, tell=lines.append)], work=work)

    told = read_metrics(file)
    assert [line["step"] for line in told] == [1, 2, 3]
    assert [round(line["loss"], 4) for line in told] == losses
    for line in told:
        assert min(line[name] for name in ("tokens_per_second", "seconds", "memory_bytes")) > 0
        assert line["images_per_second"] * line["seconds"] == pytest.approx(3)  # of four rows
        assert line["gradient_norm"] > 0
    assert lines[0].startswith("step 1 of 3  loss ")
    assert "tokens/s" in lines[0]


def test_the_last_line_of_a_step_counts_and_half_a_line_does_not(tmp_path):
    file = tmp_path / "metrics.jsonl"
    lines = [{"step": 1, "loss": 3}, {"step": 2, "loss": 2}, {"step": 2, "loss": 1}]
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 3, "lo')

    assert read_metrics(file) == [lines[0], lines[2]]
    assert read_metrics(tmp_path / "none") == []


def test_half_a_line_swallows_none_after_it(train, tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "lo')

    train(callbacks=[Metrics(Work(), file)])

    assert [line["step"] for line in read_metrics(file)] == [1, 2, 3]


def test_curves_can_be_seen_in_tensorboard(train, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(callbacks=[Metrics(Work(), tmp_path / "m", board=tmp_path / "board")])

    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert [scalar.step for scalar in events.Scalars("loss")] == [1, 2, 3]


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)

    with pytest.raises(ImportError, match=r"install mmvp\[tensorboard\]"):
        Metrics(Work(), tmp_path / "m", board=tmp_path / "board")


def write_checkpoint(folder, step, made_of=None):
    place = checkpoints.begin(folder) / f"checkpoint-{step}"
    place.mkdir()
    (place / "file").write_text("content")
    return checkpoints.finish(folder, step, made_of or {"seed": 0})


def test_the_last_checkpoint_is_the_one_of_most_steps(tmp_path):
    for step in (8, 9, 10):
        write_checkpoint(tmp_path, step)

    assert last_checkpoint(tmp_path, {"seed": 0}).name == "checkpoint-10"
    assert [each.name for each in checkpoints.checkpoints(tmp_path)] == [
        "checkpoint-9",
        "checkpoint-10",
    ]
    assert last_checkpoint(tmp_path / "none", {"seed": 0}) is None


@pytest.mark.parametrize("harm", ["gone", "shorter", "no record", "torn record"])
def test_a_checkpoint_that_misses_something_is_none(harm, tmp_path):
    write_checkpoint(tmp_path, 1)
    place = write_checkpoint(tmp_path, 2)
    file, record = place / "file", place / checkpoints.RECORD
    {
        "gone": file.unlink,
        "shorter": lambda: file.write_text("con"),
        "no record": record.unlink,
        "torn record": lambda: record.write_text(record.read_text()[:20]),
    }[harm]()
    (tmp_path / "checkpoint-old").mkdir()

    assert last_checkpoint(tmp_path, {"seed": 0}).name == "checkpoint-1"


def test_other_trained_parameters_than_the_files_are_refused(tmp_path):
    model = build()
    model.set_stage("adapter")
    write_trained(model, tmp_path)
    read_trained(model, tmp_path)
    model.set_stage("instruct")

    with pytest.raises(ValueError, match=r"holds 8 trained tensors, and \d+ are trained now"):
        read_trained(model, tmp_path)


def test_low_rank_adapters_belong_to_the_instruction_stage():
    with pytest.raises(ValueError, match="'adapter' has lora; expected it in the stage 'instruct'"):
        StageSettings(stage="adapter", steps=1, batch=1, rate=1, lora=Lora())
