"""Replies of other harnesses come back verbatim, each to its question, or the error says where."""

import csv
import io
import json
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.backends import Failure, Reply
from tasks.benchmarks import read_questions
from tasks.bridges import read_replies

CSV = """lndex,Question,Options,Correct Answer
1,Is the door open?,(a) Yes (b) No,(a)
2,Is the door open?,(a) Yes (b) No,(b)
3,How many dogs are there?,(a) One (b) Two,(a)
4,How many dogs are there?,(a) One (b) Two,(b)
"""
SAID = {1: "(a)", 2: " B.\n", 3: "", 4: "Two, \u2028 I think\nso"}


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmark") / "Questions.csv"
    file.write_text(CSV)
    return read_questions(file).questions


def official(questions):
    return lines(
        {
            "question_id": question.number,
            "prompt": f"{question.text} {question.options_written}",
            "answer": "(a)",
            "response": SAID[question.number],
            "answer_id": "x",
            "model_id": "llava-v1.5-13b",
        }
        for question in questions
    )


def sample(question, **changes):
    number = question.number
    return {
        "doc_id": number - 1,
        "target": "A",
        "filtered_resps": SAID[number],
        "doc_hash": "f",
        "input": f"{question.text}\nA. Yes\nB. No\nAnswer with the option's letter",
        "token_counts": [None],
        "mmvp_accuracy": {"index": number - 1, "pair_index": (number - 1) // 2, "pred": "x"},
    } | changes


def samples(questions):
    return lines(sample(question) for question in reversed(questions))


def records(questions, *, first=1):
    return [
        {
            "index": question.number - 1 + first,
            "question": question.text,
            "A": question.options[0],
            "B": question.options[1],
            "answer": "A",
            "prediction": SAID[question.number],
        }
        for question in questions
    ]


def sheet(questions, *, first=1, delimiter="\t"):
    rows = records(questions, first=first)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def put(tmp_path, text, name="answers"):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, newline="")
    return file


@pytest.mark.parametrize(
    ("write", "name", "said_by", "model"),
    [
        (official, "answers.jsonl", "question_id and response", "llava-v1.5-13b"),
        (samples, "org__model/2026_samples_mmvp.jsonl", "lmms-eval", "org__model"),
        (sheet, "llava_7b_MMVP.tsv", "VLMEvalKit", "llava_7b"),
        (lambda q: sheet(q, first=0), "m_MMVP.tsv", "VLMEvalKit", "m"),
        (lambda q: sheet(q, delimiter=","), "m_other.csv", "VLMEvalKit", "m_other"),
        (lambda q: json.dumps(records(q)), "m_MMVP.json", "VLMEvalKit", "m"),
    ],
)
def test_each_format_is_told_by_its_content(questions, tmp_path, write, name, said_by, model):
    found = read_replies(put(tmp_path, write(questions), name), questions)

    assert found.replies == {number: Reply(text=text) for number, text in SAID.items()}
    assert (found.format, found.model, found.notes) == (said_by, model, ())


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("[LMMS_EVAL_REQUEST_FAILED after 5 retries] Connection error.", "server-error"),
        ("[LMMS_EVAL_BUDGET_EXCEEDED]", "over-budget"),
        ("Failed to obtain answer via API. ", "server-error"),
        ("Failed to obtain answer", "server-error"),
        ("Fail to obtain answer via API.", "server-error"),
    ],
)
def test_a_failed_call_is_never_an_answer(questions, tmp_path, response, reason):
    first, *others = questions
    text = lines([sample(first, filtered_resps=response), *map(sample, others)])

    found = read_replies(put(tmp_path, text), questions)

    assert isinstance(found.replies[1], Failure)
    assert found.replies[1].reason == reason
    assert found.notes == ("1 replies are records of failed calls: they count as no answer",)


def test_what_has_no_reply_is_told(questions, tmp_path):
    found = read_replies(put(tmp_path, official(questions[:3])), questions)

    assert list(found.replies) == [1, 2, 3]
    assert found.notes == ("1 of 4 questions have no reply",)


def test_questions_of_a_store_may_have_names(questions, tmp_path):
    text = lines([{"question_id": "c0ffee", "response": "b"}])

    found = read_replies(put(tmp_path, text), questions, names={"c0ffee": 4})

    assert found.replies == {4: Reply(text="b")}


def test_samples_of_other_tasks_are_numbered_by_row(questions, tmp_path):
    text = lines(sample(question, mmvp_accuracy=1.0) for question in questions)

    found = read_replies(put(tmp_path, text), questions)

    assert found.replies == {number: Reply(text=text) for number, text in SAID.items()}
    assert found.notes == ("4 samples name no question: their row (doc_id) counts from 0",)


def test_samples_of_tasks_of_ours_name_their_question(questions, tmp_path):
    told = [sample(q, doc_id=9, mmvp_accuracy={"number": q.number}) for q in questions]

    assert list(read_replies(put(tmp_path, lines(told)), questions).replies) == [1, 2, 3, 4]


def test_of_several_replies_the_first_counts_and_a_note_tells(questions, tmp_path):
    told = [sample(q, filtered_resps=["(a)", "(b)"], resps=["?"]) for q in questions]

    found = read_replies(put(tmp_path, lines(told)), questions)

    assert set(found.replies.values()) == {Reply(text="(a)")}
    assert [note.partition(" ")[0] for note in found.notes] == ["4", "4"]


