"""Softmax, layer norm and RMS norm over the rows of a matrix, as PyTorch's kernels do them.

A row belongs to a warp (softmax up to 1024 columns), or to a block of threads. A core holds as many rows at once as its
threads and registers allow. A block of the tile program stands for a few neighbouring rows of these, which it keeps
whole: where a GPU's threads have only pieces of them, the program's chip has registers for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from memsim.hierarchy import Chip
from memsim.isa import ProgramBuilder
from memsim.isa.builder import KernelBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.library.kernel import Kernel
from memsim.library.streams import (
    WARP,
    Formula,
    barrier,
    block_reduction,
    check_sizes,
    issue_cycles,
    resident_threads,
    round_trip,
    serial_loads,
    size_of,
    warp_reduction,
)
from memsim.library.sums import reduce
from memsim.lowering import values
from memsim.lowering.spaces import repeat, turns
from memsim.lowering.values import Value, apply, given

__all__ = ["layer_norm", "reduce", "rms_norm", "softmax"]

EPS = 1e-5
"""What PyTorch's norms add to the variance."""
FEW_BLOCKS = 2000
"""Blocks of a program, at most, where a core holds enough rows to put some in one block."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row costs beside its traffic."""

    held: int
    """Rows that a core works on at once."""
    issued: float
    """Instructions of warps on its elements."""
    shared: float
    """Instructions of warps on its reductions, which take a slot each: what they wait for is in ``reduction``."""
    reduction: float
    """Cycles from the end of a reduction's arithmetic to its result."""
    serial: float
    """Cycles that the last load of a row sets out after the first."""
    memory: str = "reg"
    """Where a row stays."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A time over the row: from the row (``x``) and earlier results to one result."""

    result: str
    value: Value
    known: Mapping[str, Value]
    again: float = 0
    """Share of the rows that come from the L2 once more."""


