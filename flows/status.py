"""`mmvp status`: what is in the store, which stages are current, what a run would do.

Put here: asking each stage, without running anything.
Keep out: what makes a stage current (`tasks.stage`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from flows.settings import Settings
from flows.site import lock_path
from flows.stages import TRAINING, folder_of
from flows.waiting import lacks_people
from storage import embeddings, runs
from storage.database import Database
from storage.receipts import Receipt
from tasks import embed, ingest, probes, reporting
from tasks.embed import EmbedConfig
from tasks.encoders import EncoderConfig
from tasks.evaluation import stage as evaluation
from tasks.mining import stage as mining
from tasks.questions import checking, proposing
from tasks.questions import stage as asking
from tasks.questions.config import QuestionConfig
from tasks.questions.rounds import propose_and_check
from tasks.stage import Context, Site, Stage, StageResult, is_current
from tasks.training import stage as training
from tasks.workers import Workers

FORECASTS: Final = {
    proposing.NAME: proposing.forecast,
    checking.NAME: checking.forecast,
}


def status(settings: Settings, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with versions and rows, and the state of each stage for these settings.

    Raises:
        ValueError: if a corpus is not there, or an encoder is unknown.
        StoreError: if the store cannot be read.
    """
    db = Database(settings.store)
    found: dict[str, Any] = {
        "home": str(settings.home),
        "store": settings.store,
        "busy": lock_path(settings).with_suffix(".holder").exists(),
        "tables": {
            name: {"version": version, "rows": rows} for name, version, rows in db.overview()
        },
    }
    values = dict(values) if values["corpus"] else _like_latest(db, values)
    corpora = [folder_of(name, settings.home) for name in values["corpus"]]
    if not corpora:
        return found | {"corpora": [], "stages": {}}
    corpora = ingest.resolve_corpora(corpora)
    teachers = [folder_of(name, settings.home) for name in values["train_corpus"]]
    site = Site(db=db, home=settings.home, workers=Workers(values["workers"]))
    asked = _Asked(site, corpora, ingest.resolve_corpora(teachers) if teachers else [], values)
    return found | {"corpora": corpora, "stages": asked.stages()}


