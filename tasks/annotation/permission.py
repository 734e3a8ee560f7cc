"""Whether a person may do an act now: only with what the server has given to that person.

Put here: the rules, and words for each refusal.
Keep out: what a body may hold (`acts`), who gets what (`queue`), beside this file.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tasks.annotation.acts import ADJUDICATE, CHECK, WRITE, Answered, Body, Chosen
from tasks.annotation.queue import disputes, image_due
from tasks.annotation.state import Item, Rules, State


class NotAllowedError(ValueError):
    """An act that this person may not do, or not now; it is not stored."""


def allow(state: State, rules: Rules, who: str, kind: str, subject: str, body: Body) -> None:
    """Return if a person may do this now.

    Raises:
        NotAllowedError: if the subject was not given to this person, or the time is wrong.
    """
    _RULES[kind](state, rules, who, subject, body)


def _holds_pair(state: State, _rules: Rules, who: str, subject: str, _body: Body) -> None:
    """A pair may have left the mining since: what is typed about it is kept all the same."""
    if who not in state.takers(WRITE, subject):
        raise NotAllowedError(_not_given("pair", subject, who))


def _item(state: State, mode: str, who: str, subject: str) -> Item:
    if who not in state.takers(mode, subject):
        raise NotAllowedError(_not_given("question", subject, who))
    item = state.items().get(subject)
    if item is None:
        message = f"question {subject!r} was changed or its pair is gone since; take the next one"
        raise NotAllowedError(message)
    if who in item.writers:
        message = f"question {subject!r} is {who}'s own; somebody else checks it"
        raise NotAllowedError(message)
    return item


def _answers(state: State, _rules: Rules, who: str, subject: str, body: Body) -> None:
    assert isinstance(body, Answered)
    item = _item(state, CHECK, who, subject)
    due = image_due(state, who, item)
    if body.image != due:
        message = f"image {body.image!r} of question {subject!r} is not the one to answer about now"
        raise NotAllowedError(message)


def _judges(state: State, _rules: Rules, who: str, subject: str, _body: Body) -> None:
    item = _item(state, CHECK, who, subject)
    if image_due(state, who, item) is not None:
        message = f"question {subject!r} has images without an answer; answer about each one first"
        raise NotAllowedError(message)


def _decides(state: State, rules: Rules, who: str, subject: str, _body: Body) -> None:
    item = _item(state, ADJUDICATE, who, subject)
    if who in state.checks.get(subject, {}):
        message = f"{who} has checked question {subject!r}; somebody else decides"
        raise NotAllowedError(message)
    if subject not in state.decisions and item not in disputes(state, who, rules):
        message = f"question {subject!r} is not in dispute"
        raise NotAllowedError(message)


def _flags(state: State, _rules: Rules, who: str, subject: str, _body: Body) -> None:
    given = any(who in state.takers(mode, subject) for mode in (WRITE, CHECK, ADJUDICATE))
    if not given and subject not in state.orders.get(who, ()):
        raise NotAllowedError(_not_given("subject", subject, who))


def _chooses(state: State, _rules: Rules, who: str, subject: str, body: Body) -> None:
    assert isinstance(body, Chosen)
    if subject not in state.orders.get(who, ()):
        raise NotAllowedError(_not_given("question", subject, who))


def _not_given(what: str, subject: str, who: str) -> str:
    return f"{what} {subject!r} was not given to {who}; ask for the next one"


_RULES: Final[Mapping[str, Callable[[State, Rules, str, str, Body], None]]] = {
    "draft": _holds_pair,
    "written": _holds_pair,
    "skipped": _holds_pair,
    "flagged": _flags,
    "answered": _answers,
    "judged": _judges,
    "decided": _decides,
    "chosen": _chooses,
}
