"""Which rankings of programs hold, and which flip, when disputed constants of data movement move.

An access to a word at distance ``h`` costs ``max(floor, trips * 32 * wire * h * cell)``: what the wire takes, and no
less than a floor. Writes cost that too, or nothing. Each instruction costs its arithmetic and its fetch; an access to
far memory that meets another row than the one before costs an activation. Model 2 is one setting, exactly: 50 fJ, 2
fJ a cell, nothing else. The constants and their sources are in `memsim.locality.constants`.

Everything is counted once; the energies of all programs under all variations are then products of matrices. Counts
are exact, energies are doubles: those of Model 2 are whole numbers, and exact below 2^53 fJ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from memsim.compiled import compiled
from memsim.errors import MemsimError
from memsim.locality.constants import Constants, Rows
from memsim.locality.scalar.dally2 import check_grid
from memsim.locality.scalar.instructions import INSTRUCTIONS, Op
from memsim.locality.scalar.program import ScalarProgram, check_initialised
from memsim.locality.shells import Array, distances

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("reads", "writes", "arithmetic", "fetch", "activation")
"""What an energy is made of."""

TIED = 1e-12
"""Energies that differ by less than this share of the greater are tied: rounding is smaller, constants known worse."""


@dataclass(frozen=True, eq=False)
class AddressCounts:
    """What pricing needs of a program, in whatever form it was written.

    Attributes
    ----------
    distances
        Distances at which words are accessed, ``(k,)``, at least 1.
    reads, writes
        How often, ``(k,)`` int64. Inputs and outputs in lists, and the tape, are not in them, as in Model 2.
    operations
        Executed instructions by name.
    row_changes
        Accesses to far memory that meet another row than the one before, for each definition of far memory.
    """

    distances: Array
    reads: Array
    writes: Array
    operations: Mapping[str, int]
    row_changes: Mapping[Rows, int] = field(default_factory=dict)

    @property
    def instructions(self) -> int:
        """Executed instructions."""
        return sum(self.operations.values())


@dataclass(frozen=True, slots=True)
class Energy:
    """What a program costs under one setting, in fJ, by part."""

    reads: float
    writes: float
    arithmetic: float
    fetch: float
    activation: float

    @property
    def total(self) -> float:
        """All parts together, in fJ."""
        return self.reads + self.writes + self.arithmetic + self.fetch + self.activation


@dataclass(frozen=True, slots=True)
class Flip:
    """Two programs whose order under a variation is not that of the baseline.

    Attributes
    ----------
    cheaper, dearer
        At the baseline.
    variation
        Under which it is the other way round.
    baseline_ratio
        Energy of the dearer over that of the cheaper at the baseline: above 1.
    ratio
        The same under the variation: below 1.
    """

    cheaper: str
    dearer: str
    variation: str
    baseline_ratio: float
    ratio: float


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Energies of programs under variations, the first of which is the baseline.

    Attributes
    ----------
    programs
        Names.
    variations
        Settings.
    parts
        fJ by variation, program and part, ``(v, p, 5)``; see `PARTS`.
    """

    programs: tuple[str, ...]
    variations: tuple[Constants, ...]
    parts: Array

    @cached_property
    def energies(self) -> Array:
        """Energy in fJ by variation and program, ``(v, p)``."""
        return np.asarray(self.parts.sum(axis=2))

    @cached_property
    def signs(self) -> Array:
        """For each variation and two programs, whether the first is cheaper (-1), tied (0) or dearer (1)."""
        first, second = self.energies[:, :, None], self.energies[:, None, :]
        tied = np.abs(first - second) <= TIED * np.maximum(first, second)
        return np.where(tied, 0, np.sign(first - second)).astype(np.int64)

    @property
    def ranks(self) -> Array:
        """1 for the cheapest program, one more for each that is cheaper, ``(v, p)``; tied ones share a rank."""
        return np.asarray(1 + (self.signs > 0).sum(axis=2))

    @property
    def kendall(self) -> Array:
        """Kendall's rank correlation with the baseline, by variation: tau-b (Biometrika 33(3), 1945).

        Concordant minus discordant pairs, over the root of the product of pairs not tied in each. 1 where neither
        order has a pair that is not tied; 0 where one has.
        """
        pairs = np.triu_indices(len(self.programs), 1)
        signs = self.signs[:, *pairs]
        untied = (signs != 0).sum(axis=1)
        below = np.sqrt(untied * float(untied[0]))
        agreed = signs @ signs[0]
        return np.where(below > 0, agreed / np.maximum(below, 1), np.where(untied == untied[0], 1.0, 0.0))

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Pairs whose order turns, by variation; ties turn nothing."""
        signs, energies = self.signs, self.energies
        found = []
        for v, a, b in np.argwhere((signs[:1] < 0) & (signs > 0)):
            ratios = [float(energies[at, b] / energies[at, a]) for at in (0, v)]
            found.append(Flip(self.programs[a], self.programs[b], self.variations[v].name, *ratios))
        return tuple(found)

    def table(self) -> pd.DataFrame:
        """One row for each variation and program: energy in fJ, rank, energy over the cheapest's, and the parts."""
        import pandas as pd

        energies, ranks = self.energies, self.ranks
        least = energies.min(axis=1)
        rows = [
            {
                "variation": variation.name,
                "dispute": variation.dispute,
                "program": name,
                "energy_fj": float(energies[v, p]),
                "rank": int(ranks[v, p]),
                "relative": float(energies[v, p] / least[v]) if least[v] else 1.0,
                **{f"{part}_fj": float(self.parts[v, p, i]) for i, part in enumerate(PARTS)},
            }
            for v, variation in enumerate(self.variations)
            for p, name in enumerate(self.programs)
        ]
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, Any]:
        """The table, the flips and the correlations as plain JSON."""
        return {
            "programs": list(self.programs),
            "baseline": self.variations[0].name,
            "rows": self.table().to_dict("records"),
            "flips": [{name: getattr(flip, name) for name in Flip.__slots__} for flip in self.flips],
            "kendall": {v.name: float(tau) for v, tau in zip(self.variations, self.kendall, strict=True)},
        }


