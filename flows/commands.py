"""What the verbs of `mmvp` do, once their options are read.

Put here: from options to a flow's parameters, errors to words, results to print.
Keep out: options and their help (`flows.cli`).
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flows.results import print_summary
from flows.settings import Settings

DEMO_IMAGES = 4000
DEMO_TRAIN_IMAGES = 5000
DEMO_TRAIN_SEED = 32
DEMO_PAIRS = 288
DEMO_CONTROL = "tiny:clip-control"
SERVERS_TO_LOSE = 2
MINING = ("benchmark_pairs", "pairs_per_image", "duplicate_above")
WORKERS = ("workers", "scheduler", "device", "shard_images", "tile_images")
GRID = ("tiny:clip", "tiny:clip-control", "tiny:ssl")
STUDY = ("encoders", "study")

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Run a verb; return its exit code."""
    show_logs()
    verbs: Mapping[str, Callable[[argparse.Namespace], dict[str, Any] | None]] = {
        "up": _up,
        "status": _status,
        "show": _show,
        "similar": _similar,
        "plan": _plan,
        "export": _export,
        "general": _general,
        "convert": _convert,
    }
    verb = verbs.get(options.verb, _flow)
    try:
        result = verb(options)
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:  # the border to people: whatever it was, they get words and a code
        log.debug("details", exc_info=True)
        print(f"mmvp {options.verb}: {_words(error)}", file=sys.stderr)
        if options.json:
            print(json.dumps({"error": _words(error)}))
        return 2 if isinstance(error, ValidationError) else 1
    if options.json and result is not None:
        print(json.dumps(result))
    return 0


def show_logs() -> None:
    """Send what our own modules log to stderr, in plain lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for name in ("flows", "tasks", "storage"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False


def _words(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        found = [
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}, found {item['input']!r}"
            for item in error.errors()
        ]
        return "; ".join(found)
    text = str(error).strip()
    if type(error).__module__.startswith("httpx"):
        return f"the Prefect server does not answer any more ({text}); run the command again"
    if isinstance(error, ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the flow `mmvp` that the options name.

    Raises:
        ValidationError: if a value is out of range.
    """
    from tasks.embed import EmbedConfig
    from tasks.encoders import EncoderConfig
    from tasks.evaluation.stage import EvaluateConfig
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
        "evaluate": EvaluateConfig(**chosen("models", "trust_remote_code")),
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


def _flow(options: argparse.Namespace) -> dict[str, Any]:
    from flows.server import free_port, running_port, serve_run

    settings = Settings.read()
    port = running_port(settings.home) or free_port()
    variables = _set_environment(settings, port)
    values = parameters(demo_options(options) if options.verb == "demo" else options)
    from flows.stages import check_corpora

    check_corpora([*values["corpus"], *values["train_corpus"]])
    if options.verb in STUDY:
        values = _study_parameters(options, values)
    if options.verb == "conversations":
        values |= {"file": Path(options.file), "images": options.images or []}
        check_corpora(values["images"])
    if options.verb == "grid":
        values["encoders"] = _grid_encoders(options)
    if options.verb == "sweep":
        values |= _sweep_parameters(options, values)
    with serve_run(port, variables, settings.home):
        try:
            summary = _call_again(options.verb, values, port)
        finally:
            _send_logs()
    if not options.json:
        print_summary(summary)
        if options.verb == "grid":
            from flows.grid import print_grid

            print_grid(summary)
    return summary


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


def _set_environment(settings: Settings, port: int) -> Mapping[str, str]:
    """Set Prefect's variables; it reads them when it is first imported."""
    from flows import environment

    variables = environment.prefect_environment(settings.home, settings.store, port)
    # The terminal gets our own plain lines; Prefect's page keeps the whole log.
    environment.apply({**variables, "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"})
    return variables