class _Rows:
    """The program of a kernel over rows.

    Where rows share parameters, blocks stay and take groups in turn: so a core reads the parameters a few times and not
    once for each row, as its L1 would see to.
    """

    def __init__(self, chip: Chip, name: str, rows: int, cols: int, dtype: str, cost: Cost) -> None:
        self.chip, self.name, self.rows, self.cols, self.dtype, self.cost = chip, name, rows, cols, dtype, cost
        self.group = 1
        while self.group * 4 <= cost.held and rows > self.group * FEW_BLOCKS:
            self.group *= 2
        self.groups, self.slots = -(-rows // self.group), max(1, cost.held // self.group)
        self.cut = rows % self.group > 0

    def kernel(self, passes: list[Pass], parameters: Sequence[str] = ()) -> Kernel:
        """Loads, passes and a store for each group of rows."""
        shape = (self.group, self.cols)
        formulas = [Formula(p.value, p.known, shape) for p in passes]
        work = self._work(formulas)
        builder = ProgramBuilder(self.name)
        source = builder.tensor("X", self.dtype, (self.rows, self.cols))
        tensors = {name: builder.tensor(name, self.dtype, (self.cols,)) for name in parameters}
        result = builder.tensor("Y", self.dtype, (self.rows, self.cols))
        blocks = min(self.groups, self.chip.core_count * self.slots) if parameters else self.groups
        with builder.kernel(self.name, grid={"b": blocks}, occupancy=self.slots) as kernel:
            rings = self._rings(kernel, passes, parameters, work)
            with kernel.queue("load"):
                for name, tensor in tensors.items():
                    rings[name].load(tensor[0])
                with self._groups(kernel, blocks) as here:
                    self._load(source, here, rings)
            with kernel.queue("compute"):
                with self._groups(kernel, blocks):
                    self._compute(kernel, rings, passes, formulas)
                for name in parameters:
                    rings[name].pop()
            with kernel.queue("store"), self._groups(kernel, blocks) as here:
                result[here, 0].store(rings["y"], clip=self.cut)
                rings["y"].pop()
        program = builder.build(verify=False)
        text = f"{self.groups} groups of {self.group} rows, {self.slots} on a core"
        return Kernel(program, self._roomy(formulas, work, len(parameters)), text)

    @contextmanager
    def _groups(self, kernel: KernelBuilder, blocks: int) -> Iterator[Expr]:
        """The groups that a block takes in turn; gives the first row of each."""
        (block,) = kernel.coordinates
        with repeat(kernel, "i", turns(self.groups, blocks, block)) as turn:
            yield (turn * blocks + block) * self.group

    def _rings(
        self, kernel: KernelBuilder, passes: list[Pass], parameters: Sequence[str], work: int
    ) -> dict[str, RingHandle]:
        """The rings: rows, results of passes, parameters, and those that only cost time."""
        shape = (self.group, self.cols)
        rings = {"x": kernel.ring("x", self.cost.memory, self.dtype, shape)}
        rings |= {p.result: kernel.ring(p.result, "reg", "fp32", (self.group, 1)) for p in passes[:-1]}
        rings |= {name: kernel.ring(name, "reg", self.dtype, (1, self.cols)) for name in parameters}
        rings["y"] = kernel.ring("y", "reg", self.dtype, shape)
        if work:
            rings["spent"] = kernel.ring("spent", "reg", "int8", (work,))
        if again := round(self.group * passes[-1].again):
            rings |= {name: kernel.ring(name, "reg", "fp32", (1, 1)) for name in ("ready", "seen")}
            rings["back"] = kernel.ring("back", "reg", self.dtype, (again, self.cols))
        return rings

    def _load(self, source: TensorHandle, here: Expr, rings: Mapping[str, RingHandle]) -> None:
        """Rows; and what the L1 has lost of them once more, when the statistics are known."""
        rings["x"].load(source[here, 0], clip=self.cut)
        if "back" in rings:
            rings["seen"].copy(rings["ready"])
            rings["ready"].pop()
            rings["back"].load(source[here, 0], clip=self.cut)

    def _compute(
        self, kernel: KernelBuilder, rings: Mapping[str, RingHandle], passes: list[Pass], formulas: list[Formula]
    ) -> None:
        """All passes over a group."""
        for number, (one, formula) in enumerate(zip(passes, formulas, strict=True)):
            if one is passes[-1] and "back" in rings:
                rings["ready"].reduce("max", rings[passes[number - 1].result], axis=0)
                rings["ready"].push()
                rings["seen"].pop()
                rings["back"].pop()
            formula.write(kernel, f"s{number}", rings, rings[one.result])
            if number == 0 and "spent" in rings:
                rings["spent"].fill(0)
        rings["x"].pop()
        rings["y"].push()

    def _work(self, formulas: list[Formula]) -> int:
        """Lanes to keep busy beyond what the program's own instructions do, for what the GPU's take more."""
        unit = self.chip.core.vector
        cycles = self.group * issue_cycles(self.chip, self.cost.issued, self.cost.shared)
        cycles -= sum(formula.cycles(self.chip) for formula in formulas)
        return max(0, round(cycles * unit.lanes))

    def _roomy(self, formulas: list[Formula], work: int, parameters: int) -> Chip:
        """The chip with registers for whole rows, and the latencies of this kernel's threads."""
        row = self.group * self.cols * size_of(self.dtype)
        each = sum(formula.scratch_bytes for formula in formulas) + work + 64 * self.group
        each += row * (3 if self.cost.memory == "reg" else 1) + parameters * self.cols * size_of(self.dtype)
        core = self.chip.core
        latency = core.dma.latency
        clock = float(self.chip.clock_period)
        changes = {
            "core.reg.capacity": max(core.reg.capacity, each * self.slots),
            "core.vector.reduce_latency": f"{round(self.cost.reduction)} cycles",
        }
        if self.cost.memory == "sram":
            changes["core.sram.capacity"] = max(core.sram.capacity, row * self.slots)
        if self.cost.serial:
            cycles = self.chip.ticks_of(latency) * float(self.chip.tick) / clock + self.cost.serial
            changes["core.dma.latency"] = f"{round(cycles)} cycles"
        return self.chip.replace(changes)


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
    by_warp = cols <= 1024 and cols * size_of(dtype) <= 4096
    cost = _warp_cost(chip, cols) if by_warp else _block_cost(chip, cols)
    return _Rows(chip, "softmax", rows, cols, dtype, cost).kernel([Pass("y", values.softmax(x, 1), {"x": x})])


def _warp_cost(chip: Chip, cols: int) -> Cost:
    """A row to a warp: each thread has a 32nd of the next power of two, 22 instructions an element."""
    elements = max(WARP, 1 << (cols - 1).bit_length()) // WARP
    threads = min(resident_threads(chip), 65536 // (elements + 24)) // 128 * 128
    return Cost(threads // WARP, 22 * elements, 60, warp_reduction(), 0)


def _block_cost(chip: Chip, cols: int) -> Cost:
    """A row to a block: 43 instructions for an element, 32 of them for two exponentials and a division.

    Those of reductions are in their latency: with one or two blocks on a core, nobody else has any to issue meanwhile.
    """
    threads = min(1024, -(-cols // WARP) * WARP)
    iterations = -(-cols // threads)
    serial = (-(-iterations // 4) - 1) * round_trip(chip)
    held = max(1, resident_threads(chip) // threads)
    return Cost(held, -(-cols // WARP) * 43, 0, block_reduction(threads), serial, "sram")


def layer_norm(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """Y = (X - mean) / sqrt(variance + eps) * gain + shift, by rows of X [rows, cols].

    ``vectorized_layer_norm_kernel``: a block of 128 threads has a row; it reads it for its mean and variance (Welford's
    algorithm), and again for the result.

    Raises
    ------
    MemsimError
        If there is no such type or size.
    """
    check_sizes("layer_norm", chip, rows, cols, dtype)
    x, mean, rate, gain, shift = _norm_values(dtype)
    spread = apply("sub", x, mean)
    variance = values.mean(apply("mul", spread, spread), 1, cols)
    y = apply("add", apply("mul", apply("mul", apply("sub", x, mean), rate), gain), shift)
    passes = [
        Pass("mean", values.mean(x, 1, cols), {"x": x}),
        Pass("rate", apply("rsqrt", apply("add", variance, EPS)), {"x": x, "mean": mean}),
        Pass("y", y, {"x": x, "mean": mean, "rate": rate, "gain": gain, "shift": shift}, _lost(chip, cols, dtype)),
    ]
    return _Rows(chip, "layer_norm", rows, cols, dtype, _norm_cost(chip, cols)).kernel(passes, ("gain", "shift"))


def rms_norm(chip: Chip, rows: int, cols: int, dtype: str = "fp32") -> Kernel:
    """Y = X / sqrt(mean(X^2) + eps) * gain, by rows of X [rows, cols], in the manner of `layer_norm`.

    Raises
    ------
    MemsimError
        If there is no such type or size.
    """
    check_sizes("rms_norm", chip, rows, cols, dtype)
    x, _, rate, gain, _ = _norm_values(dtype)
    square = values.mean(apply("mul", x, x), 1, cols)
    y = apply("mul", apply("mul", x, rate), gain)
    passes = [
        Pass("rate", apply("rsqrt", apply("add", square, EPS)), {"x": x}),
        Pass("y", y, {"x": x, "rate": rate, "gain": gain}, _lost(chip, cols, dtype)),
    ]
    return _Rows(chip, "rms_norm", rows, cols, dtype, _norm_cost(chip, cols)).kernel(passes, ("gain",))


def _norm_values(dtype: str) -> tuple[Value, Value, Value, Value, Value]:
    """The row, its mean, the inverse of its deviation, and the parameters."""
    both, along, across = frozenset({0, 1}), frozenset({0}), frozenset({1})
    row, mean, rate = given("x", both, dtype), given("mean", along, "fp32"), given("rate", along, "fp32")
    return row, mean, rate, given("gain", across, dtype), given("shift", across, dtype)


def _lost(chip: Chip, cols: int, dtype: str) -> float:
    """Share of a row that the L1 has lost when it is read again.

    A line survives with probability 1 - (bytes of all rows that the core works on) / (bytes of its L1).
    """
    if chip.core.l1 is None:
        return 1.0
    return min(1.0, resident_threads(chip) // 128 * cols * size_of(dtype) / chip.core.l1.capacity)


def _norm_cost(chip: Chip, cols: int) -> Cost:
    """A row to four warps, four elements of a thread at a time.

    Instructions for four elements: 72 for their mean and variance, of which the exact reciprocal of the count takes 40;
    22 for the result; 295 for the reductions of a warp. Of a row that is read piece by piece, half is there on average:
    so a core holds fewer whole ones. Latency: five times a shuffle and a combination, then twice one through shared
    memory; half of it for each of the program's two reductions.
    """
    combine = 75
    latency = warp_reduction(combine) + 2 * (2 * barrier(128) + combine + 50) + barrier(128) + 80
    iterations = -(-cols // 512)
    serial = (serial_loads(iterations, cols % 512 > 0) - 1) * round_trip(chip)
    issued = -(-cols // 128) * (72 + 22)
    held = resident_threads(chip) // 128 * (iterations + 1) / (2 * iterations)
    return Cost(max(1, round(held)), issued, 4 * 295, latency / 2, serial)
