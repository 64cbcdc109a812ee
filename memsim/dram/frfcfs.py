"""First-ready, first-come, first-served: the scheduler of a channel over a window as deep as its queues.

Each tick, in this order: a request that has activated its row and is ready; a refresh that is due (then nothing else
starts); the oldest of the window whose next command is ready. A bank is never closed under a request that activated
its row. Where row and column commands have buses of their own, one of each may go in a tick. Writes wait until they
fill 0.8 of their queue, or no read waits; then they go until they are below 0.2 of it. So does Ramulator 2.1.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

from memsim.compiled import compiled, inlined
from memsim.dram.state import (
    ACT,
    ACT2,
    ALL_OWNED,
    AT_COLUMN,
    AT_ROW,
    BANK,
    CLOCK_UNTIL,
    COLUMN_BUS_AT,
    DUE,
    FOUND,
    HIT,
    LENGTH,
    MISS,
    NEVER,
    NOW,
    OPEN,
    OWNED,
    OWNER,
    PRE,
    PREALL_AT,
    RANK,
    RD,
    READ_LATENCY,
    READS,
    REF_AT,
    ROW,
    ROW_BUS,
    ROW_BUS_AT,
    ROW_OF,
    SPLIT_ACTIVATE,
    SPLIT_BANK,
    SPLIT_BY,
    SYNC,
    SYNC_ON,
    SYNCED,
    TICKS,
    TURN,
    WR,
    WRITE,
    WRITE_LATENCY,
    WRITES,
    WRITING,
    activate,
    column,
    hold_bus,
    note,
    precharge,
    precharge_all,
    ready_at,
    refresh,
)

LOW, HIGH = 0.2, 0.8
"""Watermarks of the write queue: below the first it lets reads go again, above the second it goes first."""

UNSEEN, WAS_HIT, WAS_CLOSED, WAS_CONFLICT = range(4)
"""What a request found when its first command went out: its row open, no row, another row."""

TIGHT: Final = 1
"""Ticks that a start of the data clock needs before the second half of an activate is overdue."""


@inlined
def look(write, bank, banks, lists, requests):
    """Find the oldest request of the open row among those that wait for a bank, and the oldest of another.

    Reads of bank b wait in list b, writes in list banks + b, oldest first.
    """
    hit, miss, number = -1, -1, write * banks.shape[1] + bank
    for k in range(banks[LENGTH + write, bank]):
        request = lists[number, k]
        if requests[request, ROW_OF] == banks[ROW, bank]:
            if hit < 0:
                hit = request
        elif miss < 0:
            miss = request
        if hit >= 0 and miss >= 0:
            break
    banks[HIT + write, bank], banks[MISS + write, bank] = hit, miss
    banks[AT_COLUMN, bank] = banks[AT_ROW, bank] = 0


@inlined
def put(request, banks, lists, requests):
    """A request joins its waiting list."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    lists[write * banks.shape[1] + bank, banks[LENGTH + write, bank]] = request
    banks[LENGTH + write, bank] += 1
    which = write + (HIT if requests[request, ROW_OF] == banks[ROW, bank] else MISS)
    if banks[which, bank] < 0:
        banks[which, bank] = request
        banks[AT_COLUMN, bank] = banks[AT_ROW, bank] = 0


@inlined
def remove(request, number, length, lists):
    """Take a request out of a list of that length."""
    k = 0
    while lists[number, k] != request:
        k += 1
    for j in range(k, length - 1):
        lists[number, j] = lists[number, j + 1]


