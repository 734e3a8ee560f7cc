"""Questions by models and people on a store, over real HTTP: written, checked, taken."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest

from storage import checks, pairs, proposals, questions
from storage.checks import CheckRow
from tasks.fingerprints import ROOT
from tasks.questions import checking, proposing, stage
from tasks.questions.config import QuestionConfig
from tasks.stage import key_of
from tests.cases import GOOD, KINDS, World
from tests.onlookers import Onlooker
from tests.planted import MINING, contexts, place, run_all, site_of, study
from tests.tasks.backends.server import completion, serve

SEED = 20260731
"""Nothing was tuned on it."""


@pytest.fixture
def site(db, home, monkeypatch):
    monkeypatch.delenv("MMVP_API_KEY", raising=False)
    return site_of(db, home)


@pytest.fixture(scope="module")
def world():
    return World(7, each=0, good=8)


@pytest.fixture
def corpus(site, world, tmp_path):
    return place(site, world, tmp_path / "photos")


def config_of(stub, **changes):
    spec = f"openai:onlooker@{stub.url}"
    told = {"by": ("model",), "writers": (spec,), "answerers": (spec,), "answers_each": 3}
    return QuestionConfig(**told | changes)


def asked_of(site):
    return questions.read(site.db, MINING)


def kind_of(body):
    """What a request is: write, see, or read."""
    pictures = [p for p in body["messages"][-1]["content"] if p["type"] == "image_url"]
    return {2: "write", 1: "see", 0: "read"}[len(pictures)]


def test_planted_errors_of_six_kinds_are_caught_and_good_questions_pass(site, tmp_path):
    found = study(site, tmp_path / "photos", World(SEED, each=30, good=60), seed=SEED)

    assert found.planted == {GOOD: 60, **dict.fromkeys(KINDS, 30)}
    assert found.caught >= 0.9
    assert found.good_refused <= 0.05
    for kind in KINDS:
        assert found.refused[kind] >= 0.75 * 30, kind


def test_questions_are_written_checked_and_taken_once(site, corpus, world):
    with serve(Onlooker(world)) as stub:
        config = config_of(stub)
        first = run_all(site, corpus, config)
        sent = len(stub.bodies)
        keys = [key_of(m.STAGE, prepare()) for m, prepare in contexts(site, corpus, config)]
        looked = [m.look(prepare()) for m, prepare in contexts(site, corpus, config)]
        again = run_all(site, corpus, config)

        assert len(stub.bodies) == sent, "nothing is asked twice"
    assert keys == [key_of(m.STAGE, prepare()) for m, prepare in contexts(site, corpus, config)]
    assert looked == [m.look(prepare()) for m, prepare in contexts(site, corpus, config)]
    assert (first["propose"].new, again["propose"].new) == (8, 0)
    assert again["check"].new == again["questions"].new == 0
    assert first["check"].figures["passed"] == 8
    rows = asked_of(site)
    assert len(rows) == 16
    assert {(row.source, row.key, row.benchmark) for row in rows} == {("model", "model", "mined")}
    assert all(row.pattern and row.statement for row in rows)
    figures = first["questions"].figures
    assert figures["sources"] == {"model": 8}
    assert figures["balance"]["first_right"] == 0.5
    by_pair = {(row.pair_id, row.image): row.answer for row in rows}
    for case in world.cases:
        pair = pairs.pair_id(*case.images)
        told = [case.said[case.said[f"answer_{n}"]] for n in (1, 2)]
        assert [by_pair[pair, image] for image in case.images] == told


def test_those_who_answer_see_images_as_the_encoder_does(site, corpus, world):
    sides = []

    class Measuring(Onlooker):
        def _see(self, question, options, seen, lot):
            sides.append(seen.side_px)
            return super()._see(question, options, seen, lot)

    with serve(Measuring(world)) as stub:
        run_all(site, corpus, config_of(stub))
        small, sides = sides, []
        policy = {"at_input_size": False}
        run_all(site, corpus, config_of(stub, checks=policy))

    assert set(small) == {48}
    assert set(sides) == {192}


def test_calls_that_fail_are_recorded_and_only_they_are_made_again(site, corpus, world):
    onlooker = Onlooker(world)
    refused = set()

    def refuses(number, body):
        """Refuse the first two requests of each kind, whenever they are made."""
        kind, name = kind_of(body), json.dumps(body, sort_keys=True)
        if sum(kind == known for known, _ in refused) < 2:
            refused.add((kind, name))
        return (400, "no", {}) if (kind, name) in refused else onlooker(number, body)

    with serve(refuses) as stub:
        config = config_of(stub, answers_each=1)
        first = run_all(site, corpus, config)
        failures = [r.failure for r in proposals.read(site.db, MINING) if r.failure]
        unknown = [row for row in checks.read(site.db, MINING) if row.passed is None]
        sent = len(stub.bodies)
        assert all(prepare().refresh for _, prepare in contexts(site, corpus, config)[:2])
        stub.script = onlooker
        second = run_all(site, corpus, config)
        made_again = [kind_of(body) for body in stub.bodies[sent:]]

    assert first["propose"].reasons == {"rejected": 2}
    assert failures == ["rejected: HTTP 400: no"] * 2
    assert {row.detail for row in unknown} == {"rejected: HTTP 400: no"}
    assert first["check"].figures["open"] == len({row.proposal_id for row in unknown}) > 0
    assert first["questions"].reasons["nothing-proposed"] == 2
    assert made_again.count("write") == 2
    assert second["questions"].figures["pairs"]["mined"] == 8
    assert not [row for row in checks.read(site.db, MINING) if row.passed is None]


CHILD = """
import sys
from pathlib import Path
from storage.database import Database
from tasks.questions import proposing
from tasks.questions.config import QuestionConfig
from tests.planted import contexts, site_of
db, home, corpus, spec = sys.argv[1:]
config = QuestionConfig(by=("model",), writers=(spec,), candidates=3, at_once=1)
site = site_of(Database(db), Path(home))
(_, prepare), *_ = contexts(site, corpus, config)
proposing.run(prepare())
"""


def test_killed_and_run_again_it_sends_each_missing_request_once(site, corpus, world):
    onlooker = Onlooker(world)
    children = []

    def kills(number, body):
        if number == 10:
            os.kill(children[0].pid, signal.SIGKILL)
            return "hang"
        return onlooker(number, body)

    with serve(kills) as stub:
        spec = f"openai:onlooker@{stub.url}"
        told = [site.db.uri, str(site.home), corpus, spec]
        children.append(subprocess.Popen([sys.executable, "-c", CHILD, *told], cwd=ROOT))
        assert children[0].wait(timeout=300) == -signal.SIGKILL
        assert proposals.read(site.db, MINING) == []
        stub.script = onlooker
        config = QuestionConfig(by=("model",), writers=(spec,), candidates=3)
        (_, prepare), *_ = contexts(site, corpus, config)
        proposing.run(prepare())
        sent = [json.dumps(body, sort_keys=True) for body in stub.bodies]

    assert len(set(sent)) == 24
    assert len(sent) == 25, "the one that was under way is sent once more"
    assert len([row for row in proposals.read(site.db, MINING) if not row.failure]) == 24


def test_of_several_candidates_the_next_is_asked_about_only_if_one_fails(site, corpus, world):
    class Improving(Onlooker):
        """Its first proposal has no form, the second is the wrong way round, two more are good."""

        def __call__(self, number, body):
            status, said, headers = super().__call__(number, body)
            if kind_of(body) == "write":
                told = json.loads(said["choices"][0]["message"]["content"])
                if body["seed"] == 0:
                    told["question"] = "Is it?"
                elif body["seed"] == 1:
                    told["answer_1"], told["answer_2"] = told["answer_2"], told["answer_1"]
                elif body["seed"] == 3:
                    told["question"] = told["question"].replace("?", " now?")
                said = completion(json.dumps(told))
            return status, said, headers

    with serve(Improving(world)) as stub:
        config = config_of(stub, candidates=4, answers_each=1)
        outcomes = run_all(site, corpus, config)
        seen = [kind_of(body) for body in stub.bodies].count("see")

    assert outcomes["propose"].rows == 4 * 8
    assert 12 < seen <= 16, "two images a pair: the second and third ask in the same words"
    assert outcomes["check"].figures["refused"] == 16
    assert outcomes["check"].figures["passed"] == 8
    assert outcomes["check"].figures["open"] == 8, "the fourth was not needed"
    assert outcomes["questions"].figures["pairs"]["mined"] == 8


def person(site, world, place, **changes):
    """A person's proposal about a pair: what the planted writer would say, in other words."""
    case = world.cases[place]
    said = case.said
    row = proposals.ProposalRow(
        mining=MINING,
        pair_id=pairs.pair_id(*case.images),
        writer="people:ann",
        number=0,
        request="",
        image_a=case.images[0],
        image_b=case.images[1],
        question=said["question"],
        option_1=said["option_1"],
        option_2=said["option_2"],
        answer_a=said[said["answer_1"]],
        answer_b=said[said["answer_2"]],
    )
    row = dataclasses.replace(row, **changes)
    proposals.upsert(site.db, [row])
    return row


