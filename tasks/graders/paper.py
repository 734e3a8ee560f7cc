"""The judge of `paper-2024`: told the right answer, it says whether a reply is right.

Put here: its requests, and a grade from its yes or no.
Keep out: its words, which are the protocol's (`tasks.protocols.prompts`).

It does not tell which option a wrong reply takes, and a reply can talk to it: it is here because
the paper's figures come from it. `judge` beside this file is ours.
"""

from tasks.backends import Decoding, Failure, Message, Outcome, Request, Text
from tasks.benchmarks.question import Question
from tasks.fingerprints import digest
from tasks.graders.given import Given, Grade, NoVerdict, Verdict
from tasks.graders.votes import grade
from tasks.protocols import Judge, Protocol


def paper_request(protocol: Protocol, question: Question, reply: str, *, key: str) -> Request:
    """Return what a protocol's own judge is asked about a reply.

    Raises:
        ValueError: if the protocol has no judge, or the key leaves the question out.
    """
    judge, place = _judge(protocol), question.answer(key)
    if place is None:
        message = f"the key {key!r} leaves out question {question.number}, so nothing is judged"
        raise ValueError(message)
    asked = judge.ask(protocol.prompt(question).user, f"({'ab'[place]})", reply)
    return Request(
        model=judge.model,
        messages=(Message("system", (Text(judge.system),)), Message("user", (Text(asked),))),
        protocol=f"{protocol.name}/judge",
        decoding=Decoding(temperature=judge.temperature),
    )


def grade_by_paper(
    protocol: Protocol, question: Question, given: Given, outcome: Outcome, *, key: str
) -> Grade:
    """Return the grade: the right option for a yes, neither for all else, "Yes." included.

    Raises:
        ValueError: if the protocol has no judge, or the key leaves the question out.
    """
    asked = paper_request(protocol, question, given.reply, key=key)
    judge, vote = _judge(protocol), _vote(protocol, question, outcome, key)
    request = digest([asked.fingerprint])
    return grade(given, [vote], grader=f"paper:{judge.model}:{key}", request=request)


def _vote(
    protocol: Protocol, question: Question, outcome: Outcome, key: str
) -> Verdict | NoVerdict:
    if isinstance(outcome, Failure):
        return NoVerdict(f"{outcome.reason}: {outcome.message}")
    if not _judge(protocol).says_right(outcome.text):
        return Verdict("neither", "")
    return Verdict("a" if question.answer(key) == 0 else "b", "")


def _judge(protocol: Protocol) -> Judge:
    if protocol.judge is None:
        message = f"protocol {protocol.name!r} has no judge of its own; 'paper-2024' has"
        raise ValueError(message)
    return protocol.judge
