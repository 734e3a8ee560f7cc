"""VQA's accuracy over people's answers, exact match where there is one, and damaged files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backends import Failure, Reply
from tasks.general.asked import read_records, read_said
from tasks.general.vqa import (
    VqaQuestion,
    accuracy_by_nine,
    accuracy_of,
    asked,
    comparable,
    read_vqa,
    score_vqa,
)


def question(number, *answers, image="1.jpg"):
    return VqaQuestion(question_id=str(number), image=image, text="What?", answers=answers)


def put(place, text, name="data"):
    file = place / name
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("The dog.", "dog"), ("two", "2"), ("None", "0"), ("dont", "don't"), ("A  CAT", "cat")],
        *[
            ("1,000", "1000"),
            ("3.5", "3.5 "),
            ("yes, please", "yes please"),
            ("t-shirt", "t shirt"),
        ],
    ],
)
def test_answers_that_say_the_same_are_equal(one, other):
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"), [("3.5", "35"), ("dog", "dogs"), ("ten", "1"), ("no", "not"), ("a", "b")]
)
def test_answers_that_say_another_thing_differ(one, other):
    assert comparable(one) != comparable(other)


@given(st.text())
def test_a_comparable_answer_stays_as_it_is(answer):
    assert comparable(comparable(answer)) == comparable(answer)


@pytest.mark.parametrize(
    ("agreeing", "accuracy", "by_nine"),
    [(0, 0, 0), (1, 1 / 3, 0.3), (2, 2 / 3, 0.6), (3, 1, 0.9), (4, 1, 1), (10, 1, 1)],
)
def test_accuracy_grows_to_three_people(agreeing, accuracy, by_nine):
    answers = ["red"] * agreeing + ["blue"] * (10 - agreeing)

    assert accuracy_of("Red.", answers) == pytest.approx(accuracy)
    assert accuracy_by_nine("Red.", answers) == pytest.approx(by_nine)


def test_with_one_answer_it_is_exact_match():
    found = score_vqa([question(1, "red"), question(2, "red")], said("the red", "blue"))

    assert (found.accuracy, found.exact, found.by_nine) == (0.5, True, None)


def said(*words):
    return {str(number): Reply(text=text) for number, text in enumerate(words, 1)}


def test_what_has_no_answer_is_wrong_and_counted():
    questions = [question(number, "red", image=f"{number}.jpg") for number in range(1, 5)]
    told = said("red", " ") | {"3": Failure(reason="timeout", message="")}

    found = score_vqa(questions, told)

    assert found.accuracy == 0.25
    assert (found.empty, found.failed, found.missing) == (1, 1, 1)
    assert (found.questions, found.images) == (4, 4)
    assert 0 <= found.interval.low < 0.25 < found.interval.high < 1


def test_ten_answers_give_the_scripts_mean_too():
    found = score_vqa([question(1, *["red"] * 3, *["blue"] * 7)], said("red"))

    assert (found.accuracy, found.by_nine) == (1, pytest.approx(0.9))
    assert found.interval.high == 1
    assert found.interval.low < 0.5, "one image says little"


LINES = '{"question_id": 7, "image": "1.jpg", "question": "What?", "answers": ["red", "rose"]}\n'
VQA_ANSWERS = '[{"answer": "red", "answer_id": 1}, {"answer": "rose"}]'
LIST = "[" + LINES.replace('["red", "rose"]', VQA_ANSWERS) + "]"
CSV = 'question_id,image,question,answers\n7,1.jpg,What?,"[""red"", ""rose""]"\n'


@pytest.mark.parametrize("text", [LINES, LIST, CSV])
def test_a_set_is_read_from_lines_a_list_or_csv(tmp_path, text):
    assert read_vqa(put(tmp_path, text)) == [question(7, "red", "rose")]


def test_a_set_without_names_is_named_by_row(tmp_path):
    text = 'question,image,answer\nWhat?,1.jpg,red\n"What,\nthen?",2.jpg,a \u2028 b\n'

    found = read_vqa(put(tmp_path, text))

    assert [(q.question_id, q.text, q.answers) for q in found] == [
        ("1", "What?", ("red",)),
        ("2", "What,\nthen?", ("a \u2028 b",)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows"),
        ("[]", "has no rows"),
        ("[1]", "record 1 of .*expected an object"),
        ("[", "expected JSON"),
        ('{"question": "What?"', "line 1 of .*expected JSON"),
        (LINES.replace('"What?"', "3"), "line 1 of .*'question' is '3'"),
        (LINES.replace('["red", "rose"]', "[]"), "'answers' is '\\[\\]', expected a list of texts"),
        (LINES.replace('"rose"', "5"), "expected a list of texts"),
        (LINES.replace('"rose"', '{"no": 1}'), "expected a list of texts"),
        (CSV.replace(']"', '"'), "line 2 of .*expected a JSON list"),
        ("question,image,answer\nWhat?,1.jpg\n", "line 2 of .*other cells than 3"),
        ("question,image,answer\nWhat?,1.jpg,a,b\n", "line 2 of .*other cells than 3"),
        (LINES * 2, "has 7 more than once"),
    ],
)
def test_a_damaged_set_says_where(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        read_vqa(put(tmp_path, text))


@given(st.binary(max_size=60))
def test_any_bytes_are_rows_or_an_error_in_words(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(data)
    try:
        found = read_records(file)
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017 (both ways are right)
    else:
        assert found


@pytest.mark.parametrize("key", ["response", "answer", "text"])
def test_answers_are_read_by_question(tmp_path, key):
    rows = [{"question_id": 2, key: "b"}, {"question_id": "1", key: "Failed to obtain answer."}]
    file = put(tmp_path, json.dumps(rows))

    found = read_said(file, ["1", "2", "3"])

    assert list(found) == ["1", "2"]
    assert isinstance(found["1"], Failure)
    assert found["2"] == Reply(text="b")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"question_id": 9, "text": "a"}], "answers 9, which the benchmark's 2 questions"),
        ([{"question_id": 1, "text": "a"}] * 2, "has 1 more than once"),
        ([{"question_id": 1, "text": 3}], "none of response, answer, text is a text"),
        ([{"text": "a"}], "rows have no question_id"),
    ],
)
def test_answers_that_do_not_fit_say_how(tmp_path, rows, words):
    with pytest.raises(ValueError, match=words):
        read_said(put(tmp_path, json.dumps(rows)), ["1", "2"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="none' cannot be read"):
        read_records(tmp_path / "none")


def test_requests_name_the_file_and_our_words(tmp_path):
    (tmp_path / "1.jpg").touch()

    (found,) = asked([question(1, "red")], tmp_path)

    assert found == ("1", tmp_path / "1.jpg", "What?\nReply with one word or a short phrase.")


def test_no_questions_are_refused():
    with pytest.raises(ValueError, match="no questions"):
        score_vqa([], {})
