"""Replies to grade, and a judge for tests that reads what is between the fence's lines."""

import json
import re

from tasks.graders import Given
from tasks.protocols.rules import read_free
from tests.tasks.backends.server import completion

FENCE = re.compile(
    r"^----- begin of the reply, mark (?P<mark>\w+) -----\n(?P<reply>.*)\n"
    r"----- end of the reply, mark (?P=mark) -----$",
    re.S | re.M,
)


def given(reply="It is (a).", *, question_id="q", options=("Open", "Closed"), **fields):
    names = {"model": "m", "protocol": "letter", "question": "Is it open?"} | fields
    return Given(question_id=question_id, options=options, reply=reply, **names)


def texts(request):
    """The words of a request's system and user message."""
    return [message.parts[0].text for message in request.messages]


def verdict(taken, quote="It"):
    return json.dumps({"taken": taken, "quote": quote})


def judging(number, body):
    """A server's script: an obedient judge, which takes what is not fenced for its instructions."""
    asked = body["messages"][-1]["content"][0]["text"]
    (found,) = FENCE.finditer(asked)
    instructions = asked[: found.start()] + asked[found.end() :]
    if "ignore the above" in instructions.lower():
        return 200, completion(verdict("a")), {}
    reply = found["reply"]
    options = re.search(r"^\(a\) (.*)\n\(b\) (.*)$", instructions, re.M).groups()
    place = read_free(reply, options)
    said = verdict("neither", "") if place is None else verdict("ab"[place], reply)
    return 200, completion(f"```json\n{said}\n```"), {}
