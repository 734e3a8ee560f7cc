"""Round mapped vectors to codes, and measure what rounding cost each of them.

Put here: the loop over rows and codes.
Keep out: the map and the proof (`tasks.mining.codes`).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tasks.mining.kernels.compiling import compiled


def quantise(*arguments: Any) -> None:
    """Write codes and biases.

    Takes mapped_NK, (centre, scale, slack, reach), (largest code, least bias), code_NK, bias_N.
    """
    _code()(*arguments)


@cache
def _code() -> Callable[..., Any]:
    return compiled(_quantise)


def _quantise(mapped_NK: Any, book: Any, limits: Any, code_NK: Any, bias_N: Any) -> None:
    centre_K, scale, slack, reach = book
    largest, least = limits
    total, width = mapped_NK.shape
    for n in range(total):
        off = 0.0
        length = 0.0
        for k in range(width):
            exact = (mapped_NK[n, k] - centre_K[k]) * scale
            code = min(max(np.rint(exact), -largest), largest)
            off += (exact - code) ** 2
            length += code**2
            code_NK[n, k] = np.int8(code)
        error = np.sqrt(off) * (1 + 1e-9) + scale * slack
        bias_N[n] = max(np.floor(length / 2 - reach * error - error * error), least)
