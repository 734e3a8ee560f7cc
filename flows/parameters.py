"""From the options of a verb to the parameters of its flow.

Put here: which option sets which field, and what verbs have for defaults of their own.
Keep out: options and their help (`flows.cli`), starting flows (`flows.commands`).
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    return values


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the flow `mmvp` that the options name.

    Raises:
        ValidationError: if a value is out of range.
    """
    from tasks.embed import EmbedConfig
    from tasks.encoders import EncoderConfig
    from tasks.evaluation.candidates import EvaluateConfig
    from tasks.ingest import IngestConfig
    from tasks.mining.thresholds import MineConfig
    from tasks.questions.stage import QuestionConfig
    from tasks.recipes.large import LargeConfig
    from tasks.reporting import ReportConfig
    from tasks.training.recipe import TrainConfig
    from tasks.workers import WorkersConfig

    given = {name: value for name, value in vars(options).items() if value is not None}

    def chosen(*names: str) -> dict[str, Any]:
        return {name: given[name] for name in names if name in given}

    def encoder(role: str, default: str | None) -> EncoderConfig | None:
        spec = given.get(role, default)
        if spec is None:
            return None
        renamed = {
            "spec": spec,
            "image_px": given.get(f"{role}_px"),
            "pooling": given.get(f"{role}_pooling", "default"),
            "dtype": given.get(f"{role}_dtype", "float32"),
            "backend": given.get(f"{role}_backend", "torch"),
        }
        return EncoderConfig(**renamed, **chosen("allow_pickle", "trust_remote_code"))

    def large() -> dict[str, Any]:
        """Return the settings of a recipe, if one is named; what is no JSON is text."""
        if "recipe" not in given:
            return {}
        settings = chosen("recipe", "processes", "allow_pickle", "gpu", "gpu_price")
        settings |= {name: dict(given.get(name, ())) for name in ("mixes", "places")}
        settings["overrides"] = {p: _json_or_text(value) for p, value in given.get("set", ())}
        return {"large": LargeConfig(**settings)}

    thresholds = ("clip_above", "ssl_below", "clip_above_quantile", "ssl_below_quantile")
    return {
        "corpus": given.get("corpus", []),
        "train_corpus": given.get("train_corpus", []),
        "clip": encoder("clip", EmbedConfig().clip.spec),
        "ssl": encoder("ssl", EmbedConfig().ssl.spec),
        "control": encoder("control", None),
        "through": given.get("through", "report"),
        "reading": IngestConfig(**chosen(*IngestConfig.model_fields)),
        "mine": MineConfig(**chosen(*thresholds, *MINING)),
        "questions": QuestionConfig(**chosen("lot_pairs")),
        "train": TrainConfig(
            **chosen("features", "steps", "score_at", "seeds", "ssl_shares"), **large()
        ),
        "evaluate": EvaluateConfig(**chosen(*EvaluateConfig.model_fields)),
        "report": ReportConfig(**chosen("cards")),
        "workers": WorkersConfig(**chosen(*WORKERS)),
        "rehash": given.get("rehash", False),
    }


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
