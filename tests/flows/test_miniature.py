"""From pairs to questions, models, answers and scores, run again and again on what has changed."""

import shutil

import pytest

from flows.server import ROOT
from storage.questions import CAPTIONED, MINED, RANDOM
from tasks.encoders import EncoderConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tasks.scenes import PATTERN_FACTORS, write_scenes
from tasks.training.recipe import TrainConfig
from tests.flows import runs

SETTINGS = {
    "control": EncoderConfig(spec="tiny:clip-control"),
    "mine": MineConfig(clip_above_quantile=0.8, ssl_below_quantile=0.5, benchmark_pairs=18),
    "questions": QuestionConfig(lot_pairs=2),
    "train": TrainConfig(
        ssl_shares=(0.5,),
        steps=3,
        adapter_steps=2,
        language_steps=2,
        batch=4,
        width=32,
        layers=1,
        heads=2,
    ),
}
FEATURES = ["additive", "clip", "clip-control", "interleaved", "ssl"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with sixty drawn scenes to mine and thirty others to train on."""
    place = tmp_path_factory.mktemp("miniature")
    write_scenes(place / "scenes", 60, seed=5)
    write_scenes(place / "lessons", 30, seed=6)
    return place


@pytest.fixture(scope="module")
def first(server, cluster, place):
    """The stages of a first run, whose home the tests of this module go on with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMVP_HOME", str(place / "home"))
        patch.delenv("MMVP_STORE", raising=False)
        yield run(place / "scenes", cluster, [place / "lessons"])


def run(corpus, cluster, teachers, **changes):
    """Run all stages on a corpus; return their entries."""
    settings = {**SETTINGS, **changes}
    return runs.run(
        [corpus], cluster, through="report", train_corpus=[str(f) for f in teachers], **settings
    )


def answers_of(home):
    """Return all answers by their names."""
    rows = runs.stored(home, "answers")
    return {(row["question_id"], row["model"], row["protocol"]): row for row in rows}


def overall(benchmark, protocol):
    """Return the latest run's overall scores by features."""
    return {
        row["features"]: row
        for row in runs.shown("scores")
        if (row["benchmark"], row["protocol"], row["pattern"]) == (benchmark, protocol, None)
    }


def test_every_model_is_asked_both_questions_of_every_pair_and_scored(first, cluster, place):
    second = run(place / "scenes", cluster, [place / "lessons"])

    questions = runs.shown("questions")
    pairs = {row["pair_id"]: row for row in runs.shown("pairs") if row["selected"]}
    by_pair = {pair: [q for q in questions if q["pair_id"] == pair] for pair in pairs}
    assert len(questions) == 2 * len(pairs) > 12
    for pair, asked in by_pair.items():
        assert {q["image"] for q in asked} == {pairs[pair]["image_a"], pairs[pair]["image_b"]}
        assert {q["answer"] for q in asked} == set(asked[0]["options"])
        assert len({(q["question"], tuple(q["options"]), q["pattern"]) for q in asked}) == 1
    attributes = [row["attribute"] for row in pairs.values()]
    assert max(map(attributes.count, PATTERN_FACTORS)) <= 2
    assert sorted(overall(MINED, "option-logprob")) == FEATURES
    assert sorted(overall(MINED, "free")) == FEATURES
    assert set(overall(MINED, "mmvp-vlm")) == {None, "clip-control"}
    assert overall(MINED, "free")["clip"]["pairs"] == len(pairs)
    assert {row["benchmark"] for row in runs.shown("scores")} == {MINED, RANDOM, CAPTIONED}
    given = answers_of(place / "home")
    assert all((q["question_id"], m, p) in given for q in questions for m, p in models_and_ways())
    assert {stage["state"] for stage in first.values()} == {"done"}
    assert {stage["state"] for stage in second.values()} == {"current"}
    assert {stage["new"] for stage in second.values()} == {0}


def models_and_ways():
    return {(row["model"], row["protocol"]) for row in runs.shown("scores")}


def test_a_deleted_model_is_trained_again_to_the_same_weights(first, cluster, place):
    models, answers = runs.shown("models"), answers_of(place / "home")
    shutil.rmtree(place / "home" / models[0]["folder"])

    again = run(place / "scenes", cluster, [place / "lessons"])

    assert (again["train"]["state"], again["train"]["new"]) == ("done", 1)
    assert runs.shown("models") == models
    assert (again["evaluate"]["new"], answers_of(place / "home")) == (0, answers)


def test_another_home_asks_and_trains_for_itself_and_gets_the_same(
    first, cluster, place, monkeypatch
):
    tables = ("questions", "answers", "scores", "probes")
    here = {table: runs.shown(table) for table in tables}
    weights = [row["weights"] for row in runs.shown("models")]
    monkeypatch.setenv("MMVP_HOME", str(place / "other"))

    there = run(place / "scenes", cluster, [place / "lessons"])

    assert {stage["state"] for stage in there.values()} == {"done"}
    assert here == {table: runs.shown(table) for table in tables}
    assert weights == [row["weights"] for row in runs.shown("models")]


def test_of_a_grown_corpus_only_new_questions_are_asked_and_nothing_is_trained(
    first, cluster, place
):
    before = answers_of(place / "home")
    models = runs.shown("models")
    write_scenes(place / "scenes", 72, seed=5)

    grown = run(place / "scenes", cluster, [place / "lessons"])

    after = answers_of(place / "home")
    asked = {row["question_id"] for row in runs.stored(place / "home", "questions")}
    assert grown["embed"]["new"] == 12
    assert (grown["train"]["state"], grown["train-embed"]["state"]) == ("current", "current")
    assert runs.shown("models") == models
    assert before.items() <= after.items()
    assert grown["evaluate"]["new"] == len(after) - len(before) > 0
    assert {name[0] for name in after} >= asked


def test_without_metadata_a_run_ends_after_the_pairs(server, cluster, home, tmp_path, photos):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, file in enumerate(sorted(photos.rglob("*.png"))):
        shutil.copy(file, flat / f"{number}.png")

    stages = run(flat, cluster, [])

    assert list(stages) == ["ingest", "embed", "mine", "report"]
    assert len(runs.shown("pairs")) == stages["mine"]["rows"] > 0
    assert runs.shown("questions") == []


def test_labels_alone_make_questions_and_no_model_is_trained_unasked(server, cluster, home, photos):
    mine = MineConfig(clip_above_quantile=0.3, ssl_below_quantile=0.9)

    stages = run(photos, cluster, [], mine=mine, control=None)

    questions = runs.shown("questions")
    assert stages["mine"]["figures"]["source"] == "label"
    assert "train" not in stages
    assert {q["question"] for q in questions} == {"What does this picture show?"}
    assert {q["answer"] for q in questions} <= {"a", "b", "c"}
    assert {row["protocol"] for row in runs.shown("scores")} == {"mmvp-vlm"}


@pytest.fixture
def reworded_code(tmp_path):
    """A copy of the code, and a function that words one of its questions otherwise."""
    root = tmp_path / "code"
    for layer in ("flows", "tasks", "storage"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / layer, root / layer, ignore=skipped)

    def reword():
        file = root / "tasks" / "questions" / "wording.py"
        file.write_text(file.read_text().replace("Is it tall or long?", "Is it long or tall?"))

    return root, reword


def test_another_wording_asks_again_and_embeds_nothing(server, home, tmp_path, reworded_code):
    root, reword = reworded_code
    runs.borrow_server(home)
    write_scenes(tmp_path / "scenes", 60, seed=5)
    thresholds = ["--clip-above-quantile", 0.8, "--ssl-below-quantile", 0.5, "--lot-pairs", 1]

    def start():
        arguments = ["--corpus", tmp_path / "scenes", *thresholds, "--workers", 1]
        code, result, errors = runs.finish(runs.start("run", *arguments, home=home, root=root))
        assert code == 0, errors
        return result["stages"]

    first, asked = start(), runs.shown("questions", home)
    reword()
    second, reworded = start(), runs.shown("questions", home)

    current = {name for name, stage in second.items() if stage["state"] == "current"}
    assert set(runs.states(first).values()) == {"done"}
    assert current == {"ingest", "embed", "mine", "probe"}
    assert second["evaluate"]["new"] > 0
    assert len(reworded) == len(asked)
    assert "Is it tall or long?" in {q["question"] for q in asked}
    assert "Is it tall or long?" not in {q["question"] for q in reworded}