def test_a_question_that_is_proposed_twice_counts_once(site, corpus, world):
    row = person(site, world, 0, statement_a="one", statement_b="other")
    person(site, world, 0, writer="people:bob", statement_a="you must say one", statement_b="two")
    config = QuestionConfig(by=("people",))

    outcomes = run_all(site, corpus, config)

    assert outcomes["check"].figures["passed"] == 1
    assert [r.statement for r in asked_of(site)] == ["one", "other"]
    assert {r.proposal_id for r in checks.read(site.db, MINING)} == {row.proposal_id}


def test_people_come_before_models_where_the_policy_says_so(site, corpus, world):
    good = person(site, world, 0)
    person(site, world, 1, question="Is it")
    with serve(Onlooker(world)) as stub:
        outcomes = run_all(site, corpus, config_of(stub, by=("people", "model")))

    rows = {row.pair_id: row for row in asked_of(site)}
    assert outcomes["questions"].figures["sources"] == {"model": 7, "people": 1}
    assert rows[good.pair_id].source == rows[good.pair_id].key == "people"
    assert outcomes["questions"].reasons == {"statement-by-rule": 1}, "the stub states nothing"
    assert rows[good.pair_id].statement.startswith(good.question)


def test_pairs_beyond_the_selected_ones_are_asked_if_people_wrote_and_no_image_twice(
    site, corpus, world
):
    table = site.db.read(pairs.SPEC)
    named = {pairs.pair_id(*case.images): place for place, case in enumerate(world.cases)}
    out = [named[name] < 2 for name in table["pair_id"].to_pylist()]
    column = table.schema.get_field_index("selected")
    pairs.replace(site.db, MINING, table.set_column(column, "selected", [[not o for o in out]]))
    rows = [person(site, world, place) for place in (0, 1)]
    own = {image for case in world.cases[2:] for image in case.images}
    told = {row.pair_id: {row.image_a, row.image_b} for row in rows}

    with serve(Onlooker(world)) as stub:
        outcomes = run_all(site, corpus, config_of(stub, by=("people", "model")))

    free = [pair for pair, images in told.items() if not images & own]
    asked = asked_of(site)
    assert {row.pair_id for row in asked if row.source == "people"} == set(free)
    assert outcomes["questions"].reasons.get("image-used", 0) == len(told) - len(free)
    assert outcomes["propose"].rows == 6, "models write about the selected ones alone"


