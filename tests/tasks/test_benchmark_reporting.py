"""The report of a published benchmark, from a real store to files, without a flow."""

import dataclasses
import json

import pytest

from storage import answers, general, grades, paths, questions, scores
from storage.general import GeneralRow
from storage.grades import GradeRow
from storage.paths import PathRow
from tasks import benchmark_reporting as stage
from tasks.benchmark_reporting import find_set
from tasks.evaluation.grading import sittings_of
from tasks.evaluation.people import score_people
from tasks.graders.registry import by_own_rules
from tasks.report.results import main_standings, standings
from tasks.reporting import ReportConfig
from tasks.stage import Site, key_of
from tests import pictures
from tests.tasks.test_evaluation_beside import ASKED, SET, always_open, say, scored, truth

IMAGES = {row.image for row in ASKED}


@pytest.fixture
def photos(tmp_path):
    """The images of the benchmark, as files."""
    for n, image in enumerate(sorted(IMAGES)):
        pictures.draw_photo(tmp_path / "photos" / f"{image}.png", n)
    return tmp_path / "photos"


@pytest.fixture
def filled(db, photos):
    """A store in which two models answered, one of them under a control too."""
    asked, rows, given = scored(
        say("sees", truth),
        say("blind", always_open),
        say("sees", always_open, way="letter+text-only"),
    )
    fill(db, asked, rows, given)
    files = [
        PathRow(
            corpus=str(photos),
            path=str(photos / f"{image}.png"),
            image=image,
            size_bytes=1,
            mtime_ns=1,
            made_by="",
            label=None,
            caption=None,
            attributes=None,
        )
        for image in sorted(IMAGES)
    ]
    paths.upsert(db, files)
    return db


def fill(db, asked, rows, given):
    questions.replace(db, SET, asked)
    answers.upsert(db, given)
    scores.replace(db, SET, rows)


def prepare(db, tmp_path, named="doors", **config):
    return stage.prepare(Site(db=db, home=tmp_path, workers=None), ReportConfig(**config), named)


def written(context):
    stage.run(context)
    place = stage.folder(context)
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


@pytest.mark.parametrize("named", ["doors", SET])
def test_a_benchmark_is_found_by_its_name_and_by_that_of_its_set(filled, named):
    assert find_set(filled, named) == SET


def test_a_benchmark_is_found_by_its_file(filled, tmp_path):
    lines = [
        f"{n},{row.question},(a) Open (b) Closed,({'ab'[(n - 1) % 2]})\n"
        for n, row in enumerate(ASKED, start=1)
    ]
    place = tmp_path / "doors"
    place.mkdir()
    (place / "Questions.csv").write_text("lndex,Question,Options,Correct Answer\n" + "".join(lines))
    asked = stage.read_benchmark(place)
    name = stage.set_name(asked)
    rows = [dataclasses.replace(row, mining=name) for row in ASKED]
    questions.replace(filled, name, rows)

    assert find_set(filled, str(place)) == name
    questions.replace(filled, name, [])
    with pytest.raises(ValueError, match=r"nobody was asked about .* --answers first"):
        find_set(filled, str(place))


def test_what_is_not_there_is_told_with_what_is(filled):
    with pytest.raises(ValueError, match=rf"no benchmark is called 'windows' .* are: {SET};"):
        find_set(filled, "windows")
    other = SET[:-1] + "c"
    questions.replace(filled, other, [dataclasses.replace(row, mining=other) for row in ASKED])
    with pytest.raises(ValueError, match=rf"2 benchmarks are called 'doors' .*{other}"):
        find_set(filled, "doors")


def test_without_scores_there_is_no_report(db, tmp_path):
    questions.replace(db, SET, ASKED)

    with pytest.raises(ValueError, match="no model was scored on"):
        prepare(db, tmp_path)


