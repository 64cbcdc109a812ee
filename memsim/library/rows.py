"""Softmax, layer norm, RMS norm and sums over the rows of a matrix, as PyTorch's kernels do them.

A row belongs to a warp (softmax up to 1024 columns), or to a block of threads. A core holds as many rows at once as its
threads and registers allow; a block of the tile program stands for a few neighbouring ones of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsim.hierarchy import Chip
from memsim.isa import ProgramBuilder
from memsim.isa.builder import KernelBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.library.kernel import Kernel
from memsim.library.streams import WARP, Formula, check_sizes, resident_threads, size_of
from memsim.lowering import values
from memsim.lowering.values import Value, apply, given, reduced

EPS = 1e-5
"""What PyTorch's norms add to the variance."""
FEW_BLOCKS = 3500
"""Blocks of a program, at most, where a core holds enough rows to put some in one block."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows lie on cores."""

    rows: int
    """Rows of a block of the tile program."""
    slots: int
    """Such blocks on a core at once."""


def layout(rows: int, held: int, row_bytes: int, capacity: int) -> Layout:
    """Rows to a block, where a core could hold ``held`` of them at once and has ``capacity`` bytes for them.

    Parameters
    ----------
    rows
        Rows of the matrix.
    held
        Rows that a core's threads can work on.
    row_bytes
        Bytes of all tiles of a row.
    capacity
        Bytes that a core has for tiles.
    """
    held = max(1, min(held, capacity // row_bytes))
    each = 1
    while each * 2 * 2 <= held and rows > each * FEW_BLOCKS:
        each *= 2
    return Layout(each, held // each)


def softmax(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """Y = softmax of each row of X [rows, cols].

    Up to 1024 columns a warp keeps a row in registers (``softmax_warp_forward``). Beyond, a block of up to 1024 threads
    has a row and goes over it three times, of which the second and the third find it in the L1 or in shared memory
    (``cunn_SoftMaxForward``, ``cunn_SoftMaxForwardSmem``).

    Raises
    ------
    MemsimError
        If there is no such type or size.
    """
    check_sizes("softmax", chip, rows, cols, dtype)
    x = given("x", frozenset({0, 1}), dtype)
    y = values.softmax(x, 1)
    if cols <= 1024 and cols * size_of(dtype) <= 4096:
        threads = WARP
        words = max(WARP, 1 << (cols - 1).bit_length()) // WARP
        held = min(resident_threads(chip), 65536 // (words + 24)) // 128 * 4
        memory = "reg"
    else:
        threads = min(1024, -(-cols // WARP) * WARP)
        held = resident_threads(chip) // threads
        memory = "sram"
    return _one_pass(chip, "softmax", rows, cols, dtype, x, y, held, memory)


def _one_pass(
    chip: Chip, name: str, rows: int, cols: int, dtype: str, x: Value, y: Value, held: int, memory: str
) -> Kernel:
    """A row is read once and stays."""
    formula = Formula(y, {"x": x}, (1, cols))
    row_bytes = formula.scratch_bytes + 2 * cols * size_of(dtype)
    place = layout(rows, held, row_bytes, chip.core.reg.capacity or 0)
    formula = Formula(y, {"x": x}, (place.rows, cols))
    builder = ProgramBuilder(name)
    source, result = builder.tensor("X", dtype, (rows, cols)), builder.tensor("Y", dtype, (rows, cols))
    cut = rows % place.rows > 0
    blocks = -(-rows // place.rows)
    with builder.kernel(name, grid={"b": blocks}, occupancy=place.slots) as kernel:
        (block,) = kernel.coordinates
        tile, out = (kernel.ring(n, memory if n == "x" else "reg", dtype, (place.rows, cols)) for n in ("x", "y"))
        with kernel.queue("load"):
            tile.load(source[block * place.rows, 0], clip=cut)
        with kernel.queue("compute"):
            formula.write(kernel, "t", {"x": tile}, out)
            tile.pop()
            out.push()
        with kernel.queue("store"):
            result[block * place.rows, 0].store(out, clip=cut)
            out.pop()
    return Kernel(builder.build(), chip, f"{blocks} blocks of {place.rows} rows, {place.slots} on a core")


def layer_norm(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """Y = (X - mean) / sqrt(variance + eps) * gain + shift, by rows of X [rows, cols].

    ``vectorized_layer_norm_kernel``: a block of 128 threads has a row; it reads it for its mean and variance, and again
    for the result.

    Raises
    ------
    MemsimError
        If there is no such type or size.
    """
    check_sizes("layer_norm", chip, rows, cols, dtype)
    return _two_pass(chip, "layer_norm", rows, cols, dtype)


def rms_norm(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """Y = X / sqrt(mean(X^2) + eps) * gain, by rows of X [rows, cols], in the manner of `layer_norm`.

    Raises
    ------
    MemsimError
        If there is no such type or size.
    """
    check_sizes("rms_norm", chip, rows, cols, dtype)
    return _two_pass(chip, "rms_norm", rows, cols, dtype)


def _two_pass(chip: Chip, name: str, rows: int, cols: int, dtype: str) -> Kernel:
    """A row is read twice: for its statistics, and to be normalised."""
    both, across, along = frozenset({0, 1}), frozenset({1}), frozenset({0})
    x = given("x", both, dtype)
    mean, rate = given("mean", along, "fp32"), given("rate", along, "fp32")
    centred = name == "layer_norm"
    parameters = {n: given(n, across, dtype) for n in (("gain", "shift") if centred else ("gain",))}
    average = values.mean(x, 1, cols)
    spread = apply("sub", x, mean) if centred else x
    variance = values.mean(apply("mul", spread, spread), 1, cols)
    inverse = apply("rsqrt", apply("add", variance, EPS))
    y = apply("mul", apply("mul", apply("sub", x, mean) if centred else x, rate), parameters["gain"])
    y = apply("add", y, parameters["shift"]) if centred else y
    held = resident_threads(chip) // 128

    def formulas(sizes: tuple[int, int]) -> tuple[Formula, Formula, Formula]:
        known = {"x": x, "mean": mean} if centred else {"x": x}
        return (
            Formula(average, {"x": x}, sizes),
            Formula(inverse, known, sizes),
            Formula(y, {**known, "rate": rate, **parameters}, sizes),
        )

    row_bytes = sum(f.scratch_bytes for f in formulas((1, cols))) + (2 + len(parameters)) * cols * size_of(dtype)
    place = layout(rows, held, row_bytes, chip.core.reg.capacity or 0)
    blocks, cut = -(-rows // place.rows), rows % place.rows > 0
    first, second, third = formulas((place.rows, cols))
    builder = ProgramBuilder(name)
    source = builder.tensor("X", dtype, (rows, cols))
    given_tensors = {n: builder.tensor(n, dtype, (cols,)) for n in parameters}
    result = builder.tensor("Y", dtype, (rows, cols))
    with builder.kernel(name, grid={"b": blocks}, occupancy=place.slots) as kernel:
        (block,) = kernel.coordinates
        tile, out = (kernel.ring(n, "reg", dtype, (place.rows, cols)) for n in ("x", "y"))
        rings = {n: kernel.ring(n, "reg", dtype, (1, cols)) for n in parameters}
        m, r = kernel.ring("mean", "reg", "fp32", (place.rows, 1)), kernel.ring("rate", "reg", "fp32", (place.rows, 1))
        with kernel.queue("load"):
            tile.load(source[block * place.rows, 0], clip=cut)
            for n, ring in rings.items():
                ring.load(given_tensors[n][0])
            tile.load(source[block * place.rows, 0], clip=cut)
        with kernel.queue("compute"):
            if centred:
                first.write(kernel, "s", {"x": tile}, m)
            second.write(kernel, "t", {"x": tile, "mean": m}, r)
            tile.pop()
            third.write(kernel, "u", {"x": tile, "mean": m, "rate": r, **rings}, out)
            for ring in (tile, *rings.values()):
                ring.pop()
            out.push()
        with kernel.queue("store"):
            result[block * place.rows, 0].store(out, clip=cut)
            out.pop()
    return Kernel(builder.build(), chip, f"{blocks} blocks of {place.rows} rows, {place.slots} on a core")
