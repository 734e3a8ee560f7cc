"""Which encoders are in a zoo: a list of specs, from a file or as shipped.

Put here: reading lists, what an entry is called.
Keep out: what a spec means (`tasks.encoders.specs`); scoring (`stage`, beside this file).

A list is a text file with a spec a line, where `#` begins a comment, or a JSON file: a list of
specs, or of objects that have a spec, a name, and settings of `EncoderConfig`; or an object whose
`models` is such a list, as `models.json`, beside this file. That has the encoders of the paper's
Table 1, by the specs of `tasks/published/results.json`, and newer ones.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tasks.encoders import EncoderConfig
from tasks.encoders.specs import parse_spec

SHIPPED: Final = Path(__file__).parent / "models.json"


class ZooEntry(BaseModel):
    """An encoder of a list; a spec alone will do."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    encoder: EncoderConfig
    """A dual encoder, by its spec and settings."""

    name: str | None = None
    """What to call it; empty: by its spec."""

    @model_validator(mode="before")
    @classmethod
    def _from_a_spec(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"encoder": {"spec": given}}
        if isinstance(given, dict) and "spec" in given:
            settings = {key: value for key, value in given.items() if key != "name"}
            return {"encoder": settings, "name": given.get("name")}
        return given

    @property
    def key(self) -> str:
        """The spec, with what of the settings is not as usual."""
        plain = EncoderConfig(spec=self.encoder.spec).model_dump()
        changed = {k: v for k, v in self.encoder.model_dump().items() if v != plain[k]}
        for allowed in ("allow_pickle", "trust_remote_code"):  # what may be read, not what it is
            changed.pop(allowed, None)
        return " ".join([self.encoder.spec, *(f"{k}={v}" for k, v in sorted(changed.items()))])

    @property
    def label(self) -> str:
        """The name, or the end of the spec with what is set beside it."""
        if self.name:
            return self.name
        spec = parse_spec(self.encoder.spec)
        model = spec.model.rstrip("/")
        if model.startswith(("/", "./", "../", "~")) or ":" in model:
            model = Path(model).name
        settings = self.key.removeprefix(self.encoder.spec)
        return f"{spec.library}:{model}{settings}"


def read_list(file: Path) -> list[ZooEntry]:
    """Read a list of encoders.

    Raises:
        ValueError: if the file cannot be read, is no list, is empty, or an entry is wrong.
    """
    try:
        text = file.read_text("utf-8")
        if file.suffix != ".json":
            lines = [line.partition("#")[0].strip() for line in text.splitlines()]
            return entries_of([line for line in lines if line], str(file))
        content = json.loads(text)
    except (OSError, ValueError) as error:
        message = (
            f"list of encoders {str(file)!r} cannot be read ({error}); expected a spec a line, or "
            f"JSON as docs/zoo.md shows"
        )
        raise ValueError(message) from error
    found = content.get("models") if isinstance(content, dict) else content
    if not isinstance(found, list):
        message = f"list of encoders {str(file)!r} holds no list; expected one, or its 'models'"
        raise ValueError(message)
    return entries_of(found, str(file))


def entries_of(given: Sequence[Any], where: str) -> list[ZooEntry]:
    """Return entries, each encoder once.

    Raises:
        ValueError: if there is none, or one is wrong; it names the place.
    """
    entries: dict[str, ZooEntry] = {}
    for place, one in enumerate(given, start=1):
        try:
            entry = ZooEntry.model_validate(one)
        except ValidationError as error:
            first = error.errors()[0]
            where_in = ".".join(map(str, first["loc"]))
            message = f"encoder {place} of {where}: {where_in} {first['msg']}, found {one!r}"
            raise ValueError(message) from error
        entries.setdefault(entry.key, entry)
    if not entries:
        message = f"{where} names no encoder; add a spec, for instance open_clip:ViT-L-14/openai"
        raise ValueError(message)
    return list(entries.values())
