"""Training and asking models on a Dask worker: what is done once, and what is done again."""

import dataclasses
import json
import shutil

import pytest
from distributed import LocalCluster
from pydantic import ValidationError

from storage import answers, comparisons, models, questions, scores, shards
from storage.database import Database
from storage.questions import RANDOM
from storage.receipts import Receipt
from tasks import embed, ingest
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.evaluation import stage
from tasks.evaluation.asking import FREE, MMVP_VLM, OPTION_LOGPROB
from tasks.evaluation.candidates import EvaluateConfig
from tasks.evaluation.given import request_of
from tasks.ingest import IngestConfig
from tasks.patterns import PATTERNS
from tasks.questions import stage as asking
from tasks.questions.config import QuestionConfig
from tasks.scenes import BASE_FACTORS, write_scenes
from tasks.stage import Site, key_of
from tasks.training import stage as training
from tasks.workers import Workers, WorkersConfig
from tests import lessons

MINING = "some mining"
PROTOCOLS = (OPTION_LOGPROB, FREE, MMVP_VLM)
CONTROL = EmbedConfig(control=EncoderConfig(spec="tiny:clip-control"))
LESSONS = lessons.CONFIG.model_copy(update={"features": ("clip", "ssl")})
NOBODY = Workers(WorkersConfig(scheduler="tcp://127.0.0.1:9", device="cpu"))
"""Workers that fail whoever gives them something to do."""


@dataclasses.dataclass
class World:
    """A store in which scenes were embedded and asked about, and two models trained on others."""

    site: Site
    corpora: list
    teachers: list
    receipts: dict
    trained: tuple = ()

    def asked(self, pairs):
        """Write the questions of so many pairs an attribute."""
        self.receipts["pairs"] = Receipt(table="pairs", version=0, rows=0, digest="")
        config = QuestionConfig(lot_pairs=pairs)
        context = asking.prepare(self.site, config, self.corpora, self.receipts, MINING)
        asking.run(context)
        self.receipts |= asking.look(context)
        return {row.question_id for row in questions.read(self.site.db, MINING)}

    def learning(self, site=None, config=LESSONS):
        return training.prepare(
            site or self.site, config, CONTROL, self.teachers, self.receipts, MINING
        )

    def asking(self, site=None, config=EvaluateConfig(), encoders=CONTROL):
        where, given = site or self.site, (self.corpora, self.receipts, MINING, self.trained)
        return stage.prepare(where, config, encoders, *given)

    def idle(self):
        """The same place without anyone to work there."""
        return dataclasses.replace(self.site, workers=NOBODY)


