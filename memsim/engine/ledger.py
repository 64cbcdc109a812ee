"""The energy ledger: integer counts for each key, multiplied by unit energies once, when a report is made.

All sums are of exact integers, so no number depends on how an engine shares tallies between kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from memsim.engine.columns import Columns, chosen, concatenated, grouped, integers, narrowed, product
from memsim.engine.memory import WRITTEN_BACK, counts_of_none
from memsim.engine.plan import Plan
from memsim.engine.sheets import (
    AMOUNT,
    COARSE,
    KEYS,
    L1,
    LINKS,
    MOMENT,
    MOMENT_BITS,
    ROWS,
    WIRES,
    Codes,
    Sheet,
    coarse_rows,
    make_sheet,
    memory_rows,
)
from memsim.engine.tally import Run, Tally
from memsim.errors import MemsimError
from memsim.hierarchy import Chip

if TYPE_CHECKING:
    import pandas as pd

FINAL_WRITE_BACK = "final_write_back"
"""Operation under which dirty bytes left in a cache at the end are charged; they take no time."""
COUNTED = ("matrix", "vector", "dma", ROWS)
"""Parts whose amounts are operations or transfers; those of all others are bits."""
STATIC: dict[str, Any] = {
    "part": "static", "tensor": "-", "operation": "static", "level": "static", "core": -1, "access": "static", "mm": 0.0
}  # fmt: skip
"""A row of static energy: its operation and access are the name of the power, such as leakage."""
SUMS = ("bits", "count", "energy_pj")


class Key(NamedTuple):
    """What a ledger row is about. ``mm`` is the wire length of a move; ``core`` is -1 for the chip as a whole."""

    part: str
    tensor: str
    operation: str
    level: str
    core: int
    access: str
    mm: float


class Ledger:
    """Every bit moved and every operation done, by part, tensor, operation, level and core.

    Parameters
    ----------
    plan
        What was run: its steps say what each execution costs.
    run
        What an engine counted.
    time_s
        Simulated time, which the chip's static power is multiplied with.
    """

    def __init__(self, plan: Plan, run: Run, time_s: float) -> None:
        self.chip, self.time_s = plan.chip, time_s
        self._plan, self._run = plan, run
        self._codes = Codes()
        self._tables: dict[tuple[bool, bool], Columns] = {}
        self._frame: pd.DataFrame | None = None

    @cached_property
    def counts(self) -> Mapping[Key, int]:
        """The integer amount of each key: bits for memories, wires and routers; operations for units; transfers."""
        table = self._table(fine=True, tensors=True)
        columns = [self._values(table, name).tolist() for name in KEYS]
        amounts = table[AMOUNT].tolist()
        return {Key(*key): amount for *key, amount in zip(*columns, amounts, strict=True)}

    def amounts(self, *columns: str) -> dict[tuple[Any, ...], int]:
        """Exact integer amounts by some of part, tensor, operation, level, core, access, mm."""
        table = grouped(self._table_for(columns), columns, (AMOUNT,))
        values = [self._values(table, name).tolist() for name in columns]
        return {tuple(key): amount for *key, amount in zip(*values, table[AMOUNT].tolist(), strict=True)}

    def frame(self) -> pd.DataFrame:
        """One row a key: its columns, ``bits`` and ``count`` (integers), ``energy_pj``; static energy is a row."""
        if self._frame is None:
            import pandas as pd

            self._frame = pd.DataFrame(self._named(KEYS))
        return self._frame

    def by(self, *columns: str) -> pd.DataFrame:
        """Energy grouped by any of part, tensor, operation, level, core, access: joules and share, largest first."""
        import pandas as pd

        return pd.DataFrame(self._ranked(columns))

    def records(self, *columns: str) -> list[dict[str, Any]]:
        """The rows of `by`, as plain dictionaries."""
        table = self._ranked(columns)
        rows = zip(*(values.tolist() for values in table.values()), strict=True)
        return [dict(zip(table, row, strict=True)) for row in rows]

    @cached_property
    def total_j(self) -> float:
        """Total energy in joules, static included."""
        return float(self._sums(("part",))["energy_pj"].sum()) * 1e-12

    # Tables of exact integers ------------------------------------------------------------------------------------

    @cached_property
    def _sheets(self) -> list[tuple[Sheet, list[int]]]:
        """The sheet of each distinct tally, and the kernels whose runs share it."""
        found: dict[tuple[int, ...], tuple[Sheet, list[int]]] = {}
        for run in self._run.kernels:
            kernel, tally = self._plan.kernels[run.kernel], run.tally
            same = kernel.twin, *_identity(tally)
            if same not in found:
                sheet = make_sheet(self._plan.kernels[kernel.twin], tally, self.chip, self._codes)
                found[same] = sheet, []
            found[same][1].append(run.kernel)
        return list(found.values())

    @cached_property
    def _write_backs(self) -> Columns:
        """Rows of what belongs to no instruction, by tensor: what a cache handed on, and what the DRAM did beside."""
        totals: dict[str, list[int]] = {}
        for run in self._run.kernels:
            for tensor, counts in run.tally.by_tensor.items():
                totals[tensor] = [a + b for a, b in zip(counts, totals.get(tensor, counts_of_none()), strict=True)]
        late = {tensor: counts_of_none(WRITTEN_BACK, size) for tensor, size in self._run.final_write_back.items()}
        chip, codes = self.chip, self._codes
        parts = [memory_rows(totals, chip, codes), memory_rows(late, chip, codes, FINAL_WRITE_BACK)]
        return grouped(concatenated(parts, (*KEYS, AMOUNT)), KEYS, (AMOUNT,))

    def _table_for(self, columns: tuple[str, ...]) -> Columns:
        return self._table(fine="core" in columns or "mm" in columns, tensors="tensor" in columns)

    def _table(self, *, fine: bool, tensors: bool) -> Columns:
        """All rows: by core and mm, where it is ``fine`` (else with moments), and by tensor, where it tells them."""
        found = self._tables.get((fine, tensors))
        if found is None:
            keys = tuple(key for key in (KEYS if fine else COARSE) if tensors or key != "tensor")
            sums = (AMOUNT,) if fine else (AMOUNT, MOMENT)
            parts = [self._write_backs if fine else coarse_rows(self._write_backs, self._codes[WIRES])]
            for sheet, kernels in self._sheets:
                rows = sheet.rows if fine else sheet.coarse
                parts.append(self._on_tensors(rows, sheet, kernels) if tensors else _times(rows, keys, sums, kernels))
            found = self._tables[fine, tensors] = grouped(concatenated(parts, (*keys, *sums)), keys, sums)
        return found

    def _on_tensors(self, rows: Columns, sheet: Sheet, kernels: list[int]) -> Columns:
        """The rows of a sheet once for each kernel, with that kernel's tensors."""
        rings = list(sheet.tensors[len(self._plan.kernels[kernels[0]].tensors) :])
        names = [[*self._plan.kernels[k].tensors, *rings] for k in kernels]
        codes = np.array([[self._codes[name] for name in row] for row in names], dtype=np.int64)
        codes = codes.reshape(len(kernels), len(sheet.tensors))
        repeated = {name: np.tile(values, len(kernels)) for name, values in rows.items() if name != "tensor"}
        return repeated | {"tensor": codes[:, rows["tensor"]].ravel()}

    # Energies ----------------------------------------------------------------------------------------------------

    def _sums(self, columns: tuple[str, ...]) -> Columns:
        """Bits, counts and energy (pJ) by ``columns``, static energy among them."""
        fine = "core" in columns or "mm" in columns
        keys = (*columns, *(key for key in ("part", "access", "mm")[: 3 if fine else 2] if key not in columns))
        sums = (AMOUNT,) if fine else (AMOUNT, MOMENT)
        table = dict(self._table_for(columns))
        if len(keys) < len(KEYS):
            table = grouped(table, keys, sums)
        counted = np.isin(table["part"], [self._codes[part] for part in COUNTED])
        table["bits"] = np.where(counted, 0, table[AMOUNT])
        table["count"] = np.where(counted, table[AMOUNT], 0)
        table["energy_pj"] = self._energies(table)
        table = concatenated([table, self._static(columns)], (*columns, *SUMS))
        return table if len(keys) == len(columns) else grouped(table, columns, SUMS)

    def _static(self, columns: tuple[str, ...]) -> Columns:
        """A row for each static power, whatever the chip does: W x s."""
        powers = self.chip.static_powers_w
        rows = [STATIC | {"operation": name, "access": name} for name in powers]
        static = {column: np.array([self._code(column, row[column]) for row in rows]) for column in columns}
        energies = np.array(list(powers.values())) * self.time_s * 1e12
        return static | {"bits": integers([0] * len(rows)), "count": integers([0] * len(rows)), "energy_pj": energies}

    def _energies(self, table: Columns) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Picojoules of each row: amounts, or bits x mm of wires, times the energy of one unit."""
        names = self._codes.names
        pair = table["part"] * len(names) + table["access"]
        units = np.zeros(int(pair.max(initial=-1)) + 1)
        for code in np.flatnonzero(np.bincount(pair)):
            part, access = divmod(int(code), len(names))
            units[code] = unit_energy_pj(self.chip, Key(names[part], "", "", "", -1, names[access], 1.0))
        amounts = table[AMOUNT].astype(np.float64)
        moments = table.get(MOMENT)
        lengths = amounts * table["mm"] if moments is None else moments.astype(np.float64) * 2.0**-MOMENT_BITS
        per_unit = np.where(table["part"] == self._codes[WIRES], lengths, amounts)
        return np.asarray(per_unit * units[pair])

    # Names -------------------------------------------------------------------------------------------------------

    def _code(self, column: str, value: Any) -> Any:
        return value if column in ("core", "mm") else self._codes[value]

    def _values(self, table: Columns, column: str) -> np.ndarray[Any, Any]:
        return table[column] if column in ("core", "mm") else self._codes.names[table[column]]

    def _named(self, columns: tuple[str, ...]) -> Columns:
        """Bits, counts and energy (pJ) by ``columns``, in the order of their names."""
        table = self._sums(columns)
        ranks = np.argsort(np.argsort(self._codes.names.astype(str)))
        orders = [table[name] if name in ("core", "mm") else ranks[table[name]] for name in columns]
        order = np.lexsort(orders[::-1])
        found = {name: self._values(table, name)[order] for name in columns}
        found |= {"bits": narrowed(table["bits"])[order], "count": narrowed(table["count"])[order]}
        return found | {"energy_pj": table["energy_pj"][order]}

    def _ranked(self, columns: tuple[str, ...]) -> Columns:
        """Bits, counts, joules and shares by ``columns``, the largest energy first."""
        unknown = [c for c in columns if c not in KEYS]
        if unknown or not columns:
            raise MemsimError(
                f"cannot group energy by {', '.join(unknown) or 'nothing'}",
                where="energy.by",
                mend=f"choose one or more of {', '.join(KEYS)}",
            )
        found = self._named(tuple(dict.fromkeys(columns)))
        energy_pj = found.pop("energy_pj")
        found |= {"energy_j": energy_pj * 1e-12, "share": energy_pj / max(energy_pj.sum(), 1e-300)}
        return chosen(found, np.argsort(-energy_pj, kind="stable"))


def _identity(tally: Tally) -> tuple[int, ...]:
    """Equal for tallies that share their arrays (write-backs are told apart: they name tensors)."""
    flows = tally.flows
    arrays = (tally.executions, tally.moved, tally.entered, tally.fetched, flows.step, flows.bytes)
    return tuple(map(id, arrays))


def _times(rows: Columns, keys: tuple[str, ...], sums: tuple[str, ...], kernels: list[int]) -> Columns:
    """The rows of a sheet without tensors, added up over kernels."""
    found = grouped(rows, keys, sums)
    for name in sums:
        found[name] = product(found[name], integers([len(kernels)]))
    return found


def unit_energy_pj(chip: Chip, key: Key) -> float:
    """Energy of one unit of ``key``: pJ a bit for what moves, pJ an operation for units, pJ a transfer for dma."""
    if key.part == "matrix":
        return chip.mac_energy(key.access)
    if key.part == "vector":
        return chip.vector_energy(key.access)
    if key.part == WIRES:
        return key.mm * chip.wire_energy_pj_per_bit_mm
    if key.part == L1:
        return chip.read_energy("sram") if key.access == "read" else chip.write_energy("sram")
    if key.part == ROWS:
        return chip.activation_energy
    if key.part == LINKS:
        return chip.link_energy(key.access)
    if key.part == "routers":
        return chip.hop_energy_pj_per_bit
    if key.part == "dma":
        return chip.core.dma.energy_per_transfer
    return chip.read_energy(key.part) if key.access == "read" else chip.write_energy(key.part)