def test_a_report_shows_scores_controls_and_every_answer_and_is_the_same_bytes_again(
    filled, tmp_path
):
    first = written(prepare(filled, tmp_path))

    again = prepare(filled, tmp_path)
    assert written(again) == first
    assert stage.look(again)["report"].rows == len(first)
    assert {"index.html", "report.json", "results.md", "leaderboard.png", "outcomes.png"} < set(
        first
    )
    assert {f"images/{image}.png" for image in IMAGES} < first.keys()
    html = first["index.html"].decode()
    assert "40 pairs" in html
    assert html.count('class="card"') == 40
    assert "CLIP cosine" not in html
    report = json.loads(first["report.json"])
    assert report["kind"] == "mmvp-report"
    assert len(report["questions"]) == len(report["cards"]) == 40
    (text,) = [row["text_only"] for row in report["evidence"]["beside"] if row["text_only"]]
    assert text["pair_accuracy"] == 0
    replies = report["questions"][0]["replies"]
    outcomes = {(one["model"], one["protocol"]): one["outcome"] for one in replies}
    assert outcomes == {
        ("blind", "letter"): "same_answer",
        ("sees", "letter"): "both_right",
        ("sees", "letter+text-only"): "same_answer",
    }


def test_the_key_changes_with_answers_settings_and_images_and_with_nothing_else(filled, tmp_path):
    def key(**config):
        return key_of(stage.STAGE, prepare(filled, tmp_path, **config))

    keys = [key(), key(cards=5), key(key="original")]
    answers.upsert(filled, say("sees", always_open, asked=ASKED[:2]))
    keys.append(key())
    paths.remove(filled, str(tmp_path / "photos"), [str(tmp_path / "photos" / "10.png")])
    keys.append(key())
    assert len(set(keys)) == 5
    answers.upsert(filled, say("other", truth))
    assert key() == keys[-1]


def test_figures_and_cards_show_the_key_that_is_asked_for(db, tmp_path):
    asked = [
        dataclasses.replace(row, image="", corrected=("Closed", "Open")[n])
        if row.pair_id.endswith("0007")
        else dataclasses.replace(row, image="")
        for row in ASKED
        for n in [("Open", "Closed").index(row.answer)]
    ]
    fill(db, *scored(say("m", truth, asked=asked), asked=asked))

    shown = {key: stage.gather(prepare(db, tmp_path, key=key)) for key in ("original", "corrected")}

    for key, accuracy in (("original", 1), ("corrected", 1 - 1 / 40)):
        (overall,) = [row for row in shown[key].results.scores if row.pattern is None]
        assert (overall.key, overall.pair_accuracy) == (key, accuracy)
        pair = next(q for q in shown[key].results.questions if q.pair_id.endswith("0007"))
        assert pair.replies[0].outcome == ("both_right" if key == "original" else "swapped")
    assert len(shown["original"].results.other_keys) == 2
    with pytest.raises(ValueError, match="no answer key is called 'wrong'"):
        ReportConfig(key="wrong")


def test_a_benchmark_without_images_has_cards_of_words(db, tmp_path):
    asked = [dataclasses.replace(row, image="") for row in ASKED]
    fill(db, *scored(say("m", truth, asked=asked), asked=asked))

    found = written(prepare(db, tmp_path))

    html = found["index.html"].decode()
    assert not [name for name in found if name.startswith("images/")]
    assert "Image not available" not in html
    assert "right answers: A <bdi>Open</bdi>, B <bdi>Closed</bdi>" in html


def test_people_stand_beside_models(db, tmp_path):
    asked = [dataclasses.replace(row, image="") for row in ASKED]
    people = say("people:Ann", truth, way="people", asked=asked)
    fill(db, *scored(say("m", always_open, asked=asked), people, asked=asked))

    shown = stage.gather(prepare(db, tmp_path)).results

    assert shown.asked_protocols == ["letter", "people"]
    assert "two options" in shown.protocols["people"]


def test_images_that_are_gone_are_named(filled, tmp_path, photos):
    (photos / "10.png").unlink()

    html = written(prepare(filled, tmp_path))["index.html"].decode()

    assert "1 image is not available" in html


