"""What the simulation of all kernels of a run shares: the hardware's state, the clock, the totals, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from memsim.engine.fast.machine import ENDLESS, Lasting
from memsim.engine.fast.totals import Totals
from memsim.engine.hardware import Hardware
from memsim.engine.plan import Plan
from memsim.engine.tracing import Filter


@dataclass
class Context:
    """One run of a plan."""

    plan: Plan
    hardware: Hardware
    lasting: Lasting
    totals: Totals
    window: Filter
    trace: list[Any] | None
    """Rows of the trace, if there is to be one."""
    fold: bool
    progress: Callable[[int], None] | None
    clock: int = 0
    """Ticks that have been simulated."""
    skipped: int = 0
    """Ticks that folding has skipped: the time is the clock and these."""

    @property
    def tick(self) -> int:
        """The time."""
        return self.clock + self.skipped

    def tell(self, executed: int) -> None:
        """Tell how many instructions are done."""
        if self.progress is not None:
            self.progress(executed)

    def times_before_window(self, tick: int, period: int, oldest: int) -> int:
        """How many periods may be skipped from a tick on without skipping what is to be traced.

        Nothing is skipped while an instruction lasts that began before the window's end (``oldest`` is the first tick
        of those that last): its own end would be. And no instruction may end at the very tick at which the window
        begins, as one of no time would lie in it.
        """
        if self.trace is None or (self.window.end is not None and oldest >= self.window.end):
            return ENDLESS
        return max(0, self.window.first - 1 - tick) // max(1, period)
