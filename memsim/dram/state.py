"""The state of a channel in compiled form: when each bank, group, stack, rank and bus may take its next commands.

Arrays of int64, one row a quantity. Each function that issues a command moves the earliest times of the commands that
have to keep their distance from it; `distances` says which and how far. Times are ticks.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

from memsim.compiled import compiled, inlined
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

NEVER: Final = 1 << 60

# Commands. The first four are also rows of banks, groups, stacks and ranks: the earliest time of that command.
ACT, PRE, RD, WR, REF, PREALL, RDA, WRA, SYNC_ON, ACT2 = range(10)
COMMANDS: Final = ("ACT", "PRE", "RD", "WR", "REF", "PREALL", "RDA", "WRA", "SYNC", "ACT2")
"""Names of the commands of a trace, by number."""

# Rows of `banks`
ROW, OWNER, HITS, GROUP, STACK, RANK, HIT, MISS, LENGTH, AT_COLUMN, AT_ROW = (*range(4, 10), 10, 12, 14, 16, 17)
BANK_ROWS: Final = 18
"""ROW: open row or -1. OWNER: the request that activated it and still waits, or -1. HITS: accesses of the open row.
HIT, MISS, LENGTH: of the reads that wait, and one row on, of the writes: the oldest of the open row, the oldest of
another (-1: none), how many. AT_COLUMN, AT_ROW: no command of theirs can go before."""

# Rows of `ranks`: the sets of banks that share activate windows, turnarounds and refreshes
REF_AT, PREALL_AT, OPEN, OPENED, OPEN_TICKS, OWNED, OLDEST = range(4, 11)
RANK_ROWS: Final = 14
"""OPEN: banks with a row; OPENED: since when any has, or none; OWNED: banks with an OWNER; OLDEST on: its last four
activates."""

# The rest
(NOW, ROW_BUS_AT, COLUMN_BUS_AT, WRITING, DUE, TURN, SPLIT_BANK, SPLIT_BY, SYNCED, CLOCK_UNTIL, TRACED, READS, WRITES,
 SERVED, FLY_HEAD, FLY_TAIL, LAST_DONE, NEXT_REF, QUEUE_AT, DRAIN, ALL_OWNED, WAITING) = range(22)  # fmt: skip
COUNTS: Final = 24
"""Six counters from here on: commands, by number. WAITING and the next: lengths of the two lists of transactions."""
STATE_SIZE: Final = 32

# Columns of `requests`
BANK, ROW_OF, WRITE, KEY, ARRIVAL, ACCEPTED, DONE, FOUND = range(8)


@inlined
def _later(times, row, column, at):
    times[row, column] = max(times[row, column], at)


@inlined
def note(state, trace, command, bank, row):
    """Append a command to the trace, where there is one."""
    if state[TRACED] < trace.shape[0]:
        trace[state[TRACED], 0] = state[NOW]
        trace[state[TRACED], 1] = command
        trace[state[TRACED], 2] = bank
        trace[state[TRACED], 3] = row
        state[TRACED] += 1


@inlined
def ready_at(command, bank, t, state, banks, groups, stacks, ranks):
    """When a bank could take a command next."""
    at = max(banks[command, bank], ranks[command, banks[RANK, bank]])
    if command >= RD:
        at = max(at, groups[command, banks[GROUP, bank]], stacks[command, banks[STACK, bank]], state[COLUMN_BUS_AT])
    else:
        at = max(at, state[ROW_BUS_AT])
        if command == ACT:
            at = max(at, groups[ACT, banks[GROUP, bank]])
    if t[TICKS] == 2 and command != PRE:
        at = (at + 1) & -2
    return at


@inlined
def hold_bus(state, t, column, ticks):
    """A command takes its bus; where there is one bus for all, both."""
    if column or not t[SPLIT_BUSES]:
        state[COLUMN_BUS_AT] = state[NOW] + ticks
    if not column or not t[SPLIT_BUSES]:
        state[ROW_BUS_AT] = state[NOW] + ticks


@inlined
def _row_closes(bank, at, banks, ranks):
    """The bank's row is closed; the rank idles if it was the last."""
    rank = banks[RANK, bank]
    banks[ROW, bank], banks[HITS, bank] = -1, 0
    ranks[OPEN, rank] -= 1
    if ranks[OPEN, rank] == 0:
        ranks[OPEN_TICKS, rank] += at - ranks[OPENED, rank]
        ranks[OPENED, rank] = at


