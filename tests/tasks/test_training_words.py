"""Texts as tokens of the small language models."""

import pytest
from transformers import AutoTokenizer

from tasks.training.material import ASK_FOR_CAPTION, Example
from tasks.training.words import (
    BEGIN,
    END,
    IMAGE,
    MOST_ANSWER_TOKENS,
    PAD,
    SPECIAL,
    UNKNOWN,
    Encoder,
    make_tokenizer,
)

QUESTION = "Is there a hat on it?"
EXAMPLES = [
    Example(
        image="a",
        paths=("a.png",),
        caption="red car left-side from-above",
        turns=((QUESTION, "yes"), ("How many?", "two"), ("Where was this taken?", "Beach")),
    ),
    Example(image="b", paths=("b.png",), caption=None, turns=((QUESTION, "no"),)),
]


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(EXAMPLES)


@pytest.fixture
def encoder(tokenizer):
    return Encoder(tokenizer, image_tokens=3)


def words_of(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids)


def test_every_word_is_a_token(tokenizer, encoder):
    ids = encoder.encode("Red CAR, left-side?  From-above.")

    assert words_of(tokenizer, ids) == [
        *("red", "car", "<unk>", "left-side", "?", "from-above", "."),
    ]


def test_commoner_words_come_first_and_special_ones_before_all(tokenizer):
    known = words_of(tokenizer, range(len(tokenizer)))

    assert tuple(known[: len(SPECIAL)]) == SPECIAL
    assert known[len(SPECIAL)] == "?", "four times, more often than any word"
    assert set(known[-3:]) == {"where", "yes", "was"}, "once each, by name"
    assert UNKNOWN not in [
        tokenizer.convert_tokens_to_ids(w) for w in ASK_FOR_CAPTION.lower()[:-1].split()
    ]


def test_the_same_texts_make_the_same_tokenizer(tokenizer):
    again = make_tokenizer(list(EXAMPLES))

    assert again.get_vocab() == tokenizer.get_vocab()


def test_a_saved_tokenizer_gives_the_same_tokens(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)

    here, there = Encoder(tokenizer, 3), Encoder(loaded, 3)
    for text in (QUESTION, "red zebra left-side.", "<image> </s>", ""):
        assert there.encode(text) == here.encode(text)
        assert loaded.decode(there.encode(text)) == tokenizer.decode(here.encode(text))
    assert loaded.convert_tokens_to_ids("<image>") == IMAGE
    assert (loaded.pad_token_id, loaded.bos_token_id, loaded.eos_token_id) == (PAD, BEGIN, END)


def test_an_image_has_as_many_places_as_tokens(tokenizer, encoder):
    prompt = encoder.prompt(QUESTION)

    assert prompt == [BEGIN, IMAGE, IMAGE, IMAGE, *encoder.encode(QUESTION)]
    assert Encoder(tokenizer, 0).prompt(QUESTION) == [BEGIN, *encoder.encode(QUESTION)]


@pytest.mark.parametrize("text", ["<image>", "red <image> car", "</s>", "<S>", "<pad><unk>"])
def test_a_text_cannot_stand_for_an_image_or_an_end(encoder, text):
    assert not {PAD, BEGIN, END, IMAGE} & set(encoder.encode(text))


def test_an_answer_is_cut_and_ends(encoder):
    assert encoder.answer("yes") == [*encoder.encode("yes"), END]
    assert encoder.answer("red " * 100) == [*encoder.encode("red") * MOST_ANSWER_TOKENS, END]
