"""Programs with loops, as data: regions of consecutive addresses, nested static loops, affine operands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

from memsim.errors import Location
from memsim.locality.scalar.instructions import INSTRUCTIONS, PREDICATES, Instruction, Op

ROLES = ("none", "input", "output", "both")
"""What Model 1 takes from a region before the program, and from it afterwards; the tape machine needs no roles."""

Where: TypeAlias = Location | str
"""A place in a text, or a path such as ``body[3].body[0].src[1]``."""


@dataclass(frozen=True, slots=True)
class Region:
    """A named run of consecutive addresses.

    Attributes
    ----------
    name
        Letters, digits and ``_``, not beginning with a digit.
    words
        How many addresses, at least 1.
    role
        One of `ROLES`: the words are inputs, outputs, both or neither.
    base
        The first address, at least 1; ``None`` for the one after the region that was declared before.
    where
        Its place in a text, for messages.
    """

    name: str
    words: int
    role: str = "none"
    base: int | None = None
    where: Where = field(default="", compare=False, repr=False)

    @property
    def is_input(self) -> bool:
        """Whether its words are there before the program begins."""
        return self.role in ("input", "both")

    @property
    def is_output(self) -> bool:
        """Whether its words are read after the program ended."""
        return self.role in ("output", "both")


@dataclass(frozen=True, slots=True)
class Ref:
    """The word ``region[offset + sum of coefficient * counter]``.

    Attributes
    ----------
    region
        Name of the region.
    offset
        Within the region, in words.
    coefficients
        Pairs of the name of an enclosing loop and the words that a step of its counter moves; kept in the order of
        the names, each once, without zeros.
    where
        Its place in a text, for messages.
    """

    region: str
    offset: int = 0
    coefficients: tuple[tuple[str, int], ...] = ()
    where: Where = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        total: dict[str, int] = {}
        for name, factor in self.coefficients:
            total[name] = total.get(name, 0) + factor
        object.__setattr__(self, "coefficients", tuple(sorted((n, factor) for n, factor in total.items() if factor)))


@dataclass(frozen=True, slots=True)
class Operation:
    """One scalar instruction.

    Attributes
    ----------
    op
        Its code; see `memsim.locality.scalar.instructions`.
    dst
        Where the result goes; ``None`` for ``send``.
    src
        What is read, as many as the instruction takes.
    immediate
        What ``set`` writes, or the place of the predicate of ``cmp`` in `PREDICATES`.
    where
        Its place in a text, for messages.
    """

    op: Op
    dst: Ref | None = None
    src: tuple[Ref, ...] = ()
    immediate: int = 0
    where: Where = field(default="", compare=False, repr=False)

    @property
    def kind(self) -> Instruction:
        """Its entry in the table of instructions."""
        return INSTRUCTIONS[self.op]

    @property
    def predicate(self) -> str:
        """What ``cmp`` asks."""
        return PREDICATES[self.immediate]


@dataclass(frozen=True, slots=True)
class Loop:
    """Run ``body`` for the counter ``name`` = ``start``, ``start + 1`` … ``start + count - 1``."""

    name: str
    start: int
    count: int
    body: tuple[Loop | Operation, ...]
    where: Where = field(default="", compare=False, repr=False)


Statement: TypeAlias = Loop | Operation


@dataclass(frozen=True, slots=True)
class Visit:
    """An operation with the loops around it, outermost first, and its path."""

    operation: Operation
    loops: tuple[Loop, ...]
    path: str

    @property
    def times(self) -> int:
        """How often it runs."""
        return prod(loop.count for loop in self.loops)

    def place(self, part: str = "") -> Where:
        """Where the operation stands, or one of its operands: ``dst`` or ``src[i]``."""
        if part == "dst":
            found = self.operation.dst.where if self.operation.dst else ""
        elif part:
            found = self.operation.src[int(part[4:-1])].where
        else:
            found = self.operation.where
        return found or (f"{self.path}.{part}" if part else self.path)


@dataclass(frozen=True)
class LoopProgram:
    """A program with loops. It is checked when it is made.

    Attributes
    ----------
    regions
        In the order of declaration.
    body
        Loops and operations, one after another.
    notes
        What a JSON document says besides, as pairs of key and value: ``model_spec_commit``, ``arithmetic``.

    Raises
    ------
    ProgramError
        If regions overlap, a name is unknown, a counter is not bound, an operand is missing or leaves its region.
    """

    regions: tuple[Region, ...]
    body: tuple[Statement, ...]
    notes: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        from memsim.locality.loops.checks import check_program

        check_program(self)

    @cached_property
    def bases(self) -> Mapping[str, int]:
        """The first address of each region."""
        found, following = {}, 1
        for region in self.regions:
            base = following if region.base is None else region.base
            found[region.name], following = base, base + region.words
        return found

    @cached_property
    def by_name(self) -> Mapping[str, Region]:
        """The regions by their names."""
        return {region.name: region for region in self.regions}

    @cached_property
    def visits(self) -> tuple[Visit, ...]:
        """Every operation with its loops, in the order of the text."""
        return tuple(_visits(self.body, (), ""))

    @cached_property
    def instructions(self) -> int:
        """How many instructions the program is when it is unrolled."""
        return sum(visit.times for visit in self.visits)

    @cached_property
    def version(self) -> int:
        """The smallest instruction set, 0 to 4, that has every operation of the program that runs."""
        return max((visit.operation.kind.version for visit in self.visits if visit.times), default=0)

    @property
    def words(self) -> int:
        """How many words its regions have."""
        return sum(region.words for region in self.regions)

    def __str__(self) -> str:
        from memsim.locality.loops.writing import to_text

        return to_text(self)


def _visits(body: tuple[Statement, ...], loops: tuple[Loop, ...], path: str) -> Iterator[Visit]:
    for i, statement in enumerate(body):
        here = f"{path}body[{i}]"
        if isinstance(statement, Loop):
            yield from _visits(statement.body, (*loops, statement), f"{here}.")
        else:
            yield Visit(statement, loops, here)
