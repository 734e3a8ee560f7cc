"""Gathering a report from the store: what belongs to a mining, and what its key depends on."""

import pytest

from storage import answers, comparisons, models, probes, questions, runs, scores
from storage.answers import AnswerRow
from storage.comparisons import ComparisonRow
from storage.database import Database
from storage.models import ModelRow
from storage.pairs import pair_id
from storage.probes import ProbeRow
from storage.questions import QuestionRow, question_id
from storage.receipts import Receipt
from storage.runs import RunRow
from storage.scores import ScoreRow
from tasks import reporting
from tasks.attributes import Knowledge
from tasks.findings import find, results_of
from tasks.patterns import PATTERNS
from tasks.report import encoder_label
from tasks.reporting import ReportConfig
from tasks.stage import Site, key_of

MINING, OTHER = "a" * 16, "b" * 16
CORPORA = ["/photos"]
MODEL = "mof-clip-seed0-0123456789ab"
CLIP = "tiny-clip-0123456789ab"


def receipt(table):
    return Receipt(table=table, version=1, rows=1, digest="d" * 64)


INPUTS = {
    "clip": receipt(f"embeddings_{CLIP}"),
    "ssl": receipt("embeddings_tiny-ssl-0123456789ab"),
    **{name: receipt(name) for name in ("images", "paths", "refused", "unembedded", "pairs")},
}


@pytest.fixture
def db(tmp_path):
    return Database(str(tmp_path / "store"))


def ask(image, answer, *, mining=MINING, benchmark="mined"):
    fields = {
        "pair_id": pair_id("image-1", "image-2"),
        "image": image,
        "question": "How many balls are there?",
        "options": ("two", "three"),
        "answer": answer,
        "key": "metadata",
    }
    return QuestionRow(
        mining=mining,
        benchmark=benchmark,
        question_id=question_id(**fields),
        attribute="count",
        statement=f"{answer} balls",
        pattern="Quantity and Count",
        source="attribute",
        **fields,
    )


ASKED = [ask("image-1", "two"), ask("image-2", "three")]


def say(row, choice, *, model=MODEL, protocol="option-logprob"):
    return AnswerRow(
        question_id=row.question_id,
        model=model,
        protocol=protocol,
        request="e" * 64,
        response=choice or "balls",
        choice=choice,
        scores=None,
        failure=None,
    )


def score(model=MODEL, *, mining=MINING, accuracy=0.5, **changes):
    fields = {
        "benchmark": "mined",
        "features": "clip",
        "ssl_share": None,
        "seed": 0,
        "steps": 300,
        "protocol": "option-logprob",
        "key": "metadata",
        "pattern": None,
        "pairs": 1,
        "pair_low": 0.1,
        "pair_high": 0.9,
        "question_accuracy": 0.6,
        "question_low": 0.5,
        "question_high": 0.7,
        "both_right": accuracy,
        "same_answer": 1 - accuracy,
        "swapped": 0.0,
        "other": 0.0,
        "unread": 0,
        "chance": 0.25,
    }
    return ScoreRow(mining=mining, model=model, pair_accuracy=accuracy, **fields | changes)


ENCODER = {"features": None, "seed": None, "steps": None, "protocol": "mmvp-vlm"}


def trained(name=MODEL, features="clip"):
    return ModelRow(
        model=name,
        features=features,
        ssl_share=None,
        seed=0,
        steps=300,
        folder=f"models/{name}",
        weights="f" * 64,
        facts={"encoders": {"control": "tiny-clip-control-0123456789ab"}},
        figures={},
        trained_images=100,
    )


def probed(scope, attribute="count"):
    return ProbeRow(
        scope=scope,
        encoder=CLIP,
        role="clip",
        attribute=attribute,
        classes=2,
        train_images=10,
        test_images=10,
        accuracy=0.5,
        low=0.4,
        high=0.6,
        chance=0.5,
    )


def fill(db):
    questions.replace(db, MINING, ASKED)
    answers.upsert(db, [say(row, "two") for row in ASKED])
    models.upsert(db, [trained()])
    scores.replace(db, MINING, [score(), score(CLIP, **ENCODER)])


def prepare(db, tmp_path, **figures):
    site = Site(db=db, home=tmp_path, workers=None)
    given = {"mine": {"mining": MINING}} | figures
    return reporting.prepare(site, ReportConfig(), CORPORA, INPUTS, given)


def key(context):
    return key_of(reporting.STAGE, context)


def ran(db, figures, *, at=0, mining=MINING, receipts=(), clip=None, corpora=None):
    """Record a run that ended."""
    held = {name: receipt(name) for name in receipts} | {
        "clip": clip or INPUTS["clip"],
        "ssl": INPUTS["ssl"],
    }
    row = RunRow(
        run=f"run-{at}",
        finished=float(at),
        flow="mmvp",
        state="done",
        settings={
            "corpora": corpora or CORPORA,
            "figures": {"mine": {"mining": mining}, **figures},
        },
        receipts=held,
    )
    runs.add(db, row)


def results(db, scope=None, told=None):
    return results_of(find(db, MINING, scope), told or Knowledge(facts={}))


def test_a_mining_that_nobody_was_asked_about_has_no_results(db, tmp_path):
    found = results(db)

    assert not found.scores
    assert not found.questions
    assert not found.probes
    assert prepare(db, tmp_path).facts["findings"] == {}


