"""MMVP-VLM's folder is read with the names of the data, and with those of the code's README."""

import pytest

from tasks.benchmarks import read_statements
from tasks.benchmarks.statements import TYPES
from tasks.patterns import PATTERNS

HEADER = "Question ID,Type,Statement\n"
PAIR = "1,Camera Perspective,from above\n2,Camera Perspective,from the side\n"


def lay_out(root, *, folder="MLLM_VLM Images", kind="Camera Perspective", text=HEADER + PAIR):
    (root / "Questions.csv").write_text(text)
    within = root / folder / kind
    within.mkdir(parents=True)
    for number in (1, 2):
        (within / f"{number}.jpg").touch()
    return root


def test_the_types_of_the_data_are_the_nine_patterns():
    assert sorted(TYPES.values()) == sorted(PATTERNS)


def test_a_pair_has_its_statements_images_and_pattern(tmp_path):
    found = read_statements(lay_out(tmp_path))

    (pair,) = found.pairs
    assert pair.pattern == "viewpoint"
    assert pair.statements == ("from above", "from the side")
    assert [image.name for image in pair.images] == ["1.jpg", "2.jpg"]
    assert found.notes == ()


def test_the_names_of_the_readme_are_found_and_noted(tmp_path):
    found = read_statements(lay_out(tmp_path, folder="MMVP_VLM_Images", kind="Camera_Perspective"))

    assert found.pairs[0].images[0].parent.name == "Camera_Perspective"
    assert found.notes == (
        "the images are in 'MMVP_VLM_Images', published as 'MLLM_VLM Images'",
        "the images of 'Camera Perspective' are in the folder 'Camera_Perspective'",
    )


def test_without_images_there_are_statements_only(tmp_path):
    (tmp_path / "Questions.csv").write_text(HEADER + PAIR)

    assert read_statements(tmp_path).pairs[0].images is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAIR.replace("2,Camera Perspective", "2,Text"), "line 3, column 'Type': found 'Text'"),
        (PAIR.replace("from the side", "from above"), "line 3, column 'Statement'"),
        (PAIR.replace("from the side", ""), "line 3, column 'Statement': found ''"),
        (PAIR.replace("2,", "3,"), "column 'Question ID'"),
    ],
)
def test_damage_is_refused_with_its_row_and_column(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_statements(lay_out(tmp_path, text=HEADER + text))
