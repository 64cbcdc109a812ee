"""A program laid on a chip, before any time passes: every static cost, once an instruction.

`Plan` holds, for each kernel and group, the tree of `LoopNode` and `Step`. A step knows its unit and ticks, its
ring operands by number, and its *postings*: what one execution adds to the ledger. The engine walks the tree;
the ledger multiplies postings by counted executions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from memsim.engine.layout import TensorLayout, lay_out
from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.isa.expr import Expr, FloorDiv, Min, Mod, Var
from memsim.isa.model import (
    PER_CORE_ROLES,
    Copy,
    Fill,
    Gather,
    Group,
    Instruction,
    Iota,
    Kernel,
    Load,
    Loop,
    Mma,
    Pop,
    Program,
    Push,
    Reduce,
    Region,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Tile,
    Vector,
    ring_written,
    tiles_read,
    transfer_target,
    walk,
)
from memsim.isa.ops import VECTOR_OPS

Evaluate: TypeAlias = Callable[[Sequence[int]], int]


@dataclass(frozen=True, slots=True)
class Posting:
    """What one execution adds to the ledger: ``amount`` bits (or operations) at a level of its core."""

    part: str
    tensor: str
    level: str
    access: str
    amount: int


@dataclass(frozen=True, slots=True)
class Access:
    """A compiled region: where a transfer touches a tensor, as functions of the loop counters."""

    role: str
    tensor: str
    layout: TensorLayout | None
    """None for a per-core tensor: it needs no address map."""
    starts: tuple[Evaluate, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    extents: tuple[int, ...]
    element_bytes: int
    rows: tuple[int, str] | None = None
    """(rows gathered, index distribution) for a gather."""


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The compiled target of a transfer: ring number, group, and for other blocks their coordinate ranges."""

    ring: int
    group: str
    blocks: tuple[tuple[Evaluate, int], ...] | None


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction with every cost that does not depend on when or where it runs."""

    number: int
    instruction: Instruction
    path: tuple[int, ...]
    operation: str
    reads: tuple[tuple[int, int], ...] = ()
    """(ring, slots ahead) of each tile that is read."""
    writes: int = -1
    """Ring whose open slot a compute instruction writes; -1 for none."""
    accumulates: bool = False
    ring: int = -1
    """Ring of a push or pop."""
    unit: str = ""
    """"matrix", "vector" or "dma"; empty for push and pop."""
    interval: int = 0
    latency: int = 0
    port_ticks: int = 0
    """Ticks of the SRAM port that the operands of a compute instruction take."""
    access: Access | None = None
    target: TargetPlan | None = None
    source: Tile | None = None
    source_role: str = ""
    target_role: str = ""
    tile_bytes: int = 0
    tensor: str = ""
    postings: tuple[Posting, ...] = ()


@dataclass(frozen=True, slots=True)
class LoopNode:
    """A loop whose counter is ``variable`` in the list of counters."""

    variable: int
    count: Evaluate
    body: tuple[Node, ...]


Node: TypeAlias = Step | LoopNode


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """One queue of a group, compiled."""

    name: str
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """One group of a kernel, compiled: counters are the block coordinates, then one for each loop variable."""

    group: Group
    first_block: int
    counters: int
    queues: tuple[QueuePlan, ...]
    consumers: tuple[tuple[int, ...], ...]
    """For each ring the numbers of the queues that pop it."""
    writers: tuple[int, ...]
    """For each ring the queue whose compute instructions write it; -1 where transfers fill it."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """One kernel, compiled, with the cores that its clusters use."""

    kernel: Kernel
    groups: tuple[GroupPlan, ...]
    cores: int


@dataclass(slots=True)
class Plan:
    """A whole program on a chip."""

    program: Program
    chip: Chip
    kernels: tuple[KernelPlan, ...] = ()
    layouts: dict[str, TensorLayout] = field(default_factory=dict)


def make_plan(program: Program, chip: Chip) -> Plan:
    """Compile every instruction of ``program`` against ``chip``."""
    plan = Plan(program, chip, layouts=lay_out(program))
    number = 0
    kernels = []
    for kernel in program.kernels:
        groups, first = [], 0
        for group in kernel.groups:
            compiled = _GroupCompiler(plan, kernel, group, first, number).compile()
            number += len(compiled.steps)
            first += group.block_count
            groups.append(compiled)
        kernels.append(KernelPlan(kernel, tuple(groups), usable_cores(program, kernel, chip.core_count)))
    plan.kernels = tuple(kernels)
    return plan


def usable_cores(program: Program, kernel: Kernel, chip_cores: int) -> int:
    """Cores that a kernel's blocks are dealt to: a multiple of its clusters' sizes, unless it is cooperative."""
    cores = min(program.cores or chip_cores, chip_cores)
    if kernel.cooperative:
        return cores
    size = math.lcm(*(g.cluster_size for g in kernel.groups))
    if size > cores:
        raise ChipError(
            f"clusters of {size} blocks need {size} cores, and there are {cores}",
            where=f"kernel {kernel.name}",
            mend="make the cluster smaller or the chip larger",
        )
    return cores // size * size


def compile_expr(e: Expr, index: Mapping[str, int]) -> Evaluate:
    """A function of the list of counters that gives the expression's value."""
    const = e.const
    if not e.terms:
        return lambda counters: const
    if len(e.terms) == 1 and isinstance(e.terms[0][0], Var):
        i, c = index[e.terms[0][0].name], e.terms[0][1]
        return lambda counters: const + c * counters[i]
    parts = [(_compile_atom(atom, index), c) for atom, c in e.terms]
    return lambda counters: const + sum(c * f(counters) for f, c in parts)


