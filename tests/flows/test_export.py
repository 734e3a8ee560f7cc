"""`mmvp export model`: the one that is asked for, with its encoders and scores, or why not."""

import json
import shutil

import pytest

from flows.cli import main
from flows.settings import Settings
from storage import models, runs, scores
from storage.database import Database
from storage.models import ModelRow
from storage.questions import MINED
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.scores import ScoreRow
from storage.tables import SPECS
from tasks.training.recipe import TOWERS, Variant
from tests import lessons

MODELS = (
    Variant("clip", None, 0),
    Variant("additive", 0.25, 0),
    Variant("additive", 0.75, 0),
    Variant("interleaved", None, 0),
    Variant("interleaved", None, 1),
)


@pytest.fixture
def empty(home):
    """A store in which nothing was trained."""
    db = Database(Settings.read().store)
    db.make(SPECS.values())
    return db


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home in which models were trained on six pictures and scored."""
    place = tmp_path_factory.mktemp("home")
    course = lessons.learn_from_pictures(place, MODELS)
    rows = [row_of(one, course) for one in MODELS]
    db = Database(str(place / "store"))
    db.make(SPECS.values())
    models.upsert(db, rows)
    scores.replace(db, "m", [score_of(row) for row in rows])
    record(db, [row.model for row in rows])
    return place


@pytest.fixture
def trained(place, monkeypatch):
    """The rows of the models of that home, which is the command's."""
    monkeypatch.setenv("MMVP_HOME", str(place))
    monkeypatch.delenv("MMVP_STORE", raising=False)
    return {row.model: row for row in models.read(Database(str(place / "store")))}


def row_of(variant, course):
    return ModelRow(
        model=variant.label,
        features=variant.features,
        ssl_share=variant.ssl_share,
        seed=variant.seed,
        steps=4,
        folder=f"models/{variant.label}",
        weights="f" * 64,
        facts={
            "config": course.config.of_each_model(),
            "encoders": {role: course.names[role] for role in TOWERS[variant.features]},
        },
        figures={},
        trained_images=6,
    )


def score_of(row):
    shares = dict.fromkeys(("both_right", "same_answer", "swapped", "other"), 0.25)
    return ScoreRow(
        mining="m",
        benchmark=MINED,
        model=row.model,
        features=row.features,
        ssl_share=row.ssl_share,
        seed=row.seed,
        steps=row.steps,
        protocol="option-logprob",
        key="facts",
        pattern=None,
        pairs=150,
        pair_accuracy=0.5,
        pair_low=0.4,
        pair_high=0.625,
        question_accuracy=0.7,
        question_low=0.65,
        question_high=0.75,
        unread=0,
        chance=0.25,
        **shares,
    )


def record(db, names):
    receipt = Receipt(table="models", version=1, rows=len(names), digest="")
    run = RunRow(
        run="r",
        finished=1.0,
        flow="mmvp",
        state="done",
        settings={"figures": {"train": {"models": names}, "mine": {"mining": "m"}}},
        receipts={"models": receipt, "scores": receipt},
    )
    runs.add(db, run)


def export(capsys, to, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["export", "model", "--to", str(to), "--json", *arguments])
    out = capsys.readouterr()
    return ended.value.code, json.loads(out.out.splitlines()[-1])


def test_the_model_that_is_asked_for_is_written_with_its_card(trained, tmp_path, capsys):
    to = tmp_path / "out"

    code, found = export(capsys, to, "--features", "interleaved", "--seed", "1")

    assert code == 0
    assert found == {"model": "mof-interleaved-seed1", "weights": "f" * 64, "folder": str(to)}
    config = json.loads((to / "config.json").read_text())
    assert config["mode"] == "interleaved"
    assert [tower["name"] for tower in config["vision_config"]["towers"]] == ["clip", "ssl"]
    card = (to / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "| CLIP-blind pairs | option-logprob | facts | 150 | 50.0 (40.0 to 62.5) |" in card
    for name in trained["mof-interleaved-seed1"].facts["encoders"].values():
        assert name in card
    assert '"adapter_steps": 3' in card
    assert "MIT" in card


def test_a_share_picks_an_additive_model(trained, tmp_path, capsys):
    code, found = export(capsys, tmp_path / "a", "--features", "additive", "--ssl-share", "0.75")

    assert (code, found["model"]) == (0, "mof-additive-0.75-seed0")
    assert json.loads((tmp_path / "a" / "config.json").read_text())["ssl_share"] == 0.75


def test_a_hub_that_cannot_be_reached_leaves_the_folder(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    to = tmp_path / "out"

    code, found = export(capsys, to, "--features", "clip", "--hub", "someone/model")

    assert code == 1
    assert "the hub did not take 'someone/model': " in found["error"]
    assert f"run `hf upload someone/model {to}`" in found["error"]
    assert (to / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "additive"], "fits 2 models: mof-additive-0.25-seed0, mof-additive-0.75-"),
        (["--features", "interleaved"], "add --ssl-share or --seed"),
        (["--features", "ssl"], "no model for --features ssl; there are: mof-"),
        (["--features", "clip", "--seed", "7"], "no model for --features clip --seed 7"),
        (["--features", "clip", "--clip", "tiny:clip-control"], "name the right one with --clip"),
    ],
)
def test_what_is_not_there_is_named(trained, tmp_path, capsys, arguments, message):
    code, found = export(capsys, tmp_path / "out", *arguments)

    assert code == 1
    assert message in found["error"]
    assert not (tmp_path / "out").exists()


def test_a_store_without_models_says_what_to_run(empty, tmp_path, capsys):
    code, found = export(capsys, tmp_path / "out", "--features", "clip")

    assert code == 1
    assert "run `mmvp demo`, or `mmvp run` with --train-corpus" in found["error"]


def test_a_model_whose_files_are_gone_is_named(trained, place, tmp_path, capsys, monkeypatch):
    shutil.copytree(place / "store", tmp_path / "store")
    monkeypatch.setenv("MMVP_HOME", str(tmp_path))

    code, found = export(capsys, tmp_path / "out", "--features", "clip")

    assert code == 1
    assert "the files of mof-clip-seed0 are not in" in found["error"]
