"""The stage `ingest`: from corpora to images by content, or a reason for each refusal.

Put here: the stage's settings, its run and its receipts.
Keep out: forms of corpora (`tasks.corpora`); which files and archives are opened, and what is
remembered of them (`tasks.intake`).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from storage import images, paths, refused
from storage.paths import PathRow
from storage.receipts import Receipt, digest_rows
from tasks.corpora.corpus import Reading, Rights
from tasks.corpora.opening import Opened, open_corpus, resolve_corpus
from tasks.fingerprints import digest
from tasks.images import MAX_PIXELS
from tasks.intake.archives import find_archives, sync_archives
from tasks.intake.files import find_changes, sync_files
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

NAME = "ingest"
COLUMNS = {
    *("image_column", "caption_column", "label_column", "fetch_urls", "columns", "words"),
    *("licence", "source", "attribution"),
}


class IngestConfig(BaseModel):
    """How the files of a corpus are read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True
    )

    captions: str | None = None
    """CSV or JSONL file with an image a row: its path, relative to each corpus, a caption, and
    columns that become attributes; of folders only. Default: captions.jsonl, captions.csv,
    metadata.jsonl or metadata.csv at the top of a corpus."""

    image_column: str | None = None
    """Column of Parquet and Arrow files that holds images or their uris; of tars, the extension of
    images. Default: the first of the usual names."""

    caption_column: str | None = None
    """Column, or extension or key of a tar's samples, with captions. Default: as above."""

    label_column: str | None = None
    """Column, or extension or key of a tar's samples, with labels. Default: as above."""

    columns: Mapping[str, str] = {}
    """What columns are, from a file's own name for one to image, caption, label, licence, source,
    attribution, or a name for an attribute: {"species": "label", "lic": "licence"}. Columns that
    are not named here go by their own names."""

    words: Mapping[str, Mapping[str, str]] = {}
    """Other words for values, by what a column is: {"label": {"0": "cat", "1": "dog"}}."""

    licence: str | None = None
    """What images may be used under that tell of no licence themselves."""

    source: str | None = None
    """Where images are from that do not tell themselves: an address or a name."""

    attribution: str | None = None
    """Whom to name for images that do not tell themselves."""

    fetch_urls: bool = False
    """Fetch the images that a table names by http and https, each time that they are read."""

    allow_missing: bool = False
    """Go on where a dataset lacks shards that it says it has; each is refused instead."""

    max_pixels: int = Field(default=MAX_PIXELS, ge=1)
    """Images with more pixels are refused before they are decoded."""

    def decisive(self) -> dict[str, Any]:
        """Return the settings that decide what a row of an archive is read as, as JSON."""
        return self.model_dump(include=COLUMNS, exclude_defaults=True)

    def reading(self) -> Reading:
        """Return how corpora are to be read."""
        named = {what: column for column, what in self.columns.items()}
        return Reading(
            captions=self.captions,
            image_column=self.image_column or named.get("image"),
            caption_column=self.caption_column or named.get("caption"),
            label_column=self.label_column or named.get("label"),
            fetch_urls=self.fetch_urls,
            allow_missing=self.allow_missing,
            columns=dict(self.columns),
            words={name: dict(words) for name, words in self.words.items()},
            rights=Rights(self.licence, self.source, self.attribution),
        )


def resolve_corpora(corpus: Sequence[str]) -> list[str]:
    """Return the full names of corpora, sorted, each once.

    Raises:
        ValueError: if there is none, or one is not there.
    """
    if not corpus:
        message = "no corpus is set; give a folder of images, e.g. --corpus DIR"
        raise ValueError(message)
    return sorted({resolve_corpus(folder) for folder in corpus})


