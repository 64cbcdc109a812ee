"""The state of a channel in compiled form: when each bank, group, stack, rank and bus may take its next commands.

It is one matrix of int64, ``m``, a row a quantity: passing few arrays keeps calls cheap. Each function that issues a
command moves the earliest times of the commands that have to keep their distance from it; `distances` says which and
how far. Times are ticks.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from memsim.compiled import bare, bare_inlined
from memsim.dram.distances import INDEX

TICKS, READ_LATENCY, WRITE_LATENCY = (INDEX[n] for n in ("TICKS", "READ_LATENCY", "WRITE_LATENCY"))
ACT_BUS, COLUMN_BUS, ROW_BUS = (INDEX[n] for n in ("ACT_BUS", "COLUMN_BUS", "ROW_BUS"))
ACT_ACT, ACT_ACT_L, ACT_ACT_BANK, FAW = (INDEX[n] for n in ("ACT_ACT", "ACT_ACT_L", "ACT_ACT_BANK", "FAW"))
ACT_READ, ACT_WRITE, ACT_PRE, ACT_REF = (INDEX[n] for n in ("ACT_READ", "ACT_WRITE", "ACT_PRE", "ACT_REF"))
PRE_ACT, PREALL_ACT, PRE_PRE, PRE_REF = (INDEX[n] for n in ("PRE_ACT", "PREALL_ACT", "PRE_PRE", "PRE_REF"))
READ_PRE, WRITE_PRE = INDEX["READ_PRE"], INDEX["WRITE_PRE"]
READ_READ, WRITE_WRITE = INDEX["READ_READ"], INDEX["WRITE_WRITE"]  # _L and _R follow each
READ_WRITE, READ_WRITE_R = INDEX["READ_WRITE"], INDEX["READ_WRITE_R"]
WRITE_READ, WRITE_READ_L, WRITE_READ_R = (INDEX[n] for n in ("WRITE_READ", "WRITE_READ_L", "WRITE_READ_R"))
REF_ACT, REFI, SPLIT_ACTIVATE, SYNC = (INDEX[n] for n in ("REF_ACT", "REFI", "SPLIT_ACTIVATE", "SYNC"))
SPLIT_BUSES, STACKS = INDEX["SPLIT_BUSES"], INDEX["STACKS"]

Array: TypeAlias = npt.NDArray[np.int64]

NEVER: Final = 1 << 60

# Commands. The first four are also rows of banks, groups, stacks and ranks: the earliest time of that command.
ACT, PRE, RD, WR, REF, PREALL, RDA, WRA, SYNC_ON, ACT2 = range(10)
COMMANDS: Final = ("ACT", "PRE", "RD", "WR", "REF", "PREALL", "RDA", "WRA", "SYNC", "ACT2")
"""Names of the commands of a trace, by number."""

# Rows of the matrix ``m``, with a column a bank.
ROW, OWNER, HITS, GROUP, STACK, RANK, HIT, MISS, LENGTH, AT_COLUMN, AT_ROW = (*range(4, 10), 10, 12, 14, 16, 18)
LIVE, OWNERS = 19, 21
BANK_ROWS: Final = 22
"""ROW: open row or -1. OWNER: the request that activated it and still waits, or -1. HITS: accesses of the open row.
HIT, MISS, LENGTH: of the reads that wait, and one row on, of the writes: the oldest of the open row, the oldest of
another (-1: none), how many. AT_COLUMN (of reads, and one row on, of writes), AT_ROW: none of these commands can go
before. LIVE: the banks for which reads wait, in any order, as many as LIVES says, and one row on, for writes.
OWNERS: the banks with an OWNER, in any order."""

# Rows of ranks, the sets of banks that share activate windows, turnarounds and refreshes: from row N on
REF_AT, PREALL_AT, OPEN, OPENED, OPEN_TICKS, OWNED, OLDEST = range(4, 11)
RANK_ROWS: Final = 14
"""OPEN: banks with a row; OPENED: since when any has, or none; OWNED: banks with an OWNER; OLDEST on: its last four
activates."""

G, K, N, S, T = 22, 26, 30, 44, 45
ROWS: Final = 46
"""Where the rows of groups, of stacks, of ranks, the state of the whole and the distances begin in the matrix."""

# The rest: columns of row S
(NOW, ROW_BUS_AT, COLUMN_BUS_AT, WRITING, DUE, TURN, SPLIT_BANK, SPLIT_BY, SYNCED, CLOCK_UNTIL, TRACED, READS, WRITES,
 SERVED, FLY_HEAD, FLY_TAIL, LAST_DONE, NEXT_REF, QUEUE_AT, DRAIN, ALL_OWNED) = range(21)  # fmt: skip
WAITING, LIVES, COLUMNS_FROM, ROWS_FROM, COUNTS = 21, 23, 25, 27, 30
BANK_COUNT, RANK_COUNT, PENDING = 36, 37, 38
"""The first four have an entry for reads and one for writes. WAITING: transactions; LIVES: banks with requests;
COLUMNS_FROM, ROWS_FROM: no column command, no row command of those that wait can go before. COUNTS: six counters."""
STATE_SIZE: Final = 48

# Columns of `requests`
BANK, ROW_OF, WRITE, KEY, ARRIVAL, ACCEPTED, DONE, FOUND = range(8)


@bare_inlined
def _later(times: Array, row: int, column: int, at: int) -> None:
    times[row, column] = max(times[row, column], at)


@bare_inlined
def note(m: Array, trace: Array, command: int, bank: int, row: int) -> None:
    """Append a command to the trace, where there is one."""
    if m[S, TRACED] < trace.shape[0]:
        trace[m[S, TRACED], 0] = m[S, NOW]
        trace[m[S, TRACED], 1] = command
        trace[m[S, TRACED], 2] = bank
        trace[m[S, TRACED], 3] = row
        m[S, TRACED] += 1


@bare_inlined
def ready_at(command: int, bank: int, m: Array) -> int:
    """When a bank could take a command next."""
    at: int = max(m[command, bank], m[N + command, m[RANK, bank]])
    if command >= RD:
        at = max(at, m[G + command, m[GROUP, bank]], m[K + command, m[STACK, bank]], m[S, COLUMN_BUS_AT])
    else:
        at = max(at, m[S, ROW_BUS_AT])
        if command == ACT:
            at = max(at, m[G + ACT, m[GROUP, bank]])
    if m[T, TICKS] == 2 and command != PRE:
        at = (max(at, m[S, NOW]) + 1) & -2  # on a whole clock
    return at


@bare_inlined
def hold_bus(m: Array, column: bool, ticks: int) -> None:
    """A command takes its bus; where there is one bus for all, both."""
    if column or not m[T, SPLIT_BUSES]:
        m[S, COLUMN_BUS_AT] = m[S, NOW] + ticks
    if not column or not m[T, SPLIT_BUSES]:
        m[S, ROW_BUS_AT] = m[S, NOW] + ticks


@bare_inlined
def _row_closes(bank: int, at: int, m: Array) -> None:
    """The bank's row is closed; the rank idles if it was the last."""
    rank = m[RANK, bank]
    m[ROW, bank], m[HITS, bank] = -1, 0
    m[N + OPEN, rank] -= 1
    if m[N + OPEN, rank] == 0:
        m[N + OPEN_TICKS, rank] += at - m[N + OPENED, rank]
        m[N + OPENED, rank] = at


