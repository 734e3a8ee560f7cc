"""Who gets what next, and how a question stands."""

import pytest

from tasks.annotation.agreement import by_question
from tasks.annotation.queue import image_due, next_check, next_dispute, next_pair
from tasks.annotation.standing import progress, standings
from tasks.annotation.state import Rules
from tests.tasks.annotation.acts import PAIRS, A, Acts, B

ORDER = list(PAIRS)
RULES = Rules(wanted=3)


def pair_for(acts, who, rules=RULES, *, open_it=True, **options):
    pair = next_pair(acts.state, who, rules, acts.now, ORDER, **options)
    if pair and open_it:
        acts(who, "opened", pair, mode="write")
    return pair


def test_two_writers_never_hold_one_pair():
    acts = Acts()

    assert [pair_for(acts, "ada"), pair_for(acts, "grace")] == ["p1", "p2"]
    assert pair_for(acts, "ada") == "p1", "what is begun comes again"
    assert pair_for(acts, "ada", fresh=True) == "p3", "unless another is asked for"
    assert pair_for(acts, "joan") is None


def test_with_overlap_as_many_write_about_one_pair_and_no_more():
    acts = Acts()
    rules = Rules(wanted=1, overlap=2)

    assert [pair_for(acts, who, rules) for who in ("ada", "grace", "joan")] == ["p1", "p1", None]


def test_a_pair_whose_writer_has_gone_is_given_to_another():
    acts = Acts()
    pair_for(acts, "ada")
    acts.numbers = iter(range(1_900, 2_000))
    acts("ada", "opened", "other", mode="check")

    assert next_pair(acts.state, "grace", RULES, 1_900_000_000, ORDER) == "p1"


def test_a_skipped_pair_goes_to_others_and_another_takes_its_place():
    acts = Acts()
    rules = Rules(wanted=1)
    assert pair_for(acts, "ada", rules) == "p1"
    acts("ada", "skipped", "p1", reason="")

    assert pair_for(acts, "ada", rules, open_it=False) == "p2"
    assert pair_for(acts, "grace", rules) == "p1"
    assert pair_for(acts, "ada", rules) is None, "one is wanted, and one is begun"


def test_no_new_pair_is_begun_once_enough_are_until_a_question_is_rejected():
    acts = Acts()
    rules = Rules(wanted=1)
    name = acts.write("ada", "p1")
    assert pair_for(acts, "grace", rules) is None

    acts.check("grace", name, "wrong")
    acts.check("joan", name, "leak")

    assert pair_for(acts, "grace", rules) == "p1"


def test_nobody_checks_the_own_question_and_each_checks_another_once():
    acts = Acts()
    name = acts.write("ada", "p1")
    assert next_check(acts.state, "ada", RULES, acts.now) is None

    acts.check("grace", name)
    assert next_check(acts.state, "grace", RULES, acts.now) is None
    assert next_check(acts.state, "joan", RULES, acts.now).item.proposal_id == name


def test_as_many_check_as_are_asked_for_those_at_work_counted():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts("grace", "opened", name, mode="check")

    assert next_check(acts.state, "joan", Rules(wanted=3, checks=1), acts.now) is None
    assert next_check(acts.state, "joan", Rules(wanted=3, checks=2), acts.now) is not None


def test_between_the_two_images_of_a_question_lie_those_of_others():
    acts = Acts()
    for pair in PAIRS:
        acts.write("ada", pair)
    asked = []
    while due := next_check(acts.state, "grace", RULES, acts.now):
        name = due.item.proposal_id
        if name not in [one for one, _ in asked]:
            acts("grace", "opened", name, mode="check")
        asked.append((name, due.image))
        if due.image:
            acts("grace", "answered", name, image=due.image, choice=1)
        else:
            acts("grace", "judged", name, verdict="clear")

    assert len(asked) == 9
    images = [name for name, image in asked if image]
    assert images[:3] == images[3:]
    assert len(set(images[:3])) == 3
    for name in set(images):
        assert [image is None for one, image in asked if one == name] == [False, False, True]


def test_the_first_image_of_a_check_is_drawn_for_each_checker():
    acts = Acts()
    name = acts.write("ada", "p1")
    item = acts.state.items()[name]

    assert {image_due(acts.state, f"checker{n}", item) for n in range(20)} == {A, B}


@pytest.mark.parametrize(
    ("checks", "expected", "why"),
    [
        ([("clear", (1, 2))], "open", "two checkers are asked for"),
        ([("clear", (1, 2))] * 2, "accepted", "all agree"),
        ([("clear", (1, 2)), ("clear", (1, 1))], "disputed", "one answers otherwise"),
        ([("clear", (1, 2)), ("clear", (1, None))], "disputed", "one cannot tell"),
        ([("clear", (1, 2)), ("leak", (1, 2))], "disputed", "one calls it a leak"),
        ([("wrong", (1, 2)), ("ambiguous", (1, 2))], "rejected", "none calls it clear"),
    ],
)
def test_a_question_stands_as_its_checks_say(checks, expected, why):
    acts = Acts()
    name = acts.write("ada", "p1")
    for number, (verdict, choices) in enumerate(checks):
        acts.check(f"checker{number}", name, verdict, choices)

    assert standings(acts.state, RULES) == {name: expected}, why


def test_a_single_checker_against_the_writer_is_a_dispute():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name, "wrong")

    assert standings(acts.state, Rules(wanted=1, checks=1)) == {name: "disputed"}


def test_a_dispute_is_decided_by_one_who_neither_wrote_nor_checked():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name)
    acts.check("joan", name, "ambiguous")
    for who in ("ada", "grace", "joan"):
        assert next_dispute(acts.state, who, RULES, acts.now) is None
    assert next_dispute(acts.state, "judy", RULES, acts.now).proposal_id == name

    acts("judy", "opened", name, mode="adjudicate")
    assert next_dispute(acts.state, "hal", RULES, acts.now) is None, "judy is at work on it"
    acts("judy", "decided", name, accepted=True, note="fine")

    assert standings(acts.state, RULES) == {name: "accepted"}
    assert next_dispute(acts.state, "judy", RULES, acts.now) is None


def test_progress_counts_pairs_and_is_complete_when_as_many_are_accepted_as_wanted():
    acts = Acts()
    rules = Rules(wanted=2, checks=1)
    names = [acts.write("ada", pair) for pair in ("p1", "p2")]
    acts("grace", "opened", "p3", mode="write")
    acts("grace", "flagged", "p3", reason="blurred")
    acts.check("grace", names[0])

    found = progress(acts.state, rules, acts.now)
    assert (found.begun, found.written, found.checked, found.accepted) == (3, 2, 1, 1)
    assert (found.flagged, found.disputed, found.complete) == (1, 0, False)

    acts.check("grace", names[1])
    acts("grace", "flagged", "p3", reason="")
    found = progress(acts.state, rules, acts.now)
    assert (found.accepted, found.flagged, found.complete) == (2, 0, True)


def test_agreement_on_a_question_is_the_share_of_people_who_say_the_same():
    acts = Acts()
    name = acts.write("ada", "p1")
    acts.check("grace", name, choices=(1, 2))
    acts.check("joan", name, choices=(1, 1))

    (row,) = by_question(acts.state, RULES)

    assert (row.answers, row.answers_right) == (4, 3)
    assert row.agreement == pytest.approx((1 + 1 / 3) / 2)
