"""Providers' own libraries over real HTTP: what they send, and what is made of what comes back."""

import asyncio
import base64
import sys

import pytest

from tasks.backends import Failure, Reply, Secret, Usage
from tasks.backends.anthropic import Anthropic
from tasks.backends.gemini import Gemini
from tests.tasks.backends.asked import PNG, images, request
from tests.tasks.backends.server import serve

KEY = Secret("SOME_KEY", "planted-0123456789")
ASKED = request("Which?", picture="image-1")


def message(text="(a)", end="end_turn"):
    return {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": text}],
        "stop_reason": end,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }


def content(text="(a)", end="STOP"):
    return {
        "modelVersion": "m-1",
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": end}
        ],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2},
    }


BACKENDS = {
    "anthropic": (Anthropic, "ANTHROPIC_BASE_URL", message, "refusal"),
    "gemini": (Gemini, "GOOGLE_GEMINI_BASE_URL", content, "SAFETY"),
}


@pytest.fixture(params=BACKENDS)
def provider(request):
    return request.param


@pytest.fixture
def ask(provider, monkeypatch):
    """Ask the provider's library once, with a server in the provider's place."""
    backend, variable, _, _ = BACKENDS[provider]

    def ask(said, timeout_s=30.0):
        with serve(lambda number, body: said) as stub:
            monkeypatch.setenv(variable, stub.url.removesuffix("/v1"))

            async def call():
                return await backend(KEY, images=images, timeout_s=timeout_s).reply(ASKED)

            outcome = asyncio.run(call())
        assert len(stub.bodies) == 1, "second tries are ours, not the library's"
        assert KEY.reveal() not in repr(outcome)
        return stub, outcome

    return ask


def test_words_and_pictures_reach_the_provider_and_its_reply_us(provider, ask):
    stub, outcome = ask((200, BACKENDS[provider][2](), {}))

    assert outcome == Reply(text="(a)", usage=Usage(9, 2), model="m-1")
    said = str(stub.bodies[0])
    assert "Which?" in said
    assert base64.b64encode(PNG).decode() in said
    assert any(KEY.reveal() in value for value in stub.headers[0].values())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((500, {"error": {"message": "oh"}}, {}), "server-error"),
        ((401, {"error": {"message": "who?"}}, {}), "rejected"),
        ((200, "{]", {}), "bad-reply"),
        ((200, "", {}), "bad-reply"),
        ("cut", "server-error"),
    ],
)
def test_what_goes_wrong_is_a_failure_with_a_reason(ask, said, reason):
    _, outcome = ask(said)

    assert isinstance(outcome, Failure)
    assert outcome.reason == reason


def test_a_wait_that_the_provider_asks_for_is_read(ask):
    _, outcome = ask((429, {"error": {"message": "slow"}}, {"Retry-After": "7"}))

    assert (outcome.reason, outcome.retry_after) == ("rate-limited", 7.0)


def test_a_refusal_is_no_answer(provider, ask):
    _, outcome = ask((200, BACKENDS[provider][2]("No.", BACKENDS[provider][3]), {}))

    assert outcome.reason == "refused"


def test_a_provider_that_says_nothing_is_not_waited_for(ask):
    _, outcome = ask("hang", timeout_s=0.5)

    assert outcome.reason == "timeout"


@pytest.mark.parametrize(("backend", "name"), [(Anthropic, "anthropic"), (Gemini, "google.genai")])
def test_a_library_that_is_missing_says_what_to_install(backend, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ImportError, match=r"pip install 'mmvp\["):
        backend(KEY, images=images)
