"""The stage `embed`: a vector per image and encoder, computed on Dask workers.

Put here: which vectors are missing, the function that a worker runs on a shard, the receipts.
Keep out: encoders (`tasks.encoders`); starting workers (`tasks.workers`); what a worker's threads
do (`tasks.pipeline`); when vectors become part of the store (`tasks.commits`).

A vector is a function of the image's bytes and of the encoder alone, so a shard may hold any
images, and only what the table lacks is computed.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from storage import embeddings, paths, refused
from storage.embeddings import Written
from storage.receipts import Receipt, digest_rows
from storage.refused import RefusedRow
from tasks.clusters import decode_threads
from tasks.commits import Commits
from tasks.encoders import Encoder, EncoderConfig, EncoderIdentity, check_name, identify, load
from tasks.encoders.vectors import is_precomputed
from tasks.pipeline import Batch, Busy, Failure, ImageItem, embed_items
from tasks.precomputed import Brought, bring
from tasks.progress import Progress
from tasks.stage import Context, Outcome, Receipts, Site, Stage, made_by
from tasks.workers import cut

log = logging.getLogger(__name__)

NAME = "embed"


class EmbedConfig(BaseModel):
    """The encoders; `clip`, `ssl` and `control` are roles, and any encoders can play them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    clip: EncoderConfig = EncoderConfig(spec="tiny:clip")
    """The encoder whose blindness is measured."""

    ssl: EncoderConfig = EncoderConfig(spec="tiny:ssl")
    """The encoder that serves as the reference."""

    control: EncoderConfig | None = None
    """A third encoder to compare the first with, for instance one trained on other captions."""

    others: tuple[EncoderConfig, ...] = ()
    """Further encoders, for a grid."""

    def roles(self) -> Mapping[str, EncoderConfig]:
        """Return the encoders by the roles that are played."""
        played = {"clip": self.clip, "ssl": self.ssl, "control": self.control}
        named = {role: config for role, config in played.items() if config is not None}
        return named | {f"encoder-{place + 3}": other for place, other in enumerate(self.others)}


class ShardVectors(NamedTuple):
    """What a worker hands back: what it wrote by role, failures, seconds by part."""

    written: Mapping[str, Written]
    failures: Sequence[Failure]
    seconds: Mapping[str, float]


def identify_encoders(site: Site, config: EmbedConfig) -> dict[str, EncoderIdentity]:
    """Return the encoders' names by role, which cover their weights and all that decides a bit.

    Raises:
        ValueError: if a spec is unknown or its weights cannot be found.
    """
    device = site.workers.config.device_kind()
    cache = site.home / "cache" / "weights.json"
    return {
        role: identify(encoder, device=device, hash_cache=cache)
        for role, encoder in config.roles().items()
    }


def prepare(
    site: Site,
    config: EmbedConfig,
    corpora: Sequence[str],
    inputs: Receipts,
    *,
    only: Collection[str] | None = None,
) -> Context:
    """Name the encoders; of the corpora's images `only` some are embedded, where these are given.

    Raises:
        ValueError: if a spec is unknown or its weights cannot be found.
    """
    found = identify_encoders(site, config)
    return Context(
        site=site,
        config=config,
        facts={
            "corpora": list(corpora),
            "encoders": {role: identity.fingerprint for role, identity in found.items()},
            "only": None if only is None else sorted(only),
        },
        inputs=inputs,
        made_by=made_by(__name__),
        given=found,
    )


def embed_images(
    items: Sequence[ImageItem],
    *,
    config: EmbedConfig,
    names: Mapping[str, str],
    device: Literal["cpu", "cuda"],
    store: str,
) -> ShardVectors:
    """Decode each image once, embed it with every encoder that lacks it, write the vectors.

    Raises:
        ValueError: if an encoder on this machine has another name than in the flow's process.
    """

    def write(role: str, width: int, batches: Iterator[Batch]) -> Written:
        return embeddings.write(store, names[role], width, batches)

    wanted = {role for item in items for role in item.roles}
    busy = Busy()
    with busy.at("load"):
        played = {(one, names[role], device) for role, one in config.roles().items()}
        for other in _LOADED.keys() - played:  # a list of many would not fit side by side
            del _LOADED[other]
        encoders = {
            role: _encoder(one, names[role], device)
            for role, one in config.roles().items()
            if role in wanted
        }
    threads = decode_threads(device)
    written, failures = embed_items(items, encoders, write, threads=threads, busy=busy)
    return ShardVectors(written, failures, busy.seconds)


_LOADED: dict[tuple[EncoderConfig, str, str], Encoder] = {}
"""The encoders of a worker's last shard, so that each is loaded once a stage."""


def _encoder(config: EncoderConfig, name: str, device: Literal["cpu", "cuda"]) -> Encoder:
    import torch

    found = _LOADED.get((config, name, device))
    if found is None:
        torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
        found = load(config, device=device)
        check_name(found.identity, config, name)
        _LOADED[config, name, device] = found
    return found


