"""Compiling a program against a chip: from instructions to `Step` records with all their static costs."""

from __future__ import annotations

import math
from functools import partial

from memsim.engine.layout import lay_out
from memsim.engine.plan import (
    Access,
    GroupPlan,
    KernelPlan,
    LoopNode,
    Node,
    Plan,
    Posting,
    QueuePlan,
    Step,
    TargetPlan,
)
from memsim.engine.servers import PAGE_SEGMENTS
from memsim.engine.twins import rebound
from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.hierarchy.units import Rate
from memsim.isa.analyze import usable_cores
from memsim.isa.canonical import canonical, key
from memsim.isa.closures import compile_expression
from memsim.isa.model import (
    PER_CORE_ROLES,
    Copy,
    Gather,
    Group,
    Instruction,
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


def make_plan(program: Program, chip: Chip) -> Plan:
    """Compile every instruction of ``program`` against ``chip``; kernels that are the same up to names only once."""
    plan = Plan(program, chip, layouts=lay_out(program))
    first_of: dict[object, KernelPlan] = {}
    kernels = []
    for number, kernel in enumerate(program.kernels):
        _, names = canonical(program, kernel)
        likeness = key(program, kernel), tuple(_place(plan, name) for name in names)
        first = first_of.get(likeness)
        if first is None:
            groups = _compile_groups(plan, kernel)
            cores = _kernel_cores(program, kernel, chip.core_count)
            found = KernelPlan(kernel, cores, number, names, partial(tuple, groups))
            first_of[likeness] = found
        else:
            found = KernelPlan(kernel, first.cores, first.twin, names, partial(rebound, first, kernel, names, plan))
        kernels.append(found)
    plan.kernels = tuple(kernels)
    return plan


def _place(plan: Plan, tensor: str) -> tuple[tuple[int, ...], int] | None:
    """How a tensor is cut, and where in its page it begins; None for one that has no addresses."""
    layout = plan.layouts.get(tensor)
    return None if layout is None else (layout.segment_shape, layout.base % PAGE_SEGMENTS)


def _compile_groups(plan: Plan, kernel: Kernel) -> list[GroupPlan]:
    groups: list[GroupPlan] = []
    block = number = 0
    for group in kernel.groups:
        compiled = _GroupCompiler(plan, kernel, group, block, number).compile()
        number += len(compiled.steps)
        block += group.block_count
        groups.append(compiled)
    return groups


def _kernel_cores(program: Program, kernel: Kernel, chip_cores: int) -> int:
    cores = usable_cores(kernel, min(program.cores or chip_cores, chip_cores))
    if not cores:
        raise ChipError(
            f"clusters of {max(g.cluster_size for g in kernel.groups)} blocks do not fit on {chip_cores} cores",
            where=f"kernel {kernel.name}",
            mend="make the cluster smaller or the chip larger",
        )
    return cores


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
            for instruction, _ in walk(queue.body):
                if (written := ring_written(instruction)) is not None:
                    writers[self.rings[written]] = i
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
                count = compile_expression(statement.count, index)
                within = self._body(statement.body, (*path, i), inner)
                nodes += [LoopNode(len(index), count, within)] if within else []  # no time passes in an empty loop
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
            ports=self._ports(moves),
            tensor=self.labels[name],
            postings=tuple(postings),
        )

    def _ports(self, moves: list[tuple[Ring, str, int]]) -> tuple[tuple[str, int], ...]:
        """Ticks for which the operands take the port of each core memory that has a bandwidth."""
        ports = []
        for name in ("sram", "reg"):
            size = sum(bits for ring, _, bits in moves if ring.memory == name) // 8
            ports.append((name, ticks_for(getattr(self.chip.core, name).bandwidth, size, self.chip)))
        return tuple((name, ticks) for name, ticks in ports if ticks)

    def _matrix_cost(self, mma: Mma, c: Ring) -> tuple[str, int, int, list[tuple[Ring, str, int]], tuple[str, int]]:
        a, b = self.group.ring(mma.a.ring), self.group.ring(mma.b.ring)
        m, n = math.prod(c.shape[:-1]), c.shape[-1]
        k = a.shape[0] if mma.transpose_a else a.shape[-1]
        unit = self.chip.core.matrix
        if unit is None or not unit.supports(a.dtype):
            raise ChipError(
                f"chip {self.chip.name} has no matrix unit for {a.dtype}",
                where=f"{mma.place}: mma {mma.dst}" if mma.place else f"kernel {self.kernel.name}: mma {mma.dst}",
                mend="use a dtype that core.matrix supports, or add it to the chip",
            )
        interval, latency = unit.cycles(m, n, k, a.dtype)
        a_reads, b_reads, c_reads, c_writes = unit.operand_elements(m, n, k, a.dtype, accumulate=mma.accumulate)
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
        latency = unit.reduce_latency if kind == "reduce" else unit.latency
        return "vector", interval, self.chip.ticks_of(latency), moves, (kind, elements)

    # Transfers ---------------------------------------------------------------------------------------------

    def _transfer(
        self,
        number: int,
        instruction: Instruction,
        path: tuple[int, ...],
        reads: tuple[tuple[int, int], ...],
        index: dict[str, int],
    ) -> Step:
        access, source, tensor = self._ends(instruction, index)
        source_role = target_role = access.role if access is not None else ""
        tile_bytes = 0
        if source is not None:
            ring = self.group.ring(source.ring)
            source_role, tile_bytes = ring.memory, ring.tile_bytes
        target = None
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
            postings=self._index_posting(instruction),
        )

    def _ends(self, instruction: Instruction, index: dict[str, int]) -> tuple[Access | None, Tile | None, str]:
        """Where a transfer touches a tensor, the tile that it reads, and the tensor it is posted to."""
        match instruction:
            case Load(src=region) | Gather(src=region):
                return self._access(region, index, instruction), None, region.tensor
            case Store(dst=region, src=tile):
                return self._access(region, index, instruction), tile, region.tensor
            case Copy(src=tile) | Send(src=tile):
                return None, tile, self.labels[tile.ring]
        raise AssertionError(instruction)

    def _index_posting(self, instruction: Instruction) -> tuple[Posting, ...]:
        """What a gather reads besides its rows: the index tile."""
        if not isinstance(instruction, Gather):
            return ()
        ring = self.group.ring(instruction.index.ring)
        return (Posting(ring.memory, self.labels[ring.name], ring.memory, "read", ring.tile_bytes * 8),)

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
            tuple(compile_expression(s, index) for s in region.starts),
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
            blocks = tuple((compile_expression(start, index), count) for start, count in target.blocks)
        return TargetPlan(number, owner.name, blocks), owner.ring(name).memory


