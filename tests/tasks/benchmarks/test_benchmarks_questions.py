"""MMVP's published file is read as it is, with its quirks; a damaged file is refused, and where."""

from collections import Counter
from pathlib import Path

import pytest

from tasks.benchmarks import CORRECTED, EXCLUDED, ORIGINAL, read_questions
from tasks.benchmarks.keys import WRONG

REAL = Path(__file__).parent / "mmvp" / "Questions.csv"
HEADER = "Index,Question,Options,Correct Answer\n"
PAIR = "1,Open?,(a) Yes (b) No,(a)\n2,Open?,(a) Yes (b) No,(b)\n"


def write(folder, text):
    file = folder / "Questions.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_published_file_has_150_pairs_with_opposite_answers():
    found = read_questions(REAL)

    assert found.name == "mmvp"
    assert [q.number for q in found.questions] == list(range(1, 301))
    assert Counter(q.pair for q in found.questions) == dict.fromkeys(range(1, 151), 2)
    assert found.questions[0].options == ("Open", "Closed")
    for key in (ORIGINAL, CORRECTED):
        answers = [q.answer(key) for q in found.questions]
        assert all(a != b for a, b in zip(answers[::2], answers[1::2], strict=True))


def test_the_keys_differ_in_pairs_50_and_140_only():
    questions = read_questions(REAL).questions

    differ = {q.pair for q in questions if q.answer(ORIGINAL) != q.answer(CORRECTED)}
    left_out = {q.pair for q in questions if q.answer(EXCLUDED) is None}

    assert differ == left_out == {50, 140}
    assert [q.number for q in questions if q.answer(EXCLUDED) is None] == list(WRONG)


def test_quirks_of_the_published_file_are_noted():
    notes = "\n".join(read_questions(REAL).notes)

    assert "lndex" in notes
    assert "pairs 50 and 140 are swapped" in notes
    assert "no image folder" in notes
    assert "10 questions have blanks" in notes


def test_options_are_kept_as_written_too():
    questions = read_questions(REAL).questions

    assert questions[62].options_written == " (a) Correct (b) Incorrect"
    assert questions[160].options_written == "(a) 12 (b) 1 "
    assert questions[160].options == ("12", "1")
    assert questions[200].options == ('"Happy Easter"', '"Happy Easter!"')


def test_a_file_with_corrected_labels_has_the_same_keys(tmp_path):
    text = REAL.read_text()
    for number, (question, place) in WRONG.items():
        options = next(x for x in text.splitlines() if x.startswith(f"{number},")).split(",")[2]
        old, new = "ab"[place], "ab"[1 - place]
        text = text.replace(f"{number},{question},{options},({old})",
                            f"{number},{question},{options},({new})")  # fmt: skip

    found = read_questions(write(tmp_path, text))

    assert found.questions == read_questions(REAL).questions
    assert any("has the corrected labels" in note for note in found.notes)


def test_images_go_by_number_not_by_name(tmp_path):
    write(tmp_path, REAL.read_text())
    (tmp_path / "MMVP Images").mkdir()
    for number in range(1, 301):
        (tmp_path / "MMVP Images" / f"{number}.jpg").touch()

    found = read_questions(tmp_path)

    assert [q.image.name for q in found.questions][:10] == [f"{n}.jpg" for n in range(1, 11)]


def test_missing_images_are_named(tmp_path):
    write(tmp_path, HEADER + PAIR)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").touch()

    with pytest.raises(ValueError, match=r"lacks 1 of 2 images: 2\.jpg; copy them"):
        read_questions(tmp_path)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (("\ufeff" + HEADER + PAIR), "byte order mark"),
        (HEADER + "\n" + PAIR, "1 blank lines"),
        (HEADER + PAIR[PAIR.index("2,") :] + PAIR[: PAIR.index("2,")], "order of their numbers"),
        (HEADER + PAIR.replace("2,Open", "2,Shut"), "pair 1 does not ask the same"),
        (HEADER + PAIR.replace("(b)\n", "(a)\n"), "pair 1 has the same answer to both"),
        ((HEADER + PAIR).replace("\n", "\r\n"), "no image folder"),
    ],
)
def test_harmless_quirks_are_read_and_noted(tmp_path, text, note):
    found = read_questions(write(tmp_path, text))

    assert len(found.questions) == 2
    assert any(note in said for said in found.notes)


@pytest.mark.parametrize("label", ["(a)", "a", "A", "(A)", "A.", "Yes"])
def test_labels_are_read_in_every_notation(tmp_path, label):
    found = read_questions(write(tmp_path, HEADER + PAIR.replace("(a)\n", f"{label}\n")))

    assert [q.answer(ORIGINAL) for q in found.questions] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        (HEADER, "has no rows"),
        ("Index,Question,Options\n" + PAIR, "line 1: no column 'Correct Answer'"),
        (HEADER.replace("Index", "Question"), "two columns are 'Question'"),
        (HEADER + PAIR.replace("1,", "x,", 1), "line 2, column 'Index': found 'x'"),
        (HEADER + PAIR.replace("2,", "1,", 1), "line 3, column 'Index': found '1'.*line 2 has"),
        (HEADER + PAIR + "3,Open?,(a) Yes (b) No,(a)\n", "line 4.*other number 4"),
        (HEADER + PAIR.replace("(a)\n", "(c)\n"), "line 2, column 'Correct Answer'"),
        (HEADER + PAIR.replace("(a) Yes (b) No", "Yes No"), "line 2, column 'Options'"),
        (HEADER + PAIR.replace("(b) No", "(b) Yes"), "two different options"),
        (HEADER + PAIR.replace("(b) No", "(b)"), "two different options"),
        (HEADER + PAIR.replace("(b) No", "(b) No (c) Both"), "two options"),
        (HEADER + PAIR.replace("Open?", ""), "line 2, column 'Question'"),
        (HEADER + PAIR.replace("Open?", "Open, or not?"), "line 2.*has 5 cells, expected 4"),
        (HEADER + "1,Open?\n", "line 2, column 'Question'.*has 2 cells"),
        (HEADER + '1,"Open?,(a) Yes (b) No,(a)\n', "line 2.*closed quotes"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"PK\x03\x04 ", "spreadsheet"),
        (b"<!doctype html>", "web page"),
        (HEADER.encode() + b"1,\xff,(a) Yes (b) No,(a)\n", "line 2: not UTF-8"),
    ],
)
def test_damage_is_refused_with_its_row_and_column(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_questions(write(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Questions\.csv' cannot be read"):
        read_questions(tmp_path)


def test_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="no answer key is called 'other'; known: original"):
        read_questions(REAL).questions[0].answer("other")