@compiled
def activate(bank, row, owner, t, state, banks, groups, ranks, trace):
    """Open a row, on behalf of the request ``owner`` (-1: of none in particular)."""
    now, rank = state[NOW], banks[RANK, bank]
    note(state, trace, ACT, bank, row)
    state[COUNTS + ACT] += 1
    hold_bus(state, t, False, t[ACT_BUS])
    banks[ROW, bank], banks[HITS, bank], banks[OWNER, bank] = row, 0, owner
    if owner >= 0:
        ranks[OWNED, rank] += 1
        state[ALL_OWNED] += 1
    banks[ACT, bank] = now + t[ACT_ACT_BANK]
    _later(banks, PRE, bank, now + t[ACT_PRE])
    _later(banks, RD, bank, now + t[ACT_READ])
    _later(banks, WR, bank, now + t[ACT_WRITE])
    _later(groups, ACT, banks[GROUP, bank], now + t[ACT_ACT_L])
    for k in range(3):
        ranks[OLDEST + k, rank] = ranks[OLDEST + k + 1, rank]
    ranks[OLDEST + 3, rank] = now
    _later(ranks, ACT, rank, max(now + t[ACT_ACT], ranks[OLDEST, rank] + t[FAW]))
    _later(ranks, REF_AT, rank, now + t[ACT_REF])
    _later(ranks, PREALL_AT, rank, now + t[ACT_PRE])
    if ranks[OPEN, rank] == 0:
        _later(ranks, OPENED, rank, now)  # an automatic precharge of before may still be on its way
    ranks[OPEN, rank] += 1


@inlined
def _after_precharge(rank, to_activate, t, state, ranks):
    now = state[NOW]
    hold_bus(state, t, False, t[ROW_BUS])
    _later(ranks, ACT, rank, now + to_activate)
    _later(ranks, PRE, rank, now + t[PRE_PRE])
    _later(ranks, PREALL_AT, rank, now + t[PRE_PRE])
    _later(ranks, REF_AT, rank, now + t[PRE_REF])


@compiled
def precharge(bank, t, state, banks, ranks, trace):
    """Close the row of a bank."""
    note(state, trace, PRE, bank, banks[ROW, bank])
    state[COUNTS + PRE] += 1
    _row_closes(bank, state[NOW], banks, ranks)
    _later(banks, ACT, bank, state[NOW] + t[PRE_ACT])
    _after_precharge(banks[RANK, bank], 0, t, state, ranks)


@compiled
def precharge_all(rank, t, state, banks, ranks, trace):
    """Close all rows of a rank."""
    note(state, trace, PREALL, rank, -1)
    state[COUNTS + PREALL] += 1
    for bank in range(banks.shape[1]):
        if banks[RANK, bank] == rank and banks[ROW, bank] >= 0:
            _row_closes(bank, state[NOW], banks, ranks)
    _after_precharge(rank, t[PREALL_ACT], t, state, ranks)


@compiled
def refresh(rank, t, state, ranks, trace):
    """Refresh all banks of a rank, whose rows are closed."""
    now = state[NOW]
    note(state, trace, REF, rank, -1)
    state[COUNTS + REF] += 1
    hold_bus(state, t, False, t[ROW_BUS])
    _later(ranks, ACT, rank, now + t[REF_ACT])
    _later(ranks, PREALL_AT, rank, now + t[REF_ACT])
    _later(ranks, REF_AT, rank, now + t[REF_ACT])


@compiled
def column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace):
    """Read or write a burst of the open row; ``closes``: with a precharge of its own (auto-precharge)."""
    now, group, stack, rank = state[NOW], banks[GROUP, bank], banks[STACK, bank], banks[RANK, bank]
    command = WR if write else RD
    note(state, trace, command + 4 if closes else command, bank, banks[ROW, bank])
    state[COUNTS + command] += 1
    hold_bus(state, t, True, t[COLUMN_BUS])
    same, turn = (WRITE_WRITE, RD) if write else (READ_READ, WR)
    _later(groups, command, group, now + t[same + 1])
    _later(stacks, command, stack, now + t[same])
    _later(ranks, turn, rank, now + t[WRITE_READ if write else READ_WRITE])
    if write:
        _later(groups, RD, group, now + t[WRITE_READ_L])
    if t[STACKS] > 1:
        first = stack // t[STACKS] * t[STACKS]
        for other in range(first, first + t[STACKS]):
            if other != stack:
                _later(stacks, command, other, now + t[same + 2])
                _later(stacks, turn, other, now + t[WRITE_READ_R if write else READ_WRITE_R])
    banks[HITS, bank] += 1
    free = now + t[WRITE_PRE if write else READ_PRE]
    _later(banks, PRE, bank, free)
    _later(ranks, PREALL_AT, rank, free)
    if t[SYNC] >= 0:
        until = now + t[WRITE_LATENCY if write else READ_LATENCY] + t[SYNC]
        state[CLOCK_UNTIL] = max(state[CLOCK_UNTIL], until)
    if closes:
        closed = banks[PRE, bank]
        _row_closes(bank, closed, banks, ranks)
        _later(banks, ACT, bank, closed + t[PRE_ACT])
        _later(ranks, REF_AT, rank, closed + t[PRE_REF])
