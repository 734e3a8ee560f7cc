"""`mmvp status`: what is in the store, which stages are current, what a run would do.

Put here: asking each stage, without running anything.
Keep out: what makes a stage current (`tasks.stage`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.settings import Settings
from flows.site import lock_path
from flows.stages import folder_of
from storage import embeddings, runs
from storage.database import Database
from storage.receipts import Receipt
from tasks import embed, ingest, reporting
from tasks.embed import EmbedConfig
from tasks.mining import stage as mining
from tasks.stage import Context, Site, Stage, StageResult, is_current
from tasks.workers import Workers


def status(settings: Settings, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with versions and rows, and the state of each stage for these settings.

    Raises:
        ValueError: if a corpus is no folder, or an encoder is unknown.
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
    named = [folder_of(name, settings.home) for name in values["corpus"]]
    corpora = named or runs.latest_corpora(db)
    if not corpora:
        return found | {"corpora": [], "stages": {}}
    corpora = ingest.resolve_corpora(corpora)
    site = Site(db=db, home=settings.home, workers=Workers(values["workers"]))
    return found | {"corpora": corpora, "stages": _stages(site, corpora, values)}


def _stages(site: Site, corpora: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    states: dict[str, Any] = {}
    receipts: dict[str, Receipt] = {}
    figures: dict[str, Mapping[str, Any]] = {}

    def ask(stage: Stage, context: Context) -> StageResult | None:
        result = is_current(stage, context)
        states[stage.name] = {"state": "current" if result is not None else "would run"}
        if result is not None:
            receipts.update(result.receipts)
            figures[stage.name] = result.outcome.figures
            states[stage.name] |= {"rows": result.outcome.rows}
        return result

    context = ingest.prepare(site, values["reading"], corpora)
    if ask(ingest.STAGE, context) is None:
        states["ingest"] |= ingest.forecast(context)
        return states | _waiting("embed", "mine", "report")
    config = EmbedConfig(clip=values["clip"], ssl=values["ssl"])
    context = embed.prepare(site, config, corpora, receipts)
    if ask(embed.STAGE, context) is None:
        states["embed"] |= embed.forecast(context)
        return states | _waiting("mine", "report")
    if ask(mining.STAGE, mining.prepare(site, values["mine"], corpora, receipts)) is None:
        return states | _waiting("report")
    shown = {"mine": figures["mine"]}
    ask(reporting.STAGE, reporting.prepare(site, values["report"], corpora, receipts, shown))
    return states


def _waiting(*names: str) -> dict[str, Any]:
    return {name: {"state": "would follow"} for name in names}


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
