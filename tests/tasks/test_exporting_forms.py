"""What tools of annotation send back is taken whole, or refused by the place of its fault."""

import json

import pytest

from flows.import_forms import number_forms
from tasks.exporting.argilla import read_records
from tasks.exporting.forms import form_of
from tasks.exporting.label_studio import read_tasks
from tests.tasks.test_exporting_datasets import PAIRS, PERSON, annotate, write

ODD = '<script>alert("(a)")</script>, шар?\n日本語'


@pytest.fixture
def exported(tmp_path):
    """What Label Studio exports, and the file it is in."""
    write(tmp_path / "out", "label-studio")
    file = annotate(tmp_path / "out", 1)
    return file, json.loads(file.read_text())


@pytest.fixture
def answered(tmp_path):
    """What Argilla's client writes to a folder, and the file it is in."""
    write(tmp_path / "out", "argilla")
    file = tmp_path / "out" / "records.json"
    records = json.loads(file.read_text())
    for record in records:
        record["responses"] = {
            name: [{"value": suggestion["value"], "user_id": PERSON}]
            for name, suggestion in record["suggestions"].items()
        }
    return file, records


def result_of(task, name):
    (result,) = (one for one in task["annotations"][1]["result"] if one["from_name"] == name)
    return result["value"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda task: task["data"].pop("mining"), "does not name its pair: no mining"),
        (lambda task: task["data"].update(pair_id=7), "pair_id is '7', expected a text"),
        (lambda task: task["data"].update(image_b="zz"), "its images are not those of pair"),
        (
            lambda task: task["data"].update(
                image_a=task["data"]["image_b"], image_b=task["data"]["image_a"]
            ),
            "its images are not those of pair",
        ),
        (lambda task: task.pop("data"), "has no data, .*; export the project as JSON, not JSON"),
        (lambda task: task.update(data=["x"]), "has no data"),
        (lambda task: task.update(annotations={"result": []}), "or no list of annotations"),
        (lambda task: task.update(annotations=[3]), "an annotation of another form"),
        (lambda task: task["annotations"].append(None), "an annotation of another form"),
        (lambda task: task["annotations"][1].update(result=[{}]), "another form .KeyError"),
        (
            lambda task: result_of(task, "question").update(text=[{"a": 1}]),
            "question is \"{'a': 1}",
        ),
        (lambda task: result_of(task, "question").update(text=["a\0b"]), "question holds U.0000"),
        (lambda task: result_of(task, "option_1").update(text=["\ud800"]), "option_1 holds U.D800"),
        (
            lambda task: result_of(task, "answer_a").update(choices=["3"]),
            "answer_a is '3', expected",
        ),
    ],
)
def test_a_task_of_another_form_is_named(exported, change, said):
    file, tasks = exported
    change(tasks[1])
    file.write_text(json.dumps(tasks))

    with pytest.raises(ValueError, match=said) as error:
        read_tasks(file)
    assert "task 2" in str(error.value)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.update(metadata=None), "a response of another form"),
        (lambda record: record["metadata"].pop("pair_id"), "does not name its pair: no pair_id"),
        (lambda record: record["metadata"].update(image_a_id="0"), "its images are not those of"),
        (lambda record: record["responses"].update(question=["x"]), "a response of another form"),
        (lambda record: record["responses"]["question"][0].pop("value"), "another form .KeyError"),
        (
            lambda record: record["responses"]["question"][0].update(value=["x"]),
            "question is .* expected a text",
        ),
        (
            lambda record: record["responses"]["pattern"][0].update(value="Taste"),
            "pattern is 'Taste', expected one of",
        ),
    ],
)
def test_a_record_of_another_form_is_named(answered, change, said):
    file, records = answered
    change(records[1])
    file.write_text(json.dumps(records))

    with pytest.raises(ValueError, match=said) as error:
        read_records(file)
    assert f"record {PAIRS[1].rows[0].pair_id!r}" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', "[[]]"])
@pytest.mark.parametrize("read", [read_tasks, read_records])
def test_a_file_that_is_no_list_of_objects_is_named(tmp_path, read, text):
    file = tmp_path / "export.json"
    file.write_text(text)

    with pytest.raises(ValueError, match=r"export\.json"):
        read(file)


def test_a_task_that_stands_twice_is_one_proposal_and_another_version_is_another(exported):
    file, tasks = exported
    other = json.loads(json.dumps(tasks[0]))
    result_of(other, "question")["text"] = [ODD]
    file.write_text(json.dumps([*tasks, *tasks, other]))

    rows = number_forms(read_tasks(file))

    assert len(rows) == len(PAIRS) + 1
    assert [row.number for row in rows] == [0] * len(PAIRS) + [1]
    assert rows[-1].question == ODD
    assert rows == number_forms(read_tasks(file))


def test_a_form_with_odd_words_comes_back_as_it_was(answered):
    file, records = answered
    records[0]["responses"]["question"][0]["value"] = ODD
    file.write_text(json.dumps(records))

    found = read_records(file)

    assert found[0].form.question == ODD
    assert [one.form for one in found[1:]] == [form_of(pair) for pair in PAIRS[1:]]
