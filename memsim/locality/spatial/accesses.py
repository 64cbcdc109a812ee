"""What an instruction does, access by access, and what each access takes where nothing is in its way.

An instruction reads its sources in the order in which they are written, and then writes; each is an access, one after
another. ``recv`` and ``send`` are one access each. With L the tiles between the core and the word, j the row of the
core, and d the distance of the word from the middle of its tile, in um:

=============  ======================================  ==================
access         energy, fJ                              cycles
=============  ======================================  ==================
local          max(50, 2 d)                            1
remote read    256 L + max(50, 2 d)                    2 L + 1
remote write   256 L + max(50, 2 d)                    L + 2
recv, send     128 j + 64 + max(50, 2 d)               j + 2
=============  ======================================  ==================

Source: the Sutro Group's public rules of autumn 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from memsim.compiled import compiled
from memsim.errors import Location, ProgramError
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.program import first_unset
from memsim.locality.shells import Array
from memsim.locality.spatial.machine import FLOOR_FJ, Machine
from memsim.locality.spatial.program import NONE, SpatialProgram
from memsim.locality.spatial.text import cell_fault

LOCAL, READ, WRITE, RECV, SEND = range(5)
"""Kinds of access."""

KINDS = ("local", "remote reads", "remote writes", "recv", "send")
"""Their names."""

_RECV, _SEND = int(Op.RECV), int(Op.SEND)


@dataclass(frozen=True, eq=False)
class Accesses:
    """The accesses of a program on a machine, in their sequential order.

    Attributes
    ----------
    first
        Of each instruction, its first access, and at the end their number: ``(m + 1,)`` int64.
    kinds
        ``(n,)`` int8.
    slots
        The word of each, ``(n,)`` int32.
    tiles
        The tile in which the word lies, ``(n,)`` int32.
    ports
        The port of the tape that it takes, ``(n,)`` int32; -1 for none.
    hops
        Tiles between core and word, or between port and core, ``(n,)`` int32.
    cycles
        Without contention, ``(n,)`` int64.
    """

    first: Array
    kinds: Array
    slots: Array
    tiles: Array
    ports: Array
    hops: Array
    cycles: Array


def accesses_of(program: SpatialProgram, machine: Machine) -> Accesses:
    """Every access of a program.

    Raises
    ------
    ProgramError
        If the program does not fit the machine, or reads what was never written.
    """
    check(program, machine)
    cells = program.cells.astype(np.int64) // machine.side
    first, kinds, slots, ports = _expand(program.ops, program.operands, machine.columns)
    owners = np.repeat(program.cores.astype(np.int64), np.diff(first), axis=0)
    remote = np.abs(owners - cells[slots]).sum(axis=1)
    tape = ports >= 0
    kinds = np.where((remote == 0) & ~tape, LOCAL, kinds).astype(np.int8)
    hops = np.where(tape, owners[:, 1], remote)
    ways = np.array([0, 2, 1, 1, 1], np.int64) * machine.hop
    fixed = np.array([1, 1, 2, 2, 2], np.int64)
    tiles = (cells[:, 0] + machine.columns * cells[:, 1])[slots]
    cycles = ways[kinds] * hops + fixed[kinds]
    return Accesses(first, kinds, slots, tiles.astype(np.int32), ports, hops.astype(np.int32), cycles)


def tile_numbers(program: SpatialProgram, machine: Machine) -> Array:
    """The tile of the core of each instruction, int32."""
    return np.asarray(program.cores[:, 0] + machine.columns * program.cores[:, 1], np.int32)


def energy_fj(program: SpatialProgram, accesses: Accesses, machine: Machine) -> Fraction:
    """The energy of all accesses, exactly."""
    wire, side = machine.wire_fj_per_um, machine.side
    far = np.abs(program.cells % side - machine.middle).sum(axis=1)
    at_distance = np.bincount(far[accesses.slots], minlength=1)
    total = sum((max(Fraction(FLOOR_FJ), wire * d) * n for d, n in enumerate(at_distance.tolist())), Fraction(0))
    tape = accesses.ports >= 0
    total += wire * side * int(accesses.hops[~tape].sum(dtype=np.int64))
    half_tiles = 2 * int(accesses.hops[tape].sum(dtype=np.int64)) + int(tape.sum())  # from y = 0 to the row's middle
    return total + wire / 2 * Fraction(side, 2) * half_tiles


def check(program: SpatialProgram, machine: Machine) -> None:
    """Refuse a program that a machine cannot run.

    Raises
    ------
    ProgramError
        If a core or a cell is off the grid, a cell is its core's own, a tile holds too many words, the tape is asked
        for a word of another tile, or a word is read that was never written.
    """
    _check_places(program, machine)
    _check_room(program, machine)
    _check_tape(program, machine)
    at, slot = first_unset(program.operands, program.inputs, program.outputs, len(program.cells))
    if slot != NONE:
        word = program.cell(slot)
        raise ProgramError(
            f"{word} is {'an output' if at == len(program) else 'read'} but was never written",
            where="outputs" if at == len(program) else program.place(at),
            mend=f"write {word} before, or name it as an input",
        )


def _check_places(program: SpatialProgram, machine: Machine) -> None:
    """Cores and cells are on the grid, and no cell is its core's own."""
    off = (program.cores < 0) | (program.cores >= np.array([machine.columns, machine.rows]))
    if off.any():
        at = int(np.argmax(off.any(axis=1)))
        i, j = program.cores[at].tolist()
        machine.check_core(i, j, program.place(at))
    side, (low, high) = machine.side, machine.reserved
    inside = program.cells % side
    wrong = ((inside >= low) & (inside <= high)).all(axis=1)
    wrong |= (program.cells >= np.array([machine.columns, machine.rows]) * side).any(axis=1)
    if not wrong.any():
        return
    slot = int(np.argmax(wrong))
    x, y = program.cells[slot].tolist()
    cause, mend = cell_fault((x, y), machine) or ("", "")
    raise ProgramError(cause, where=_first_use(program, slot), mend=mend)


