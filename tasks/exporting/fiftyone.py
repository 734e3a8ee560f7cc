"""A FiftyOne dataset on disk: a sample an image, its question and its pair beside it.

Put here: the files `metadata.json`, `samples.json` and `data`, which no database is needed for.
Keep out: numbering (`benchmark_pairs`, beside this file).

Source: `fiftyone.types.LegacyFiftyOneDataset` of fiftyone 1.22, whose files hold no version of a
database's documents; fields are inferred when it is read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tasks.exporting.benchmark_pairs import NumberedPair, file_of
from tasks.exporting.material import Material

DATA: Final = "data"


def write_samples(
    to: Path, pairs: Sequence[NumberedPair], material: Material, record: Mapping[str, Any]
) -> None:
    """Write images and samples; two samples with the same `pair_id` are a pair."""
    (to / DATA).mkdir()
    samples = [sample for pair in pairs for sample in _samples(to, pair, material)]
    about = {"name": record["name"], "media_type": "image", "info": dict(record)}
    for name, value in (("metadata", about), ("samples", {"samples": samples})):
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        (to / f"{name}.json").write_text(text, encoding="utf-8")


def _samples(to: Path, pair: NumberedPair, material: Material) -> Iterator[dict[str, Any]]:
    cosines = material.cosines_of(pair)
    for number, row in pair.numbered:
        data, suffix = file_of(material.read_image(row.image))
        place = f"{DATA}/{number}{suffix}"
        (to / place).write_bytes(data)
        origin = material.origin(row.image)
        yield {
            "filepath": place,
            "tags": [row.benchmark],
            "number": number,
            "pair": pair.pair,
            "pair_id": row.pair_id,
            "question_id": row.question_id,
            "image_id": row.image,
            "question": row.question,
            "options": list(row.options),
            "answer": _label(row.answer),
            "pattern": _label(row.pattern),
            "statement": row.statement,
            "written_from": row.source,
            "clip_cosine": cosines.clip if cosines else None,
            "ssl_cosine": cosines.ssl if cosines else None,
            "corpus": origin.corpus,
            "path": origin.path,
            **origin.rights._asdict(),
        }


def _label(text: str | None) -> dict[str, Any] | None:
    return None if text is None else {"_cls": "Classification", "label": text}
