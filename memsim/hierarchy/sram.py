"""SRAM from its size: energy, latency and area of a macro with ports and banks, and what bank conflicts cost."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal, NamedTuple, TypeAlias

SramFamily: TypeAlias = Literal["published", "dally"]
"""Two families of published energies, which differ by a factor of 2 to 3 at 7 nm: a fit to tables of reads
(``published``), and a small subarray with the wires to it (``dally``)."""

PORT_STRETCH = 0.14
"""Each port beyond the first makes a cell this much longer on both sides. 0.14 makes a cell with one read and one write
port 30 % larger, as eight transistors are against six (Chang et al., Symp. VLSI Technology 2005, from memory);
assumed for more ports."""
TAG_SHARE = 0.1
"""Assumed: tags and state of a cache take this much more than its data."""


class Curve(NamedTuple):
    """E = e0 + slope * sqrt(bits): energy of a bit read from or written to one bank."""

    e0: float
    """pJ/bit of a vanishingly small array."""
    slope: float
    """pJ/bit for each square root of a bit: k * w * sqrt(area of a bit)."""
    wire: float
    """pJ/bit/mm of the wires between banks."""
    area: float
    """um2 a bit, with periphery."""


class Delay(NamedTuple):
    """t = t0 + k * tau * side: time from an address to its data."""

    start_ps: float
    trip: float
    """k: the length of the way there and back, over the side of the array."""
    wire_ps_per_mm: float
    area: float
    """um2 a bit, with periphery."""


def slope_of(trip: float, wire: float, area: float) -> float:
    """The slope k * w * sqrt(a), pJ/bit for each square root of a bit: ``wire`` in pJ/bit/mm, ``area`` in um2 a bit."""
    return trip * wire * math.sqrt(area) * 1e-3


def stretch(ports: int) -> float:
    """Side of a cell with ``ports`` ports over that of one with a single one."""
    return 1 + PORT_STRETCH * (ports - 1)


def area_mm2(capacity: int, area: float, ports: int = 1) -> float:
    """Area of ``capacity`` bytes, mm2."""
    return 8 * capacity * area * stretch(ports) ** 2 * 1e-6


def side_mm(capacity: int, area: float, ports: int = 1) -> float:
    """Side of a square array of ``capacity`` bytes, mm."""
    return math.sqrt(area_mm2(capacity, area, ports))


def between_banks_mm(capacity: int, area: float, banks: int, ports: int = 1) -> float:
    """Mean length of the wires from the middle of a macro to its banks, which stand in a square, mm.

    Along x and y together, half a side; less what lies inside the bank in the middle: exact for an odd number of
    banks a side.
    """
    return side_mm(capacity, area, ports) / 2 * (1 - 1 / banks)


def access_pj_per_bit(curve: Curve, capacity: int, ports: int = 1, banks: int = 1) -> float:
    """Energy of a bit read from or written to a macro of ``capacity`` bytes.

    An access works in one bank, and passes the wires between banks once. Ports stretch the cells, and with them the
    bit lines and word lines, so the energy inside the bank grows with the side of a cell.
    """
    bank = curve.e0 + curve.slope * math.sqrt(8 * capacity / banks)
    return bank * stretch(ports) + curve.wire * between_banks_mm(capacity, curve.area, banks, ports)


def latency_ns(delay: Delay, capacity: int, ports: int = 1, banks: int = 1) -> float:
    """Time of an access to a macro of ``capacity`` bytes, with the way to the bank and back, ns."""
    bank = delay.trip * side_mm(capacity, delay.area, ports) / math.sqrt(banks)
    way = 2 * between_banks_mm(capacity, delay.area, banks, ports)
    return (delay.start_ps + delay.wire_ps_per_mm * (bank + way)) * 1e-3


# Conflicts -----------------------------------------------------------------------------------------------------------


def conflict_cycles(
    stride: int, *, lanes: int = 32, element: int = 4, banks: int = 32, bank_width: int = 4
) -> int:  # fmt: skip
    """Cycles in which banks serve ``lanes`` elements that lie ``stride`` bytes apart.

    Each bank gives one of its words a cycle, to all lanes that ask for it. Words lie on the banks in turn. For
    elements as wide as a bank, this is lanes * gcd(stride in words, banks) / banks: the gcd rule.
    """
    words: set[int] = set()
    for lane in range(lanes):
        first = lane * stride
        words.update(range(first // bank_width, (first + element - 1) // bank_width + 1))
    return max(Counter(word % banks for word in words).values())


def service_factor(
    stride: int, *, lanes: int = 32, element: int = 4, banks: int = 32, bank_width: int = 4
) -> float:  # fmt: skip
    """How much longer a strided access takes than one without bank conflicts, which asks for words in a row."""
    shape = {"lanes": lanes, "element": element, "banks": banks, "bank_width": bank_width}
    return conflict_cycles(stride, **shape) / conflict_cycles(element, **shape)


def port_cycles(reads: int, writes: int, ports: int = 1) -> int:
    """Cycles in which a memory serves its reads and writes, one a port and cycle.

    A single port serves both; of two, one reads and one writes; of more, half of them write, rounded down.
    """
    if ports == 1:
        return reads + writes
    return max(-(-reads // (ports - ports // 2)), -(-writes // (ports // 2)))
