"""The machine of Model 3 as numbers: the published one, or that of a mesh chip.

A tile is a square of cells 1 um apart, one 32-bit word each; its core sits at the middle cell and keeps the middle
square of half the side for itself. The published machine has 250 x 125 tiles of 128 x 128 cells. Definition: the Sutro
Group's public rules of autumn 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from memsim.errors import ChipError, Location, ProgramError

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

WORD_BYTES = 4
"""A word."""

FLOOR_FJ = 50
"""Least energy of an access to a scratchpad."""

PRESET = "sutro_spatial"
"""The chip that is the published machine."""

MAX_STAGES = 2**20
"""Tiles of a machine times the cycles of a hop; the engines keep ten words for each direction of it."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A grid of tiles.

    Attributes
    ----------
    columns, rows
        Tiles along x and y.
    side
        Cells along the side of a tile, of 1 um each; a multiple of 4.
    words
        Words that a tile holds.
    hop
        Cycles from one tile to the next.
    wire_fj_per_um
        Of a word; a word of the tape costs half of it.
    cycle_ns
        Of the clock.
    name
        For messages.
    """

    columns: int = 250
    rows: int = 125
    side: int = 128
    words: int = 12_288
    hop: int = 1
    wire_fj_per_um: Fraction = Fraction(2)
    cycle_ns: Fraction = Fraction(1)
    name: str = PRESET

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 1:
            raise self._error(f"{self.columns} x {self.rows} tiles", "core.grid", "use at least one")
        if self.side % 4 or not 4 <= self.side <= 2**15:
            mend = "make tiles square, along a multiple of 4 um, at most 32768"
            raise self._error(f"tiles of {self.side} x {self.side} um", "core.pitch", mend)
        if self.hop < 1:
            raise self._error(f"a hop of {self.hop} cycles", "network.hop_latency", "use at least one")
        if self.tiles * self.hop > MAX_STAGES:
            cause = f"{self.tiles:,} tiles with hops of {self.hop} cycles"
            raise self._error(cause, "core.grid", f"keep their product below {MAX_STAGES:,}")

    def _error(self, cause: str, key: str, mend: str) -> ChipError:
        return ChipError(f"chip {self.name} is no spatial computer: {cause}", where=key, mend=mend)

    @property
    def tiles(self) -> int:
        """Their number; tile ``(i, j)`` is number ``i + columns * j``."""
        return self.columns * self.rows

    @property
    def middle(self) -> int:
        """Both coordinates of the core in its tile."""
        return self.side // 2

    @property
    def reserved(self) -> tuple[int, int]:
        """The first and the last coordinate, along both axes, of the square that the core keeps for itself."""
        return self.side // 4, self.side - self.side // 4 - 1

    def is_reserved(self, u: int, v: int) -> bool:
        """Whether a cell of a tile belongs to its core."""
        low, high = self.reserved
        return low <= u <= high and low <= v <= high

    def check_core(self, i: int, j: int, where: str | Location = "") -> None:
        """Refuse a core that the machine has not."""
        if not (0 <= i < self.columns and 0 <= j < self.rows):
            raise ProgramError(
                f"there is no core {i},{j}",
                where=where,
                mend=f"use i from 0 to {self.columns - 1} and j from 0 to {self.rows - 1}",
            )


PUBLISHED = Machine()
"""The machine of the published rules."""


def machine_of(chip: Chip) -> Machine:
    """The machine that a chip is.

    Parameters
    ----------
    chip
        A mesh whose cores stand in a square grid of whole micrometres and whose links carry a word a cycle. A wider
        link carries one word a cycle too: words are routed one by one.

    Raises
    ------
    ChipError
        If it is no such chip.
    """
    network, core = chip.network, chip.core
    if network.topology != "mesh" or network.routing != "dimension_order" or network.shape not in ((), core.grid):
        raise _unfit(chip, "the network is no mesh with dimension order", "network.topology", 'set it to "mesh"')
    if core.count != core.sites:
        raise _unfit(chip, f"{core.count} cores on {core.sites} sites", "core.count", "leave it out")
    rate = chip.rate_per_tick(network.link_bandwidth) * chip.clock_period / chip.tick
    if rate < WORD_BYTES:
        raise _unfit(chip, f"a link carries {rate} B a cycle, less than a word", "network.link_bandwidth", "widen it")
    return Machine(
        columns=core.grid[0],
        rows=core.grid[1],
        side=_side(chip),
        words=min(core.sram.capacity // WORD_BYTES, _side(chip) ** 2 * 3 // 4),
        hop=_hop(chip),
        wire_fj_per_um=Fraction(repr(float(chip.wire_energy_pj_per_bit_mm))) * 8 * WORD_BYTES,
        cycle_ns=chip.clock_period * 10**9,
        name=chip.name,
    )


def _side(chip: Chip) -> int:
    """Cells along the side of a tile."""
    x, y = (Fraction(repr(float(pitch))) * 1000 for pitch in chip.core.pitch)
    if x != y or x.denominator != 1:
        cause = f"tiles of {float(x):g} x {float(y):g} um"
        raise _unfit(chip, cause, "core.pitch", "make them square, along a multiple of 4 um")
    return int(x)


def _hop(chip: Chip) -> int:
    """Cycles of a hop."""
    cycles = chip.ticks_of(chip.network.hop_latency) * chip.tick / chip.clock_period
    if cycles.denominator != 1:
        raise _unfit(chip, f"a hop of {cycles} cycles", "network.hop_latency", 'write whole ones, such as "1 cycle"')
    return int(cycles)


def _unfit(chip: Chip, cause: str, key: str, mend: str) -> ChipError:
    return ChipError(f"chip {chip.name} is no spatial computer: {cause}", where=key, mend=mend)
