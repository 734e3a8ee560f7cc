"""The stage `train` without workers: what names a model, and what is trained when."""

import shutil

import pytest

from storage import models, paths, questions
from storage.paths import PathRow
from storage.questions import QuestionRow
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.stage import Site, key_of
from tasks.training import jobs, stage
from tasks.training.jobs import RECORD, WEIGHTS, Trained
from tasks.workers import Done, Shard, Workers, WorkersConfig
from tests import lessons

CORPUS = "/lessons"
THREE = EmbedConfig(control=EncoderConfig(spec="tiny:clip-control"))


class Here(Workers):
    """Workers that do nothing but write the folders that they are asked for."""

    def __init__(self):
        super().__init__(WorkersConfig(device="cpu"))
        self.trained, self.course, self.dead = [], None, False

    def run(self, function, shards):
        for items in shards:
            self.course = function.keywords["course"]
            value = None if self.dead else [kept for item in items for kept in self._train(item)]
            yield Done(
                shard=Shard(items=items, attempts=1), value=value, worker="", pid=0, seconds=0
            )

    def _train(self, assignment):
        self.trained.append(assignment.key)
        kept = []
        for name, step in jobs.names_of(assignment.key, self.course.config).items():
            folder = self.course.models / name
            folder.mkdir(parents=True, exist_ok=True)
            for file in (WEIGHTS, RECORD):
                (folder / file).touch()
            kept.append(Trained(name, step, f"weights of {name}", {"instruct": [1.5]}))
        return kept


@pytest.fixture
def site(db, home):
    tell(db, range(8))
    return Site(db=db, home=home, workers=Here())


def tell(db, numbers, *, folder="a", fur=("white", "black")):
    """Store what a corpus tells of some images."""
    rows = [
        PathRow(
            corpus=CORPUS,
            path=f"{CORPUS}/{folder}/{number}.png",
            image=f"image{number}",
            label=None,
            caption=f"a cat {number}",
            attributes=paths.attributes_json({"fur": fur[number % 2]}),
            size_bytes=1,
            mtime_ns=1,
            made_by="",
        )
        for number in numbers
    ]
    paths.upsert(db, rows)


def ask(db, image, mining="m"):
    """Store a question about an image."""
    question = QuestionRow(
        mining=mining,
        benchmark="random",
        question_id=f"about {image}",
        pair_id="",
        image=image,
        attribute="fur",
        question="?",
        options=("white", "black"),
        answer="white",
        statement=None,
        pattern=None,
        source="attribute",
        key="metadata",
    )
    questions.replace(db, mining, [question])


def prepare(site, config=lessons.CONFIG, encoders=EmbedConfig(), corpora=(CORPUS,)):
    return stage.prepare(site, config, encoders, corpora, {}, "m")


def with_(**changes):
    return lessons.CONFIG.model_copy(update=changes)


def names_of(site, *arguments):
    return prepare(site, *arguments).facts["models"]


def test_models_are_trained_once(site):
    context = prepare(site)
    first = stage.run(context)
    receipts = stage.look(context)
    again = stage.run(prepare(site))

    assert (first.new, first.rows) == (4, 4)
    assert first.figures == {"models": context.facts["models"], "images": 8}
    assert site.workers.trained == context.facts["models"]
    assert (again.new, again.rows) == (0, 4)
    assert len(site.workers.trained) == 4
    assert stage.look(prepare(site)) == receipts
    assert receipts["models"].rows == 4


def test_a_row_says_where_a_model_lies_and_what_it_is(site):
    stage.run(prepare(site))

    (row,) = (row for row in models.read(site.db) if row.features == "additive")
    assert row.folder == f"models/{row.model}"
    assert row.model.startswith("mof-additive-0.5-seed0-")
    assert row.weights == f"weights of {row.model}"
    assert (row.ssl_share, row.seed, row.steps, row.trained_images) == (0.5, 0, 4, 8)
    assert row.facts["config"] == lessons.CONFIG.of_each_model()
    assert row.facts["encoders"].keys() == {"clip", "ssl"}
    assert row.figures == {"instruct": [1.5]}