@bare
def activate(bank: int, row: int, owner: int, m: Array, trace: Array) -> None:
    """Open a row, on behalf of the request ``owner`` (-1: of none in particular)."""
    now, rank = m[S, NOW], m[RANK, bank]
    note(m, trace, ACT, bank, row)
    m[S, COUNTS + ACT] += 1
    hold_bus(m, False, m[T, ACT_BUS])
    m[ROW, bank], m[HITS, bank], m[OWNER, bank] = row, 0, owner
    if owner >= 0:
        m[N + OWNED, rank] += 1
        m[OWNERS, m[S, ALL_OWNED]] = bank
        m[S, ALL_OWNED] += 1
    m[ACT, bank] = now + m[T, ACT_ACT_BANK]
    _later(m, PRE, bank, now + m[T, ACT_PRE])
    _later(m, RD, bank, now + m[T, ACT_READ])
    _later(m, WR, bank, now + m[T, ACT_WRITE])
    _later(m, G + ACT, m[GROUP, bank], now + m[T, ACT_ACT_L])
    for k in range(3):
        m[N + OLDEST + k, rank] = m[N + OLDEST + k + 1, rank]
    m[N + OLDEST + 3, rank] = now
    _later(m, N + ACT, rank, max(now + m[T, ACT_ACT], m[N + OLDEST, rank] + m[T, FAW]))
    _later(m, N + REF_AT, rank, now + m[T, ACT_REF])
    _later(m, N + PREALL_AT, rank, now + m[T, ACT_PRE])
    if m[N + OPEN, rank] == 0:
        _later(m, N + OPENED, rank, now)  # an automatic precharge of before may still be on its way
    m[N + OPEN, rank] += 1


