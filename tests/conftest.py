"""Shared by all tests: no model hub, a Prefect of our own, pictures to work on."""

from tests import session  # isort: skip  # sets variables that Prefect reads when imported

import pytest

from storage.database import Database
from tests import pictures

__all__ = ["session"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own for each test, with its store inside."""
    place = tmp_path / "home"
    monkeypatch.setenv("MMVP_HOME", str(place))
    monkeypatch.delenv("MMVP_STORE", raising=False)
    return place


@pytest.fixture
def db(tmp_path):
    """An empty store in a temporary folder."""
    return Database(str(tmp_path / "store"))


@pytest.fixture
def photos(tmp_path):
    """A corpus of twelve pictures in three folders."""
    folder = tmp_path / "photos"
    for index in range(12):
        pictures.draw_photo(folder / "abc"[index % 3] / f"{index:02}.png", index)
    return folder