@inlined
def take(request, state, banks, lists, requests):
    """A request leaves its waiting list."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    remove(request, write * banks.shape[1] + bank, banks[LENGTH + write, bank], lists)
    banks[LENGTH + write, bank] -= 1
    state[READS + write] -= 1


@inlined
def choose_direction(depth, state, banks):
    """Whether reads or writes go now."""
    if state[WRITING]:
        if state[WRITES] < LOW * depth and state[READS]:
            state[WRITING] = 0
            banks[AT_COLUMN] = 0
            banks[AT_ROW] = 0
    elif state[WRITES] > HIGH * depth or not state[READS]:
        state[WRITING] = 1
        banks[AT_COLUMN] = 0
        banks[AT_ROW] = 0


@inlined
def owned_column(t, state, banks, groups, stacks, ranks, requests):
    """(oldest request that has its row activated and is ready or -1, when the next one is ready)."""
    best, soon, now = -1, NEVER, state[NOW]
    if state[ALL_OWNED] == 0:
        return best, soon
    for bank in range(banks.shape[1]):
        request = banks[OWNER, bank]
        if request >= 0 and bank != state[SPLIT_BANK]:
            at = ready_at(RD + requests[request, WRITE], bank, t, state, banks, groups, stacks, ranks)
            if at > now:
                soon = min(soon, at)
            elif best < 0 or request < best:
                best = request
    return best, soon


@inlined
def waiting_column(t, state, banks, groups, stacks, ranks):
    """The same among those that wait for a row that is open."""
    best, soon, now, write = -1, NEVER, state[NOW], state[WRITING]
    if state[READS + write] == 0:
        return best, soon
    if state[COLUMN_BUS_AT] > now:
        return best, state[COLUMN_BUS_AT]
    for bank in range(banks.shape[1]):
        request = banks[HIT + write, bank]
        if request < 0 or bank == state[SPLIT_BANK] or 0 <= best < request:
            continue
        at = banks[AT_COLUMN, bank]
        if at <= now:
            at = ready_at(RD + write, bank, t, state, banks, groups, stacks, ranks)
            banks[AT_COLUMN, bank] = at
        if at > now:
            soon = min(soon, at)
        else:
            best = request
    return best, soon


@inlined
def waiting_row(t, state, banks, groups, stacks, ranks):
    """The same among those that need an activate or a precharge first."""
    best, soon, now, write = -1, NEVER, state[NOW], state[WRITING]
    if state[READS + write] == 0:
        return best, soon
    if state[ROW_BUS_AT] > now:
        return best, state[ROW_BUS_AT]
    for bank in range(banks.shape[1]):
        request = banks[MISS + write, bank]
        if request < 0 or banks[OWNER, bank] >= 0 or 0 <= best < request:
            continue
        at = banks[AT_ROW, bank]
        if at <= now:
            closed = banks[ROW, bank] < 0
            if closed and state[SPLIT_BANK] >= 0:
                continue
            at = ready_at(ACT if closed else PRE, bank, t, state, banks, groups, stacks, ranks)
            banks[AT_ROW, bank] = at
        if at > now:
            soon = min(soon, at)
        else:
            best = request
    return best, soon


@compiled
def try_refresh(t, state, banks, ranks, lists, requests, trace):
    """(whether the refresh that is due went a step, when it can)."""
    rank = state[TURN]
    is_open = ranks[OPEN, rank] > 0
    if is_open and ranks[OWNED, rank]:
        return False, NEVER
    at = max(ranks[PREALL_AT if is_open else REF_AT, rank], state[ROW_BUS_AT])
    if t[TICKS] == 2 and not is_open:
        at = (at + 1) & -2
    if at > state[NOW]:
        return False, at
    if is_open:
        precharge_all(rank, t, state, banks, ranks, trace)
        for bank in range(banks.shape[1]):
            if banks[RANK, bank] == rank:
                look(0, bank, banks, lists, requests)
                look(1, bank, banks, lists, requests)
    else:
        refresh(rank, t, state, ranks, trace)
        state[DUE] -= 1
        state[TURN] = (rank + 1) % ranks.shape[1]
    return True, NEVER


@compiled
def serve(request, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace):
    """Issue the column command of a request; returns when its data are there."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    if requests[request, FOUND] == UNSEEN:
        requests[request, FOUND] = WAS_HIT
    if banks[OWNER, bank] == request:
        banks[OWNER, bank] = -1
        banks[AT_ROW, bank] = 0
        ranks[OWNED, banks[RANK, bank]] -= 1
        state[ALL_OWNED] -= 1
    else:
        take(request, state, banks, lists, requests)
        look(write, bank, banks, lists, requests)
    wanted = banks[HIT, bank] >= 0 or banks[HIT + 1, bank] >= 0 or banks[OWNER, bank] >= 0
    closes = closed_page and not wanted
    column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace)
    if closes:
        look(0, bank, banks, lists, requests)
        look(1, bank, banks, lists, requests)
    return state[NOW] + t[WRITE_LATENCY if write else READ_LATENCY]


