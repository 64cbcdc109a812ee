"""Random spatial programs, and what they cost and compute by the definition, one access after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from memsim.locality.scalar.instructions import INSTRUCTIONS, PREDICATES, Op
from memsim.locality.spatial import Machine, SpatialProgram

SMALL = Machine(columns=4, rows=3, name="small")
"""The published tiles, but few of them, so that routes meet."""

INSIDE = ((64, 0), (0, 5), (127, 127), (96, 64))
"""Cells of a tile, from far to near."""

Step = tuple[Any, ...]


@st.composite
def steps(draw: st.DrawFn, machine: Machine = SMALL, most: int = 25, cores: int = 12) -> list[Step]:
    """Steps for `SpatialProgram.of`, all of whose words are inputs."""
    tiles = [(i, j) for j in range(machine.rows) for i in range(machine.columns)]
    owners = draw(st.lists(st.sampled_from(tiles), min_size=1, max_size=cores, unique=True))
    hot = draw(st.lists(st.sampled_from(tiles), min_size=1, max_size=3))
    side = machine.side

    def cell(tile: tuple[int, int]) -> tuple[int, int]:
        u, v = draw(st.sampled_from(INSIDE))
        return tile[0] * side + u * side // 128, tile[1] * side + v * side // 128

    found: list[Step] = []
    for _ in range(draw(st.integers(1, most))):
        core = draw(st.sampled_from(owners))
        kind = INSTRUCTIONS[draw(st.sampled_from(list(range(len(INSTRUCTIONS)))))]
        near = [core] if kind.op in (Op.RECV, Op.SEND) else [core, *hot, *owners]
        cells = [cell(draw(st.sampled_from(near))) for _ in range(kind.writes + kind.sources)]
        extra: list[object] = []
        if kind.takes:
            extra = [draw(st.integers(-9, 9)) if kind.takes == "integer" else draw(st.sampled_from(PREDICATES))]
        found.append((core, kind.name, *cells, *extra))
    return found


def cells_of(step: Step) -> list[tuple[int, int]]:
    return [cell for cell in step[2:] if isinstance(cell, tuple)]


def program_of(found: Sequence[Step]) -> SpatialProgram:
    words = dict.fromkeys(cell for step in found for cell in cells_of(step))
    return SpatialProgram.of(found, inputs=words, outputs=list(words)[:2])


def priced(found: Sequence[Step], machine: Machine) -> tuple[int, int]:
    """Energy in fJ and cycles, serially: the published formulas, restated, with a hop of any length."""
    energy = cycles = 0
    side = machine.side
    for step in found:
        (i, j), name = step[0], step[1]
        cells = cells_of(step)
        writes = [] if name == "send" else cells[:1]
        reads = cells[len(writes) :]
        for is_write, (x, y) in [(False, cell) for cell in reads] + [(True, cell) for cell in writes]:
            d = abs(x % side - side // 2) + abs(y % side - side // 2)
            tiles = abs(x // side - i) + abs(y // side - j)
            energy += max(50, 2 * d)
            if name in ("recv", "send"):
                energy += side * j + side // 2
                cycles += machine.hop * j + 2
            elif tiles == 0:
                cycles += 1
            else:
                energy += 2 * side * tiles
                cycles += machine.hop * tiles + 2 if is_write else 2 * machine.hop * tiles + 1
    return energy, cycles


COMPARE = {
    "eq": int.__eq__, "ne": int.__ne__, "lt": int.__lt__, "le": int.__le__, "gt": int.__gt__, "ge": int.__ge__,
}  # fmt: skip


def result(name: str, values: list[int], extra: Any) -> int:
    """What an instruction computes, on Python's integers; a division by zero gives 0."""
    match name:
        case "add":
            return values[0] + values[1]
        case "sub":
            return values[0] - values[1]
        case "mul":
            return values[0] * values[1] % 1_000_003
        case "and":
            return values[0] & values[1]
        case "or":
            return values[0] | values[1]
        case "xor":
            return values[0] ^ values[1]
        case "div":
            return values[0] // values[1] if values[1] else 0
        case "not":
            return ~values[0]
        case "abs":
            return abs(values[0])
        case "cmp":
            return int(COMPARE[extra](values[0], values[1]))
        case "select":
            return values[1] if values[0] else values[2]
        case "set":
            return int(extra)
    return values[0]


class Memory:
    """Words, the input tape (word k holds k + 100) and the output tape."""

    def __init__(self, found: Sequence[Step]) -> None:
        words = dict.fromkeys(cell for step in found for cell in cells_of(step))
        self.found = found
        self.words = {cell: 3 * n + 1 for n, cell in enumerate(words)}
        self.sent: dict[int, int] = {}
        names = [step[1] for step in found]
        self.numbers = {k: names[:k].count(name) for k, name in enumerate(names) if name in ("recv", "send")}

    def read(self, k: int) -> list[int]:
        """What step ``k`` reads."""
        cells = cells_of(self.found[k])
        return [self.words[cell] for cell in (cells if self.found[k][1] == "send" else cells[1:])]

    def write(self, k: int, values: list[int]) -> None:
        """What step ``k`` makes of it."""
        step = self.found[k]
        if step[1] == "send":
            self.sent[self.numbers[k]] = values[0]
        elif step[1] == "recv":
            self.words[cells_of(step)[0]] = 100 + self.numbers[k]
        else:
            self.words[cells_of(step)[0]] = result(step[1], values, step[-1])
