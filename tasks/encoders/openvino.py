"""Run a torch tower with OpenVINO, which makes more of a CPU than torch does.

Put here: turning a tower into OpenVINO's form and running that.
Keep out: towers (`tasks.encoders.towers`); which encoders run so is the config's to say.
"""

import warnings
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tasks.encoders.registry import Forward
from tasks.encoders.specs import EncoderConfig

PRECISIONS: Final = {"float32": "f32", "bfloat16": "bf16"}


def compile_tower(tower: nn.Module, side: int, config: EncoderConfig) -> Forward:
    """Return the forward pass of a tower from pixels (B, S, S, 3) uint8, for any B.

    Raises:
        ValueError: if OpenVINO is not installed, has no such precision, or cannot take the model.
    """
    if config.dtype not in PRECISIONS:
        message = (
            f"encoder {config.spec!r} cannot have dtype {config.dtype!r} with backend 'openvino'; "
            f"it has {' and '.join(PRECISIONS)}"
        )
        raise ValueError(message)
    try:
        import openvino
    except ImportError as error:
        message = (
            f"encoder {config.spec!r} asks for backend 'openvino', which is not installed: "
            f"`uv pip install -e '.[openvino]'`, or use backend 'torch'"
        )
        raise ValueError(message) from error
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    shape = openvino.PartialShape([-1, side, side, 3])
    try:
        with warnings.catch_warnings(action="ignore"):  # of the tracing, about every shape it met
            model = openvino.convert_model(
                tower, example_input=example, input=(shape, openvino.Type.u8)
            )
        compiled = _core().compile_model(model, "CPU", _settings(config))
    except RuntimeError as error:
        message = f"OpenVINO cannot run encoder {config.spec!r}: {error}; use backend 'torch'"
        raise ValueError(message) from error

    def forward(pixels_BSSC: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows_BD: NDArray[np.float32] = compiled(pixels_BSSC)[0]
        return rows_BD.copy()  # the memory is used again for the next pass

    return forward


@cache
def _core() -> Any:
    """Return the process' one Core.

    Each sets the main thread's stack for signals and, when it ends, puts the one before it back. Of
    two that end in the order in which they began, the second puts back a stack that is gone, and
    the next signal kills the process.
    """
    import openvino

    return openvino.Core()


def _settings(config: EncoderConfig) -> dict[str, Any]:  # OpenVINO's own names and values
    return {
        "INFERENCE_PRECISION_HINT": PRECISIONS[config.dtype],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # workers share the cores
    }
