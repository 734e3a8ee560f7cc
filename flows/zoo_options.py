"""The options of `mmvp zoo`, and the parameters of its flow that they name.

Put here: options and their help; from options to values.
Keep out: what they do (`flows.zoo`).
"""

import argparse
from pathlib import Path
from typing import Any

from flows.options import add_trust, add_workers


def add_zoo(verb: argparse.ArgumentParser) -> None:
    """Add the options of a zoo."""
    verb.add_argument(
        "--benchmark",
        metavar="DIR",
        help="MMVP-VLM's folder or CSV (default: the mined benchmark of the latest run)",
    )
    which = verb.add_mutually_exclusive_group()
    which.add_argument(
        "--model",
        "--models",
        dest="zoo_models",
        nargs="+",
        metavar="SPEC",
        help="encoders with a text tower (default: the paper's ten and newer ones)",
    )
    which.add_argument(
        "--list", dest="zoo_list", metavar="FILE", help="a spec a line, or JSON (docs/zoo.md)"
    )
    verb.add_argument(
        "--imagenet", metavar="DIR", help="measure zero-shot accuracy on DIR/CLASS/IMAGE"
    )
    verb.add_argument(
        "--class-names", metavar="FILE", help="JSON: the classes' names by folder, or in order"
    )
    verb.add_argument(
        "--templates", choices=("simple", "openai"), help="7 prompts a class (default), or 80"
    )
    add_trust(verb)
    add_workers(verb)


def zoo_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the flow `zoo` that the options name.

    Raises:
        ValueError: if the list cannot be read, or an option needs another.
    """
    from tasks.zoo.imagenet import ImagenetConfig
    from tasks.zoo.listing import SHIPPED, entries_of, read_list

    if options.zoo_models:
        entries = entries_of(options.zoo_models, "--models")
    else:
        entries = read_list(Path(options.zoo_list).expanduser() if options.zoo_list else SHIPPED)
    allowed = {
        name: True for name in ("allow_pickle", "trust_remote_code") if options.__dict__[name]
    }
    entries = [
        entry.model_copy(update={"encoder": entry.encoder.model_copy(update=allowed)})
        for entry in entries
    ]
    given = {"class_names": options.class_names, "templates": options.templates}
    given = {name: value for name, value in given.items() if value is not None}
    if given and options.imagenet is None:
        message = f"--{next(iter(given)).replace('_', '-')} is for --imagenet DIR; give that too"
        raise ValueError(message)
    measured = ImagenetConfig(folder=options.imagenet, **given) if options.imagenet else None
    return {"models": entries, "benchmark": options.benchmark, "imagenet": measured}
