"""Argilla: pairs as records that people answer, and what they answered as forms.

Put here: settings and records as Argilla's client reads them from disk; responses read.
Keep out: what a form is (`forms`, beside this file).

Source: the files that `argilla.Dataset.to_disk` of argilla 2.8 writes.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tasks.exporting.benchmark_pairs import NumberedPair, file_of
from tasks.exporting.forms import (
    CHOICES,
    GUIDE,
    NAMES,
    TEXTS,
    Filled,
    form_of,
    read_form,
    read_objects,
)
from tasks.exporting.material import Material

RECORDS: Final = "records.json"
FOLDER: Final = ".argilla"
FIELDS: Final = ("image_a", "image_b")
_TYPES: Final = {".jpg": "image/jpeg", ".png": "image/png"}


def write_records(to: Path, pairs: Sequence[NumberedPair], material: Material, name: str) -> None:
    """Write the folder that `Dataset.from_disk` reads; images are part of the records."""
    (to / FOLDER).mkdir()
    _write(to / FOLDER / "settings.json", settings())
    _write(to / FOLDER / "dataset.json", {"name": name, "status": "ready"})
    _write(to / RECORDS, [_record(pair, material) for pair in pairs])


def settings() -> dict[str, Any]:
    """Return the fields and questions of the records."""
    texts = [
        _question(name, {"type": "text", "use_markdown": False}, not name.startswith("statement"))
        for name in TEXTS
    ]
    choices = [
        _question(
            name,
            {
                "type": "label_selection",
                "options": [{"value": v, "text": v, "description": None} for v in values],
                "visible_options": len(values) if len(values) > 2 else None,
            },
            required=True,
        )
        for name, values in CHOICES.items()
    ]
    terms = {"type": "terms", "values": None}
    return {
        "guidelines": GUIDE,
        "fields": [
            {"name": name, "title": _title(name), "required": True, "settings": {"type": "image"}}
            for name in FIELDS
        ],
        "questions": [*texts, *choices],
        "metadata": [
            *(
                {"name": f"{n}_id" if n in FIELDS else n, "title": n, "settings": terms}
                for n in NAMES
            ),
            *(
                {"name": n, "title": n, "settings": {"type": "float", "min": -1.0, "max": 1.0}}
                for n in ("clip_cosine", "ssl_cosine")
            ),
        ],
        "vectors": [],
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _question(name: str, kind: Mapping[str, Any], required: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "name": name,
        "title": _title(name),
        "description": None,
        "required": required,
        "settings": dict(kind),
    }


def _title(name: str) -> str:
    return name.replace("_", " ")


def _record(pair: NumberedPair, material: Material) -> dict[str, Any]:
    form = asdict(form_of(pair))
    images = [file_of(material.read_image(row.image)) for row in pair.rows]
    metadata = {f"{n}_id" if n in FIELDS else n: form[n] for n in NAMES}
    cosines = material.cosines_of(pair)
    if cosines is not None:
        metadata |= {"clip_cosine": cosines.clip, "ssl_cosine": cosines.ssl}
    return {
        "id": form["pair_id"],
        "fields": {
            name: f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
            for name, (data, suffix) in zip(FIELDS, images, strict=True)
        },
        "metadata": metadata,
        "suggestions": {
            name: {"value": form[name], "score": None, "agent": "mmvp"}
            for name in (*TEXTS, *CHOICES)
            if form[name]
        },
        "responses": {},
        "vectors": {},
        "status": "pending",
    }


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_records(file: Path) -> list[Filled]:
    """Return what people answered, from `records.json` or the folder of it, in its order.

    Raises:
        ValueError: if the file is no such file, or a response is of another form.
    """
    file = file / RECORDS if file.is_dir() else file
    records = read_objects(file, "is no list of records; write it with Dataset.to_disk")
    return [filled for record in records for filled in _filled(record, str(file))]


def _filled(record: Mapping[str, Any], file: str) -> Iterator[Filled]:
    where = f"{file!r}, record {record.get('id')!r}"
    by_person: dict[str, dict[str, str]] = defaultdict(dict)
    try:
        named = {n: record["metadata"].get(f"{n}_id" if n in FIELDS else n) for n in NAMES}
        for question, responses in (record.get("responses") or {}).items():
            for response in responses:
                by_person[str(response["user_id"])][question] = response["value"]
    except (KeyError, TypeError, AttributeError) as error:
        message = f"{where}: a response of another form ({type(error).__name__}: {error})"
        raise ValueError(message) from error
    for person, fields in by_person.items():
        yield Filled(f"people:{person}", read_form({**named, **fields}, where))
