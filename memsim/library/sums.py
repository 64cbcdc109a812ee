"""Sums along the rows or the columns of a matrix, as PyTorch's ``reduce_kernel`` forms them.

Source: aten/src/ATen/native/cuda/Reduce.cuh. Along rows, a warp has a row of fewer than 8192 columns and a block of 512
threads a longer one. Along columns, a block of 32 x 16 threads has 128 columns, four of a thread, and where these are
few, several blocks share the rows of a panel and one of them adds up what they found.
"""

from __future__ import annotations

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, ProgramBuilder
from memsim.isa.handles import TensorHandle
from memsim.library.kernel import Kernel
from memsim.library.streams import (
    WARP,
    Formula,
    block_reduction,
    check_sizes,
    resident_threads,
    warp_reduction,
)
from memsim.lowering.values import given, reduced

BLOCK = 512
"""Threads of a block."""
LONG = 8192
"""Columns from which a block has a row, not a warp: 256 elements of a thread."""
PANEL, STEP_ROWS = 128, 64
"""Along columns: columns of a block; rows that its threads read at a time, four each."""
FEW_BLOCKS = 2000
"""Blocks of a program, at most, where a core holds enough rows to put some in one block."""


def reduce(chip: Chip, rows: int, cols: int, dtype: str = "fp32", axis: int = 1) -> Kernel:
    """Y = the sum of X [rows, cols] along an axis: Y [rows] for axis 1, Y [cols] for axis 0. Sums are in fp32.

    Parameters
    ----------
    chip
        What it runs on.
    rows, cols
        Dimensions of X.
    dtype
        Type of X and Y.
    axis
        The one that goes.

    Raises
    ------
    MemsimError
        If there is no such type, size or axis.
    """
    check_sizes("reduce", chip, rows, cols, dtype)
    if axis not in (0, 1):
        raise MemsimError(f"a matrix has no axis {axis!r}", where="reduce", mend="axis=1 sums along rows, axis=0 down")
    return _along_rows(chip, rows, cols, dtype) if axis == 1 else _along_columns(chip, rows, cols, dtype)


def _along_rows(chip: Chip, rows: int, cols: int, dtype: str) -> Kernel:
    threads = WARP if cols < LONG else BLOCK
    held = max(1, resident_threads(chip) // threads)
    group = 1
    while group * 4 <= held and rows > group * FEW_BLOCKS:
        group *= 2
    slots = held // group
    latency = warp_reduction() if threads == WARP else block_reduction(threads)
    builder = ProgramBuilder("reduce")
    x = given("x", frozenset({0, 1}), dtype)
    formula = Formula(reduced("sum", x, 1), {"x": x}, (group, cols))
    source, result = builder.tensor("X", dtype, (rows, cols)), builder.tensor("Y", dtype, (rows,))
    cut, blocks = rows % group > 0, -(-rows // group)
    with builder.kernel("reduce", grid={"b": blocks}, occupancy=slots) as kernel:
        (block,) = kernel.coordinates
        tile, total = kernel.ring("x", "reg", dtype, (group, cols)), kernel.ring("y", "reg", dtype, (group, 1))
        with kernel.queue("load"):
            tile.load(source[block * group, 0], clip=cut)
        with kernel.queue("compute"):
            formula.write(kernel, "s", {"x": tile}, total)
            tile.pop()
            total.push()
        with kernel.queue("store"):
            result[block * group].store(total, clip=cut)
            total.pop()
    text = f"{blocks} groups of {group} rows, {slots} on a core"
    return Kernel(builder.build(verify=False), _roomy(chip, slots * group * (cols + 2) * 4, latency), text)


def _along_columns(chip: Chip, rows: int, cols: int, dtype: str) -> Kernel:
    panel, step = min(PANEL, cols), min(STEP_ROWS, rows)
    panels, steps = -(-cols // panel), -(-rows // step)
    slots = max(1, resident_threads(chip) // BLOCK)
    shares = max(1, min(steps, chip.core_count * slots // panels))
    builder = ProgramBuilder("reduce")
    source, result = builder.tensor("X", dtype, (rows, cols)), builder.tensor("Y", dtype, (cols,))
    if shares == 1:
        _panels(builder, "reduce", source, result, (panel, step, 1), slots)
    else:
        part = builder.tensor("part", "fp32", (shares, cols))
        _panels(builder, "reduce", source, part, (panel, step, shares), slots)
        _panels(builder, "join", part, result, (panel, shares, 1), slots)
    rows_held = max(step, shares)
    program: Program = builder.build(verify=False)
    text = f"{panels} panels of {panel} columns, {shares} blocks each, {slots} on a core"
    return Kernel(program, _roomy(chip, slots * panel * (rows_held + 2) * 8, block_reduction(BLOCK)), text)


def _panels(
    builder: ProgramBuilder,
    name: str,
    source: TensorHandle,
    result: TensorHandle,
    sizes: tuple[int, int, int],
    slots: int,
) -> None:
    """A kernel that sums panels: each of some blocks adds up every so many-th step of rows."""
    panel, step, shares = sizes
    rows, cols = source.tensor.shape
    steps, dtype = -(-rows // step), source.tensor.dtype
    wide = cols % panel > 0
    with builder.kernel(name, grid={"s": shares, "p": -(-cols // panel)}, occupancy=slots) as kernel:
        share, place = kernel.coordinates
        tile, part, total, y = (
            kernel.ring("x", "reg", dtype, (step, panel)),
            kernel.ring("part", "reg", "fp32", (1, panel)),
            kernel.ring("total", "reg", "fp32", (1, panel)),
            kernel.ring("y", "reg", result.tensor.dtype, (1, panel)),
        )
        turns = (steps - share + shares - 1) // shares
        with kernel.queue("load"), kernel.loop("i", turns) as turn:
            tile.load(source[(turn * shares + share) * step, place * panel], clip=wide or rows % step > 0)
        with kernel.queue("compute"):
            total.fill(0)
            with kernel.loop("i", turns):
                part.reduce("sum", tile, axis=0)
                total.set("add", total, part)
                tile.pop()
            y.set("cast", total)
            y.push()
        with kernel.queue("store"):
            target = result[share, place * panel] if len(result.tensor.shape) == 2 else result[place * panel]
            target.store(y, clip=wide)
            y.pop()


def _roomy(chip: Chip, held: int, latency: int) -> Chip:
    """The chip with registers for what lies there whole, and the latency of these reductions."""
    capacity = max(chip.core.reg.capacity, held)
    return chip.replace({"core.reg.capacity": capacity, "core.vector.reduce_latency": f"{latency} cycles"})
