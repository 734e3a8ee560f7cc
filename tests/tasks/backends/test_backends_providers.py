"""Providers with libraries of their own: the translation, not the libraries."""

import asyncio
import base64

import pytest

from tasks.backends import Decoding, Failure, Message, Picture, Reply, Request, Secret, Text, Usage
from tasks.backends.anthropic import message_body, read_message
from tasks.backends.extras import sdk_failure
from tasks.backends.gemini import content_body, read_content
from tests.tasks.backends.asked import PNG, images, request

ASKED = Request(
    model="m",
    messages=(
        Message("system", (Text("Be short."),)),
        Message("user", (Picture("image-1"), Text("Open?"))),
        Message("assistant", (Text("Yes"),)),
        Message("user", (Text("Sure?"),)),
    ),
    protocol="letter",
    decoding=Decoding(max_new_tokens=8, extra={"top_k": 1}),
)
KEY = Secret("SOME_KEY", "planted-0123456789")


def test_a_request_is_translated_for_anthropic():
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": base64.b64encode(PNG).decode(),
    }
    assert message_body(ASKED, images) == {
        "model": "m",
        "max_tokens": 8,
        "extra_body": {"temperature": 0.0, "top_k": 1},
        "system": [{"type": "text", "text": "Be short."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": source},
                    {"type": "text", "text": "Open?"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]},
            {"role": "user", "content": [{"type": "text", "text": "Sure?"}]},
        ],
    }


def test_a_request_is_translated_for_gemini():
    assert content_body(ASKED, images) == {
        "model": "m",
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inline_data": {"mime_type": "image/png", "data": PNG}},
                    {"text": "Open?"},
                ],
            },
            {"role": "model", "parts": [{"text": "Yes"}]},
            {"role": "user", "parts": [{"text": "Sure?"}]},
        ],
        "config": {
            "max_output_tokens": 8,
            "temperature": 0.0,
            "top_k": 1,
            "system_instruction": [{"text": "Be short."}],
        },
    }


def anthropic(text="(a)", end="end_turn"):
    return {
        "model": "m-1",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}],
        "stop_reason": end,
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }


def gemini(text="(a)", end="STOP", **more):
    return {
        "model_version": "m-1",
        "candidates": [
            {
                "content": {"parts": [{"text": "hm", "thought": True}, {"text": text}]},
                "finish_reason": end,
            }
        ],
        "usage_metadata": {
            "prompt_token_count": 9,
            "candidates_token_count": 2,
            "thoughts_token_count": 5,
        },
    } | more


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (read_message(anthropic()), Reply(text="(a)", usage=Usage(9, 2), model="m-1")),
        (
            read_message(anthropic(end="max_tokens")),
            Reply(text="(a)", cut=True, usage=Usage(9, 2), model="m-1"),
        ),
        (read_content(gemini()), Reply(text="(a)", usage=Usage(9, 7), model="m-1")),
        (
            read_content(gemini(end="MAX_TOKENS")),
            Reply(text="(a)", cut=True, usage=Usage(9, 7), model="m-1"),
        ),
    ],
)
def test_a_reply_is_read_without_its_thoughts(outcome, expected):
    assert outcome == expected


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (read_message(anthropic(end="refusal")), "refused"),
        (read_message(anthropic("")), "bad-reply"),
        (read_message(anthropic(end=None)), "bad-reply"),
        (read_message({}), "bad-reply"),
        (read_content(gemini(end="SAFETY")), "refused"),
        (read_content(gemini(prompt_feedback={"block_reason": "SAFETY"})), "refused"),
        (read_content(gemini("")), "bad-reply"),
        (read_content(gemini(candidates=[])), "bad-reply"),
        (read_content([]), "bad-reply"),
    ],
)
def test_what_is_no_answer_is_a_failure_with_a_reason(outcome, reason):
    assert isinstance(outcome, Failure)
    assert outcome.reason == reason


def test_what_a_provider_cannot_do_is_said_before_it_is_asked():
    with pytest.raises(ValueError, match="no seed"):
        message_body(request(seed=1), images)
    with pytest.raises(ValueError, match="top_logprobs"):
        content_body(request(top_logprobs=5), images)


class StatusError(Exception):
    status_code = 429

    class response:  # noqa: N801
        headers = {"retry-after": "4"}  # noqa: RUF012


class ConnectTimeout(Exception):  # noqa: N818
    pass


@pytest.mark.parametrize(
    ("error", "reason", "wait"),
    [
        (StatusError(f"slow down, {KEY.reveal()}"), "rate-limited", 4.0),
        (ConnectTimeout(KEY.reveal()), "timeout", None),
        (OSError(f"cut {KEY.reveal()}"), "server-error", None),
        (ValueError(f"no JSON: {KEY.reveal()}"), "bad-reply", None),
    ],
)
def test_errors_of_a_library_are_failures_without_the_key(error, reason, wait):
    async def call():
        raise error

    failed, answer = asyncio.run(sdk_failure(call(), KEY, 30.0))

    assert answer is None
    assert (failed.reason, failed.retry_after) == (reason, wait)
    assert KEY.reveal() not in repr(failed)
