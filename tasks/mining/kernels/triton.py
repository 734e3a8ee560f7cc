"""The scan on an NVIDIA GPU: products of codes, the test and the list of pairs in one kernel.

Put here: the Triton kernel and what it takes to launch it.
Keep out: the choice of a kernel (`tasks.mining.kernels`); verification, which stays on the CPU.

Products never reach the GPU's memory, which would bound the scan; only pairs that pass do. This
module is loaded where there is a GPU alone, as torch takes seconds. It has run in Triton's
interpreter; on a GPU it is used only after its self-test there.
"""

from typing import Any, Final

import numpy as np
import torch
import triton
import triton.language as tl
from numpy.typing import NDArray

SIDE: Final = 128
LEAST_CODES: Final = 16
NEVER: Final = 1 << 29
"""The bias of a row that is not there."""


@triton.jit  # type: ignore[untyped-decorator]
def _scan(  # noqa: PLR0913, PLR0917
    rows: Any,
    row_bias: Any,
    columns: Any,
    column_bias: Any,
    constant: Any,
    count: Any,
    found_i: Any,
    found_j: Any,
    room: Any,
    first_i: Any,
    last_i: Any,
    first_j: Any,
    last_j: Any,
    upper: Any,
    codes: tl.constexpr,
    side: tl.constexpr,
    absent: tl.constexpr,
) -> None:
    top = first_i + tl.program_id(1) * side
    left = first_j + tl.program_id(0) * side
    if (upper == 0) | (left + side > top + 1):
        i, j, k = top + tl.arange(0, side), left + tl.arange(0, side), tl.arange(0, codes)
        in_i, in_j = i < last_i, j < last_j
        across = tl.load(rows + i[:, None] * codes + k[None, :], mask=in_i[:, None], other=0)
        down = tl.load(columns + j[None, :] * codes + k[:, None], mask=in_j[None, :], other=0)
        sums = tl.dot(across, down, out_dtype=tl.int32) + constant
        sums -= tl.load(row_bias + i, mask=in_i, other=absent)[:, None]
        sums -= tl.load(column_bias + j, mask=in_j, other=absent)[None, :]
        passes = (sums >= 0) & ((upper == 0) | (j[None, :] > i[:, None]))
        hits = tl.reshape(passes.to(tl.int32), [side * side])
        total = tl.sum(hits, 0)
        if total > 0:
            place = tl.atomic_add(count, total) + tl.cumsum(hits, 0) - hits
            fits = (hits > 0) & (place < room)
            wide_i = tl.reshape(tl.broadcast_to(i[:, None], [side, side]), [side * side])
            wide_j = tl.reshape(tl.broadcast_to(j[None, :], [side, side]), [side * side])
            tl.store(found_i + place, wide_i, mask=fits)
            tl.store(found_j + place, wide_j, mask=fits)


def scans(rows: Any, columns: Any, constant: int, *, device: str = "cuda", side: int = SIDE) -> Any:
    """Return the scan of two blocks' codes, which are copied to the GPU once."""
    sides = [_upload(codes_NK, bias_N, device) for codes_NK, bias_N in (rows, columns)]
    count = torch.zeros(1, dtype=torch.int32, device=device)

    def scan(
        i: slice,
        j: slice,
        room_i: NDArray[np.int32],
        room_j: NDArray[np.int32],
        upper: bool,  # noqa: FBT001
    ) -> int:
        found = torch.empty((2, len(room_i)), dtype=torch.int32, device=device)
        count.zero_()
        grid = (triton.cdiv(j.stop - j.start, side), triton.cdiv(i.stop - i.start, side))
        limits = (len(room_i), i.start, i.stop, j.start, j.stop, int(upper))
        codes = sides[0][0].shape[1]
        _scan[grid](*sides[0], *sides[1], constant, count, *found, *limits, codes, side, NEVER)
        total = int(count.item())
        if total <= len(room_i):
            room_i[:total], room_j[:total] = found[:, :total].cpu().numpy()
        return total

    return scan


def _upload(
    codes_NK: NDArray[np.int8], bias_N: NDArray[np.int32], device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Copy codes, with zeros up to a power of two of them: Triton knows no other widths."""
    width = max(LEAST_CODES, 1 << (codes_NK.shape[1] - 1).bit_length())
    codes = torch.zeros((len(codes_NK), width), dtype=torch.int8)
    codes[:, : codes_NK.shape[1]] = torch.from_numpy(np.ascontiguousarray(codes_NK))
    return codes.to(device), torch.from_numpy(np.ascontiguousarray(bias_N)).to(device)
