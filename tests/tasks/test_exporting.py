"""An exported model is loaded by transformers alone and says what the evaluation heard it say."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.encoders import EncoderConfig
from tasks.evaluation.asking import GREEDY, LIKELIER, Asked
from tasks.evaluation.language import LanguageModel
from tasks.exporting import folder as folders
from tasks.exporting.folder import write_folder
from tasks.exporting.model import make_whole
from tasks.exporting.placing import RECORD
from tasks.exporting.towers import tower_of
from tasks.training import material
from tasks.training.conversation import IGNORED, Conversation, encode
from tasks.training.features import ImageFiles, token_features
from tasks.training.recipe import TOWERS, Variant, role_of
from tests import lessons

VARIANTS = {
    features: Variant(features, 0.75 if features == "additive" else None, 0) for features in TOWERS
}
LOADED = ("interleaved", "additive", "clip-control")
"""Of the kinds of models those that are loaded in an interpreter of their own."""
OPTIONS = ("yes", "red duck")
QUESTIONS = (lessons.HAT, lessons.KIND)

LOAD = """
import json, sys

class NotOurs:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("flows", "tasks", "storage", "open_clip", "prefect"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotOurs())
import torch
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor

def ask(processor, question, image):
    parts = [{"type": "image", "image": image}, {"type": "text", "text": question}]
    return [{"role": "user", "content": parts}]

def written(processor, model, inputs):
    rows = model.generate(**inputs)[:, inputs["input_ids"].shape[1] :]
    return processor.batch_decode(rows, skip_special_tokens=True)

def score(processor, model, question, option, image):
    text = "<image>" + question + " "
    inputs = processor(text=text + option + "</s>", images=image, return_tensors="pt")
    said = len(processor.tokenizer(option, add_special_tokens=False)["input_ids"]) + 1
    logprobs = model(**inputs).logits[0, :-1].log_softmax(-1)
    ids = inputs["input_ids"][0, 1:, None]
    return float(logprobs.gather(-1, ids)[-said:].double().sum())

