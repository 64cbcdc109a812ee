"""A program laid on a chip, before any time passes: every static cost, once an instruction.

`Plan` holds, for each kernel and group, the tree of `LoopNode` and `Step`. A step knows its unit and ticks, its
ring operands by number, and its *postings*: what one execution adds to the ledger. The engine walks the tree;
the ledger multiplies postings by counted executions. Kernels that are the same up to names are compiled once: the
plans of the later ones, its *twins*, are made when somebody walks them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from memsim.engine.layout import TensorLayout
from memsim.hierarchy import Chip
from memsim.isa.closures import IntFunction
from memsim.isa.model import Group, Instruction, Kernel, Program, Tile


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
    starts: tuple[IntFunction, ...]
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
    blocks: tuple[tuple[IntFunction, int], ...] | None


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction with every cost that does not depend on when or where it runs."""

    number: int
    """Position among all steps of the kernel."""
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
    ports: tuple[tuple[str, int], ...] = ()
    """(memory, ticks) of each core memory's port that the operands of a compute instruction take."""
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
    count: IntFunction
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


@dataclass(frozen=True)
class KernelPlan:
    """One kernel, compiled, with the cores that its clusters use."""

    kernel: Kernel
    cores: int
    twin: int
    """Index of the first kernel of the program that is the same up to names; its own, if it is the first.

    Twins do the same work and use the hardware alike: their tensors are cut alike, and begin at the same place in a
    page of the address map.
    """
    tensors: tuple[str, ...]
    """Tensors that the kernel names, in order of first appearance: twins have theirs in the same order."""
    compiled: Callable[[], tuple[GroupPlan, ...]]
    """Makes `groups`."""

    @cached_property
    def groups(self) -> tuple[GroupPlan, ...]:
        """The groups of blocks, compiled."""
        return self.compiled()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all groups: the one at index i has `Step.number` i."""
        return tuple(step for group in self.groups for step in group.steps)


@dataclass(slots=True)
class Plan:
    """A whole program on a chip."""

    program: Program
    chip: Chip
    kernels: tuple[KernelPlan, ...] = ()
    layouts: dict[str, TensorLayout] = field(default_factory=dict)