def _compile_atom(atom: object, index: Mapping[str, int]) -> Evaluate:
    match atom:
        case Var(name):
            i = index[name]
            return lambda counters: counters[i]
        case FloorDiv(of, by):
            f = compile_expr(of, index)
            return lambda counters: f(counters) // by
        case Mod(of, by):
            f = compile_expr(of, index)
            return lambda counters: f(counters) % by
    left, right = compile_expr(atom.left, index), compile_expr(atom.right, index)  # type: ignore[attr-defined]
    if isinstance(atom, Min):
        return lambda counters: min(left(counters), right(counters))
    return lambda counters: max(left(counters), right(counters))


class _GroupCompiler:
    """Compiles the queues of one group; numbers its rings, counters and steps."""

    def __init__(self, plan: Plan, kernel: Kernel, group: Group, first_block: int, first_number: int) -> None:
        self.plan, self.chip, self.kernel, self.group = plan, plan.chip, kernel, group
        self.first_block, self.first_number = first_block, first_number
        self.rings = {ring.name: i for i, ring in enumerate(group.rings)}
        self.counters = {name: i for i, (name, _) in enumerate(group.grid)}
        self.steps: list[Step] = []
        self.labels = ring_labels(group)

    def compile(self) -> GroupPlan:
        queues = tuple(
            QueuePlan(q.name, self._body(q.body, (i,), dict(self.counters))) for i, q in enumerate(self.group.queues)
        )
        consumers: list[list[int]] = [[] for _ in self.group.rings]
        writers = [-1] * len(self.group.rings)
        for i, queue in enumerate(self.group.queues):
            for name in {s.ring for s, _ in walk(queue.body) if isinstance(s, Pop)}:
                consumers[self.rings[name]].append(i)
            for name in {ring_written(s) for s, _ in walk(queue.body)} - {None}:
                writers[self.rings[str(name)]] = i
        deepest = max((len(loops) for q in self.group.queues for _, loops in walk(q.body)), default=0)
        return GroupPlan(
            self.group,
            self.first_block,
            len(self.counters) + deepest,
            queues,
            tuple(tuple(c) for c in consumers),
            tuple(writers),
            tuple(self.steps),
        )

    def _body(self, body: tuple[Statement, ...], path: tuple[int, ...], index: dict[str, int]) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for i, statement in enumerate(body):
            if isinstance(statement, Loop):
                inner = {**index, statement.var: len(index)}
                count = compile_expr(statement.count, index)
                nodes.append(LoopNode(len(index), count, self._body(statement.body, (*path, i), inner)))
            else:
                step = self._step(statement, (*path, i), index)
                self.steps.append(step)
                nodes.append(step)
        return tuple(nodes)

    def _step(self, instruction: Instruction, path: tuple[int, ...], index: dict[str, int]) -> Step:
        number = self.first_number + len(self.steps)
        if isinstance(instruction, (Push, Pop)):
            return Step(
                number, instruction, path, type(instruction).__name__.lower(), ring=self.rings[instruction.ring]
            )
        reads = tuple((self.rings[t.ring], t.ahead) for t in tiles_read(instruction))
        if ring_written(instruction) is not None:
            return self._compute(number, instruction, path, reads)
        return self._transfer(number, instruction, path, reads, index)

    # Compute -----------------------------------------------------------------------------------------------

    def _compute(
        self, number: int, instruction: Instruction, path: tuple[int, ...], reads: tuple[tuple[int, int], ...]
    ) -> Step:
        name = ring_written(instruction)
        assert name is not None
        ring = self.group.ring(name)
        if isinstance(instruction, Mma):
            unit, interval, latency, moves, work = self._matrix_cost(instruction, ring)
        else:
            unit, interval, latency, moves, work = self._vector_cost(instruction, ring)
        postings = [Posting(r.memory, self.labels[r.name], r.memory, access, bits) for r, access, bits in moves if bits]
        postings.append(Posting(unit, self.labels[name], "compute", work[0], work[1]))
        port_bits = sum(bits for r, _, bits in moves if r.memory == "sram")
        return Step(
            number,
            instruction,
            path,
            operation_name(instruction),
            reads,
            self.rings[name],
            isinstance(instruction, Mma) and instruction.accumulate,
            unit=unit,
            interval=interval,
            latency=latency,
            port_ticks=ticks_for(self.chip.core.sram.bandwidth, port_bits // 8, self.chip),
            tensor=self.labels[name],
            postings=tuple(postings),
        )

    def _matrix_cost(self, mma: Mma, c: Ring) -> tuple[str, int, int, list[tuple[Ring, str, int]], tuple[str, int]]:
        a, b = self.group.ring(mma.a.ring), self.group.ring(mma.b.ring)
        (m, n), k = c.shape, a.shape[0] if mma.transpose_a else a.shape[1]
        unit = self.chip.core.matrix
        if unit is None or not unit.supports(a.dtype):
            raise ChipError(
                f"chip {self.chip.name} has no matrix unit for {a.dtype}",
                where=f"kernel {self.kernel.name}: mma {mma.dst}",
                mend="use a dtype that core.matrix supports, or add it to the chip",
            )
        interval, latency = unit.cycles(m, n, k, a.dtype)
        a_reads, b_reads, c_reads, c_writes = unit.operand_elements(m, n, k, a.dtype)
        moves = [
            (a, "read", a_reads * a.type.bits),
            (b, "read", b_reads * b.type.bits),
            (c, "read", c_reads * c.type.bits),
            (c, "write", c_writes * c.type.bits),
        ]
        clock = self.chip.clock_period / self.chip.tick
        return "matrix", math.ceil(interval * clock), math.ceil(latency * clock), moves, (a.dtype, m * n * k)

    def _vector_cost(
        self, instruction: Instruction, dst: Ring
    ) -> tuple[str, int, int, list[tuple[Ring, str, int]], tuple[str, int]]:
        elements, kind = math.prod(dst.shape), "simple"
        sources = [self.group.ring(t.ring) for t in tiles_read(instruction)]
        match instruction:
            case Vector(op=op):
                kind = "special" if VECTOR_OPS[op].special else "simple"
            case Reduce():
                kind, elements = "reduce", math.prod(sources[0].shape)
        unit = self.chip.core.vector
        clock = self.chip.clock_period / self.chip.tick
        moves = [(r, "read", math.prod(r.shape) * r.type.bits) for r in sources]
        moves.append((dst, "write", math.prod(dst.shape) * dst.type.bits))
        interval = math.ceil(unit.cycles(kind, elements) * clock)
        return "vector", interval, self.chip.ticks_of(unit.latency), moves, (kind, elements)

    # Transfers ---------------------------------------------------------------------------------------------

    def _transfer(
        self,
        number: int,
        instruction: Instruction,
        path: tuple[int, ...],
        reads: tuple[tuple[int, int], ...],
        index: dict[str, int],
    ) -> Step:
        access = source = target = None
        target_role = source_role = tensor = ""
        tile_bytes = 0
        match instruction:
            case Load(src=region) | Gather(src=region):
                access = self._access(region, index, instruction)
                source_role, tensor = access.role, region.tensor
            case Store(dst=region, src=source):
                access = self._access(region, index, instruction)
                target_role, tensor = access.role, region.tensor
            case Copy(src=source) | Send(src=source):
                tensor = self.labels[source.ring]
        if source is not None:
            ring = self.group.ring(source.ring)
            source_role, tile_bytes = ring.memory, ring.tile_bytes
        aim = transfer_target(instruction)
        if aim is not None:
            target, target_role = self._target(aim, index)
        return Step(
            number,
            instruction,
            path,
            operation_name(instruction),
            reads,
            unit="dma",
            interval=self.chip.ticks_of(self.chip.core.dma.issue),
            latency=self.chip.ticks_of(self.chip.core.dma.latency),
            access=access,
            target=target,
            source=source,
            source_role=source_role,
            target_role=target_role,
            tile_bytes=tile_bytes,
            tensor=tensor,
        )

    def _access(self, region: Region, index: dict[str, int], instruction: Instruction) -> Access:
        tensor = self.plan.program.tensor(region.tensor)
        rows = None
        if isinstance(instruction, Gather):
            group, ring = self._owner(instruction.dst)
            rows = (group.ring(ring).shape[0], instruction.distribution)
        layout = None if tensor.role in PER_CORE_ROLES else self.plan.layouts[tensor.name]
        return Access(
            tensor.role,
            tensor.name,
            layout,
            tuple(compile_expr(s, index) for s in region.starts),
            region.sizes,
            region.steps,
            tensor.shape,
            tensor.type.bytes,
            rows,
        )

    def _owner(self, target: Target) -> tuple[Group, str]:
        return (self.kernel.group(target.group) if target.group else self.group), target.ring

    def _target(self, target: Target, index: dict[str, int]) -> tuple[TargetPlan, str]:
        owner, name = self._owner(target)
        number = next(i for i, ring in enumerate(owner.rings) if ring.name == name)
        blocks = None
        if target.blocks is not None:
            blocks = tuple((compile_expr(start, index), count) for start, count in target.blocks)
        return TargetPlan(number, owner.name, blocks), owner.ring(name).memory


def operation_name(instruction: Instruction) -> str:
    """The name under which an instruction appears in tables: ``load``, ``mma``, ``exp2``, ``reduce_max`` …"""
    match instruction:
        case Vector(op=op):
            return op
        case Reduce(op=op):
            return f"reduce_{op}"
        case Fill() | Iota():
            return type(instruction).__name__.lower()
    return type(instruction).__name__.lower()


def ring_labels(group: Group) -> dict[str, str]:
    """The tensor whose data each ring holds: what it was loaded from, else what it is stored to, else itself."""
    labels: dict[str, str] = {}
    everything = [i for queue in group.queues for i, _ in walk(queue.body)]
    for i in everything:
        match i:
            case Load(dst=dst, src=region) | Gather(dst=dst, src=region) if dst.group is None:
                labels.setdefault(dst.ring, region.tensor)
    for i in everything:
        match i:
            case Store(dst=region, src=tile):
                labels.setdefault(tile.ring, region.tensor)
    for _ in everything:  # copies hand labels on, in either direction, until nothing changes
        before = len(labels)
        for i in everything:
            match i:
                case Copy(dst=dst, src=tile) | Send(dst=dst, src=tile) if dst.group is None:
                    pair = (dst.ring, tile.ring)
                case Vector(op="cast", dst=name, args=(Tile(ring=ring),)):
                    pair = (name, ring)
                case _:
                    continue
            for one, other in (pair, pair[::-1]):
                if other in labels:
                    labels.setdefault(one, labels[other])
        if len(labels) == before:
            break
    return {ring.name: labels.get(ring.name, f"({ring.name})") for ring in group.rings}


def ticks_for(rate: object, size: int, chip: Chip) -> int:
    """Ticks to move ``size`` bytes at ``rate``, rounded up once; 0 where the rate is None (never a bottleneck)."""
    if rate is None or size == 0:
        return 0
    per_tick: Fraction = chip.rate_per_tick(rate)  # type: ignore[arg-type]
    return -(-size * per_tick.denominator // per_tick.numerator)
