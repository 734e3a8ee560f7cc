"""The stage `train` by recipe: large models, a stage of the recipe after the other, by torchrun.

Put here: the names of models, the jobs of their stages, the rows of the table `models`.
Keep out: the training itself (`large`, `run`), models of the miniature (`stage`).

A model is named by all that decides a bit of it: recipe, templates, parts, conversations, seed. A
killed training goes on from its last checkpoint. Images that a question is asked about are never
learnt from.
"""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final, NamedTuple

from transformers.utils.logging import disable_progress_bar

from storage import conversations, models, questions
from storage.models import ModelRow
from tasks.encoders.files import sha256_of
from tasks.evaluation.places import FoundModel, find_model
from tasks.exporting.folder import write_code
from tasks.fingerprints import digest
from tasks.mof import MofConfig
from tasks.progress import Progress
from tasks.recipes import Recipe, load_recipe, template_text
from tasks.recipes.assembling import LANGUAGE, assemble
from tasks.recipes.large import LargeConfig
from tasks.stage import Context, Outcome, Site, Stage, made_by
from tasks.training.assignments import RECORD, is_whole
from tasks.training.forecast import DEVICES, Rows, forecast
from tasks.training.large import METRICS, MODEL, StageJob, TrainingData, train_together
from tasks.training.launch import LaunchError, visible_gpus
from tasks.training.metrics import read_metrics
from tasks.training.recipe import TrainConfig, Variant, roles_of, variants
from tasks.training.settings import Kind
from tasks.training.stage import NAME, look

log = logging.getLogger(__name__)

FACTORY: Final = "tasks.conversations.training_set:make"
TOKENS_A_WORD: Final = 1.4
"""A guess, for the forecast alone."""

HOPELESS: Final = ("NotFiniteError", "ShortMemoryError", "ValueError", "ImportError")
"""Faults that the next try would find again."""


class Plan(NamedTuple):
    """What is trained, of which parts, on what."""

    recipe: Recipe
    models: Mapping[str, Variant]
    parts: Mapping[str, FoundModel]
    data: Mapping[Kind, TrainingData]
    processes: int


def prepare(site: Site, config: TrainConfig, large: LargeConfig, mining: str) -> Context:
    """Find recipe, parts and conversations, and name the models.

    Raises:
        ValueError: if there is no such recipe, part or mix.
    """
    recipe = load_recipe(large.recipe, large.overrides)
    wanted = variants(config, [tower.role for tower in recipe.towers])
    parts = _parts(site, recipe, large, wanted)
    without = sorted({row.image for row in questions.read(site.db, mining)}) if mining else []
    data = {kind: _data(site, recipe, large, kind, without) for kind in recipe.stages}
    processes = large.processes or max(1, visible_gpus())
    by = made_by(__name__)
    shared = {
        "by": by,
        "recipe": recipe.model_dump(mode="json", exclude={"name", "about", "sources"}),
        "templates": {kind: template_text(one.template) for kind, one in recipe.stages.items()},
        "data": {kind: _said(site, one, without) for kind, one in data.items()},
        "large": {**large.deciding(), "processes": processes},
    }
    named = {_name(recipe, one, shared, parts): one for one in wanted}
    return Context(
        site=site,
        config=config,
        facts={"models": list(named)},
        inputs={},
        made_by=by,
        given=Plan(recipe, named, parts, data, processes),
    )


def _parts(
    site: Site, recipe: Recipe, large: LargeConfig, wanted: Sequence[Variant]
) -> dict[str, FoundModel]:
    if recipe.language.model is None and LANGUAGE not in large.places:
        message = (
            f"recipe {recipe.name!r} makes a new language model, which `mmvp train` does without "
            f"--recipe; give another recipe, or a language model as a place"
        )
        raise ValueError(message)
    roles = sorted({role for one in wanted for role in roles_of(one.features)})
    places = {LANGUAGE: recipe.language.model, **{role: recipe.tower(role).place for role in roles}}
    places |= large.places
    cache = site.home / "cache" / "weights.json"
    return {
        role: find_model(
            str(place),
            trust_remote_code=False,
            hash_cache=cache,
            allow_pickle=large.allow_pickle,
        )
        for role, place in places.items()
    }