def _like_latest(db: Database, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the latest run of all stages, others as they are in `values`."""
    ended = [run for run in runs.read(db) if "parameters" in run.settings]
    if not ended:
        return {**values, "corpus": runs.latest_corpora(db)}
    settings = ended[-1].settings
    models = {name: value for name, value in values.items() if isinstance(value, BaseModel)}
    kinds = {name: type(model) for name, model in models.items()} | {"control": EncoderConfig}
    return {
        **values,
        "corpus": settings["corpora"],
        "train_corpus": settings["train_corpora"],
        **{
            name: kinds[name].model_validate(value)
            for name, value in settings["parameters"].items()
        },
    }


class _Asked:
    """The stages of a run, asked one after the other whether they are current."""

    def __init__(
        self,
        site: Site,
        corpora: Sequence[str],
        teachers: Sequence[str],
        values: Mapping[str, Any],
    ) -> None:
        self.site, self.corpora, self.teachers, self.values = site, corpora, teachers, values
        self.encoders = EmbedConfig(**{role: values[role] for role in ("clip", "ssl", "control")})
        self.states: dict[str, Any] = {}
        self.receipts: dict[str, Receipt] = {}
        self.figures: dict[str, Mapping[str, Any]] = {}

    def stages(self) -> dict[str, Any]:
        """Return the state of each stage that a run would have."""
        steps: Mapping[str, Callable[[], object]] = {
            "ingest": self._ingest,
            "embed": self._embed,
            "mine": lambda: self._ask(mining.STAGE, self._mine()),
            "propose": self._write,
            "check": self._write,
            "questions": lambda: self._ask(asking.STAGE, self._questions()),
            "probe": lambda: self._ask(probes.STAGE, self._probe()),
            "train": lambda: self._ask(training.STAGE, self._train()),
            "evaluate": lambda: self._ask(evaluation.STAGE, self._evaluate()),
            "report": lambda: self._ask(reporting.STAGE, self._report()),
        }
        config: QuestionConfig = self.values["questions"]
        skipped: set[str] = set() if self.teachers else {"train"}
        skipped |= set() if config.writers else {"propose"}
        skipped |= set() if config.proposes else {"check"}
        waits = False
        for name, ask in steps.items():
            if name in skipped or name in self.states:
                continue
            if waits:
                self.states[name] = {"state": "would follow"}
                continue
            waits = not ask()
            if name == "embed" and not waits and self.teachers:
                waits = not self._teach()
            if name == "mine" and not waits:
                waits = self._waits_for_people()
                if self.figures["mine"]["source"] == "none":
                    skipped |= {"probe", "train"}
                    skipped |= set() if config.proposes else {"questions", "evaluate"}
        return self.states

    def _ask(
        self,
        stage: Stage,
        context: Context,
        forecast: Callable[[Context], Mapping[str, int]] = lambda _: {},
        prefix: str = "",
    ) -> StageResult | None:
        result = is_current(stage, context)
        name = prefix + stage.name
        if result is None:
            self.states[name] = {"state": "would run", **forecast(context)}
            return None
        self.receipts |= {prefix + key: value for key, value in result.receipts.items()}
        self.figures[name] = result.outcome.figures
        self.states[name] = {"state": "current", "rows": result.outcome.rows}
        return result

    def _ingest(self) -> object:
        context = ingest.prepare(self.site, self.values["reading"], self.corpora)
        return self._ask(ingest.STAGE, context, ingest.forecast)

    def _embed(self) -> object:
        context = embed.prepare(self.site, self.encoders, self.corpora, self.receipts)
        return self._ask(embed.STAGE, context, embed.forecast)

    def _teach(self) -> object:
        context = ingest.prepare(self.site, self.values["reading"], self.teachers)
        if not self._ask(ingest.STAGE, context, prefix=TRAINING):
            return None
        inner = {
            name.removeprefix(TRAINING): receipt
            for name, receipt in self.receipts.items()
            if name.startswith(TRAINING)
        }
        context = embed.prepare(self.site, self.encoders, self.teachers, inner)
        return self._ask(embed.STAGE, context, prefix=TRAINING)

    def _mine(self) -> Context:
        return mining.prepare(self.site, self.values["mine"], self.corpora, self.receipts)

    def _waits_for_people(self) -> bool:
        """Say whether a run would wait for people's questions after the pairs."""
        progress = lacks_people(self.site, self.values["questions"], self._mining)
        if progress is not None:
            self.states["people"] = {
                "state": "would wait",
                "accepted": progress.accepted,
                "wanted": progress.wanted,
            }
        return progress is not None

    def _write(self) -> bool:
        """Look at `propose` and `check`, which may have run in rounds."""
        found: list[StageResult | None] = []

        def look(stage: Stage, context: Context) -> StageResult | None:
            found.append(self._ask(stage, context, FORECASTS[stage.name]))
            return found[-1]

        config, clip = self.values["questions"], self.encoders.clip
        common = (self.corpora, self.receipts, self._mining)
        propose_and_check(self.site, config, clip, *common, look)
        return None not in found

    def _questions(self) -> Context:
        config = self.values["questions"]
        return asking.prepare(self.site, config, self.corpora, self.receipts, self._mining)

    def _probe(self) -> Context:
        return probes.prepare(self.site, self.corpora, self.teachers, self.receipts)

    def _train(self) -> Context:
        return training.prepare(
            self.site,
            self.values["train"],
            self.encoders,
            self.teachers,
            self.receipts,
            self._mining,
        )

    def _evaluate(self) -> Context:
        return evaluation.prepare(
            self.site,
            self.values["evaluate"],
            self.encoders,
            self.corpora,
            self.receipts,
            self._mining,
            self.figures.get("train", {}).get("models", []),
        )

    def _report(self) -> Context:
        config = self.values["report"]
        return reporting.prepare(
            self.site, config, self.corpora, self.receipts, reporting.shown(self.figures)
        )

    @property
    def _mining(self) -> str:
        return str(self.figures["mine"]["mining"])


def print_status(found: Mapping[str, Any]) -> None:
    """Print a status for people."""
    print(f"home   {found['home']}")
    print(f"store  {found['store']}" + ("  (a run works on it now)" if found["busy"] else ""))
    for name, table in found["tables"].items():
        kind = "encoder" if name.startswith(embeddings.PREFIX) else "table"
        print(f"  {kind:8} {name:56} {table['rows']:>12,} rows  version {table['version']}")
    for corpus in found["corpora"]:
        print(f"corpus {corpus}")
    for name, stage in found["stages"].items():
        told = ", ".join(f"{count} {word}" for word, count in stage.items() if word != "state")
        print(f"  {name:8} {stage['state']:12} {told}")
    if not found["stages"]:
        print("nothing was run yet; start with `mmvp demo` or `mmvp run --corpus DIR`")
