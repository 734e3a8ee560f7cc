"""What a recipe says, and reading one: ours by its name, a user's own from a file.

Put here: the fields of a recipe, variants of one, single fields that are set otherwise.
Keep out: values; they are data (`*.json` and `*.jinja`, beside this file, with their sources).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.training.settings import Kind, StageSettings

FOLDER: Final = Path(__file__).parent
MODES: Final = ("interleaved", "append", "additive", "concat")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LanguageRecipe(_Part):
    """The language model: a pretrained one, or a new Llama that the stage `language` trains."""

    model: str | None = None
    """Hub name or folder of a causal language model with its tokenizer; empty: a new one."""

    width: int | None = Field(default=None, ge=8)
    """Width of a new one."""

    layers: int | None = Field(default=None, ge=1)
    """Its blocks."""

    heads: int | None = Field(default=None, ge=1)
    """Its attention heads."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        sizes = (self.width, self.layers, self.heads)
        given = [size is not None for size in sizes]
        if not all(given) if self.model is None else any(given):
            message = (
                f"model is {self.model!r} with width, layers, heads {sizes}; expected either a "
                f"model, or all three sizes of a new one"
            )
            raise ValueError(message)
        return self


class TowerRecipe(_Part):
    """One vision encoder."""

    role: str
    """clip, ssl or control: what the kinds of features call it."""

    place: str
    """Hub name or folder of a vision model; of a shipped one its name, like tiny:clip."""

    feature_layer: int
    """Which hidden state is taken: -1 is the last block before the final norm."""

    feature_norm: Literal["none", "layernorm"] = "none"
    """A layer norm without weights over each of its tokens, or none."""

    image_px: int | None = Field(default=None, ge=1)
    """Side of its input; empty: the canvas."""

    patch_px: int | None = Field(default=None, ge=1)
    """Side of a patch, of a model whose config does not tell it."""

    statistics_of: str | None = None
    """The role of the tower whose mean and deviation normalise its pixels; empty: its own."""


class StageRecipe(_Part):
    """One stage: what is learnt from, and how."""

    data: str
    """What it was published with, in words; the file is the user's to name."""

    template: str
    """Name of a chat template beside the recipes, or a file of one."""

    pad: bool = False
    """Show a whole image, padded to a square, instead of its middle."""

    images_first: bool = False
    """Put the place of a single image before the question, wherever it stands."""

    longest: int | None = Field(default=None, ge=1)
    """Most tokens of a conversation."""

    settings: StageSettings
    """How it goes."""


class Recipe(_Part):
    """How a Mixture-of-Features model is made, from its parts to the end of its training."""

    name: str
    """What it is called."""

    about: str
    """What it is, in a sentence or two."""

    language: LanguageRecipe
    towers: tuple[TowerRecipe, ...] = Field(min_length=1)
    canvas_px: int = Field(ge=1)
    """Side of the square picture that all towers see."""

    projector_layers: int = Field(default=2, ge=1)
    """Linear layers of an adapter."""

    stages: Mapping[Kind, StageRecipe] = Field(min_length=1)
    """The stages, in their order."""

    sources: Mapping[str, str]
    """Where each value is from, by its path or the start of it."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        roles = [tower.role for tower in self.towers]
        if len(set(roles)) < len(roles):
            message = f"towers have the roles {', '.join(roles)}; expected each once"
            raise ValueError(message)
        for tower in self.towers:
            if tower.statistics_of not in (None, *roles):
                message = (
                    f"tower {tower.role!r}: statistics_of is {tower.statistics_of!r}, expected "
                    f"one of {', '.join(roles)}"
                )
                raise ValueError(message)
        for kind, stage in self.stages.items():
            if stage.settings.stage != kind:
                message = f"stage {kind!r} has settings of stage {stage.settings.stage!r}"
                raise ValueError(message)
        return self

    def tower(self, role: str) -> TowerRecipe:
        """Return the tower with a role.

        Raises:
            ValueError: if there is none.
        """
        for tower in self.towers:
            if tower.role == role:
                return tower
        roles = ", ".join(tower.role for tower in self.towers)
        message = f"recipe {self.name!r} has no tower {role!r}; it has {roles}"
        raise ValueError(message)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with mmvp, variants after a slash."""
    names = []
    for file in FOLDER.glob("*.json"):
        variants = json.loads(file.read_text()).get("variants", {})
        names += [file.stem, *(f"{file.stem}/{variant}" for variant in variants)]
    return sorted(names)


def load_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        name: of one that comes with mmvp, like llava15-13b or llava15-13b/released; or the path of
            a JSON file, again with a variant after a slash if it has some.
        overrides: values by their path, like {"stages.instruct.settings.rate": 1e-5}; towers are
            named by their role.

    Raises:
        ValueError: if there is no such recipe or variant, or one of its values cannot be.
    """
    place, variant = _find(name)
    try:
        values = json.loads(place.read_text())
    except (OSError, ValueError) as error:
        message = f"recipe {str(place)!r} cannot be read: {error}; expected a file of JSON"
        raise ValueError(message) from error
    if not isinstance(values, dict):
        message = f"recipe {str(place)!r} is a {type(values).__name__}, expected an object"
        raise ValueError(message)
    variants = values.pop("variants", {})
    if variant and variant not in variants:
        known = ", ".join(sorted(variants)) or "it has none"
        message = f"recipe {str(place)!r} has no variant {variant!r}; expected one of: {known}"
        raise ValueError(message)
    if variant:
        values["name"] = f"{values.get('name', place.stem)}/{variant}"
        values["sources"] = {**values.get("sources", {}), **variants[variant]["sources"]}
    changed = variants[variant]["values"] if variant else {}
    for path, value in {**changed, **(overrides or {})}.items():
        _set(values, path, value)
    return Recipe.model_validate(values)


def _find(name: str) -> tuple[Path, str]:
    """Return the file of a recipe, and its variant, which may be empty."""
    if name in recipe_names():
        stem, _, variant = name.partition("/")
        return FOLDER / f"{stem}.json", variant
    place = Path(name).expanduser()
    if place.suffix == ".json" and place.is_file():
        return place, ""
    if place.parent.suffix == ".json" and place.parent.is_file():
        return place.parent, place.name
    message = (
        f"no recipe {name!r}; expected one of {', '.join(recipe_names())}, or the path of a "
        f".json file"
    )
    raise ValueError(message)


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    """Set a value by its path; whether it may be there is for the model of a recipe to say."""
    *parents, last = path.split(".")
    inner: Any = values
    for part in parents:
        if isinstance(inner, list):
            inner = next((each for each in inner if each.get("role") == part), None)
        else:
            inner = inner.get(part) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        message = (
            f"a recipe has no value {path!r}; expected a path like stages.instruct.settings.rate"
        )
        raise ValueError(message)
    inner[last] = value


def template_text(name: str) -> str:
    """Return a chat template by its name, or from a file.

    Raises:
        ValueError: if there is none.
    """
    known = {file.stem: file for file in FOLDER.glob("*.jinja")}
    file = known.get(name, Path(name).expanduser())
    if not file.is_file():
        message = (
            f"no chat template {name!r}; expected one of {', '.join(sorted(known))}, or the path "
            f"of a file"
        )
        raise ValueError(message)
    return file.read_text()
