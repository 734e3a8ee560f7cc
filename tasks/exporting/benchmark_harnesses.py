"""Write a benchmark for lmms-eval and for VLMEvalKit.

Put here: a task folder of lmms-eval (Parquet, YAML, code); a sheet of VLMEvalKit.
Keep out: what the task's code does (`lmms_eval_utils`, beside this file).

Source: lmms-eval 0.7 (`lmms_eval/api/task.py`, `lmms_eval/tasks/mmvp`); VLMEvalKit of August 2026
(`vlmeval/dataset/image_mcq.py`, `CustomMCQDataset`).
"""

import base64
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.exporting import lmms_eval_utils
from tasks.exporting.benchmark_pairs import NumberedPair, ReadImage, file_of, numbered_question
from tasks.exporting.cells import refuse_texts
from tasks.protocols import prompts, rules

OUR_IMPORT: Final = "from tasks.protocols.rules import read_letter\n"
THEIR_IMPORT: Final = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from mmvp_rules import read_letter  # noqa: E402
"""

TASK: Final = """\
# A task of lmms-eval 0.7. `dataset_path` is where this folder was written: mend it if you move it.
task: {name}
dataset_path: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
cluster_key: pair
metric_list:
  - metric: pair_accuracy
    aggregation: !function utils.pair_accuracy
    higher_is_better: true
  - metric: question_accuracy
    aggregation: !function utils.mean_score
    higher_is_better: true
  - metric: unread
    aggregation: !function utils.mean_score
    higher_is_better: false
  - metric: failed
    aggregation: !function utils.mean_score
    higher_is_better: false
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: ""
generation_kwargs:
  max_new_tokens: 1024
  temperature: 0
  do_sample: false
metadata:
  version: 1.0
  mining: {mining}
"""

TEXTS: Final = (
    *("question_id", "pair_id", "question", "option_a", "option_b"),
    *("answer", "pattern", "prompt"),
)
SCHEMA: Final = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("number", pa.int64()),
        pa.field("pair", pa.int64()),
        *(pa.field(name, pa.string()) for name in TEXTS),
    ],
    metadata={
        "huggingface": json.dumps(
            {
                "info": {
                    "features": {
                        "image": {"_type": "Image"},
                        "number": {"dtype": "int64", "_type": "Value"},
                        "pair": {"dtype": "int64", "_type": "Value"},
                        **{name: {"dtype": "string", "_type": "Value"} for name in TEXTS},
                    }
                }
            }
        )
    },
)
"""With the features that the library datasets looks for, so that images are opened as images."""

SHEET: Final = {
    "index": "number",
    "question": "question",
    "A": "option_a",
    "B": "option_b",
    "answer": "answer",
    "category": "pattern",
    "pair": "pair",
    "pair_id": "pair_id",
    "question_id": "question_id",
}
"""Columns of a sheet by what is told of a question; the image is the last."""


def refuse_sheet(pair: NumberedPair) -> str | None:
    """Return why a pair cannot be read by VLMEvalKit, if it cannot."""
    return refuse_texts(text for row in pair.rows for text in (row.question, *row.options))


def task_name(benchmark: str, mining: str) -> str:
    """Return the name of a benchmark for harnesses."""
    return f"mmvp_{benchmark}_{mining[:12]}".replace("-", "_")


def write_task(
    to: Path, pairs: Sequence[NumberedPair], read_image: ReadImage, *, place: Path, name: str
) -> None:
    """Write a task folder of lmms-eval; `place` is where the folder will lie in the end."""
    (to / "data").mkdir()
    with pq.ParquetWriter(to / "data" / "test-00000-of-00001.parquet", SCHEMA) as writer:
        for pair in pairs:
            rows = [_task_row(*each, read_image) for each in _questions(pair)]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    mining = pairs[0].rows[0].mining
    data = json.dumps(str(place / "data"), ensure_ascii=False)
    (to / f"{name}.yaml").write_text(TASK.format(name=name, data=data, mining=json.dumps(mining)))
    code = Path(lmms_eval_utils.__file__).read_text().replace(OUR_IMPORT, THEIR_IMPORT)
    (to / "utils.py").write_text(code)
    (to / "mmvp_rules.py").write_text(Path(rules.__file__).read_text())


def write_sheet(
    to: Path, pairs: Sequence[NumberedPair], read_image: ReadImage, *, name: str
) -> None:
    """Write VLMEvalKit's sheet, images as base64."""
    with (to / f"{name}.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*SHEET, "image"], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for pair in pairs:
            for told, image in _questions(pair):
                data, _ = file_of(read_image(image))
                cells = {column: told[name] for column, name in SHEET.items()}
                writer.writerow(cells | {"image": base64.b64encode(data).decode()})


def _questions(pair: NumberedPair) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield what is told of each question, and the id of its image."""
    for number, row in pair.numbered:
        question = numbered_question(number, row)
        yield (
            {
                "number": number,
                "pair": pair.pair,
                "question_id": row.question_id,
                "pair_id": row.pair_id,
                "question": row.question,
                "option_a": question.options[0],
                "option_b": question.options[1],
                "answer": "AB"[question.original],
                "pattern": row.pattern or "other",
                "prompt": prompts.for_letter(question).user,
            },
            row.image,
        )


def _task_row(told: dict[str, Any], image: str, read_image: ReadImage) -> dict[str, Any]:
    data, suffix = file_of(read_image(image))
    return told | {"image": {"bytes": data, "path": f"{told['number']}{suffix}"}}
