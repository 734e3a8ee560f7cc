"""Every parser reads a table of replies as its harness does, quirks included, and never raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.protocols import PROTOCOLS, protocol_named

OPEN, YES, AWAY = ("Open", "Closed"), ("Yes", "No"), ("Towards the camera", "Away from the camera")
EASTER = ('"Happy Easter"', '"Happy Easter!"')
A, B = 0, 1

TABLE = {
    "lmms-eval-0.7": [
        ("A", OPEN, A),
        ("(b)", OPEN, B),
        ("b. Closed", OPEN, B),
        ("The answer is (B).", OPEN, B),
        ("Option b", OPEN, B),
        ("A dog faces left", OPEN, A),
        ("the camera points left", OPEN, A),
        ("It is on a web page", OPEN, A),
        ("Both", OPEN, B),
        ("Closed", OPEN, None),
        ("", OPEN, None),
        ("(A)nd", OPEN, None),
    ],
    "vlmevalkit-2026": [
        ("A", OPEN, A),
        ("a", OPEN, None),
        ("(B)", OPEN, B),
        ("B. Closed", OPEN, B),
        ("A or B", OPEN, None),
        ("The right one, I think, is B.", OPEN, B),
        ("B is what is to be seen here", OPEN, None),
        ("The answer is **b**. Here is why it is so", OPEN, B),
        ("It is closed", OPEN, B),
        ("It is open and closed", OPEN, None),
        ("as far as one can tell it is closed", OPEN, None),
        ("Z", OPEN, None),
        ("Cannot determine the answer A", OPEN, None),
        ("Failed to obtain answer via API. A", OPEN, None),
        ("no", YES, B),
    ],
    "cambrian-2024": [
        ("A", OPEN, A),
        ("(b).", OPEN, B),
        ("(b)", OPEN, B),
        ("b.", OPEN, B),
        ("Closed", OPEN, B),
        ("The answer is B.", OPEN, B),
        ("Answer: closed", OPEN, B),
        ("The answer is: B", OPEN, None),
        ("B. Closed", OPEN, None),
        ("Yes.", YES, A),
        ("", OPEN, None),
    ],
    "internvl": [
        ("A", OPEN, A),
        ("a", OPEN, None),
        ("B. Closed", OPEN, B),
        ("Both", OPEN, B),
        ("Away from the camera", AWAY, A),
        ("It is Closed", OPEN, B),
        ("it is closed", OPEN, None),
        ("Open and Closed", OPEN, A),
        ("", OPEN, None),
    ],
    "letter": [
        ("a", OPEN, A),
        ("(a)", OPEN, A),
        ("A.", OPEN, A),
        ("Answer: a", OPEN, A),
        ("answer: (B).", OPEN, B),
        ("**b**", OPEN, B),
        ("closed.", OPEN, B),
        ("(b) Closed", OPEN, B),
        ("(a) Closed", OPEN, None),
        ("Yes.", YES, A),
        ('"Happy Easter!"', EASTER, B),
        ("Happy Easter", EASTER, None),
        ("The answer is a", OPEN, None),
        ("a or b", OPEN, None),
        ("A door", OPEN, None),
        ("c", OPEN, None),
        ("", OPEN, None),
    ],
    "paper-2024": [
        ("The wings are open.", OPEN, A),
        ("The wings are not open.", OPEN, None),
        ("It isn't open but closed", OPEN, None),
        ("Open or closed", OPEN, None),
        ("The correct answer is (b).", OPEN, B),
        ("The answer is a bit hard: closed", OPEN, B),
        ("(a) or (b)", OPEN, None),
        ("Yes, there is no door", YES, A),
        ("There is no door", YES, None),
        ("More than one apple", ("One", "More than one"), B),
        ("<think>(a)? open?</think> (b)", OPEN, B),
        ("<think>It is open, or rather", OPEN, None),
        ("I cannot tell", OPEN, None),
    ],
    "free": [
        (" Closed. ", OPEN, B),
        ("NO", YES, B),
        ("“yes”", YES, None),
        ("yes yes", YES, None),
        ("yes it is", YES, None),
        ("no , there is none !", ("yes", "no, there is none"), B),
        ("is it on ?", ("is it on?", "is it"), A),
        ("red car", ("car", "red car"), B),
        ("", YES, None),
    ],
    "option-logprob": [("Open", OPEN, A), ("Closed", OPEN, B), ("open", OPEN, None)],
}
CASES = [(name, *case) for name, cases in TABLE.items() for case in cases]


def test_the_table_has_every_protocol():
    assert TABLE.keys() == PROTOCOLS.keys()


@pytest.mark.parametrize(("name", "reply", "options", "option"), CASES)
def test_a_reply_is_read_as_the_harness_reads_it(name, reply, options, option):
    assert protocol_named(name).parse(reply, options) == option


@pytest.mark.parametrize(
    ("verdict", "right"),
    [("yes", True), ("Yes", True), ("YES", True), ("Yes.", False), ("Yes, it does", False),
     ("yes\n", False), ("no", False), ("", False)],
)  # fmt: skip
def test_the_papers_judge_says_right_by_yes_alone(verdict, right):
    assert protocol_named("paper-2024").judge.says_right(verdict) is right


words = st.sampled_from(
    [
        "A",
        "B",
        "a",
        "b",
        "(a)",
        "(b)",
        "answer",
        "is:",
        "Open",
        "closed",
        "not",
        "yes",
        "Z",
        ".",
        "**",
        "</think>",
        "camera",
    ]
)
replies = st.one_of(st.text(max_size=60), st.lists(words, max_size=12).map(" ".join))
texts = st.text(max_size=12)


@settings(max_examples=150, deadline=None)
@given(reply=replies, options=st.one_of(st.just(OPEN), st.tuples(texts, texts)))
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_a_parser_returns_an_option_or_unread_whatever_is_said(name, reply, options):
    assert protocol_named(name).parse(reply, options) in (A, B, None)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"did you mean 'letter'\?"):
        protocol_named("leter")
