"""The stage `report` of a published benchmark: a page, figures and numbers, as files.

Put here: gathering what it shows from the store, its images, and its receipt.
Keep out: reports of a mining (`tasks.reporting`), drawing and writing (`tasks.report`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from storage import paths, questions
from storage.database import Database, any_of
from storage.questions import QuestionRow
from tasks.attributes import Knowledge
from tasks.benchmarks.keys import KEYS
from tasks.evaluation.benchmark import read_benchmark
from tasks.evaluation.rows import PUBLISHED, keys_of, set_name
from tasks.findings import Findings, find, results_of
from tasks.report import BenchmarkContents, PairCard, write_benchmark_report
from tasks.reporting import NAME, ReportConfig, look_at, read_image
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NOTHING_TOLD: Final = Knowledge(facts={})


def find_set(db: Database, named: str) -> str:
    """Return the set that a name or a folder stands for.

    Args:
        db: The store.
        named: The benchmark's folder or CSV; or what `mmvp show scores --all` calls it, with the
            digits at its end or without.

    Raises:
        ValueError: if the store has no such benchmark, or several that are called so.
    """
    known = _sets(db)
    place = Path(named).expanduser()
    if place.exists():
        found = set_name(read_benchmark(place))
        if found in known:
            return found
        message = (
            f"nobody was asked about the benchmark {named!r} yet; run `mmvp evaluate --benchmark "
            f"{named}` with --model or --answers first"
        )
        raise ValueError(message)
    fitting = [one for one, benchmark in known.items() if named in (one, benchmark)]
    if len(fitting) != 1:
        there = ", ".join(fitting or known) or "none"
        found = f"{len(fitting)} benchmarks are called" if fitting else "no benchmark is called"
        message = (
            f"{found} {named!r} in the store; there are: {there}; name one of them, or a folder "
            f"that `mmvp evaluate --benchmark` was given"
        )
        raise ValueError(message)
    return fitting[0]


def _sets(db: Database) -> dict[str, str]:
    """Return the published sets in the store with the names of their benchmarks."""
    rows = db.read(
        questions.SPEC,
        where=any_of("source", [PUBLISHED]),
        columns=["mining", "benchmark"],
    )
    return dict(sorted({(row["mining"], row["benchmark"]) for row in rows.to_pylist()}))


def prepare(site: Site, config: ReportConfig, named: str) -> Context:
    """Read what the store has of a set, and where its images are.

    Raises:
        ValueError: if the store has no such benchmark, or no model was scored on it.
    """
    name = find_set(site.db, named)
    found = find(site.db, name, None)
    if not found.scores:
        message = (
            f"no model was scored on {name!r} yet; run `mmvp evaluate --benchmark DIR` with "
            f"--model or --answers first"
        )
        raise ValueError(message)
    return Context(
        site=site,
        config=config,
        facts={
            "set": name,
            "config": config.model_dump(mode="json"),
            "findings": {table.table: table.digest for table in found.tables()},
            "images": sorted(_files(site.db, found.questions).items()),
        },
        inputs={},
        made_by=made_by(__name__),
        given=found,
    )


def _files(db: Database, asked: Sequence[QuestionRow]) -> dict[str, str]:
    """Return a file of each image that questions are about, from whatever corpus holds it."""
    wanted = sorted({row.image for row in asked} - {""})
    if not wanted:
        return {}
    rows = db.read(paths.SPEC, where=any_of("image", wanted), columns=["image", "path"])
    return {row["image"]: row["path"] for row in sorted(rows.to_pylist(), key=lambda r: r["path"])}


def folder(context: Context) -> Path:
    """Return where the set's report lies."""
    return context.site.home / "reports" / str(context.facts["set"])


def gather(context: Context) -> BenchmarkContents:
    """Return everything that the report shows."""
    found: Findings = context.given
    benchmark = found.questions[0].benchmark
    keys = keys_of(found.questions)
    cards = _cards(found.questions, dict(context.facts["images"]))
    return BenchmarkContents(
        name=benchmark,
        set_name=context.facts["set"],
        pairs=len(cards),
        key=context.config.key if context.config.key in keys else keys[0],
        keys={key: KEYS[key] for key in keys} if len(keys) > 1 else {},
        cards=cards,
        versions=found.tables(),
        results=results_of(found, NOTHING_TOLD, main=benchmark, key=context.config.key),
    )


def _cards(asked: Sequence[QuestionRow], files: Mapping[str, str]) -> list[PairCard]:
    by_pair: dict[str, list[QuestionRow]] = {}
    for row in sorted(asked, key=lambda row: row.question_id):
        by_pair.setdefault(row.pair_id, []).append(row)
    return [
        PairCard(
            pair_id=pair_id,
            image_a=a.image,
            image_b=b.image,
            path_a=files.get(a.image, ""),
            path_b=files.get(b.image, ""),
        )
        for pair_id, (a, b) in by_pair.items()
    ]


def run(context: Context) -> Outcome:
    """Write the report."""
    contents = gather(context)
    written = write_benchmark_report(
        folder(context), contents, read_image=read_image, cards_shown=context.config.cards
    )
    return Outcome(
        new=1,
        rows=contents.pairs,
        figures={"page": str(written[0]), "files": len(written)},
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipt `report`: the files of the set's report by name and content."""
    return look_at(folder(context), context.made_by)


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
