"""Answers in files, scored and kept beside those of models: real files, a real store, no server."""

import json

import pytest

from flows import scoreboard
from flows.settings import Settings
from flows.stored_answers import score_file
from storage import answers, questions
from storage.database import Database

HEADER = "lndex,Question,Options,Correct Answer\n"
PAIRS = 40


@pytest.fixture
def csv(tmp_path):
    """A benchmark without images: the first question of a pair has the answer (a)."""
    place = tmp_path / "doors" / "Questions.csv"
    place.parent.mkdir()
    lines = [
        f"{number},Is door {(number + 1) // 2} open or closed?,(a) Open (b) Closed,({right})\n"
        for number in range(1, 2 * PAIRS + 1)
        for right in ["ba"[number % 2]]
    ]
    place.write_text(HEADER + "".join(lines))
    return place


@pytest.fixture
def score(csv, home, tmp_path):
    """Score a model's letters, in the order of the questions."""

    def run(stem, letters, name=None, **options):
        file = tmp_path / f"{stem}.jsonl"
        lines = [{"question_id": n, "response": r} for n, r in enumerate(letters, start=1)]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        wanted = {"place": str(csv), "protocol": "internvl", "key": "original", "model": name}
        return score_file(Settings.read(), file, **wanted | options)

    return run


def store(home):
    return Database(str(home / "store"))


def test_what_stands_beside_the_score_is_in_the_result_and_in_print(score, capsys):
    score("sees", "AB" * PAIRS)
    found = score("always-a", "AA" * PAIRS)

    json.dumps(found)
    assert found["beside"]["first_option"]["share"] == 1
    (compared,) = found["comparisons"]
    assert (compared["model_a"], compared["only_a"]) == ("always-a", 0)
    assert compared["p_holm"] < 1e-6
    scoreboard.print_stored(found)
    said = capsys.readouterr().out
    assert "the option shown first is taken: 100.0" in said
    assert "always-a - sees: -100.0 points (0 against 40 of 40 pairs), p < 0.001: differ" in said
    assert (
        "one that knows that the two answers differ, and tosses a coin for which: pairs 50" in said
    )
    assert "  lmms-eval-0.7: pairs 0.0, questions 50.0, unread 0" in said


def test_answers_of_files_are_in_the_store_and_a_file_replaces_its_own(score, home):
    score("m", "AB" * PAIRS)
    found = score("m", "BB" * (PAIRS - 1), allow_incomplete=True)

    kept = answers.read(store(home), models=["m"])
    assert len(kept) == 2 * PAIRS
    assert [row.failure for row in kept].count("missing: the file has no line for it") == 2
    assert {row.response for row in kept} == {"B", ""}
    assert (found["missing"], found["unread"]) == (2, 2)
    assert len(questions.read(store(home), found["set"])) == 2 * PAIRS


def test_a_file_does_not_replace_the_answers_of_a_model_that_was_asked(score, home):
    score("m", "AB" * PAIRS)
    rows = answers.read(store(home))
    paid = [type(row)(**{**_values(row), "model": "paid", "request": "r"}) for row in rows]
    answers.upsert(store(home), paid)

    with pytest.raises(ValueError, match=r"'paid' was asked itself .* call .* with --name"):
        score("paid", "BA" * PAIRS)
    score("paid", "BA" * PAIRS, name="of-a-file")

    assert {row.response for row in answers.read(store(home), models=["paid"])} == {"A", "B"}


def _values(row):
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def test_questions_that_know_their_images_stay(score, home):
    found = score("m", "AB" * PAIRS)
    rows = questions.read(store(home), found["set"])
    with_images = [type(row)(**{**_values(row), "image": row.question_id}) for row in rows]
    questions.replace(store(home), found["set"], with_images)

    score("n", "AB" * PAIRS)

    assert set(questions.read(store(home), found["set"])) == set(with_images)


def test_a_file_that_lacks_answers_gives_no_score_unless_asked(home, csv, tmp_path):
    file = tmp_path / "few.jsonl"
    file.write_text('{"question_id": 1, "response": "(a)"}\n')
    stored = {"place": str(csv), "protocol": "letter", "key": None}

    with pytest.raises(ValueError, match=r"of 80 questions 79 have no line and 0 hold a failed"):
        score_file(Settings.read(), file, **stored)
    found = score_file(Settings.read(), file, **stored, allow_incomplete=True)

    assert (found["complete"], found["missing"], found["unread"]) == (False, 79, 79)
