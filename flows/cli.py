"""The command `mmvp`: one verb a flow, and what people ask of the store.

Put here: options, exit codes, what is printed.
Keep out: work; each verb is a few lines around one call. Heavy imports sit inside the verbs, so
that `mmvp --help` is instant.

Exit code 0: done. 1: failed, the reason on stderr. 2: wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from flows.annotate_options import add_annotate
from flows.asking_options import add_asking, add_benchmark, add_general, add_grading, add_reported
from flows.export_options import add_import, add_logs, add_questions
from flows.options import (
    add_corpus,
    add_encoders,
    add_mining,
    add_reading,
    add_stage_options,
    add_training,
    add_trust,
    add_verb,
    add_workers,
)
from flows.writing_options import add_patterns, add_terms
from flows.zoo_options import add_zoo

STAGES: Final[Mapping[str, str]] = {
    "ingest": "open what is new in a corpus, forget what is gone",
    "embed": "compute the vectors that are missing",
    "mine": "search all pairs of images for those that are CLIP-blind",
    "questions": "write, check and take two questions for each selected pair",
    "probe": "fit linear probes to what each encoder sees",
    "train": "train small multimodal models on CLIP, SSL and mixed features",
    "evaluate": "ask the models what they were not asked before, and score them",
    "report": "write the page, figures and numbers of a mining",
}
THROUGH: Final = (
    *("ingest", "images", "embed", "mine", "pairs", "questions"),
    *("probe", "train", "evaluate", "scores", "report"),
)
FEATURES: Final = ("clip", "ssl", "additive", "interleaved", "clip-clip", "clip-control")
NEEDS: Final[Mapping[str, Collection[str]]] = {
    "ingest": {"ingest"},
    "embed": {"embed"},
    "mine": {"embed", "mine"},
    "questions": {"embed", "mine", "questions"},
    "probe": {"embed", "probe"},
    "train": {"embed", "mine", "train"},
    "evaluate": {"embed", "mine", "questions", "evaluate"},
    "report": {"embed", "mine", "report"},
}
"""The stages whose options a verb takes: its own, and those that name what it works on."""

TABLES: Final = (
    *("images", "paths", "refused", "pairs", "duplicates", "questions", "probes", "models", "zoo"),
    *("answers", "scores", "comparisons", "conversations", "grids", "overlaps", "shards", "runs"),
    *("proposals", "checks", "replies", "assignments", "patterns", "general", "events"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.home is not None:
        os.environ["MMVP_HOME"] = options.home
    from flows import commands

    sys.exit(commands.run(options))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="mmvp", description="Find what vision encoders cannot see: CLIP-blind pairs."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_pipeline(verbs)
    _add_comparisons(verbs)
    _add_service(verbs)
    _add_export(verbs)
    _add_convert(
        add_verb(verbs, "convert", "the paper's released MoF checkpoint, for transformers")
    )
    add_general(add_verb(verbs, "general", "general ability: POPE, a VQA set, judged answers"))
    add_grading(add_verb(verbs, "grade", "let graders say which option stored replies take"))
    add_patterns(add_verb(verbs, "patterns", "which patterns questions are about, found by models"))
    _add_plan(add_verb(verbs, "plan", "time, memory and disk of a run, from this machine's rates"))
    show = add_verb(verbs, "show", "the rows of a table, in a stable order")
    show.add_argument("table", choices=TABLES)
    show.add_argument("--all", action="store_true", help="every row, not only the latest run's")
    for add, names in (
        (add_benchmark, ("evaluate",)),
        (add_reported, ("report",)),
        (add_asking, ("run", "evaluate", "status")),
        (add_terms, ("questions", "sweep")),
    ):
        for name in names:
            add(verbs.choices[name])
    return parser


def _add_pipeline(verbs: Any) -> None:
    demo = add_verb(verbs, "demo", "the whole pipeline on scenes drawn on the spot")
    demo.add_argument("--images", type=int, metavar="N", help="scenes to mine (default 4000)")
    demo.add_argument(
        "--train-images", type=int, metavar="N", help="scenes to train on (default 5000)"
    )
    add_training(demo)
    add_workers(demo)
    run = add_verb(verbs, "run", "the pipeline on your own images")
    add_corpus(run)
    run.add_argument("--through", choices=THROUGH, help="the last stage to run (default: report)")
    add_stage_options(run, tuple(STAGES))
    for stage, text in STAGES.items():
        verb = add_verb(verbs, stage, text)
        add_corpus(verb)
        add_stage_options(verb, NEEDS[stage])
    _add_conversations(add_verb(verbs, "conversations", "read what a file says about images"))


def _add_comparisons(verbs: Any) -> None:
    _add_grid(add_verb(verbs, "grid", "mine every encoder against every other"))
    add_zoo(add_verb(verbs, "zoo", "score many CLIPs on MMVP-VLM, beside sizes and ImageNet"))
    _add_study(add_verb(verbs, "encoders", "train the shipped tiny encoders anew"), arms=True)
    _add_study(add_verb(verbs, "study", "compare CLIPs that differ in their captions alone"))
    sweep = add_verb(verbs, "sweep", "train and score many mixtures of features on one benchmark")
    add_corpus(sweep)
    add_stage_options(sweep, ("embed", "mine", "questions", "train"))
    sweep.add_argument(
        "--encoder-seeds", type=int, nargs="+", metavar="S", help="train tiny encoders, too"
    )


def _add_service(verbs: Any) -> None:
    up = add_verb(verbs, "up", "Prefect server, worker and all deployments, on loopback")
    up.add_argument("--port", type=int, default=4200, help="port of the server (default 4200)")
    up.add_argument(
        "--corpus",
        action="append",
        metavar="DIR",
        help="folder that mmvp/full runs on by schedule; may be given several times",
    )
    add_annotate(add_verb(verbs, "annotate", "the page where people write, check, take questions"))
    status = add_verb(verbs, "status", "what is in the store, what is current, what a run would do")
    add_corpus(status)
    add_stage_options(status, tuple(STAGES))
    similar = add_verb(verbs, "similar", "the stored images that encoders take for nearest to one")
    similar.add_argument("image", metavar="IMAGE", help="a file, or the id of a stored image")
    similar.add_argument("--count", type=int, default=10, metavar="N", help="how many (10)")
    add_encoders(similar)
    similar.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where encoders run")


def _add_grid(verb: argparse.ArgumentParser) -> None:
    add_corpus(verb)
    verb.add_argument("--encoders", nargs="+", metavar="SPEC", help="two or more (the shipped)")
    add_reading(verb)
    add_mining(verb)
    add_trust(verb)
    add_workers(verb)


def _add_conversations(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--file", required=True, metavar="FILE", help="JSON, a list or a value a line, as LLaVA's"
    )
    add_corpus(verb, "--images", "corpus of its images; may be given several times")
    add_reading(verb)
    add_workers(verb)


def _add_study(verb: argparse.ArgumentParser, *, arms: bool = False) -> None:
    if arms:
        verb.add_argument("--arms", nargs="+", metavar="ARM", help="which encoders (default: all)")
    verb.add_argument("--encoder-seeds", type=int, nargs="+", metavar="S", help="one each a seed")
    verb.add_argument("--encoder-steps", type=int, metavar="N", help="steps, for a try")
    add_workers(verb)


def _add_export(verbs: Any) -> None:
    add_import(add_verb(verbs, "import", "questions that people wrote with a tool of theirs"))
    text = "a model, a benchmark, a dataset or logs as others can load them"
    kinds = verbs.add_parser("export", help=text, description=text[0].upper() + text[1:] + ".")
    things = kinds.add_subparsers(dest="what", required=True, metavar="WHAT")
    model = add_verb(things, "model", "a trained model as a folder that transformers can load")
    model.add_argument("--features", required=True, choices=FEATURES, help="what it sees")
    model.add_argument(
        "--ssl-share", type=float, metavar="X", help="of an additive model (if there are several)"
    )
    model.add_argument("--seed", type=int, metavar="N", help="of its training (if several)")
    model.add_argument("--to", required=True, metavar="DIR", help="new folder, or earlier export")
    model.add_argument(
        "--hub", metavar="ORG/NAME", help="put it in this repository on the hub too (a private one)"
    )
    add_encoders(model)
    benchmark = add_verb(
        things, "benchmark", "questions of the latest mining as harnesses read them"
    )
    add_questions(benchmark, dataset=False)
    dataset = add_verb(
        things, "dataset", "questions of the latest mining as a dataset, or as forms"
    )
    add_questions(dataset, dataset=True)
    add_logs(add_verb(things, "logs", "questions and answers as logs that Inspect View opens"))


def _add_plan(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--images",
        type=float,
        nargs="+",
        default=(1e6, 1e7, 1e8, 1e9),
        metavar="N",
        help="so many images (1e6 1e7 1e8 1e9)",
    )
    add_encoders(verb)
    add_mining(verb)
    add_workers(verb)


def _add_convert(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("checkpoint", metavar="DIR", help="its folder")
    for name, what in (("clip-tower", "CLIP"), ("ssl-tower", "DINOv2")):
        verb.add_argument(
            f"--{name}",
            required=True,
            metavar="PLACE",
            help=f"folder or hub name of the {what} that it was trained with",
        )
    verb.add_argument("--to", required=True, metavar="DIR", help="new folder, or earlier export")
    verb.add_argument("--allow-pickle", action="store_true", help="read weights not safetensors")
    verb.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="bfloat16",
        help="precision of what is written (bfloat16)",
    )


if __name__ == "__main__":
    main()
