"""POPE's figures are those of its own script, and what cannot be read is not taken for yes."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.backends import Failure, Reply
from tasks.general.asked import read_said
from tasks.general.pope import (
    OFFICIAL,
    OURS,
    PopeQuestion,
    asked,
    read_as_official,
    read_first_word,
    read_pope,
    score_pope,
)

ROWS = [
    {"question_id": 1, "image": "1.jpg", "text": "Is there a dog in the image?", "label": "yes"},
    {"question_id": 2, "image": "1.jpg", "text": "Is there a cat in the image?", "label": "no"},
    {"question_id": 3, "image": "2.jpg", "text": "Is there a cup in the image?", "label": "yes"},
    {"question_id": 4, "image": "2.jpg", "text": "Is there a car in the image?", "label": "no"},
]


def put(place, rows, name="coco_pope_random.json"):
    file = place / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def question(number, label, image=None):
    return PopeQuestion(
        question_id=str(number),
        split="random",
        image=image or f"{number // 6}.jpg",
        text="Is there a dog?",
        label=label,
    )


def say(words):
    return {str(number): Reply(text=text) for number, text in enumerate(words)}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("coco_pope_random.json", "random"),
        ("COCO_POPE_adversarial.jsonl", "adversarial"),
        ("mine.jsonl", "mine"),
    ],
)
def test_its_files_are_read_and_the_split_is_in_the_name(tmp_path, name, split):
    found = read_pope(put(tmp_path, ROWS, name))

    assert [(q.question_id, q.image, q.label) for q in found] == [
        *[("1", "1.jpg", True), ("2", "1.jpg", False), ("3", "2.jpg", True), ("4", "2.jpg", False)],
    ]
    assert {q.split for q in found} == {split}


def test_a_row_may_name_its_split(tmp_path):
    found = read_pope(put(tmp_path, [row | {"category": "popular"} for row in ROWS]))

    assert {q.split for q in found} == {"popular"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "maybe"}, "line 1 of .*'label' is 'maybe', expected yes or no"),
        ({"image": 3}, "line 1 of .*'image' is '3', expected a text"),
        ({"question_id": None}, "'question_id' is 'None', expected a name"),
        ({"question_id": 2}, "has 2 more than once"),
    ],
)
def test_a_damaged_row_says_where(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        read_pope(put(tmp_path, [ROWS[0] | change, *ROWS[1:]]))


OFFICIAL_TABLE = {
    "Yes": True,
    "no": False,
    "No, there is not.": False,
    "There is no dog.": False,
    "I do not see one": False,
    "Yes. But no cat.": True,
    "NO": True,  # the script knows three spellings
    "No!": True,
    "nothing": True,
    "": True,
    "I cannot tell": True,
    "No.": False,
}


@pytest.mark.parametrize(("reply", "yes"), OFFICIAL_TABLE.items())
def test_a_reply_is_read_as_by_popes_script_with_its_quirks(reply, yes):
    assert read_as_official(reply) is yes


@pytest.mark.parametrize(
    ("reply", "yes"),
    [
        *[("Yes", True), ("yes, a dog", True), ("**No**", False), ("NO!", False)],
        *[("Answer: no", False), (' "Yes."', True), ("", None), ("Nothing", None)],
        *[("There is no dog", None), ("I cannot tell", None), ("Yesterday", None)],
    ],
)
def test_our_rule_reads_the_first_word_only(reply, yes):
    assert read_first_word(reply) is yes


def test_figures_are_those_of_the_definition():
    questions = [question(n, label) for n, label in enumerate([True, True, True, False, False])]

    found = score_pope(questions, say(["yes", "yes", "no", "yes", "no"]))

    assert (found.accuracy, found.precision, found.recall, found.f1) == (3 / 5, 2 / 3, 2 / 3, 2 / 3)
    assert found.yes_share == 3 / 5
    assert (found.questions, found.images) == (5, 1)
    assert found.accuracy_interval == pytest.approx((0.2307, 0.8824), abs=1e-4)


def by_the_script(labels, replies):
    """The figures as POPE's script adds them up, from predictions and labels of 1 and 0."""
    predicted = [int(read_as_official(said)) for said in replies]
    pairs = list(zip(predicted, map(int, labels), strict=True))
    tp, fp, tn, fn = (pairs.count(pair) for pair in ((1, 1), (1, 0), (0, 0), (0, 1)))
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    return {
        "accuracy": (tp + tn) / len(pairs),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "yes_share": (tp + fp) / len(pairs),
    }


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_official_reading_gives_the_scripts_figures(seed):
    draw = random.Random(seed)
    labels = [True, *(draw.random() < 0.5 for _ in range(40))]
    replies = ["Yes", *draw.choices(list(OFFICIAL_TABLE), k=40)]
    questions = [question(number, label) for number, label in enumerate(labels)]

    found = score_pope(questions, say(replies), OFFICIAL)

    for name, value in by_the_script(labels, replies).items():
        assert getattr(found, name) == pytest.approx(value), name
    assert found.unread == 0


