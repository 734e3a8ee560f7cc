"""A run described by a file: `mmvp run --config FILE.yaml`, which alone adds a dataset.

Put here: reading the file, checking it, paths relative to it.
Keep out: what the settings mean (the models that they fill), options (`flows.parameters`).

The keys are the parameters of the flow `mmvp`, as in a deployment; an encoder may be its spec
alone, and one corpus a text. An option on the command line goes before the file.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from tasks.corpora.opening import split_name
from tasks.corpora.places import inside, is_uri
from tasks.encoders import EncoderConfig
from tasks.evaluation.candidates import EvaluateConfig
from tasks.ingest import IngestConfig
from tasks.mining.thresholds import MineConfig
from tasks.questions.config import QuestionConfig
from tasks.reporting import ReportConfig
from tasks.training.recipe import TrainConfig
from tasks.workers import WorkersConfig

MOST_BYTES: Final = 2**20


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_encoder(value: Any) -> Any:
    return {"spec": value} if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list)]
Encoder = Annotated[EncoderConfig, BeforeValidator(_as_encoder)]


class RunFile(BaseModel):
    """What a file may set: the parameters of the flow `mmvp`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: Names = []
    train_corpus: Names = []
    clip: Encoder | None = None
    ssl: Encoder | None = None
    control: Encoder | None = None
    through: str | None = None
    reading: IngestConfig = IngestConfig()
    mine: MineConfig = MineConfig()
    questions: QuestionConfig = QuestionConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()
    workers: WorkersConfig = WorkersConfig()
    rehash: bool | None = None


def read_config(place: str) -> dict[str, Any]:
    """Return what a file sets, checked, and nothing that it does not set.

    Raises:
        ValueError: if it cannot be read, is no YAML, or sets something unknown or out of range.
    """
    file = Path(place).expanduser().absolute()
    try:
        text = file.read_bytes()
        if len(text) > MOST_BYTES:
            message = f"{len(text)} bytes, expected at most {MOST_BYTES}"
            raise ValueError(message)
        found = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"configuration {str(file)!r} cannot be read: {' '.join(str(error).split())}"
        raise ValueError(message) from error
    if not isinstance(found, dict):
        kind = type(found).__name__
        message = f"configuration {str(file)!r} holds {kind}, expected keys such as corpus: DIR"
        raise ValueError(message)
    try:
        read = RunFile.model_validate(found)
    except ValidationError as error:
        message = f"configuration {str(file)!r}: {'; '.join(_words(error))}"
        raise ValueError(message) from error
    return _placed(read.model_dump(exclude_unset=True), file.parent)


def _words(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        at = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            known = _known(item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ";"
            yield f"{at} is no setting{hint} known: {', '.join(known)}"
        else:
            yield f"{at}: {item['msg']}, found {item['input']!r}"


def _known(path: tuple[int | str, ...]) -> list[str]:
    """Return the settings that there are below a place in a file."""
    model: Any = RunFile
    for step in path:
        field = model.model_fields.get(step) if step in getattr(model, "model_fields", {}) else None
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        model = next((k for k in kinds if hasattr(k, "model_fields")), EncoderConfig)
    return sorted(model.model_fields)


def _placed(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make relative paths those of the file's folder."""
    for name in ("corpus", "train_corpus"):
        if name in values:
            values[name] = [_corpus(each, folder) for each in values[name]]
    for part, name in (("reading", "captions"), ("evaluate", "prices"), ("questions", "prices")):
        if values.get(part, {}).get(name) is not None:
            values[part][name] = _path(str(values[part][name]), folder)
    return values


def _corpus(name: str, folder: Path) -> str:
    kind, place = split_name(name)
    if not kind and name.startswith("scenes:"):
        return name
    return f"{kind}:{_path(place, folder)}" if kind else _path(place, folder)


def _path(place: str, folder: Path) -> str:
    return place if is_uri(place) else inside(str(folder), str(Path(place).expanduser()))


def given_in(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the file sets that the options name; nothing where they name none."""
    place = options.get("config")
    return read_config(place) if place is not None else {}
