"""`mmvp general` scores stored answers with neither store nor server, and asks models."""

import json

import pytest

from flows.cli import main
from tests import vlms
from tests.flows import runs
from tests.pictures import draw_photo
from tests.tasks.backends.server import completion, serve

ROWS = [
    {"question_id": 1, "image": "1.jpg", "text": "Is there a dog?", "label": "yes"},
    {"question_id": 2, "image": "1.jpg", "text": "Is there a cat?", "label": "no"},
]
SAID = [{"question_id": 1, "response": "Yes"}, {"question_id": 2, "response": "I cannot tell"}]


def put(place, rows):
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(place)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["general", *arguments])
    return ended.value.code, capsys.readouterr().out


def test_each_split_is_scored_under_both_readings(tmp_path, capsys, home):
    data = [put(tmp_path / f"pope_{split}.json", ROWS) for split in ("random", "popular")]
    answers = put(tmp_path / "said", SAID)

    code, out = run(
        *(capsys, "--bench", "pope", "--data", *data, "--answers", answers, answers, "--json")
    )

    scores = json.loads(out)["scores"]
    assert code == 0
    assert [(row["split"], row["reading"], row["accuracy"], row["unread"]) for row in scores] == [
        ("random", "first-word", 0.5, 1),
        ("random", "official", 0.5, 0),
        ("popular", "first-word", 0.5, 1),
        ("popular", "official", 0.5, 0),
    ]
    assert [row["yes_share"] for row in scores[:2]] == [0.5, 1.0]
    assert not home.exists()


def test_people_get_a_line_a_score(tmp_path, capsys, home):
    rows = [{"question_id": 1, "image": "1.jpg", "question": "What?", "answers": ["red"]}]
    data, said = put(tmp_path / "data", rows), put(tmp_path / "said", SAID[:1])
    pope = put(tmp_path / "pope_random.json", ROWS)
    both = put(tmp_path / "both", SAID)

    assert run(capsys, "--bench", "vqa", "--data", data, "--answers", said) == (
        *(0, "file\taccuracy\ndata\t0.0% (0.0% to 79.3%)\n"),
    )
    _, out = run(capsys, "--bench", "pope", "--data", pope, "--answers", both)
    assert out.splitlines()[0] == "split\tread by\taccuracy\tF1\tyes\tno answer"
    assert out.splitlines()[1].startswith("random\tfirst-word\t50.0% (9.5% to 90.5%)\t100.0% (")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--answers", "said", "said"], "1 files of questions and 2 of answers"),
        (["--answers", "said", "--images", "."], "has no image '1.jpg'"),
        (["--answers", "none"], "cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path, capsys, home, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "pope", ROWS)
    put(tmp_path / "said", SAID)

    code, out = run(capsys, "--bench", "pope", "--data", "pope", *arguments, "--json")

    assert code == 1
    assert words in json.loads(out)["error"]


@pytest.fixture
def images(tmp_path):
    for number in (1, 2):
        draw_photo(tmp_path / "images" / f"{number}.png", number)
    return tmp_path / "images"


def pope(place, split, images=(1, 2)):
    rows = [
        {"question_id": f"{n}{thing}", "image": f"{n}.png", "text": f"Is there a {thing}?"}
        | {"label": "yes" if thing == "dog" else "no"}
        for n in images
        for thing in ("dog", "cat")
    ]
    return put(place / f"pope_{split}.json", rows)


def test_models_are_asked_each_question_once_and_their_figures_kept(tmp_path, capsys, home, images):
    data = [pope(tmp_path, split) for split in ("random", "popular")]
    said = {"dog": "Yes, there is.", "cat": "No."}

    def answers(number, body):
        text = body["messages"][-1]["content"][1]["text"]
        return 200, completion(said["dog" if "dog" in text else "cat"]), {}

    with serve(answers) as stub:
        command = ("--bench", "pope", "--data", *data, "--images", str(images))
        command += ("--model", f"openai:m@{stub.url}", "--json")
        code, out = run(capsys, *command)
        asked = len(stub.bodies)
        run(capsys, *command)

    assert (code, asked, len(stub.bodies)) == (0, 4, 4), "both splits ask the same"
    scores = json.loads(out)["scores"]
    assert {(row["accuracy"], row["f1"], row["failed"]) for row in scores} == {(1, 1, 0)}
    kept = runs.stored(home, "general")
    assert {(row["part"], row["metric"], row["value"]) for row in kept} == {
        (split, metric, 1) for split in ("random", "popular") for metric in ("accuracy", "f1")
    }
    assert {row["model"] for row in kept} == {f"openai:m@{stub.url}"}
    assert [row["value"] for row in runs.shown("general", home)] == [1] * len(kept)


def test_a_local_model_is_asked_too(tmp_path, capsys, home, images):
    folder = vlms.save("llava", tmp_path / "llava")
    rows = [{"question_id": 1, "image": "1.png", "question": "What?", "answers": ["red"]}]
    command = ("--bench", "vqa", "--data", put(tmp_path / "data", rows), "--images", str(images))
    command += ("--model", str(folder), "--device", "cpu", "--json")

    code, out = run(capsys, *command)
    stored = runs.stored(home, "replies")
    _, again = run(capsys, *command)

    assert code == 0
    assert out == again
    assert [row["protocol"] for row in stored] == ["general-vqa"]
    assert runs.stored(home, "replies") == stored
    assert json.loads(out)["scores"][0]["model"].startswith("llava-")


def test_free_answers_are_judged_beside_a_reference_in_both_orders(tmp_path, capsys, home, images):
    rows = [
        {"question_id": n, "image": f"{n}.png", "text": "Describe it.", "description": f"Dog {n}."}
        for n in (1, 2)
    ]
    data = put(tmp_path / "data", rows)
    reference = put(
        tmp_path / "reference", [{"question_id": n, "response": "A cat."} for n in (1, 2)]
    )

    def answers(number, body):
        if "response_format" not in body:
            return 200, completion("A dog."), {}
        shown = json.loads(body["messages"][-1]["content"][0]["text"])
        marks = {place: 8 if shown[place] == "A dog." else 4 for place in ("first", "second")}
        return 200, completion(json.dumps(marks)), {}

    with serve(answers) as stub:
        spec = f"openai:m@{stub.url}"
        command = ("--bench", "judged", "--data", data, "--images", str(images), "--model", spec)
        code, out = run(capsys, *command, "--reference", reference, "--judge", spec, "--json")

    (score,) = json.loads(out)["scores"]
    assert (code, len(stub.bodies)) == (0, 2 + 4)
    assert (score["ratio"], score["judged"], score["first_ratio"]) == (2, 2, 1)
    (kept,) = runs.stored(home, "general")
    assert (kept["bench"], kept["metric"], kept["value"], kept["without"]) == (
        *("judged", "ratio", 2, 0),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --answers"),
        (("--model", "openai:m"), "--model needs --images"),
    ],
)
def test_options_that_do_not_go_together_say_so(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main(["general", "--bench", "pope", "--data", pope(tmp_path, "random"), *options])

    assert ended.value.code == 1
    assert message in capsys.readouterr().err