def prepare(
    site: Site, config: IngestConfig, corpora: Sequence[str], *, rehash: bool = False
) -> Context:
    """List the corpora (full names) without opening a file; `rehash` asks to open all of them.

    Raises:
        ValueError: if a captions file is missing or malformed.
    """
    reading = config.reading()
    opened = [open_corpus(name, reading) for name in corpora]
    listed = digest([list(one.listing) for one in opened])
    return Context(
        site=site,
        config=config,
        facts={"corpora": list(corpora), "listed": listed, "max_pixels": config.max_pixels}
        | config.decisive(),
        inputs={},
        made_by=made_by(__name__),
        given=opened,
        refresh=rehash,
    )


def held(site: Site, corpora: Sequence[str]) -> Receipts:
    """Measure what the store holds of corpora that were ingested before.

    Raises:
        ValueError: if it holds no image of them.
    """
    context = Context(
        site=site, config=None, facts={"corpora": corpora}, inputs={}, made_by=made_by(__name__)
    )
    receipts = look(context)
    if receipts is None:
        message = f"no image of {', '.join(corpora)} is in the store; run `mmvp ingest` first"
        raise ValueError(message)
    return receipts


def run(context: Context) -> Outcome:
    """Bring `images`, `paths` and `refused` up to date with the corpora on disk.

    Raises:
        ValueError: if the corpora hold no image at all; the refusals are stored first.
    """
    corpora: Sequence[str] = context.facts["corpora"]
    given: Sequence[Opened] = context.given
    listings = [opened.listing for opened in given]
    before = set(paths.images(context.db, corpora))
    for opened in given:
        sync_files(context, opened)
        sync_archives(context, opened)
    after = paths.images(context.db, corpora)
    found = refused.read(context.db, NAME, corpora)
    reasons = Counter(row.reason for row in found)
    files = sum(len(listing.files) + len(listing.archives) for listing in listings)
    if not after:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        message = (
            f"no image in {', '.join(corpora)}: {files} files, {told or 'the corpus is empty'}"
            f"; `mmvp show refused` lists the reasons"
        )
        raise ValueError(message)
    duplicates = sum(len(files_held) for files_held in after.values()) - len(after)
    reasons |= Counter({"duplicate": duplicates}) if duplicates else Counter()
    unused = sum(listing.entries_unused for listing in listings)
    if unused:
        reasons["caption-without-file"] = unused
    return Outcome(
        new=len(after.keys() - before),
        rows=len(after),
        reasons=dict(sorted(reasons.items())),
        figures={"files": files, "removed": len(before - after.keys())},
    )


def forecast(context: Context) -> dict[str, int]:
    """Return what a run would do: files it would open, and files it would forget."""
    to_open, gone = 0, 0
    for opened in context.given:
        changes = find_changes(context, opened)
        archives = find_archives(context, opened)
        to_open += len(changes.to_open) + len(archives.to_open)
        gone += len(changes.gone) + len(archives.gone)
    return {"files to open": to_open, "files gone": gone}


def _key(row: PathRow) -> str:
    """Return what a receipt says of a file: all that later stages may read, no time of change."""
    told = (row.label, row.caption, row.attributes)
    return json.dumps([row.corpus, row.path, row.image, *told], ensure_ascii=False)


def look(context: Context) -> Receipts | None:
    """Measure the receipts `images`, `paths` and `refused` of the corpora."""
    db, corpora = context.db, context.facts["corpora"]
    version = {spec.name: db.version(spec) for spec in (images.SPEC, paths.SPEC, refused.SPEC)}
    files = paths.read(db, corpora, version=version["paths"])
    held = sorted({row.image for row in files})
    if not held or not set(held) <= set(images.ids(db, version=version["images"])):
        return None
    bad = refused.read(db, NAME, corpora, version=version["refused"])
    keys = {
        "images": held,
        "paths": [_key(row) for row in files],
        "refused": [f"{r.corpus}\n{r.path}\n{r.reason}" for r in bad],
    }
    return {
        name: Receipt(
            table=name,
            version=version[name],
            rows=len(keys[name]),
            digest=digest_rows([context.made_by], keys[name]),
        )
        for name in keys
    }


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