def _data(
    site: Site, recipe: Recipe, large: LargeConfig, kind: Kind, without: Sequence[str]
) -> TrainingData:
    stage = recipe.stages[kind]
    known = conversations.mixes(site.db)
    asked = large.mixes.get(kind, "")
    stem = Path(asked).stem
    found = [mix for mix in known if mix == asked or mix.rpartition("-")[0] == stem]
    if len(found) != 1:
        what = f"{len(found)} mixes fit" if found else "no mix is"
        message = (
            f"stage {kind!r} of recipe {recipe.name!r} learns from {stage.data}; {what} "
            f"{asked!r}, of {', '.join(known) or 'none that were read'}; name one by stage, and "
            f"read files with `mmvp conversations`"
        )
        raise ValueError(message)
    return TrainingData(
        make=FACTORY,
        arguments={
            "uri": site.db.uri,
            "mix": found[0],
            "version": site.db.version(conversations.SPEC),
            "without": list(without),
            "template": template_text(stage.template),
            "longest": stage.longest,
            "pads": stage.pad,
            "images_first": stage.images_first,
        },
    )


def _said(site: Site, data: TrainingData, without: Sequence[str]) -> Any:
    """Return what a stage learns from, as JSON that no version of a table and no place enters."""
    arguments = data.arguments
    mix, version = arguments["mix"], arguments["version"]
    held = conversations.contents(site.db, mix, version=version)
    return [digest([content for _, content in held]), list(without)]


def _name(
    recipe: Recipe,
    variant: Variant,
    shared: Mapping[str, Any],
    parts: Mapping[str, FoundModel],
) -> str:
    seen = {role: parts[role].weights for role in (LANGUAGE, *roles_of(variant.features))}
    name = digest([shared, variant.features, variant.ssl_share, variant.seed, seen])
    label = recipe.name.replace("/", "-")
    return f"{label}-{variant.label.removeprefix('mof-')}-{name[:12]}"


def run(context: Context) -> Outcome:
    """Train the models that are missing, one after the other.

    Raises:
        LaunchError: if a stage failed; the next try goes on from its last checkpoint.
        ValueError: if it would fail again.
    """
    plan: Plan = context.given
    site, large = context.site, context.config.large
    there = {row.model for row in models.read(context.db)}
    missing = [
        name for name in plan.models if name not in there or not is_whole(_folder(site, name))
    ]
    progress = Progress(NAME, len(missing), "models")
    disable_progress_bar()
    site.workers.rest()  # their GPUs are needed
    for name in missing:
        if not is_whole(_folder(site, name)):
            _train(site, plan, name, large)
        models.upsert(context.db, [_row(context, name)])
        progress.add(1)
    return Outcome(
        new=len(missing),
        rows=len(plan.models),
        figures={"models": context.facts["models"]},
    )


def _folder(site: Site, name: str) -> Path:
    return site.home / "models" / name


def _train(site: Site, plan: Plan, name: str, large: LargeConfig) -> None:
    work = site.home / "training" / name
    before = _base(work, plan, plan.models[name], large)
    for kind, stage in plan.recipe.stages.items():
        job = StageJob(
            model=before,
            data=plan.data[kind],
            settings=stage.settings,
            out=work / kind,
            seed=plan.models[name].seed,
            tensorboard=large.tensorboard,
            dtype=large.dtype,
        )
        expected = _forecast(site, job, before, plan.processes, large)
        log.info("%s: stage %s of %s; %s", NAME, kind, name, expected)
        before = _together(_pinned(job), plan.processes, large)
    told: dict[str, Any] = {
        kind: read_metrics(work / kind / METRICS)[-1] for kind in plan.recipe.stages
    }
    _conclude(before, _folder(site, name), plan, plan.models[name], told)
    for kind in plan.recipe.stages:  # logs, metrics and checkpoints stay
        shutil.rmtree(work / kind / MODEL, ignore_errors=True)
    shutil.rmtree(work / "base", ignore_errors=True)


