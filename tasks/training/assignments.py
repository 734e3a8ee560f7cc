"""Models to train: their names, what they share, and when a model's folder is whole.

Put here: what the stage and its workers both know, without loading torch.
Keep out: the training itself (`jobs`, beside this file).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tasks.encoders import EncoderConfig
from tasks.encoders.specs import Device
from tasks.training.recipe import TrainConfig, Variant

WEIGHTS = "model.safetensors"
RECORD = "training.json"


class Assignment(NamedTuple):
    """A model to train, by its name."""

    key: str
    variant: Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the models of a run share: the material, the settings, the encoders by role."""

    material: Path
    models: Path
    config: TrainConfig
    encoders: Mapping[str, EncoderConfig]
    names: Mapping[str, str]
    device: Device


class Trained(NamedTuple):
    """A model after some steps: the sha256 of its weights and what training measured."""

    model: str
    steps: int
    weights: str
    figures: Mapping[str, Any]


def is_whole(folder: Path) -> bool:
    """Say whether a model's folder holds its weights, in one file or several, and its record."""
    return (folder / RECORD).is_file() and any(folder.glob("*.safetensors"))


def name_at(key: str, step: int, config: TrainConfig) -> str:
    """Return the name of a model after a step; the finished one has the assignment's."""
    return key if step == config.steps else f"{key}-step{step}"


def names_of(key: str, config: TrainConfig) -> dict[str, int]:
    """Return the names under which a model is kept, and after how many steps."""
    return {name_at(key, step, config): step for step in config.kept_steps()}
