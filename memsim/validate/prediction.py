"""What is predicted of a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the simulator says of a call."""

    time_s: float
    """From one call to the next, seconds: the launch included."""
    bound: str
    """What is busiest."""
    choice: str
    """Which kernel the library takes, for people."""
    energy_j: float
    """Of the call, static energy included, joules."""
    power_w: float
    """Mean over its time, watts."""
    clock: float
    """Of the cores, hertz: lower than the chip's where its power limit says so."""