def run(context: Context) -> Outcome:
    """Compute and store the vectors that are missing.

    Raises:
        ValueError: if not one image could be embedded; the refusals are stored first.
    """
    identities: Mapping[str, EncoderIdentity] = context.given
    held = _held(context)
    items = _missing(context, held)
    imported = _bring(context)
    names = {role: identity.name for role, identity in identities.items()}
    workers = context.site.workers
    embed = partial(
        embed_images,
        config=context.config,
        names=names,
        device=workers.config.device_kind(),
        store=context.db.uri,
    )
    for name in names.values():
        embeddings.clean(context.db, name)
    progress = Progress(NAME, len(items), "images")
    failures = [failure for one in imported.values() for failure in one.failures]
    seconds: dict[str, float] = defaultdict(float)
    with Commits(context.db, NAME, identities) as commits:
        for done in workers.run(embed, cut(items, workers.shard_size(len(items)))):
            found = done.value or _lost(done.shard.items)
            failures.extend(found.failures)
            for part, value in (*found.seconds.items(), ("all", done.seconds)):
                seconds[part] += value
            commits.add(done, found.written)
            progress.add(len(done.shard.items))
    _refuse(context, held, failures)
    why = {failure.image: failure.reason for failure in failures}
    reasons = Counter(why.values())
    if len(why) == len(held):
        message = f"none of {len(held)} images could be embedded: {dict(reasons)}"
        raise ValueError(message)
    new = len({item.key for item in items} - why.keys())
    new = max([new, *(one.new for one in imported.values())])
    figures: dict[str, Any] = {"encoders": names, "busy": _shares(seconds)}
    figures |= {f"{role}_rows_unused": one.unused for role, one in imported.items() if one.unused}
    return Outcome(
        new=new,
        rows=len(held) - len(why),
        reasons=dict(sorted(reasons.items())),
        figures=figures,
    )


def _held(context: Context) -> dict[str, Sequence[str]]:
    """Return the images to embed, and the files that hold each."""
    corpora, only = context.facts["corpora"], context.facts["only"]
    held = paths.images(context.db, corpora, version=context.inputs["paths"].version)
    return dict(held) if only is None else {image: held[image] for image in only if image in held}


def _bring(context: Context) -> dict[str, Brought]:
    """Store the vectors of encoders that are files of vectors."""
    version = context.inputs["paths"].version
    return {
        role: bring(
            context.db, played, context.given[role], context.facts["corpora"], version=version
        )
        for role, played in context.config.roles().items()
        if is_precomputed(played)
    }


def _lost(items: Sequence[ImageItem]) -> ShardVectors:
    """Return the outcome of a shard that no worker survived."""
    return ShardVectors({}, [Failure(item.key, "kills-worker", "") for item in items], {})


def _shares(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return how much of the workers' time each part was at work; threads can add up to over 1."""
    whole = seconds.get("all", 0.0)
    parts = {part: value for part, value in seconds.items() if part != "all"}
    return {part: round(value / whole, 4) for part, value in parts.items()} if whole else {}


def _missing(context: Context, held: Mapping[str, Sequence[str]]) -> list[ImageItem]:
    stored = {
        role: embeddings.ids(context.db, identity.name) for role, identity in context.given.items()
    }
    computed = [role for role, one in context.config.roles().items() if not is_precomputed(one)]
    items = []
    for image, files in sorted(held.items(), key=lambda one: list(one[1])):  # as their archives lie
        roles = tuple(role for role in computed if image not in stored[role])
        if roles:
            items.append(ImageItem(image, files, roles))
    return items


def forecast(context: Context) -> dict[str, int]:
    """Return what a run would do: images it would embed."""
    return {"images to embed": len(_missing(context, _held(context)))}


def _refuse(
    context: Context, held: Mapping[str, Sequence[str]], failures: Sequence[Failure]
) -> None:
    """Make these failures all that this stage has refused of the images to embed."""
    why = {failure.image: failure for failure in failures}
    corpora = context.facts["corpora"]
    version = context.inputs["paths"].version
    rows = [
        RefusedRow(
            stage=NAME,
            corpus=row.corpus,
            path=row.path,
            reason=why[row.image].reason,
            detail=why[row.image].detail,
            size_bytes=row.size_bytes,
            mtime_ns=row.mtime_ns,
            made_by=context.made_by,
        )
        for row in (paths.read(context.db, corpora, version=version) if failures else ())
        if row.image in why
    ]
    if context.facts["only"] is not None:
        asked = {path for found in held.values() for path in found}
        before = refused.read(context.db, NAME, corpora)
        rows += [row for row in before if row.path not in asked]
    refused.replace(context.db, NAME, corpora, rows)


def look(context: Context) -> Receipts | None:
    """Measure a receipt a role, such as `clip`: the corpora's images that have a vector.

    The result is None when an image lacks a vector and is not refused either.
    """
    db, corpora = context.db, context.facts["corpora"]
    held = _held(context)
    refused_version = db.version(refused.SPEC)
    bad = refused.read(db, NAME, corpora, version=refused_version)
    files = {path: image for image, found in held.items() for path in found}
    lacking = {files[row.path] for row in bad if row.path in files}
    receipts = {}
    for role, identity in context.given.items():
        version = embeddings.version(db, identity.name)
        present = held.keys() & embeddings.ids(db, identity.name, version=version)
        if held.keys() - present - lacking:
            return None
        receipts[role] = Receipt(
            table=embeddings.PREFIX + identity.name,
            version=version,
            rows=len(present),
            digest=digest_rows([identity.fingerprint], sorted(present)),
        )
    receipts["unembedded"] = Receipt(
        table=refused.SPEC.name,
        version=refused_version,
        rows=len(bad),
        digest=digest_rows([context.made_by], [f"{row.path}\n{row.reason}" for row in bad]),
    )
    return receipts


STAGE = Stage(name=NAME, module=__name__, reads=("images",), run=run, look=look)
