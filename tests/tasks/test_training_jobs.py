"""What a worker does to train models: whole folders, and work that models share."""

import dataclasses
import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

from tasks.encoders import EncoderConfig, identify
from tasks.images import image_id
from tasks.training import jobs, material
from tasks.training.features import ImageFiles, token_features
from tasks.training.jobs import RECORD, WEIGHTS, Assignment, Course, train_models
from tasks.training.recipe import TrainConfig, Variant
from tests import lessons, pictures

ENCODERS = {"clip": EncoderConfig(spec="tiny:clip"), "ssl": EncoderConfig(spec="tiny:ssl")}
NAMES = {role: identify(config).name for role, config in ENCODERS.items()}
CLIP = Assignment("mof-clip-a", Variant("clip", None, 0))
ADDITIVE = Assignment("mof-additive-b", Variant("additive", 0.5, 0))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Six pictures, and what is told of them."""
    folder = tmp_path_factory.mktemp("shelf")
    files = [pictures.draw_photo(folder / f"{number}.png", number) for number in range(6)]
    examples = [
        dataclasses.replace(example, image=image_id(file.read_bytes()), paths=(str(file),))
        for example, file in zip(lessons.examples_of(6), files, strict=True)
    ]
    return material.keep(examples, folder)


@pytest.fixture
def course(shelf, tmp_path, monkeypatch):
    """A course of a process that has done nothing yet."""
    monkeypatch.setattr(jobs, "_FEATURES", {})
    for known in (jobs._language, jobs._tokenizer, material.load):
        known.cache_clear()
    return Course(
        material=shelf,
        models=tmp_path / "models",
        config=lessons.CONFIG,
        encoders=ENCODERS,
        names=NAMES,
        device="cpu",
    )


def images_of(course):
    return [ImageFiles(one.image, one.paths) for one in material.load(course.material)]


def test_a_models_folder_is_whole_and_read_again(course, monkeypatch):
    (trained,) = train_models([CLIP], course)

    folder = course.models / CLIP.key
    assert {WEIGHTS, RECORD, "config.json", "tokenizer.json"} <= {f.name for f in folder.iterdir()}
    assert [path.name for path in course.models.iterdir()] == [CLIP.key]
    assert trained.model == CLIP.key
    assert trained.weights == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert {name: len(losses) for name, losses in trained.figures.items()} == {
        "language": 1,
        "adapter": 1,
        "instruct": 1,
    }
    monkeypatch.setattr(jobs, "_train", lambda *_: pytest.fail("a model was trained twice"))
    assert train_models([CLIP], course) == [trained]


def test_the_record_says_how_a_model_was_trained(course):
    (trained,) = train_models([ADDITIVE], course)

    record = json.loads((course.models / ADDITIVE.key / RECORD).read_text())

    assert record == {
        "features": "additive",
        "ssl_share": 0.5,
        "seed": 0,
        "steps": lessons.CONFIG.steps,
        "config": lessons.CONFIG.of_each_model(),
        "encoders": NAMES,
        "figures": trained.figures,
    }


@pytest.mark.parametrize("missing", [WEIGHTS, RECORD, None])
def test_half_a_folder_is_made_anew_with_the_same_weights(missing, course):
    """None stands for a process that was killed before it moved its folder in place."""
    (trained,) = train_models([CLIP], course)
    folder = course.models / CLIP.key
    part = course.models / f".{CLIP.key}.part"
    if missing:
        (folder / missing).unlink()
    else:
        folder.rename(part)
        (part / WEIGHTS).write_bytes(b"half")
        (part / "strange").touch()

    assert train_models([CLIP], course) == [trained]

    assert not part.exists()
    assert jobs.is_whole(folder)
    assert not (folder / "strange").exists()


def test_a_model_that_fails_leaves_no_folder(course, monkeypatch):
    monkeypatch.setattr(jobs, "train_model", lambda *_, **__: pytest.fail("as if killed"))

    with pytest.raises(pytest.fail.Exception):
        train_models([CLIP], course)

    assert not course.models.exists()


def test_a_model_is_kept_on_the_way_as_well_and_the_end_is_the_same(course, tmp_path):
    (alone,) = train_models([CLIP], course)
    settings = TrainConfig(
        **lessons.CONFIG.model_dump() | {"score_at": (1, 3, lessons.CONFIG.steps)}
    )
    watched = dataclasses.replace(course, config=settings, models=tmp_path / "watched")

    first, second, end = train_models([CLIP], watched)

    assert [each.model for each in (first, second, end)] == [
        f"{CLIP.key}-step1",
        f"{CLIP.key}-step3",
        CLIP.key,
    ]
    assert [each.steps for each in (first, second, end)] == [1, 3, lessons.CONFIG.steps]
    assert end == alone
    assert len({first.weights, second.weights, end.weights}) == 3
    (watched.models / first.model / WEIGHTS).unlink()
    assert train_models([CLIP], watched) == [first, second, end]


def test_models_of_a_process_share_tokens_language_and_tokenizer(course, monkeypatch):
    counts = dict.fromkeys(("token_features", "learn_language", "make_tokenizer"), 0)

    def counting(name, function):
        def counted(*arguments):
            counts[name] += 1
            return function(*arguments)

        return counted

    for name in counts:
        monkeypatch.setattr(jobs, name, counting(name, getattr(jobs, name)))
    other_seed = Assignment("mof-clip-c", Variant("clip", None, 1))

    train_models([CLIP, ADDITIVE, other_seed], course)

    assert counts == {"token_features": 1, "learn_language": 2, "make_tokenizer": 1}


def test_other_settings_have_a_language_model_of_their_own(course, tmp_path):
    (one,) = train_models([CLIP], course)
    settings = TrainConfig(**lessons.CONFIG.model_dump() | {"language_steps": 3})
    other = dataclasses.replace(course, config=settings, models=tmp_path / "others")

    (two,) = train_models([CLIP], other)

    assert one.figures["language"] != two.figures["language"]
    assert one.weights != two.weights


def test_the_same_encoder_in_two_roles_is_seen_at_two_layers(course):
    """CLIP's tokens come from the block before the last one, those of an SSL encoder from it."""
    twice = dict.fromkeys(ENCODERS, ENCODERS["clip"])
    course = dataclasses.replace(course, encoders=twice, names=dict.fromkeys(NAMES, NAMES["clip"]))

    train_models([ADDITIVE], course)

    clip, ssl = (jobs._features(course, role) for role in ("clip", "ssl"))
    assert not torch.equal(clip, ssl)