def test_people_stand_on_the_leaderboard_each_and_by_their_mean(filled, tmp_path):
    given = answers.read(filled)
    for who, said in (("ada", truth), ("grace", truth), ("joan", always_open)):
        given += [
            dataclasses.replace(row, model=f"people:{who}", protocol="people")
            for row in scored(say(who, said))[2]
        ]
    answers.upsert(filled, given)
    scores.upsert(filled, score_people(SET, ASKED, given)[0])

    context = prepare(filled, tmp_path)
    page = written(context)["index.html"].decode()
    results = stage.gather(context).results

    (mean,) = [row for row in results.scores if row.model == "people" and row.pattern is None]
    assert "people, their mean" in page
    assert stage.gather(context).models == 5
    assert mean.pair_accuracy == pytest.approx(2 / 3)
    assert mean.question_accuracy == pytest.approx((1 + 1 + 0.5) / 3)
    assert mean.pair_low < 1 / 3 < mean.pair_high
    assert {row.label for row in results.scores} >= {"people:ada", "people:joan"}
    repliers = {reply.model for asked in results.questions for reply in asked.replies}
    assert "people" not in repliers, "a mean says nothing"
    assert "people:ada" in repliers
    drawn = [each.label for each in main_standings(standings(results, "doors"))]
    assert "people, their mean" in drawn
    assert not any(label.startswith("people:") for label in drawn)


def graded(db, judge):
    """Store what the rules and a judge make of the replies of the model that sees."""
    asked = questions.read(db, SET)
    given = answers.read(db, models=["sees"])
    replies = next(iter(sittings_of(asked, given).values())).given
    rules = [by_own_rules(one) for one in replies]
    judged = [dataclasses.replace(one, grader="judge:j", request="", **judge(one)) for one in rules]
    grades.upsert(db, [GradeRow(**dataclasses.asdict(one)) for one in [*rules, *judged]])


def test_other_graders_stand_beside_the_rules_until_a_reply_changes(filled, tmp_path):
    without = written(prepare(filled, tmp_path))["index.html"].decode()
    graded(filled, lambda one: {"option": None, "votes": ("neither",)})

    found = written(prepare(filled, tmp_path))
    changed = [row for row in answers.read(filled, models=["sees"]) if row.protocol == "letter"][:1]
    answers.upsert(filled, [dataclasses.replace(row, response="Who knows.") for row in changed])
    after = written(prepare(filled, tmp_path))

    (row,) = json.loads(found["report.json"])["evidence"]["graded"]
    assert (row["grader"], row["model"], row["protocol"]) == ("judge:j", "sees", "letter")
    assert (row["pair_accuracy"], row["share"], row["failed"]) == (0, 0, 0)
    html = found["index.html"].decode()
    assert html.count('id="graders"') == html.count('href="#graders"') == 1
    assert "<code>judge:j</code>" in html
    assert 'id="graders"' not in without
    assert json.loads(after["report.json"])["evidence"]["graded"] == []


def test_general_ability_stands_beside_the_scores_of_the_same_models(filled, tmp_path):
    without = written(prepare(filled, tmp_path))["index.html"].decode()
    row = GeneralRow(
        bench="pope",
        part="adversarial",
        reading="first-word",
        metric="f1",
        model="sees",
        questions=1500,
        images=500,
        value=0.8125,
        low=0.75,
        high=0.875,
        without=3,
    )
    general.upsert(filled, [row, dataclasses.replace(row, model="another")])

    found = written(prepare(filled, tmp_path))

    (shown,) = json.loads(found["report.json"])["evidence"]["general"]
    assert (shown["model"], shown["value"]) == ("sees", 0.8125)
    html = found["index.html"].decode()
    assert html.count('id="general"') == html.count('href="#general"') == 1
    assert "75.0&ndash;87.5" in html
    assert 'id="general"' not in without
