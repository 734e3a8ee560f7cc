"""Write a stored benchmark in the layout of others, with a card that says where it is from.

Put here: the layouts by name, the card, what is left out.
Keep out: the layouts themselves (`benchmark_mmvp`, `benchmark_harnesses`), replacing a folder
(`placing`), beside this file; the store (`flows.export`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.questions import BENCHMARKS
from tasks.exporting.benchmark_harnesses import refuse_sheet, task_name, write_sheet, write_task
from tasks.exporting.benchmark_mmvp import (
    refuse_questions,
    refuse_statements,
    write_questions,
    write_statements,
)
from tasks.exporting.benchmark_pairs import NumberedPair, ReadImage
from tasks.exporting.placing import put_folder
from tasks.fingerprints import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a benchmark is from: its mining with both encoders and thresholds, and a digest.

    `questions` is the digest of the receipt under which the questions were written.
    """

    benchmark: str
    mining: str
    clip: str
    ssl: str
    clip_above: float
    ssl_below: float
    questions: str


class Layout(NamedTuple):
    """A layout: whose it is, why a pair does not fit (None if it does), and how to use it."""

    text: str
    refuse: Callable[[NumberedPair], str | None]
    use: str


LAYOUTS: Final[Mapping[str, Layout]] = {
    "mmvp": Layout(
        "MMVP's own: Questions.csv and images by number",
        refuse_questions,
        "`Questions.csv` has MMVP's columns and `Pattern`; question N is about `MMVP Images/N.*`, "
        "and the questions 2n-1 and 2n are a pair.",
    ),
    "mmvp-vlm": Layout(
        "MMVP-VLM's: statements and images by pattern",
        refuse_statements,
        "`Questions.csv` has a statement for each image, `MLLM_VLM Images/TYPE/N.*`; the "
        "statements 2n-1 and 2n are a pair.",
    ),
    "lmms-eval": Layout(
        "a task folder of lmms-eval",
        lambda pair: None,
        "`lmms-eval --include_path FOLDER --tasks {name} --log_samples ...`. The accuracy of pairs "
        "is the headline; questions are clustered by pair for their standard error. If the folder "
        "moves, mend `dataset_path` in `{name}.yaml`.",
    ),
    "vlmevalkit": Layout(
        "a sheet of VLMEvalKit",
        refuse_sheet,
        "Put `{name}.tsv` into the folder that LMUData names and run `python run.py --data {name} "
        "...`. What VLMEvalKit prints is the accuracy of questions; `mmvp evaluate --answers` "
        "makes pairs of its predictions.",
    ),
}

LEFT_OUT: Final[Mapping[str, str]] = {
    "options-hold-marks": "an option holds a mark such as (a), or the options are the same words",
    "question-is-blank": "the question has no words",
    "no-statements": "no two different statements were written for the pair",
    "read-as-missing": "the harness takes a text such as 'None' for an empty cell",
}

CARD: Final = """\
# {name}

{pairs} pairs of images, two questions a pair: {about}. Written by `mmvp export benchmark`.

{use}

| | |
|---|---|
{facts}

A pair is right if both its questions are. Of two questions with two options each, guessing gets
25 % of the pairs; an answer that never changes gets none.
{left_out}
## Licence

The questions follow from what is known of the images, and carry no licence of their own. The images
belong to whoever made them: before you pass this folder on, check the licence of the corpus.
"""


def write_benchmark(
    to: Path,
    pairs: Sequence[NumberedPair],
    lineage: Lineage,
    *,
    layout: str,
    read_image: ReadImage,
) -> dict[str, Any]:
    """Write a benchmark to a folder; return the record of what was written.

    Raises:
        ValueError: if the folder holds something else, or no pair fits the layout.
        RefusedImageError: if an image cannot be read.
    """
    fits, left_out = _fitting(pairs, layout)
    name = task_name(lineage.benchmark, lineage.mining)
    asked = [(number, row.question_id, row.image) for pair in fits for number, row in pair.numbered]
    record = {
        "layout": layout,
        "name": name,
        "pairs": len(fits),
        "left_out": left_out,
        "digest": digest([layout, asked]),
        **asdict(lineage),
    }

    def fill(part: Path) -> None:
        if layout == "mmvp":
            write_questions(part, fits, read_image)
        elif layout == "mmvp-vlm":
            write_statements(part, fits, read_image)
        elif layout == "lmms-eval":
            write_task(part, fits, read_image, place=to, name=name)
        else:
            write_sheet(part, fits, read_image, name=name)
        (part / "README.md").write_text(_card(record))

    put_folder(to, fill, record)
    return record


def _fitting(
    pairs: Sequence[NumberedPair], layout: str
) -> tuple[list[NumberedPair], dict[str, int]]:
    refusals = [LAYOUTS[layout].refuse(pair) for pair in pairs]
    fits = [pair for pair, reason in zip(pairs, refusals, strict=True) if reason is None]
    left_out = dict(sorted(Counter(reason for reason in refusals if reason).items()))
    if not fits:
        told = "; ".join(f"{count}: {LEFT_OUT[reason]}" for reason, count in left_out.items())
        message = f"no pair of the benchmark fits the layout {layout!r}: {told}"
        raise ValueError(message)
    return fits, left_out


def _card(record: Mapping[str, Any]) -> str:
    names = ("mining", "clip", "clip_above", "ssl", "ssl_below", "questions", "digest")
    told = "".join(
        f"\n{count} pairs are left out, and their numbers with them: {LEFT_OUT[reason]}.\n"
        for reason, count in record["left_out"].items()
    )
    return CARD.format(
        name=record["name"],
        pairs=record["pairs"],
        about=BENCHMARKS.get(record["benchmark"], record["benchmark"]),
        use=LAYOUTS[record["layout"]].use.format(name=record["name"]),
        facts="\n".join(f"| {name.replace('_', ' ')} | {record[name]} |" for name in names),
        left_out=told,
    )
