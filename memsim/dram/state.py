"""The state of a channel in compiled form: when each bank, group, stack, rank and bus may take its next commands.

Arrays of int64 with named columns. Each function that issues a command moves the earliest times of the commands that
have to keep their distance from it; `distances` says which and how far. Times are ticks.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

from memsim.compiled import compiled, inlined
from memsim.dram.distances import INDEX

(TICKS, READ_LATENCY, WRITE_LATENCY, ACT_BUS, COLUMN_BUS, ROW_BUS) = range(6)
ACT_ACT, ACT_ACT_L, ACT_ACT_BANK, FAW = (INDEX[n] for n in ("ACT_ACT", "ACT_ACT_L", "ACT_ACT_BANK", "FAW"))
ACT_READ, ACT_WRITE, ACT_PRE, ACT_REF = (INDEX[n] for n in ("ACT_READ", "ACT_WRITE", "ACT_PRE", "ACT_REF"))
PRE_ACT, PREALL_ACT, PRE_PRE, PRE_REF = (INDEX[n] for n in ("PRE_ACT", "PREALL_ACT", "PRE_PRE", "PRE_REF"))
READ_PRE, WRITE_PRE = INDEX["READ_PRE"], INDEX["WRITE_PRE"]
READ_READ, WRITE_WRITE = INDEX["READ_READ"], INDEX["WRITE_WRITE"]  # _L and _R follow each
READ_WRITE, READ_WRITE_R = INDEX["READ_WRITE"], INDEX["READ_WRITE_R"]
WRITE_READ, WRITE_READ_L, WRITE_READ_R = (INDEX[n] for n in ("WRITE_READ", "WRITE_READ_L", "WRITE_READ_R"))
REF_ACT, REFI, SPLIT_ACTIVATE, SYNC = (INDEX[n] for n in ("REF_ACT", "REFI", "SPLIT_ACTIVATE", "SYNC"))
APART, SPLIT_BUSES = INDEX["APART"], INDEX["SPLIT_BUSES"]
STACKS, GROUPS, BANKS, CHANNELS = (INDEX[n] for n in ("STACKS", "GROUPS", "BANKS", "PSEUDO_CHANNELS"))

NEVER: Final = 1 << 60

# Earliest times of a bank, a group, a stack, a rank, by command; the first four columns of each array.
ACT, PRE, RD, WR = 0, 1, 2, 3
REF, PREALL, RDA, WRA, SYNC_ON, ACT2 = 4, 5, 6, 7, 8, 9
COMMANDS: Final = ("ACT", "PRE", "RD", "WR", "REF", "PREALL", "RDA", "WRA", "SYNC", "ACT2")
"""Names of the commands of a trace, by number."""

# More columns of a bank
ROW, OWNER, HITS, GROUP, STACK, RANK, ACTED = 4, 5, 6, 7, 8, 9, 10
BANK_COLUMNS: Final = 11
"""ROW: open row or -1. OWNER: the request that activated it and still waits, or -1. HITS: accesses of the open row."""

# More columns of a rank: the set of banks that share activate windows, turnarounds and refreshes
REF_AT, PREALL_AT, OPEN, OPENED, OPEN_TICKS, OWNED, OLDEST = 4, 5, 6, 7, 8, 9, 10
RANK_COLUMNS: Final = 15
"""OPEN: banks with a row; OPENED: since when any has, or none has; OWNED: banks with an OWNER; OLDEST on: its last four activates."""

# The rest of the state
NOW, ROW_BUS_AT, COLUMN_BUS_AT, WRITING, DUE, TURN, SPLIT_BANK, SPLIT_BY, SYNCED, CLOCK_UNTIL, TRACED = range(11)
READS, WRITES, SERVED, FLY_HEAD, FLY_TAIL, LAST_DONE, NEXT_REF, QUEUE_AT, DRAIN = range(11, 20)
COUNTS: Final = 20  # six counters from here on: commands by number
STATE_COLUMNS: Final = 32


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
    b = banks[bank]
    group, rank = b[GROUP], b[RANK]
    at = max(b[command], ranks[rank, command])
    if command >= RD:
        at = max(at, groups[group, command], stacks[b[STACK], command], state[COLUMN_BUS_AT])
    else:
        at = max(at, state[ROW_BUS_AT])
        if command == ACT:
            at = max(at, groups[group, ACT])
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
def _row_closes(bank, at, state, banks, ranks):
    """The bank's row is closed; the rank idles if it was the last."""
    rank = banks[bank, RANK]
    banks[bank, ROW], banks[bank, HITS] = -1, 0
    ranks[rank, OPEN] -= 1
    if ranks[rank, OPEN] == 0:
        ranks[rank, OPEN_TICKS] += at - ranks[rank, OPENED]
        ranks[rank, OPENED] = at


