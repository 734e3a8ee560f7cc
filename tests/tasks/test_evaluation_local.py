"""Asking any model of transformers: every family alike, together as alone, token by token."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import DynamicCache

from tasks.evaluation import local
from tasks.evaluation.asking import GREEDY, LIKELIER, NO_IMAGE, Asked, Manner
from tasks.evaluation.local import LocalModel
from tasks.protocols.protocol import GENERATE, Decoding
from tests import vlms

PICTURES = {
    f"image{number}": np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
    for number in range(4)
}
TEXTS = ("Is there a hat on it?", "hat?", "Is it a hat, or is there no hat on it at all?", "Is it?")
ASKED = [
    Asked(f"q{number}", f"image{number}", (), text, ("yes", "no, there is none"))
    for number, text in enumerate(TEXTS)
]


@pytest.fixture(scope="module", params=vlms.FAMILIES)
def folder(request, tmp_path_factory):
    return vlms.save(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def together(folder):
    return LocalModel(folder, rows=4)


@pytest.fixture(scope="module")
def alone(folder):
    return LocalModel(folder, rows=1)


def test_answers_are_the_same_alone_and_together(together, alone):
    replies = together.ask(GREEDY, ASKED, PICTURES)

    assert [reply.response for reply in replies] == [
        reply.response for reply in alone.ask(GREEDY, ASKED, PICTURES)
    ]
    assert [reply.question_id for reply in replies] == [asked.question_id for asked in ASKED]


def test_likelihoods_are_the_same_alone_and_together(together, alone):
    for one, other in zip(
        together.ask(LIKELIER, ASKED, PICTURES),
        alone.ask(LIKELIER, ASKED, PICTURES),
        strict=True,
    ):
        assert one.scores == pytest.approx(other.scores, rel=1e-4, abs=1e-4)
        assert one.choice == other.choice == ASKED[0].options[np.argmax(one.scores)]


def test_a_likelihood_is_that_of_the_answers_tokens_one_by_one(alone):
    asked = ASKED[1]
    (reply,) = alone.ask(LIKELIER, [asked], PICTURES)

    expected = [logprob_of(alone, asked, option) for option in asked.options]

    assert reply.scores == pytest.approx(expected, rel=1e-4, abs=1e-4)


def logprob_of(local, asked, option):
    """The log-probability of an answer and its end, from a forward pass for each token."""
    tokenizer = local.processor.tokenizer
    picture = [[picture_of(asked.image)]]
    (prompt,) = local.prompts([asked])
    ids = tokenizer(" " + option + "</s>", add_special_tokens=False)["input_ids"]
    inputs = dict(
        local.processor(
            text=[prompt],
            images=picture,
            return_tensors="pt",
            add_special_tokens=not prompt.startswith("<s>"),
        )
    )
    kept = {name: value for name, value in inputs.items() if name.startswith(("pixel", "image_g"))}
    row, total = inputs["input_ids"], 0.0
    kinds = inputs.get("token_type_ids", inputs.get("mm_token_type_ids"))
    for token in ids:
        types = {}
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                filled = torch.zeros(1, row.shape[1] - kinds.shape[1], dtype=kinds.dtype)
                types[name] = torch.cat([kinds, filled], 1)
        with torch.inference_mode():
            logits = local.model(input_ids=row, **kept, **types).logits
        total += logits[0, -1].double().log_softmax(-1)[token].item()
        row = torch.cat([row, torch.tensor([[token]])], 1)
    return total


def picture_of(name):
    return Image.fromarray(PICTURES[name])


def test_a_reply_depends_on_the_picture(together):
    other = dict.fromkeys(PICTURES, PICTURES["image0"])

    seen, not_seen = (together.ask(LIKELIER, ASKED, each) for each in (PICTURES, other))

    assert seen[0].scores == pytest.approx(not_seen[0].scores, abs=1e-4)
    assert all(one.scores != two.scores for one, two in zip(seen[1:], not_seen[1:], strict=True))


def test_a_folder_without_weights_or_template_is_refused(tmp_path):
    folder = vlms.save("llava", tmp_path)
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    with pytest.raises(OSError, match=r"model\.safetensors"):
        LocalModel(folder)
    weights.write_bytes(content)
    (folder / "chat_template.jinja").unlink()

    with pytest.raises(ValueError, match="has no chat template, so nothing can be asked"):
        LocalModel(folder)


def test_weights_that_are_missing_are_an_error(tmp_path):
    folder = vlms.save("llava", tmp_path)
    state = load_file(folder / "model.safetensors")
    gone = sorted(name for name in state if "multi_modal_projector" in name)
    save_file(
        {name: value for name, value in state.items() if name not in gone},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )

    with pytest.raises(ValueError, match=r"do not fit the model; missing: .*projector"):
        LocalModel(folder)


def test_a_question_without_an_image_is_asked_without_one(together):
    asked = [one._replace(image=NO_IMAGE) for one in ASKED]

    replies = together.ask(GREEDY, asked, {})

    assert [reply.question_id for reply in replies] == [one.question_id for one in asked]
    assert (
        together.ask(LIKELIER, asked, {})[0].scores
        != together.ask(LIKELIER, ASKED, PICTURES)[0].scores
    )


def test_a_protocols_decoding_reaches_the_model(together, monkeypatch):
    given = {}
    generate = together.model.generate
    monkeypatch.setattr(together.model, "generate", lambda **o: given.update(o) or generate(**o))
    drawn, beams = (
        Manner(GENERATE, decoding, seed=1)
        for decoding in (Decoding(0.2, 1, 7), Decoding(0.0, 5, 3))
    )

    first, again = (together.ask(drawn, ASKED[:1], PICTURES) for _ in range(2))
    assert (given["do_sample"], given["temperature"], given["max_new_tokens"]) == (True, 0.2, 7)
    together.ask(beams, ASKED[:1], PICTURES)

    assert (given["do_sample"], given["num_beams"], given["max_new_tokens"]) == (False, 5, 3)
    assert first == again, "lots are drawn by the seed"


def test_fewer_are_asked_at_once_when_there_is_no_room(folder, together, monkeypatch):
    cramped = LocalModel(folder, rows=4)
    read, sizes = cramped.model.forward, []

    def forward(**inputs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            message = "no room"
            raise torch.OutOfMemoryError(message)
        return read(**inputs)

    forward.__signature__ = inspect.signature(read)
    monkeypatch.setattr(cramped.model, "forward", forward)

    replies = cramped.ask(GREEDY, ASKED, PICTURES)

    assert max(sizes) == 4
    assert cramped.rows == 2
    assert replies == together.ask(GREEDY, ASKED, PICTURES)


def test_a_model_that_cannot_go_on_from_a_prompt_reads_it_again(folder, together, monkeypatch):
    plain = LocalModel(folder, rows=4)
    monkeypatch.setattr(
        DynamicCache, "batch_select_indices", lambda self, rows: 1 / 0, raising=True
    )

    replies = plain.ask(LIKELIER, ASKED, PICTURES)

    monkeypatch.undo()
    for one, other in zip(replies, together.ask(LIKELIER, ASKED, PICTURES), strict=True):
        assert one.scores == pytest.approx(other.scores, rel=1e-4, abs=1e-4)


def test_other_figures_from_keys_and_values_are_not_taken(folder, together, monkeypatch):
    off = LocalModel(folder, rows=4)
    monkeypatch.setattr(local, "going_on", lambda *_: [(-1.0, -1.0)])

    (reply,) = off.ask(LIKELIER, ASKED[:1], PICTURES)

    monkeypatch.undo()
    (expected,) = together.ask(LIKELIER, ASKED[:1], PICTURES)
    assert reply.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-4)