def _check_room(program: SpatialProgram, machine: Machine) -> None:
    """No tile holds more words than it has."""
    tiles = program.cells // machine.side
    counts = np.bincount(tiles[:, 0] + machine.columns * tiles[:, 1], minlength=1)
    if counts.max() > machine.words:
        j, i = divmod(int(np.argmax(counts)), machine.columns)
        raise ProgramError(
            f"{counts.max():,} words in tile {i},{j}",
            mend=f"a tile of {machine.name} holds {machine.words:,}; spread them over more tiles",
        )


def _check_tape(program: SpatialProgram, machine: Machine) -> None:
    """``recv`` and ``send`` name words of the core's own tile."""
    words = np.where(program.ops == _RECV, program.operands[:, 0], program.operands[:, 1])
    taped = (program.ops == _RECV) | (program.ops == _SEND)
    away = taped & (program.cells[words] // machine.side != program.cores).any(axis=1)
    if away.any():
        at = int(np.argmax(away))
        i, j = program.cores[at].tolist()
        ti, tj = (program.cells[words[at]] // machine.side).tolist()
        raise ProgramError(
            f"`{program.instruction(at)}` on core {i},{j}: the word lies in tile {ti},{tj}",
            where=program.place(at),
            mend=f"the tape serves a core's own tile: write `core {ti},{tj}` before it",
        )


def _first_use(program: SpatialProgram, slot: int) -> Location | str:
    """Where a slot is named first, for messages."""
    used = (program.operands == slot).any(axis=1)
    return program.place(int(np.argmax(used))) if used.any() else "inputs"


@compiled
def _expand(ops: Array, operands: Array, ports: int) -> tuple[Array, Array, Array, Array]:
    """First access of each instruction; and of each access its kind, as if all were remote, its slot and its port."""
    most = 0
    for i in range(len(ops)):
        for k in range(4):
            most += operands[i, k] >= 0
    first = np.empty(len(ops) + 1, np.int64)
    kinds, slots, port = np.empty(most, np.int8), np.empty(most, np.int32), np.full(most, -1, np.int32)
    count, received, sent = 0, 0, 0
    for i in range(len(ops)):
        first[i] = count
        for k in (1, 2, 3, 0):
            if operands[i, k] < 0:
                continue
            slots[count] = operands[i, k]
            kinds[count] = 1 if k else 2
            if ops[i] == 13:
                kinds[count], port[count] = 3, received % ports
                received += 1
            elif ops[i] == 14:
                kinds[count], port[count] = 4, sent % ports
                sent += 1
            count += 1
    first[len(ops)] = count
    return first, kinds, slots, port
