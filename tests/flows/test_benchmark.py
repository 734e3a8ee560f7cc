"""A published benchmark put to models, from its folder to scores, over real HTTP."""

import json
from pathlib import Path

import pytest
from inspect_ai.log import read_eval_log

from flows.benchmark import benchmark
from flows.benchmark_report import benchmark_report
from flows.cli import main
from flows.scoreboard import headline
from flows.settings import Settings
from flows.stored_answers import score_file
from storage import answers
from storage.database import Database
from tasks.evaluation.candidates import EvaluateConfig
from tests import pictures, session
from tests.flows import runs
from tests.tasks.backends.server import completion, serve

HEADER = "lndex,Question,Options,Correct Answer\n"
SECRET = "sk-planted-0123456789abcdef"
PAIRS = 3


@pytest.fixture
def folder(tmp_path):
    """A benchmark in MMVP's layout: the first image of a pair is open, the second closed."""
    place = tmp_path / "doors"
    lines = [
        f"{number},Is door {pair} open or closed?,(a) Open (b) Closed,({'ab'[(number - 1) % 2]})\n"
        for pair in range(1, PAIRS + 1)
        for number in (2 * pair - 1, 2 * pair)
    ]
    place.mkdir()
    (place / "Questions.csv").write_text(HEADER + "".join(lines))
    for number in range(1, 2 * PAIRS + 1):
        pictures.draw_photo(place / "MMVP Images" / f"{number}.png", number)
    return place


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MMVP_API_KEY", SECRET)


def sees(folder):
    """A server that knows the pictures: the first of each pair is (a)."""
    from base64 import b64encode

    known = {
        b64encode(file.read_bytes()).decode(): "ba"[int(file.stem) % 2]
        for file in (folder / "MMVP Images").iterdir()
    }

    def script(number, body):
        url = body["messages"][-1]["content"][0]["image_url"]["url"]
        return 200, completion(f"({known[url.partition(',')[2]]})"), {}

    return script


def asking(stub, **changes):
    return EvaluateConfig(models=(f"openai:stub@{stub.url}",), **changes)


def test_a_server_is_asked_once_and_scored_and_its_key_is_nowhere(server, cluster, home, folder):
    with serve(sees(folder)) as stub:
        found = benchmark(str(folder), config=asking(stub), workers=cluster)
        again = benchmark(str(folder), config=asking(stub), workers=cluster)
    reported = [benchmark_report(named, workers=cluster) for named in ("doors", str(folder))]

    assert len(stub.bodies) == 2 * PAIRS
    assert stub.headers[0]["Authorization"] == f"Bearer {SECRET}"
    one = headline(found["scores"])
    assert (one["benchmark"], one["protocol"], one["pairs"]) == ("doors", "letter", PAIRS)
    assert (one["pair_accuracy"], one["question_accuracy"], one["unread"]) == (1, 1, 0)
    assert again["stages"]["evaluate"]["state"] == "current"
    assert [row["choice"] for row in runs.shown("answers")] == ["Open", "Closed"] * PAIRS
    assert [one["stages"]["report"]["state"] for one in reported] == ["done", "current"]
    page = Path(reported[0]["stages"]["report"]["figures"]["page"])
    assert page.read_text().count('class="card"') == PAIRS
    held = [f for place in (home, session.HOME) for f in place.rglob("*") if f.is_file()]
    assert page in held
    assert any(file.name == "prefect.db" for file in held), "what Prefect's pages show is there"
    assert not [file for file in held if SECRET.encode() in file.read_bytes()]


