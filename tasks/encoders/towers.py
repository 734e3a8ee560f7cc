"""Run a torch model the same way every time: read weights, seed, move, forward.

Put here: what all libraries' models share once torch is needed.
Keep out: which model that is (one module a library, beside this one).

Shapes:
    B  images in a pass    S  side of the input    C  the three channels    D  width of a vector
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tasks.encoders.files import check_pickle
from tasks.encoders.recipes import Recipe
from tasks.encoders.registry import SEED, Forward, TextForward
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


class Tower(nn.Module):
    """A model from pixels (B, S, S, 3) uint8 to rows in float32, normalised where it runs."""

    mean: Tensor
    std: Tensor
    shift: Tensor | None

    def __init__(
        self,
        module: nn.Module,
        embed: Callable[[Tensor], Tensor],
        recipe: Recipe,
        dtype: torch.dtype,
        shift: Tensor | None,
    ) -> None:
        super().__init__()
        self.module = module.eval().requires_grad_(requires_grad=False).to(dtype)
        self.dtype = dtype
        self._embed = embed
        self.register_buffer("mean", torch.tensor(recipe.mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(recipe.std).reshape(-1, 1, 1))
        self.register_buffer("shift", None if shift is None else shift.float())

    def forward(self, pixels_BSSC: Tensor) -> Tensor:
        """Return one row an image, not yet of unit length."""
        rows = self._embed(self.normalise(pixels_BSSC).to(self.dtype)).float()
        return rows if self.shift is None else rows - self.shift

    def normalise(self, pixels_BSSC: Tensor) -> Tensor:
        """Return the model's input (B, 3, S, S) float32, to the bit that of torchvision."""
        pixels = pixels_BSSC.permute(0, 3, 1, 2).contiguous().float() / 255
        return (pixels - self.mean) / self.std


def run_on(
    module: nn.Module,
    embed: Callable[[Tensor], Tensor],
    config: EncoderConfig,
    device: Device,
    recipe: Recipe,
    *,
    mean_D: Tensor | None = None,
) -> Forward:
    """Put `module` on a device, in the precision asked for, and return its forward pass.

    `mean_D` is subtracted from each row, in float32.

    Raises:
        ValueError: if there is no such device, or the backend does not run there.
    """
    _check_device(device, config)
    if config.backend == "openvino":
        from tasks.encoders.openvino import compile_tower

        return compile_tower(
            Tower(module, embed, recipe, torch.float32, mean_D), recipe.crop_px, config
        )
    dtype: torch.dtype = getattr(torch, config.dtype)
    tower = Tower(module, embed, recipe, dtype, mean_D).to(device)

    def forward(pixels_BSSC: NDArray[np.uint8]) -> Tensor:
        _exact_kernels()
        pixels = torch.from_numpy(pixels_BSSC)
        with torch.inference_mode(), _plain_memory_errors():
            if device == "cuda":
                pixels = pixels.pin_memory().to(device, non_blocking=True)
            rows: Tensor = tower(pixels)
        return rows

    return forward


def run_texts(
    module: nn.Module,
    encode: Callable[[Sequence[str], Device], Tensor],
    config: EncoderConfig,
    device: Device,
) -> TextForward:
    """Put a text tower on a device, in float32, and return its forward pass.

    Raises:
        ValueError: if there is no such device.
    """
    _check_device(device, config)
    module.eval().requires_grad_(requires_grad=False).float().to(device)

    def forward(texts: Sequence[str]) -> NDArray[np.float32]:
        _exact_kernels()
        with torch.inference_mode(), _plain_memory_errors():
            rows_ND: NDArray[np.float32] = encode(texts, device).float().cpu().numpy()
        return rows_ND

    return forward


def _check_device(device: Device, config: EncoderConfig) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        message = f"encoder {config.spec!r} should run on 'cuda', but torch finds no GPU; use 'cpu'"
        raise ValueError(message)


@contextmanager
def _plain_memory_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        is_gpu = isinstance(error, torch.OutOfMemoryError)
        if not is_gpu and "can't allocate memory" not in str(error):
            raise
        if is_gpu:
            torch.cuda.empty_cache()  # of blocks that a smaller pass cannot use
        raise MemoryError(str(error)) from error


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
