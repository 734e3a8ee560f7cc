"""The stage `conversations`: from a file of conversations about images to rows, or refusals.

Put here: the name of a mix, its run and its receipts.
Keep out: files, layouts and images (`files`, `parsing`, `pictures`, beside this file).

The file is read from front to back and written part by part, each part in one commit, so no more
than a part is held in memory. Parts that are there as they should be are not written: of a file
that grew only the end is, and a run that was killed goes on where it was.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage import conversations, refused
from storage.conversations import ConversationRow
from storage.receipts import Receipt, digest_rows
from storage.refused import RefusedRow
from tasks.conversations.files import digest_file, read_values
from tasks.conversations.parsing import RefusedConversation, parse
from tasks.conversations.pictures import Pictures
from tasks.fingerprints import digest
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by

log = logging.getLogger(__name__)

NAME: Final = "conversations"
PART_ROWS: Final = 16_384
IMAGES: Final = ("paths", "refused")
"""Receipts of `ingest` that say which images the corpora hold, and which they do not."""


class _Read(NamedTuple):
    """A conversation of the file, or its refusal, and how many messages were dropped."""

    row: ConversationRow | RefusedRow
    dropped: int = 0


def prepare(site: Site, file: Path, corpora: Sequence[str], inputs: Receipts) -> Context:
    """Name the mix that a file and its images make.

    Args:
        site: where the stage works.
        file: JSON, a list or a value a line.
        corpora: full names of the corpora that its images are in; none for text alone.
        inputs: the receipts that `ingest` left of these corpora.

    Raises:
        ValueError: if the file cannot be read.
    """
    place = file.expanduser().absolute()
    return Context(
        site=site,
        config=None,
        facts={
            "mix": name_mix(place, corpora),
            "file": digest_file(place),
            "images": {name: inputs[name].digest for name in IMAGES if name in inputs},
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=(place, list(corpora)),
    )


def name_mix(file: Path, corpora: Sequence[str]) -> str:
    """Return the name of what a file says about the images of these corpora.

    It is that of the place, as a corpus' is, and stays when the file grows; receipts and rows name
    what it says.
    """
    return f"{file.stem}-{digest([str(file), sorted(corpora)])[:12]}"


def run(context: Context) -> Outcome:
    """Bring `conversations` and `refused` up to date with the file and its images.

    Raises:
        ValueError: if the file is damaged, or holds no conversation at all; refusals are stored
            first.
    """
    mix: str = context.facts["mix"]
    file, corpora = context.given
    refusals: list[RefusedRow] = []
    start, new, dropped, rows = 0, 0, 0, 0
    for part in _parts(_read(context, file, Pictures(context.db, corpora))):
        stop = start + len(part)
        kept = [read.row for read in part if isinstance(read.row, ConversationRow)]
        refusals += [read.row for read in part if isinstance(read.row, RefusedRow)]
        new += conversations.replace(context.db, mix, kept, start=start, stop=stop)
        dropped += sum(read.dropped for read in part)
        rows += len(kept)
        start = stop
        log.info("%s: %s values read, %s kept", NAME, f"{start:,}", f"{rows:,}")
    conversations.replace(context.db, mix, [], start=start)
    refused.replace(context.db, NAME, [mix], refusals)
    reasons = dict(sorted(Counter(row.reason for row in refusals).items()))
    if not rows:
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        message = (
            f"no conversation in {str(file)!r}: {start} values, {told or 'the file is empty'}; "
            f"`mmvp show refused --all` lists the reasons"
        )
        raise ValueError(message)
    return Outcome(
        new=new,
        rows=rows,
        reasons=reasons,
        figures={"mix": mix, "values": start, "messages dropped": dropped},
    )


def _parts(reads: Iterable[_Read]) -> Iterator[list[_Read]]:
    rest = iter(reads)
    while part := list(islice(rest, PART_ROWS)):
        yield part


def _read(context: Context, file: Path, pictures: Pictures) -> Iterator[_Read]:
    for position, value in enumerate(read_values(file)):
        yield _row(value, position, context, pictures)


def _row(value: Any, position: int, context: Context, pictures: Pictures) -> _Read:
    mix: str = context.facts["mix"]
    try:
        said = parse(value)
        images = tuple(pictures.find(path) for path in said.images)
    except RefusedConversation as error:
        return _Read(
            RefusedRow(
                stage=NAME,
                corpus=mix,
                path=f"{context.given[0]}!/{position:09d}",
                reason=error.reason,
                detail=error.detail,
                size_bytes=0,
                mtime_ns=0,
                made_by=context.made_by,
            )
        )
    row = ConversationRow(
        mix=mix,
        position=position,
        id=said.id,
        system=said.system,
        images=images,
        turns=said.turns,
    )
    return _Read(row, said.dropped)


def look(context: Context) -> Receipts | None:
    """Measure the receipts `conversations` and `unread`, the refusals; None without a row."""
    mix: str = context.facts["mix"]
    db = context.db
    version = {spec.name: db.version(spec) for spec in (conversations.SPEC, refused.SPEC)}
    held = conversations.contents(db, mix, version=version["conversations"])
    if not held:
        return None
    bad = refused.read(db, NAME, [mix], version=version["refused"])
    keys = {
        "conversations": [f"{position} {content}" for position, content in held],
        "unread": [f"{row.path}\n{row.reason}\n{row.detail}" for row in bad],
    }
    tables = {"conversations": "conversations", "unread": "refused"}
    return {
        name: Receipt(
            table=table,
            version=version[table],
            rows=len(keys[name]),
            digest=digest_rows([context.made_by], keys[name]),
        )
        for name, table in tables.items()
    }


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
