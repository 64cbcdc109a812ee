"""Which results of a program a device must give to the last bit, and how far the others may be off.

Moves, roundings, comparisons and integers are exact everywhere. On a software adapter so are sums, products and
quotients, in the order that `interpret(..., exact_order=True)` fixes: there only `exp2`, `log2`, `sin` and `cos` are
approximations. A real GPU may fuse a product with a sum, and divide or take roots an ulp or two off, as WGSL allows.

What is computed from an inexact value is inexact, in the coarsest of the types on its way: that value may round to one
neighbour or the other. These facts are static, and they are followed here through rings and tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.isa.model import (
    Gather,
    Group,
    Instruction,
    Kernel,
    Load,
    Loop,
    Mma,
    Program,
    Reduce,
    Store,
    Tile,
    Vector,
    ring_written,
    tiles_read,
    transfer_target,
    walk,
)
from memsim.isa.ops import DTYPES, VECTOR_OPS
from memsim.webgpu.trace import INEXACT, Traced, vector_expression

TOLERANCE: dict[str, float] = {
    "fp32": 2e-5,
    "fp16": 2**-9,
    "bf16": 2**-7,
    "fp8_e4m3": 2**-3,
    "fp8_e5m2": 2**-2,
    "int8": 0.0,
    "int32": 0.0,
}
"""Error allowed in an inexact result, relative to |expected| + rms(expected), by the coarsest type on its way.

One or two units in the last place of that type; for fp32, the error of an exponential of a large number."""
EACH_TERM = 2.0**-22
"""Added for each term of the longest sum on a GPU, which may fuse and so round each term otherwise."""
WAVES = frozenset({"sin", "cos"})
WAVE = 2.0**-11
"""Error that WGSL allows `WAVES` in [-pi, pi]; SwiftShader's are off by up to a tenth of it."""
JUMPS = frozenset({"floor", "ge", "gt", "eq", "where"})
"""Operations that make of a small error a whole step, where a value lies at the edge."""
JUMPED_SHARE = 0.02
"""Share of the elements that such steps may put outside the tolerance."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not exact in a value."""

    inexact: bool = False
    unit: float = 0.0
    """Largest of `TOLERANCE` of the types on its way."""
    terms: int = 0
    """Terms of the longest sum on its way."""
    jumps: bool = False
    """Whether a comparison or rounding to an integer of an inexact value is on its way."""

    def __or__(self, other: Doubt) -> Doubt:
        return Doubt(
            self.inexact or other.inexact,
            max(self.unit, other.unit),
            max(self.terms, other.terms),
            self.jumps or other.jumps,
        )

    @property
    def tolerance(self) -> float:
        """Largest error that it explains, relative to |expected| + rms(expected)."""
        return self.unit + self.terms * EACH_TERM if self.inexact else 0.0


def doubts(program: Program, *, software: bool) -> dict[str, Doubt]:
    """What is not exact in each tensor after a run.

    Parameters
    ----------
    program
        The program.
    software
        Whether the device is a software adapter, which neither fuses nor approximates sums, products and quotients.
    """
    tensors = dict.fromkeys((tensor.name for tensor in program.tensors), Doubt())
    for kernel in program.kernels:
        _follow(kernel, tensors, software)
    return tensors


def _follow(kernel: Kernel, tensors: dict[str, Doubt], software: bool) -> None:
    """Carry doubts through a kernel until nothing changes."""
    rings = {(group.name, ring.name): Doubt() for group in kernel.groups for ring in group.rings}
    lengths = {group.name: _sum_length(group) for group in kernel.groups}
    changed = True
    while changed:
        changed = False
        for group, instruction in _instructions(kernel):
            doubt = _result(group, instruction, rings, tensors, software, lengths[group.name])
            for key in _rings_written(group, instruction):
                joined = rings[key] | _typed(doubt, kernel.group(key[0]).ring(key[1]).dtype)
                changed |= joined != rings[key]
                rings[key] = joined
            if isinstance(instruction, Store):
                joined = tensors[instruction.dst.tensor] | doubt
                changed |= joined != tensors[instruction.dst.tensor]
                tensors[instruction.dst.tensor] = joined


def _instructions(kernel: Kernel) -> Iterator[tuple[Group, Instruction]]:
    for group in kernel.groups:
        for queue in group.queues:
            for instruction, _ in walk(queue.body):
                yield group, instruction


def _rings_written(group: Group, instruction: Instruction) -> Iterator[tuple[str, str]]:
    target, written = transfer_target(instruction), ring_written(instruction)
    if target is not None:
        yield target.group or group.name, target.ring
    if written is not None:
        yield group.name, written


def _typed(doubt: Doubt, dtype: str) -> Doubt:
    """The doubt of a value once it lies in a ring of some type."""
    return doubt | Doubt(True, TOLERANCE[dtype], 0, not DTYPES[dtype].is_float) if doubt.inexact else doubt


def _result(
    group: Group,
    instruction: Instruction,
    rings: dict[tuple[str, str], Doubt],
    tensors: dict[str, Doubt],
    software: bool,
    length: int,
) -> Doubt:
    doubt = Doubt()
    if isinstance(instruction, (Load, Gather)):
        doubt |= tensors[instruction.src.tensor]
    for tile in tiles_read(instruction):
        doubt |= rings[group.name, tile.ring]
    match instruction:
        case Mma(dst=dst):
            doubt |= rings[group.name, dst]
            if not software and group.ring(dst).type.is_float:
                doubt |= Doubt(True, 0.0, length)
        case Reduce(op="sum", dst=dst, src=src):
            if not software and (group.ring(dst).type.is_float or group.ring(src.ring).type.is_float):
                doubt |= Doubt(True, 0.0, length)
        case Vector(op=op):
            steered = doubt
            if op == "where":  # which value is taken hangs on the condition alone
                condition = instruction.args[0]
                steered = rings[group.name, condition.ring] if isinstance(condition, Tile) else Doubt()
            doubt |= _vector(op, doubt, software) | Doubt(jumps=steered.inexact and op in JUMPS)
    return doubt


def _vector(op: str, operands: Doubt, software: bool) -> Doubt:
    traced = vector_expression(op, [Traced(name, "f32") for name in "abc"[: VECTOR_OPS[op].arity]])
    approximate = traced.calls if not software else traced.calls & INEXACT
    fused = not software and op in ("add", "sub", "mul")
    unit = WAVE if approximate & WAVES else 0.0
    return Doubt(bool(approximate) or fused, unit)


def _sum_length(group: Group) -> int:
    """Terms of the longest sum of a block: those of all instructions that add to one ring, in all of their trips."""
    lengths: dict[str, int] = {}
    for queue in group.queues:
        for instruction, loops in walk(queue.body):
            if isinstance(instruction, Mma):
                terms = group.ring(instruction.a.ring).shape[-2 if instruction.transpose_a else -1]
                terms *= _most_trips(group, loops)
            elif isinstance(instruction, Reduce):
                terms = group.ring(instruction.src.ring).shape[instruction.axis]
            else:
                continue
            lengths[instruction.dst] = lengths.get(instruction.dst, 0) + terms
    return max(lengths.values(), default=1)


def _most_trips(group: Group, loops: tuple[Loop, ...]) -> int:
    ranges = {name: (0, size - 1) for name, size in group.grid}
    trips = 1
    for loop in loops:
        most = max(loop.count.bounds(ranges)[1], 1)
        ranges[loop.var] = (0, most - 1)
        trips *= most
    return trips