@compiled
def activate(bank, row, owner, t, state, banks, groups, ranks, trace):
    """Open a row, on behalf of the request ``owner`` (-1: of none in particular)."""
    now, b = state[NOW], banks[bank]
    rank = b[RANK]
    note(state, trace, ACT, bank, row)
    state[COUNTS + ACT] += 1
    hold_bus(state, t, False, t[ACT_BUS])
    b[ROW], b[HITS], b[OWNER] = row, 0, owner
    ranks[rank, OWNED] += owner >= 0
    b[ACT] = now + t[ACT_ACT_BANK]
    b[PRE] = max(b[PRE], now + t[ACT_PRE])
    b[RD] = max(b[RD], now + t[ACT_READ])
    b[WR] = max(b[WR], now + t[ACT_WRITE])
    b[ACTED] = now
    _later(groups, b[GROUP], ACT, now + t[ACT_ACT_L])
    r = ranks[rank]
    r[ACT] = max(r[ACT], now + t[ACT_ACT])
    r[OLDEST], r[OLDEST + 1], r[OLDEST + 2], r[OLDEST + 3] = r[OLDEST + 1], r[OLDEST + 2], r[OLDEST + 3], now
    r[ACT] = max(r[ACT], r[OLDEST] + t[FAW])
    r[REF_AT] = max(r[REF_AT], now + t[ACT_REF])
    r[PREALL_AT] = max(r[PREALL_AT], now + t[ACT_PRE])
    if r[OPEN] == 0:
        r[OPENED] = max(now, r[OPENED])  # an automatic precharge of before may still be on its way
    r[OPEN] += 1


@compiled
def precharge(bank, t, state, banks, ranks, trace):
    """Close the row of a bank."""
    now, rank = state[NOW], banks[bank, RANK]
    note(state, trace, PRE, bank, banks[bank, ROW])
    state[COUNTS + PRE] += 1
    hold_bus(state, t, False, t[ROW_BUS])
    _row_closes(bank, now, state, banks, ranks)
    _later(banks, bank, ACT, now + t[PRE_ACT])
    _later(ranks, rank, PRE, now + t[PRE_PRE])
    _later(ranks, rank, PREALL_AT, now + t[PRE_PRE])
    _later(ranks, rank, REF_AT, now + t[PRE_REF])


@compiled
def precharge_all(rank, t, state, banks, ranks, trace):
    """Close all rows of a rank."""
    now = state[NOW]
    note(state, trace, PREALL, rank, -1)
    state[COUNTS + PREALL] += 1
    hold_bus(state, t, False, t[ROW_BUS])
    for bank in range(banks.shape[0]):
        if banks[bank, RANK] == rank and banks[bank, ROW] >= 0:
            _row_closes(bank, now, state, banks, ranks)
    _later(ranks, rank, ACT, now + t[PREALL_ACT])
    _later(ranks, rank, PRE, now + t[PRE_PRE])
    _later(ranks, rank, PREALL_AT, now + t[PRE_PRE])
    _later(ranks, rank, REF_AT, now + t[PRE_REF])


@compiled
def refresh(rank, t, state, ranks, trace):
    """Refresh all banks of a rank, whose rows are closed."""
    now = state[NOW]
    note(state, trace, REF, rank, -1)
    state[COUNTS + REF] += 1
    hold_bus(state, t, False, t[ROW_BUS])
    _later(ranks, rank, ACT, now + t[REF_ACT])
    _later(ranks, rank, PREALL_AT, now + t[REF_ACT])
    _later(ranks, rank, REF_AT, now + t[REF_ACT])


@compiled
def column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace):
    """Read or write a burst of the open row; ``closes``: with a precharge of its own (auto-precharge)."""
    now, b = state[NOW], banks[bank]
    command = WR if write else RD
    note(state, trace, command + 4 * closes, bank, b[ROW])
    state[COUNTS + command] += 1
    hold_bus(state, t, True, t[COLUMN_BUS])
    same, turn = (WRITE_WRITE, RD) if write else (READ_READ, WR)
    group, stack, rank = b[GROUP], b[STACK], b[RANK]
    _later(groups, group, command, now + t[same + 1])
    _later(stacks, stack, command, now + t[same])
    _later(ranks, rank, turn, now + t[WRITE_READ if write else READ_WRITE])
    if write:
        _later(groups, group, RD, now + t[WRITE_READ_L])
    if t[STACKS] > 1:
        first = stack // t[STACKS] * t[STACKS]
        for other in range(first, first + t[STACKS]):
            if other != stack:
                _later(stacks, other, command, now + t[same + 2])
                _later(stacks, other, turn, now + t[WRITE_READ_R if write else READ_WRITE_R])
    b[HITS] += 1
    free = now + t[WRITE_PRE if write else READ_PRE]
    b[PRE] = max(b[PRE], free)
    ranks[rank, PREALL_AT] = max(ranks[rank, PREALL_AT], free)
    if t[SYNC] >= 0:
        until = now + t[WRITE_LATENCY if write else READ_LATENCY] + t[SYNC]
        state[CLOCK_UNTIL] = max(state[CLOCK_UNTIL], until)
    if closes:
        closed = b[PRE]
        _row_closes(bank, closed, state, banks, ranks)
        b[ACT] = max(b[ACT], closed + t[PRE_ACT])
        ranks[rank, REF_AT] = max(ranks[rank, REF_AT], closed + t[PRE_REF])
