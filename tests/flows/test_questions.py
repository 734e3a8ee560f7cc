"""Models write the questions of a corpus of which nothing is known, from its folder to scores."""

import base64
import hashlib
import json

import pytest

from flows.benchmark import benchmark
from flows.cli import build_parser
from flows.export_benchmark import Wish, export_benchmark
from flows.mmvp import mmvp
from flows.parameters import parameters
from flows.settings import Settings
from flows.status import status
from flows.stored_answers import score_file
from tasks.evaluation.candidates import EvaluateConfig
from tasks.images import decode
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tests import pictures
from tests.flows import runs
from tests.onlookers import FENCE
from tests.tasks.backends.server import completion, serve

ANY_PAIR = MineConfig(clip_above=-1.0, ssl_below=1.0)
SECRET = "sk-planted-9876543210fedcba"


@pytest.fixture
def bare(tmp_path):
    """Twelve pictures in one folder, without a label or a word about them."""
    folder = tmp_path / "bare"
    for number in range(12):
        pictures.draw_photo(folder / f"{number:02}.png", number)
    return folder


def is_open(url):
    """What the stub sees in an image: an even picture shows an open door."""
    return int(hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest()[:4], 16) % 2 == 0


def doors(number, body):
    """A model that sees whether a door is open, and writes about nothing else."""
    parts = body["messages"][-1]["content"]
    shown = [is_open(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    if len(shown) == 2:
        return 200, completion(json.dumps(written(*shown))), {}
    fence = FENCE.search(parts[-1]["text"])
    options = (fence["a"], fence["b"]) if fence else ("open", "closed")
    taken = "neither" if not shown else "ab"[options[0] != ("open" if shown[0] else "closed")]
    if fence:
        return 200, completion(json.dumps({"taken": taken})), {}
    first_is_open = parts[-1]["text"].partition("(a) ")[2].startswith("open")
    return 200, completion("a" if shown[0] is first_is_open else "b"), {}


def written(first, second):
    told = {True: "open", False: "closed"}
    return {
        "differences": [f"{told[first]} in image 1, {told[second]} in image 2"],
        "question": "" if first is second else "Is the door open or closed?",
        "option_1": "open",
        "option_2": "closed",
        "answer_1": "option_1" if first else "option_2",
        "answer_2": "option_1" if second else "option_2",
        "pattern": "State and Condition",
        "statement_1": f"a door that is {told[first]}",
        "statement_2": f"a door that is {told[second]}",
    }


def settings_of(spec, workers):
    """Settings by which a model on a server writes, checks and answers the questions."""
    questions = QuestionConfig(
        by=("model",), writers=(spec,), answerers=(spec,), checks={"at_input_size": False}
    )
    models = EvaluateConfig(models=(spec,))
    return {"mine": ANY_PAIR, "questions": questions, "evaluate": models, "workers": workers}


def test_models_write_check_and_answer_where_the_corpus_says_nothing(
    server, cluster, home, bare, monkeypatch
):
    monkeypatch.setenv("MMVP_API_KEY", SECRET)
    with serve(doors) as stub:
        spec = f"openai:doors@{stub.url}"
        told = settings_of(spec, cluster)
        first = mmvp([str(bare)], **told)["stages"]
        sent = len(stub.bodies)
        second = mmvp([str(bare)], **told)["stages"]

        assert len(stub.bodies) == sent
    asked = runs.shown("questions")
    proposed = runs.shown("proposals")
    pairs = [row for row in runs.shown("pairs") if row["selected"]]
    scores = [row for row in runs.shown("scores") if row["pattern"] is None]
    assert list(first) == ["ingest", "embed", "mine", "propose", "check", *list(first)[5:]]
    assert set(runs.states(second).values()) == {"current"}
    assert len(pairs) == len(proposed) == first["propose"]["rows"] == 6
    differing = [row for row in proposed if row["question"] is not None]
    assert 0 < len(differing) < 6, "the seeds of the pictures give both kinds of pairs"
    assert len(asked) == 2 * len(differing)
    assert {row["source"] for row in asked} == {"model"}
    assert first["questions"]["reasons"] == {"nothing-proposed": 6 - len(differing)}
    assert first["propose"]["reasons"] == {"no-difference": 6 - len(differing)}
    by_model = {row["model"]: row for row in scores}
    assert by_model[spec]["pair_accuracy"] == 1
    assert by_model[spec]["key"] == "model"
    assert len(by_model) == 2, "the CLIP is asked about the statements"
    held = [file for file in home.rglob("*") if file.is_file()]
    assert not [file for file in held if SECRET.encode() in file.read_bytes()]


def test_an_exported_folder_asks_what_the_store_asks(server, cluster, home, bare, tmp_path):
    """Under MMVP's own protocol, by what goes over the wire: words, pixels, and each answer."""

    def say(number, body):
        shown = [part for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
        if len(shown) == 2:
            return doors(number, body)
        first_is_open = body["messages"][-1]["content"][-1]["text"].partition("(a) ")[2][0] == "o"
        return 200, completion("(a)" if is_open(url_of(shown)) is first_is_open else "(b)"), {}

    with serve(say) as stub:
        spec = f"openai:doors@{stub.url}"
        asking = EvaluateConfig(models=(spec,), protocols=("paper-2024",))
        written = QuestionConfig(by=("model",), writers=(spec,), checks={"at_input_size": False})
        told = {"mine": ANY_PAIR, "questions": written, "evaluate": asking, "workers": cluster}
        mmvp([str(bare)], through="evaluate", **told)
        stored = [item(body) for body in stub.bodies if len(body["messages"][-1]["content"]) == 2]
        export_benchmark(Settings.read(), Wish("mined", "mmvp"), tmp_path / "out")
        del stub.bodies[:]
        benchmark(str(tmp_path / "out"), config=asking, workers=cluster)
        exported = [item(body) for body in stub.bodies]

    assert len(exported) == len(runs.shown("questions")) > 0
    assert sorted(exported) == sorted(stored)
    scores = [row for row in runs.stored(home, "scores") if row["pattern"] is None]
    by_set = {row["benchmark"]: row for row in scores if row["model"] == spec}
    assert set(by_set) == {"mined", "out"}
    assert by_set["out"]["pair_accuracy"] == 1
    names = ("protocol", "pairs", "question_accuracy", "pair_accuracy", "same_answer", "unread")
    assert [by_set["mined"][name] for name in names] == [by_set["out"][name] for name in names]


def url_of(parts):
    (url,) = (part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    return url


def item(body):
    """Return the words of a request about one image, and its pixels."""
    parts = body["messages"][-1]["content"]
    (words,) = (part["text"] for part in parts if part["type"] == "text")
    pixels_HWC = decode(base64.b64decode(url_of(parts).partition(",")[2])).pixels_HWC
    return words, pixels_HWC.shape, pixels_HWC.tobytes()


def test_status_tells_what_models_would_be_asked(server, cluster, home, bare):
    def stages(**others):
        plain = parameters(build_parser().parse_args(["status", "--corpus", str(bare)]))
        return status(Settings.read(), plain | told | others)["stages"]

    with serve(doors) as stub:
        told = settings_of(f"openai:doors@{stub.url}", cluster)
        mmvp([str(bare)], **told, through="pairs")
        before = stages()
        done = mmvp([str(bare)], **told, through="questions")["stages"]
        after = stages()
        others = {"answerers": (f"openai:others@{stub.url}",)}
        changed = stages(questions=told["questions"].model_copy(update=others))
        people = stages(questions=QuestionConfig(by=("people", "metadata")))

    assert before["mine"]["state"] == "current"
    assert before["propose"] == {"state": "would run", "requests": 6}
    assert before["check"] == before["questions"] == {"state": "would follow"}
    assert {after[name]["state"] for name in done} == {"current"}
    assert after["propose"]["rows"] == 6
    checked = done["check"]["figures"]["passed"]
    assert changed["check"] == {"state": "would run", "proposals to check": checked}
    assert changed["questions"] == {"state": "would follow"}
    assert people["people"] == {"state": "would wait", "accepted": 0, "wanted": 66}
    assert people["check"] == {"state": "would follow"}
    assert "propose" not in people


def test_answers_of_a_file_keep_their_score_when_models_are_asked_again(
    server, cluster, home, bare, tmp_path
):
    def of_file():
        return [row for row in runs.stored(home, "scores") if row["model"] == "of-a-file"]

    with serve(doors) as stub:
        told = settings_of(f"openai:doors@{stub.url}", cluster)
        mmvp([str(bare)], **told, through="scores")
        numbers = range(1, len(runs.shown("questions")) + 1)
        file = tmp_path / "said.jsonl"
        file.write_text("\n".join(json.dumps({"question_id": n, "response": "A"}) for n in numbers))
        found = score_file(
            Settings.read(), file, place=None, protocol="letter", key=None, model="of-a-file"
        )
        before = of_file()
        again = mmvp([str(bare)], **told, through="scores")["stages"]
        last = mmvp([str(bare)], **told, through="scores")["stages"]

    assert [again["evaluate"]["state"], last["evaluate"]["state"]] == ["done", "current"]
    assert of_file() == before
    assert {row["pair_accuracy"] for row in before} == {found["pair_accuracy"]} == {0}
    assert len({row["model"] for row in runs.shown("scores")}) == 3


def test_options_name_writers_answerers_and_terms():
    arguments = (
        "questions --corpus x --by people model --writer openai:a --candidates 3 --answerers "
        "openai:b@http://h/v1 gemini:c --answers-each 2 --require form agree "
        "--pairs-per-pattern 15 --at-once 4 --lot-pairs 0"
    )

    found = parameters(build_parser().parse_args(arguments.split()))["questions"]

    assert (found.by, found.writers, found.candidates) == (("people", "model"), ("openai:a",), 3)
    assert [one.name for one in found.answering()] == [
        "openai:b@http://h/v1",
        "openai:b@http://h/v1#2",
        "gemini:c",
        "gemini:c#2",
    ]
    assert found.checks.required == ("form", "agree")
    assert (found.pairs_per_pattern, found.at_once, found.lot_pairs) == (15, 4, 0)
    plain = parameters(build_parser().parse_args(["run", "--corpus", "x"]))["questions"]
    assert plain == QuestionConfig()
