"""Turns values into vector instructions on rings, reusing scratch tiles as soon as nothing needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from memsim.isa.expr import ExprLike
from memsim.isa.handles import Operand as TileOperand
from memsim.isa.handles import RingHandle
from memsim.lowering.rings import RingSpec
from memsim.lowering.values import IOTA, REDUCE, Value

Kind: TypeAlias = tuple[tuple[int, ...], str]
"""Shape and type of a tile."""


@dataclass(frozen=True, slots=True)
class Step:
    """One vector instruction: a value, and the name of the ring that it goes to."""

    value: Value
    ring: str


@dataclass
class Scratch:
    """Scratch rings, handed out by shape and type, and taken back for the next use."""

    prefix: str = "t"
    specs: list[RingSpec] = field(default_factory=list)
    _free: dict[Kind, list[str]] = field(default_factory=dict)
    _kinds: dict[str, Kind] = field(default_factory=dict)

    def adopt(self, name: str, kind: Kind) -> None:
        """Note a ring that exists already and may be released here."""
        self._kinds[name] = kind

    def take(self, kind: Kind) -> str:
        """A ring of that kind that nobody holds."""
        if self._free.get(kind):
            return self._free[kind].pop()
        name = f"{self.prefix}{len(self.specs)}"
        self.specs.append(RingSpec(name, kind[1], kind[0]))
        self._kinds[name] = kind
        return name

    def release(self, name: str) -> None:
        """Give a ring back."""
        self._free.setdefault(self._kinds[name], []).append(name)


def schedule(
    targets: Mapping[str, Value],
    known: Sequence[Value],
    shape_of: Callable[[Value], tuple[int, ...]],
    scratch: Scratch,
    in_place: Mapping[str, Value] | None = None,
) -> tuple[Step, ...]:
    """Order the instructions that compute ``targets``, with scratch rings for all that lies between.

    Parameters
    ----------
    targets
        The value that each named ring gets, in this order; later ones may use earlier ones.
    known
        Values that lie in rings already; they are not computed again.
    shape_of
        Tile shape of a value.
    scratch
        Where scratch rings come from; all are given back at the end.
    in_place
        Rings of known values that may be overwritten once the value is not needed any more.
    """
    names = {id(value): name for name, value in targets.items()}
    work = tuple(needed(list(targets.values()), known))
    last = {id(arg): number for number, value in enumerate(work) for arg in value.values}
    holder = {id(value): name for name, value in (in_place or {}).items()}
    for name, value in (in_place or {}).items():
        scratch.adopt(name, (shape_of(value), value.dtype))
    steps = []
    for number, value in enumerate(work):
        for arg in {id(v): v for v in value.values}:
            if last[arg] == number and arg in holder:
                scratch.release(holder.pop(arg))
        if id(value) in names:
            steps.append(Step(value, names[id(value)]))
        else:
            holder[id(value)] = scratch.take((shape_of(value), value.dtype))
            steps.append(Step(value, holder[id(value)]))
    for name in holder.values():
        scratch.release(name)
    return tuple(steps)


def needed(targets: Sequence[Value], known: Sequence[Value]) -> Iterator[Value]:
    """Values to compute for the targets, arguments first, looking no further than those that are known."""
    stops = {id(value) for value in known}
    wanted = {id(target) for target in targets}
    done: set[int] = set()
    stack = [(target, False) for target in reversed(targets)]
    while stack:
        value, ready = stack.pop()
        if id(value) in done or (id(value) in stops and id(value) not in wanted):
            continue
        if ready:
            done.add(id(value))
            yield value
        else:
            stack.append((value, True))
            if id(value) not in stops:
                stack.extend((arg, False) for arg in reversed(value.values))


def emit(
    steps: Sequence[Step],
    rings: Mapping[str, RingHandle],
    place_of: Mapping[int, TileOperand],
    starts: Sequence[ExprLike],
    rank: int,
) -> dict[int, TileOperand]:
    """Write the instructions of a schedule into the open queue.

    Parameters
    ----------
    steps
        The schedule.
    rings
        Rings by name.
    place_of
        Where the known values lie, by identity.
    starts
        First index of the tile along each axis of the space, for iota.
    rank
        Dimensions of a tile: the last ones of the space.

    Returns
    -------
    dict
        Where all values lie now, by identity.
    """
    where: dict[int, TileOperand] = dict(place_of)
    hidden = len(starts) - rank
    for step in steps:
        value, ring = step.value, rings[step.ring]
        if id(value) in where:
            ring.set("cast", where[id(value)])
        elif value.op == IOTA:
            ring.iota(axis=value.axis - hidden, start=starts[value.axis])
        elif value.op == REDUCE:
            ring.reduce(value.how, where[id(value.values[0])], axis=value.axis - hidden)
        else:
            ring.set(value.op, *(arg if isinstance(arg, float) else where[id(arg)] for arg in value.args))
        where[id(value)] = ring
    return where
