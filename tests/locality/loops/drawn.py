"""Random programs with loops, and a deliberately naive way to run them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from memsim.locality.loops import Loop, LoopProgram, Operation, Ref, Region
from memsim.locality.loops.model import Statement
from memsim.locality.scalar.instructions import INSTRUCTIONS, Op

NAMES = ("A", "B", "C")
STRIDES = (-7, -4, -3, -2, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 8)


@dataclass(frozen=True)
class Step:
    """One instruction of the unrolled program, with the values of the loops around it."""

    operation: Operation
    dst: int | None
    src: tuple[int, ...]
    counters: dict[str, int]


def steps(program: LoopProgram) -> Iterator[Step]:
    """Every instruction in order, by the definition: loops run, indices are added up."""
    bases, following = {}, 1
    for region in program.regions:
        bases[region.name] = region.base or following
        following = bases[region.name] + region.words

    def address(ref: Ref, counters: dict[str, int]) -> int:
        return bases[ref.region] + ref.offset + sum(f * counters[name] for name, f in ref.coefficients)

    def run(body: tuple[Statement, ...], counters: dict[str, int]) -> Iterator[Step]:
        for statement in body:
            if isinstance(statement, Loop):
                for value in range(statement.start, statement.start + statement.count):
                    yield from run(statement.body, {**counters, statement.name: value})
            else:
                dst = None if statement.dst is None else address(statement.dst, counters)
                yield Step(statement, dst, tuple(address(ref, counters) for ref in statement.src), counters)

    yield from run(program.body, {})


@st.composite
def refs(draw: st.DrawFn, loops: tuple[Loop, ...]) -> tuple[Ref, int]:
    """An operand that begins at word 0, 1 or 2 of its region, and the last word that it touches."""
    factors = {loop.name: draw(st.sampled_from(STRIDES)) for loop in loops}
    firsts = [(factors[loop.name], loop.start, loop.start + max(loop.count, 1) - 1) for loop in loops]
    ends = [(factor * first, factor * last) for factor, first, last in firsts]
    least, most = sum(min(pair) for pair in ends), sum(max(pair) for pair in ends)
    slack = draw(st.integers(0, 2))
    return Ref(draw(st.sampled_from(NAMES)), slack - least, tuple(factors.items())), slack + most - least


@st.composite
def programs(
    draw: st.DrawFn, versions: int = 4, roles: tuple[str, ...] = ("input", "both"), far: bool = True
) -> LoopProgram:
    """Nests of up to four loops over three regions; operations of the instruction sets up to ``versions``."""
    words = dict.fromkeys(NAMES, 1)
    kinds = [kind for kind in INSTRUCTIONS if kind.version <= versions]

    def operand(loops: tuple[Loop, ...]) -> Ref:
        ref, last = draw(refs(loops))
        words[ref.region] = max(words[ref.region], last + 1)
        return ref

    def operation(loops: tuple[Loop, ...]) -> Operation:
        kind = draw(st.sampled_from(kinds))
        immediate = draw(st.integers(0, 5)) if kind.takes else 0
        dst = operand(loops) if kind.writes else None
        return Operation(kind.op, dst, tuple(operand(loops) for _ in range(kind.sources)), immediate)

    def body(loops: tuple[Loop, ...]) -> tuple[Statement, ...]:
        found: list[Statement] = []
        for _ in range(draw(st.integers(1, 3))):
            if len(loops) < 4 and draw(st.booleans()):
                loop = Loop("ijkl"[len(loops)], draw(st.integers(-3, 3)), draw(st.sampled_from([0, 1, 2, 3, 4])), ())
                inner = body((*loops, loop))
                found.append(Loop(loop.name, loop.start, loop.count, inner))
            else:
                found.append(operation(loops))
        return tuple(found)

    statements = body(())
    base = 1
    regions = []
    for name in NAMES:
        base += draw(st.sampled_from([0, 0, 3, 500, 16_000])) if far else 0
        regions.append(Region(name, words[name], draw(st.sampled_from(roles)), base))
        base += words[name]
    return LoopProgram(tuple(regions), statements)


@st.composite
def filling(draw: st.DrawFn) -> LoopProgram:
    """Programs that write before most reads: nests that fill regions or parts of them, then random ones."""
    program = draw(programs(versions=0, roles=("none", "none", "none", "input", "output"), far=False))
    fills: list[Statement] = []
    for region in program.regions:
        count = draw(st.sampled_from([region.words] * 4 + [region.words - 1, 0]))
        step = draw(st.sampled_from([1, 1, 1, 2, 3]))
        for first in range(step):
            trips = len(range(first, count, step))
            fills.append(Loop("f", 0, trips, (Operation(Op.SET, Ref(region.name, first, (("f", step),))),)))
    chosen = draw(st.lists(st.sampled_from(fills), max_size=6))
    at = draw(st.integers(0, len(program.body)))
    body = (*program.body[:at], *(chosen if draw(st.booleans()) else fills), *program.body[at:])
    return LoopProgram(program.regions, body)
