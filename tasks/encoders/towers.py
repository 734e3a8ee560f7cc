"""Run a torch model the same way every time: read weights, seed, move, forward.

Put here: what all libraries' models share once torch is needed.
Keep out: which model that is (one module a library, beside this one).

Shapes:
    B  images in a forward pass    S  side of the input    D  width of a vector
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.encoders.files import check_pickle
from tasks.encoders.registry import SEED, Forward
from tasks.encoders.specs import Device, EncoderConfig

_SEEDING = threading.Lock()


@contextmanager
def seeded() -> Iterator[None]:
    """Draw from `SEED` inside and leave the caller's random state as it was.

    One thread at a time, because torch's generator is one for all: two encoders built at once
    would otherwise share its numbers.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        yield


def run_on(
    module: nn.Module,
    embed: Callable[[Tensor], Tensor],
    config: EncoderConfig,
    device: Device,
    *,
    mean_D: Tensor | None = None,
) -> Forward:
    """Put `module` on a device, in the precision asked for, and return its forward pass.

    `mean_D` is subtracted from each vector, in float32.

    Raises:
        ValueError: if there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        message = f"encoder {config.spec!r} should run on 'cuda', but torch finds no GPU; use 'cpu'"
        raise ValueError(message)
    dtype: torch.dtype = getattr(torch, config.dtype)
    module.eval().requires_grad_(requires_grad=False).to(device=device, dtype=dtype)
    shift = None if mean_D is None else mean_D.to(device=device, dtype=torch.float32)

    def forward(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        _exact_kernels()
        with torch.inference_mode():
            rows_BD = embed(torch.from_numpy(pixels).to(device=device, dtype=dtype)).float()
            if shift is not None:
                rows_BD = rows_BD - shift
        rows: NDArray[np.float32] = rows_BD.cpu().numpy()
        return rows

    return forward


def _exact_kernels() -> None:
    """Forbid arithmetic coarser than the dtype, and kernels picked by a stopwatch.

    Set for the whole process and not put back: another thread may be in the middle of a batch.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def read_state(path: Path, config: EncoderConfig) -> dict[str, Tensor]:
    """Read a state dict, from the names `state_dict`, `model` or `teacher` if it is nested there.

    Raises:
        ValueError: if the file is no safetensors file and `allow_pickle` is off, or not readable.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    check_pickle(path, config)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        message = (
            f"weights file {path.name!r} of encoder {config.spec!r} is damaged, "
            f"or holds more than tensors: {error}"
        )
        raise ValueError(message) from error
    for key in ("state_dict", "model", "teacher"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not (isinstance(state, dict) and all(isinstance(v, Tensor) for v in state.values())):
        message = f"weights file {path.name!r} of encoder {config.spec!r} holds no state dict"
        raise ValueError(message)
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def load_state(module: nn.Module, state: dict[str, Tensor], config: EncoderConfig) -> None:
    """Load weights that must fit exactly.

    Raises:
        ValueError: if a tensor is missing, has another shape, or has no place in the model.
    """
    expected = module.state_dict()
    check_fit(
        config,
        missing=expected.keys() - state.keys(),
        unexpected=state.keys() - expected.keys(),
        reshaped=[k for k in expected if k in state and expected[k].shape != state[k].shape],
    )
    module.load_state_dict(state)


def check_fit(
    config: EncoderConfig,
    *,
    missing: Iterable[str],
    unexpected: Iterable[str] = (),
    reshaped: Iterable[str] = (),
) -> None:
    """Refuse weights that are not this model's.

    Raises:
        ValueError: if one of the three is not empty; the message names some of them.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
    parts = []
    for kind, names in kinds.items():
        if found := sorted(names):
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            parts.append(f"{kind}: {', '.join(found[:3])}{more}")
    if parts:
        message = (
            f"the weights of encoder {config.spec!r} are not those of its architecture; "
            f"{'; '.join(parts)}"
        )
        raise ValueError(message)