def test_a_models_weights_hold_no_encoder(course):
    train_models([ADDITIVE], course)

    names = load_file(course.models / ADDITIVE.key / WEIGHTS)

    assert {name.split(".")[1] for name in names} == {"language_model", "multi_modal_projector"}


def test_tokens_are_those_of_the_images_in_their_order(course, monkeypatch):
    files = images_of(course)
    monkeypatch.setattr("tasks.training.features.IMAGES_AT_ONCE", 4)

    tokens = token_features(files, ENCODERS, NAMES, "cpu")
    backwards = token_features(files[::-1], {"ssl": ENCODERS["ssl"]}, NAMES, "cpu")

    assert {role: tuple(each.shape) for role, each in tokens.items()} == {
        "clip": (6, 36, 96),
        "ssl": (6, 36, 96),
    }
    assert tokens["clip"].dtype == torch.float16
    assert torch.equal(backwards["ssl"], tokens["ssl"].flip(0))


def test_an_encoder_that_is_another_one_here_is_refused(course):
    with pytest.raises(ValueError, match="on this worker and 'tiny-ssl-of-yore' where the flow"):
        token_features(images_of(course), ENCODERS, {**NAMES, "ssl": "tiny-ssl-of-yore"}, "cpu")


@pytest.mark.parametrize(("content", "reason"), [(None, "is vanished"), (b"other", "is changed")])
def test_an_image_that_is_gone_is_said(content, reason, course, tmp_path):
    file = tmp_path / "gone.png"
    if content:
        file.write_bytes(content)
    lost = ImageFiles("abc", (str(file),))

    with pytest.raises(ValueError, match=rf"image abc at .*gone.png {reason} .*`mmvp ingest`"):
        token_features([lost], {"clip": ENCODERS["clip"]}, NAMES, "cpu")
