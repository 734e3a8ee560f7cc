"""The stage `benchmark`: the questions of a published benchmark, written into the store.

Put here: which image of the store each question is about, the receipt of the questions.
Keep out: reading files (`tasks.benchmarks`), rows (`rows`, beside this file).
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from storage import paths, questions
from storage.receipts import Receipt, digest_rows
from tasks.benchmarks.question import QuestionSet, StatementSet
from tasks.benchmarks.questions import FILE, read_questions
from tasks.benchmarks.statements import STATEMENT, read_statements
from tasks.evaluation.rows import Images, rows_of, set_name
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "benchmark"


def read_benchmark(place: Path) -> QuestionSet | StatementSet:
    """Read a folder or CSV of questions, or of statements, whichever it is.

    Raises:
        ValueError: if there is no such file, or it is damaged, or images are missing.
    """
    file = place / FILE if place.is_dir() else place
    try:
        with file.open(encoding="utf-8-sig") as opened:
            head = opened.readline()
    except (OSError, UnicodeDecodeError) as error:
        message = (
            f"benchmark {str(place)!r}: cannot read {file.name} ({error}); expected a folder with "
            f"{FILE}, as MMVP's and MMVP-VLM's, or such a CSV"
        )
        raise ValueError(message) from error
    is_statements = STATEMENT.casefold() in head.casefold()
    found = read_statements(place) if is_statements else read_questions(place)
    for note in found.notes:
        log.info("%s: %s", found.name, note)
    return found


def images_folder(found: QuestionSet | StatementSet) -> Path | None:
    """Return the folder that holds a benchmark's images; None without images."""
    files = list(image_files(found).values())
    if not files:
        return None
    return files[0].parent if isinstance(found, QuestionSet) else files[0].parent.parent


def image_files(found: QuestionSet | StatementSet) -> dict[int, Path]:
    """Return the file of each number's image; nothing without images."""
    if isinstance(found, QuestionSet):
        return {q.number: q.image for q in found.questions if q.image is not None}
    return {
        number: image
        for pair in found.pairs
        if pair.images is not None
        for number, image in zip(pair.numbers, pair.images, strict=True)
    }


def prepare(
    site: Site, found: QuestionSet | StatementSet, corpora: Sequence[str], inputs: Receipts
) -> Context:
    """Find the image of each question among those of the corpora.

    Raises:
        ValueError: if an image was refused.
    """
    images = _images(site, found, corpora, inputs) if corpora else {}
    return Context(
        site=site,
        config=None,
        facts={"mining": set_name(found), "images": sorted(images.items())},
        inputs=inputs,
        made_by=made_by(__name__),
        given=rows_of(found, images),
    )


def _images(
    site: Site, found: QuestionSet | StatementSet, corpora: Sequence[str], inputs: Receipts
) -> Images:
    rows = paths.read(site.db, corpora, version=inputs["paths"].version)
    by_path = {row.path: row.image for row in rows}
    files = {number: str(file.resolve()) for number, file in image_files(found).items()}
    refused = sorted(number for number, file in files.items() if file not in by_path)
    if refused:
        message = (
            f"{len(refused)} images of {found.name!r} cannot be used, the first of them "
            f"{files[refused[0]]!r}; `mmvp show refused` says why"
        )
        raise ValueError(message)
    return {number: by_path[file] for number, file in files.items()}


def run(context: Context) -> Outcome:
    """Write the questions, in one commit."""
    rows, mining = context.given, context.facts["mining"]
    before = questions.read(context.db, mining)
    if set(before) != set(rows):
        questions.replace(context.db, mining, rows)
    return Outcome(
        new=len(set(rows) - set(before)),
        rows=len(rows),
        figures={"set": mining, "images": len({row.image for row in rows} - {""})},
    )


def look(context: Context) -> Receipts | None:
    """Measure the receipt `questions` of the benchmark; None if other rows are in the store."""
    mining = context.facts["mining"]
    version = context.db.version(questions.SPEC)
    rows = questions.read(context.db, mining, version=version)
    if set(rows) != set(context.given):
        return None
    keys = [repr(row) for row in rows]
    digest = digest_rows([context.made_by, mining], keys)
    receipt = Receipt(table=questions.SPEC.name, version=version, rows=len(keys), digest=digest)
    return {"questions": receipt}


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