def address_counts(program: ScalarProgram, rows: Iterable[Rows] = ()) -> AddressCounts:
    """Count a scalar program: accesses by distance, instructions, and changes of rows as ``rows`` define them.

    Raises
    ------
    ProgramError
        If the program reads what was never written, or an address lies beyond the grid of Model 2.
    """
    check_initialised(program)
    check_grid(program)
    operands = program.operands.copy()
    operands[program.ops == Op.RECV, 0] = -1  # the tape is free
    operands[program.ops == Op.SEND, 1] = -1
    reads, writes = _counts(operands, len(program.addresses))
    away, shells = np.unique(distances(program.addresses), return_inverse=True)
    totals = [np.zeros(len(away), np.int64) for _ in range(2)]
    for total, counts in zip(totals, (reads, writes), strict=True):
        np.add.at(total, shells, counts)
    codes = np.bincount(program.ops, minlength=len(INSTRUCTIONS))
    operations = {kind.name: int(codes[kind.op]) for kind in INSTRUCTIONS if codes[kind.op]}
    changes = {each: int(_changes(operands, _rows_of(program.addresses, each))) for each in dict.fromkeys(rows)}
    return AddressCounts(away, totals[0], totals[1], operations, changes)


def price(program: ScalarProgram | AddressCounts, constants: Constants | None = None) -> Energy:
    """The energy of a program under one setting, Model 2 unless given.

    Raises
    ------
    ProgramError
        If the program reads what was never written.
    MemsimError
        If activations are priced and the counts lack the changes of rows.
    """
    chosen = constants or Constants()
    return Energy(*(float(part) for part in _priced({"program": program}, [chosen])[0, 0]))


