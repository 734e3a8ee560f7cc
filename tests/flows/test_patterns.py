"""`mmvp patterns` over real HTTP: questions assigned by vote, patterns found and put together."""

import dataclasses
import json
import random
import re

import pytest

from flows.cli import build_parser
from flows.patterns import Wish, find_patterns
from flows.settings import Settings
from storage import assignments, paths, patterns, questions, runs
from storage.assignments import AssignmentRow
from storage.database import Database
from storage.pairs import pair_id
from storage.questions import MINED, QuestionRow, question_id
from storage.receipts import Receipt
from storage.runs import RunRow
from tasks.backends.terms import Terms
from tasks.discovery.assigning import accord, agreed
from tasks.images import image_id
from tasks.patterns import NAMES, PATTERNS
from tests import pictures
from tests.cases import ABOUT, WORDINGS
from tests.tasks.backends.server import completion, serve

MINING = "mined-once"
NOT_EVERYTHING = [name for name in WORDINGS if name != "viewpoint"]


def row_of(factor, number, image, place, **changes):
    question, answers = WORDINGS[factor][0]
    options = tuple(list(answers.values())[:2])
    told = {
        "pair_id": pair_id(f"{factor}-{number}-a", f"{factor}-{number}-b"),
        "image": image,
        "question": question,
        "options": options,
        "answer": options[place],
        "key": "metadata",
    }
    row = QuestionRow(
        mining=MINING,
        benchmark=MINED,
        question_id=question_id(**told),
        attribute=factor,
        statement="s",
        pattern=PATTERNS[factor],
        source="attribute",
        **told,
    )
    return dataclasses.replace(row, **changes)


@pytest.fixture
def settings(home):
    """A home whose latest run has asked two questions of each pattern but one."""
    settings = Settings.read()
    db = Database(settings.store)
    rows = [
        row_of(factor, number, f"{factor}-{number}-{image}", place)
        for factor in NOT_EVERYTHING
        for number in range(2)
        for place, image in enumerate("ab")
    ]
    questions.replace(db, MINING, rows)
    receipts = {
        table.SPEC.name: Receipt(
            table=table.SPEC.name, version=db.version(table.SPEC), rows=1, digest="d"
        )
        for table in (questions, paths)
    }
    told = {"corpora": ["/corpus"], "figures": {"mine": {"mining": MINING}}}
    run = RunRow(
        run="r", finished=1.0, flow="questions", state="done", settings=told, receipts=receipts
    )
    runs.add(db, run)
    return settings


def about(text):
    """Which pattern a text is about, by its words."""
    return next(
        (name for name, mark in ABOUT.items() if re.search(mark, text, re.IGNORECASE)), None
    )


def reads(number, body, *, errs=0.0):
    """A model that reads well: it assigns, finds and puts together patterns by their words."""
    said = body["messages"][-1]["content"][-1]["text"]
    fenced = said.partition(" -----\n")[2].rpartition("\n----- end")[0]
    asked = body["response_format"]["json_schema"]["name"]
    lot = random.Random(f"{said} {body.get('seed')}")
    if asked == "pattern":
        name = PATTERNS[about(fenced)]
        if lot.random() < errs:
            name = lot.choice([other for other in NAMES if other != name])
        return 200, completion(json.dumps({"pattern": name})), {}
    lines = dict(re.findall(r"^(\d+)\. (.*)$", fenced, re.MULTILINE))
    groups = {}
    for place, line in lines.items():
        groups.setdefault(about(line), []).append(int(place))
    form = body["response_format"]["json_schema"]["schema"]["properties"]["patterns"]["items"]
    if "from" in form["required"]:
        found = [
            {
                "name": f"what the {name} is",
                "description": "put together",
                "like": PATTERNS[name],
                "from": places,
            }
            for name, places in groups.items()
        ]
    else:
        found = [
            {
                "name": f"{lot.random():.3f}",
                "description": lines[str(places[0])],
                "questions": places,
            }
            for name, places in groups.items()
        ]
    return 200, completion(json.dumps({"patterns": found})), {}


def test_patterns_are_found_over_runs_and_set_against_the_nine(settings):
    with serve(reads) as stub:
        spec = f"openai:reader@{stub.url}"
        found = find_patterns(settings, Wish((spec,)), Terms())
        sent = len(stub.bodies)
        again = find_patterns(settings, Wish((spec,)), Terms())

        assert len(stub.bodies) == sent == 16 * 3 - 8 * 3 + 3 + 1, "words asked twice, sent once"
    assert again == {**found, "spent": again["spent"]}
    assert {row["like"]: row["runs"] for row in found["patterns"]} == {
        PATTERNS[name]: 3 for name in NOT_EVERYTHING
    }
    assert {len(row["question_ids"]) for row in found["patterns"]} == {2}
    assert found["missing"] == [PATTERNS["viewpoint"]]
    (one,) = found["assigned"]
    assert (one["one"], one["other"]) == (spec, "the metadata")
    assert (one["share"], one["kappa"], one["questions"]) == (1, 1, 16)
    assert 0.8 < one["low"] < one["high"] == 1
    assert found["failed"] == 0
    stored = patterns.read(Database(settings.store), MINING)
    assert {row.by for row in stored} == {spec}


