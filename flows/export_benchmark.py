"""`mmvp export benchmark` and `mmvp export dataset`: questions of the latest mining, for others.

Put here: choosing the questions, their lineage and rights, and reading their images.
Keep out: numbering and writing (`tasks.exporting`), comparing with other data (`flows.compared`).
"""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flows.compared import Found, compare
from flows.settings import Settings
from storage import minings, pairs, paths, questions, runs
from storage.database import Database
from storage.embeddings import PREFIX
from storage.minings import MiningRow
from storage.runs import RunRow
from tasks.corpora.corpus import Rights
from tasks.corpora.locations import read_location
from tasks.corpora.opening import split_name
from tasks.exporting import compared
from tasks.exporting.benchmark import Check, write_benchmark
from tasks.exporting.benchmark_pairs import NumberedPair, number_pairs
from tasks.exporting.licences import ANY, Policy
from tasks.exporting.material import Cosines, Lineage, Material, Origin
from tasks.exporting.placing import check_free
from tasks.images import RefusedImageError, image_id
from tasks.mining.thresholds import MineConfig
from tasks.workers import WorkersConfig

ALPHA: Final = "Krippendorff's alpha"
DUPLICATE_ABOVE: Final = MineConfig().duplicate_above


class Wish(NamedTuple):
    """What is to be exported, and what must not be.

    `licences` are names, or `any`, or `known`. Images that the corpora `against` hold, in the same
    bytes or with both cosines above `duplicate_above`, are left out with their pairs, or with
    `keep_held` only listed; with `mirrored` also those that they hold mirrored left to right.
    """

    benchmark: str
    layout: str
    licences: Sequence[str] = (ANY,)
    against: Sequence[str] = ()
    duplicate_above: float = DUPLICATE_ABOVE
    keep_held: bool = False
    mirrored: bool = False
    workers: WorkersConfig = WorkersConfig()


