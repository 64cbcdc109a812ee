"""One kernel of a `Plan` as the words that compiled code reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.expressions import Expressions
from memsim.engine.plan import Access, GroupPlan, KernelPlan, Step
from memsim.engine.servers import Array
from memsim.errors import ProgramError
from memsim.isa.expr import Expr, Range
from memsim.isa.model import Gather, Load, Loop, Mma, Region, Statement, Store, transfer_target, walk

MEMORIES = {"sram": 0, "reg": 1}
"""Number of each core memory."""
ROLES = {"dram": 0, "shared": 1}
"""Number of each chip-wide memory."""
UNITS = {"dma": w.DMA, "matrix": w.MATRIX, "vector": w.VECTOR}
TABLES = {
    "operations": ("O", w.OPERATION_WORDS),
    "reads": ("READ", w.READ_WORDS),
    "ranges": ("RANGE", w.RANGE_WORDS),
    "accesses": ("A", w.ACCESS_WORDS),
    "axes": ("X", w.AXIS_WORDS),
    "groups": ("G", w.GROUP_WORDS),
    "queues": ("QT", w.QUEUE_TEXT_WORDS),
    "rings": ("RT", w.RING_TEXT_WORDS),
    "grid": ("GRID", w.GRID_WORDS),
}
"""Prefix of the fields of each table's records, and their length."""
REFERENCES = {
    "operations": {
        "partner": "operations",
        "parent": "operations",
        "count": "expressions",
        "first_read": "reads",
        "access": "accesses",
        "target_group": "groups",
        "first_range": "ranges",
    },
    "ranges": {"start": "expressions"},
    "accesses": {"first_axis": "axes"},
    "axes": {"start": "expressions"},
    "groups": {"first_queue": "queues", "first_ring": "rings", "first_axis": "grid"},
    "queues": {"operation": "operations"},
    "rings": {"pops": "consumers"},
}
"""The fields of each table that refer to a row of another; -1 refers to none."""


LARGEST = 1 << 62
"""Trip counts must stay below this."""


@dataclass
class LoopText:
    """What is inside a loop, for folding it."""

    variable: str
    ranges: dict[str, Range]
    """Least and greatest value of its variable, of those around it, and of those inside."""
    counts: list[Expr] = field(default_factory=list)
    """Trip counts of the loops inside, and targets of the sends: they must stay what they are."""
    accesses: list[tuple[int, Access, Region]] = field(default_factory=list)
    """(step, where it touches a tensor, the region) of each transfer of a tensor."""


@dataclass(frozen=True)
class Flat:
    """A kernel's text as words, which belong right after the header, and what must be known to make room for a run."""

    words: Array
    operations: Array
    """Where each instruction (not loop) begins, by its step."""
    queue_texts: Array
    """Where each queue's text begins."""
    queue_names: tuple[str, ...]
    """Name of each queue, in the same order."""
    ring_names: tuple[str, ...]
    """Names of rings that a queue may wait for, without repetition."""
    groups: int
    """Where the groups begin."""
    most_queues: int
    most_rings: int
    most_slots: int
    counters: int
    targets: int
    """Targets of the widest multicast."""
    pieces: int
    """Segments of the largest transfer."""
    forms: int
    """Forms of the largest expression (`memsim.engine.fast.expressions`)."""
    loops: dict[int, LoopText]
    """The text of each loop, by where it begins."""
    queue_operations: tuple[int, ...]
    """Where the operations of each queue begin, and where the last ones end."""

    def operations_of(self, text: int) -> tuple[int, int]:
        """Where the operations of a queue begin and end, whose text is at ``text``."""
        number = (text - int(self.queue_texts[0])) // w.QUEUE_TEXT_WORDS
        return self.queue_operations[number], self.queue_operations[number + 1]