torch.set_num_threads(1)
given = json.loads(sys.argv[1])
images = [Image.open(file) for file in given["images"]]
found = {}
for folder in given["folders"]:
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    model, info = AutoModelForImageTextToText.from_pretrained(
        folder, trust_remote_code=True, output_loading_info=True
    )
    base = AutoModel.from_pretrained(folder, trust_remote_code=True)
    chats = [ask(processor, *each) for each in zip(given["questions"], images)]
    shape = dict(add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
    both = processor.apply_chat_template(chats, processor_kwargs={"padding": True}, **shape)
    with torch.inference_mode():
        found[folder] = {
            "keys": {name: sorted(map(str, keys)) for name, keys in info.items()},
            "classes": [type(each).__name__ for each in (model, base, processor)],
            "together": written(processor, model, both),
            "alone": [
                written(processor, model, processor.apply_chat_template(chat, **shape))[0]
                for chat in chats
            ],
            "scores": [
                [score(processor, model, question, option, image) for option in given["options"]]
                for question, image in zip(given["questions"], images)
            ],
        }
model.save_pretrained(given["again"])
AutoModelForImageTextToText.from_pretrained(given["again"], trust_remote_code=True)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training of each kind of model on six pictures."""
    return lessons.learn_from_pictures(tmp_path_factory.mktemp("trained"), VARIANTS.values())


def images_of(course):
    return [ImageFiles(one.image, one.paths) for one in material.load(course.material)]


def tokens_of(course, images, role):
    encoder = {role: course.encoders[role]}
    return token_features(images, encoder, course.names, "cpu")[role]


def folder_of(course, features):
    return course.models / VARIANTS[features].label


def whole_of(course, features):
    return make_whole(folder_of(course, features), lessons.ENCODERS)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The folders of all kinds of models, by kind."""
    place = tmp_path_factory.mktemp("exported")
    for features in TOWERS:
        write_folder(place / features, whole_of(trained, features), "# card\n", {"a": features})
    return {features: place / features for features in TOWERS}


@pytest.fixture(scope="module")
def elsewhere(trained, exported, tmp_path_factory):
    """What an interpreter without our packages makes of the folders, by kind."""
    given = {
        "folders": [str(exported[features]) for features in LOADED],
        "images": [image.paths[0] for image in images_of(trained)[:2]],
        "questions": QUESTIONS,
        "options": OPTIONS,
        "again": str(tmp_path_factory.mktemp("again")),
    }
    place = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, json.dumps(given)],
        cwd=place,
        env={**os.environ, "HF_HOME": str(place), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {features: found[str(exported[features])] for features in LOADED}


@pytest.mark.parametrize("features", LOADED)
def test_it_loads_where_our_packages_are_not_and_no_weight_is_missing(elsewhere, features):
    assert not any(elsewhere[features]["keys"].values())
    assert elsewhere[features]["classes"] == [
        "MofForConditionalGeneration",
        "MofModel",
        "LlavaProcessor",
    ]


@pytest.mark.parametrize("features", LOADED)
def test_it_answers_as_the_evaluation_heard_it_alone_and_in_a_batch(trained, elsewhere, features):
    found = elsewhere[features]
    images = images_of(trained)[:2]
    model = LanguageModel(folder_of(trained, features))
    tokens = {}
    for role in model.roles:
        rows = tokens_of(trained, images, role)
        tokens[role] = {one.image: row for one, row in zip(images, rows, strict=True)}
    asked = [
        Asked(str(number), image.image, (), question, OPTIONS)
        for number, (image, question) in enumerate(zip(images, QUESTIONS, strict=True))
    ]

    likelier = model.ask(LIKELIER, asked, tokens)
    freely = model.ask(GREEDY, asked, tokens)

    for scores, reply in zip(found["scores"], likelier, strict=True):
        assert scores == pytest.approx(reply.scores, rel=1e-4, abs=1e-3)
    assert found["alone"] == [reply.response for reply in freely]
    assert found["together"] == found["alone"]


@pytest.mark.parametrize("features", TOWERS)
def test_its_towers_give_the_tokens_it_learnt_from(trained, features):
    whole, images = whole_of(trained, features), images_of(trained)
    pixels = [Image.open(image.paths[0]) for image in images]

    inputs = whole.processor(text=["<image>a"] * 6, images=pixels, return_tensors="pt")
    with torch.inference_mode():
        found = whole.model.model.vision_tower(inputs["pixel_values"]).hidden_states

    assert inputs["pixel_values"].dtype == torch.uint8
    for tower, tokens in zip(TOWERS[features], found, strict=True):
        expected = tokens_of(trained, images, role_of(tower)).float()
        # Attention sums in another order than open_clip's: now and then the last bit of a float16.
        assert (tokens - expected).abs().max() <= 2**-10 * expected.abs().max()
        assert (tokens == expected).float().mean() > 0.98


def test_a_folder_holds_safetensors_and_code_that_needs_nothing_of_ours(exported):
    names = {file.name for file in exported["interleaved"].iterdir()}

    assert {"model.safetensors", "config.json", "modeling_mof.py", "README.md"} <= names
    assert {file.rpartition(".")[2] for file in names} <= {
        "safetensors",
        "json",
        "jinja",
        "py",
        "md",
    }
    for file in exported["interleaved"].glob("*.py"):
        assert not [
            line
            for line in file.read_text().splitlines()
            if line.strip().startswith(("from tasks", "import tasks", "from storage", "from flows"))
        ], file.name


def bytes_of(place):
    return {file.name: file.read_bytes() for file in sorted(place.iterdir())}


def test_an_export_is_replaced_whole_and_the_same_model_gives_the_same_bytes(
    trained, exported, tmp_path, monkeypatch
):
    whole, to = whole_of(trained, "clip"), tmp_path / "mine"
    write_folder(to, whole, "# card\n", {"a": "clip"})
    first = bytes_of(to)

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_code", killed)
        with pytest.raises(KeyboardInterrupt):
            write_folder(to, whole, "# another\n", {"a": "clip"})
    assert bytes_of(to) == first == bytes_of(exported["clip"])

    write_folder(to, whole, "# another\n", {"a": "clip"})

    assert bytes_of(to)["README.md"] == b"# another\n"
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_a_folder_of_something_else_is_left_alone(trained, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    whole = whole_of(trained, "clip")

    with pytest.raises(ValueError, match="taken' is not empty and holds no export; expected a new"):
        write_folder(tmp_path / "taken", whole, "", {})
    with pytest.raises(ValueError, match="file' is a file"):
        write_folder(tmp_path / "file", whole, "", {})
    write_folder(tmp_path / "empty", whole, "", {})

    assert (tmp_path / "empty" / RECORD).is_file()
    assert [each.name for each in (tmp_path / "taken").iterdir()] == ["thesis.tex"]


def test_the_template_writes_a_conversation_as_training_does(trained):
    whole = whole_of(trained, "ssl")
    turns = [(lessons.HAT, "yes"), (lessons.KIND, "duck")]
    picture = Image.fromarray(np.zeros((48, 48, 3), np.uint8))
    chat = []
    for number, (question, answer) in enumerate(turns):
        image = [{"type": "image", "image": picture}] if not number else []
        chat += [
            {"role": "user", "content": [*image, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
    learnt = LanguageModel(folder_of(trained, "ssl"))
    ((first, answer), *rest) = turns
    expected = encode(
        Conversation(("a",), (("<image>" + first, answer), *rest)),
        learnt.tokenizer,
        learnt.model.config.image_seq_length,
    )

    found = whole.processor.apply_chat_template(
        chat,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
    )
    prompt = whole.processor.apply_chat_template(
        chat[:1], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )

    assert found["input_ids"].tolist() == [expected.ids]
    answers = torch.as_tensor(found["assistant_masks"]).reshape(-1).bool().tolist()
    assert answers == [label != IGNORED for label in expected.labels]
    asked = prompt["input_ids"]
    assert torch.equal(asked, found["input_ids"][:, : asked.shape[1]]), "a prefix"


def test_encoders_that_cannot_travel_are_named():
    config = EncoderConfig(spec="timm:resnet18/random")
    with pytest.raises(ValueError, match="'timm:resnet18/random' cannot travel with a model yet"):
        tower_of(config)
