"""LLVM code of the two inner loops: products of int8 codes by tile, and a dot product in float64.

Put here: what Python cannot say and LLVM does not find by itself: vectors and their instructions.
Keep out: loops over rows and pairs (`scan`, `verify`).

`block_of` returns the test of `ROWS` x `panel` pairs of codes at once, all sums in registers.
`dot_of` returns a dot product whose additions have one order, whatever the machine: the vectors
are LLVM's own, which it splits where registers are narrower.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS: Final = 6
"""Rows of a block: with four vectors of columns 24 of the 32 registers hold sums."""

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
DOUBLE = ir.DoubleType()
LANES: Final = 8
SUMS: Final = 4


class Shape(NamedTuple):
    """A block's vectors: `groups` of `lanes` int32 sums for each row."""

    lanes: int
    groups: int

    @property
    def panel(self) -> int:
        """Columns of a block."""
        return self.lanes * self.groups


WIDE: Final = Shape(lanes=16, groups=4)
NARROW: Final = Shape(lanes=8, groups=2)

Multiply = Callable[[Any, Shape, Any, Any, Any], Any]
"""Adds to each sum the products of the codes in its four bytes: of a column and a row."""


def multiply_bytes(builder: Any, shape: Shape, total: Any, column: Any, row: Any) -> Any:
    """Four products of an unsigned and a signed byte a sum: VNNI's vpdpbusd."""
    words = ir.VectorType(I32, shape.lanes)
    codes = ir.VectorType(I8, 4 * shape.lanes)
    operand = codes if llvmlite.binding.llvm_version_info[0] >= 22 else words
    name = f"llvm.x86.avx512.vpdpbusd.{32 * shape.lanes}"
    function = builder.module.declare_intrinsic(
        name, (), ir.FunctionType(words, (words, operand, operand))
    )
    operands = [builder.bitcast(value, operand) for value in (column, row)]
    return builder.call(function, [total, *operands])


def multiply_shorts(builder: Any, shape: Shape, total: Any, column: Any, row: Any) -> Any:
    """Two products of signed int16 a sum: AVX2's vpmaddwd, and an addition."""
    words, codes = ir.VectorType(I32, shape.lanes), ir.VectorType(I16, 2 * shape.lanes)
    function = builder.module.declare_intrinsic(
        "llvm.x86.avx2.pmadd.wd", (), ir.FunctionType(words, (codes, codes))
    )
    operands = [builder.bitcast(value, codes) for value in (column, row)]
    return builder.add(total, builder.call(function, operands))


def block_of(shape: Shape, multiply: Multiply) -> Any:
    """Return the intrinsic `block(rows, starts, panel, biases, masks, row_bytes) -> any`.

    All but the last are addresses: of the codes of `ROWS` rows, of the int32 each row's sums start
    from, of a panel of columns and their int32 biases, and of `ROWS` uint64 for the result. A pair
    passes if start - bias + products >= 0; bit c of a row's mask is column c. Masks are written
    only if any pair passes.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        rows, starts, panel, biases, masks, row_bytes = arguments
        sums = _start(builder, shape, starts, biases)
        _accumulate(builder, shape, multiply, sums, rows, panel, row_bytes)
        loaded = [[builder.load(cell) for cell in row] for row in sums]
        return _report(builder, shape, loaded, masks)

    @intrinsic  # type: ignore[untyped-decorator]
    def block(
        typing: Any, rows: Any, starts: Any, panel: Any, biases: Any, masks: Any, row_bytes: Any
    ) -> Any:
        return types.boolean(*[types.int64] * 6), generate

    return block


def _start(builder: Any, shape: Shape, starts: Any, biases: Any) -> list[list[Any]]:
    """Set each pair's sum to its row's start less its column's bias."""
    vector = ir.VectorType(I32, shape.lanes)
    bias = [_load(builder, biases, 4 * shape.lanes * g, vector, 4) for g in range(shape.groups)]
    sums = []
    for row in range(ROWS):
        start = _splat(builder, _load(builder, starts, 4 * row, I32, 4), vector)
        sums.append([cgutils.alloca_once(builder, vector) for _ in bias])
        for cell, less in zip(sums[-1], bias, strict=True):
            builder.store(builder.sub(start, less), cell)
    return sums


def _accumulate(
    builder: Any,
    shape: Shape,
    multiply: Multiply,
    sums: list[list[Any]],
    rows: Any,
    panel: Any,
    row_bytes: Any,
) -> None:
    """Add the products of all codes, four bytes of each row and column at a time."""
    vector = ir.VectorType(I32, shape.lanes)
    with cgutils.for_range(builder, builder.udiv(row_bytes, I64(4)), intp=I64) as loop:
        at = builder.add(panel, builder.mul(loop.index, I64(4 * shape.panel)))
        columns = [_load(builder, at, 4 * shape.lanes * g, vector, 4) for g in range(shape.groups)]
        for number, row in enumerate(sums):
            start = builder.add(rows, builder.mul(row_bytes, I64(number)))
            place = builder.add(start, builder.mul(loop.index, I64(4)))
            codes = _splat(builder, _load(builder, place, 0, I32, 1), vector)
            for cell, column in zip(row, columns, strict=True):
                total = multiply(builder, shape, builder.load(cell), column, codes)
                builder.store(total, cell)


