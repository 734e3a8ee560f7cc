"""What a worker does for the stage `train`: train some models and write their folders.

Put here: one model's folder, and the encoders' tokens and language models that models share.
Keep out: which models there are to train (`stage`) and their names (`assignments`), beside this
file.

A folder is written beside its place and moved there when it is whole; one that is there is kept.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

from tasks.training import material
from tasks.training.assignments import (
    RECORD,
    WEIGHTS,
    Assignment,
    Course,
    Trained,
    is_whole,
    name_at,
    names_of,
)
from tasks.training.features import ImageFiles, token_features
from tasks.training.loop import State, learn_language, make_model, train_model
from tasks.training.recipe import TrainConfig, roles_of
from tasks.training.trainer import AtSteps
from tasks.training.words import make_tokenizer


def train_models(assignments: Sequence[Assignment], course: Course) -> list[Trained]:
    """Train models one after the other; those whose folder is there are read instead."""
    disable_progress_bar()
    torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
    return [trained for assignment in assignments for trained in _trained(assignment, course)]


def _trained(assignment: Assignment, course: Course) -> list[Trained]:
    names = names_of(assignment.key, course.config)
    if not all(is_whole(course.models / name) for name in names):
        _train(assignment, course)
    found = []
    for name, step in names.items():
        folder = course.models / name
        weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        figures = json.loads((folder / RECORD).read_text())["figures"]
        found.append(Trained(name, step, weights, figures))
    return found


def _train(assignment: Assignment, course: Course) -> None:
    variant, config = assignment.variant, course.config
    examples = material.load(course.material)
    tokenizer = _tokenizer(course.material)
    language, spoken = _language(course.material, config, variant.seed)
    features = {role: _features(course, role) for role in roles_of(variant.features)}
    model = make_model(variant, config, features, tokenizer, language)

    def keep(step: int, losses: Mapping[str, Any]) -> None:
        folder = course.models / name_at(assignment.key, step, config)
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
        record = {
            "features": variant.features,
            "ssl_share": variant.ssl_share,
            "seed": variant.seed,
            "steps": step,
            "config": config.of_each_model(),
            "encoders": {role: course.names[role] for role in roles_of(variant.features)},
            "figures": {"language": spoken, **losses},
        }
        (part / RECORD).write_text(json.dumps(record, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)

    *early, last = config.kept_steps()
    on_the_way = AtSteps(early, lambda step: keep(step, {}))
    losses = train_model(
        model, variant, config, features, examples, tokenizer, callbacks=[on_the_way]
    )
    keep(last, losses)


@lru_cache(maxsize=1)
def _tokenizer(file: Path) -> PreTrainedTokenizerFast:
    return make_tokenizer(material.load(file))


@lru_cache(maxsize=2)
def _language(file: Path, config: TrainConfig, seed: int) -> tuple[State, list[float]]:
    return learn_language(material.load(file), _tokenizer(file), config, seed)


_FEATURES: dict[tuple[Path, str, str], Tensor] = {}
"""By material, role and encoder; a role has its own layer, whichever encoder plays it."""


def _features(course: Course, role: str) -> Tensor:
    """Return the tokens of the material's images; those of all roles are made at once."""
    if (course.material, role, course.names[role]) not in _FEATURES:
        _FEATURES.clear()
        images = [ImageFiles(one.image, one.paths) for one in material.load(course.material)]
        found = token_features(images, course.encoders, course.names, course.device)
        for one, tokens in found.items():
            _FEATURES[course.material, one, course.names[one]] = tokens
    return _FEATURES[course.material, role, course.names[role]]
