"""Conversations as tokens: what is learnt of them, where images stand, what is padded."""

import pytest
import torch

from tasks.training.conversation import IGNORED, Collator, Conversation, encode
from tasks.training.drawn import DrawnConversations
from tasks.training.material import ASK_FOR_CAPTION
from tasks.training.words import BEGIN, END, IMAGE, PAD, Encoder, make_tokenizer
from tests import lessons

EXAMPLES = lessons.examples_of(12)
HAT, KIND = lessons.HAT, lessons.KIND


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(EXAMPLES)


@pytest.fixture
def words(tokenizer):
    return Encoder(tokenizer, image_tokens=3)


def test_answers_and_their_ends_are_learnt_and_nothing_else(tokenizer, words):
    said = Conversation(("a",), (("<image>" + KIND, "duck"), (HAT, "yes")))

    ids, labels = encode(said, tokenizer, 3)

    asked = [[BEGIN, IMAGE, IMAGE, IMAGE, *words.encode(KIND)], words.encode(HAT)]
    answers = [words.answer("duck"), words.answer("yes")]
    assert ids == asked[0] + answers[0] + asked[1] + answers[1]
    nothing = [[IGNORED] * len(part) for part in asked]
    assert labels == nothing[0] + answers[0] + nothing[1] + answers[1]


def test_a_prompt_is_the_beginning_of_what_is_learnt(tokenizer, words):
    ids, _ = encode(Conversation(("a",), (("<image>" + HAT, "yes"),)), tokenizer, 3)

    prompt = words.prompt(HAT)
    assert ids[: len(prompt)] == prompt


def test_every_word_is_learnt_where_that_is_asked_for(tokenizer):
    ids, labels = encode(Conversation((), ((HAT, "no"),)), tokenizer, 3, learn_all=True)

    assert labels == ids
    assert IMAGE not in ids


def test_images_stand_where_their_places_are(tokenizer, words):
    said = Conversation(("a", "b"), (("<image>\n" + KIND + "<image>", "duck"), (HAT, "no")))

    ids, _ = encode(said, tokenizer, 2)

    start = [BEGIN, IMAGE, IMAGE, *words.encode(KIND), IMAGE, IMAGE, *words.answer("duck")]
    assert ids[: len(start)] == start
    assert ids.count(IMAGE) == 4


@pytest.mark.parametrize("text", ["<s>", "</s> yes", "yes </s> <pad>", "<image>"])
def test_an_answer_cannot_end_early_or_show_an_image(text, tokenizer):
    said = Conversation(("a",), (("<image>" + HAT, f"yes {text}"),))

    ids, labels = encode(said, tokenizer, 3)

    assert ids.count(END) == 1
    assert labels[-1] == END
    assert ids.count(IMAGE) == 3
    assert ids.count(BEGIN) == 1
    assert PAD not in ids


@pytest.mark.parametrize(("images", "places"), [((), 1), (("a",), 0), (("a",), 2)])
def test_other_images_than_places_are_refused(images, places, tokenizer):
    said = Conversation(images, (("<image>" * places + HAT, "yes"),))

    with pytest.raises(ValueError, match=f"has {len(images)} images and {places} places"):
        encode(said, tokenizer, 3)


def test_what_is_too_long_is_cut_on_the_right_but_never_an_image(tokenizer):
    said = Conversation(("a",), (("<image>" + HAT, "yes"), (KIND, "duck")))
    whole = encode(said, tokenizer, 3)

    cut = encode(said, tokenizer, 3, longest=8)

    assert (cut.ids, cut.labels) == (whole.ids[:8], whole.labels[:8])
    with pytest.raises(ValueError, match="of which only 3 are read; expected room for its images"):
        encode(said, tokenizer, 3, longest=3)


def test_padding_is_on_the_right_and_ignored(tokenizer):
    rows = [
        {"input_ids": ids, "labels": labels}
        for ids, labels in (
            encode(Conversation((), turns), tokenizer, 0)
            for turns in (((HAT, "yes"),), ((HAT, "yes"), (KIND, "duck")))
        )
    ]

    batch = Collator(PAD)(rows)

    short, long = (row["input_ids"] for row in rows)
    filled = len(long) - len(short)
    assert batch["input_ids"].tolist() == [short + [PAD] * filled, long]
    assert batch["labels"][0].tolist() == rows[0]["labels"] + [IGNORED] * filled
    assert batch.keys() == {"input_ids", "labels"}


def test_a_batch_holds_the_images_of_those_rows_that_have_some():
    row = {"input_ids": [1], "labels": [1]}
    pixels = torch.arange(24, dtype=torch.uint8).reshape(2, 3, 2, 2)
    tokens = [torch.ones(1, 4, 8, dtype=torch.float16), torch.zeros(1, 4, 6)]

    seen = Collator(PAD)([row, {**row, "pixel_values": pixels}, {**row, "pixel_values": pixels}])
    known = Collator(PAD)([{**row, "image_features": tokens}, row])

    assert torch.equal(seen["pixel_values"], torch.cat([pixels, pixels]))
    assert [tuple(each.shape) for each in known["image_features"]] == [(1, 4, 8), (1, 4, 6)]
    assert known["image_features"][0].dtype == torch.float32


def drawn(tokenizer, **changes):
    features = lessons.features_of(12)
    settings = {
        "examples": EXAMPLES,
        "numbers": range(12),
        "rows": 40,
        "lot": "0/instruct",
        "turns": 2,
        "caption_share": 0.3,
        "tokenizer": tokenizer,
        "image_tokens": 4,
        "longest": 99,
        "features": [features["clip"], features["ssl"]],
    }
    return DrawnConversations(**settings | changes)


def test_a_drawn_row_depends_on_its_lot_and_number_alone(tokenizer):
    data, again, other = drawn(tokenizer), drawn(tokenizer), drawn(tokenizer, lot="1/instruct")
    ids = [data[number]["input_ids"] for number in range(40)]

    assert [again[number]["input_ids"] for number in reversed(range(40))] == ids[::-1]
    assert [other[number]["input_ids"] for number in range(40)] != ids
    assert data.lengths == [len(row) for row in ids]
    assert data.has_image == [True] * 40


def test_a_drawn_row_tells_of_the_image_whose_tokens_it_has(tokenizer):
    """The hats are in the tokens of the self-supervised encoder."""
    data = drawn(tokenizer, caption_share=0.0, turns=1)
    said = {"yes": set(), "no": set()}
    for number in range(40):
        row = data[number]
        text = tokenizer.decode([label for label in row["labels"] if label != IGNORED])
        for answer, seen in said.items():
            if answer in text.split():
                seen.add(bool(row["image_features"][1][0, 1].float() @ lessons.hat() > 0))

    assert said == {"yes": {False}, "no": {True}}


def test_captions_are_asked_for_as_often_as_is_wished(tokenizer):
    asked = tokenizer.encode(ASK_FOR_CAPTION, add_special_tokens=False)

    def share(caption_share):
        data = drawn(tokenizer, caption_share=caption_share, rows=200)
        texts = [data[number]["input_ids"][5:] for number in range(200)]
        return sum(ids[: len(asked)] == asked for ids in texts) / 200

    assert (share(0.0), share(1.0)) == (0, 1)
    assert 0.2 < share(0.3) < 0.4


def test_text_alone_is_learnt_whole(tokenizer):
    data = drawn(tokenizer, features=(), image_tokens=0)

    row = data[0]

    assert row["labels"] == row["input_ids"]
    assert row.keys() == {"input_ids", "labels"}
    assert data.has_image == [False] * 40