def test_votes_mend_errors_and_accuracy_has_an_interval(settings):
    with serve(lambda number, body: reads(number, body, errs=0.25)) as stub:
        specs = tuple(f"openai:{name}@{stub.url}" for name in ("one", "two"))
        found = find_patterns(settings, Wish(specs, votes=5), Terms())

    rows = assignments.read(Database(settings.store), MINING)
    assert len(rows) == 32
    assert {len(row.votes) for row in rows} == {5}
    single = [vote == PATTERNS[name] for row in rows for vote, name in _told(settings, row)]
    mended = next(row for row in found["assigned"] if row["other"] == "the metadata")
    assert sum(single) / len(single) < 0.9 < mended["share"]
    assert len(found["assigned"]) == 3, "each against the truth, and against each other"


def _told(settings, row):
    asked = {q.question_id: q.attribute for q in questions.read(Database(settings.store), MINING)}
    return [(vote, asked[row.question_id]) for vote in row.votes]


def test_pictures_are_shown_to_those_who_look_if_wanted(settings, tmp_path):
    db = Database(settings.store)
    rows = questions.read(db, MINING)
    moved, kept = [], []
    for number, row in enumerate(rows):
        file = pictures.draw_photo(tmp_path / "photos" / f"{number}.png", number)
        name = image_id(file.read_bytes())
        kept.append(dataclasses.replace(row, image=name))
        moved.append((file, name))
    questions.replace(db, MINING, kept)
    paths.upsert(
        db,
        [
            paths.PathRow(
                corpus="/corpus",
                path=str(file),
                image=name,
                label=None,
                caption=None,
                attributes=None,
                size_bytes=1,
                mtime_ns=1,
                made_by="t",
            )
            for file, name in moved
        ],
    )
    latest = runs.latest(db, "questions")
    receipts = {
        name: dataclasses.replace(receipt, version=db.version(table.SPEC))
        for (name, receipt), table in zip(latest.receipts.items(), (paths, questions), strict=True)
    }
    runs.add(db, dataclasses.replace(latest, run="r2", finished=2.0, receipts=receipts))

    with serve(reads) as stub:
        wish = Wish((f"openai:reader@{stub.url}",), votes=1, runs=1, with_images=True)
        found = find_patterns(settings, wish, Terms())
        shown = [
            sum(part["type"] == "image_url" for part in body["messages"][-1]["content"])
            for body in stub.bodies
        ]

    assert [count for count in shown if count] == [16, 16], "eight pairs at once"
    assert {row["way"] for row in found["patterns"]} == {"with-images"}


def test_what_cannot_be_read_is_counted_and_what_failed_is_made_again(settings):
    def odd(number, body):
        name = body["response_format"]["json_schema"]["name"]
        if name == "pattern":
            return 400, "no", {}
        return 200, completion('{"patterns": [{"name": "x"}]}'), {}

    with serve(odd) as stub:
        wish = Wish((f"openai:reader@{stub.url}",), votes=1, runs=2)
        before = find_patterns(settings, wish, Terms())
        stub.script = lambda number, body: (
            reads(number, body)
            if body["response_format"]["json_schema"]["name"] == "pattern"
            else odd(number, body)
        )
        found = find_patterns(settings, wish, Terms())

    assert before["failed"] == 16 + 2
    assert before["assigned"] == []
    assert found["failed"] == 2
    assert found["patterns"] == []
    assert found["assigned"][0]["share"] == 1


def test_people_decide_before_models_and_a_tie_decides_nothing():
    def row(by, question, pattern, failure=None):
        told = {"mining": "m", "votes": (), "request": ""}
        return AssignmentRow(by=by, question_id=question, pattern=pattern, failure=failure, **told)

    rows = [
        row("openai:a", "q1", "Text"),
        row("openai:b", "q1", "Text"),
        row("people:ann", "q1", "Quantity and Count"),
        row("openai:a", "q2", "Text"),
        row("openai:b", "q2", None),
        row("openai:a", "q3", None, "timeout"),
        row("openai:b", "q3", "Text"),
        row("openai:b", "q4", None),
    ]

    assert agreed(rows) == {"q1": "Quantity and Count", "q3": "Text"}
    assert accord({"q1": "Text", "q2": None}, {"q2": None, "q3": "Text"}).questions == 1
    assert accord({}, {}).share is None


def test_what_cannot_be_asked_is_refused_in_words(home):
    options = build_parser().parse_args(["patterns", "--models", "openai:a", "--votes", "5"])

    assert (options.models, options.votes, options.with_images) == (["openai:a"], 5, False)
    with pytest.raises(ValueError, match="no mined questions were written yet"):
        find_patterns(Settings.read(), Wish(("openai:a",)), Terms())
    with pytest.raises(ValueError, match="--votes must be odd"):
        find_patterns(Settings.read(), Wish(("openai:a",), votes=2), Terms())
