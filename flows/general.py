"""`mmvp general`: the general ability that stored answers show, without a store or Prefect.

Put here: which files belong together, the figures that are printed.
Keep out: reading and scoring (`tasks.general`).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.general import pope, vqa
from tasks.general.asked import image_file, read_said


def general(
    bench: str, data: Sequence[Path], answers: Sequence[Path], images: Path | None = None
) -> dict[str, Any]:
    """Score stored answers to POPE or to a VQA set.

    Args:
        bench: pope or vqa.
        data: Files of questions; POPE has one a split.
        answers: Files of answers, one for each file of questions, in the same order.
        images: The folder of the images, which must all be there; None: no one looks.

    Raises:
        ValueError: if files do not fit each other, or an image is missing.
    """
    if len(data) != len(answers):
        message = (
            f"{len(data)} files of questions and {len(answers)} of answers; expected as many, in "
            f"the same order"
        )
        raise ValueError(message)
    score = {"pope": _pope, "vqa": _vqa}[bench]
    rows = [
        row for asked, said in zip(data, answers, strict=True) for row in score(asked, said, images)
    ]
    return {"bench": bench, "scores": rows}


def _pope(data: Path, answers: Path, images: Path | None) -> list[dict[str, Any]]:
    questions = pope.read_pope(data)
    _check_images(images, [question.image for question in questions])
    names, texts = zip(*((one.question_id, one.text) for one in questions), strict=True)
    said = read_said(answers, names, texts)
    splits = dict.fromkeys(question.split for question in questions)
    return [
        asdict(pope.score_pope([one for one in questions if one.split == split], said, reading))
        for split in splits
        for reading in pope.READINGS
    ]


def _vqa(data: Path, answers: Path, images: Path | None) -> list[dict[str, Any]]:
    questions = vqa.read_vqa(data)
    _check_images(images, [question.image for question in questions])
    names, texts = zip(*((one.question_id, one.text) for one in questions), strict=True)
    scored = vqa.score_vqa(questions, read_said(answers, names, texts))
    return [{"file": data.name} | asdict(scored)]


def _check_images(folder: Path | None, names: Sequence[str]) -> None:
    if folder is not None:
        for name in dict.fromkeys(names):
            image_file(folder, name)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Score what the options name, and print it unless JSON is asked for."""
    images = None if options.images is None else Path(options.images)
    data, answers = ([Path(each) for each in files] for files in (options.data, options.answers))
    found = general(options.bench, data, answers, images)
    if not options.json:
        print_general(found)
    return found


def print_general(found: Mapping[str, Any]) -> None:
    """Print a line a score; intervals are of 95 %."""
    pope_header, vqa_header = "split\tread by\taccuracy\tF1\tyes\tno answer", "file\taccuracy"
    print(pope_header if found["bench"] == "pope" else vqa_header)
    for row in found["scores"]:
        if found["bench"] == "pope":
            cells = [row["split"], row["reading"]]
            cells += [_share(row["accuracy"], row["accuracy_interval"])]
            cells += [_share(row["f1"], row["f1_interval"]), f"{row['yes_share']:.1%}"]
            cells += [str(row["unread"] + row["failed"] + row["missing"])]
        else:
            cells = [row["file"], _share(row["accuracy"], row["interval"])]
        print("\t".join(cells))


def _share(share: float, interval: Sequence[float]) -> str:
    return f"{share:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"