def rankings(programs: Mapping[str, ScalarProgram | AddressCounts], variations: Sequence[Constants]) -> Sensitivity:
    """Price programs under variations, the first of which is the baseline, and rank them.

    Raises
    ------
    ProgramError
        If a program reads what was never written.
    MemsimError
        If there are fewer than two programs or no variation, two variations have one name, or counts lack the
        changes of rows.
    """
    if len(programs) < 2:
        raise MemsimError(f"{len(programs)} programs have no order", where="rankings", mend="give two or more")
    if not variations:
        raise MemsimError("there is no baseline", where="rankings", mend="give memsim.locality.constants.variations()")
    names = [variation.name for variation in variations]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MemsimError(f"two variations have the name {twice!r}", where="rankings", mend="give each its own")
    return Sensitivity(tuple(programs), tuple(variations), _priced(programs, variations))


def _priced(programs: Mapping[str, ScalarProgram | AddressCounts], variations: Sequence[Constants]) -> Array:
    """Energy in fJ by variation, program and part."""
    rows = [variation.rows for variation in variations if variation.activation_fj]
    counted = {
        name: address_counts(program, rows) if isinstance(program, ScalarProgram) else program
        for name, program in programs.items()
    }
    counts = list(counted.values())
    away = np.unique(np.concatenate([np.asarray(c.distances, np.float64) for c in counts]))
    slopes = np.array([v.fj_per_distance for v in variations])
    floors = np.array([float(v.floor_fj) for v in variations])
    access = np.maximum(floors[:, None], slopes[:, None] * away)
    priced = np.array([v.priced_writes for v in variations])[:, None]
    operations = sorted({name for c in counts for name in c.operations})
    done = np.array([[float(c.operations.get(name, 0)) for name in operations] for c in counts])
    costs = np.array([[float(v.arithmetic_fj.get(name, 0.0)) for name in operations] for v in variations])
    fetched = np.array([float(c.instructions) for c in counts])
    parts = [
        access @ _by_distance(counts, away, "reads").T,
        priced * (access @ _by_distance(counts, away, "writes").T),
        costs @ done.T,
        np.outer([v.fetch_fj for v in variations], fetched),
        np.array([[_activated(name, c, v) for name, c in counted.items()] for v in variations]),
    ]
    return np.stack(parts, axis=2)


def _by_distance(counts: Sequence[AddressCounts], away: Array, name: str) -> Array:
    """Accesses of each program at each of the distances of all."""
    found = np.zeros((len(counts), len(away)))
    for row, each in zip(found, counts, strict=True):
        np.add.at(row, np.searchsorted(away, np.asarray(each.distances, np.float64)), getattr(each, name))
    return found


def _activated(name: str, counts: AddressCounts, constants: Constants) -> float:
    if not constants.activation_fj:
        return 0.0
    if constants.rows not in counts.row_changes:
        raise MemsimError(
            f"changes of rows beyond {constants.rows.near_words:,} words were not counted",
            where=f"program {name}",
            mend="give them in row_changes, or leave activation_fj at 0",
        )
    return constants.activation_fj * counts.row_changes[constants.rows]


# ---- counting ----


@compiled
def _counts(operands: Array, slots: int) -> tuple[Array, Array]:
    """Reads and writes of each slot."""
    reads, writes = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    for i in range(len(operands)):
        if operands[i, 0] >= 0:
            writes[operands[i, 0]] += 1
        for j in range(1, 4):
            if operands[i, j] >= 0:
                reads[operands[i, j]] += 1
    return reads, writes


def _rows_of(addresses: Array, rows: Rows) -> Array:
    """The number of the row of each slot, -1 for near memory."""
    beyond = addresses - (rows.near_words + 1)
    _, numbers = np.unique(beyond // rows.row_words, return_inverse=True)
    return np.where(np.asarray(beyond >= 0, np.bool_), numbers, -1).astype(np.int64)


@compiled
def _changes(operands: Array, rows: Array) -> int:
    """Accesses to far memory that meet another row than the one before; instructions read before they write."""
    changes, open_row = 0, -1
    for i in range(len(operands)):
        for j in (1, 2, 3, 0):
            if operands[i, j] >= 0:
                row = rows[operands[i, j]]
                if row >= 0 and row != open_row:
                    changes, open_row = changes + 1, row
    return changes
