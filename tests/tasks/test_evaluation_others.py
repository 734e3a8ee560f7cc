"""Asking models that were not trained here: found by their files, asked by a worker, scored."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from storage import answers, models, paths, questions, scores
from storage.models import ModelRow
from storage.paths import PathRow
from storage.questions import QuestionRow
from storage.receipts import Receipt
from storage.tables import SPECS
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.evaluation import stage
from tasks.evaluation.asking import FREE, OPTION_LOGPROB
from tasks.evaluation.candidates import EvaluateConfig
from tasks.evaluation.places import find_model
from tasks.images import image_id
from tasks.stage import Site
from tasks.workers import Done, Shard, Workers, WorkersConfig
from tests import vlms

MINING = "m"
CORPUS = "corpus"
SSL = EncoderConfig(spec="tiny:ssl")
BLIND = EmbedConfig(clip=SSL, ssl=SSL)
"""Encoders that no text can be asked of, so that only other models are."""


class Here(Workers):
    """Workers in this process."""

    def __init__(self):
        super().__init__(WorkersConfig(device="cpu"))
        self.asked = 0

    def run(self, function, shards):
        for items in shards:
            self.asked += sum(len(sitting.questions) for sitting in items)
            shard = Shard(items=items, attempts=1)
            yield Done(shard=shard, value=function(items), worker="", pid=0, seconds=0)


@pytest.fixture
def site(db, home):
    """A store with a pair of pictures and two questions about them."""
    db.make(SPECS.values())
    images = []
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (60, 60, 3), np.uint8)
        file = home / f"{number}.png"
        file.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(pixels).save(file)
        images.append(image_id(file.read_bytes()))
        row = PathRow(
            corpus=CORPUS,
            path=str(file),
            image=images[-1],
            label=None,
            caption=None,
            attributes=None,
            size_bytes=file.stat().st_size,
            mtime_ns=file.stat().st_mtime_ns,
            made_by="",
        )
        paths.upsert(db, [row])
    asked = [
        QuestionRow(
            mining=MINING,
            benchmark="mined",
            question_id=f"q{number}",
            pair_id="p",
            image=image,
            attribute="hat",
            question="Is there a hat on it?",
            options=("yes", "no"),
            answer=("yes", "no")[number],
            statement=None,
            pattern=None,
            source="attribute",
            key="metadata",
        )
        for number, image in enumerate(images)
    ]
    questions.replace(db, MINING, asked)
    return Site(db=db, home=home, workers=Here())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return vlms.save("llava", tmp_path_factory.mktemp("llava-tiny"))


def prepare(site, *places, trained=()):
    inputs = {
        name: Receipt(table=name, version=site.db.version(spec), rows=0, digest="")
        for name, spec in (("questions", questions.SPEC), ("paths", paths.SPEC))
    }
    config = EvaluateConfig(models=tuple(map(str, places)))
    return stage.prepare(site, config, BLIND, [CORPUS], inputs, MINING, trained)


def test_another_model_is_asked_once_and_scored(site, folder):
    context = prepare(site, folder, folder)
    stage.run(context)
    again = stage.run(prepare(site, folder))

    (name,) = {row.name.model for row in answers.read(site.db)}
    assert name.startswith(folder.name)
    assert {row.name.protocol for row in answers.read(site.db)} == {OPTION_LOGPROB, FREE}
    assert site.workers.asked == 4
    assert again.new == 0
    assert stage.look(context) is not None
    rows = [row for row in scores.read(site.db, MINING) if row.pattern is None]
    assert {(row.model, row.features, row.seed) for row in rows} == {(name, None, None)}


def test_other_weights_or_settings_are_another_model(site, folder, tmp_path):
    first = find_model(str(folder), trust_remote_code=False, hash_cache=None)
    other = vlms.save("llava", tmp_path / folder.name)
    same = find_model(str(other), trust_remote_code=False, hash_cache=None)
    config = json.loads((other / "generation_config.json").read_text())
    (other / "generation_config.json").write_text(json.dumps({**config, "max_length": 7}))
    changed = find_model(str(other), trust_remote_code=False, hash_cache=None)

    assert (same.name, same.weights) == (first.name, first.weights)
    assert changed.weights != first.weights
    assert changed.name != first.name


def test_a_model_trained_here_that_sees_pixels_needs_no_encoder(site, folder):
    place = site.home / "models" / "large"
    place.parent.mkdir(parents=True)
    place.symlink_to(folder)
    row = ModelRow(
        model="large",
        features="interleaved",
        ssl_share=None,
        seed=0,
        steps=9,
        folder="models/large",
        weights="w",
        facts={"encoders": {}},
        figures={},
        trained_images=1,
    )
    models.upsert(site.db, [row])

    stage.run(prepare(site, trained=["large"]))
    models.upsert(site.db, [dataclasses.replace(row, weights="other")])
    stage.run(prepare(site, trained=["large"]))

    assert site.workers.asked == 8
    (found,) = {row.features for row in scores.read(site.db, MINING)}
    assert found == "interleaved"


@pytest.mark.parametrize("content", [None, "empty", "no weights"])
def test_a_place_without_a_model_is_named(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = tmp_path / "model"
    if content:
        place.mkdir()
    if content == "no weights":
        (place / "config.json").write_text("{}")

    with pytest.raises(ValueError, match=r"model '.*model'.*(hf download|save_pretrained)"):
        find_model(str(place), trust_remote_code=False, hash_cache=None)
