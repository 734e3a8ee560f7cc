"""Which offers are taken: the preferred one that has room; pairs in line only where one lacks."""

import pytest

from storage.questions import MINED, QuestionRow
from tasks.patterns import PATTERNS
from tasks.questions.config import QuestionConfig
from tasks.questions.rounds import joined
from tasks.questions.taking import FULL, UNPROPOSED, Offer, Offered, take
from tasks.reasons import IMAGE_USED
from tasks.stage import Outcome, StageResult

ONE, OTHER, *_ = PATTERNS.values()


def offer(pair, pattern=ONE, *, images=None, refused=None):
    """An offer of a pair, whose images are named after it if nothing else is said."""
    if refused:
        return Offer((), refused)
    told = {"mining": "m", "benchmark": MINED, "question": "Which?", "options": ("x", "y")}
    more = {"attribute": "", "statement": None, "source": "model", "key": "model"}
    return Offer(
        [
            QuestionRow(
                question_id=f"{pair}{image}",
                pair_id=pair,
                image=image,
                answer="x",
                pattern=pattern,
                **told,
                **more,
            )
            for image in images or (f"{pair}-a", f"{pair}-b")
        ]
    )


def taken_of(about, selected, extra=(), **config):
    told = {"by": ("model",), "writers": ("openai:w@http://h/v1",)} | config
    return take(Offered(about, set(selected), set(extra)), QuestionConfig(**told))


def pairs_of(taken):
    return list(dict.fromkeys(row.pair_id for row in taken.rows))


def test_of_a_pair_the_first_that_passes_is_taken():
    about = {"p": [offer("p", refused="no"), offer("p", OTHER), offer("p", ONE)], "q": []}

    taken = taken_of(about, "pq")

    assert taken.patterns == {OTHER: 1}
    assert taken.reasons == {UNPROPOSED: 1, "statement-by-rule": 0}
    assert taken.lacking == 1


def test_pairs_in_line_replace_refused_ones_and_no_more():
    about = {
        "p": [offer("p", refused="no")],
        "q": [offer("q")],
        "x": [offer("x", refused="no")],
        "y": [offer("y")],
        "z": [offer("z")],
    }

    taken = taken_of(about, "pq", "xyz", extra_pairs=3)

    assert pairs_of(taken) == ["q", "y"]
    assert taken.reasons["no"] == 2
    assert taken.lacking == 0


def test_pairs_in_line_are_taken_for_patterns_that_are_short_alone():
    about = {name: [offer(name)] for name in "pq"}
    about |= {"u": [offer("u", ONE)], "v": [offer("v", None)], "w": [offer("w", "mine")]}
    about |= {"x": [offer("x", ONE), offer("x", OTHER)], "y": [offer("y", OTHER)]}

    taken = taken_of(about, "pq", "uvwxy", pairs_per_pattern=1)

    assert pairs_of(taken) == ["p", "x"]
    assert taken.short == {name: 1 for name in PATTERNS.values() if name not in (ONE, OTHER)}
    assert taken.lacking == 7
    assert taken.reasons[FULL] == 5


def test_beyond_the_selected_pairs_no_image_is_asked_about_twice():
    about = {
        "p": [offer("p", images=("a", "b"))],
        "q": [offer("q", images=("b", "c"))],
        "x": [offer("x", images=("c", "d"))],
    }

    assert pairs_of(taken_of(about, "p")) == ["p", "x"]
    assert taken_of(about, "p").reasons[IMAGE_USED] == 1
    assert pairs_of(taken_of(about, "pq", "x", extra_pairs=1)) == ["p", "q"]


def test_how_many_pairs_may_be_in_line():
    assert QuestionConfig().most_extra(150) == 0
    assert QuestionConfig(pairs_per_pattern=15).most_extra(150) == 150
    assert QuestionConfig(pairs_per_pattern=15, extra_pairs=0).most_extra(150) == 0
    assert QuestionConfig(extra_pairs=7).most_extra(150) == 7


@pytest.mark.parametrize(("servers", "each"), [(1, 5), (2, 3), (3, 2), (5, 1), (6, 1)])
def test_answerers_answer_five_times_in_all_or_more(servers, each):
    specs = [f"openai:m{number}@http://h/v1" for number in range(servers)]

    answering = QuestionConfig(answerers=specs).answering()

    assert len(answering) == servers * each
    assert {one.times for one in answering} == {each}
    assert len(QuestionConfig(answerers=specs, answers_each=7).answering()) == 7 * servers


def result(state, new, money):
    spent = {"currency": "USD", "budget": 9 - money, "money": money, "models": {"m": {"calls": 2}}}
    outcome = Outcome(new=new, rows=new, reasons={"no": new}, figures={"spent": spent})
    return StageResult(name="check", state=state, outcome=outcome, receipts={})


def test_rounds_of_a_stage_add_up():
    both = joined(result("done", 3, 1.5), result("done", 4, 2.0))
    kept = joined(result("current", 0, 1.5), result("done", 4, 2.0))
    idle = joined(result("current", 0, 1.5), result("current", 0, 2.0))

    assert (both.state, both.outcome.new, both.outcome.rows) == ("done", 7, 4)
    assert both.outcome.reasons == {"no": 4}
    assert both.outcome.figures["spent"] == {
        "currency": "USD",
        "budget": 7.5,
        "money": 3.5,
        "models": {"m": {"calls": 4}},
    }
    assert (kept.state, kept.outcome.figures["spent"]["money"]) == ("done", 2.0)
    assert (idle.state, idle.outcome.new) == ("current", 0)
