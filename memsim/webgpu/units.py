"""Which blocks run in one workgroup, and the text of each queue of each of them.

A block whose group exchanges no tiles is a workgroup of its own. Where blocks fill each other's rings, WGSL has no
way to make one workgroup wait for another, so the blocks of a cluster (of a cooperative kernel: all of them) become
*one* workgroup: a `Unit`. Their texts are written out for each block, with its place in the cluster filled in.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from memsim.isa.expr import Expr, Range, var
from memsim.isa.model import Group, Kernel, Loop, transfer_target, walk
from memsim.isa.rewriting import simplify, substitute
from memsim.webgpu.texts import Body, with_counts, with_values

MOST_UNITS = 10_000
"""Workgroups that are looked at one by one, where their trip counts differ."""


@dataclass(frozen=True, slots=True)
class Member:
    """A block of a unit."""

    number: int
    """Its index in the unit."""
    group: Group
    place: tuple[int, ...]
    """Its coordinates inside the cluster (in a cooperative kernel, in the grid)."""
    coordinates: Mapping[str, Expr]
    """Each block coordinate, in terms of the unit's variables."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Blocks that run in one workgroup; ``count`` workgroups run the same text."""

    members: tuple[Member, ...]
    variables: tuple[tuple[str, int], ...]
    """Coordinates of the unit, with the extent of each: unit u has them row-major (see `unit_coordinates`)."""
    count: int
    first_block: int
    """Number in the kernel of the first block of the first unit; unit u begins ``u * len(members)`` blocks later."""
    single: bool
    """Whether a unit is a single block, numbered as the group numbers its blocks."""
    chosen: tuple[int, ...] | None = None
    """Which of the units this text is for; None: for all."""
    fixed: Mapping[str, int] = field(default_factory=dict)
    """What trip counts (and the blocks that transfers go to) are to take for the unit's variables: equal for all of
    the ``chosen``."""

    def group(self, name: str) -> Group:
        """The group of that name."""
        return next(m.group for m in self.members if m.group.name == name)

    def origin(self, group: Group, coordinate: str) -> Expr:
        """A coordinate of the place in a group from which the places of its members count."""
        first = next(m for m in self.members if m.group.name == group.name)
        at = dict(zip((name for name, _ in group.grid), first.place, strict=True))
        return first.coordinates[coordinate] - at[coordinate]

    def coordinates(self, unit: int) -> dict[str, int]:
        """Value of each variable for the ``unit``-th unit."""
        if self.single:
            return self.members[0].group.coordinates(unit)
        values = {}
        for name, size in reversed(self.variables):
            unit, values[name] = divmod(unit, size)
        return values

    @property
    def ranges(self) -> dict[str, Range]:
        """Lowest and highest value of each variable."""
        return {name: (0, size - 1) for name, size in self.variables}


def units_of(kernel: Kernel) -> Iterator[Unit]:
    """The units of a kernel, one for each text: for each of its groups, or one for all where groups exchange tiles."""
    talks = any(map(group_talks, kernel.groups))
    if kernel.cooperative and talks:
        members = tuple(_all_blocks(kernel))
        yield Unit(members, (), 1, 0, False)
        return
    first = 0
    for group in kernel.groups:
        if group_talks(group):
            yield _cluster_unit(group, first)
        else:
            own = {name: var(name) for name, _ in group.grid}
            yield Unit((Member(0, group, (0,) * len(group.grid), own),), group.grid, group.block_count, first, True)
        first += group.block_count


def group_talks(group: Group) -> bool:
    """Whether some transfer of the group names blocks to send to."""
    targets = (transfer_target(i) for queue in group.queues for i, _ in walk(queue.body))
    return any(target is not None and target.blocks is not None for target in targets)


def queue_texts(unit: Unit, member: Member) -> list[Body]:
    """The text of each queue of a block, with the block's coordinates in terms of the unit's variables."""
    values = {name: e for name, e in member.coordinates.items() if e != var(name)}
    texts = [with_values(queue.body, values) for queue in member.group.queues]
    return [with_counts(text, unit.fixed) for text in texts] if unit.fixed else texts


def kinds_of(unit: Unit) -> list[Unit]:
    """The unit once for each way in which its blocks count; trip counts are then free of block coordinates."""
    if unit.count > MOST_UNITS:
        return []
    counts = [count for member in unit.members for count in _counts(unit, member)]
    names = set(unit.ranges)
    relevant = sorted({e for e in counts if e.variables() & names}, key=str)
    kinds: dict[tuple[Expr, ...], list[int]] = {}
    for number in range(unit.count):
        at = unit.coordinates(number)
        kinds.setdefault(tuple(substitute(e, at) for e in relevant), []).append(number)
    return [replace(unit, chosen=tuple(of), fixed=unit.coordinates(of[0])) for of in kinds.values()]


def _counts(unit: Unit, member: Member) -> Iterator[Expr]:
    """Every trip count of a block, and every start of the blocks that its transfers go to, relative to the unit."""
    for text in queue_texts(unit, member):
        for instruction, loops in walk(text):
            yield from (loop.count for loop in loops)
            target = transfer_target(instruction)
            if target is not None and target.blocks is not None:
                group = unit.group(target.group) if target.group else member.group
                for (start, _), (name, _) in zip(target.blocks, group.grid, strict=True):
                    yield simplify(start - unit.origin(group, name), _ranges(unit, loops))


def _ranges(unit: Unit, loops: tuple[Loop, ...]) -> dict[str, Range]:
    ranges = unit.ranges
    for loop in loops:
        ranges[loop.var] = (0, max(loop.count.bounds(ranges)[1] - 1, 0))
    return ranges


def _cluster_unit(group: Group, first: int) -> Unit:
    outer = tuple((name, n // c) for (name, n), c in zip(group.grid, group.cluster, strict=True))
    members = []
    for number, place in enumerate(itertools.product(*(range(c) for c in group.cluster))):
        coordinates = {
            name: (var(name) * c + i if n > c else Expr(i))
            for (name, n), c, i in zip(group.grid, group.cluster, place, strict=True)
        }
        members.append(Member(number, group, place, coordinates))
    return Unit(tuple(members), outer, group.block_count // group.cluster_size, first, False)


def _all_blocks(kernel: Kernel) -> Iterator[Member]:
    numbers = itertools.count()
    for group in kernel.groups:
        for index in range(group.block_count):
            at = group.coordinates(index)
            place = tuple(at[name] for name, _ in group.grid)
            yield Member(next(numbers), group, place, {name: Expr(value) for name, value in at.items()})
