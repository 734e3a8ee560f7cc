"""One call to a real HTTP server: what is sent, what comes back, what is no answer."""

import asyncio
import base64
import logging
import math
import pickle
from datetime import UTC, datetime

import pytest

from tasks.backends import Failure, OpenAIServer, Reply, Usage, label_scores, read_secret
from tasks.backends.failures import retry_after
from tests.tasks.backends.asked import PNG, images, request
from tests.tasks.backends.server import completion, serve

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = "sk-planted-0123456789"


def ask(stub, asked=None, **options):
    async def run():
        async with OpenAIServer(stub.url, images=images, now=lambda: NOON, **options) as server:
            return await server.reply(asked or request())

    return asyncio.run(run())


def says(*said):
    return serve(lambda number, body: said if len(said) == 3 else said[0])


def test_words_pictures_and_decoding_reach_the_server():
    asked = request("Which?", picture="image-1", seed=3, extra={"top_k": 1})
    with serve() as stub:
        reply = ask(stub, asked)

    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert stub.bodies == [
        {
            "model": "stub",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Which?"},
                        {"type": "image_url", "image_url": {"url": uri}},
                    ],
                }
            ],
            "max_tokens": 16,
            "temperature": 0.0,
            "seed": 3,
            "top_k": 1,
        }
    ]
    assert reply == Reply(text="(a)", usage=Usage(10, 2), model="stub-2026-01-01")


def test_an_answer_stays_verbatim_and_a_cut_one_says_so():
    with says(200, completion(" (a) Ünder\n", finish="length"), {}) as stub:
        reply = ask(stub)

    assert (reply.text, reply.cut) == (" (a) Ünder\n", True)


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        ((429, "slow down", {"Retry-After": "7"}), "rate-limited", "slow down"),
        ((500, {"error": "oops"}, {}), "server-error", "HTTP 500"),
        ((503, "", {}), "server-error", "HTTP 503"),
        ((504, "", {}), "timeout", "HTTP 504"),
        ((401, "no such key", {}), "rejected", "no such key"),
        ((302, "", {"Location": "http://127.0.0.1:9/"}), "rejected", "HTTP 302"),
        ((400, {"error": {"code": "content_policy_violation"}}, {}), "refused", "HTTP 400"),
        ((200, completion(finish="content_filter"), {}), "refused", "content filter"),
        ((200, completion(None, message={"refusal": "I will not"}), {}), "refused", "I will not"),
        ((200, '{"choices": [', {}), "bad-reply", "no JSON"),
        ((200, "[1]", {}), "bad-reply", "not the JSON"),
        ((200, '"text"', {}), "bad-reply", "not the JSON"),
        ((200, {"error": "none"}, {}), "bad-reply", "choices"),
        ((200, {"choices": []}, {}), "bad-reply", "no choices"),
        ((200, completion(""), {}), "bad-reply", "said nothing"),
        ((200, completion(None, finish="length"), {}), "bad-reply", "raise max_new_tokens"),
        ((200, completion([1]), {}), "bad-reply", "list"),
        ((200, completion("(a", finish=None), {}), "bad-reply", "half a reply"),
        ("cut", "server-error", "RemoteProtocolError"),
    ],
)
def test_what_is_no_answer_is_a_failure_with_a_reason(said, reason, words):
    with serve(lambda number, body: said) as stub:
        outcome = ask(stub)

    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert words in outcome.message


def test_a_server_that_does_not_answer_is_a_time_out():
    with says("hang") as stub:
        outcome = ask(stub, timeout_s=0.2)

    assert outcome.reason == "timeout"


def test_a_server_that_is_not_there_is_a_failure():
    with serve() as stub:
        pass

    assert ask(stub).reason == "server-error"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 12:01:30 -0000", 90.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(value, now=lambda: NOON) == seconds


def test_the_wait_that_a_server_asks_for_comes_with_the_failure():
    with says(429, "", {"Retry-After": "Thu, 01 Jan 2026 12:00:10 GMT"}) as stub:
        assert ask(stub).retry_after == 10.0


def first_tokens(**logprobs):
    top = [{"token": token, "logprob": value} for token, value in logprobs.items()]
    return completion(logprobs={"content": [{"top_logprobs": top}]})


def test_options_are_scored_by_their_first_token():
    found = first_tokens(**{"A": math.log(0.5), " a": math.log(0.1), "B": math.log(0.3)})
    with says(200, found, {}) as stub:
        reply = ask(stub, request(top_logprobs=5))

    assert stub.bodies[0]["logprobs"] is True
    assert label_scores(reply, ["A", "B"]) == pytest.approx((math.log(0.6), math.log(0.3)))
    assert label_scores(reply, ["A", "C"]) is None
    with pytest.raises(ValueError, match="read the same"):
        label_scores(reply, ["A", "a "])


def test_a_server_without_log_probabilities_says_so():
    with serve() as stub:
        outcome = ask(stub, request(top_logprobs=5))

    assert outcome.reason == "bad-reply"
    assert "logprobs" in outcome.message


@pytest.mark.parametrize("extra", [{"temperature": 1}, {"stream": True}, {"n": 2}])
def test_extra_settings_do_not_contradict_the_request(extra):
    with serve() as stub, pytest.raises(ValueError, match="leave them out"):
        ask(stub, request(extra=extra))
    assert stub.bodies == []


@pytest.mark.parametrize("url", ["http://me:pw-secret@host/v1", "http://h/v1?key=pw-secret"])
def test_an_address_with_a_secret_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match="environment variable") as raised:
        OpenAIServer(url, images=images)
    assert "pw-secret" not in str(raised.value)


def test_a_key_reaches_the_server_and_nothing_else(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("STUB_KEY", KEY)
    key = read_secret("STUB_KEY")
    asked = request()
    seen = [repr(key), str(key), repr(asked), asked.fingerprint]
    for said in ((401, f"wrong key {KEY}", {}), (200, f"{KEY}", {}), (200, completion(KEY), {})):
        with serve(lambda number, body, said=said: said) as stub:
            seen.append(repr(ask(stub, asked, key=key)))
            seen.append(repr(OpenAIServer(stub.url, images=images, key=key)))
            assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
            seen.append(repr(stub.bodies))
    with pytest.raises(TypeError, match="STUB_KEY") as raised:
        pickle.dumps(key)
    seen += [str(raised.value), caplog.text]

    assert caplog.text
    assert not [text for text in seen if KEY in text]


@pytest.mark.parametrize("value", ["", "  ", f"{KEY}\n{KEY}", "schlüssel-lang"])
def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(value, monkeypatch):
    monkeypatch.setenv("STUB_KEY", value)
    with pytest.raises(ValueError, match="STUB_KEY") as raised:
        read_secret("STUB_KEY")
    assert not value.strip() or value not in str(raised.value)
