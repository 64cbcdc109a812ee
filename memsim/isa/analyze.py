"""Exact counts of what a program does, from its text alone: operations, bytes, routes, peak memory.

Nothing runs: each instruction's executions, and the bytes that its clipped regions hold, are sums over its loop nest
in closed form (`counting`), so 10^12 iterations cost the same as 10.

What is counted where:

- a transfer moves the bytes of its region inside the tensor (a clip takes the rest away; pads are not moved), a
  multicast reads them once and writes them once for each target; a gather moves one row for each index, and reads its
  index tile besides;
- a compute instruction reads each operand tile once and writes its destination once; an accumulating `Mma` also
  reads it. How often a unit fetches an operand *within* an instruction depends on the chip, not on the program;
- operations: multiply-adds of `Mma` by operand type; elements of `Vector`, `Fill` and `Iota` (of the destination) and
  of `Reduce` (of the source), by class and destination type. ``flops`` counts 2 a multiply-add and 1 an element,
  and nothing for `Fill`, `Iota` and ``cast``, which compute nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memsim.errors import ProgramError
from memsim.isa.canonical import Key, key
from memsim.isa.counting import ranges_of, sum_over
from memsim.isa.expr import Expr, Range
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Instruction,
    Iota,
    Kernel,
    Load,
    Mma,
    Program,
    Reduce,
    Region,
    Ring,
    Send,
    Store,
    Target,
    Tensor,
    Vector,
    ring_written,
    transfer_target,
)
from memsim.isa.ops import VECTOR_OPS
from memsim.isa.rewriting import clipped_size
from memsim.isa.sites import Site, describe, instructions_of, reads_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Execution:
    """How often one instruction of the text runs, over all blocks and iterations, and the bytes that it moves."""

    kernel: str
    group: str
    queue: str
    path: tuple[int, ...]
    """Number of the queue in its group, then the index of each statement down to this instruction."""
    instruction: Instruction
    count: int
    bytes: int
    """Bytes that a transfer takes from its source, or stores: clips counted, a multicast once. 0 if it is none."""


@dataclass(frozen=True)
class Analysis:
    """What a program does in all, by `analyze`."""

    program: Program
    executions: tuple[Execution, ...]
    """One for each instruction, in text order."""
    macs: Mapping[str, int]
    """Multiply-adds by operand type."""
    vector_elements: Mapping[tuple[str, str], int]
    """Elements by (class of operation: ``simple``, ``special`` or ``reduce``; destination type)."""
    bytes_read: Mapping[str, int]
    """Bytes read from each memory role."""
    bytes_written: Mapping[str, int]
    """Bytes written to each memory role."""
    routes: Mapping[tuple[str, str], int]
    """Bytes that transfers deliver by (source role, destination role); a multicast delivers once for each target."""
    peak_bytes: Mapping[str, int]
    """Bytes that each role must hold: of the fullest core for a per-core role, else of all tensors together."""
    waves: Mapping[str, int]
    """Rounds of resident blocks that each kernel takes; empty where the number of cores is not known."""
    flops: int
    """Floating-point (or integer) operations that are executed."""

    def bytes_at(self, role: str) -> int:
        """Bytes read from and written to a memory role."""
        return self.bytes_read.get(role, 0) + self.bytes_written.get(role, 0)

    @property
    def arithmetic_intensity(self) -> float:
        """Operations for each byte read from or written to ``dram``; infinite where none is."""
        moved = self.bytes_at("dram")
        return self.flops / moved if moved else math.inf

    def table(self) -> pd.DataFrame:
        """One row for each instruction: kernel, group, queue, instruction, count and bytes."""
        import pandas as pd

        columns = ["kernel", "group", "queue", "instruction", "count", "bytes"]
        rows = [(e.kernel, e.group, e.queue, describe(e.instruction), e.count, e.bytes) for e in self.executions]
        return pd.DataFrame(rows, columns=columns)


def analyze(program: Program, *, cores: int | None = None) -> Analysis:
    """Count what ``program`` does, without running it; the program is taken to pass `verify`.

    Parameters
    ----------
    program
        What to count.
    cores
        Cores of the chip, where the program does not fix them itself; needed for ``waves`` only.
    """
    totals = _Totals()
    executions: list[Execution] = []
    known: dict[Key, tuple[_Totals, list[Execution]]] = {}
    for kernel in program.kernels:
        same = key(program, kernel)
        if same not in known:
            own = _Totals()
            known[same] = own, [own.add(Site(program, kernel, *at)) for at in instructions_of(kernel)]
        totals.include(known[same][0])
        executions += _executions(kernel, known[same][1])
    return Analysis(
        program,
        tuple(executions),
        dict(totals.macs),
        dict(totals.vector_elements),
        dict(totals.bytes_read),
        dict(totals.bytes_written),
        dict(totals.routes),
        peak_bytes(program),
        _waves(program, program.cores or cores),
        totals.flops,
    )


def kernel_bytes(kernel: Kernel) -> dict[str, int]:
    """Bytes that the rings of resident blocks take on one core, by role: of the largest group, at full occupancy."""
    largest: dict[str, int] = {}
    for group in kernel.groups:
        used: Counter[str] = Counter()
        for ring in group.rings:
            used[ring.memory] += ring.depth * ring.tile_bytes * kernel.occupancy
        largest = {role: max(largest.get(role, 0), used[role]) for role in {*largest, *used}}
    return largest


def peak_bytes(program: Program) -> dict[str, int]:
    """Bytes that each role must hold, for one core where the role is per-core."""
    peak: Counter[str] = Counter()
    for tensor in program.tensors:
        peak[tensor.role] += tensor.bytes
    rings = [kernel_bytes(kernel) for kernel in program.kernels]
    for role in sorted({role for used in rings for role in used}):
        peak[role] += max(used.get(role, 0) for used in rings)
    return dict(peak)


def usable_cores(kernel: Kernel, cores: int) -> int:
    """Cores over which blocks are dealt: a multiple of the cluster sizes; all of them in a cooperative kernel."""
    if kernel.cooperative:
        return cores
    size = math.lcm(*(group.cluster_size for group in kernel.groups))
    return cores // size * size


def _waves(program: Program, cores: int | None) -> dict[str, int]:
    if cores is None:
        return {}
    waves = {}
    for kernel in program.kernels:
        at_once = usable_cores(kernel, cores) * kernel.occupancy
        if at_once < 1:
            raise ProgramError(
                f"a cluster does not fit on {cores} cores",
                where=f"kernel {kernel.name}",
                mend="use a smaller cluster or more cores",
            )
        waves[kernel.name] = -(-kernel.block_count // at_once)
    return waves


def _executions(kernel: Kernel, counted: Sequence[Execution]) -> Iterator[Execution]:
    """The executions of a kernel, counted in one that is the same up to names."""
    for (group, queue, _, instruction, path), like in zip(instructions_of(kernel), counted, strict=True):
        yield Execution(kernel.name, group.name, queue.name, path, instruction, like.count, like.bytes)


# ---- one instruction at a time ----


class _Totals:
    """Running totals, to which each instruction adds its part."""

    def __init__(self) -> None:
        self.macs: Counter[str] = Counter()
        self.vector_elements: Counter[tuple[str, str]] = Counter()
        self.bytes_read: Counter[str] = Counter()
        self.bytes_written: Counter[str] = Counter()
        self.routes: Counter[tuple[str, str]] = Counter()
        self.flops = 0

    def include(self, other: _Totals) -> None:
        """Add the totals of a kernel."""
        self.macs.update(other.macs)
        self.vector_elements.update(other.vector_elements)
        self.bytes_read.update(other.bytes_read)
        self.bytes_written.update(other.bytes_written)
        self.routes.update(other.routes)
        self.flops += other.flops

    def add(self, site: Site) -> Execution:
        """Add every execution of an instruction."""
        count = sum_over(site.nest, where=site.where)
        moved = 0
        if ring_written(site.instruction) is not None:
            self._add_compute(site, count)
        elif transfer_target(site.instruction) is not None or isinstance(site.instruction, Store):
            moved = self._add_transfer(site, count)
        return Execution(site.kernel.name, site.group.name, site.queue.name, site.path, site.instruction, count, moved)

    def _add_compute(self, site: Site, count: int) -> None:
        instruction, group = site.instruction, site.group
        dst = group.ring(ring_written(instruction) or "")
        for name in reads_of(instruction):
            ring = group.ring(name)
            self.bytes_read[ring.memory] += ring.tile_bytes * count
        self.bytes_written[dst.memory] += dst.tile_bytes * count
        if isinstance(instruction, Mma):
            a = group.ring(instruction.a.ring)
            inner = a.shape[0] if instruction.transpose_a else a.shape[-1]
            macs = math.prod(dst.shape) * inner * count
            self.macs[a.dtype] += macs
            self.flops += 2 * macs
            return
        kind, source = _operation(instruction, dst, site)
        elements = math.prod(source.shape) * count
        self.vector_elements[kind, dst.dtype] += elements
        computes_nothing = isinstance(instruction, Vector) and instruction.op == "cast"
        if not isinstance(instruction, (Fill, Iota)) and not computes_nothing:
            self.flops += elements

    def _add_transfer(self, site: Site, count: int) -> int:
        source, destination, moved, targets = _transfer(site, count)
        self.bytes_read[source] += moved
        self.bytes_written[destination] += moved * targets
        self.routes[source, destination] += moved * targets
        if isinstance(site.instruction, Gather):
            index = site.group.ring(site.instruction.index.ring)
            self.bytes_read[index.memory] += index.tile_bytes * count
        return moved


def _operation(instruction: Instruction, dst: Ring, site: Site) -> tuple[str, Ring]:
    """Class of a vector instruction, and the ring whose elements it works through."""
    match instruction:
        case Vector(op=op):
            return ("special" if VECTOR_OPS[op].special else "simple"), dst
        case Reduce(src=src):
            return "reduce", site.group.ring(src.ring)
    return "simple", dst


def _transfer(site: Site, count: int) -> tuple[str, str, int, int]:
    """Source role, destination role, bytes moved in all executions, and targets of each."""
    instruction, group, program = site.instruction, site.group, site.program
    match instruction:
        case Load(dst=dst, src=region):
            tensor = program.tensor(region.tensor)
            return tensor.role, site.target_ring(dst).memory, _region_bytes(site, region, tensor, count), _targets(dst)
        case Store(dst=region, src=tile):
            tensor = program.tensor(region.tensor)
            return group.ring(tile.ring).memory, tensor.role, _region_bytes(site, region, tensor, count), 1
        case Gather(dst=dst, src=region, index=index):
            tensor = program.tensor(region.tensor)
            rows = math.prod(group.ring(index.ring).shape)
            moved = rows * region.sizes[1] * tensor.type.bytes * count
            return tensor.role, site.target_ring(dst).memory, moved, _targets(dst)
        case Copy(dst=dst, src=tile) | Send(dst=dst, src=tile):
            ring = group.ring(tile.ring)
            return ring.memory, site.target_ring(dst).memory, ring.tile_bytes * count, _targets(dst)
    raise AssertionError(instruction)


def _targets(target: Target) -> int:
    """Blocks that a transfer delivers to."""
    return math.prod(count for _, count in target.blocks or ())


def _region_bytes(site: Site, region: Region, tensor: Tensor, count: int) -> int:
    if not region.clip:
        return math.prod(region.sizes) * tensor.type.bytes * count
    sizes = clipped_sizes(region, tensor, ranges_of(site.nest))
    return sum_over(site.nest, sizes, where=site.where) * tensor.type.bytes


def clipped_sizes(region: Region, tensor: Tensor, ranges: Mapping[str, Range] | None) -> list[Expr]:
    """How many elements of the region lie inside the tensor, in each dimension, for variables in ``ranges``."""
    boxes = zip(region.starts, region.sizes, region.steps, tensor.shape, strict=True)
    return [clipped_size(start, size, step, extent, ranges) for start, size, step, extent in boxes]
