"""`mmvp general`: general ability beside blind pairs, of stored answers or of models.

Put here: which files belong together, what is kept, the figures that are printed.
Keep out: reading and scoring (`tasks.general`), asking (`tasks.evaluation.general`).
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.parameters import terms_of
from flows.settings import Settings
from flows.site import hold_store
from storage import general as table
from storage.database import Database
from storage.general import GeneralRow
from storage.tables import SPECS
from tasks.backends import Outcome
from tasks.evaluation.general import Wish, judge, say
from tasks.general import judged, pope, vqa
from tasks.general.asked import Asked, image_file, read_said
from tasks.general.judged import FreeQuestion
from tasks.general.pope import PopeQuestion
from tasks.general.vqa import VqaQuestion
from tasks.workers import WorkersConfig

Said = Mapping[str, Outcome]
Question = PopeQuestion | VqaQuestion | FreeQuestion


@dataclass(frozen=True)
class Bench:
    """A benchmark of general ability: its reader, what models are asked, its scores."""

    read: Callable[[Path], Sequence[Any]]
    asked: Callable[[Sequence[Any], Path], list[Asked]]


BENCHES: Mapping[str, Bench] = {
    "pope": Bench(pope.read_pope, pope.asked),
    "vqa": Bench(vqa.read_vqa, vqa.asked),
    "judged": Bench(judged.read_free, judged.asked),
}


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Who marks free answers, and the reference's answers to each file of questions."""

    judge: str
    reference: Sequence[Path]


def general(
    bench: str, data: Sequence[Path], answers: Sequence[Path], images: Path | None = None
) -> dict[str, Any]:
    """Score stored answers to POPE or to a VQA set; nothing is stored.

    Args:
        bench: pope or vqa.
        data: Files of questions; POPE has one a split.
        answers: Files of answers, one for each file of questions, in the same order.
        images: The folder of the images, which must all be there; None: no one looks.

    Raises:
        ValueError: if files do not fit each other, or an image is missing.
    """
    _check_count(data, answers, "answers")
    rows = []
    for file, said_file in zip(data, answers, strict=True):
        questions = BENCHES[bench].read(file)
        if images is not None:
            for name in dict.fromkeys(question.image for question in questions):
                image_file(images, name)
        said = _stored(said_file, questions)
        rows += _scores(bench, file, questions, said)
    return {"bench": bench, "scores": rows}


def ask(
    settings: Settings,
    bench: str,
    data: Sequence[Path],
    images: Path,
    models: Sequence[str],
    wish: Wish,
    judging: Judging | None = None,
) -> dict[str, Any]:
    """Ask models the questions, score them and keep the figures; what was asked is not asked again.

    Args:
        settings: Where the store is.
        bench: pope, vqa or judged.
        data: Files of questions; POPE has one a split.
        images: The folder of the images.
        models: Servers, folders, or names on the hub.
        wish: How they are asked.
        judging: Who marks free answers, for `judged`.

    Raises:
        ValueError: if a file, an image or a model cannot be had; replies that came are kept.
    """
    with hold_store(settings, "general"):
        db = Database(settings.store)
        db.make(SPECS.values())
        rows = []
        for model in models:
            for place, file in enumerate(data):
                questions = BENCHES[bench].read(file)
                asked = BENCHES[bench].asked(questions, images)
                found = say(db, settings.home, model, bench, asked, wish)
                if judging is not None:
                    reference = _stored(judging.reference[place], questions)
                    verdicts = judge(
                        db, settings.home, judging.judge, questions, found.outcomes, reference, wish
                    )
                    score = asdict(judged.score_judged(questions, verdicts))
                    seen = len({question.image for question in questions})
                    named = {"file": file.name, "judge": judging.judge, "images": seen}
                    scored = [named | score]
                else:
                    scored = _scores(bench, file, questions, found.outcomes)
                rows += [{"model": found.model} | row for row in scored]
        table.upsert(db, [row for one in rows for row in _kept(bench, one)])
    return {"bench": bench, "scores": rows}


def _stored(file: Path, questions: Sequence[Question]) -> Said:
    names, texts = zip(*((one.question_id, one.text) for one in questions), strict=True)
    return read_said(file, names, texts)


