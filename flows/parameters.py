"""From the options of a verb to the parameters of its flow.

Put here: which option sets which field, and what verbs have for defaults of their own.
Keep out: options and their help (`flows.cli`), starting flows (`flows.commands`).
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.backends.terms import Terms

DEMO_IMAGES = 4000
DEMO_TRAIN_IMAGES = 5000
DEMO_TRAIN_SEED = 32
DEMO_PAIRS = 288
DEMO_CONTROL = "tiny:clip-control"
MINING = ("benchmark_pairs", "pairs_per_image", "duplicate_above")
WORKERS = ("workers", "scheduler", "device", "shard_images", "tile_images")
GRID = ("tiny:clip", "tiny:clip-control", "tiny:ssl")
STUDY = ("encoders", "study")


def of_verb(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the flow of a verb, those that it lacks included.

    Raises:
        ValueError: if a corpus is not there.
        ValidationError: if a value is out of range.
    """
    from flows.stages import check_corpora

    values = parameters(demo_options(options) if options.verb == "demo" else options)
    check_corpora([*values["corpus"], *values["train_corpus"]])
    if options.verb in STUDY:
        return _study_parameters(options, values)
    if options.verb == "conversations":
        values |= {"file": Path(options.file), "images": options.images or []}
        check_corpora(values["images"])
    elif options.verb == "grid":
        values["encoders"] = _grid_encoders(options)
    elif options.verb == "zoo":
        from flows.zoo_options import zoo_parameters

        values |= zoo_parameters(options)
    elif options.verb == "sweep":
        values |= _sweep_parameters(options, values)
    elif options.verb == "evaluate" and options.benchmark is not None:
        values["place"] = options.benchmark
    elif options.verb == "report" and options.benchmark is not None:
        values["named"] = options.benchmark
    return values


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the flow `mmvp` that the options name.

    Raises:
        ValidationError: if a value is out of range.
    """
    from flows.configuration import given_in
    from tasks.embed import EmbedConfig
    from tasks.encoders import EncoderConfig
    from tasks.evaluation.candidates import EvaluateConfig
    from tasks.ingest import IngestConfig
    from tasks.mining.thresholds import MineConfig
    from tasks.questions.config import QuestionConfig
    from tasks.reporting import ReportConfig
    from tasks.training.recipe import TrainConfig
    from tasks.workers import WorkersConfig

    # A flag that is not set is no wish to have it unset, so that a file can set it.
    given = {
        k: value for k, value in vars(options).items() if value is not None and value is not False
    }
    file = given_in(given)

    def chosen(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    def settings(part: str, *names: str) -> dict[str, Any]:
        return {**file.get(part, {}), **chosen(*names)}

    def encoder(role: str, default: str | None) -> EncoderConfig | None:
        named = {f"{role}_{name}": name for name in ("px", "pooling", "dtype", "backend")}
        said = {name: given[option] for option, name in named.items() if option in given}
        if "px" in said:
            said["image_px"] = said.pop("px")
        spec = given.get(role, file.get(role, {}).get("spec", default))
        if spec is None:
            return None
        allowed = chosen("allow_pickle", "trust_remote_code")
        return EncoderConfig(**{**file.get(role, {}), **said, **allowed, "spec": spec})

    thresholds = ("clip_above", "ssl_below", "clip_above_quantile", "ssl_below_quantile")
    trained = ("features", "steps", "score_at", "seeds", "ssl_shares")
    return {
        "corpus": given.get("corpus", file.get("corpus", [])),
        "train_corpus": given.get("train_corpus", file.get("train_corpus", [])),
        "clip": encoder("clip", EmbedConfig().clip.spec),
        "ssl": encoder("ssl", EmbedConfig().ssl.spec),
        "control": encoder("control", None),
        "through": given.get("through", file.get("through", "report")),
        "reading": IngestConfig(**settings("reading", *IngestConfig.model_fields)),
        "mine": MineConfig(**settings("mine", *thresholds, *MINING)),
        "questions": QuestionConfig(
            **settings("questions", *QuestionConfig.model_fields) | _required(given, file)
        ),
        "train": TrainConfig(**settings("train", *trained) | _recipe(given)),
        "evaluate": EvaluateConfig(**settings("evaluate", *EvaluateConfig.model_fields)),
        "report": ReportConfig(**settings("report", "cards", "key")),
        "workers": WorkersConfig(**settings("workers", *WORKERS)),
        "rehash": given.get("rehash", file.get("rehash", False)),
    }


def terms_of(options: argparse.Namespace) -> "Terms":
    """Return on which terms servers are asked; what no option says stays as it is.

    Raises:
        ValidationError: if a value is out of range.
    """
    from tasks.backends.terms import Terms

    asked = {name: getattr(options, name) for name in Terms.model_fields}
    return Terms(**{name: value for name, value in asked.items() if value is not None})


def _recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a recipe, if one is named; what is no JSON is text."""
    from tasks.recipes.large import LargeConfig

    if "recipe" not in given:
        return {}
    names = ("recipe", "processes", "allow_pickle", "gpu", "gpu_price")
    asked = {name: given[name] for name in names if name in given}
    asked |= {name: dict(given.get(name, ())) for name in ("mixes", "places")}
    asked["overrides"] = {p: _json_or_text(value) for p, value in given.get("set", ())}
    return {"large": LargeConfig(**asked)}


def _required(given: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy of checks, of which an option names the required ones alone."""
    if "require" not in given:
        return {}
    return {"checks": file.get("questions", {}).get("checks", {}) | {"required": given["require"]}}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def demo_options(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of the demo: which scenes, how many pairs, which control."""
    given = vars(options)
    training = given["train_images"] or DEMO_TRAIN_IMAGES
    return argparse.Namespace(
        **given,
        corpus=[f"scenes:{given['images'] or DEMO_IMAGES}"],
        train_corpus=[f"scenes:{training}@{DEMO_TRAIN_SEED}"],
        control=DEMO_CONTROL,
        benchmark_pairs=DEMO_PAIRS,
    )


def _grid_encoders(options: argparse.Namespace) -> list[Any]:
    from tasks.encoders import EncoderConfig

    allowed = {name: getattr(options, name) for name in ("allow_pickle", "trust_remote_code")}
    return [EncoderConfig(spec=spec, **allowed) for spec in options.encoders or GRID]


def _study_parameters(options: argparse.Namespace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the flows `encoders` and `study` that the options name."""
    steps = {"encoders": "steps", "study": "encoder_steps"}[options.verb]
    given = {
        "arms": getattr(options, "arms", None),
        "seeds": options.encoder_seeds,
        steps: options.encoder_steps,
        "workers": values["workers"],
    }
    return {name: value for name, value in given.items() if value is not None}


def _sweep_parameters(options: argparse.Namespace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the flow `sweep` whose defaults are not those of other flows."""
    from flows.sweep import ASKED, SWEPT

    named = {name: getattr(values["train"], name) for name in values["train"].model_fields_set}
    return {
        "encoder_seeds": options.encoder_seeds or [],
        "train": type(SWEPT)(**{**SWEPT.model_dump(), **named}),
        "evaluate": ASKED,
    }
