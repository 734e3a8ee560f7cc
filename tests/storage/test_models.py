"""The `models` table: one row a trained model, the same for the same training."""

import dataclasses

import pytest

from storage import models
from storage.models import ModelRow


def row(model, **fields):
    return ModelRow(
        model=model,
        **{
            "features": "clip",
            "ssl_share": None,
            "seed": 0,
            "steps": 2**40,
            "folder": "/home/it's/models/m",
            "weights": "e" * 64,
            "facts": {"encoders": ["clip", "ssl"], "rate": 0.1 + 0.2, "name": "猫"},
            "figures": {"losses": [2.5, 0.125], "note": None},
            "trained_images": 1000,
        }
        | fields,
    )


def test_models_come_back_as_written_and_by_name(db):
    rows = [row("a", features="additive", ssl_share=0.1 + 0.2), row("b's"), row("c", facts={})]
    models.upsert(db, rows[::-1])

    assert models.read(db) == rows


def test_models_of_some_names_come_back(db):
    models.upsert(db, [row("a"), row("b's"), row("c")])

    assert [found.model for found in models.read(db, ["c", "b's", "unheard of"])] == ["b's", "c"]
    assert models.read(db, []) == []


def test_writing_the_same_model_again_makes_no_new_version(db):
    models.upsert(db, [row("a", facts={"x": 1, "y": 2})])
    version = db.version(models.SPEC)

    models.upsert(db, [row("a", facts={"y": 2, "x": 1})])

    assert db.version(models.SPEC) == version


def test_a_model_trained_again_replaces_its_row_and_leaves_the_others_alone(db):
    models.upsert(db, [row("a"), row("b")])
    version = db.version(models.SPEC)
    again = dataclasses.replace(row("a"), weights="0" * 64, figures={"losses": [1.0]})

    models.upsert(db, [again])

    assert models.read(db) == [again, row("b")]
    assert models.read(db, version=version) == [row("a"), row("b")]


def test_figures_that_json_cannot_say_are_refused(db):
    with pytest.raises(ValueError, match="not JSON compliant"):
        models.upsert(db, [row("a", figures={"loss": float("nan")})])

    assert models.read(db) == []