@bare_inlined
def _after_precharge(rank: int, to_activate: int, m: Array) -> None:
    now = m[S, NOW]
    hold_bus(m, False, m[T, ROW_BUS])
    _later(m, N + ACT, rank, now + to_activate)
    _later(m, N + PRE, rank, now + m[T, PRE_PRE])
    _later(m, N + PREALL_AT, rank, now + m[T, PRE_PRE])
    _later(m, N + REF_AT, rank, now + m[T, PRE_REF])


@bare
def precharge(bank: int, m: Array, trace: Array) -> None:
    """Close the row of a bank."""
    note(m, trace, PRE, bank, m[ROW, bank])
    m[S, COUNTS + PRE] += 1
    _row_closes(bank, m[S, NOW], m)
    _later(m, ACT, bank, m[S, NOW] + m[T, PRE_ACT])
    _after_precharge(m[RANK, bank], 0, m)


@bare
def precharge_all(rank: int, m: Array, trace: Array) -> None:
    """Close all rows of a rank."""
    note(m, trace, PREALL, rank, -1)
    m[S, COUNTS + PREALL] += 1
    for bank in range(m[S, BANK_COUNT]):
        if m[RANK, bank] == rank and m[ROW, bank] >= 0:
            _row_closes(bank, m[S, NOW], m)
    _after_precharge(rank, m[T, PREALL_ACT], m)


@bare
def refresh(rank: int, m: Array, trace: Array) -> None:
    """Refresh all banks of a rank, whose rows are closed."""
    now = m[S, NOW]
    note(m, trace, REF, rank, -1)
    m[S, COUNTS + REF] += 1
    hold_bus(m, False, m[T, ROW_BUS])
    _later(m, N + ACT, rank, now + m[T, REF_ACT])
    _later(m, N + PREALL_AT, rank, now + m[T, REF_ACT])
    _later(m, N + REF_AT, rank, now + m[T, REF_ACT])


@bare
def column(bank: int, write: int, closes: bool, m: Array, trace: Array) -> None:
    """Read or write a burst of the open row; ``closes``: with a precharge of its own (auto-precharge)."""
    now, group, stack, rank = m[S, NOW], m[GROUP, bank], m[STACK, bank], m[RANK, bank]
    command = WR if write else RD
    note(m, trace, command + 4 if closes else command, bank, m[ROW, bank])
    m[S, COUNTS + command] += 1
    hold_bus(m, True, m[T, COLUMN_BUS])
    same, turn = (WRITE_WRITE, RD) if write else (READ_READ, WR)
    _later(m, G + command, group, now + m[T, same + 1])
    _later(m, K + command, stack, now + m[T, same])
    _later(m, N + turn, rank, now + m[T, WRITE_READ if write else READ_WRITE])
    if write:
        _later(m, G + RD, group, now + m[T, WRITE_READ_L])
    if m[T, STACKS] > 1:
        first = stack // m[T, STACKS] * m[T, STACKS]
        for other in range(first, first + m[T, STACKS]):
            if other != stack:
                _later(m, K + command, other, now + m[T, same + 2])
                _later(m, K + turn, other, now + m[T, WRITE_READ_R if write else READ_WRITE_R])
    m[HITS, bank] += 1
    free = now + m[T, WRITE_PRE if write else READ_PRE]
    _later(m, PRE, bank, free)
    _later(m, N + PREALL_AT, rank, free)
    if m[T, SYNC] >= 0:
        until = now + m[T, WRITE_LATENCY if write else READ_LATENCY] + m[T, SYNC]
        m[S, CLOCK_UNTIL] = max(m[S, CLOCK_UNTIL], until)
    if closes:
        closed = m[PRE, bank]
        _row_closes(bank, closed, m)
        _later(m, ACT, bank, closed + m[T, PRE_ACT])
        _later(m, N + REF_AT, rank, closed + m[T, PRE_REF])
