"""A request has one name; its key and its address are no part of it."""

import dataclasses

import pytest

from tasks.backends import REASONS, Message, Text
from tasks.backends.request import media_type
from tests.tasks.backends.asked import PNG, request

BASE = request("Is it open?", picture="image-1")


def test_the_order_of_keys_does_not_change_the_name():
    one = request(extra={"top_k": 1, "guided": {"a": 1, "b": [2]}})
    other = request(extra={"guided": {"b": [2], "a": 1}, "top_k": 1})

    assert one.fingerprint == other.fingerprint
    assert one == other


def test_a_number_has_one_name_whichever_type_it_has():
    assert request(temperature=0).fingerprint == request(temperature=0.0).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        request("Is it Open?", picture="image-1"),
        request("Is it open?", picture="image-2"),
        request("Is it open?"),
        request("Is it open?", picture="image-1", model="other"),
        request("Is it open?", picture="image-1", protocol="free"),
        request("Is it open?", picture="image-1", temperature=0.2),
        request("Is it open?", picture="image-1", temperature=None),
        request("Is it open?", picture="image-1", max_new_tokens=17),
        request("Is it open?", picture="image-1", seed=1),
        request("Is it open?", picture="image-1", top_p=0.5),
        request("Is it open?", picture="image-1", top_logprobs=5),
        request("Is it open?", picture="image-1", extra={"top_k": 1}),
        dataclasses.replace(BASE, revision="abc"),
        dataclasses.replace(BASE, messages=(Message("system", (Text("x"),)), *BASE.messages)),
        dataclasses.replace(BASE, messages=(Message("user", BASE.messages[0].parts[::-1]),)),
    ],
)
def test_any_change_is_another_name(other):
    assert other.fingerprint != BASE.fingerprint


def test_a_request_cannot_be_changed_after_it_is_named():
    settings = {"stop": ["x"]}
    asked = request(extra=settings)
    name = asked.fingerprint

    settings["stop"].append("y")
    with pytest.raises(TypeError):
        asked.decoding.extra["top_k"] = 2

    assert asked.fingerprint == name


def test_every_reason_of_a_failure_is_known():
    assert {
        "timeout",
        "rate-limited",
        "refused",
        "bad-reply",
        "server-error",
        "over-budget",
    } <= set(REASONS)


def test_a_file_that_no_server_reads_is_not_sent():
    assert media_type(PNG) == "image/png"
    with pytest.raises(ValueError, match="expected PNG"):
        media_type(b"BM......")
