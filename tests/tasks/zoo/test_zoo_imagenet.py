"""Zero-shot accuracy: class names, prompts, the nearest class, on vectors made by hand."""

import json

import numpy as np
import pytest

from tasks.zoo.imagenet import (
    ImagenetConfig,
    class_vectors,
    label_images,
    nearest,
    prompts,
    read_class_names,
    zero_shot,
)

FOLDERS = ["n01440764", "n01443537"]


def test_folders_that_are_words_name_their_classes():
    assert read_class_names(["hot_dog", "red fox"], None) == ["hot dog", "red fox"]


def test_a_thousand_wordnet_folders_are_imagenets_classes():
    names = read_class_names([f"n{number:08}" for number in range(1000)], None)

    assert (names[0], names[999], len(names)) == ("tench", "toilet paper", 1000)


def test_fewer_wordnet_folders_need_their_words():
    with pytest.raises(ValueError, match=r"the 2 class folders have WordNet ids .*--class-names"):
        read_class_names(FOLDERS, None)


@pytest.mark.parametrize(
    "content",
    [
        {"n01443537": "goldfish", "n01440764": "tench", "n09999999": "other"},
        ["tench", "goldfish"],
        {"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]},
    ],
)
def test_names_come_by_folder_in_order_or_as_a_class_index(tmp_path, content):
    file = tmp_path / "names.json"
    file.write_text(json.dumps(content))

    assert read_class_names(FOLDERS, file) == ["tench", "goldfish"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"n01440764": "tench"}', r"no name for 1 of 2 .*'n01443537'"),
        ('["tench"]', "no name for 2 of 2"),
        ("3", "no name for 2 of 2"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_names_that_are_lacking_are_told(tmp_path, content, words):
    file = tmp_path / "names.json"
    file.write_text(content)

    with pytest.raises(ValueError, match=words):
        read_class_names(FOLDERS, file)


@pytest.mark.parametrize(("templates", "count"), [("simple", 7), ("openai", 80)])
def test_each_class_has_all_prompts(templates, count):
    hen, dog = prompts(["hen", "dog"], templates)

    assert len(set(hen)) == len(set(dog)) == count
    assert all("hen" in prompt for prompt in hen)


def test_a_file_counts_once_in_each_class_that_holds_it(tmp_path):
    config = ImagenetConfig(folder=tmp_path)
    files = {
        f"{tmp_path}/{name}": image
        for name, image in [
            ("b/1.png", "x"),
            ("a/2.png", "y"),
            ("b/deep/3.png", "z"),
            ("a/4.png", "x"),
        ]
    }

    found = label_images(config, files)

    assert found.samples == [("x", 0), ("x", 1), ("y", 0), ("z", 1)]
    assert found.digest != label_images(config, dict(list(files.items())[1:])).digest


@pytest.mark.parametrize(
    ("names", "words"),
    [(["1.png", "a/2.png"], "lies in no class folder"), (["a/1.png"], "has 1 classes")],
)
def test_a_folder_that_is_not_by_class_is_refused(tmp_path, names, words):
    with pytest.raises(ValueError, match=words):
        label_images(ImagenetConfig(folder=tmp_path), {f"{tmp_path}/{n}": n for n in names})


def test_a_class_is_the_mean_of_its_prompts_and_an_image_takes_the_nearest():
    prompts_PD = np.array([[1, 0], [0, 1], [-1, 0], [-1, 0]], np.float32)

    classes_CD = class_vectors(prompts_PD, 2)

    assert classes_CD == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [-1, 0]]))
    images_ND = np.array([[3, 1], [-2, 1], [0, 0]], np.float16)
    assert nearest(images_ND, classes_CD).tolist() == [0, 1, 0], "of equal ones the first"


def test_prompts_that_cancel_out_are_no_class():
    with pytest.raises(ValueError, match="class 0 have a mean without direction"):
        class_vectors(np.array([[1, 0], [-1, 0]], np.float32), 1)


def test_images_that_could_not_be_embedded_do_not_count():
    found = zero_shot({"x": 0, "y": 1}, [("x", 0), ("x", 1), ("y", 1), ("lost", 0)])

    assert (found.accuracy, found.images) == (2 / 3, 3)
    assert found.low < 2 / 3 < found.high
    with pytest.raises(ValueError, match="none of the images by class"):
        zero_shot({}, [("lost", 0)])