def test_what_was_said_goes_out_as_logs_that_inspect_reads(
    server, cluster, home, folder, tmp_path, capsys
):
    with serve(sees(folder)) as stub:
        config = asking(stub, controls=("swapped-options",))
        benchmark(str(folder), config=config, workers=cluster)

    with pytest.raises(SystemExit) as ended:
        main(["export", "logs", "--to", str(tmp_path / "logs"), "--with-images", "--json"])

    assert ended.value.code == 0
    names = json.loads(capsys.readouterr().out.splitlines()[-1])["logs"]
    assert len(names) == 2
    for name in names:
        log = read_eval_log(str(tmp_path / "logs" / name))
        assert (log.status, len(log.samples)) == ("success", 2 * PAIRS)
        held = log.samples[0].attachments.values()
        assert any(image.startswith("data:image/png;base64,") for image in held)
    assert SECRET.encode() not in b"".join(f.read_bytes() for f in (tmp_path / "logs").iterdir())


def test_calls_that_fail_are_recorded_and_only_they_are_made_again(server, cluster, home, folder):
    script = sees(folder)

    def refuses(number, body):
        said = body["messages"][-1]["content"][1]["text"]
        return (400, "no", {}) if "door 2" in said else script(number, body)

    with serve(refuses) as stub:
        with pytest.raises(ValueError, match=r"2 of 6 questions have no answer .*rejected"):
            benchmark(str(folder), config=asking(stub), workers=cluster)
        stub.script, first = script, len(stub.bodies)
        failed = [row for row in answers.read(Database(str(home / "store"))) if row.failure]
        benchmark(str(folder), config=asking(stub), workers=cluster)

    assert {row.response for row in failed} == {""}
    assert len(failed) == 2
    assert (first, len(stub.bodies)) == (6, 8)


def test_a_model_that_looks_is_told_from_one_that_does_not(server, cluster, home, folder):
    config = {"controls": ("other-image", "text-only", "swapped-options")}
    script = sees(folder)

    def looks(number, body):
        parts = body["messages"][-1]["content"]
        if isinstance(parts, str) or len(parts) == 1:
            return 200, completion("(a)"), {}
        status, said, headers = script(number, body)
        if "(a) Closed" in parts[1]["text"]:  # it reads the options, too
            letter = said["choices"][0]["message"]["content"]
            said = completion({"(a)": "(b)", "(b)": "(a)"}[letter])
        return status, said, headers

    with serve(looks) as stub:
        found = benchmark(str(folder), config=asking(stub, **config), workers=cluster)

    by_way = {row["protocol"]: row for row in found["scores"] if row["pattern"] is None}
    assert by_way["letter"]["both_right"] == 1
    assert by_way["letter+other-image"]["swapped"] == 1
    assert by_way["letter+text-only"]["same_answer"] == 1
    assert by_way["letter+swapped-options"]["both_right"] == 1
    one = headline(found["scores"])
    assert one["protocol"] == "letter"  # controls stand beside it
    assert one["beside"]["text_only"]["pair_accuracy"] == 0
    assert one["beside"]["first_option"]["share"] == 0.5
    assert one["beside"]["same_when_turned"]["share"] == 1


def test_stored_answers_stand_beside_those_of_models(server, cluster, home, folder, tmp_path):
    file = tmp_path / "always-a.jsonl"
    lines = [{"question_id": n, "response": "(a)"} for n in range(1, 2 * PAIRS + 1)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stored = {"place": str(folder), "protocol": "letter", "key": "corrected"}
    with serve(sees(folder)) as stub:
        score_file(Settings.read(), file, **stored)
        found = benchmark(str(folder), config=asking(stub), workers=cluster)

    asked = f"openai:stub@{stub.url}"
    overall = {row["model"]: row["pair_accuracy"] for row in found["scores"]}
    assert overall == {asked: 1, "always-a": 0}
    (compared,) = found["comparisons"]
    assert {compared["model_a"], compared["model_b"]} == {asked, "always-a"}
    assert {compared["only_a"], compared["only_b"]} == {0, PAIRS}


def test_a_benchmark_without_images_says_that_answers_can_still_be_scored(
    server, cluster, home, folder
):
    (folder / "MMVP Images").rename(folder / "elsewhere")

    with pytest.raises(ValueError, match="has no images, so no model can be asked"):
        benchmark(str(folder), workers=cluster)
