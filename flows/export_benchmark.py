"""`mmvp export benchmark`: the questions of the latest mining in the layout that others read.

Put here: choosing the questions, their lineage, and reading their images from the corpora.
Keep out: numbering and writing (`tasks.exporting`).
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.settings import Settings
from storage import minings, paths, questions, runs
from storage.database import Database
from storage.embeddings import PREFIX
from storage.runs import RunRow
from tasks.corpora.locations import read_location
from tasks.exporting.benchmark import Lineage, write_benchmark
from tasks.exporting.benchmark_pairs import number_pairs
from tasks.exporting.placing import check_free
from tasks.images import RefusedImageError, image_id


def export_benchmark(settings: Settings, benchmark: str, layout: str, to: Path) -> dict[str, Any]:
    """Write a benchmark of the latest mining to a folder; return the record of what was written.

    Args:
        settings: The home and the store.
        benchmark: Its name in the table `questions`.
        layout: One of `tasks.exporting.benchmark.LAYOUTS`.
        to: The folder, not there yet, empty, or an earlier export.

    Raises:
        ValueError: if there are no such questions, an image is gone or has changed, or the folder
            holds something else.
        StoreError: if the store cannot be read.
    """
    to = to.expanduser().absolute()
    check_free(to)
    db = Database(settings.store)
    latest = runs.latest(db, "questions", mined=True)
    if latest is None:
        message = "no questions were written yet; run `mmvp questions`, or `mmvp run`"
        raise ValueError(message)
    mining = latest.mining
    receipt = latest.receipts["questions"]
    written = questions.read(db, mining, version=receipt.version)
    rows = [row for row in written if row.benchmark == benchmark]
    if not rows:
        there = ", ".join(sorted({row.benchmark for row in written})) or "none"
        message = f"the latest mining has no benchmark {benchmark!r}; there are: {there}"
        raise ValueError(message)
    lineage = _lineage(db, benchmark, mining, receipt.digest)
    held = _held(db, latest)
    record = write_benchmark(
        to,
        number_pairs(rows),
        lineage,
        layout=layout,
        read_image=lambda image: _read_image(image, held.get(image, ())),
    )
    return {**record, "folder": str(to)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export what the options name, and print a line about it unless JSON is asked for."""
    to = Path(options.to)
    found = export_benchmark(Settings.read(), options.benchmark, options.layout, to)
    if not options.json:
        left = "".join(f", {count} left out: {why}" for why, count in found["left_out"].items())
        print(f"{found['name']}: {found['pairs']} pairs in {found['folder']}{left}")
    return found


def _lineage(db: Database, benchmark: str, mining: str, digest: str) -> Lineage:
    row = minings.read(db, mining)
    if row is None:
        message = f"the mining {mining!r} is not in the store any more; run `mmvp mine` again"
        raise ValueError(message)
    return Lineage(
        benchmark=benchmark,
        mining=mining,
        clip=row.clip.removeprefix(PREFIX),
        ssl=row.ssl.removeprefix(PREFIX),
        clip_above=row.clip_above,
        ssl_below=row.ssl_below,
        questions=digest,
    )


def _held(db: Database, run: RunRow) -> Mapping[str, Sequence[str]]:
    return paths.images(db, run.settings["corpora"], version=run.receipts["paths"].version)


def _read_image(image: str, places: Sequence[str]) -> bytes:
    """Return the bytes of an image from the first place that still has them.

    Raises:
        ValueError: if none has.
    """
    found = "it is in no corpus of the run"
    for place in places:
        try:
            data = read_location(place)
        except RefusedImageError as error:
            found = f"{place}: {error}"
            continue
        if image_id(data) == image:
            return data
        found = f"{place} has changed"
    message = f"image {image[:12]} cannot be read: {found}; run `mmvp run` on the corpus again"
    raise ValueError(message)
