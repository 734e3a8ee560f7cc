"""The trainings of the study: the arms of the CLIP, and the self-supervised encoder, by seed.

Put here: which trainings there are, running one, its file of weights.
Keep out: what the encoders see (`tasks.probes`), the flow (`flows.encoders`).

A file is named by its arm and seed, holds float16 weights, and says in its metadata how it was
trained. It is written at once or not at all; one that is there and says the same is not made again.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tasks.encoders.tiny import EMBEDDING_MEAN
from tasks.files import write_whole
from tasks.fingerprints import code_digest
from tasks.scenes import caption_words
from tasks.tiny_training.clip import ClipTraining, train_clip
from tasks.tiny_training.ssl import SslTraining, train_ssl

SSL: Final = "ssl"
BLIND: Final = "clip-0.05"
SEEING: Final = "clip-1"
ARMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "clip-0": {"pattern_share": 0.0},
    BLIND: {"pattern_share": 0.05},
    "clip-0.3": {"pattern_share": 0.3},
    "clip-0.6": {"pattern_share": 0.6},
    SEEING: {"pattern_share": 1.0},
    "clip-another": {"pattern_share": 1.0, "is_about_another": True},
}
"""CLIPs that differ in their captions alone: how often these name each of the nine patterns, and
captions as long that name the patterns of another scene."""


class Job(NamedTuple):
    """One training."""

    arm: str
    config: ClipTraining | SslTraining

    @property
    def key(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.arm}-seed{self.config.seed}"


def job_of(arm: str, seed: int, *, steps: int | None = None, **changes: Any) -> Job:
    """Return the training of an arm and seed, of other `steps` and with `changes` if given.

    With fewer steps it draws no more pictures than it looks at.

    Raises:
        ValueError: if there is no such arm.
    """
    if arm != SSL and arm not in ARMS:
        message = f"no encoder {arm!r} to train; there are {', '.join([*ARMS, SSL])}"
        raise ValueError(message)
    full = SslTraining(seed=seed) if arm == SSL else ClipTraining(seed=seed, **ARMS[arm])
    if steps is not None:
        changes["steps"] = (steps - steps // 2, steps // 2) if arm == SSL else steps
        changes.setdefault("pictures", min(full.pictures, steps * full.batch))
    return Job(arm, type(full)(**full.model_dump() | changes))


def train(job: Job, folder: Path, cache: Path) -> Path:
    """Train an encoder unless its file is there; return the file.

    `cache` is a folder for drawn pictures.
    """
    file = folder / f"{job.key}.safetensors"
    recipe = {
        "arm": job.arm,
        "config": job.config.model_dump_json(),
        "code": code_digest("tasks.tiny_training.clip", "tasks.tiny_training.ssl"),
    }
    if not recipe.items() <= read_metadata(file).items():
        state, more = _trained(job, cache)
        content = _packed(state, {**recipe, **more})
        write_whole(file, content)
    return file


def train_all(jobs: Sequence[Job], folder: Path, cache: Path) -> list[Path]:
    """Train encoders one after the other, on one thread; return their files."""
    torch.set_num_threads(1)  # one worker a core; and the number of threads can change bits
    return [train(job, folder, cache) for job in jobs]


def read_metadata(file: Path) -> dict[str, str]:
    """Return what a file says of its training; nothing if there is no such file."""
    try:
        with safe_open(file, "pt") as opened:
            return dict(opened.metadata() or {})
    except (OSError, SafetensorError):
        return {}


def _trained(job: Job, cache: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if isinstance(job.config, SslTraining):
        model, mean_D, losses = train_ssl(job.config, cache)
        state = {**_halved(model.state_dict()), EMBEDDING_MEAN: mean_D}
        return state, {"losses": json.dumps(losses)}
    model, losses = train_clip(job.config, cache)
    words = json.dumps(caption_words())
    return _halved(model.state_dict()), {"losses": json.dumps(losses), "words": words}


def _packed(state: dict[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file whose metadata is in order; `save` writes it in one of chance."""
    content: bytes = save(state)
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:start])
    header = json.dumps({"__metadata__": dict(sorted(metadata.items())), **tensors}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
