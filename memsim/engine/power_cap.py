"""What a limit of power did to a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PowerCap:
    """The clock at which a run ended, and why."""

    limit_w: float
    """The most that the chip may draw: its ``tdp``."""
    free_power_w: float
    """Mean power at the clock that it would like to run at."""
    free_clock_hz: float
    """That clock."""
    power_w: float
    """Mean power at the clock it ended at, without what caches write back after the end."""
    clock_hz: float
    """The clock it ended at."""
    why: str
    """In words."""

    @property
    def slowed(self) -> bool:
        """Whether the limit took some of the clock."""
        return self.clock_hz < self.free_clock_hz

    def __str__(self) -> str:
        return self.why