def test_peoples_verdicts_count_as_those_of_models(site, corpus, world):
    row = person(site, world, 0)
    config = QuestionConfig(by=("people",), checks={"required": ("form", "agree")})
    first = run_all(site, corpus, config)
    before = checking.look(contexts(site, corpus, config)[1][1]())
    key = key_of(stage.STAGE, contexts(site, corpus, config)[2][1]())
    for check in ("agree-a", "agree-b"):
        told = {"by": "people:bob", "passed": True, "detail": "", "request": ""}
        found = CheckRow(mining=MINING, check=check, proposal_id=row.proposal_id, **told)
        checks.upsert(site.db, [found])

    second = run_all(site, corpus, config)

    assert first["questions"].reasons == {"proposals-unchecked": 1, "nothing-proposed": 7}
    assert second["questions"].figures["sources"] == {"people": 1}
    assert checking.look(contexts(site, corpus, config)[1][1]()) != before
    assert key_of(stage.STAGE, contexts(site, corpus, config)[2][1]()) != key


def test_no_pattern_has_more_pairs_than_asked_for_and_what_is_short_is_said(site, corpus, world):
    with serve(Onlooker(world)) as stub:
        outcomes = run_all(site, corpus, config_of(stub, pairs_per_pattern=1))

    counts = outcomes["questions"].figures["patterns"]
    assert set(counts.values()) == {1}
    assert len(counts) + len(outcomes["questions"].figures["short"]) == 9
    assert outcomes["questions"].reasons["pattern-full"] == 8 - len(counts)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"by": ("model",)}, "need writers"),
        ({"by": ()}, "nobody writes questions"),
        ({"writers": ("some/folder",)}, "names no model on a server"),
        ({"answerers": ("openai:",)}, "expected openai:NAME"),
        ({"budget": 3.0}, "needs prices"),
        ({"by": ("cats",)}, "metadata"),
    ],
)
def test_settings_that_cannot_work_are_refused(told, said):
    with pytest.raises(ValueError, match=said):
        QuestionConfig(**told)