def _report(builder: Any, shape: Shape, sums: list[list[Any]], masks: Any) -> Any:
    """Return whether any sum is not negative, and write the masks if so."""
    vector, bits = ir.VectorType(I32, shape.lanes), ir.IntType(shape.lanes)
    zero = ir.Constant(vector, [0] * shape.lanes)
    both = sums[0][0]
    for row in sums:
        for total in row:
            both = builder.and_(both, total)  # negative only where all are
    negative = builder.bitcast(builder.icmp_signed("<", both, zero), bits)
    hit = builder.icmp_unsigned("!=", negative, ir.Constant(bits, -1))
    with builder.if_then(hit, likely=False):
        for number, row in enumerate(sums):
            mask = ir.Constant(I64, 0)
            for group, total in enumerate(row):
                passes = builder.bitcast(builder.icmp_signed(">=", total, zero), bits)
                wide = builder.shl(builder.zext(passes, I64), I64(group * shape.lanes))
                mask = builder.or_(mask, wide)
            builder.store(mask, _at(builder, masks, 8 * number, I64))
    return hit


def dot_of(number: Any) -> Any:
    """Return the intrinsic `dot(one, other, width)` of rows of an LLVM float type, by address.

    Element 32 n + 8 s + l is added to lane l of sum s; what is left of whole groups of eight goes
    to sum 0, the rest to a sum of its own.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return _dot(builder, number, *arguments)

    @intrinsic  # type: ignore[untyped-decorator]
    def dot(typing: Any, one: Any, other: Any, width: Any) -> Any:
        return types.float64(*[types.int64] * 3), generate

    return dot


def _dot(builder: Any, number: Any, one: Any, other: Any, width: Any) -> Any:
    vector, step = ir.VectorType(DOUBLE, LANES), LANES * SUMS
    zeros = ir.Constant(vector, [0.0] * LANES)
    sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(SUMS)]
    rest = cgutils.alloca_once_value(builder, DOUBLE(0.0))

    def add(cell: Any, first: Any, lanes: int) -> None:
        products = builder.fmul(
            *(_wide(builder, row, first, number, lanes) for row in (one, other))
        )
        builder.store(builder.fadd(builder.load(cell), products), cell)

    whole = builder.mul(builder.udiv(width, I64(step)), I64(step))
    eights = builder.mul(builder.udiv(width, I64(LANES)), I64(LANES))
    with cgutils.for_range_slice(builder, I64(0), whole, I64(step), intp=I64) as (index, _):
        for place, cell in enumerate(sums):
            add(cell, builder.add(index, I64(place * LANES)), LANES)
    with cgutils.for_range_slice(builder, whole, eights, I64(LANES), intp=I64) as (index, _):
        add(sums[0], index, LANES)
    with cgutils.for_range_slice(builder, eights, width, I64(1), intp=I64) as (index, _):
        add(rest, index, 1)
    totals = [builder.load(cell) for cell in sums]
    halves = [builder.fadd(totals[0], totals[1]), builder.fadd(totals[2], totals[3])]
    total = builder.fadd(*halves)
    lanes = [builder.extract_element(total, I32(lane)) for lane in range(LANES)]
    while len(lanes) > 1:
        lanes = [builder.fadd(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
    return builder.fadd(lanes[0], builder.load(rest))


def _wide(builder: Any, row: Any, first: Any, number: Any, lanes: int) -> Any:
    """Load elements of a row as float64: one, or a vector of them."""
    size = {"half": 2, "float": 4, "double": 8}[str(number)]
    kind, wide = (
        (number, DOUBLE) if lanes == 1 else (ir.VectorType(t, lanes) for t in (number, DOUBLE))
    )
    at = builder.add(row, builder.mul(first, I64(size)))
    loaded = _load(builder, at, 0, kind, size)
    return loaded if str(kind) == str(wide) else builder.fpext(loaded, wide)


def _at(builder: Any, base: Any, offset: int, kind: Any) -> Any:
    return builder.inttoptr(builder.add(base, I64(offset)), kind.as_pointer())


def _load(builder: Any, base: Any, offset: int, kind: Any, align: int) -> Any:
    loaded = builder.load(_at(builder, base, offset, kind))
    loaded.align = align
    return loaded


def _splat(builder: Any, value: Any, vector: Any) -> Any:
    empty = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(empty, value, I32(0))
    return builder.shuffle_vector(
        first, empty, ir.Constant(ir.VectorType(I32, vector.count), [0] * vector.count)
    )


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(typing: Any, mask: Any) -> Any:
    """Return the place of the lowest bit that is set, of a mask that is not 0."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], I1(0))

    return types.int64(types.uint64), generate
