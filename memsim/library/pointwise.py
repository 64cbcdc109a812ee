"""Elementwise kernels as PyTorch launches them: 128 threads a block, four elements each, loads as wide as they can be.

``vectorized_elementwise_kernel`` of PyTorch (aten/src/ATen/native/cuda/CUDALoops.cuh) gives each block 512 neighbouring
elements, and an SM holds as many blocks as its threads allow. A block of the tile program stands for one of these, or,
where there are many thousands, for a power of two of them that an SM would hold together: so a tensor of any size is a
few thousand transfers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, ProgramBuilder
from memsim.isa.lexical import nearest
from memsim.library.kernel import Kernel
from memsim.library.streams import Formula, check_sizes, check_type, resident_threads, size_of
from memsim.lowering.values import LOG2_E, Value, apply, function, given

THREAD_ELEMENTS = 4
"""Elements of a thread: PyTorch's ``thread_work_size``."""
BLOCK_ELEMENTS = 128 * THREAD_ELEMENTS
"""Elements of a block of 128 threads: PyTorch's ``block_work_size``."""
FEW_BLOCKS = 8192
"""Blocks of a program at most, as long as an SM holds two of them: what a simulation costs goes with their number."""


def _gelu_erf(x: Value) -> Value:
    """``x (1 + erf(x / sqrt 2)) / 2``, PyTorch's default form.

    Its erf is Abramowitz and Stegun's 7.1.26, within 1.5e-7: for u >= 0, 1 - erf(u) is exp(-u^2) times a polynomial of
    t = 1 / (1 + 0.3275911 u). CUDA's ``erff`` takes about as many instructions.
    """
    u = apply("mul", apply("abs", x), 0.3275911 / math.sqrt(2))
    t = apply("recip", apply("add", u, 1.0))
    tail: Value = apply("add", apply("mul", t, 1.061405429), -1.453152027)
    for coefficient in (1.421413741, -0.284496736, 0.254829592):
        tail = apply("add", apply("mul", tail, t), coefficient)
    tail = apply("mul", tail, t)
    tail = apply("mul", tail, apply("exp2", apply("mul", apply("mul", x, x), -LOG2_E / 2)))
    twice = apply("where", apply("ge", x, 0.0), apply("sub", 2.0, tail), tail)
    return apply("mul", apply("mul", x, 0.5), twice)


UNARY: dict[str, Callable[[Value], Value]] = {
    "copy": lambda x: apply("cast", x),
    "cast": lambda x: apply("cast", x),
    "neg": lambda x: apply("neg", x),
    "abs": lambda x: apply("abs", x),
    "scale": lambda x: apply("mul", x, 0.2),
    "relu": partial(function, "relu"),
    "gelu": _gelu_erf,
    "gelu_tanh": partial(function, "gelu"),
    "silu": partial(function, "silu"),
    "tanh": partial(function, "tanh"),
    "sigmoid": partial(function, "sigmoid"),
    "exp": partial(function, "exp"),
    "log": partial(function, "log"),
    "sqrt": lambda x: apply("sqrt", x),
    "rsqrt": lambda x: apply("rsqrt", x),
}
"""Operators of X. ``gelu`` is the erf form, ``scale`` is STREAM's."""
BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "add": partial(apply, "add"),
    "sub": partial(apply, "sub"),
    "mul": partial(apply, "mul"),
    "div": partial(function, "div"),
    "max": partial(apply, "max"),
    "min": partial(apply, "min"),
    "silu_mul": lambda x, y: apply("mul", function("silu", x), y),
    "triad": lambda x, y: apply("add", apply("mul", y, 0.2), x),
}
"""Operators of X and X2. ``silu_mul`` is SwiGLU's, ``triad`` is STREAM's."""


def elementwise(chip: Chip, op: str, rows: int, cols: int, dtype: str = "fp32", to: str | None = None) -> Kernel:
    """Y = op(X) or op(X, X2), each a vector of ``rows * cols`` elements.

    Parameters
    ----------
    chip
        What it runs on.
    op
        A name from `UNARY` or `BINARY`.
    rows, cols
        The tensors' dimensions; they are contiguous, so only the product matters.
    dtype
        Type of the operands: fp32, fp16 or bf16. Arithmetic is in fp32.
    to
        Type of the result; as ``dtype`` unless given.

    Raises
    ------
    MemsimError
        If there is no such operator, type or size.
    """
    check_sizes("elementwise", chip, rows, cols, dtype)
    to = dtype if to is None else to
    check_type("elementwise", to)
    names = {**UNARY, **BINARY}
    if op not in names:
        raise MemsimError(f"no operator {op!r}", where="elementwise", mend=nearest(op, names))
    total = rows * cols
    tile, slots = _tiling(chip, op, total, dtype, to)
    program = _program(op, total, tile, slots, dtype, to)
    return Kernel(program, chip, f"{-(-total // tile)} blocks of {tile} elements, {slots} on a core")


def _value(op: str, dtype: str) -> tuple[Value, dict[str, Value]]:
    """The operator's formula and its operands."""
    operands = {name: given(name, frozenset({0}), dtype) for name in (("x", "x2") if op in BINARY else ("x",))}
    if op in BINARY:
        return BINARY[op](operands["x"], operands["x2"]), operands
    return UNARY[op](operands["x"]), operands


def _tiling(chip: Chip, op: str, total: int, dtype: str, to: str) -> tuple[int, int]:
    """Elements of a block, and blocks that a core holds."""
    value, operands = _value(op, dtype)
    held = resident_threads(chip) * THREAD_ELEMENTS
    registers = chip.core.reg.capacity or 0
    tile = BLOCK_ELEMENTS
    while True:
        slots = max(2, held // tile)
        each = Formula(value, operands, (tile,)).scratch_bytes + tile * (len(operands) * size_of(dtype) + size_of(to))
        if tile > 1 and each * 2 > registers:  # a core with few registers: fewer elements at a time
            return max(1, tile // 2 * registers // (each * 2)), 2
        if total <= tile * FEW_BLOCKS or 2 * 2 * each > registers:
            return tile, max(2, min(slots, registers // each))
        tile *= 2


def _program(op: str, total: int, tile: int, slots: int, dtype: str, to: str) -> Program:
    """Loads, arithmetic and a store for each tile; the last may be cut."""
    value, operands = _value(op, dtype)
    formula = Formula(value, operands, (tile,))
    cut = total % tile > 0
    builder = ProgramBuilder(op)
    tensors = {name: builder.tensor(name.upper(), dtype, (total,)) for name in operands}
    result = builder.tensor("Y", to, (total,))
    with builder.kernel(op, grid={"b": -(-total // tile)}, occupancy=slots) as kernel:
        (block,) = kernel.coordinates
        rings = {name: kernel.ring(name, "reg", dtype, (tile,)) for name in operands}
        y = kernel.ring("y", "reg", to, (tile,))
        with kernel.queue("load"):
            for name, ring in rings.items():
                ring.load(tensors[name][block * tile], clip=cut)
        with kernel.queue("compute"):
            formula.write(kernel, "t", rings, y)
            for ring in rings.values():
                ring.pop()
            y.push()
        with kernel.queue("store"):
            result[block * tile].store(y, clip=cut)
            y.pop()
    return builder.build()