def operation_name(instruction: Instruction) -> str:
    """The name of an instruction in tables, such as ``load``, ``mma``, ``exp2`` or ``reduce_max``."""
    match instruction:
        case Vector(op=op):
            return op
        case Reduce(op=op):
            return f"reduce_{op}"
    return type(instruction).__name__.lower()


def ring_labels(group: Group) -> dict[str, str]:
    """The tensor that each ring's energy is told under.

    It is the tensor that the ring is loaded from, else the one that it is stored to; a copy has the label of its
    source, and a value that only goes into others has theirs. What reaches no tensor has its own name in brackets.
    """
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
    hand_on = [pair for i in everything for pair in _label_flow(i)]
    before = -1
    while len(labels) > before:
        before = len(labels)
        for known, other in hand_on:
            if known in labels:
                labels.setdefault(other, labels[known])
    return {ring.name: labels.get(ring.name, f"({ring.name})") for ring in group.rings}


def _label_flow(instruction: Instruction) -> list[tuple[str, str]]:
    """Pairs (ring, other ring): where the first has a label and the other has none, the other gets it."""
    match instruction:
        case Copy(dst=dst, src=tile) | Send(dst=dst, src=tile) if dst.group is None:
            return [(tile.ring, dst.ring), (dst.ring, tile.ring)]
    written = ring_written(instruction)
    return [] if written is None else [(written, tile.ring) for tile in tiles_read(instruction)]


def ticks_for(rate: Rate | None, size: int, chip: Chip) -> int:
    """Ticks to move ``size`` bytes at ``rate``, rounded up once; 0 where the rate is None (never a bottleneck)."""
    if rate is None or size == 0:
        return 0
    return math.ceil(size / chip.rate_per_tick(rate))
