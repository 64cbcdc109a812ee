"""What a batch of bursts takes of a DRAM channel, as the burst-level model (`memsim.dram`) has measured it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from memsim.engine.dram import LEVELS, NODES
from memsim.hierarchy.dram_parts import DramPart


@dataclass(frozen=True)
class VisitTable:
    """Clocks of a saturated channel."""

    clocks: tuple[tuple[tuple[float, ...], ...], ...]
    """Of a visit to a row: for reads and writes, by the banks that visits are spread over, by bursts (1, 2, 4 …)."""
    burst: float
    """Of each burst of a long visit."""
    turn: float
    """Lost when reads follow writes and writes reads, half of it each time."""
    drain: int
    """Bursts of a batch that is long enough for it to pay the whole turn."""


@cache
def visit_table(part: DramPart) -> VisitTable:
    """What visits to rows take of a channel of a part."""
    t = part.timing
    refresh = 1 / (1 - t.rfc / t.refi)
    bus = t.bl / part.pseudo_channels

    def visit(k: int, banks: int, recover: int) -> float:
        cycle = max(t.rc, t.rcd_rd + k * t.ccd_l + recover + t.rp)
        return refresh * max(k * bus, t.faw / 4 / part.pseudo_channels, cycle / banks)

    levels = [1, 2, 4, 8, part.bank_count][:LEVELS]
    clocks = tuple(
        tuple(tuple(visit(2**i, banks, recover) for i in range(NODES)) for banks in levels)
        for recover in (t.rtp, t.cwl + t.wr)
    )
    return VisitTable(clocks, bus * refresh, (t.rtw + t.cwl + t.bl + t.wtr_l) / 2, 32)