def _forecast(site: Site, job: StageJob, model: Path, processes: int, large: LargeConfig) -> str:
    """Say what a stage will take, before it is begun."""
    mix, version = (job.data.arguments[name] for name in ("mix", "version"))
    sizes = conversations.sizes(site.db, mix, version=version)
    rows = Rows(
        number=len(sizes),
        images=mean(images for _, images in sizes),
        text_tokens=TOKENS_A_WORD * mean(words for words, _ in sizes),
    )
    device = DEVICES[large.gpu or "h100"]._replace(price=large.gpu_price)
    config = MofConfig.from_pretrained(model)
    found = forecast(config, job.settings, rows, device, processes=processes)
    if large.gpu is not None:
        return found.told()
    return (
        f"{found.steps:,} steps, {found.tokens_per_row:,.0f} tokens and "
        f"{found.flop_per_row / 1e12:,.3g} TFLOP a row; name a gpu for hours and memory"
    )


def _pinned(job: StageJob) -> StageJob:
    """Return a job on the version of the conversations that it was begun with.

    They say the same at both, else the model had another name.
    """
    try:
        begun = StageJob.model_validate_json((job.out / "job.json").read_text())
    except (OSError, ValueError):
        return job
    arguments = {**job.data.arguments, "version": begun.data.arguments["version"]}
    data = job.data.model_copy(update={"arguments": arguments})
    return job.model_copy(update={"data": data})


def _together(job: StageJob, processes: int, large: LargeConfig) -> Path:
    try:
        return train_together(
            job,
            processes=processes,
            tell=log.info,
            idle_s=large.idle_s,
            grace_s=large.grace_s,
        )
    except LaunchError as error:
        if str(error).startswith(HOPELESS):
            raise ValueError(str(error)) from error
        raise


def _base(work: Path, plan: Plan, variant: Variant, large: LargeConfig) -> Path:
    """Return the folder of the model before its first stage, written whole or not at all."""
    folder = work / "base"
    if not folder.is_dir():
        made = assemble(
            plan.recipe,
            variant.features,
            ssl_share=0.5 if variant.ssl_share is None else variant.ssl_share,
            places={role: str(part.folder) for role, part in plan.parts.items()},
            seed=variant.seed,
            allow_pickle=large.allow_pickle,
        )
        part = folder.with_name(".base.part")
        shutil.rmtree(part, ignore_errors=True)
        made.model.save_pretrained(part)
        made.processor.save_pretrained(part)
        part.rename(folder)
    return folder


def _conclude(
    trained: Path, folder: Path, plan: Plan, variant: Variant, told: Mapping[str, Any]
) -> None:
    """Make the last stage's model one of ours: with its code and its record, at once."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(trained, part)
    write_code(part)
    record = {
        "recipe": plan.recipe.model_dump(mode="json"),
        "features": variant.features,
        "ssl_share": variant.ssl_share,
        "seed": variant.seed,
        "parts": {role: each.name for role, each in plan.parts.items()},
        "steps": [line["step"] for line in told.values()][-1],
        "losses": {kind: line["loss"] for kind, line in told.items()},
    }
    (part / RECORD).write_text(json.dumps(record, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _row(context: Context, name: str) -> ModelRow:
    plan: Plan = context.given
    variant = plan.models[name]
    folder = _folder(context.site, name)
    record = json.loads((folder / RECORD).read_text())
    seen: set[str] = set()
    for one in plan.data.values():
        mix, version = one.arguments["mix"], one.arguments["version"]
        seen |= conversations.images(context.db, mix, version=version)
        seen -= set(one.arguments["without"])
    weights = {file.name: sha256_of(file) for file in sorted(folder.glob("*.safetensors"))}
    return ModelRow(
        model=name,
        features=variant.features,
        ssl_share=variant.ssl_share,
        seed=variant.seed,
        steps=record["steps"],
        folder=f"models/{name}",
        weights=digest(weights),
        facts={
            "encoders": {},
            "recipe": plan.recipe.name,
            "parts": {role: each.name for role, each in plan.parts.items()},
            "mixes": {kind: one.arguments["mix"] for kind, one in plan.data.items()},
        },
        figures={"losses": record["losses"]},
        trained_images=len(seen),
    )


STAGE = Stage(name=NAME, module=__name__, reads=(), run=run, look=look)
