"""Conversations of every layout are read to one form, and what is none is refused by a reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.conversations.parsing import REASONS, RefusedConversation, parse

ASKED, SAID = "What is it?", "A cat."


def llava(*said, **fields):
    """Return a row as LLaVA lays it out, people and model in turn."""
    who = ("human", "gpt")
    turns = [{"from": who[i % 2], "value": text} for i, text in enumerate(said)]
    return {"id": "7", "conversations": turns, **fields}


def chat(*said, **fields):
    who = ("user", "assistant")
    turns = [{"role": who[i % 2], "content": text} for i, text in enumerate(said)]
    return {"messages": turns, **fields}


@pytest.mark.parametrize(
    ("row", "images", "turns"),
    [
        (
            llava(f"<image>\n{ASKED}", SAID, image="a.jpg"),
            ["a.jpg"],
            [(f"<image>\n{ASKED}", SAID)],
        ),
        (
            llava(f"{ASKED}\n<image>", SAID, image="a.jpg"),
            ["a.jpg"],
            [(f"{ASKED}\n<image>", SAID)],
        ),
        (llava(ASKED, SAID, image="a.jpg"), ["a.jpg"], [(f"<image>\n{ASKED}", SAID)]),
        (
            llava(f"<image>\n{ASKED}", SAID, "And <image>?", "A dog.", image=["a.jpg", "b.jpg"]),
            ["a.jpg", "b.jpg"],
            [(f"<image>\n{ASKED}", SAID), ("And <image>?", "A dog.")],
        ),
        (llava(ASKED, SAID), [], [(ASKED, SAID)]),
        (llava(ASKED, SAID, image=None), [], [(ASKED, SAID)]),
        (
            chat(f"<image>{ASKED}", SAID, images=["a.jpg"]),
            ["a.jpg"],
            [(f"<image>{ASKED}", SAID)],
        ),
        (
            chat(
                [
                    {"type": "text", "text": ASKED},
                    {"type": "image_url", "image_url": {"url": "a.jpg"}},
                ],
                [{"type": "text", "text": SAID}],
            ),
            ["a.jpg"],
            [(f"{ASKED}\n<image>", SAID)],
        ),
        (
            chat([{"type": "image"}, {"type": "text", "text": ASKED}], SAID, images=["a.jpg"]),
            ["a.jpg"],
            [(f"<image>\n{ASKED}", SAID)],
        ),
        (
            chat([{"type": "image", "path": "a"}, {"type": "image", "image": "b"}], SAID),
            ["a", "b"],
            [("<image>\n<image>", SAID)],
        ),
    ],
)
def test_rows_of_every_layout_have_a_place_for_each_image(row, images, turns):
    said = parse(row)

    assert list(said.images) == images
    assert [tuple(turn) for turn in said.turns] == turns
    assert said.system is None
    assert said.dropped == 0


def test_the_text_of_the_system_is_kept_apart():
    row = llava(ASKED, SAID)
    row["conversations"].insert(0, {"from": "system", "value": " Be brief. "})

    assert parse(row).system == "Be brief."


@pytest.mark.parametrize("given", ["000", 7, 2.5, None, ["a"]])
def test_an_id_is_kept_as_text_if_it_is_one(given):
    expected = None if given in (None, ["a"]) else str(given)

    assert parse(llava(ASKED, SAID, id=given)).id == expected


def test_answers_before_the_first_question_and_questions_after_the_last_answer_are_dropped():
    row = llava(ASKED, SAID, "Sure?")
    row["conversations"].insert(0, {"from": "gpt", "value": "Hello."})

    said = parse(row)

    assert [tuple(turn) for turn in said.turns] == [(ASKED, SAID)]
    assert said.dropped == 2


@pytest.mark.parametrize(
    ("row", "reason", "told"),
    [
        (llava(ASKED), "no-answer", "no question with an answer"),
        (llava(), "no-answer", "no question with an answer"),
        (llava(ASKED, " "), "no-answer", "answer 1 is empty"),
        (llava(ASKED, SAID, "<image> and this?", image="a"), "no-answer", "about an image"),
        (llava(" ", SAID), "no-question", "question 1 is empty"),
        (llava("<image>" * 2, SAID, image="a"), "too-many-placeholders", "2 times <image>, 1 im"),
        (llava("<image>", SAID), "too-many-placeholders", "1 times <image>, 0 images"),
        (llava("<image>", SAID, image=["a", "b"]), "too-few-placeholders", "1 times <image>, 2"),
        (llava(ASKED, "<image>", image="a"), "placeholder-in-answer", "stands in an answer"),
        ("text", "bad-row", "found str, expected an object"),
        ({"b": 1, "a": 2}, "bad-row", "found a, b; expected conversations or messages"),
        ({}, "bad-row", "found no fields"),
        ({"conversations": "a"}, "bad-row", "conversations is str, expected a list"),
        ({"messages": [1]}, "bad-row", "a message is '1', expected an object with role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "bad-row", "role is 'tool'"),
        ({"messages": [{"role": ["user"], "content": "a"}]}, "bad-row", "role is ['user']"),
        (chat(1, SAID), "bad-row", "content is int, expected a text"),
        (chat([{"type": "audio"}], SAID), "bad-row", "a part of a message is"),
        (llava(ASKED, SAID, image=3), "bad-row", "an image is '3', expected its path"),
        (llava(ASKED, SAID, image=""), "bad-row", "an image is '', expected its path"),
        (llava(ASKED, "\ud800"), "bad-row", "a text is no Unicode: '\\ud800'"),
    ],
)
def test_what_is_no_conversation_is_refused_by_a_reason(row, reason, told):
    with pytest.raises(RefusedConversation) as refused:
        parse(row)

    assert refused.value.reason == reason
    assert told in refused.value.detail


def test_roles_that_do_not_take_turns_are_refused():
    row = llava(ASKED, SAID)
    row["conversations"] *= 2
    row["conversations"][2:2] = [{"from": "gpt", "value": "More."}]

    with pytest.raises(RefusedConversation, match="two messages of assistant in a row"):
        parse(row)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["user", "<image>"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["conversations", "messages", "from", "role", "value", "content", "image", "type"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


def read(value):
    """Return a conversation, or the reason that there is none."""
    try:
        return parse(value)
    except RefusedConversation as error:
        return error.reason


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_whatever_a_file_holds_is_read_or_refused_by_a_known_reason(value):
    found = read(value)

    if isinstance(found, str):
        assert found in REASONS
    else:
        assert found.turns
        assert sum(turn.user.count("<image>") for turn in found.turns) == len(found.images)