def _call_again(verb: str, values: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Start a verb's flow; if its server is lost and comes back, start it again where it was."""
    import httpx

    from flows.server import wait_for_answer

    for _ in range(SERVERS_TO_LOSE):
        try:
            return _call(verb, values)
        except httpx.TransportError:
            if not wait_for_answer(port):
                raise
            log.warning("the Prefect server was lost; going on from the last finished stage")
    return _call(verb, values)


def _call(verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Start the flow of a verb with those of the parameters that it has."""
    from importlib import import_module

    encoders = ("clip", "ssl", "control")
    names: Mapping[str, Sequence[str]] = {
        "ingest": ("corpus", "reading", "workers", "rehash"),
        "embed": ("corpus", *encoders, "workers"),
        "mine": ("corpus", "clip", "ssl", "mine", "workers"),
        "grid": ("corpus", "encoders", "reading", "mine", "workers", "rehash"),
        "conversations": ("file", "images", "reading", "workers", "rehash"),
        "questions": ("corpus", "clip", "ssl", "mine", "questions", "workers"),
        "probe": ("corpus", "train_corpus", *encoders, "workers"),
        "train": ("corpus", "train_corpus", *encoders, "mine", "train", "workers"),
        "evaluate": ("corpus", *encoders, "mine", "questions", "evaluate", "workers"),
        "report": ("corpus", "clip", "ssl", "mine", "report", "workers"),
        "sweep": (
            *("corpus", "train_corpus", "clip", "ssl", "encoder_seeds"),
            *("mine", "questions", "train", "evaluate", "workers"),
        ),
    }
    name = verb if verb in {*names, *STUDY} else "mmvp"
    flow = getattr(import_module(f"flows.{name}"), name)
    if verb in names:
        return dict(flow(*(values[one] for one in names[verb])))
    return dict(flow(**values))


def _send_logs() -> None:
    """Wait until Prefect's server has the log: it stops after the run."""
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)


def _up(options: argparse.Namespace) -> None:
    from flows.up import up

    up(Settings.read(), options.port, options.corpus or [])


def _status(options: argparse.Namespace) -> dict[str, Any]:
    settings = Settings.read()
    _set_environment(settings, 0)
    from flows.status import print_status, status

    found: dict[str, Any] = status(settings, parameters(options))
    if not options.json:
        print_status(found)
    return found


def _show(options: argparse.Namespace) -> None:
    from flows.show import print_rows, rows_of

    columns, rows = rows_of(Settings.read(), options.table, every=options.all)
    print_rows(columns, rows, as_json=options.json)


def _similar(options: argparse.Namespace) -> dict[str, Any]:
    if options.count < 1:
        message = f"--count must be at least 1, found {options.count}"
        raise ValueError(message)
    from flows.similar import print_similar, similar

    values = parameters(options)
    roles = {role: values[role] for role in ("clip", "ssl", "control") if getattr(options, role)}
    found = similar(
        Settings.read(), options.image, roles, count=options.count, device=values["workers"]
    )
    if not options.json:
        print_similar(found)
    return found


def _plan(options: argparse.Namespace) -> dict[str, Any]:
    if min(options.images) < 2:
        message = f"--images must be at least 2, found {min(options.images):g}"
        raise ValueError(message)
    from flows.plan import plan, print_plan
    from tasks.embed import EmbedConfig

    values = parameters(options)
    encoders = EmbedConfig(**{role: values[role] for role in ("clip", "ssl", "control")})
    images = [int(number) for number in options.images]
    found = plan(images, encoders, values["mine"], values["workers"])
    if not options.json:
        print_plan(found)
    return found


def _export(options: argparse.Namespace) -> dict[str, Any]:
    if options.what == "model":
        return _export_model(options)
    from flows.export_benchmark import run as export_benchmark

    return export_benchmark(options)


def _general(options: argparse.Namespace) -> dict[str, Any]:
    from flows.general import run as general

    return general(options)


def _export_model(options: argparse.Namespace) -> dict[str, Any]:
    from flows.export import Wanted, export_model

    values = parameters(argparse.Namespace(**vars(options) | {"features": None}))
    encoders = {r: values[r] if getattr(options, r) else None for r in ("clip", "ssl", "control")}
    wanted = Wanted(options.features, options.ssl_share, options.seed)
    found = export_model(Settings.read(), wanted, Path(options.to), encoders, options.hub)
    if not options.json:
        print(f"{found['model']}: {found['folder']}")
    return found


def _convert(options: argparse.Namespace) -> dict[str, Any]:
    from tasks.exporting.folder import write_folder
    from tasks.exporting.placing import check_free
    from tasks.exporting.released import convert, write_card

    checkpoint, to = (
        Path(each).expanduser().absolute() for each in (options.checkpoint, options.to)
    )
    towers = (options.clip_tower, options.ssl_tower)
    check_free(to)
    whole = convert(checkpoint, *towers, allow_pickle=options.allow_pickle, dtype=options.dtype)
    record = {"checkpoint": checkpoint.name, "towers": towers}
    write_folder(to, whole, write_card(checkpoint.name, *towers), record)
    if not options.json:
        print(to)
    return {**record, "folder": str(to)}
