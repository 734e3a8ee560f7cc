"""Names of values and of code: what changes them, and what does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import fingerprints
from tasks.fingerprints import code_digest, digest, library_versions, modules_needed

FILES = {
    "storage/__init__.py": "",
    "storage/rows.py": "import numpy\n",
    "tasks/__init__.py": "",
    "tasks/stage.py": "import os\nimport prefect\nfrom tasks.helper import help_out\n",
    "tasks/helper.py": "from storage import rows\nimport PIL.Image\n",
    "tasks/lazy.py": "def later():\n    import tasks.deep.inner as inner\n    return inner\n",
    "tasks/deep/__init__.py": "from .exported import name\n",
    "tasks/deep/exported.py": "from ..far import away as name\n",
    "tasks/deep/inner.py": "from . import sibling\n",
    "tasks/deep/sibling.py": "import torch.nn\n",
    "tasks/deep/page.html": "<p>",
    "tasks/far.py": "away = 1\n",
    "tasks/unrelated.py": "import jinja2\n",
    "tasks/page.html": "<p>",
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A throw-away package tree that fingerprints are taken of."""
    for path, source in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    monkeypatch.setattr(fingerprints, "ROOT", tmp_path)
    return tmp_path


def changes(tree, path, module):
    """Say whether a change of a file changes the name of a module's code."""
    before = code_digest(module)
    (tree / path).write_text(FILES.get(path, "") + "\n# changed\n")
    return code_digest(module) != before


@pytest.mark.parametrize(
    ("module", "path", "why"),
    [
        ("tasks.stage", "tasks/stage.py", "the module itself"),
        ("tasks.stage", "tasks/helper.py", "from module import name"),
        ("tasks.stage", "storage/rows.py", "two imports away, from package import module"),
        ("tasks.stage", "storage/__init__.py", "importing a module runs its package"),
        ("tasks.stage", "tasks/__init__.py", "importing a module runs its own package"),
        ("tasks.lazy", "tasks/deep/inner.py", "imported inside a function"),
        ("tasks.lazy", "tasks/deep/sibling.py", "from . import, two imports away"),
        ("tasks.lazy", "tasks/deep/exported.py", "from .module import in a package"),
        ("tasks.lazy", "tasks/far.py", "from ..module import, through the package"),
        ("tasks.deep", "tasks/deep/page.html", "a template in the package's folder"),
        ("tasks.lazy", "tasks/deep/page.html", "a template of a package two imports away"),
    ],
)
def test_a_change_of_what_a_module_needs_changes_its_name(tree, module, path, why):
    assert changes(tree, path, module), why


@pytest.mark.parametrize(
    ("module", "path", "why"),
    [
        ("tasks.stage", "tasks/unrelated.py", "no one imports it"),
        ("tasks.stage", "tasks/deep/inner.py", "only another module imports it"),
        ("tasks.stage", "tasks/notes.txt", "not code"),
        ("tasks.stage", "tasks/new.py", "a module that is new"),
        ("tasks.deep", "tasks/deep/sibling.py", "a module that the package does not import"),
        ("storage.rows", "tasks/helper.py", "an importer is not imported"),
    ],
)
def test_a_change_elsewhere_leaves_the_name_alone(tree, module, path, why):
    assert not changes(tree, path, module), why


def test_a_module_that_is_needed_twice_or_in_a_circle_counts_once(tree):
    (tree / "tasks/far.py").write_text("import tasks.stage\nimport tasks.deep\n")

    needed = modules_needed("tasks.lazy", "tasks.stage")

    assert needed == sorted(set(needed))
    assert {"tasks.stage", "tasks.lazy", "tasks.far", "storage.rows"} <= set(needed)


def test_a_template_that_is_added_changes_the_name(tree):
    before = code_digest("tasks.deep")

    (tree / "tasks/deep/other.html").write_text("<p>")

    assert code_digest("tasks.deep") != before


def test_moving_a_line_from_one_module_to_another_changes_the_name(tree):
    before = code_digest("tasks.stage")

    (tree / "tasks/helper.py").write_text("from storage import rows\n")
    (tree / "storage/rows.py").write_text("import numpy\nimport PIL.Image\n")

    assert code_digest("tasks.stage") != before


def test_the_order_in_which_modules_are_named_does_not_count(tree):
    one = code_digest("tasks.stage", "tasks.lazy")

    assert one == code_digest("tasks.lazy", "tasks.stage")
    assert one != code_digest("tasks.stage")


@pytest.mark.parametrize("module", ["tasks.nothing", "numpy", "os", "tests.conftest"])
def test_a_module_that_is_not_ours_has_no_name(tree, module):
    with pytest.raises(ValueError, match=f"{module!r} has no source file under flows, tasks"):
        code_digest(module)


def test_libraries_are_those_that_compute_and_not_those_that_orchestrate(tree):
    assert set(library_versions("tasks.stage")) == {"PIL", "numpy"}
    assert set(library_versions("tasks.lazy")) == {"torch"}
    assert library_versions("storage.rows") == {"numpy": __import__("numpy").__version__}


@pytest.mark.parametrize(
    ("stage", "computing"),
    [
        ("tasks.ingest", {"PIL", "numpy", "pyarrow", "lancedb"}),
        ("tasks.embed", {"PIL", "numpy", "torch"}),
        ("tasks.mining.stage", {"numpy", "pyarrow", "lancedb"}),
    ],
)
def test_our_stages_depend_on_the_libraries_that_compute_their_rows(stage, computing):
    versions = library_versions(stage)

    assert computing <= set(versions)
    assert not {"prefect", "distributed", "pydantic", "flows", "tasks", "storage", "os"} & {
        *versions
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False).filter(lambda number: abs(number) != float("inf")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_value_has_the_name_of_its_json(value):
    assert digest(value) == digest(json.loads(json.dumps(value)))
    assert digest({"value": value}) != digest([value])


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_count(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [2, 1]),
        ([1], ["1"]),
        ([True], [1]),
        ([None], []),
        (["a,b"], ["a", "b"]),
        (0.1, 0.2),
    ],
)
def test_different_values_have_different_names(one, other):
    assert digest(one) != digest(other)


def test_a_name_is_the_same_everywhere():
    assert digest({"é": [1, 0.5, None]}) == (
        "655d4efdf97108983b6bcf20655b959a4c9434bbd7184c8fcb17b3c4ef36ae85"
    )


def test_a_path_that_is_not_utf8_has_a_name():
    assert len(digest("caf\udce9.png")) == 64


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_a_number_that_json_lacks_has_no_name(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()])
def test_a_value_that_json_lacks_has_no_name(value):
    with pytest.raises(TypeError, match="not JSON serializable"):
        digest(value)
