"""The text form of spatial programs.

::

    core I,J                  the core that executes what follows; 0,0 until the first such line
    word NAME X:Y             names the cell at (X, Y) of the whole grid
    word NAME U:V in I,J      names the cell (U, V) of tile (I, J)
    input A,B,...             words that hold a value from the start
    output A,B,...            words that are the result
    (add|sub|mul|div|and|or|xor) d,a[,b]      two operands mean d,d,a
    (copy|not|abs) d,a   set d,K   cmp d,a,b,(eq|ne|lt|le|gt|ge)   select d,c,t,f   recv d   send s

Operands are names or positions ``X:Y``. A newline or ``;`` ends a statement, ``#`` begins a comment.
"""

from __future__ import annotations

import difflib
import re

import numpy as np

from memsim.errors import Location, ProgramError
from memsim.locality.scalar.instructions import BY_NAME, PREDICATES, Instruction
from memsim.locality.spatial.machine import PUBLISHED, Machine
from memsim.locality.spatial.program import NONE, Cell, SpatialProgram

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_POSITION = re.compile(r"(\d{1,9})\s*:\s*(\d{1,9})")
_CORE = re.compile(r"(\d{1,9})\s*,\s*(\d{1,9})")
_IN_TILE = re.compile(r"(.*\S)\s+in\s+(\S.*)")
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_OTHERS = ("core", "word", "input", "output")
_LISTS = ("input", "output")


def parse(text: str, file: str | None = None, machine: Machine = PUBLISHED) -> SpatialProgram:
    """Read a program.

    Parameters
    ----------
    text
        The program.
    file
        Its name, for messages.
    machine
        The grid that its cores and cells must be on.

    Raises
    ------
    ProgramError
        With line, column, cause and mend.
    """
    return _Reader(file, machine).read(text)