@compiled
def open_row(request, t, state, banks, groups, ranks, lists, requests, trace):
    """Issue the activate or precharge that a request needs; an activate takes it out of the window."""
    bank = requests[request, BANK]
    closed = banks[ROW, bank] < 0
    if requests[request, FOUND] == UNSEEN:
        requests[request, FOUND] = WAS_CLOSED if closed else WAS_CONFLICT
    if closed:
        take(request, state, banks, lists, requests)
        activate(bank, requests[request, ROW_OF], request, t, state, banks, groups, ranks, trace)
        if t[SPLIT_ACTIVATE]:
            state[SPLIT_BANK], state[SPLIT_BY] = bank, state[NOW] + t[SPLIT_ACTIVATE]
    else:
        precharge(bank, t, state, banks, ranks, trace)
    look(0, bank, banks, lists, requests)
    look(1, bank, banks, lists, requests)


@inlined
def step_split(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace):
    """One tick of a channel whose row and column commands have a bus each.

    Returns (commands issued, when to look again, request whose data are on their way or -1, when they are there).
    """
    issued, done_at = 0, 0
    served, soon = owned_column(t, state, banks, groups, stacks, ranks, requests)
    if served < 0 and not state[DUE]:
        choose_direction(depth, state, banks)
        served, at = waiting_column(t, state, banks, groups, stacks, ranks)
        soon = min(soon, at)
    if served >= 0:
        done_at = serve(served, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace)
        issued = 1
    if state[DUE]:
        stepped, at = try_refresh(t, state, banks, ranks, lists, requests, trace)
        issued += stepped
    else:
        choose_direction(depth, state, banks)
        request, at = waiting_row(t, state, banks, groups, stacks, ranks)
        if request >= 0:
            open_row(request, t, state, banks, groups, ranks, lists, requests, trace)
            issued += 1
    return issued, min(soon, at), served, done_at


@inlined
def finish_activate(t, state, banks, trace):
    """The second half of an activate (LPDDR5): now the row is open."""
    bank = state[SPLIT_BANK]
    note(state, trace, ACT2, bank, banks[ROW, bank])
    hold_bus(state, t, False, t[ROW_BUS])
    state[SPLIT_BANK] = -1


@inlined
def step_joined(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace):
    """One tick of a channel with one command bus; returns as `step_split` does."""
    now, served, soon, row_request = state[NOW], state[SYNCED], NEVER, -1
    if state[SPLIT_BANK] >= 0 and state[SPLIT_BY] <= now and served < 0:
        finish_activate(t, state, banks, trace)
        return 1, NEVER, -1, 0
    if served >= 0:  # the data clock has been started for this one
        state[SYNCED] = -1
    else:
        served, soon = owned_column(t, state, banks, groups, stacks, ranks, requests)
        if served < 0 and state[DUE]:
            stepped, at = try_refresh(t, state, banks, ranks, lists, requests, trace)
            if stepped:
                return 1, NEVER, -1, 0
            soon = min(soon, at)
        elif served < 0:
            choose_direction(depth, state, banks)
            served, at = waiting_column(t, state, banks, groups, stacks, ranks)
            row_request, row_at = waiting_row(t, state, banks, groups, stacks, ranks)
            soon = min(soon, at, row_at)
        if row_request >= 0 and (served < 0 or row_request < served):
            open_row(row_request, t, state, banks, groups, ranks, lists, requests, trace)
            return 1, NEVER, -1, 0
        if served < 0:
            if state[SPLIT_BANK] < 0 or state[ROW_BUS_AT] > now:
                return 0, soon, -1, 0
            finish_activate(t, state, banks, trace)
            return 1, NEVER, -1, 0
        if t[SYNC] >= 0 and now >= state[CLOCK_UNTIL]:
            if state[SPLIT_BANK] >= 0 and state[SPLIT_BY] <= now + TIGHT:
                finish_activate(t, state, banks, trace)
            else:
                note(state, trace, SYNC_ON, requests[served, BANK], -1)
                state[SYNCED] = served
            return 1, NEVER, -1, 0
    at = serve(served, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace)
    return 1, NEVER, served, at
