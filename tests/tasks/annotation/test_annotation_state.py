"""Events add up to the same state however they come."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.events import EventRow
from tasks.annotation.acts import Draft, read_body
from tasks.annotation.agreement import agreements, by_question
from tasks.annotation.outcome import checks_of, proposals_of, verdicts_of
from tasks.annotation.standing import standings
from tasks.annotation.state import Rules, State, fold, proposal_of
from tests.tasks.annotation.acts import PAIRS, WHOLE, A, Acts, B

ASKED = proposal_of("m", "x", "p1", PAIRS["p1"], Draft(**WHOLE)).proposal_id

BODIES = st.one_of(
    st.tuples(st.just("draft"), st.builds(dict, question=st.text("abc", max_size=3))),
    st.tuples(st.just("written"), st.just(WHOLE) | st.just(WHOLE | {"option_1": "Perhaps"})),
    st.tuples(st.just("skipped"), st.just({"reason": ""})),
    st.tuples(st.just("flagged"), st.sampled_from([{"reason": ""}, {"reason": "blurred"}])),
    st.tuples(st.just("opened"), st.sampled_from([{"mode": "write"}, {"mode": "check"}])),
    st.tuples(
        st.just("answered"),
        st.builds(dict, image=st.sampled_from([A, B]), choice=st.sampled_from([1, 2, None])),
    ),
    st.tuples(st.just("judged"), st.sampled_from([{"verdict": "clear", "note": ""}])),
    st.tuples(st.just("decided"), st.builds(dict, accepted=st.booleans(), note=st.just(""))),
    st.tuples(st.just("chosen"), st.builds(dict, choice=st.sampled_from([1, 2, None]))),
)


@st.composite
def histories(draw):
    acts = draw(
        st.lists(
            st.tuples(BODIES, st.sampled_from("xyz"), st.sampled_from([*PAIRS, ASKED, "gone"]))
        )
    )
    return [
        EventRow(
            event_id=f"{number * 7919 % 1009:032x}",
            mining="m",
            at=number,
            who=who,
            kind=kind,
            subject=subject,
            body=body,
        )
        for number, ((kind, body), who, subject) in enumerate(acts)
    ]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_what_is_known_of_questions_after_each_event_is_what_a_fresh_look_finds(history):
    rules, state = Rules(wanted=3, checks=1), State(PAIRS)
    for number, event in enumerate(history, start=1):
        state.apply(event)
        fresh = fold(history[:number], PAIRS)
        for look in (State.items, agreements):
            assert look(state) == look(fresh)
        for judge in (standings, by_question):
            assert judge(state, rules) == judge(fresh, rules)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.randoms())
def test_any_order_of_any_replays_gives_the_state_of_a_server_that_saw_them_come(history, random):
    live = State(PAIRS)
    for event in history:
        live.apply(event)
    replayed = history + random.choices(history, k=5) if history else []
    random.shuffle(replayed)

    assert fold(replayed, PAIRS) == live
    assert live.items() == fold(reversed(history), PAIRS).items()


def test_a_draft_is_not_yet_a_question_and_what_is_written_is():
    acts = Acts()
    acts("ada", "opened", "p1", mode="write")
    acts("ada", "draft", "p1", question="Is th")

    assert acts.state.sheet("ada", "p1").draft.question == "Is th"
    assert acts.state.items() == {}

    acts("ada", "written", "p1", **WHOLE)
    (item,) = acts.state.items().values()
    assert (item.pair_id, item.writers, item.draft.question) == ("p1", ("ada",), "Is there a hat?")


def test_a_question_in_other_words_is_another_one_that_nobody_has_checked():
    acts = Acts()
    first = acts.write("ada", "p1")
    acts.check("grace", first)

    acts("ada", "written", "p1", **WHOLE | {"question": "Is a hat there?"})
    second = acts.state.sheet("ada", "p1").proposal_id

    assert first != second
    assert list(acts.state.items()) == [second]
    assert verdicts_of(acts.state) == []


def test_only_the_first_answer_about_an_image_counts_for_later_ones_are_not_blind():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name, choices=(2, 2))
    acts("grace", "answered", name, image=A, choice=1)

    (row,) = verdicts_of(acts.state)
    assert (row.answer_a, row.answer_b) == ("No", "No")


@pytest.mark.parametrize(("first", "blind"), [("check", True), ("write", False)])
def test_a_checker_who_saw_both_images_before_is_not_blind(first, blind):
    acts = Acts()
    name = acts.write("ada", "p1")
    if first == "write":
        acts("grace", "opened", "p1", mode="write")
    acts.check("grace", name)
    acts("grace", "opened", "p1", mode="write")

    (row,) = verdicts_of(acts.state)
    assert row.blind is blind


def test_what_checkers_say_stands_beside_what_models_find():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name, "ambiguous", choices=(1, None))

    found = {row.check: row for row in checks_of(acts.state, "m")}

    assert {row.by for row in found.values()} == {"people:grace"}
    assert {row.proposal_id for row in found.values()} == {name}
    assert {check: row.passed for check, row in found.items()} == {
        "agree-a": True,
        "agree-b": False,
        "verdict": False,
    }
    assert (found["agree-b"].detail, found["verdict"].detail) == ("takes None", "ambiguous")


def test_a_question_becomes_a_proposal_with_the_answer_of_each_image():
    acts = Acts()
    acts.write("ada", "p2", answer_a=2, pattern="none", option_1=" Yes ")

    (row,) = proposals_of(acts.state, "m")

    assert (row.writer, row.image_a, row.answer_a, row.answer_b) == ("people:ada", B, "No", "Yes")
    assert (row.option_1, row.option_2, row.pattern) == ("Yes", "No", None)
    assert row.proposal_id == acts.state.sheet("ada", "p2").proposal_id


def test_a_question_that_is_taken_back_is_a_failed_proposal_and_a_skipped_pair_is_none():
    acts = Acts()
    acts.write("ada", "p1")
    acts("ada", "skipped", "p1", reason="too dark")
    acts("grace", "skipped", "p2", reason="")

    (row,) = proposals_of(acts.state, "m")

    assert row.failure
    assert row.question is None


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("written", WHOLE | {"question": " "}, "there is no question"),
        ("written", WHOLE | {"option_2": " yes"}, "the options are the same"),
        ("written", WHOLE | {"answer_a": None}, "nothing says which answer is right"),
        ("written", WHOLE | {"pattern": None}, "no pattern was chosen"),
        ("written", WHOLE | {"pattern": "Vibes"}, "there is no such pattern"),
        ("written", WHOLE | {"statement_a": "A hat."}, "a statement stands alone"),
        ("draft", {"question": "x" * 2_001}, "it is too long"),
        ("draft", {"question": "\ud800"}, "it cannot be stored"),
        ("draft", {"question": "a\x00b"}, "it cannot be shown"),
        ("draft", {"answer_a": 3}, "there are two options"),
        ("draft", {"answer_a": "1"}, "it is no number"),
        ("draft", {"who": "grace"}, "there is no such field"),
        ("answered", {"image": "../../etc/passwd", "choice": 1}, "that is no image"),
        ("judged", {"verdict": "fine"}, "there is no such verdict"),
        ("configured", {"wanted": 1, "overlap": 1, "checks": 0, "lease_s": 1}, "people do not"),
        ("opened", {"mode": "write"}, "the server opens"),
    ],
)
def test_a_body_that_is_not_what_its_kind_holds_is_refused(kind, body, why):
    with pytest.raises(ValueError, match=r"\S"):
        pytest.fail(f"{why}: {read_body(kind, body)}")


def test_what_was_asked_about_a_pair_that_leaves_the_mining_counts_again_when_it_is_back():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name)
    without = {pair: images for pair, images in PAIRS.items() if pair != "p1"}

    here, away = fold(acts.events, PAIRS), fold(acts.events, without)
    assert (list(here.items()), list(away.items())) == ([name], [])
    here.follow(without)
    away.follow(PAIRS)
    assert (list(here.items()), list(away.items())) == ([], [name])
    assert standings(away, Rules(wanted=1, checks=1)) == {name: "accepted"}
    here.follow(PAIRS)
    assert here == away == fold(acts.events, PAIRS)
