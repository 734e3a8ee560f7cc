"""A model writes a question: what it is asked, and what becomes of what it says."""

import json

import pytest

from storage.proposals import ProposalRow
from tasks.backends import Failure, Picture, Reply, Text
from tasks.evaluation.servers import Server
from tasks.patterns import PATTERNS
from tasks.proposals import stating, writing
from tasks.proposals.writing import read_proposal, write_request
from tests.tasks.checks.asked import proposal

SERVER = Server("openai", "m", "http://h/v1")
ASKED = ProposalRow(
    mining="m",
    pair_id="p",
    writer="model:openai:m@http://h/v1",
    number=0,
    request="r",
    image_a="a",
    image_b="b",
)
SAID = {
    "differences": ["a hat in image 1", "none in image 2"],
    "question": " Is there a hat? ",
    "option_1": "no",
    "option_2": "yes",
    "answer_1": "option_2",
    "answer_2": "option_1",
    "pattern": "Presence of Specific Features",
    "statement_1": "a dog with a hat",
    "statement_2": "a dog without a hat",
}


def read(text):
    return read_proposal(Reply(text=text), ASKED)


def test_both_images_are_shown_in_order_and_nothing_of_the_corpus():
    request = write_request(SERVER, ("a", "b"), 2)
    system, user = request.messages

    assert [part for part in user.parts if isinstance(part, Picture)] == [
        Picture("a", handling="within-1024"),
        Picture("b", handling="within-1024"),
    ]
    assert [part.text for part in user.parts if isinstance(part, Text)][:2] == [
        "Image 1:",
        "Image 2:",
    ]
    assert all(name in system.parts[0].text for name in PATTERNS.values())
    assert request.protocol.startswith("write-")
    assert request.decoding.seed == 2
    assert request.fingerprint != write_request(SERVER, ("b", "a"), 2).fingerprint
    assert request.fingerprint != write_request(SERVER, ("a", "b"), 1).fingerprint


def test_examples_in_the_prompt_are_proposals_that_pass_the_rules():
    from tasks.checks.wording import RULES

    lines = writing.prompt().system.splitlines()
    examples = [line for line in lines if line.startswith("{") and "option_1" in line][1:]

    assert len(examples) == 3
    for line in examples:
        row = read(line)
        assert row.failure is None, line
        assert [rule(row) for rule in RULES.values()] == [None] * len(RULES), line


def test_a_reply_is_read_whatever_is_around_it():
    row = read(f"<think>{{}}</think>Here:\n```json\n{json.dumps(SAID)}\n```")

    assert row.failure is None
    assert (row.question, row.option_1, row.option_2) == ("Is there a hat?", "no", "yes")
    assert (row.answer_a, row.answer_b) == ("yes", "no")
    assert (row.statement_a, row.statement_b) == ("a dog with a hat", "a dog without a hat")
    assert row.difference == "a hat in image 1; none in image 2"
    assert read(json.dumps(SAID | {"pattern": "None of these"})).pattern is None


@pytest.mark.parametrize(
    ("text", "failure", "why"),
    [
        ("I see a dog.", "unread: no proposals", "no JSON"),
        (json.dumps(SAID)[:-9], "unread: no proposals", "half of it"),
        (json.dumps(SAID) * 2, "unread: 2 proposals", "which of them?"),
        (json.dumps(SAID | {"answer_1": "yes"}), "unread: no proposals", "no option's name"),
        (json.dumps(SAID | {"pattern": "Taste"}), "unread: no proposals", "no pattern of ours"),
        (json.dumps(SAID | {"question": 3}), "unread: no proposals", "no text"),
        (json.dumps(SAID | {"question": " "}), "no-difference", "it found nothing to ask"),
    ],
)
def test_what_is_no_proposal_is_a_failure_with_a_reason(text, failure, why):
    row = read(text)

    assert row.failure.startswith(failure), why
    assert row.question is row.answer_a is row.pattern is None


def test_a_failed_call_is_a_failure_and_half_characters_are_replaced():
    failed = read_proposal(Failure(reason="refused", message="no"), ASKED)
    odd = read(json.dumps(SAID | {"statement_1": "a \ud800 hat"}))

    assert failed.failure == "refused: no"
    assert read_proposal(None, ASKED).failure == "not asked"
    assert odd.statement_a == "a ? hat"


def test_statements_are_read_or_made_by_rule():
    row = proposal(statement_a=None)
    request = stating.state_request(SERVER, row)
    said = {"statement_1": "an open door", "statement_2": "a closed door"}

    assert stating.lacks_statements(row)
    assert not stating.lacks_statements(proposal())
    assert "Answer 1: open\nAnswer 2: closed" in request.messages[1].parts[0].text
    assert stating.read_statements(Reply(text=json.dumps(said))) == tuple(said.values())
    for text in ("", json.dumps(said | {"statement_2": "an open door"}), '{"statement_1": "x"}'):
        assert stating.read_statements(Reply(text=text)) is None
    assert stating.read_statements(None) is None
    assert stating.state_by_rule(row) == (
        "Is it open or closed? open",
        "Is it open or closed? closed",
    )
