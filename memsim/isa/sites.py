"""Where an instruction stands: its kernel, group, queue and loops, and how an error names the place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.errors import ProgramError
from memsim.isa.expr import Expr
from memsim.isa.model import (
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
    Queue,
    Reduce,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Vector,
    tiles_read,
)


@dataclass(frozen=True, slots=True)
class Site:
    """One instruction in its surroundings."""

    program: Program
    kernel: Kernel
    group: Group
    queue: Queue
    loops: tuple[Loop, ...]
    instruction: Instruction
    path: tuple[int, ...]
    """Number of the queue in its group, then the index of each statement from the queue's body down to this one."""

    @property
    def nest(self) -> list[tuple[str, Expr]]:
        """Block coordinates and loop counters with their counts, outermost first."""
        grid = [(name, Expr(size)) for name, size in self.group.grid]
        return grid + [(loop.var, loop.count) for loop in self.loops]

    @property
    def where(self) -> str:
        """The place as an error names it."""
        parts = [*group_path(self.kernel, self.group), f"queue {self.queue.name}"]
        parts += [f"loop {loop.var}" for loop in self.loops]
        return placed([*parts, describe(self.instruction)], self.instruction)

    def error(self, cause: str, mend: str = "") -> ProgramError:
        """An error at this instruction."""
        return ProgramError(cause, where=self.where, mend=mend)

    def target_group(self, target: Target) -> Group:
        """The group whose ring the target names (KeyError if there is none)."""
        return self.kernel.group(target.group) if target.group else self.group

    def target_ring(self, target: Target) -> Ring:
        """The ring that the target names (KeyError if there is none)."""
        return self.target_group(target).ring(target.ring)


def sites_of(program: Program) -> Iterator[Site]:
    """Each instruction of the program, in text order."""
    for kernel in program.kernels:
        for group, queue, loops, instruction, path in instructions_of(kernel):
            yield Site(program, kernel, group, queue, loops, instruction, path)


def instructions_of(
    kernel: Kernel,
) -> Iterator[tuple[Group, Queue, tuple[Loop, ...], Instruction, tuple[int, ...]]]:
    """Each instruction of a kernel in text order, with its group, queue, loops and path (see `Site`)."""
    for group in kernel.groups:
        for number, queue in enumerate(group.queues):
            for loops, instruction, path in _statements(queue.body, (), (number,)):
                yield group, queue, loops, instruction, path


def _statements(
    body: tuple[Statement, ...], loops: tuple[Loop, ...], path: tuple[int, ...]
) -> Iterator[tuple[tuple[Loop, ...], Instruction, tuple[int, ...]]]:
    for index, statement in enumerate(body):
        if isinstance(statement, Loop):
            yield from _statements(statement.body, (*loops, statement), (*path, index))
        else:
            yield loops, statement, (*path, index)


def group_where(kernel: Kernel, group: Group, *parts: str) -> str:
    """Place of something in a group that is not an instruction."""
    return placed([*group_path(kernel, group), *parts], group)


def placed(parts: list[str], at: Instruction | Loop | Queue | Group | Kernel) -> str:
    """A path, after the place in the text where it was written, if it was."""
    path = " / ".join(parts)
    return f"{at.place} ({path})" if at.place else path


def group_path(kernel: Kernel, group: Group) -> list[str]:
    """The first parts of a path; a kernel's only group is not named if it has the kernel's name."""
    only = len(kernel.groups) == 1 and group.name == kernel.name
    return [f"kernel {kernel.name}"] if only else [f"kernel {kernel.name}", f"group {group.name}"]


def describe(instruction: Instruction) -> str:
    """A short name: ``load a``, ``store C``, ``mma c``, ``p = exp2``, ``pop a``."""
    match instruction:
        case Load(dst=dst) | Gather(dst=dst) | Copy(dst=dst) | Send(dst=dst):
            return f"{_word(instruction)} {dst.ring}"
        case Store(dst=region):
            return f"store {region.tensor}"
        case Vector(op=op, dst=dst) | Reduce(op=op, dst=dst):
            return f"{dst} = {op}"
        case Mma(dst=dst) | Fill(dst=dst) | Iota(dst=dst):
            return f"{_word(instruction)} {dst}"
        case Push(ring=ring) | Pop(ring=ring):
            return f"{_word(instruction)} {ring}"


def _word(instruction: Instruction) -> str:
    return type(instruction).__name__.lower()


def reads_of(instruction: Instruction) -> tuple[str, ...]:
    """Names of the rings whose tiles the instruction reads; an accumulating `Mma` also reads its destination."""
    names = tuple(tile.ring for tile in tiles_read(instruction))
    return (*names, instruction.dst) if isinstance(instruction, Mma) and instruction.accumulate else names