class _Reader:
    """Reads statements one by one into columns."""

    def __init__(self, file: str | None, machine: Machine) -> None:
        self.file, self.machine = file, machine
        self.line, self.column, self.rest_at = 1, 1, 1
        self.core: Cell = (0, 0)
        self.slots: dict[Cell, int] = {}
        self.tokens: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.rows: list[list[int]] = []
        self.lists: dict[str, list[int]] = {name: [] for name in _LISTS}

    def read(self, text: str) -> SpatialProgram:
        """The whole text."""
        for self.line, line in enumerate(text.split("\n"), 1):
            at = 1
            for piece in line.split("#", 1)[0].split(";"):
                statement = piece.strip()
                if statement:
                    self.column = at + len(piece) - len(piece.lstrip())
                    self.statement(statement)
                at += len(piece) + 1
        if not self.rows:
            raise ProgramError(
                "the program has no instruction", where=self.file or "", mend="write one a line, such as `recv 64:0`"
            )
        return self.program()

    def program(self) -> SpatialProgram:
        """What was read, as columns."""
        table = np.array(self.rows, np.int64)
        return SpatialProgram(
            ops=table[:, 0].astype(np.int8),
            operands=table[:, 1:5].astype(np.int32),
            immediates=table[:, 5].copy(),
            cores=table[:, 6:8].astype(np.int32),
            cells=np.array(list(self.slots), np.int32).reshape(-1, 2),
            inputs=np.array(self.lists["input"], np.int32),
            outputs=np.array(self.lists["output"], np.int32),
            places=table[:, 8:].astype(np.int32),
            names=self.names,
            file=self.file,
        )

    def statement(self, statement: str) -> None:
        """One statement, without blanks around it."""
        word, _, rest = statement.partition(" ")
        word = word.split("\t")[0]
        rest = statement[len(word) :]
        self.rest_at = self.column + len(word) + len(rest) - len(rest.lstrip())
        rest = rest.strip()
        kind = BY_NAME.get(word)
        if kind is not None:
            self.instruction(kind, rest)
        elif word == "core":
            self.core = self.core_at(rest, self.rest_at)
        elif word == "word":
            self.word(rest)
        elif word in _LISTS:
            parts = rest.split(",")
            self.lists[word] += [self.slot(part, parts, n) for n, part in enumerate(parts)]
            self.check_list(word)
        else:
            near = difflib.get_close_matches(word.lower(), (*BY_NAME, *_OTHERS), n=1)
            known = f"did you mean `{near[0]}`?" if near else f"write one of {', '.join((*BY_NAME, *_OTHERS))}"
            raise self.error(f"there is no statement {word!r}", known, self.column)

    def check_list(self, word: str) -> None:
        """Inputs are named once."""
        listed = self.lists[word]
        if word == "input" and len(set(listed)) < len(listed):
            twice = next(slot for slot in listed if listed.count(slot) > 1)
            x, y = list(self.slots)[twice]
            raise self.error(f"the cell {x}:{y} is named twice as an input", "name it once", self.rest_at)

    def instruction(self, kind: Instruction, rest: str) -> None:
        """An instruction of the core that is set."""
        parts = rest.split(",") if rest else []
        extra = kind.writes + kind.sources
        wanted = extra + bool(kind.takes)
        if not (len(parts) == wanted or (kind.short and len(parts) == wanted - 1)):
            raise self.error(
                f"`{kind.name}` takes {wanted} operands, not {len(parts)}",
                "separate them with commas, such as `add 64:0,65:0,66:0`",
                self.rest_at,
            )
        immediate = self.immediate(kind, parts) if kind.takes else 0
        slots = [self.slot(part, parts, n) for n, part in enumerate(parts[: min(extra, len(parts))])]
        if len(slots) < extra:  # d,a stands for d,d,a
            slots.insert(0, slots[0])
        if not kind.writes:
            slots.insert(0, NONE)
        slots += [NONE] * (4 - len(slots))
        self.rows.append([kind.op, *slots, immediate, *self.core, self.line, self.column])

    def immediate(self, kind: Instruction, parts: list[str]) -> int:
        """The number or comparison that ends an instruction."""
        given = parts[-1].strip()
        if kind.takes == "predicate":
            if given in PREDICATES:
                return PREDICATES.index(given)
            mend = f"end `cmp` with one of {', '.join(PREDICATES)}"
            raise self.error(f"{given!r} is not a comparison", mend, self.at(parts, len(parts) - 1))
        if _WHOLE.fullmatch(given):
            return int(given)
        mend = "`set d,K` takes one of at most 18 digits, such as `set 64:0,-7`"
        raise self.error(f"{given!r} is not a whole number", mend, self.at(parts, len(parts) - 1))

    def word(self, rest: str) -> None:
        """A name for a cell."""
        found = _NAME.match(rest)
        if not found:
            raise self.error(f"{rest!r} does not begin with a name", "write such as `word a 64:0`", self.rest_at)
        name, place = found[0], rest[found.end() :]
        column = self.rest_at + len(rest) - len(place.lstrip())
        place = place.strip()
        if name in self.tokens:
            raise self.error(f"there is a word {name!r} already", "give it another name", self.rest_at)
        inside = _IN_TILE.fullmatch(place)
        if inside:
            i, j = self.core_at(inside[2], column + inside.start(2))
            side = self.machine.side
            u, v = self.position(inside[1], column)
            if max(u, v) >= side:
                raise self.error(f"a tile has no cell {u}:{v}", f"use numbers from 0 to {side - 1}", column)
            cell = (i * side + u, j * side + v)
        else:
            cell = self.position(place, column)
        slot = self.slot_of(cell, column)
        if slot in self.names:
            raise self.error(
                f"the words {self.names[slot]!r} and {name!r} share the cell {cell[0]}:{cell[1]}",
                "give each a cell of its own",
                column,
            )
        self.names[slot], self.tokens[name] = name, slot

    def slot(self, token: str, parts: list[str], number: int) -> int:
        """The slot of an operand."""
        token = token.strip()
        found = self.tokens.get(token)
        if found is not None:
            return found
        column = self.at(parts, number)
        if _NAME.fullmatch(token):
            near = difflib.get_close_matches(token, self.names.values(), n=1)
            mend = f"did you mean `{near[0]}`?" if near else f"name a cell before, such as `word {token} 64:0`"
            raise self.error(f"there is no word {token!r}", mend, column)
        slot = self.slot_of(self.position(token, column), column)
        self.tokens[token] = slot
        return slot

    def slot_of(self, cell: Cell, column: int) -> int:
        """The slot of a cell, which must be on the grid and nobody's own."""
        slot = self.slots.get(cell)
        if slot is not None:
            return slot
        cause = cell_fault(cell, self.machine)
        if cause:
            raise self.error(*cause, column)
        self.slots[cell] = len(self.slots)
        return len(self.slots) - 1

    def position(self, token: str, column: int) -> Cell:
        """A cell written as X:Y."""
        found = _POSITION.fullmatch(token)
        if not found:
            shown = repr(token) if token else "nothing"
            raise self.error(f"{shown} is not a cell", "write a name, or a position such as `64:0`", column)
        return int(found[1]), int(found[2])

    def core_at(self, token: str, column: int) -> Cell:
        """A core written as I,J."""
        found = _CORE.fullmatch(token)
        if not found:
            shown = repr(token) if token else "nothing"
            raise self.error(f"{shown} is not a core", "write column and row of its tile, such as `3,0`", column)
        i, j = int(found[1]), int(found[2])
        self.machine.check_core(i, j, Location(self.line, column, self.file))
        return i, j

    def at(self, parts: list[str], number: int) -> int:
        """The column at which an operand begins."""
        before = sum(len(part) + 1 for part in parts[:number])
        return self.rest_at + before + len(parts[number]) - len(parts[number].lstrip())

    def error(self, cause: str, mend: str, column: int) -> ProgramError:
        """An error in the line that is being read."""
        return ProgramError(cause, where=Location(self.line, column, self.file), mend=mend)


def cell_fault(cell: Cell, machine: Machine) -> tuple[str, str] | None:
    """Cause and mend, where no word can lie in a cell."""
    x, y = cell
    side, (low, high) = machine.side, machine.reserved
    if x >= machine.columns * side or y >= machine.rows * side:
        return (
            f"the cell {x}:{y} is off the grid",
            f"use x from 0 to {machine.columns * side - 1} and y from 0 to {machine.rows * side - 1}",
        )
    if machine.is_reserved(x % side, y % side):
        return (
            f"the cell {x}:{y} is the core's own: it is {x % side}:{y % side} of tile {x // side},{y // side}",
            f"in a tile, {low} to {high} along both axes is reserved; use a cell around it, such as "
            f"{x // side * side + side // 2}:{y // side * side}",
        )
    return None
