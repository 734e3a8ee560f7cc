"""The rules of the layout, checked: who may import whom, and how long a file may grow."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.fingerprints import modules_needed

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path for layer in ("flows", "tasks", "storage") for path in ROOT.glob(f"{layer}/**/*.py")
)

MUST_NOT_IMPORT = {
    "storage/": {"tasks", "flows", "prefect", "torch", "distributed"},
    "tasks/": {"flows"},
    "tasks/benchmarks/": {"prefect", "storage", "distributed", "torch"},
    "tasks/protocols/": {"prefect", "storage", "distributed", "torch"},
    "tasks/backends/": {"prefect", "storage", "distributed", "torch"},
    "tasks/bridges/": {"prefect", "storage", "distributed", "torch"},
    "tasks/checks/": {"prefect", "distributed"},
    "tasks/checks/pixels.py": {"prefect", "storage", "distributed", "torch"},
    "tasks/checks/wording.py": {"prefect", "distributed", "torch"},
    "tasks/corpora/": {"prefect", "storage", "distributed"},
    "tasks/discovery/": {"prefect", "distributed"},
    "tasks/encoders/": {"prefect", "storage", "distributed"},
    "tasks/graders/": {"prefect", "storage", "distributed", "torch"},
    "tasks/general/": {"prefect", "storage", "distributed", "torch"},
    "tasks/mof/": {"prefect", "storage", "distributed"},
    "tasks/proposals/": {"prefect", "distributed"},
    "tasks/report/": {"prefect", "storage", "distributed", "torch"},
    "tasks/scenes/": {"prefect", "storage", "distributed", "torch"},
    "tasks/scores/": {"prefect", "storage", "distributed", "torch"},
    "tasks/tiny_training/": {"prefect", "storage", "distributed"},
    "tasks/mining/search.py": {"prefect", "storage", "distributed", "torch"},
    "tasks/mining/thresholds.py": {"prefect", "storage", "distributed", "torch"},
    "tasks/mining/selection.py": {"prefect", "storage", "distributed", "torch"},
}
"""Holds for these modules and for all of ours that they import in turn."""

HEAVY = {"torch", "prefect", "lancedb", "pydantic", "numpy", "distributed"}

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda at: str(at.relative_to(ROOT)))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path):
    """The modules that a file imports, also inside functions."""
    package = name_of(path).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


def packages_behind(path):
    """The packages that a module imports, itself or through other modules of ours."""
    files = {name_of(module): module for module in MODULES}
    needed = modules_needed(name_of(path))
    return {name.partition(".")[0] for module in needed for name in imported_by(files[module])}


def modules_after(statement):
    """The top-level packages that are loaded once a fresh interpreter has run a statement."""
    report = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"],
        check=True,
        capture_output=True,
        cwd=ROOT,
        timeout=120,
    )
    return set(json.loads(done.stdout))


def test_there_are_modules_to_check():
    assert {"flows", "tasks", "storage"} <= {name_of(path) for path in MODULES}
    for place in MUST_NOT_IMPORT:
        assert any(str(path.relative_to(ROOT)).startswith(place) for path in MODULES), place


@each_module
def test_imports_point_one_way(path):
    place = path.relative_to(ROOT).as_posix()
    packages = packages_behind(path)

    for start, banned in MUST_NOT_IMPORT.items():
        if place.startswith(start):
            broken = banned & packages
            assert not broken, f"{place} must not import {', '.join(sorted(broken))}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("tasks/report/*.py")), ids=lambda at: at.name)
def test_the_report_can_be_used_without_the_rest(path):
    ours = {name for name in imported_by(path) if name.startswith("tasks")}

    assert not {name for name in ours if not name.startswith("tasks.report")}


@each_module
def test_no_module_outgrows_a_sitting(path):
    lines = len(path.read_text().splitlines())

    assert lines <= 400, f"{path.name} has {lines} lines; split it by noun"


@each_module
def test_every_module_says_what_it_is_for(path):
    said = ast.get_docstring(ast.parse(path.read_text()))

    assert said, f"{path.relative_to(ROOT)} has no docstring"


@pytest.mark.parametrize(
    ("statement", "banned", "why"),
    [
        ("from flows import cli; cli.build_parser()", HEAVY, "`mmvp --help` is instant"),
        ("import storage.database", {"prefect", "torch"}, "a store is opened by any script"),
        ("import tasks.encoders", {"prefect", "lancedb"}, "encoders are of use alone"),
        ("from tasks.mining import mine", {"prefect", "lancedb", "torch"}, "as is the search"),
        ("import tasks.mof", {"prefect", "lancedb"}, "as is the model"),
        ("import tasks.report", {"prefect", "lancedb", "torch"}, "as is the report"),
        ("import tasks.protocols", HEAVY, "replies are read without any of them"),
        ("import tasks.scores", {"prefect", "lancedb", "torch"}, "as are the statistics"),
    ],
)
def test_an_import_loads_no_more_than_it_needs(statement, banned, why):
    assert not banned & modules_after(statement), why