def test_rows_in_another_order_are_refused(questions, tmp_path):
    by_name = [sample(q, doc_id=at, mmvp_accuracy=1.0) for at, q in enumerate(reversed(questions))]

    with pytest.raises(ValueError, match=r"4 of 4 replies .* are to other questions"):
        read_replies(put(tmp_path, lines(by_name)), questions)


def test_a_named_question_that_reads_otherwise_is_a_note(questions, tmp_path):
    text = lines([{"question_id": 1, "response": "a", "prompt": "Is the gate open?"}])

    found = read_replies(put(tmp_path, text), questions)

    assert found.notes[0].startswith("1 questions read otherwise than the benchmark's: line 1 of")


def test_a_sheet_whose_numbers_may_mean_two_things_is_refused(questions, tmp_path):
    with pytest.raises(ValueError, match="may count from 0 or from 1"):
        read_replies(put(tmp_path, sheet(questions[:1])), questions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows under a header"),
        ("hello", "no rows under a header"),
        ("{", "line 1 of .* expected"),
        ('{"question_id": 1, "response": "a"}\n\n[]', "line 3 of .* no object"),
        ('{"question_id": 1, "response": null}', "response is 'None', no text"),
        ('{"question_id": true, "response": "a"}', "question_id is 'True'"),
        ('{"question_id": 9, "response": "a"}', r"1 unknown: '9' \(line 1\); expected each"),
        ('{"question_id": 1, "response": "a"}\n' * 2, "1 doubled: 1"),
        (
            '{"question_id": 1, "response": "", "model": "x"}\n'
            '{"question_id": 2, "response": "", "model": "y"}',
            "2 models: x, y",
        ),
        ('{"doc_id": "x", "filtered_resps": "a"}', "doc_id is 'x', no number"),
        ('{"doc_id": 0, "filtered_resps": 3}', "filtered_resps is '3', no text"),
        ("[1]", "record 1 of .* no object"),
        ("[", "expected a list of objects"),
        ("[]", "has no rows"),
        ('[{"index": 1}]', "record 1 of .* no prediction among"),
        ("index\tprediction\n1\n", "line 2 of .* 1 cells, expected 2"),
        ("index\tquestion\n1\tx\n", "line 2 of .*: no prediction"),
        ("index\tprediction\n\tx\n", "index is empty"),
        ('index\tprediction\n1\t"x\n', "line 2 of .*: unexpected end of data"),
    ],
)
def test_a_bad_file_says_where_and_what_was_expected(questions, tmp_path, text, words):
    with pytest.raises(ValueError, match=words) as raised:
        read_replies(put(tmp_path, text, "stored"), questions)
    assert "stored" in str(raised.value)


def test_a_file_that_is_not_there_is_named(questions, tmp_path):
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        read_replies(tmp_path / "none", questions)


def test_a_workbook_without_its_reader_says_what_to_install(questions, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    file = tmp_path / "m_MMVP.xlsx"
    file.write_bytes(b"PK\x03\x04...")

    with pytest.raises(ValueError, match=re.escape("`pip install openpyxl`, or save the sheet")):
        read_replies(file, questions)


def test_a_workbook_is_read_as_a_sheet(questions, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = records(questions)
    book = openpyxl.Workbook()
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        book.active.append(row)
    book.save(tmp_path / "m_MMVP.xlsx")

    found = read_replies(tmp_path / "m_MMVP.xlsx", questions)

    assert {n: reply.text for n, reply in found.replies.items()} == SAID
    assert found.model == "m"


WRITERS = (official, samples, sheet, lambda q: json.dumps(records(q)))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), write=st.sampled_from(WRITERS))
def test_a_damaged_file_is_read_rightly_or_refused_in_words(
    questions, tmp_path_factory, data, write
):
    """Whatever is cut out or put in, a reply that comes back belongs to a question there is."""
    whole = write(questions).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:])

    try:
        found = read_replies(file, questions)
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017 (both ways are right)
    else:
        assert set(found.replies) <= set(SAID)


@settings(max_examples=100, deadline=None)
@given(said=st.lists(st.text(max_size=30), min_size=4, max_size=4))
def test_any_words_come_back_verbatim(questions, tmp_path_factory, said):
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    rows = [{"question_id": number, "response": text} for number, text in enumerate(said, 1)]
    file.write_text(lines(rows))

    found = read_replies(file, questions).replies

    assert [reply.text for reply in found.values()] == said


@settings(max_examples=100, deadline=None)
@given(
    said=st.lists(
        st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=30),
        min_size=4,
        max_size=4,
    )
)
def test_any_words_of_a_sheet_come_back_verbatim(questions, tmp_path_factory, said):
    file = tmp_path_factory.getbasetemp() / "any.tsv"
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t")
    writer.writerow(["index", "prediction"])
    writer.writerows(enumerate(said, 1))
    file.write_text(text.getvalue(), newline="", encoding="utf-8")

    found = read_replies(file, questions).replies

    assert [reply.text for reply in found.values()] == said
