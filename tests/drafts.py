"""How random programs are made valid: write *one* sequential program, then hand its instructions out to queues.

The sequential text runs every block of a cluster in lockstep, and never pushes into a full ring nor reads an empty
one. So one order of execution exists that never waits; rings are deterministic channels, hence *no* order that the
queues can take ends in a deadlock, whatever queue each instruction was given to and however deep the rings are.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from hypothesis import assume
from hypothesis import strategies as st

from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.model import (
    Group,
    Instruction,
    Kernel,
    Loop,
    Pop,
    Queue,
    Region,
    Ring,
    Statement,
    Store,
    Tensor,
    Tile,
)

Draw = Callable[[st.SearchStrategy[Any]], Any] | random.Random
"""Where choices come from: hypothesis, which can shrink them, or a generator of random numbers, which is quicker."""
Shape = tuple[int, ...]
T = TypeVar("T")


def _set_back(sizes: Shape, steps: Shape) -> tuple[int, ...]:
    """By how much a clipped region begins before where it was drawn to: in some dimensions of some regions.

    It follows from the sizes: with a draw of its own the numbered programs, and what they reach, would be others.
    """
    kinds = [(sum(sizes) + 5 * dim) % 16 for dim in range(len(sizes))]
    return tuple(
        {0: 1, 1: step, 2: size * step + 1}.get(k, 0) for k, size, step in zip(kinds, sizes, steps, strict=True)
    )


FLOATS = ("fp32", "fp32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2")
DTYPES = (*FLOATS, "int8", "int32")
QUEUES = {"load": ("load", "fetch"), "compute": ("compute", "vector"), "store": ("store", "drain"), "net": ("net",)}
COST = 12
"""Instructions to reckon with for whatever comes next."""
MANY_TRIPS = (7, 16, 20, 36, 60, 150)
ALL_QUEUES = tuple(name for names in QUEUES.values() for name in names)


def choose_from(draw: Draw, values: Sequence[T]) -> T:
    """Draw one of the values; the first is the simplest."""
    if isinstance(draw, random.Random):
        return draw.choice(values)
    return values[draw(_index(len(values)))]


class Rejected(Exception):
    """What has been drawn at random is not fit for use."""


def require(draw: Draw, condition: bool) -> None:
    """Give up what has been drawn unless the condition holds."""
    if not isinstance(draw, random.Random):
        assume(condition)
    elif not condition:
        raise Rejected


@cache  # hypothesis spends as long on a new strategy as on a draw, and a program takes some 400 draws
def _index(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


@dataclass
class TensorDraft:
    """A tensor that may still grow: loads without `clip` enlarge those that only serve as input."""

    name: str
    role: str
    dtype: str
    shape: list[int]
    fixed: bool = False
    index_rows: int | None = None
    """Rows that its entries select from, where it serves as a gather's index."""

    def build(self) -> Tensor:
        return Tensor(self.name, self.role, self.dtype, tuple(self.shape))


@dataclass
class Tensors:
    """The tensors of a program; within a kernel each is only read or only written."""

    drafts: list[TensorDraft] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)

    def next_kernel(self) -> None:
        self.read, self.written = set(), set()

    def add(self, draft: TensorDraft) -> TensorDraft:
        self.drafts.append(draft)
        return draft

    def readable(self, dtype: str, rank: int) -> list[TensorDraft]:
        return [t for t in self.drafts if t.dtype == dtype and len(t.shape) >= rank and t.name not in self.written]

    def writable(self, dtype: str, shape: Shape) -> list[TensorDraft]:
        """Tensors of at least that shape that nothing in this kernel has touched, and no gather depends on."""
        touched = self.read | self.written
        return [
            t
            for t in self.drafts
            if (t.dtype, len(t.shape)) == (dtype, len(shape))
            and t.name not in touched
            and t.index_rows is None
            and all(have >= need for have, need in zip(t.shape, shape, strict=True))
        ]


