"""Chat templates: answers and their ends alone are learnt, prompts begin what is learnt."""

import pytest

from tasks.recipes import template_text
from tasks.training.conversation import IGNORED, Conversation, encode
from tasks.training.words import CHAT_TEMPLATE
from tests.tasks.recipes import parts

NAMES = ("vicuna_v1", "llava_v1", "plain", "chatml", "words")
ENDS = {"plain": "\n", "chatml": "<|im_end|>"}
TALKS = {
    "one image": Conversation(("a",), (("<image>\nWhat is it?", "A cat."),)),
    "image last": Conversation(("a",), (("What is it?\n<image>", " A cat \n"),)),
    "two turns": Conversation(
        ("a", "b"), (("<image>\nWhat?", "A cat."), ("And <image>?", "Ein Bär, two\nlines"))
    ),
    "system": Conversation((), (("Hi?", "Hi."), ("Sure?", "Yes.")), "Be brief."),
}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def tokenizer(name, tmp_path):
    found = parts.make_tokenizer(chatml=name == "chatml")
    found.add_special_tokens({"extra_special_tokens": ["<image>"]})
    found.save_pretrained(tmp_path)
    named = {"image_token": "<image>"}
    return type(found).from_pretrained(tmp_path, extra_special_tokens=named)


def messages_of(talk):
    said = [{"role": "system", "content": talk.system}] if talk.system else []
    for asked, answer in talk.turns:
        said.append({"role": "user", "content": asked})
        said.append({"role": "assistant", "content": answer})
    return said


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_what_is_learnt_decodes_to_exactly_the_answers_and_their_ends(name, tokenizer, talk):
    ids, labels = encode(talk, tokenizer, 3, template=template_text(name))

    learnt, texts = [], []
    for token, label in zip([*ids, None], [*labels, IGNORED], strict=True):
        if label == IGNORED and learnt:
            texts.append(tokenizer.decode(learnt))
            learnt = []
        elif label != IGNORED:
            assert label == token
            learnt.append(token)
    end = ENDS.get(name, "</s>")
    blank = " " if name.endswith("_v1") else ""
    answers = [f"{blank}{answer.strip()}{end}" for _, answer in talk.turns]
    assert ["".join(texts)] == ["".join(answers)] if name == "plain" else texts == answers
    assert ids.count(tokenizer.image_token_id) == 3 * len(talk.images)


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_a_prompt_is_the_beginning_of_the_tokens_of_a_training_text(name, tokenizer, talk):
    said = messages_of(talk)
    whole = tokenizer.apply_chat_template(
        said, chat_template=template_text(name), tokenize=True, return_dict=False
    )

    for end in range(len(said)):
        if said[end]["role"] == "assistant":
            prompt = tokenizer.apply_chat_template(
                said[:end],
                chat_template=template_text(name),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
            )
            assert whole[: len(prompt)] == prompt
            assert len(prompt) < len(whole)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "vicuna_v1",
            "<s>A chat between a curious user and an artificial intelligence assistant. The "
            "assistant gives helpful, detailed, and polite answers to the user's questions. "
            "USER: <image>\nWhat? ASSISTANT: A cat.</s>USER: Sure? ASSISTANT: Yes.</s>",
        ),
        ("plain", "<s><image>A cat.\nYes.\n"),
        (
            "chatml",
            "<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n"
            "<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n",
        ),
    ],
)
@pytest.mark.parametrize("as_parts", [True, False])
def test_texts_are_those_that_the_models_know(tokenizer, name, text, as_parts):
    first = [{"type": "image"}, {"type": "text", "text": "What?"}] if as_parts else "<image>\nWhat?"
    said = [
        {"role": "user", "content": first},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]

    found = tokenizer.apply_chat_template(said, chat_template=template_text(name), tokenize=False)

    assert found == text


@pytest.mark.parametrize("name", ["vicuna_v1", "llava_v1"])
def test_the_text_of_the_system_takes_the_place_of_vicunas_own(tokenizer, name):
    said = messages_of(TALKS["system"])

    found = tokenizer.apply_chat_template(said, chat_template=template_text(name), tokenize=False)

    assert found.startswith("<s>Be brief. USER: Hi? ASSISTANT: Hi.</s>")


def test_the_template_of_the_miniature_is_the_one_it_trains_with():
    assert template_text("words").rstrip("\n") == CHAT_TEMPLATE


def test_a_template_that_is_not_there_is_an_error_and_a_file_is_one(tmp_path):
    (tmp_path / "own.jinja").write_text("{{ messages }}")

    assert template_text(str(tmp_path / "own.jinja")) == "{{ messages }}"
    with pytest.raises(ValueError, match="no chat template 'vicuna'; expected one of chatml, lla"):
        template_text("vicuna")
