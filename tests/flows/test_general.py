"""`mmvp general` scores stored answers, with neither store nor server."""

import json

import pytest

from flows.cli import main

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
