"""What the verbs of `mmvp` do, once their options are read.

Put here: from options to a flow's parameters, errors to words, results to print.
Keep out: options and their help (`flows.cli`).
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from flows.parameters import STUDY, of_verb, parameters
from flows.results import print_summary
from flows.settings import Settings

SERVERS_TO_LOSE: Final = 2
ENCODERS: Final = ("clip", "ssl", "control")
GIVEN: Final[Mapping[str, Sequence[str]]] = {
    "ingest": ("corpus", "reading", "workers", "rehash"),
    "embed": ("corpus", *ENCODERS, "workers"),
    "mine": ("corpus", "clip", "ssl", "mine", "workers"),
    "grid": ("corpus", "encoders", "reading", "mine", "workers", "rehash"),
    "zoo": ("models", "benchmark", "imagenet", "workers"),
    "conversations": ("file", "images", "reading", "workers", "rehash"),
    "questions": ("corpus", "clip", "ssl", "mine", "questions", "workers"),
    "probe": ("corpus", "train_corpus", *ENCODERS, "workers"),
    "train": ("corpus", "train_corpus", *ENCODERS, "mine", "train", "workers"),
    "evaluate": ("corpus", *ENCODERS, "mine", "questions", "evaluate", "workers"),
    "report": ("corpus", "clip", "ssl", "mine", "report", "workers"),
    "benchmark": ("place", *ENCODERS, "evaluate", "workers"),
    "benchmark_report": ("named", "report", "workers"),
    "sweep": (
        *("corpus", "train_corpus", "clip", "ssl", "encoder_seeds"),
        *("mine", "questions", "train", "evaluate", "workers"),
    ),
}
"""The parameters that each verb's flow takes by place; other verbs' take theirs by name."""

log = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Run a verb; return its exit code."""
    show_logs()
    verbs: Mapping[str, Callable[[argparse.Namespace], dict[str, Any] | None]] = {
        "annotate": _annotate,
        "up": _up,
        "status": _status,
        "show": _show,
        "similar": _similar,
        "plan": _plan,
        "export": _export,
        "import": _import,
        "general": _general,
        "grade": _grade,
        "patterns": _patterns,
        "convert": _convert,
    }
    verb = verbs.get(options.verb, _flow)
    if options.verb == "evaluate" and options.answers is not None:
        verb = _stored_answers
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


def _flow(options: argparse.Namespace) -> dict[str, Any]:
    from flows.server import free_port, running_port, serve_run

    settings = Settings.read()
    port = running_port(settings.home) or free_port()
    variables = _set_environment(settings, port)
    values = of_verb(options)
    name = _flow_of(options.verb, values)
    with serve_run(port, variables, settings.home, meanwhile=partial(_load, name)):
        try:
            summary = _call_again(name, values, port)
        finally:
            _send_logs()
    if options.verb == "evaluate":
        from flows.scoreboard import headline

        summary |= headline(summary["scores"], options.key)
    if not options.json:
        _print(options, summary)
    return summary


def _flow_of(verb: str, values: Mapping[str, Any]) -> str:
    """Return the name of a verb's flow; of some verbs it is another for published benchmarks."""
    if "place" in values:
        return "benchmark"
    if "named" in values:
        return "benchmark_report"
    return verb if verb in {*GIVEN, *STUDY} else "mmvp"


def _load(name: str) -> Any:
    """Return a flow; to import it takes seconds."""
    return getattr(import_module(f"flows.{name}"), name)


def _print(options: argparse.Namespace, summary: dict[str, Any]) -> None:
    print_summary(summary)
    if options.verb == "evaluate":
        from flows.scoreboard import print_found

        print_found(summary, options.key)
    if options.verb == "grid":
        from flows.grid import print_grid

        print_grid(summary)
    if options.verb == "zoo":
        from flows.zoo import print_zoo

        print_zoo(summary)


def _stored_answers(options: argparse.Namespace) -> dict[str, Any]:
    from flows.scoreboard import print_stored
    from flows.stored_answers import score_file

    if options.models:
        message = "--answers has a model's answers already; leave --model out, or --answers"
        raise ValueError(message)
    names = options.protocols or ["letter"]
    if len(names) > 1:
        message = f"--answers are scored under one protocol at a time, found {', '.join(names)}"
        raise ValueError(message)
    found = score_file(
        Settings.read(),
        Path(options.answers).expanduser(),
        place=options.benchmark,
        protocol=names[0],
        key=options.key,
        model=options.name,
        seed=options.draw_seed,
        allow_incomplete=options.allow_incomplete,
    )
    if not options.json:
        print_stored(found)
    return found


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
    flow = _load(verb)
    if verb in GIVEN:
        return dict(flow(*(values[one] for one in GIVEN[verb])))
    return dict(flow(**values))


def _send_logs() -> None:
    """Wait until Prefect's server has the log: it stops after the run."""
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=5)


def _up(options: argparse.Namespace) -> None:
    from flows.up import up

    up(Settings.read(), options.port, options.corpus or [])


def _annotate(options: argparse.Namespace) -> dict[str, Any]:
    from flows.annotate import run as annotate

    return annotate(options)


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
    if options.what == "logs":
        from flows.export_logs import run as export_logs

        return export_logs(options)
    from flows.export_benchmark import run as export_benchmark

    return export_benchmark(options)


def _import(options: argparse.Namespace) -> dict[str, Any]:
    from flows.import_forms import run as import_forms

    return import_forms(options)


def _patterns(options: argparse.Namespace) -> dict[str, Any]:
    from flows.patterns import run as find_patterns

    return find_patterns(options)


def _grade(options: argparse.Namespace) -> dict[str, Any]:
    from flows.grade import run as grade

    return grade(options)


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
