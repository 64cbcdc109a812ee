"""Wires: what a bit-millimetre costs, at which voltage, with which data, and how long it takes."""

from __future__ import annotations

from typing import Literal, TypeAlias

Convention: TypeAlias = Literal["quarter", "transition", "full"]
"""What a published energy of a wire stands for: C V^2 / 4, C V^2 / 2 or C V^2 a bit and millimetre."""

TRANSITIONS: dict[Convention, float] = {"quarter": 0.5, "transition": 1.0, "full": 2.0}
"""Transitions a bit at which C V^2 / 2 a transition gives the figure of each convention. Most factors of four between
published figures are only this."""
RANDOM = 0.5
"""Transitions a bit of random data: every second bit differs from the one before."""
ALPHA = 1.3
"""Exponent of the alpha-power law for short channels: Sakurai and Newton, IEEE JSSC 25(2), 1990."""


def wire_pj_per_bit_mm(capacitance_pf_mm: float, volts: float, toggle: float = RANDOM) -> float:
    """Energy of a bit over a millimetre: C V^2 / 2 for each of ``toggle`` transitions a bit, pJ."""
    return capacitance_pf_mm * volts**2 * toggle / 2


def at_toggle(energy: float, convention: Convention, toggle: float) -> float:
    """A wire's energy with ``toggle`` transitions a bit, from a figure of some convention."""
    return energy * toggle / TRANSITIONS[convention]


def hop_pj_per_bit(wire_random: float, mm: float, *, hop_factor: float = 1.5, toggle: float = RANDOM) -> float:
    """Energy of a bit over one hop of a network on chip, pJ.

    Router, clock and flip-flops cost the same whatever the data are: ``hop_factor`` - 1 times the wire with random
    data (a third of a hop: Piton 32 %, ET-SoC-1 33 to 41 %). The wire itself goes with the toggle.
    """
    return wire_random * mm * (toggle / RANDOM + hop_factor - 1)


def voltage_factor(volts: float, nominal: float) -> float:
    """Dynamic energy at a voltage over that at the nominal one: V^2."""
    return (volts / nominal) ** 2


def delay_factor(volts: float, nominal: float, threshold: float) -> float:
    """Delay at a voltage over that at the nominal one: V / (V - Vt)^1.3, the alpha-power law."""
    return float(volts / (volts - threshold) ** ALPHA * (nominal - threshold) ** ALPHA / nominal)
