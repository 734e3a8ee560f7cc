"""Lists of encoders: what a file may look like, what an entry is called, what ships."""

import json

import open_clip
import pytest

from tasks.encoders.specs import parse_spec
from tasks.published import published_results
from tasks.zoo.listing import SHIPPED, ZooEntry, entries_of, read_list

SPEC = "open_clip:ViT-L-14/openai"


def test_a_text_file_has_a_spec_a_line(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(f"# mine\n{SPEC}  # OpenAI's\n\ntiny:clip\n{SPEC}\n")

    assert [entry.key for entry in read_list(file)] == [SPEC, "tiny:clip"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_json_file_has_specs_names_and_settings(tmp_path, wrapped):
    file = tmp_path / "list.json"
    listed = [SPEC, {"spec": SPEC, "name": "large", "image_px": 336, "allow_pickle": True}]
    file.write_text(json.dumps({"models": listed} if wrapped else listed))

    plain, large = read_list(file)

    assert (plain.key, plain.label) == (SPEC, "open_clip:ViT-L-14/openai")
    assert (large.key, large.label) == (f"{SPEC} image_px=336", "large")
    assert large.encoder.allow_pickle


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("hf:openai/clip-vit-base-patch32", "hf:openai/clip-vit-base-patch32"),
        ("hf:/models/mine", "hf:mine"),
        ("open_clip:local-dir:/models/mine", "open_clip:mine"),
        ("open_clip:hf-hub:org/name", "open_clip:name"),
        ("tiny:clip@/some/w.safetensors", "tiny:clip"),
    ],
)
def test_an_entry_without_a_name_is_called_by_its_spec(spec, label):
    assert ZooEntry.model_validate(spec).label == label


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "names no encoder; add a spec"),
        ("{}", "holds no list"),
        ("[", "cannot be read"),
        ('["nonsense"]', r"encoder 1 of .*does not read library:model.*found 'nonsense'"),
        ('[{"spec": "tiny:clip", "pixels": 3}]', r"encoder 1 of .*encoder\.pixels"),
    ],
)
def test_a_list_that_is_wrong_says_where(tmp_path, content, words):
    file = tmp_path / "list.json"
    file.write_text(content)

    with pytest.raises(ValueError, match=words):
        read_list(file)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"list of encoders .*none\.txt' cannot be read"):
        read_list(tmp_path / "none.txt")


def test_entries_survive_a_trip_through_json():
    (entry,) = entries_of([{"spec": SPEC, "name": "large", "image_px": 336}], "a test")

    assert ZooEntry.model_validate(json.loads(entry.model_dump_json())) == entry


def test_the_shipped_list_begins_with_the_papers_table_and_open_clip_knows_them_all():
    entries = read_list(SHIPPED)

    table = [row for row in published_results() if row.table == "table1_mmvp_vlm"]
    ten = {(row.model, row.spec) for row in table}
    assert {(entry.name, entry.encoder.spec) for entry in entries[:10]} == ten
    assert len(ten) == 10
    known = {"/".join(each) for each in open_clip.list_pretrained()}
    assert {parse_spec(entry.encoder.spec).model for entry in entries} <= known
    assert len({entry.label for entry in entries}) == len(entries)