class Flattener:
    """Turns one kernel into words: rows of tables that refer to each other by number, then all of them at once."""

    def __init__(self, kernel: KernelPlan) -> None:
        self.kernel = kernel
        self.rows: dict[str, list[dict[str, int]]] = {name: [] for name in TABLES}
        self.consumers: list[int] = []
        self.expressions = Expressions()
        self.tensors = {name: i for i, name in enumerate(kernel.tensors)}
        self.coordinates: frozenset[str] = frozenset()
        self.queue_names: list[str] = []
        self.ring_names: dict[str, int] = {}
        self.targets = self.pieces = 1
        self.loops: dict[int, LoopText] = {}
        self._around: tuple[int, ...] = ()

    def flatten(self) -> Flat:
        """The text of the whole kernel."""
        groups = self.kernel.groups
        for group in groups:
            self._group(group)
        words, bases = self._assemble()
        steps = [i for i, row in enumerate(self.rows["operations"]) if "step" in row]
        return Flat(
            words,
            bases["operations"] + np.array(steps, dtype=np.int64) * w.OPERATION_WORDS,
            bases["queues"] + np.arange(len(self.queue_names)) * w.QUEUE_TEXT_WORDS,
            tuple(self.queue_names),
            tuple(self.ring_names),
            bases["groups"],
            max(1, *(len(g.queues) for g in groups)),
            max(1, *(len(g.group.rings) for g in groups)),
            max(1, *(sum(ring.depth for ring in g.group.rings) for g in groups)),
            max(1, *(g.counters for g in groups)),
            self.targets,
            self.pieces,
            self.expressions.forms,
            {bases["operations"] + row * w.OPERATION_WORDS: loop for row, loop in self.loops.items()},
            tuple(
                bases["operations"] + row * w.OPERATION_WORDS
                for row in (*(q["operation"] for q in self.rows["queues"]), len(self.rows["operations"]))
            ),
        )

    def _assemble(self) -> tuple[Array, dict[str, int]]:
        """All tables one after another, with references in the place of row numbers; and where each begins."""
        sizes = {name: len(self.rows[name]) * width for name, (_, width) in TABLES.items()}
        sizes |= {"consumers": len(self.consumers), "expressions": len(self.expressions.words)}
        starts = np.cumsum([w.HEADER_WORDS, *sizes.values()]).tolist()
        bases = dict(zip(sizes, starts, strict=False))
        words = np.zeros(starts[-1] - w.HEADER_WORDS, dtype=np.int64)
        for name, (prefix, width) in TABLES.items():
            references = REFERENCES.get(name, {})
            for i, row in enumerate(self.rows[name]):
                first = bases[name] + i * width - w.HEADER_WORDS
                for key, value in row.items():
                    to = references.get(key)
                    if to is not None and value >= 0:
                        value = bases[to] + value * TABLES.get(to, ("", 1))[1]
                    words[first + getattr(w, f"{prefix}_{key.upper()}")] = value
        at = bases["consumers"] - w.HEADER_WORDS
        words[at:] = [*self.consumers, *self.expressions.words]
        return words, bases

    # ---- groups, rings, queues ----

    def _group(self, plan: GroupPlan) -> None:
        group = plan.group
        self._add(
            "groups",
            first_block=plan.first_block,
            blocks=group.block_count,
            cluster=group.cluster_size,
            queues=len(plan.queues),
            rings=len(group.rings),
            first_queue=len(self.rows["queues"]),
            first_ring=len(self.rows["rings"]),
            first_axis=len(self.rows["grid"]),
            axes=len(group.grid),
        )
        for (_, extent), cluster in zip(group.grid, group.cluster, strict=True):
            self._add("grid", extent=extent, cluster=cluster)
        for ring, writer, consumers in zip(group.rings, plan.writers, plan.consumers, strict=True):
            reason = w.FIRST_RING_REASON + 4 * self.ring_names.setdefault(ring.name, len(self.ring_names))
            pops = len(self.consumers)
            self._add("rings", depth=ring.depth, writer=writer, consumers=len(consumers), pops=pops, reason=reason)
            self.consumers += [int(i in consumers) for i in range(len(plan.queues))]
        steps = iter(plan.steps)
        index = {name: i for i, (name, _) in enumerate(group.grid)}
        self.coordinates = frozenset(index)
        for queue in group.queues:
            self.queue_names.append(queue.name)
            self._add("queues", operation=len(self.rows["operations"]))
            self._body(queue.body, steps, index, {name: (0, extent - 1) for name, extent in group.grid})
            self._add("operations", kind=w.FINISH)

    def _body(
        self, body: tuple[Statement, ...], steps: Iterator[Step], index: Mapping[str, int], ranges: dict[str, Range]
    ) -> None:
        for statement in body:
            if not isinstance(statement, Loop):
                self._step(next(steps), index)
            elif any(walk(statement.body)):  # one without instructions takes no time
                variable = len(index)
                begin = len(self.rows["operations"])
                trips = Expr(0) if _is_idle(statement, ranges) else statement.count
                count = self.expressions.add(trips, index)
                loop = self._add("operations", kind=w.LOOP, variable=variable, count=count)
                last = max(0, statement.count.bounds(ranges)[1] - 1)
                if last >= LARGEST:
                    raise ProgramError(
                        f"a loop of {statement.count} trips is too long for the compiled engine",
                        where=f"kernel {self.kernel.kernel.name}: loop {statement.var}",
                        mend=f"stay below {LARGEST} trips, or nest loops",
                    )
                inner = {**ranges, statement.var: (0, last)}
                for around in self._around:
                    self.loops[around].counts.append(statement.count)
                    known = self.loops[around].ranges.get(statement.var, (0, 0))
                    self.loops[around].ranges[statement.var] = 0, max(last, known[1])
                self.loops[begin] = LoopText(statement.var, dict(inner))
                self._around = (*self._around, begin)
                self._body(statement.body, steps, {**index, statement.var: variable}, inner)
                self._around = self._around[:-1]
                loop["partner"] = len(self.rows["operations"])
                self._add("operations", kind=w.END_LOOP, variable=variable, partner=begin)

    def _add(self, table: str, **values: int) -> dict[str, int]:
        self.rows[table].append(values)
        if table == "operations":
            values["parent"] = self._around[-1] if self._around else -1
        return values

    # ---- instructions ----

    def _step(self, step: Step, index: Mapping[str, int]) -> None:
        first = len(self.rows["reads"])
        for ring, ahead in step.reads:
            self._add("reads", ring=ring, ahead=ahead)
        common = {"step": step.number, "first_read": first, "reads": len(step.reads)}
        common |= {"interval": step.interval, "latency": step.latency}
        if not step.unit:
            kind = w.PUSH if step.operation == "push" else w.POP
            self._add("operations", kind=kind, ring=step.ring, **common)
        elif step.unit == "dma":
            self._transfer(step, index, common)
        else:
            ports = dict(step.ports)
            self._add(
                "operations",
                kind=w.COMPUTE,
                ring=step.writes,
                unit=UNITS[step.unit],
                sram_ticks=ports.get("sram", 0),
                reg_ticks=ports.get("reg", 0),
                accumulates=int(step.accumulates),
                is_mma=int(isinstance(step.instruction, Mma)),
                **common,
            )

    def _transfer(self, step: Step, index: Mapping[str, int], common: Mapping[str, int]) -> None:
        chip_wide = step.access is not None and step.access.layout is not None
        way = (w.STORE if isinstance(step.instruction, Store) else w.LOAD) if chip_wide else w.ON_CHIP
        access = -1 if step.access is None else self._access(step, step.access, index)
        self._add(
            "operations",
            kind=w.TRANSFER,
            unit=w.DMA,
            way=way,
            role=ROLES[step.access.role] if chip_wide and step.access else -1,
            source_memory=MEMORIES.get(step.source_role, -1),
            target_memory=MEMORIES.get(step.target_role, -1),
            access=access,
            bytes=step.tile_bytes,
            **self._target(step, index),
            **common,
        )

    def _target(self, step: Step, index: Mapping[str, int]) -> dict[str, int]:
        aim = transfer_target(step.instruction)
        if step.target is None or aim is None:
            return {"target": w.NOWHERE}
        if aim.blocks is None:
            return {"target": w.OWN, "ring": step.target.ring}
        first = len(self.rows["ranges"])
        for start, count in aim.blocks:
            for around in self._around:
                self.loops[around].counts.append(start)
            self._add("ranges", start=self.expressions.add(start, index), count=count)
        self.targets = max(self.targets, math.prod(count for _, count in aim.blocks))
        group = next(i for i, g in enumerate(self.kernel.groups) if g.group.name == step.target.group)
        return {
            "target": w.BLOCKS,
            "fixed": int(all(start.variables() <= self.coordinates for start, _ in aim.blocks)),
            "ring": step.target.ring,
            "target_group": group,
            "first_range": first,
            "ranges": len(aim.blocks),
        }

    def _access(self, step: Step, access: Access, index: Mapping[str, int]) -> int:
        region = _region(step)
        layout = access.layout
        ranks = range(len(region.starts))
        segments = layout.segment_shape if layout else [1] * len(ranks)
        strides = layout.strides if layout else [0] * len(ranks)
        gather = 0
        rows = 1
        if isinstance(step.instruction, Gather) and access.rows is not None:
            gather = w.IN_ORDER if access.rows[1] == "sequential" else w.EVENLY
            rows = access.rows[0]
        for around in self._around:
            self.loops[around].accesses.append((step.number, access, region))
        number = len(self.rows["accesses"])
        self._add(
            "accesses",
            tensor=self.tensors[access.tensor],
            first_axis=len(self.rows["axes"]),
            axes=len(ranks),
            element_bytes=access.element_bytes,
            rows=rows,
            gather=gather,
            chip_wide=int(layout is not None),
        )
        most = rows
        for d in ranks:
            self._add(
                "axes",
                start=self.expressions.add(region.starts[d], index),
                size=region.sizes[d],
                step=region.steps[d],
                extent=access.extents[d],
                segment=segments[d],
                stride=strides[d],
            )
            points = 1 if gather and d == 0 else region.sizes[d]
            most *= min(points, (points - 1) * region.steps[d] // segments[d] + 2)
        self.pieces = max(self.pieces, 1 if layout is None else most)
        return number


def _is_idle(statement: Statement, ranges: Mapping[str, Range]) -> bool:
    """Whether a statement is a loop in which nothing is ever executed, however often it turns."""
    if not isinstance(statement, Loop):
        return False
    most = statement.count.bounds(ranges)[1]
    inner = {**ranges, statement.var: (0, max(0, most - 1))}
    return most <= 0 or all(_is_idle(inside, inner) for inside in statement.body)


def _region(step: Step) -> Region:
    match step.instruction:
        case Load(src=region) | Gather(src=region) | Store(dst=region):
            return region
    raise AssertionError(step.instruction)
