"""A Hugging Face dataset: a row a question, with its image, in Parquet that `datasets` loads.

Put here: columns and features, the file, the header of its card.
Keep out: the rest of the card (`benchmark`, beside this file).

Source: huggingface.co/docs/datasets, "Create an image dataset", and the YAML header of cards.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.exporting.benchmark_pairs import NumberedPair, file_of
from tasks.exporting.licences import written
from tasks.exporting.material import Material
from tasks.exporting.sources import NO_LICENCE

FILE: Final = "data/test-00000-of-00001.parquet"

_TYPES: Final[Mapping[str, tuple[pa.DataType, dict[str, Any]]]] = {
    "image": (
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        {"_type": "Image"},
    ),
    "text": (pa.string(), {"dtype": "string", "_type": "Value"}),
    "number": (pa.int64(), {"dtype": "int64", "_type": "Value"}),
    "cosine": (pa.float64(), {"dtype": "float64", "_type": "Value"}),
    "texts": (
        pa.list_(pa.string()),
        {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"},
    ),
}

"""By kind, for Arrow and for `datasets`; of which those before 4 know `Sequence` and no `List`."""

COLUMNS: Final[Mapping[str, str]] = {
    "image": "image",
    "number": "number",
    "pair": "number",
    "question": "text",
    "options": "texts",
    "answer": "text",
    "pattern": "text",
    "statement": "text",
    "attribute": "text",
    "written_from": "text",
    "question_id": "text",
    "pair_id": "text",
    "image_id": "text",
    "corpus": "text",
    "path": "text",
    "licence": "text",
    "source": "text",
    "attribution": "text",
    "clip_cosine": "cosine",
    "ssl_cosine": "cosine",
    "clip": "text",
    "ssl": "text",
    "clip_above": "cosine",
    "ssl_below": "cosine",
    "mining": "text",
}
"""Columns and their kinds; `written_from` says what the question was written from."""

SCHEMA: Final = pa.schema(
    [pa.field(name, _TYPES[kind][0]) for name, kind in COLUMNS.items()],
    metadata={
        "huggingface": json.dumps(
            {"info": {"features": {name: _TYPES[kind][1] for name, kind in COLUMNS.items()}}}
        )
    },
)
"""With the features that the library datasets looks for, so that images are opened as images."""

HUB_LICENCES: Final = frozenset(
    (
        *("apache-2.0", "mit", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0"),
        *("cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0"),
        *("cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "odbl", "odc-by", "pddl"),
    )
)
"""Licences that the hub has a name for; the others are `other`, or `unknown`."""


def write_dataset(to: Path, pairs: Sequence[NumberedPair], material: Material) -> None:
    """Write the Parquet file, a row group a pair."""
    file = to / FILE
    file.parent.mkdir(parents=True)
    with pq.ParquetWriter(file, SCHEMA) as writer:
        for pair in pairs:
            rows = list(_rows(pair, material))
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def _rows(pair: NumberedPair, material: Material) -> Iterator[dict[str, Any]]:
    lineage, cosines = material.lineage, material.cosines_of(pair)
    for number, row in pair.numbered:
        data, suffix = file_of(material.read_image(row.image))
        origin = material.origin(row.image)
        yield {
            "image": {"bytes": data, "path": f"{number}{suffix}"},
            "number": number,
            "pair": pair.pair,
            "question": row.question,
            "options": list(row.options),
            "answer": row.answer,
            "pattern": row.pattern,
            "statement": row.statement,
            "attribute": row.attribute,
            "written_from": row.source,
            "question_id": row.question_id,
            "pair_id": row.pair_id,
            "image_id": row.image,
            "corpus": origin.corpus,
            "path": origin.path,
            **origin.rights._asdict(),
            "clip_cosine": cosines.clip if cosines else None,
            "ssl_cosine": cosines.ssl if cosines else None,
            "clip": lineage.clip,
            "ssl": lineage.ssl,
            "clip_above": lineage.clip_above,
            "ssl_below": lineage.ssl_below,
            "mining": lineage.mining,
        }


def header(record: Mapping[str, Any]) -> str:
    """Return the header of the card, by which the hub and `datasets` find the file."""
    lines = "".join(f"- {name}\n" for name in _hub_licences(record["licences"]))
    questions = 2 * record["pairs"]
    size = next(
        name
        for most, name in (
            *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")),
            (float("inf"), "100K<n<1M"),
        )
        if questions < most
    )
    return (
        f"---\npretty_name: {json.dumps(record['name'])}\nlicense:\n{lines}"
        f"task_categories:\n- visual-question-answering\nsize_categories:\n- {size}\n"
        f"tags:\n- mmvp\n- clip-blind-pairs\n"
        f"configs:\n- config_name: default\n  data_files:\n  - split: test\n"
        f"    path: data/test-*.parquet\n---\n\n"
    )


def _hub_licences(licences: Mapping[str, int]) -> list[str]:
    named = {
        "unknown" if told == NO_LICENCE else name if name in HUB_LICENCES else "other"
        for told in licences
        for name in (written(told),)
    }
    return sorted(named)