@dataclass
class Channel:
    """A ring, and what the sequential text knows of it."""

    name: str
    memory: str
    dtype: str
    shape: Shape
    producer: tuple[object, ...]
    """Queue, style and target: what must be equal for another place to push into the same ring."""
    consumers: tuple[str, ...]
    depth: int = 1
    resident: int = 0
    busy: bool = False


@dataclass
class Scope:
    """Where in the sequential text we are."""

    ranges: dict[str, tuple[int, int]]
    """Lowest and highest value of each variable."""
    uniform: frozenset[str]
    """Variables with the same value in every block of a cluster, at the same step."""
    in_step: bool = True
    """Whether all blocks of the cluster come here equally often, so that they may exchange tiles."""
    rounds: int = 1
    """At most this many executions in one block."""
    depth: int = 0
    readable: list[tuple[Channel, str]] = field(default_factory=list)
    """Tiles that stay for a while, each with the queue that may read it: held panels and scratch."""


class GroupDraft:
    """One group's rings and queues while they are written."""

    def __init__(self, draw: Draw, kernel: KernelDraft, name: str, grid: dict[str, int], cluster: Shape) -> None:
        self.draw, self.kernel, self.name, self.grid, self.cluster = draw, kernel, name, grid, cluster
        self.channels: list[Channel] = []
        boxes = tuple(grid.values()) if kernel.cooperative else cluster
        self.boxes = dict(zip(grid, boxes, strict=True))
        """Size of the box of blocks that may send to each other, for each coordinate."""
        uniform = frozenset(name for name, size in self.boxes.items() if size == 1)
        self.scope = Scope({name: (0, n - 1) for name, n in grid.items()}, uniform)

    @property
    def blocks(self) -> int:
        return math.prod(self.grid.values())

    @property
    def has_budget(self) -> bool:
        return self.kernel.executions + COST * self.scope.rounds * self.blocks < self.kernel.budget

    @property
    def room(self) -> int:
        """How often a body of usual length could run here within the budget."""
        return (self.kernel.budget - self.kernel.executions) // (COST * self.scope.rounds * self.blocks)

    def pick(self, kind: str) -> str:
        """A queue: mostly one whose name says what it is for, now and then any."""
        return choose_from(self.draw, QUEUES[kind] * 3 + ALL_QUEUES)

    def choose(self, *values: Any) -> Any:
        return choose_from(self.draw, values)

    # ---- statements ----

    def emit(self, queue: str, instruction: Instruction) -> None:
        self.kernel.emit(self.name, queue, instruction)
        self.kernel.executions += self.scope.rounds * self.blocks

    @contextmanager
    def loop(self, count: Expr) -> Iterator[None]:
        """Write what follows into a loop; each queue that has a part in it gets a loop of its own."""
        with self.kernel.loop(self.counter, count), self.rounds(count):
            yield

    @property
    def counter(self) -> str:
        """Name of the counter of a loop that would start here."""
        return f"k{self.scope.depth}"

    @contextmanager
    def rounds(self, count: Expr) -> Iterator[None]:
        """Know that what follows is in a loop."""
        outer, name = self.scope, self.counter
        most = max(count.bounds(outer.ranges)[1], 0)
        in_step = outer.in_step and count.variables() <= outer.uniform
        self.scope = Scope(
            {**outer.ranges, name: (0, max(most - 1, 0))},
            outer.uniform | {name} if in_step else outer.uniform,
            in_step,
            outer.rounds * max(most, 1),
            outer.depth + 1,
            list(outer.readable),
        )
        yield
        self.scope = outer

    def count(self) -> Expr:
        """A trip count: constant, or made of a variable in one of the ways that the ISA allows; never negative."""
        most = max(1, min(self.kernel.most_trips, self.room))
        if self.choose(True, False) or most < 2:
            few = range(1, min(most, 4) + 1)
            return Expr(self.choose(*few, *few, 1, 0, *(n for n in MANY_TRIPS if n <= most)))
        v, high = self.variable()
        candidates = [v, v + 1, high + 1 - v, minimum(v + 1, most), maximum(most - v, 0), v // 2 + 1, v % 2 + 1]
        w, _ = self.variable()
        candidates += [(v + w) % 3, minimum(v, maximum(w, 1)), maximum(v - w, 0), (v * 3 + w) // 2 % 3]
        return self.choose(*(c for c in candidates if c.bounds(self.scope.ranges)[1] <= most), Expr(1))

    def variable(self) -> tuple[Expr, int]:
        """A variable in scope and its highest value."""
        name = self.choose(*sorted(self.scope.ranges))
        return var(name), self.scope.ranges[name][1]

    # ---- rings ----

    def channel(self, shape: Shape, dtype: str, producer: tuple[object, ...], consumers: tuple[str, ...]) -> Channel:
        """A ring for tiles of that kind: a new one, or one that is empty at this point of the text."""
        wanted = (shape, dtype, producer, consumers)
        free = [c for c in self.channels if (c.shape, c.dtype, c.producer, c.consumers) == wanted and not c.busy]
        if free and self.choose(True, False):
            found = choose_from(self.draw, free)
        else:
            memory, depth = self.choose("sram", "reg"), self.choose(1, 1, 2, 3, 4)
            found = Channel(f"r{len(self.channels)}", memory, dtype, shape, producer, consumers, depth)
            self.channels.append(found)
        found.busy = True
        return found

    def filled(self, channel: Channel, tiles: int = 1) -> Channel:
        """Note that ``tiles`` more have been pushed."""
        channel.resident += tiles
        channel.depth = max(channel.depth, channel.resident)
        return channel

    def operand(self, channel: Channel) -> Tile:
        return Tile(channel.name, self.choose(*range(max(channel.resident, 1))))

    def release(self, channel: Channel, tiles: int | None = None) -> None:
        """Pop tiles (all of them, unless told) in every consuming queue."""
        tiles = channel.resident if tiles is None else tiles
        for queue in channel.consumers:
            for _ in range(tiles):
                self.emit(queue, Pop(channel.name))
        channel.resident -= tiles
        channel.busy = channel.resident > 0

    # ---- regions ----

    def start(self, size: int) -> Expr:
        """A coordinate that is never negative."""
        (v, _), (w, _) = self.variable(), self.variable()
        factor = self.choose(1, size, 2)
        some = [Expr(0), Expr(self.choose(1, 2, 3)), v * size, v * size + w, (v + w) // 2 * factor, v % 2 * size]
        return self.choose(*some, v * factor, minimum(v, 2) * factor, maximum(v - w, 0) * factor, v * size + 1)

    def source(self, sizes: Shape, dtype: str) -> Region:
        """A region to load: anywhere in a tensor that this kernel does not write."""
        tensors = self.kernel.tensors
        known = [t for t in tensors.readable(dtype, len(sizes)) if t.role in self.kernel.roles]
        if known and self.choose(True, False):
            tensor = choose_from(self.draw, known)
        else:
            rank = len(sizes) + self.choose(0, 0, 1)
            role = self.choose(*self.kernel.roles)
            tensor = tensors.add(TensorDraft(f"X{len(tensors.drafts)}", role, dtype, [1] * rank))
        tensors.read.add(tensor.name)
        sizes = (1,) * (len(tensor.shape) - len(sizes)) + sizes
        starts = tuple(self.start(size) for size in sizes)
        steps = tuple(self.choose(1, 1, 1, 1, 2, 3) for _ in sizes)
        clip = tensor.fixed or self.choose(True, False)
        if clip:
            starts = tuple(start - back for start, back in zip(starts, _set_back(sizes, steps), strict=True))
        for dim, (start, size, step) in enumerate(zip(starts, sizes, steps, strict=True)):
            need = max(start.bounds(self.scope.ranges)[1] + (size - 1) * step + 1, 1)
            if not tensor.fixed:
                tensor.shape[dim] = max(tensor.shape[dim], self.choose(*range(1, need + 1)) if clip else need)
        return Region(tensor.name, starts, sizes, steps, clip)

    def sink(self, sizes: Shape, dtype: str) -> Region:
        """A region to store to, that no other execution of any instruction in this kernel touches."""
        tensors, step, clip = self.kernel.tensors, self.choose(1, 1, 1, 2), self.choose(True, False)
        places, extents = self._places()
        rows = [*sizes[:-1], (sizes[-1] - 1) * step + 1]
        if self.choose(True, False):  # places and tile side by side: rows of places * tile
            starts = (*places[:-1], places[-1] * rows[0], *(Expr(0) for _ in rows[1:]))
            sizes = (*(1 for _ in extents[1:]), *sizes)
            shape = [*extents[:-1], extents[-1] * rows[0], *rows[1:]]
        else:
            starts = (*places, *(Expr(0) for _ in rows))
            sizes = (*(1 for _ in extents), *sizes)
            shape = [*extents, *rows]
        if clip:
            shape = [max(1, n - self.choose(0, 0, 1, 2)) for n in shape]
            starts = (*starts[:-1], starts[-1] - int(sum(sizes) % 3 == 0))
        reusable = [t for t in tensors.writable(dtype, tuple(shape)) if t.role in self.kernel.roles]
        if reusable and self.choose(True, False):
            tensor = choose_from(self.draw, reusable)
        else:
            role = self.choose(*self.kernel.roles)
            tensor = tensors.add(TensorDraft(f"Y{len(tensors.drafts)}", role, dtype, shape))
        tensor.fixed = True
        tensors.written.add(tensor.name)
        return Region(tensor.name, starts, sizes, (*(1 for _ in sizes[1:]), step), clip)

    def _places(self) -> tuple[tuple[Expr, ...], list[int]]:
        """Coordinates, one combination for each execution at this point, with their extents."""
        names = sorted(self.scope.ranges)
        extents = [self.scope.ranges[name][1] + 1 for name in names]
        how = self.choose("apart", "flat", "folded")
        if how == "apart":
            return tuple(var(name) for name in names), extents
        flat = Expr(0)
        for name, extent in zip(names, extents, strict=True):
            flat = flat * extent + var(name)
        total = math.prod(extents)
        return ((flat,), [total]) if how == "flat" else ((flat // 3, flat % 3), [-(-total // 3), 3])

    def store(self, queue: str, channel: Channel) -> None:
        """Store a resident tile, whole or transposed, to a place of its own."""
        turned = len(channel.shape) == 2 and self.choose(False, False, True)
        sizes = channel.shape[::-1] if turned else channel.shape
        self.emit(queue, Store(self.sink(sizes, channel.dtype), self.operand(channel), turned))

    def build(self, bodies: dict[tuple[str, str], list[Statement]]) -> Group:
        rings = tuple(Ring(c.name, c.memory, c.dtype, c.shape, c.depth) for c in self.channels)
        queues = tuple(Queue(queue, tuple(body)) for (group, queue), body in bodies.items() if group == self.name)
        return Group(self.name, tuple(self.grid.items()), rings, queues, self.cluster)


class KernelDraft:
    """The sequential text of one kernel, kept as one body for each queue of each group."""

    def __init__(
        self, tensors: Tensors, budget: int, cooperative: bool, roles: Sequence[str], most_trips: int = 4
    ) -> None:
        self.tensors, self.budget, self.cooperative = tensors, budget, cooperative
        self.roles = roles
        """Memory roles of the tensors that it reads and writes."""
        self.most_trips = most_trips
        self.executions = 0
        self.frames: list[dict[tuple[str, str], list[Statement]]] = [{}]

    def emit(self, group: str, queue: str, statement: Statement) -> None:
        self.frames[-1].setdefault((group, queue), []).append(statement)

    @contextmanager
    def loop(self, name: str, count: Expr) -> Iterator[None]:
        self.frames.append({})
        yield
        for (group, queue), body in self.frames.pop().items():
            self.emit(group, queue, Loop(name, count, tuple(body)))

    def build(self, name: str, groups: list[GroupDraft], occupancy: int) -> Kernel:
        built = tuple(group.build(self.frames[0]) for group in groups)
        return Kernel(name, built, occupancy, self.cooperative)