@pytest.mark.parametrize("reading", [OURS, OFFICIAL])
def test_a_failed_call_and_a_missing_reply_are_wrong_and_no_yes(reading):
    questions = [question(number, label=True) for number in range(3)]
    said = {"0": Reply(text="yes"), "1": Failure(reason="timeout", message="")}

    found = score_pope(questions, said, reading)

    assert (found.accuracy, found.recall, found.precision) == (1 / 3, 1 / 3, 1.0)
    assert found.yes_share == 1 / 3
    assert (found.unread, found.failed, found.missing) == (0, 1, 1)


def test_what_is_not_read_is_counted():
    found = score_pope([question(0, label=True)], say(["perhaps"]))

    assert (found.unread, found.accuracy, found.f1) == (1, 0, 0)


def test_an_interval_over_images_is_wider_than_one_over_questions_that_stand_together():
    labels = [True] * 120
    words = [("yes" if number // 6 % 2 else "no") for number in range(120)]
    together = [question(number, label) for number, label in enumerate(labels)]
    apart = [question(n, label, f"{n}.jpg") for n, label in enumerate(labels)]

    wide, narrow = (score_pope(each, say(words)).f1_interval for each in (together, apart))

    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.low < 2 / 3 < wide.high


def test_all_right_on_few_images_is_not_certain():
    found = score_pope(
        [question(n, label=True, image=f"{n}") for n in range(20)], say(["yes"] * 20)
    )

    assert found.f1 == 1
    assert found.f1_interval == pytest.approx((1 - 0.1611, 1), abs=1e-3)


def test_no_questions_are_refused():
    with pytest.raises(ValueError, match="no questions"):
        score_pope([], {})


def test_popes_own_answers_without_ids_are_taken_in_order(tmp_path):
    questions = read_pope(put(tmp_path, ROWS))
    rows = [{"question": row["text"], "answer": row["label"]} for row in ROWS]
    names, texts = [q.question_id for q in questions], [q.text for q in questions]

    found = read_said(put(tmp_path, rows, "answers"), names, texts)

    assert {name: reply.text for name, reply in found.items()} == {
        row["question_id"] and str(row["question_id"]): row["label"] for row in ROWS
    }
    with pytest.raises(ValueError, match="must be in the order of the questions"):
        read_said(put(tmp_path, rows[::-1], "answers"), names, texts)
    with pytest.raises(ValueError, match="3 rows cannot be taken in the order of 4 questions"):
        read_said(put(tmp_path, rows[:3], "answers"), names, texts)


def test_requests_name_the_file_and_our_words(tmp_path):
    (tmp_path / "1.jpg").touch()
    questions = read_pope(put(tmp_path, ROWS[:2]))

    first, _ = asked(questions, tmp_path)

    assert first == (
        "1",
        tmp_path / "1.jpg",
        "Is there a dog in the image?\nReply with yes or no, and nothing else.",
    )


@pytest.mark.parametrize("image", ["2.jpg", "../coco_pope_random.json"])
def test_an_image_that_is_not_in_the_folder_is_named(tmp_path, image):
    questions = read_pope(put(tmp_path, [ROWS[0] | {"image": image}]))
    (tmp_path / "images").mkdir()

    with pytest.raises(ValueError, match="name the folder that holds the images"):
        asked(questions, tmp_path / "images")
