"""What a report needs to know of a simulation: the shape of a result, and nothing of how it came about.

Every report reads tidy tables with fixed columns, so it also works on results that were stored, or made by a
model of your own: anything with these attributes can be rendered, compared and plotted.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from memsim.hierarchy import Chip


class EnergyLedger(Protocol):
    """Every picojoule, by part, tensor, operation, level, core and access."""

    @property
    def total_j(self) -> float:
        """Sum of all entries, J."""

    def by(self, *columns: str) -> pd.DataFrame:
        """Columns ``columns`` (some of part, tensor, operation, level, core, access), bits, count, energy_j, share.

        The largest energy comes first.
        """


class Outcome(Protocol):
    """One workload run on one chip. Times in s, energies in J, tables as documented for each property."""

    @property
    def workload(self) -> str:
        """Name of what was run."""

    @property
    def chip(self) -> Chip:
        """The chip it ran on."""

    @property
    def engine(self) -> str:
        """Name of the engine that ran it."""

    @property
    def ticks(self) -> int:
        """Time in ticks."""

    @property
    def tick_s(self) -> Fraction:
        """Length of a tick, s, exactly."""

    @property
    def time_s(self) -> float:
        """Time from the first launch to the last completion, s."""

    @property
    def cycles(self) -> float:
        """The same time in cycles of the core clock."""

    @property
    def energy_j(self) -> float:
        """Dynamic and static energy, J."""

    @property
    def energy(self) -> EnergyLedger:
        """Where the energy went."""

    @property
    def flops(self) -> int:
        """Operations of the algorithm (a multiply-add is 2)."""

    @property
    def executed_flops(self) -> int:
        """Operations that were executed, padding included."""

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation: useful operations a second over the peak."""

    @property
    def mbu(self) -> float:
        """Memory bandwidth utilisation: DRAM bytes a second over the peak."""

    @property
    def bytes_by_level(self) -> Mapping[str, int]:
        """Bytes read and written in each memory level."""

    @property
    def bottleneck(self) -> str:
        """The part that bounds the time."""

    @property
    def parts(self) -> pd.DataFrame:
        """Columns part, kind, busy_s, utilisation."""

    @property
    def links(self) -> pd.DataFrame:
        """Columns src, dst, mm, bytes, busy_s, utilisation."""

    @property
    def bounds(self) -> pd.DataFrame:
        """Analytic lower bounds: columns bound, time_s, of_time."""

    @property
    def stalls(self) -> pd.DataFrame:
        """Where each queue's time went: columns queue, reason, time_s, share."""

    @property
    def trace(self) -> pd.DataFrame | None:
        """One row an instruction, if the run was traced, else None.

        Columns kernel, block, core, queue, op, detail, start_s, end_s, start_tick, end_tick, bytes, lane.
        """

    @property
    def kernels(self) -> pd.DataFrame:
        """Columns kernel, start_s, end_s."""
