"""Small things to learn for tests: images as tokens, and one answer that only some tokens tell."""

import dataclasses

import numpy as np
import torch

from tasks.encoders import EncoderConfig, identify
from tasks.images import image_id
from tasks.training import jobs, material
from tasks.training.jobs import Assignment, Course, train_models
from tasks.training.loop import learn_language, make_model, train_model
from tasks.training.material import Example
from tasks.training.recipe import TrainConfig
from tasks.training.words import make_tokenizer
from tests import pictures

HAT = "Is there a hat on it?"
KIND = "What is the main object?"
PATCHES, WIDTH = 4, 8

CONFIG = TrainConfig(
    ssl_shares=(0.5,),
    steps=4,
    adapter_steps=3,
    language_steps=2,
    batch=4,
    turns=2,
    width=32,
    layers=1,
    heads=2,
)
"""The smallest models that have everything."""


def examples_of(count):
    """Return examples; odd ones wear a hat, and of three one is a car."""
    kinds, hats = ("car", "duck", "cup"), ("no", "yes")
    return [
        Example(
            image=f"image{number:03}",
            paths=(),
            caption=f"red {kinds[number % 3]}",
            turns=((KIND, kinds[number % 3]), (HAT, hats[number % 2])),
        )
        for number in range(count)
    ]


def features_of(count):
    """Return tokens (N, P, D) by role: those of `ssl` and `control` tell the hat, `clip` does not.

    All tell the kind.
    """
    rng = np.random.default_rng(0)
    kinds, hat_D = rng.normal(size=(3, WIDTH)), rng.normal(size=WIDTH)
    features = {}
    for role, sees_hats in (("clip", False), ("ssl", True), ("control", True)):
        tokens_NPD = 0.02 * rng.normal(size=(count, PATCHES, WIDTH))
        for number in range(count):
            tokens_NPD[number, 0] += kinds[number % 3]
            tokens_NPD[number, 1:] += -hat_D if sees_hats and number % 2 else hat_D
        features[role] = torch.from_numpy(tokens_NPD.astype(np.float16))
    return features


def hat():
    """Return what the tokens of `ssl` tell of a bare head (D); of a hat its opposite."""
    rng = np.random.default_rng(0)
    rng.normal(size=(3, WIDTH))
    return torch.from_numpy(rng.normal(size=WIDTH)).float()


def learn(variant, config, folder, *, count=24):
    """Train a model on the first examples and save it with its tokenizer; return the folder."""
    examples, features = examples_of(count), features_of(count)
    tokenizer = make_tokenizer(examples)
    language, _ = learn_language(examples, tokenizer, config, variant.seed)
    model = make_model(variant, config, features, tokenizer, language)
    train_model(model, variant, config, features, examples, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


ENCODERS = {
    "clip": EncoderConfig(spec="tiny:clip"),
    "ssl": EncoderConfig(spec="tiny:ssl"),
    "control": EncoderConfig(spec="tiny:clip-control"),
}


def learn_from_pictures(place, variants):
    """Train models as a worker does, on six pictures and with the shipped encoders.

    Return the course; a model's folder is named by its label.
    """
    files = [pictures.draw_photo(place / f"{number}.png", number, side=80) for number in range(6)]
    examples = [
        dataclasses.replace(example, image=image_id(file.read_bytes()), paths=(str(file),))
        for example, file in zip(examples_of(6), files, strict=True)
    ]
    course = Course(
        material=material.keep(examples, place),
        models=place / "models",
        config=CONFIG,
        encoders=ENCODERS,
        names={role: identify(config).name for role, config in ENCODERS.items()},
        device="cpu",
    )
    jobs._FEATURES.clear()
    train_models([Assignment(one.label, one) for one in variants], course)
    return course


def longer(**changes):
    """Return the smallest settings with some that make a model see the hat in seconds."""
    schooled = {"steps": 150, "adapter_steps": 10, "batch": 16, "caption_share": 0.1, "rate": 3e-3}
    return TrainConfig(**CONFIG.model_dump() | schooled | changes)