@pytest.mark.parametrize("lost", ["folder", WEIGHTS, RECORD, "row"])
def test_what_is_lost_is_trained_again_and_nothing_else(site, lost):
    context = prepare(site)
    stage.run(context)
    receipts, model = stage.look(context), context.facts["models"][1]
    folder = site.home / "models" / model
    if lost == "row":
        site.db.delete(models.SPEC, where=f"model = '{model}'")
    elif lost == "folder":
        shutil.rmtree(folder)
    else:
        (folder / lost).unlink()
    assert stage.look(context) is None
    site.workers.trained.clear()

    outcome = stage.run(prepare(site))

    assert (outcome.new, site.workers.trained) == (1, [model])
    assert stage.look(context)["models"].digest == receipts["models"].digest


def test_asked_images_are_never_learnt_from(site):
    before = names_of(site)
    ask(site.db, "image3")
    ask(site.db, "image4", mining="another")

    context = prepare(site)

    learnt = [example.image for example in context.given.examples]
    assert learnt == [f"image{number}" for number in (0, 1, 2, 4, 5, 6, 7)]
    assert not set(before) & set(context.facts["models"])


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (0, 1)},
        {"ssl_shares": (0.5, 0.75)},
        {"features": ("interleaved", "additive", "ssl", "clip")},
        {"images": 100},
        {"score_at": (1, 2)},
    ],
)
def test_models_beside_others_have_the_same_names(site, change):
    """So to ask for one more trains one more."""
    assert set(names_of(site)) <= set(names_of(site, with_(**change)))


def test_a_control_adds_a_model(site):
    two, three = names_of(site), names_of(site, lessons.CONFIG, THREE)

    (more,) = set(three) - set(two)
    assert set(two) <= set(three)
    assert more.startswith("mof-clip-control-seed0-")


@pytest.mark.parametrize("change", [{"steps": 5}, {"batch": 5}, {"layers": 2}, {"images": 6}])
def test_settings_that_decide_a_bit_rename_every_model(site, change):
    assert not set(names_of(site)) & set(names_of(site, with_(**change)))


def test_what_is_told_renames_every_model_and_where_it_lies_none(site):
    before = names_of(site)

    tell(site.db, range(8), folder="copies")
    assert names_of(site) == before
    tell(site.db, [8])
    assert not set(names_of(site)) & set(before)


def test_an_encoder_renames_the_models_that_see_its_tokens(site):
    before = set(names_of(site))
    other = EmbedConfig(ssl=EncoderConfig(spec="tiny:ssl", batch_images=8))

    kept = before & set(names_of(site, lessons.CONFIG, other))

    assert [name.rsplit("-", 2)[0] for name in kept] == ["mof-clip"]


def test_the_key_is_that_of_the_models(site):
    context = prepare(site)

    assert key_of(stage.STAGE, context) == key_of(stage.STAGE, prepare(site))
    assert key_of(stage.STAGE, context) != key_of(stage.STAGE, prepare(site, with_(steps=5)))


def test_workers_are_given_the_encoders_that_models_see_and_no_other(site):
    """A control without patch tokens does not keep the others from being trained."""
    control = EmbedConfig(control=EncoderConfig(spec="timm:resnet18/random"))

    stage.run(prepare(site, with_(features=("clip", "ssl")), control))

    course = site.workers.course
    assert course.encoders.keys() == course.names.keys() == {"clip", "ssl"}


def test_a_corpus_that_tells_nothing_is_refused(site):
    with pytest.raises(ValueError, match=r"/nothing tell something of 0 images .*of 0; to train"):
        prepare(site, lessons.CONFIG, EmbedConfig(), ["/nothing"])


def test_a_model_that_no_worker_survives_is_an_error(site):
    site.workers.dead = True

    with pytest.raises(RuntimeError, match=r"training mof-clip-seed0-\w+ took down every worker"):
        stage.run(prepare(site))
    assert models.read(site.db) == []


def test_models_are_kept_as_they_come(site, monkeypatch):
    """A run that is killed keeps the models that it has trained."""
    context, run = prepare(site), site.workers.run

    def killed(function, shards):
        yield from run(function, shards[:2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(site.workers, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            stage.run(context)

    assert stage.look(context) is None
    assert stage.run(context).new == 2