def ingested(site, folder, count, seed):
    write_scenes(folder, count, seed=seed)
    corpora = ingest.resolve_corpora([str(folder)])
    context = ingest.prepare(site, IngestConfig(), corpora)
    ingest.run(context)
    return corpora, ingest.look(context)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world after one run of all stages, on one worker."""
    home = tmp_path_factory.mktemp("home")
    # A worker in this process, which spares it to import all that is imported here.
    place = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **place) as cluster,
        Workers(WorkersConfig(scheduler=cluster.scheduler_address, device="cpu")) as workers,
    ):
        site = Site(db=Database(str(home / "store")), home=home, workers=workers)
        teachers, _ = ingested(site, home / "lessons", 16, 6)
        corpora, receipts = ingested(site, home / "scenes", 40, 5)
        context = embed.prepare(site, CONTROL, corpora, receipts)
        embed.run(context)
        made = World(site, corpora, teachers, dict(receipts | embed.look(context)))
        made.asked(1)
        context = made.learning()
        training.run(context)
        made.trained = context.facts["models"]
        stage.run(made.asking())
        yield made


def answers_of(world):
    return {row.name: row for row in answers.read(world.site.db)}


def test_every_model_has_answered_every_question(world):
    asked = questions.read(world.site.db, MINING)
    encoders = world.asking().given.identities

    found = answers_of(world)

    by_protocol = {p: {n.model for n in found if n.protocol == p} for p in PROTOCOLS}
    assert by_protocol[OPTION_LOGPROB] == by_protocol[FREE] == set(world.trained)
    assert by_protocol[MMVP_VLM] == {encoders[role].name for role in ("clip", "control")}
    assert len(found) == len(asked) * (2 * len(world.trained) + 2)


def test_an_answer_is_stored_with_the_name_of_its_request(world):
    requests = world.asking().given.requests

    for name, row in answers_of(world).items():
        assert row.request == requests[name]
        assert (row.scores is None) == (row.protocol == FREE)
        assert row.failure is None
        if row.protocol != FREE:
            assert row.choice is not None
    assert len(set(requests.values())) == len(requests), "each request is another one"


def test_there_are_scores_for_all_protocols_overall_and_by_pattern(world):
    rows = scores.read(world.site.db, MINING)

    random = [row for row in rows if row.benchmark == "random"]
    assert {row.protocol for row in random} == set(PROTOCOLS)
    for protocol in PROTOCOLS:
        for name in {row.model for row in random if row.protocol == protocol}:
            patterns = {
                row.pattern for row in random if (row.model, row.protocol) == (name, protocol)
            }
            assert patterns == {None, *PATTERNS.values()}
    captioned = {row.pattern for row in rows if row.benchmark == "captioned"}
    assert captioned == {None, *BASE_FACTORS}
    assert {row.features for row in rows} == {None, "clip-control", "clip", "ssl"}
    assert comparisons.read(world.site.db, MINING)


def test_a_clip_is_told_from_its_control_by_what_captions_name(world):
    found = {
        (row.features, row.pattern): row.pair_accuracy
        for row in scores.read(world.site.db, MINING)
        if row.protocol == MMVP_VLM
    }

    for pattern in ("state", "presence"):
        assert found[None, PATTERNS[pattern]] <= found["clip-control", PATTERNS[pattern]] == 1


def test_a_second_run_trains_and_asks_nothing(world):
    before, rows = stage.look(world.asking()), answers_of(world)
    learnt = training.look(world.learning())

    trained = training.run(world.learning(world.idle()))
    outcome = stage.run(world.asking(world.idle()))

    assert (trained.new, trained.rows) == (0, 2)
    assert outcome.new == 0
    assert outcome.rows == len(rows) == before["answers"].rows
    assert training.look(world.learning()) == learnt
    assert stage.look(world.asking()) == before, "not even a version of a table is new"
    assert key_of(stage.STAGE, world.asking()) == key_of(stage.STAGE, world.asking(world.idle()))


def test_a_deleted_model_is_trained_again_to_the_same_weights(world):
    before = {row.model: row for row in models.read(world.site.db)}
    name = world.trained[0]
    record = (world.site.home / "models" / name / "training.json").read_bytes()
    shutil.rmtree(world.site.home / "models" / name)

    outcome = training.run(world.learning())

    assert outcome.new == 1
    assert {row.model: row for row in models.read(world.site.db)} == before
    assert (world.site.home / "models" / name / "training.json").read_bytes() == record
    assert stage.run(world.asking(world.idle())).new == 0


def test_a_new_question_is_the_only_one_asked(world):
    before, old = answers_of(world), world.asked(1)

    new = world.asked(2) - old
    outcome = stage.run(world.asking())

    found = answers_of(world)
    assert new
    assert outcome.new == 6 * len(new)
    assert {name.question_id for name in found.keys() - before.keys()} == new
    assert {name: found[name] for name in before} == before
    rows = scores.read(world.site.db, MINING)
    assert {row.pairs for row in rows if row.pattern == PATTERNS["text"]} == {2}
    world.asked(1)
    assert stage.run(world.asking(world.idle())).new == 0, "what was asked is not forgotten"


def test_a_model_of_other_weights_is_asked_everything_again(world):
    db = world.site.db
    row = models.read(db, world.trained)[0]
    before = answers_of(world)

    models.upsert(db, [dataclasses.replace(row, weights="0" * 64)])
    outcome = stage.run(world.asking())

    found = answers_of(world)
    changed = {name for name in before if found[name].request != before[name].request}
    current = {q.question_id for q in questions.read(db, MINING)}
    assert {name.model for name in changed} == {row.model}
    assert {name.question_id for name in changed} == current
    assert outcome.new == len(changed) == 2 * len(current)
    assert all(
        found[name].scores == before[name].scores and found[name].response == before[name].response
        for name in before
    ), "the folder is the same"
    models.upsert(db, [row])
    stage.run(world.asking())
    assert answers_of(world) == before


def test_an_answer_that_is_gone_is_asked_for_again(world):
    before = answers_of(world)
    lost = next(name for name in before if name.protocol == FREE)
    keys = zip(answers.SPEC.keys, lost, strict=True)
    where = " AND ".join(f"{column} = '{value}'" for column, value in keys)
    world.site.db.delete(answers.SPEC, where=where)
    assert stage.look(world.asking()) is None

    assert stage.run(world.asking()).new == 1
    assert answers_of(world) == before


def test_people_who_took_a_whole_benchmark_keep_their_scores_when_models_are_scored(world):
    asked = questions.read(world.site.db, MINING, benchmark=RANDOM)
    given = [
        answers.AnswerRow(
            question_id=row.question_id,
            model="people:ada",
            protocol="people",
            request="0" * 64,
            response=row.answer,
            choice=row.answer,
            scores=None,
            failure=None,
        )
        for row in asked
    ]
    before = scores.read(world.site.db, MINING)
    answers.upsert(world.site.db, given)

    stage.run(world.asking(world.idle()))

    rows = scores.read(world.site.db, MINING)
    people = [row for row in rows if row.protocol == "people"]
    assert [row for row in rows if row not in people] == before
    assert {(row.benchmark, row.model, row.pair_accuracy) for row in people} == {
        (RANDOM, "people:ada", 1.0)
    }
    world.site.db.delete(answers.SPEC, where="protocol = 'people'")
    stage.run(world.asking(world.idle()))
    assert scores.read(world.site.db, MINING) == before


def test_answers_of_files_keep_their_scores_when_models_are_scored(world):
    asked = questions.read(world.site.db, MINING, benchmark=RANDOM)
    before = scores.read(world.site.db, MINING)
    others = comparisons.read(world.site.db, MINING)

    def told(model, *, by_file, failure=None):
        for row in asked:
            name = answers.AnswerName(row.question_id, model, FREE)
            said = "" if failure and row is asked[0] else row.answer
            yield answers.AnswerRow(
                **name._asdict(),
                request=request_of(name, said) if by_file else "0" * 64,
                response=said,
                choice=said or None,
                scores=None,
                failure=None if said else failure,
            )

    answers.upsert(world.site.db, list(told("file", by_file=True)))
    answers.upsert(world.site.db, list(told("gaps", by_file=True, failure="missing")))
    answers.upsert(world.site.db, list(told("few", by_file=True))[1:])
    answers.upsert(world.site.db, list(told("asked-once", by_file=False)))

    stage.run(world.asking(world.idle()))

    rows = scores.read(world.site.db, MINING)
    new = [row for row in rows if row not in before]
    assert [row for row in rows if row not in new] == before
    assert {(row.model, row.benchmark) for row in new} == {("file", RANDOM), ("gaps", RANDOM)}
    (gaps,) = (row for row in new if row.model == "gaps" and row.pattern is None)
    assert (gaps.unread, gaps.pair_accuracy) == (1, 1 - 1 / gaps.pairs)
    compared = [row for row in comparisons.read(world.site.db, MINING) if row.benchmark == RANDOM]
    known = [row for row in compared if {"file", "gaps"}.isdisjoint((row.model_a, row.model_b))]
    assert len(known) == len([row for row in others if row.benchmark == RANDOM])
    assert {row.protocol for row in compared if row not in known} == {FREE}
    world.site.db.delete(answers.SPEC, where="model IN ('file', 'gaps', 'few', 'asked-once')")
    stage.run(world.asking(world.idle()))
    assert scores.read(world.site.db, MINING) == before


def test_no_model_is_asked_with_another_encoders_tokens(world):
    other = EmbedConfig(ssl=EncoderConfig(spec="tiny:ssl", batch_images=8))

    with pytest.raises(ValueError, match=r"mof-ssl-\S+ was trained on tokens of the ssl encoder"):
        world.asking(encoders=other)


def test_an_encoder_without_texts_is_not_asked_and_one_in_two_roles_once(world):
    def asked(**encoders):
        roles = EmbedConfig(**{r: EncoderConfig(spec=spec) for r, spec in encoders.items()})
        context = stage.prepare(
            world.site, EvaluateConfig(), roles, world.corpora, world.receipts, MINING, []
        )
        return len(context.facts["candidates"])

    assert asked(clip="tiny:clip/random") == 0
    assert asked(clip="tiny:clip", control="tiny:clip") == 1
    assert asked(clip="tiny:clip", control="tiny:clip-control") == 2


def test_finished_work_is_recorded(world):
    rows = world.site.db.read(shards.SPEC).to_pylist()

    firsts = {row["stage"]: row["first"] for row in rows}
    assert firsts["train"].startswith("mof-")
    assert firsts["evaluate"].split()[1] in {FREE, OPTION_LOGPROB}


def test_facts_are_json_and_the_protocol_is_one_of_them(world):
    context = world.asking()

    assert json.loads(json.dumps(context.facts)) == context.facts
    one = world.asking(config=EvaluateConfig(protocols=(FREE,)))
    assert len(one.given.requests) < len(context.given.requests)
    with pytest.raises(ValidationError, match="protocols"):
        EvaluateConfig(protocols=("telepathy",))