def _scores(bench: str, file: Path, questions: Sequence[Any], said: Said) -> list[dict[str, Any]]:
    if bench == "vqa":
        return [{"file": file.name} | asdict(vqa.score_vqa(questions, said))]
    splits = dict.fromkeys(question.split for question in questions)
    return [
        asdict(pope.score_pope([one for one in questions if one.split == split], said, reading))
        for split in splits
        for reading in pope.READINGS
    ]


def _kept(bench: str, row: Mapping[str, Any]) -> list[GeneralRow]:
    """Return the rows of the table that a score is: one a metric."""
    figures = {
        "pope": {"accuracy": "accuracy_interval", "f1": "f1_interval"},
        "vqa": {"accuracy": "interval"},
        "judged": {"ratio": "interval"},
    }[bench]
    without = ("unread", "empty", "failed", "missing", "unjudged")
    kept = []
    for metric, interval in figures.items():
        low, high = row[interval] or (None, None)
        kept.append(
            GeneralRow(
                bench=bench,
                part=row.get("split") or row["file"],
                reading=row.get("reading") or row.get("judge") or "people's answers",
                metric=metric,
                model=row["model"],
                questions=row["questions"],
                images=row["images"],
                value=row[metric],
                low=low,
                high=high,
                without=sum(row.get(name, 0) for name in without),
            )
        )
    return kept


def _check_count(data: Sequence[Path], files: Sequence[Path], what: str) -> None:
    if len(data) != len(files):
        message = (
            f"{len(data)} files of questions and {len(files)} of {what}; expected as many, in "
            f"the same order"
        )
        raise ValueError(message)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Score what the options name, and print it unless JSON is asked for.

    Raises:
        ValueError: if options do not go together.
    """
    images = None if options.images is None else Path(options.images).expanduser()
    data, answers, reference = (
        [Path(each).expanduser() for each in files or ()]
        for files in (options.data, options.answers, options.reference)
    )
    judging = None
    if options.bench == "judged":
        if options.judge is None or not reference or not options.models:
            message = "--bench judged needs --model, --reference FILE ... and --judge SPEC"
            raise ValueError(message)
        _check_count(data, reference, "the reference's answers")
        judging = Judging(judge=options.judge, reference=reference)
    if bool(options.models) == bool(answers):
        message = "give either --answers FILE ... or --model MODEL ..., one of them"
        raise ValueError(message)
    if not options.models:
        found = general(options.bench, data, answers, images)
    else:
        if images is None:
            message = "--model needs --images DIR, the folder of the images"
            raise ValueError(message)
        found = ask(
            Settings.read(), options.bench, data, images, options.models, _wish(options), judging
        )
    if not options.json:
        print_general(found)
    return found


def _wish(options: argparse.Namespace) -> Wish:
    return Wish(
        terms=terms_of(options),
        device=WorkersConfig(device=options.device).device_kind(),
        trust_remote_code=options.trust_remote_code,
    )


def print_general(found: Mapping[str, Any]) -> None:
    """Print a line a score; intervals are of 95 %."""
    named = ["model"] if any("model" in row for row in found["scores"]) else []
    headers = {
        "pope": ["split", "read by", "accuracy", "F1", "yes", "no answer"],
        "vqa": ["file", "accuracy"],
        "judged": ["file", "marks to the reference's", "unjudged"],
    }
    print("\t".join([*named, *headers[found["bench"]]]))
    for row in found["scores"]:
        if found["bench"] == "pope":
            cells = [row["split"], row["reading"]]
            cells += [_share(row["accuracy"], row["accuracy_interval"])]
            cells += [_share(row["f1"], row["f1_interval"]), f"{row['yes_share']:.1%}"]
            cells += [str(row["unread"] + row["failed"] + row["missing"])]
        elif found["bench"] == "vqa":
            cells = [row["file"], _share(row["accuracy"], row["interval"])]
        else:
            ratio = row["ratio"]
            told = "" if ratio is None else _share(ratio, row["interval"] or (ratio, ratio))
            cells = [row["file"], told, str(row["unjudged"])]
        print("\t".join([*(row[name] for name in named), *cells]))


def _share(share: float, interval: Sequence[float]) -> str:
    return f"{share:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"