def test_models_are_called_by_what_people_know_them_as(db):
    fill(db)
    control = "mof-clip-control-seed0-0123456789ab"
    models.upsert(db, [trained(control, "clip-control")])
    scores.replace(
        db,
        MINING,
        [score(), score(control, features="clip-control"), score(CLIP, **ENCODER)],
    )

    labels = {row.model: row.label for row in results(db).scores}

    assert labels == {
        MODEL: "CLIP only",
        control: "CLIP only, telling captions (control)",
        CLIP: f"{encoder_label(CLIP)} by MMVP-VLM's rule",
    }


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (("two", "three"), "both_right"),
        (("two", "two"), "same_answer"),
        (("three", "two"), "swapped"),
        (("two", None), "other"),
    ],
)
def test_a_pair_holds_what_a_model_said_to_either_image(db, said, outcome):
    fill(db)
    answers.upsert(db, [say(row, choice) for row, choice in zip(ASKED, said, strict=True)])

    (pair,) = results(db).questions

    assert (pair.answer_a, pair.answer_b) == ("two", "three")
    reply = pair.replies[[each.model for each in pair.replies].index(MODEL)]
    assert (reply.choice_a, reply.choice_b, reply.outcome) == (*said, outcome)


def test_a_model_that_was_not_asked_a_question_has_no_words(db):
    fill(db)

    (pair,) = results(db).questions

    (reply,) = [each for each in pair.replies if each.model == CLIP]
    assert (reply.choice_a, reply.response_a, reply.outcome) == (None, "", "other")


def test_only_questions_about_mined_pairs_stand_on_cards(db):
    questions.replace(
        db, MINING, [*ASKED, *(ask(i, "two", benchmark="random") for i in ("x", "y"))]
    )

    assert [pair.attribute for pair in results(db).questions] == ["count"]


def test_probes_tell_what_captions_name_and_which_pattern_it_is(db):
    probes.replace(db, "scope", [probed("scope"), probed("scope", "hue"), probed("scope", "zebra")])
    told = Knowledge(
        facts={},
        captioned=frozenset({"hue"}),
        patterns={"count": "count", "hue": "color", "zebra": None},
    )

    found = {row.attribute: row for row in results(db, "scope", told).probes}

    assert found["count"].pattern == PATTERNS["count"]
    assert found["zebra"].pattern is None
    assert [name for name, row in found.items() if row.captioned] == ["hue"]


def test_the_key_changes_with_every_row_that_the_report_shows(db, tmp_path):
    fill(db)
    scope = {"probe": {"scope": "scope"}}
    before = [key(prepare(db, tmp_path, **scope))]

    def changed():
        before.append(key(prepare(db, tmp_path, **scope)))
        return before[-1] not in before[:-1]

    scores.replace(db, MINING, [score(accuracy=0.6), score(CLIP, **ENCODER)])
    assert changed()
    answers.upsert(db, [say(ASKED[0], "three")])
    assert changed()
    probes.replace(db, "scope", [probed("scope")])
    assert changed()
    compared = {"model_a": MODEL, "model_b": "other", "pairs": 1, "only_a": 1, "only_b": 0}
    row = ComparisonRow(
        mining=MINING,
        benchmark="mined",
        protocol="free",
        p_value=1.0,
        p_holm=1.0,
        **compared,
    )
    comparisons.replace(db, MINING, [row])
    assert changed()
    questions.replace(db, MINING, ASKED[:0])
    assert changed()


def test_the_key_does_not_change_with_what_others_do(db, tmp_path):
    fill(db)
    before = key(prepare(db, tmp_path))

    scores.replace(db, OTHER, [score(mining=OTHER)])
    questions.replace(db, OTHER, [ask("image-8", "two", mining=OTHER)])
    answers.upsert(db, [say(ASKED[0], "two", model="other")])
    probes.replace(db, "scope", [probed("scope")])
    models.upsert(db, [trained("other")])

    assert key(prepare(db, tmp_path)) == before


def test_figures_that_a_run_lacks_are_those_of_the_latest_run_of_the_same(db, tmp_path):
    fill(db)
    stages = ("questions", "models", "scores", "probes")
    for at, n in ((1, "old"), (2, "new")):
        figures = {
            "questions": {"source": n},
            "train": {"models": [MODEL], "images": n},
            "evaluate": {"scores": n},
            "probe": {"scope": n},
        }
        ran(db, figures, at=at, receipts=stages)
    other = {"questions": {"source": "other"}, "probe": {"scope": "elsewhere"}}
    ran(db, other, at=3, mining=OTHER, receipts=stages, clip=receipt("embeddings_other"))
    ran(db, other, at=4, receipts=stages, corpora=["/elsewhere"])

    figures = prepare(db, tmp_path, evaluate={"scores": "given"}).facts["figures"]

    assert figures["questions"] == {"source": "new"}
    assert figures["probe"] == {"scope": "new"}
    assert figures["train"]["images"] == "new"
    assert figures["evaluate"] == {"scores": "given"}


def test_a_report_on_its_own_has_the_key_of_the_one_within_a_run(db, tmp_path):
    fill(db)
    figures = {"questions": {"source": "attribute"}, "probe": {"scope": "scope"}}
    within = key(prepare(db, tmp_path, **figures))
    ran(db, figures, receipts=("questions", "probes"))

    assert key(prepare(db, tmp_path)) == within


def test_a_training_whose_models_were_not_asked_is_not_told_of(db, tmp_path):
    fill(db)
    other = {"train": {"models": ["other"], "images": 5}}

    assert "train" not in prepare(db, tmp_path, **other).facts["figures"]
    mine = {"train": {"models": [MODEL], "images": 5}}
    assert prepare(db, tmp_path, **mine).facts["figures"]["train"]["images"] == 5
