"""The energy ledger: integer counts for each key, multiplied by unit energies once, when a report is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from memsim.engine.hardware import Key
from memsim.engine.plan import Step
from memsim.hierarchy import Chip

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("part", "tensor", "operation", "level", "core", "access", "mm")


class Ledger:
    """Every bit moved and every operation done, by part, tensor, operation, level and core.

    Parameters
    ----------
    counts
        Integer amount for each `Key`: bits for memories, wires and routers; operations for units; transfers for dma.
    chip
        Gives the energy of one unit of each key.
    time_s
        Simulated time, which the chip's static power is multiplied with.
    """

    def __init__(self, counts: Mapping[Key, int], chip: Chip, time_s: float) -> None:
        self.counts = dict(counts)
        self.chip, self.time_s = chip, time_s
        self._frame: pd.DataFrame | None = None

    def frame(self) -> pd.DataFrame:
        """One row a key: its columns, ``bits`` and ``count`` (integers), ``energy_pj``; static energy is a row."""
        if self._frame is None:
            self._frame = self._make_frame()
        return self._frame

    def _make_frame(self) -> pd.DataFrame:
        import pandas as pd

        rows = []
        for key, amount in self.counts.items():
            moves = key.level != "compute" and key.part != "dma"
            rows.append((*key, amount if moves else 0, 0 if moves else amount, amount * unit_energy_pj(self.chip, key)))
        static = self.chip.static_power_w * self.time_s * 1e12
        rows.append(("static", "-", "static", "static", -1, "static", 0.0, 0, 0, static))
        return pd.DataFrame(rows, columns=[*COLUMNS, "bits", "count", "energy_pj"])

    def by(self, *columns: str) -> pd.DataFrame:
        """Energy grouped by any of part, tensor, operation, level, core, access: joules and share, largest first."""
        from memsim.errors import MemsimError

        unknown = [c for c in columns if c not in COLUMNS]
        if unknown or not columns:
            raise MemsimError(
                f"cannot group energy by {', '.join(unknown) or 'nothing'}",
                where="energy.by",
                mend=f"choose one or more of {', '.join(COLUMNS)}",
            )
        grouped = self.frame().groupby(list(columns), as_index=False)[["bits", "count", "energy_pj"]].sum()
        grouped["energy_j"] = grouped["energy_pj"] * 1e-12
        grouped["share"] = grouped["energy_pj"] / max(grouped["energy_pj"].sum(), 1e-300)
        ordered = grouped.drop(columns="energy_pj").sort_values("energy_j", ascending=False, kind="stable")
        return ordered.reset_index(drop=True)

    @property
    def total_j(self) -> float:
        """Total energy in joules, static included."""
        return float(self.frame()["energy_pj"].sum()) * 1e-12


def unit_energy_pj(chip: Chip, key: Key) -> float:
    """Energy of one unit of ``key``: pJ a bit for what moves, pJ an operation for units, pJ a transfer for dma."""
    if key.part == "matrix":
        return chip.mac_energy(key.access)
    if key.part == "vector":
        return chip.vector_energy(key.access)
    if key.part == "wires":
        return key.mm * chip.wire_energy_pj_per_bit_mm
    if key.part == "routers":
        return chip.network.energy_per_bit_hop
    if key.part == "dma":
        return chip.core.dma.energy_per_transfer
    return chip.read_energy(key.part) if key.access == "read" else chip.write_energy(key.part)


def add_postings(counts: dict[Key, int], steps: Iterable[Step], executions: Mapping[tuple[int, int], int]) -> None:
    """Add what each step posts in every execution, for counted executions of each (step, core)."""
    by_number = {step.number: step for step in steps}
    for (number, core), times in executions.items():
        step = by_number[number]
        for p in step.postings:
            key = Key(p.part, p.tensor, step.operation, p.level, core, p.access, 0.0)
            counts[key] = counts.get(key, 0) + p.amount * times
        if step.unit == "dma":
            key = Key("dma", step.tensor, step.operation, "dma", core, "transfer", 0.0)
            counts[key] = counts.get(key, 0) + times
