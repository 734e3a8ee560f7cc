"""Large models by recipe: their names, what is resumed, what is refused."""

import dataclasses
import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from storage import conversations, models, paths, questions
from storage.conversations import ConversationRow, Turn
from storage.questions import QuestionRow
from storage.tables import SPECS
from tasks import ingest
from tasks.ingest import IngestConfig
from tasks.recipes.large import LargeConfig
from tasks.stage import Site
from tasks.training import checkpoints, large_stage, run
from tasks.training.large import MODEL
from tasks.training.launch import LaunchError
from tasks.training.recipe import TrainConfig
from tasks.workers import Workers, WorkersConfig
from tests import pictures
from tests.tasks.recipes import parts

MINING = "m"
MIX = "talks-0123456789ab"
SMALL = {
    "canvas_px": 56,
    "stages.adapter.settings.batch": 2,
    "stages.instruct.settings.batch": 2,
    "stages.adapter.settings.save_every": 1,
    "stages.instruct.settings.save_every": 1,
    "stages.instruct.settings.rate": 1e-3,
    "stages.adapter.settings.bfloat16": False,
    "stages.instruct.settings.bfloat16": False,
}


class NeverStops:
    """A training in this process: nobody tells it to stop."""

    def on_step_end(self, args, state, control, **_):
        return control

    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of small parts."""
    folder = tmp_path_factory.mktemp("parts")
    return {
        "language": parts.save_language(folder / "language"),
        "clip": parts.save_clip(folder / "clip"),
        "ssl": parts.save_dinov2(folder / "dinov2"),
    }


@pytest.fixture
def site(db, home, tmp_path, monkeypatch):
    """A store with what is said about four pictures, and no process but this one."""
    db.make(SPECS.values())
    for number in range(4):
        pictures.draw_photo(tmp_path / "photos" / f"{number}.png", number)
    with Workers(WorkersConfig(workers=1, device="cpu")) as workers:
        site = Site(db=db, home=home, workers=workers)
        corpora = ingest.resolve_corpora([str(tmp_path / "photos")])
        ingest.run(ingest.prepare(site, IngestConfig(), corpora))
    images = sorted(paths.images(db, corpora))
    say(db, images)
    monkeypatch.setattr(large_stage, "train_together", train_here)
    return site


def say(db, images, answer="red"):
    rows = [
        ConversationRow(
            mix=MIX,
            position=number,
            id=None,
            system=None,
            images=(image,),
            turns=(Turn("<image>\nwhat colour is it?", answer),),
        )
        for number, image in enumerate(images)
    ]
    conversations.replace(db, MIX, rows, start=0)


def train_here(job, *, processes, **_):
    """Carry out a stage in this process."""
    job.out.mkdir(parents=True, exist_ok=True)
    (job.out / "job.json").write_text(job.model_dump_json())
    assert run.train(job, run.Place(0, processes), NeverStops())
    return job.out / MODEL


def prepare(site, own_places, /, mining=MINING, **changes):
    settings = {
        "recipe": "llava15-7b",
        "mixes": {"adapter": "talks", "instruct": MIX},
        "overrides": SMALL,
        "places": own_places,
        "processes": 1,
    }
    large = LargeConfig(**settings | changes)
    config = TrainConfig(features=("interleaved",), large=large)
    return large_stage.prepare(site, config, large, mining)


def weights_of(site):
    (row,) = models.read(site.db)
    return row.weights


def test_a_model_goes_through_both_stages_once(site, places):
    context = prepare(site, places)
    outcome = large_stage.run(context)
    again = large_stage.run(prepare(site, places))

    (row,) = models.read(site.db)
    folder = site.home / row.folder
    assert (outcome.new, again.new) == (1, 0)
    assert row.model.startswith("llava15-7b-interleaved-seed0-")
    assert (row.features, row.steps, row.trained_images) == ("interleaved", 2, 4)
    assert row.facts["encoders"] == {}
    assert row.figures["losses"].keys() == {"adapter", "instruct"}
    assert {"modeling_mof.py", "chat_template.jinja"} <= {file.name for file in folder.iterdir()}
    assert large_stage.look(context)["models"].rows == 1
    assert not (site.home / "training" / row.model / "base").exists()


def test_each_towers_adapter_begins_the_second_stage_as_it_ended_the_first(
    site, places, monkeypatch
):
    begun = {}

    def watch(job, **of):
        begun[job.settings.stage] = load_file(job.model / "model.safetensors")
        return train_here(job, **of)

    monkeypatch.setattr(large_stage, "train_together", watch)
    large_stage.run(prepare(site, places))

    (row,) = models.read(site.db)
    folder = site.home / "training" / row.model / "adapter" / "checkpoints"
    last = checkpoints.checkpoints(folder)[-1]
    ended = load_file(last / checkpoints.WEIGHTS)
    assert {name.split(".")[3] for name in ended} == {"clip", "ssl"}
    assert all("multi_modal_projector" in name for name in ended)
    for name, tensor in ended.items():
        assert torch.equal(begun["instruct"][name], tensor), name
        assert not torch.equal(begun["adapter"][name], tensor), name
    clip, ssl = (
        torch.cat([t.flatten() for name, t in sorted(ended.items()) if f".{tower}." in name])
        for tower in ("clip", "ssl")
    )
    assert not torch.equal(clip, ssl), "neither adapter is a copy of the other"


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        (None, "2 steps, 40 tokens and .* TFLOP a row; name a gpu for hours and memory"),
        ("h100", "2 steps, 40 tokens .* about 0.0 hours, 0 in money; a process needs about"),
    ],
)
def test_a_stage_says_before_what_it_will_take(gpu, words, site, places, caplog, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(large_stage, "train_together", stop)
    with caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
        large_stage.run(prepare(site, places, gpu=gpu, gpu_price=1.0))

    assert re.search(words, caplog.text)


def test_a_training_that_is_cut_short_anywhere_ends_with_the_same_model(
    site, places, monkeypatch, tmp_path
):
    large_stage.run(prepare(site, places))
    whole = weights_of(site)
    (row,) = models.read(site.db)
    shutil.rmtree(site.home / row.folder)
    shutil.rmtree(site.home / "training")
    begun = []

    def cut(job, **of):
        begun.append(job.settings.stage)
        if begun == ["adapter", "instruct"]:
            message = "as if it were killed"
            raise LaunchError(message)
        return train_here(job, **of)

    monkeypatch.setattr(large_stage, "train_together", cut)
    with pytest.raises(LaunchError, match="as if it were killed"):
        large_stage.run(prepare(site, places))
    conversations.replace(  # another mix, and so another version of the table
        site.db,
        "other",
        [dataclasses.replace(conversations.read(site.db, MIX)[0], mix="other")],
        start=0,
    )
    large_stage.run(prepare(site, places))

    assert begun == ["adapter", "instruct", "adapter", "instruct"]
    assert weights_of(site) == whole


def test_a_fault_that_would_come_again_is_not_tried_again(site, places, monkeypatch):
    def fail(*_, **__):
        message = "NotFiniteError: step 3"
        raise LaunchError(message)

    monkeypatch.setattr(large_stage, "train_together", fail)

    with pytest.raises(ValueError, match="NotFiniteError: step 3"):
        large_stage.run(prepare(site, places))


def test_what_decides_a_bit_renames_a_model_and_a_place_does_not(site, places, tmp_path):
    def name(**changes):
        (found,) = prepare(site, places, **changes).facts["models"]
        return found

    first = name()
    moved = tmp_path / "moved"
    shutil.copytree(places["clip"], moved)
    assert name(places={**places, "clip": str(moved)}) == first
    assert name(tensorboard=True, idle_s=5) == first
    assert name(overrides={**SMALL, "stages.instruct.settings.rate": 1e-4}) != first
    assert name(dtype="bfloat16") != first
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "hidden_act": "gelu"}))
    assert name(places={**places, "clip": str(moved)}) != first
    say(site.db, sorted(conversations.images(site.db, MIX)), answer="blue")
    assert name() != first


def test_asked_images_are_never_learnt_from(site, places):
    images = sorted(conversations.images(site.db, MIX))
    question = QuestionRow(
        mining=MINING,
        benchmark="mined",
        question_id="q",
        pair_id="",
        image=images[0],
        attribute="fur",
        question="?",
        options=("white", "black"),
        answer="white",
        statement=None,
        pattern=None,
        source="attribute",
        key="metadata",
    )
    questions.replace(site.db, MINING, [question])

    large_stage.run(prepare(site, places))

    (row,) = models.read(site.db)
    assert row.trained_images == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "llava-70b"}, "no recipe 'llava-70b'; expected one of"),
        ({"recipe": "tiny"}, "makes a new language model"),
        ({"mixes": {"adapter": "talks"}}, "stage 'instruct' .* no mix is '', of talks-"),
        ({"mixes": {"adapter": "tlaks"}}, "stage 'adapter' .* no mix is 'tlaks', of talks-"),
        ({"places": {}}, "'lmsys/vicuna-7b-v1.5' is no folder here"),
        ({"overrides": {"canvas": 5}}, "canvas"),
    ],
)
def test_what_is_not_there_is_named(changes, words, site, places):
    changes = {"places": {}, **changes} if changes.get("recipe") == "tiny" else changes

    with pytest.raises(ValueError, match=words):
        prepare(site, places, **changes)
