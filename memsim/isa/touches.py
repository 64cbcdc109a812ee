"""What a program touches in one memory, in the order in which `interpret` runs it; nothing is computed.

The instructions are compiled and run as `interpret` does, with their waits, their rings and their order; only what
they do is another thing: a tile is a token that knows its slot. Clusters run one after another; within one, a queue
runs until it has to wait, and then the next.

In an instruction, tiles and regions are read in the order of its operands, before anything is written; a multicast
writes each of its targets. Rings of blocks that follow each other on a core take the same slots.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from memsim.errors import MemsimError
from memsim.isa._interpret_operands import Scope, consumers, find_operand, find_targets, read_open
from memsim.isa._interpret_rings import Frame, LoopSteps, Rings, RingState, Step
from memsim.isa._interpret_steps import compile_body
from memsim.isa._interpret_tiles import TileValue, compile_region
from memsim.isa.analyze import analyze
from memsim.isa.interpret import _clusters, _Placed, _run_cluster, core_count, usable_cores
from memsim.isa.model import (
    PER_CORE_ROLES,
    Gather,
    Instruction,
    Kernel,
    Load,
    Mma,
    Pop,
    Program,
    Push,
    Region,
    Store,
    Target,
    Tensor,
    ring_written,
    tiles_read,
    transfer_target,
)

MOST_STEPS = 2_000_000
"""Executed instructions that are followed at most: some 2 us and 100 bytes each."""

_EMPTY = np.zeros(0)

_Act: TypeAlias = Callable[[Frame], None]
_Body: TypeAlias = tuple[Step | LoopSteps, ...]


@dataclass(frozen=True, slots=True)
class TouchedRegion:
    """One region of a tensor in the text of a program, with the places where it lay."""

    tensor: Tensor
    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    writes: bool
    times: list[int] = field(default_factory=list)
    """When it was touched."""
    starts: list[tuple[int, ...]] = field(default_factory=list)
    """Where it began, one coordinate a dimension, each time."""
    cores: list[int] = field(default_factory=list)
    """By which core, each time."""


@dataclass(slots=True)
class Touches:
    """What was touched in one memory. Times count everything that was touched, from 0."""

    role: str
    regions: list[TouchedRegion] = field(default_factory=list)
    slot_bytes: list[int] = field(default_factory=list)
    """The size of each slot of a ring that lies in the memory."""
    slot_times: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    """Which slot was touched at each of ``slot_times``."""
    slot_writes: list[bool] = field(default_factory=list)
    count: int = 0
    """Regions and slots touched."""


def touches(program: Program, role: str, *, cores: int | None = None, core: int | None = None) -> Touches:
    """Follow a program and list what it touches in the memory ``role``; it is taken to pass `verify`.

    Parameters
    ----------
    program
        What to follow.
    role
        ``dram``, ``sram`` …
    cores
        Of the chip, where the program does not fix them itself.
    core
        List only what the blocks of this core touch; all cores unless given. What another core sends to it is not
        listed then.

    Raises
    ------
    MemsimError
        If more than `MOST_STEPS` instructions would be followed, or there is no such core.
    """
    used = core_count(program, cores)
    if core is not None and not 0 <= core < (used or 1):
        raise MemsimError(
            f"there is no core {core}", where=f"program {program.name}", mend=f"cores: 0 to {(used or 1) - 1}"
        )
    if core is None:
        _check_steps(program, sum(e.count for e in analyze(program).executions))
    found = _Follower(program, Touches(role))
    for number, kernel in enumerate(program.kernels):
        found.run(number, kernel, used, core)
    return found.touches


def _check_steps(program: Program, steps: int) -> None:
    if steps > MOST_STEPS:
        raise MemsimError(
            f"{steps:,} instructions run, and at most {MOST_STEPS:,} are followed",
            where=f"program {program.name}",
            mend="take one core (core=, --core), or a smaller problem",
        )


class _Token(TileValue):
    """A tile of which only the slot is known; -1 where its memory is not looked at."""

    __slots__ = ("slot",)

    def __init__(self, slot: int) -> None:
        super().__init__(_EMPTY)
        self.slot = slot


_Slots: TypeAlias = tuple[_Token, ...]


class _Follower:
    """Runs the kernels of a program one after another."""

    def __init__(self, program: Program, found: Touches) -> None:
        self.program, self.touches = program, found
        self.steps = 0
        self.executed: Counter[tuple[int, str]] = Counter()
        """Instructions by block of the kernel and queue."""
        self.places: dict[tuple[int, str, str, int, int], _Slots] = {}
        """By kernel, group, ring, core and which of the core's resident blocks."""
        self.cluster: Mapping[tuple[str, int], Rings] | None = None
        self.rings: dict[RingState, _Slots] = {}
        """Of the blocks of the cluster that runs."""
        self.kernel_number = 0
        self.placed: dict[tuple[str, int], _Placed] = {}
        self.cores = 1
        self.occupancy = 1

    def run(self, number: int, kernel: Kernel, cores: int | None, core: int | None) -> None:
        """Follow the blocks of a kernel, or only the clusters that have a block on the core."""
        self.kernel_number, self.cores, self.occupancy = number, usable_cores(kernel, cores), kernel.occupancy
        compiled = {
            (group.name, queue.name): self._followed(
                compile_body(queue.body, scope := Scope(self.program, kernel, group, queue, False)), scope, core
            )
            for group in kernel.groups
            for queue in group.queues
        }
        poppers = {group.name: consumers(group) for group in kernel.groups}
        for cluster in _clusters(kernel, cores):
            if core is not None and all(block.core != core for block in cluster):
                continue
            self.executed.clear()
            self.placed = {block.key: block for block in cluster}
            _run_cluster(cluster, kernel, compiled, poppers, {block.core: {} for block in cluster})

    def _followed(self, body: _Body, scope: Scope, core: int | None) -> _Body:
        """The same statements with actions that only tell what they touch; pushes and pops stay as they are."""
        followed: list[Step | LoopSteps] = []
        for item in body:
            if isinstance(item, LoopSteps):
                followed.append(replace(item, body=self._followed(item.body, scope, core)))
                continue
            keeps = isinstance(item.instruction, (Push, Pop))
            act = item.action if keeps else self._action(item.instruction, scope, core)
            followed.append(replace(item, action=self._counted(act, scope.queue.name)))
        return tuple(followed)

    def _counted(self, act: _Act, queue: str) -> _Act:
        def action(frame: Frame) -> None:
            self.steps += 1
            if self.steps > MOST_STEPS:
                _check_steps(self.program, self.steps)
            self.executed[frame.block, queue] += 1
            act(frame)

        return action

    def _action(self, instruction: Instruction, scope: Scope, core: int | None) -> _Act:
        """What an instruction touches, read before written."""
        acts = [self._slot_read(find_operand(tile, instruction, scope)[1], core) for tile in tiles_read(instruction)]
        if isinstance(instruction, Mma) and instruction.accumulate:
            acts.append(self._slot_read(read_open(instruction.dst, instruction, scope), core))
        if isinstance(instruction, (Load, Gather)):
            acts += self._region(instruction, instruction.src, scope, core, writes=False)
        if isinstance(instruction, Store):
            acts += self._region(instruction, instruction.dst, scope, core, writes=True)
        target, written = transfer_target(instruction), ring_written(instruction)
        if target is not None:
            acts.append(self._filled(target, instruction, scope, core))
        if written is not None:
            acts.append(self._computed(written, core))

        def action(frame: Frame) -> None:
            for act in acts:
                act(frame)

        return action

    # ---- tiles in rings ----

    def _slot_read(self, read: Callable[[Frame], TileValue], core: int | None) -> _Act:
        def action(frame: Frame) -> None:
            token = read(frame)
            assert isinstance(token, _Token)
            self._touch_slot(frame, token, core, False)

        return action

    def _filled(self, target: Target, instruction: Instruction, scope: Scope, core: int | None) -> _Act:
        rings = find_targets(target, instruction, scope)[1]

        def action(frame: Frame) -> None:
            for ring in rings(frame):
                token = self._slots(frame, ring)[ring.pushed % ring.depth]
                self._touch_slot(frame, token, core, True)
                ring.push(token)

        return action

    def _computed(self, name: str, core: int | None) -> _Act:
        def action(frame: Frame) -> None:
            ring = frame.rings[name]
            token = self._slots(frame, ring)[ring.pushed % ring.depth]
            ring.open = token
            self._touch_slot(frame, token, core, True)

        return action

    def _touch_slot(self, frame: Frame, token: _Token, core: int | None, writes: bool) -> None:
        if token.slot < 0 or (core is not None and frame.block % self.cores != core):
            return
        found = self.touches
        found.slot_times.append(found.count)
        found.slots.append(token.slot)
        found.slot_writes.append(writes)
        found.count += 1

    def _slots(self, frame: Frame, ring: RingState) -> _Slots:
        """The tokens of a ring's slots."""
        if self.cluster is not frame.cluster:
            self.cluster = frame.cluster
            self.rings = {
                state: self._places(self.placed[key], state)
                for key, rings in frame.cluster.items()
                for state in rings.values()
            }
        return self.rings[ring]

    def _places(self, block: _Placed, ring: RingState) -> _Slots:
        resident = block.number // self.cores % self.occupancy
        key = (self.kernel_number, block.group.name, ring.name, block.core, resident)
        if key not in self.places:
            declared, sizes = block.group.ring(ring.name), self.touches.slot_bytes
            inside = declared.memory == self.touches.role
            self.places[key] = tuple(_Token(len(sizes) + i if inside else -1) for i in range(ring.depth))
            if inside:
                sizes += [declared.tile_bytes] * ring.depth
        return self.places[key]

    # ---- regions of tensors ----

    def _region(
        self, instruction: Load | Store | Gather, region: Region, scope: Scope, core: int | None, *, writes: bool
    ) -> Sequence[_Act]:
        tensor = scope.program.tensor(region.tensor)
        if tensor.role != self.touches.role:
            return ()
        box_at = compile_region(region, tensor, scope.where(instruction))
        gathers = isinstance(instruction, Gather)
        sizes = (1, region.sizes[1]) if gathers else region.sizes
        found = TouchedRegion(tensor, sizes, region.steps, writes)
        self.touches.regions.append(found)
        rows = _rows(instruction, scope) if isinstance(instruction, Gather) else None

        def action(frame: Frame) -> None:
            at = frame.block % self.cores
            if core is not None and at != core:
                return
            box = box_at(frame.env)
            starts = tuple(
                [
                    cut.start - part.start * step
                    for cut, part, step in zip(box.slices, box.kept, region.steps, strict=True)
                ]
            )
            places = (
                [starts]
                if rows is None
                else [(starts[0] + row, starts[1]) for row in rows(self.executed[frame.block, scope.queue.name])]
            )
            owner = at if tensor.role in PER_CORE_ROLES else 0
            for place in places:
                found.times.append(self.touches.count)
                found.starts.append(place)
                found.cores.append(owner)
                self.touches.count += 1

        return (action,)


def _rows(gather: Gather, scope: Scope) -> Callable[[int], list[int]]:
    """The rows that a gather takes as the ``sequence``-th instruction of its queue, by the engines' rule.

    Values are not known. Uniform: evenly spread, in a new phase each time; sequential: adjacent.
    """
    count, rows = math.prod(scope.group.ring(gather.index.ring).shape), gather.src.sizes[0]

    def taken(sequence: int) -> list[int]:
        if gather.distribution == "sequential":
            return [(sequence * count + i) % rows for i in range(count)]
        return [(i * rows // count + sequence * 2654435761) % rows for i in range(count)]

    return taken
