"""Entry points of other packages: found without importing them, loaded when used, errors named."""

import sys
from importlib.metadata import EntryPoint

import pytest

from tasks import plugins
from tasks.corpora.corpus import Reading, Rights
from tasks.corpora.opening import open_corpus, resolve_corpus, split_name
from tasks.evaluation.servers import Server
from tasks.graders import Given
from tasks.graders.registry import grader_named
from tasks.protocols import protocol_named
from tests.pictures import draw_photo

MODULE = """
from dataclasses import replace
from tasks.backends import Reply
from tasks.corpora.corpus import Rights, Told
from tasks.protocols import protocol_named

def lists(place, reading):
    yield "1.png", Told("cat", "a cat", {"fur": "black"}, Rights("CC0"))
    yield f"{place}/gone.png", Told()

def lists_words(place, reading):
    yield "1.png", "cat"

def fails(place, reading):
    raise KeyError("file")

class Says:
    def __init__(self, model, url, *, images, timeout_s):
        self.told = (model, url, timeout_s)

shout = replace(protocol_named("letter"), name="shout")

def first(given):
    return "a"

def nonsense(given):
    return "c"
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a module, under a name of its own, with entry points by group."""
    (tmp_path / "plugin_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    plugins.forget()

    def install(group, **points):
        info = tmp_path / "other_package-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.5\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
        plugins.forget()

    yield install
    plugins.forget()
    sys.modules.pop("plugin_of_a_test", None)


def given(reply="no"):
    return Given(
        question_id="1",
        model="m",
        protocol="letter",
        question="Is it open?",
        options=("yes", "no"),
        reply=reply,
    )


def test_a_corpus_is_what_a_package_lists(package, tmp_path):
    package(plugins.CORPORA, pets="plugin_of_a_test:lists")
    draw_photo(tmp_path / "pets" / "1.png", 1)
    draw_photo(tmp_path / "pets" / "2.png", 2)

    name = resolve_corpus(f"pets:{tmp_path}/pets")
    corpus, listing = open_corpus(name, Reading(words={"label": {"cat": "feline"}}))

    assert name == f"pets:{tmp_path}/pets"
    (entry,) = listing.files
    assert entry.path == f"{tmp_path}/pets/1.png"
    assert (entry.label, entry.caption, entry.attributes) == ("feline", "a cat", {"fur": "black"})
    assert entry.rights == Rights("CC0")
    (missing,) = listing.unreadable
    assert (missing.path, missing.reason) == (f"{tmp_path}/pets/gone.png", "vanished")
    ((item,),) = (list(corpus.read(part)) for part in corpus.cut(entry))
    assert item.content == (tmp_path / "pets" / "1.png").read_bytes()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("plugin_of_a_test:fails", "package other-package 1.5 failed: KeyError: 'file'"),
        ("plugin_of_a_test:lists_words", r"found str, expected \(path, Told\) for each image"),
        ("plugin_of_a_test:absent", "other-package 1.5 offers 'pets' .* cannot be loaded: Attrib"),
        ("no_such_module_here:x", "other-package 1.5 offers 'pets' .* cannot be loaded: ModuleNot"),
    ],
)
def test_a_reader_that_fails_is_named(package, tmp_path, value, said):
    package(plugins.CORPORA, pets=value)
    draw_photo(tmp_path / "pets" / "1.png", 1)

    with pytest.raises(ValueError, match=said):
        open_corpus(f"pets:{tmp_path}/pets", Reading())


def test_a_broken_package_costs_nothing_until_it_is_used(package, tmp_path):
    package(plugins.CORPORA, pets="no_such_module_here:x")
    draw_photo(tmp_path / "photos" / "1.png", 1)

    assert len(open_corpus(str(tmp_path / "photos"), Reading()).listing.files) == 1
    assert plugins.installed() == {"mmvp.corpora:pets": "other-package 1.5"}
    assert "plugin_of_a_test" not in sys.modules


@pytest.mark.parametrize(
    ("group", "name", "use"),
    [
        (plugins.CORPORA, "parquet", lambda: split_name("pets:x")),
        (plugins.BACKENDS, "openai", lambda: Server.parse("openai:gpt")),
        (plugins.PROTOCOLS, "letter", lambda: protocol_named("no such")),
        (plugins.GRADERS, "rules", lambda: grader_named("no such")),
    ],
)
def test_nobody_can_take_a_name_of_ours(package, group, name, use):
    package(group, **{name: "plugin_of_a_test:lists"})

    with pytest.raises(ValueError, match=f"other-package 1.5 offers '{name}' .* is taken"):
        use()


def test_two_packages_cannot_share_a_name(monkeypatch):
    points = tuple(EntryPoint("pets", f"{who}:lists", plugins.CORPORA) for who in ("one", "two"))
    monkeypatch.setattr(plugins, "_points", lambda group: points)

    with pytest.raises(ValueError, match="'two:lists' offers 'pets'"):
        plugins.offered(plugins.CORPORA, ())


def test_a_back_end_stands_before_the_colon(package):
    package(plugins.BACKENDS, says="plugin_of_a_test:Says")
    server = Server.parse("says:hello@http://127.0.0.1:9/v1")

    backend = server.backend(lambda picture: b"", timeout_s=5)

    assert server.label == "says:hello@http://127.0.0.1:9/v1"
    assert backend.told == ("hello", "http://127.0.0.1:9/v1", 5)
    assert Server.parse("folder:x") is None


def test_a_protocol_has_its_own_name(package):
    package(plugins.PROTOCOLS, shout="plugin_of_a_test:shout", other="plugin_of_a_test:shout")

    assert protocol_named("shout").name == "shout"
    with pytest.raises(
        ValueError, match="offers a protocol called 'shout' as the protocol 'other'"
    ):
        protocol_named("other")
    with pytest.raises(ValueError, match="did you mean 'shout'"):
        protocol_named("shoot")


def test_a_grader_of_a_package_grades(package):
    package(plugins.GRADERS, first="plugin_of_a_test:first", odd="plugin_of_a_test:nonsense")

    grade = grader_named("first")(given())
    failed = grader_named("odd")(given())

    assert (grade.option, grade.grader, grade.failure) == ("yes", "first", None)
    assert failed.option is None
    assert "found 'c', expected one of a, b, neither" in failed.failure
    assert grader_named("first")(given("other")).request != grade.request
    with pytest.raises(ValueError, match="did you mean 'first'"):
        grader_named("fist")


def test_rules_grade_by_the_protocol_that_asked():
    assert grader_named("rules")(given("B.")).option == "no"
