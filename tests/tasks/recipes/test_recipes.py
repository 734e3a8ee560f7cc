"""Recipes are data: complete, each value with its source; what they cannot be is refused."""

import json

import pytest
from pydantic import ValidationError

from tasks.recipes import load_recipe, recipe_names, template_text
from tasks.recipes.recipe import FOLDER
from tasks.training.recipe import TrainConfig


def leaves(value, path=""):
    """Yield the paths of the values that a recipe's file states."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {each["role"]: each for each in value}
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path


def test_the_recipes_are_those_that_the_docs_name():
    page = (FOLDER.parent.parent / "docs" / "training.md").read_text()

    assert {"llava-7b", "llava-13b", "llava15-7b", "llava15-13b", "small", "tiny"} <= set(
        recipe_names()
    )
    assert [name for name in recipe_names() if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", recipe_names())
def test_each_value_of_a_recipe_has_a_source(name):
    recipe = load_recipe(name)
    stated = recipe.model_dump(
        mode="json", exclude_unset=True, exclude={"name", "about", "sources"}
    )

    without = [
        path
        for path in leaves(stated)
        if not path.endswith((".role", ".settings.stage"))
        and not any(f"{path}.".startswith(f"{source}.") for source in recipe.sources)
    ]

    assert without == []
    assert recipe.name == name


@pytest.mark.parametrize("name", recipe_names())
def test_the_templates_of_a_recipe_are_there(name):
    for stage in load_recipe(name).stages.values():
        assert "{%- generation -%}" in template_text(stage.template)


@pytest.mark.parametrize(
    ("name", "stage", "batch", "rate", "epochs"),
    [
        ("llava-13b", "adapter", 128, 1e-3, 1),
        ("llava-13b", "instruct", 128, 2e-5, 3),
        ("llava15-13b", "adapter", 256, 2e-3, 1),
        ("llava15-13b", "instruct", 128, 2e-5, 1),
        ("llava15-13b/released", "adapter", 256, 1e-3, 1),
        ("llava15-13b/released", "instruct", 176, 2e-5, 1),
    ],
)
def test_the_papers_table_and_the_released_scripts_are_both_there(name, stage, batch, rate, epochs):
    settings = load_recipe(name).stages[stage].settings

    assert (settings.batch, settings.rate, settings.epochs) == (batch, rate, epochs)
    assert (settings.warm_up, settings.decay, settings.rest) == (0.03, 0, 0)


def test_the_tiny_recipe_is_what_the_miniature_trains_by_default():
    recipe, config = load_recipe("tiny"), TrainConfig()

    for kind, stage in recipe.stages.items():
        assert stage.settings == config.stage(kind)
    assert recipe.language.width == config.width
    assert (recipe.language.layers, recipe.language.heads) == (config.layers, config.heads)


def test_single_values_can_be_set_otherwise():
    recipe = load_recipe(
        "llava15-7b/released",
        {"stages.instruct.settings.rate": 1e-5, "towers.ssl.place": "my/dinov2", "canvas_px": 224},
    )

    assert recipe.stages["instruct"].settings.rate == 1e-5
    assert recipe.tower("ssl").place == "my/dinov2"
    assert recipe.tower("clip").place == "openai/clip-vit-large-patch14-336"
    assert recipe.canvas_px == 224
    assert load_recipe("llava15-7b").stages["instruct"].settings.rate == 2e-5


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"stages.instruct.settings.rat": 1}, "rat"),
        ({"canvas_px": "wide"}, "canvas_px"),
        ({"stages.later.settings.rate": 1}, "a recipe has no value 'stages.later.settings.rate'"),
        ({"towers.moco.place": "a"}, "a recipe has no value 'towers.moco.place'"),
        ({"towers.ssl.role": "clip"}, "towers have the roles clip, clip"),
        ({"towers.ssl.statistics_of": "moco"}, "statistics_of is 'moco', expected one of clip, s"),
        ({"language.width": 64}, "expected either a model, or all three sizes"),
        ({"stages.adapter.settings.stage": "instruct"}, "has settings of stage 'instruct'"),
        ({"stages.adapter.settings.steps": 5}, "expected one of the two"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(overrides, told):
    with pytest.raises((ValueError, ValidationError), match=told):
        load_recipe("llava15-7b", overrides)


def test_an_unknown_recipe_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match="no recipe 'llava-9b'; expected one of llava-13b, llav"):
        load_recipe("llava-9b")
    with pytest.raises(ValueError, match="no recipe 'small/released'"):
        load_recipe("small/released")


def test_a_file_of_ones_own_is_a_recipe(tmp_path):
    values = json.loads((FOLDER / "llava15-7b.json").read_text()) | {"name": "own"}
    (tmp_path / "own.json").write_text(json.dumps(values))

    assert load_recipe(str(tmp_path / "own.json")).name == "own"
    assert load_recipe(f"{tmp_path}/own.json/released").canvas_px == 336
    with pytest.raises(ValueError, match="has no variant 'other'; expected one of: released"):
        load_recipe(f"{tmp_path}/own.json/other")


@pytest.mark.parametrize(
    ("text", "told"), [("{", "cannot be read"), ("[]", "is a list, expected an object")]
)
def test_a_file_that_is_no_recipe_is_an_error(tmp_path, text, told):
    (tmp_path / "own.json").write_text(text)

    with pytest.raises(ValueError, match=told):
        load_recipe(str(tmp_path / "own.json"))
