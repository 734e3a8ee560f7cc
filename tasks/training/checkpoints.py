"""What a training is resumed from: folders that are whole, and that belong to it.

Put here: naming, keeping and finding checkpoints; what was trained, to and from a file.
Keep out: optimiser, schedule and random states, which transformers' Trainer writes beside it.

A checkpoint is written in a folder that nothing reads and moved to its name when each process has
written its part, with a list of its files and of what made it. One that misses any is none.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

RECORD: Final = "checkpoint.json"
WEIGHTS: Final = "trained.safetensors"
STATE: Final = "trainer_state.json"
PART: Final = ".part"
START: Final = "checkpoint-"
KEPT: Final = 2

MadeOf = Mapping[str, Any]
"""What decides a run's bits, as JSON."""


def begin(folder: Path) -> Path:
    """Return the folder to write a checkpoint in; what a killed process left there is gone."""
    part = folder / PART
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def finish(folder: Path, step: int, made_of: MadeOf) -> Path:
    """Give the checkpoint of a step that was written its name; drop the oldest of more than two."""
    name = f"{START}{step}"
    part = folder / PART / name
    sizes = {file.name: file.stat().st_size for file in sorted(part.iterdir()) if file.is_file()}
    record = {"step": step, "made_of": made_of, "files": sizes}
    (part / RECORD).write_text(json.dumps(record, indent=1))
    whole = folder / name
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    for old in checkpoints(folder)[:-KEPT]:
        old.rename(folder / PART / old.name)  # at once, so that a kill leaves none half gone
    shutil.rmtree(folder / PART, ignore_errors=True)
    return whole


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints in a folder, oldest step first."""
    found = [each for each in folder.glob(f"{START}*") if _is_whole(each)]
    return sorted(found, key=lambda each: int(each.name.removeprefix(START)))


def last_checkpoint(folder: Path, made_of: MadeOf) -> Path | None:
    """Return the whole checkpoint of the most steps, if there is one.

    Raises:
        ValueError: if it was made of something else; the message names what.
    """
    found = checkpoints(folder)
    if not found:
        return None
    known = _record(found[-1])["made_of"]
    differing = sorted(_differences(known, json.loads(json.dumps(made_of))))
    if differing:
        message = (
            f"{found[-1]} is of another training: {'; '.join(differing[:5])}. To start this one "
            f"anew, give it another folder or remove {folder}"
        )
        raise ValueError(message)
    return found[-1]


def is_last_step(checkpoint: Path) -> bool:
    """Say whether a checkpoint is that of a training's end."""
    state = json.loads((checkpoint / STATE).read_text())
    return bool(state["global_step"] >= state["max_steps"])


def _record(checkpoint: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((checkpoint / RECORD).read_text())
    return record


def _is_whole(checkpoint: Path) -> bool:
    if not checkpoint.name.removeprefix(START).isdecimal():
        return False
    try:
        files = _record(checkpoint)["files"]
        return all((checkpoint / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError):
        return False


def _differences(known: Any, wanted: Any, at: str = "") -> Iterable[str]:
    if isinstance(known, Mapping) and isinstance(wanted, Mapping):
        for key in known.keys() | wanted.keys():
            place = f"{at}.{key}" if at else str(key)
            yield from _differences(known.get(key), wanted.get(key), place)
    elif known != wanted:
        yield f"{at} was {known!r}, now {wanted!r}"


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by name; tied ones once."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def write_trained(
    model: nn.Module, folder: Path, state: Mapping[str, Tensor] | None = None
) -> None:
    """Write what is trained of a model; `state` holds it where the model is in pieces."""
    names = trained(model)
    tensors = names if state is None else {name: state[name] for name in names}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(whole, folder / WEIGHTS, metadata={"format": "pt"})


def read_trained(model: nn.Module, folder: Path) -> None:
    """Read into a model what was trained of it.

    Raises:
        ValueError: if other parameters are trained now, or of other shapes.
    """
    found, wanted = load_file(folder / WEIGHTS), trained(model)
    odd = sorted(found.keys() ^ wanted.keys())
    odd += [
        name for name in found.keys() & wanted.keys() if found[name].shape != wanted[name].shape
    ]
    if odd:
        message = (
            f"{folder / WEIGHTS} holds {len(found)} trained tensors, and {len(wanted)} are trained "
            f"now; they differ in {', '.join(odd[:3])}. Train in another folder"
        )
        raise ValueError(message)
    with torch.no_grad():
        for name, tensor in found.items():
            wanted[name].copy_(tensor)
