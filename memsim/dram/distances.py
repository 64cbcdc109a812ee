"""Distances between commands in ticks: a part's timings, with what the length of a command on its bus changes.

A tick is a clock, or half a clock where row commands may start on half clocks. A standard counts from the last
cycle of a command to the last of the next, while the model notes the first: so a command of two cycles adds one
behind it and takes one off before it (as Ramulator 2.1 does).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memsim.hierarchy.dram_parts import DramPart

NAMES = (
    "TICKS",  # of a clock
    "READ_LATENCY",  # from the command to the last data
    "WRITE_LATENCY",
    "ACT_BUS",  # how long a command holds its bus
    "COLUMN_BUS",
    "ROW_BUS",
    "ACT_ACT",
    "ACT_ACT_L",
    "ACT_ACT_BANK",
    "FAW",
    "ACT_READ",
    "ACT_WRITE",
    "ACT_PRE",
    "ACT_REF",
    "PRE_ACT",
    "PREALL_ACT",
    "PRE_PRE",
    "PRE_REF",
    "READ_PRE",
    "WRITE_PRE",
    "READ_READ",
    "READ_READ_L",
    "READ_READ_R",
    "WRITE_WRITE",
    "WRITE_WRITE_L",
    "WRITE_WRITE_R",
    "READ_WRITE",
    "READ_WRITE_R",
    "WRITE_READ",
    "WRITE_READ_L",
    "WRITE_READ_R",
    "REF_ACT",
    "REFI",
    "SPLIT_ACTIVATE",  # ticks within which the second half of an activate follows, or 0
    "SYNC",  # ticks that the data clock runs on after a burst, or -1 where it needs no command
    "APART",  # 1: ranks have windows, turnarounds and refreshes of their own
    "SPLIT_BUSES",
    "STACKS",  # of a pseudo-channel
    "GROUPS",  # of a stack
    "BANKS",  # of a group
    "PSEUDO_CHANNELS",
)
"""Columns of the array of distances, in order. _L: same bank group; _R: another stack ID or rank."""

INDEX = {name: i for i, name in enumerate(NAMES)}


def distances(part: DramPart) -> npt.NDArray[np.int64]:
    """The array that the compiled model reads, one entry a name of `NAMES`."""
    t, ticks = part.timing, 2 if part.half_clocks else 1
    act, column, row = (int(c * ticks) for c in (part.act_cycles, part.column_cycles, part.row_cycles))

    def apart(clocks: int, before: int = column, after: int = column) -> int:
        return clocks * ticks + before - after

    written = t.cwl + t.bl
    values = {
        "TICKS": ticks,
        "READ_LATENCY": (t.cl + t.bl) * ticks,
        "WRITE_LATENCY": written * ticks,
        "ACT_BUS": act,
        "COLUMN_BUS": column,
        "ROW_BUS": row,
        "ACT_ACT": t.rrd_s * ticks,
        "ACT_ACT_L": t.rrd_l * ticks,
        "ACT_ACT_BANK": t.rc * ticks,
        "FAW": t.faw * ticks,
        "ACT_READ": apart(t.rcd_rd, act),
        "ACT_WRITE": apart(t.rcd_wr, act),
        "ACT_PRE": apart(t.ras, act, row),
        "ACT_REF": apart(t.rc, act, row),
        "PRE_ACT": apart(t.rp, row, act),
        "PREALL_ACT": apart(t.rp_all, row, act),
        "PRE_PRE": t.ppd * ticks,
        "PRE_REF": t.rp * ticks,
        "READ_PRE": apart(t.rtp, column, row),
        "WRITE_PRE": apart(written + t.wr, column, row),
        "READ_READ": max(t.bl, t.ccd_s) * ticks,
        "READ_READ_L": t.ccd_l * ticks,
        "READ_READ_R": t.ccd_r * ticks,
        "WRITE_WRITE": max(t.bl, t.ccd_s) * ticks,
        "WRITE_WRITE_L": t.ccd_l_wr * ticks,
        "WRITE_WRITE_R": t.ccd_r * ticks,
        "READ_WRITE": t.rtw * ticks,
        "READ_WRITE_R": t.rtw * ticks,  # the pins have to turn round, whoever drove them
        "WRITE_READ": (written + t.wtr_s) * ticks,
        "WRITE_READ_L": (written + t.wtr_l) * ticks,
        "WRITE_READ_R": max(1, written + t.cs - t.cl) * ticks if part.ranks_apart else (written + t.wtr_s) * ticks,
        "REF_ACT": apart(t.rfc, row, act),
        "REFI": t.refi * ticks,
        "SPLIT_ACTIVATE": part.split_activate * ticks,
        "SYNC": ticks if part.clock_sync else -1,
        "APART": int(part.ranks_apart),
        "SPLIT_BUSES": int(part.split_buses),
        "STACKS": part.stacks,
        "GROUPS": part.bank_groups,
        "BANKS": part.banks,
        "PSEUDO_CHANNELS": part.pseudo_channels,
    }
    return np.array([values[name] for name in NAMES], dtype=np.int64)