def export_benchmark(settings: Settings, wish: Wish, to: Path) -> dict[str, Any]:
    """Write a benchmark of the latest mining to a folder; return the record of what was written.

    Args:
        settings: The home and the store.
        wish: Which questions, in which layout, under which conditions.
        to: The folder, not there yet, empty, or an earlier export.

    Raises:
        ValueError: if there are no such questions, none may be exported, an image is gone or has
            changed, or the folder holds something else.
        StoreError: if the store cannot be read.
    """
    to = to.expanduser().absolute()
    check_free(to)
    policy = Policy(wish.licences)
    db = Database(settings.store)
    latest, rows = _questions(db, wish.benchmark)
    mining = _mining(db, latest.mining)
    corpora, images = latest.settings["corpora"], sorted({row.image for row in rows})
    held: dict[str, list[str]] = {}
    for file in paths.read(db, corpora, version=latest.receipts["paths"].version, of=images):
        held.setdefault(file.image, []).append(file.path)
    numbered = number_pairs(rows)
    material = Material(
        lineage=_lineage(wish.benchmark, mining, latest.receipts["questions"].digest),
        read_image=lambda image: _read_image(image, held.get(image, ())),
        origins=_origins(db, corpora, images),
        cosines=_cosines(db, latest.mining, {row.pair_id for row in rows}),
        agreement=_agreement(db, settings.home, latest.mining),
    )
    checks: list[Check] = [lambda pair: policy.object_to(pair, material.origins)]
    about: dict[str, Any] = {"allowed_licences": policy.text}
    if wish.against:
        found = compare(
            db,
            mining,
            images,
            wish.against,
            above=wish.duplicate_above,
            workers=wish.workers,
            mirrored=material.read_image if wish.mirrored else None,
        )
        about["compared"] = _summary(found, numbered, wish)
        if not wish.keep_held:
            checks.append(lambda pair: compared.object_to(pair, found.held))
    record = write_benchmark(to, numbered, material, layout=wish.layout, checks=checks, about=about)
    return {**record, "folder": str(to)}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Export what the options name, and print a line about it unless JSON is asked for."""
    wish = Wish(
        benchmark=options.benchmark,
        layout=options.layout,
        licences=options.licences,
        against=options.against or (),
        duplicate_above=(
            DUPLICATE_ABOVE if options.duplicate_above is None else options.duplicate_above
        ),
        keep_held=options.keep_held,
        mirrored=options.mirrored,
        workers=WorkersConfig(device=options.device or "auto"),
    )
    found = export_benchmark(Settings.read(), wish, Path(options.to))
    if not options.json:
        left = "".join(f", {count} left out: {why}" for why, count in found["left_out"].items())
        print(f"{found['name']}: {found['pairs']} pairs in {found['folder']}{left}")
        for one in found["refused"]:
            print(f"  pair {one['pair']}: {one['reason']} {one['detail']}".rstrip())
    return found


def _questions(db: Database, benchmark: str) -> tuple[RunRow, list[questions.QuestionRow]]:
    latest = runs.latest(db, "questions", mined=True)
    if latest is None:
        message = "no questions were written yet; run `mmvp questions`, or `mmvp run`"
        raise ValueError(message)
    receipt = latest.receipts["questions"]
    written = questions.read(db, latest.mining, version=receipt.version)
    rows = [row for row in written if row.benchmark == benchmark]
    if not rows:
        there = ", ".join(sorted({row.benchmark for row in written})) or "none"
        message = f"the latest mining has no benchmark {benchmark!r}; there are: {there}"
        raise ValueError(message)
    return latest, rows


def _mining(db: Database, mining: str) -> MiningRow:
    row = minings.read(db, mining)
    if row is None:
        message = f"the mining {mining!r} is not in the store any more; run `mmvp mine` again"
        raise ValueError(message)
    return row


def _lineage(benchmark: str, row: MiningRow, digest: str) -> Lineage:
    return Lineage(
        benchmark=benchmark,
        mining=row.mining,
        clip=row.clip.removeprefix(PREFIX),
        ssl=row.ssl.removeprefix(PREFIX),
        clip_above=row.clip_above,
        ssl_below=row.ssl_below,
        questions=digest,
    )


def _origins(
    db: Database, corpora: Sequence[str], images: Sequence[str]
) -> dict[str, list[Origin]]:
    """Return the files of images; what is told of their rights counts as it is told now."""
    found: dict[str, list[Origin]] = {}
    for row in paths.read(db, corpora, of=images):
        root = split_name(row.corpus)[1]
        path = row.path.removeprefix(root).lstrip("/") or row.path.rpartition("/")[2]
        rights = Rights(row.licence, row.source, row.attribution)
        found.setdefault(row.image, []).append(Origin(root.rpartition("/")[2], path, rights))
    return found


def _cosines(db: Database, mining: str, wanted: Collection[str]) -> dict[str, Cosines]:
    table = pairs.table(db, mining)
    found = table.filter(
        pc.is_in(table["pair_id"], value_set=pa.array(sorted(wanted), pa.string()))
    )
    names = ("pair_id", "clip_cosine", "ssl_cosine")
    columns = (found[name].to_pylist() for name in names)
    return {pair: Cosines(clip, ssl) for pair, clip, ssl in zip(*columns, strict=True)}


def _agreement(db: Database, home: Path, mining: str) -> dict[str, float]:
    """Return how far people agreed on the page about the pairs of a mining, where they did."""
    from tasks.annotation.agreement import agreements
    from tasks.annotation.outcome import read_state

    found = agreements(read_state(db, home, mining))
    return {f"{ALPHA} of {what}": one.alpha for what, one in found.items() if one.alpha is not None}


def _summary(found: Found, numbered: Sequence[NumberedPair], wish: Wish) -> dict[str, Any]:
    """Return what the record says of a comparison."""
    return {
        "with": list(found.places),
        "images": found.images,
        "unreadable": found.unreadable,
        "duplicate_above": wish.duplicate_above,
        "mirrored": wish.mirrored,
        "leave_out": not wish.keep_held,
        "pairs": len(compared.pairs_that_hold(numbered, found.held)),
        "held": [one._asdict() for one in found.held],
    }


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
