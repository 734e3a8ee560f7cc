"""Write a stored benchmark in a layout of others, with a card that says where it is from.

Put here: the layouts by name, what is left out, the record.
Keep out: the layouts themselves and the words of the card (`card_of_questions`), replacing a
folder (`placing`), beside this file; the store (`flows.export_benchmark`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from tasks.exporting import argilla, fiftyone, forms, hf_dataset, label_studio
from tasks.exporting.benchmark_harnesses import refuse_sheet, task_name, write_sheet, write_task
from tasks.exporting.benchmark_mmvp import (
    refuse_questions,
    refuse_statements,
    write_questions,
    write_statements,
)
from tasks.exporting.benchmark_pairs import NumberedPair
from tasks.exporting.card_of_questions import LEFT_OUT, card_of
from tasks.exporting.compared import write_compared
from tasks.exporting.material import LeftOut, Material, Objection
from tasks.exporting.placing import put_folder
from tasks.exporting.sources import composition, count_licences, write_sources
from tasks.fingerprints import digest

Record = Mapping[str, Any]
Check = Callable[[NumberedPair], Objection | None]


class Writing(NamedTuple):
    """What a layout writes: pairs into a folder that will lie at `place` in the end."""

    to: Path
    place: Path
    pairs: Sequence[NumberedPair]
    material: Material
    record: Record


class Layout(NamedTuple):
    """A layout: whose it is, why a pair does not fit (None if it does), its files, their use.

    `header` is what its card begins with. With `by_place` its readers number rows by their place,
    so pairs are numbered anew after some are left out.
    """

    text: str
    refuse: Callable[[NumberedPair], str | None]
    write: Callable[[Writing], None]
    use: str
    header: Callable[[Record], str] = lambda record: ""
    by_place: bool = False


def _fits(_pair: NumberedPair) -> None:
    return None


BENCHMARKS: Final[Mapping[str, Layout]] = {
    "mmvp": Layout(
        "MMVP's own: Questions.csv and images by number",
        refuse_questions,
        lambda w: write_questions(w.to, w.pairs, w.material.read_image),
        "`Questions.csv` has MMVP's columns and `Pattern`; question N is in row N and about "
        "`MMVP Images/N.jpg`, as MMVP's script expects, and the questions 2n-1 and 2n are a pair. "
        "A file that was no JPEG holds PNG under that name: readers tell by the content.",
        by_place=True,
    ),
    "mmvp-vlm": Layout(
        "MMVP-VLM's: statements and images by pattern",
        refuse_statements,
        lambda w: write_statements(w.to, w.pairs, w.material.read_image),
        "`Questions.csv` has a statement for each image, `MLLM_VLM Images/TYPE/N.jpg`; the "
        "statements 2n-1 and 2n are a pair. A file that was no JPEG holds PNG under that name. "
        "MMVP-VLM's own script counts 15 pairs a pattern, in the order of the nine: "
        "`mmvp questions --pairs-per-pattern 15`.",
    ),
    "lmms-eval": Layout(
        "a task folder of lmms-eval",
        _fits,
        lambda w: write_task(
            w.to, w.pairs, w.material.read_image, place=w.place, name=w.record["name"]
        ),
        "`lmms-eval --include_path FOLDER --tasks {name} --log_samples ...`. The accuracy of pairs "
        "is the headline; questions are clustered by pair for their standard error. If the folder "
        "moves, mend `dataset_path` in `{name}.yaml`.",
    ),
    "vlmevalkit": Layout(
        "a sheet of VLMEvalKit",
        refuse_sheet,
        lambda w: write_sheet(w.to, w.pairs, w.material.read_image, name=w.record["name"]),
        "Put `{name}.tsv` into the folder that LMUData names and run `python run.py --data {name} "
        "...`. What VLMEvalKit prints is the accuracy of questions; `mmvp evaluate --answers` "
        "makes pairs of its predictions.",
    ),
}
"""For whoever asks the questions."""

DATASETS: Final[Mapping[str, Layout]] = {
    "hf": Layout(
        "a Hugging Face dataset in Parquet",
        _fits,
        lambda w: hf_dataset.write_dataset(w.to, w.pairs, w.material),
        "`datasets.load_dataset('FOLDER', split='test')` has a row a question, with its image; "
        "the rows with the same `pair` are a pair.",
        hf_dataset.header,
    ),
    "label-studio": Layout(
        "tasks of Label Studio, to be checked or written anew by people",
        forms.refuse_form,
        lambda w: label_studio.write_tasks(w.to, w.pairs, w.material),
        "Make a project with `labeling_config.xml`, start Label Studio with "
        "`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and "
        "`LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=FOLDER`, add `FOLDER/images` as local storage and "
        "import `tasks.json`. `mmvp import --layout label-studio FILE` reads an export as JSON.",
    ),
    "argilla": Layout(
        "records of Argilla, to be checked or written anew by people",
        forms.refuse_form,
        lambda w: argilla.write_records(w.to, w.pairs, w.material, w.record["name"]),
        "`argilla.Dataset.from_disk('FOLDER')` puts it on a server; after "
        "`dataset.to_disk('BACK')`, a folder that is there and empty, "
        "`mmvp import --layout argilla BACK` reads the responses.",
    ),
    "fiftyone": Layout(
        "a dataset of FiftyOne",
        _fits,
        lambda w: fiftyone.write_samples(w.to, w.pairs, w.material, w.record),
        "`fiftyone.Dataset.from_dir(dataset_dir='FOLDER', "
        "dataset_type=fiftyone.types.LegacyFiftyOneDataset)` has a sample an image; group them by "
        "`pair_id`.",
    ),
}
"""For whoever looks at the questions, writes them or trains on them."""

LAYOUTS: Final[Mapping[str, Layout]] = {**BENCHMARKS, **DATASETS}


def write_benchmark(
    to: Path,
    pairs: Sequence[NumberedPair],
    material: Material,
    *,
    layout: str,
    checks: Sequence[Check] = (),
    about: Record | None = None,
) -> dict[str, Any]:
    """Write a benchmark to a folder; return the record of what was written.

    Pairs that do not fit the layout, or that a check objects to, are left out and listed; the
    others keep their numbers unless the layout is by place. `about` is what the record says beside.

    Raises:
        ValueError: if the folder holds something else, or no pair is left.
        RefusedImageError: if an image cannot be read.
    """
    fits, left_out = _fitting(pairs, layout, checks)
    if LAYOUTS[layout].by_place:
        fits = [replace(pair, pair=place) for place, pair in enumerate(fits, start=1)]
    lineage = material.lineage
    asked = [(number, row.question_id, row.image) for pair in fits for number, row in pair.numbered]
    reasons = Counter(one.reason for one in left_out)
    record = {
        "layout": layout,
        "name": task_name(lineage.benchmark, lineage.mining),
        "pairs": len(fits),
        "left_out": dict(sorted(reasons.items())),
        "refused": [one._asdict() for one in left_out],
        "licences": count_licences(fits, material),
        "composition": composition(fits),
        "agreement": dict(material.agreement),
        "digest": digest([layout, asked]),
        **asdict(lineage),
        **(about or {}),
    }

    def fill(part: Path) -> None:
        chosen = LAYOUTS[layout]
        chosen.write(Writing(part, to, fits, material, record))
        write_sources(part, fits, material)
        if "compared" in record:
            write_compared(part, record["compared"]["held"])
        use = chosen.use.format(name=record["name"])
        (part / "README.md").write_text(chosen.header(record) + card_of(record, use))

    put_folder(to, fill, record)
    return record


def _fitting(
    pairs: Sequence[NumberedPair], layout: str, checks: Sequence[Check]
) -> tuple[list[NumberedPair], list[LeftOut]]:
    fits, left_out = [], []
    for pair in pairs:
        refused = LAYOUTS[layout].refuse(pair)
        found = Objection(refused) if refused else None
        for check in checks:
            found = found or check(pair)
        if found is None:
            fits.append(pair)
        else:
            left_out.append(LeftOut(pair.pair, pair.rows[0].pair_id, *found))
    if not fits:
        reasons = Counter(one.reason for one in left_out)
        told = "; ".join(f"{count}: {LEFT_OUT[reason]}" for reason, count in reasons.items())
        message = f"no pair of the benchmark can be written in the layout {layout!r}: {told}"
        raise ValueError(message)
    return fits, left_out
