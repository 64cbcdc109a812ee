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
    CLOCK_UNTIL,
    DUE,
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
    SPLIT_ACTIVATE,
    SPLIT_BANK,
    SPLIT_BY,
    SYNC,
    SYNC_ON,
    SYNCED,
    TICKS,
    TURN,
    WR,
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

HIT, MISS, LENGTH, FIRST = 0, 1, 2, 3
"""Columns of a waiting list: its oldest request of the open row, its oldest of another row (-1: none), how many, and
from there on the requests, oldest first. Reads of bank b are list b, writes list banks + b."""

UNSEEN, WAS_HIT, WAS_CLOSED, WAS_CONFLICT = 0, 1, 2, 3
"""What a request found when its first command went out: its row open, no row, another row."""

TIGHT: Final = 1
"""Ticks that a start of the data clock needs before the second half of an activate is overdue."""


@inlined
def look(lst, open_row, row):
    """Find the oldest request of the open row in a waiting list, and the oldest of another."""
    lst[HIT] = lst[MISS] = -1
    for k in range(FIRST, FIRST + lst[LENGTH]):
        if row[lst[k]] == open_row:
            if lst[HIT] < 0:
                lst[HIT] = lst[k]
        elif lst[MISS] < 0:
            lst[MISS] = lst[k]
        if lst[HIT] >= 0 and lst[MISS] >= 0:
            break


@inlined
def look_again(bank, banks, lists, row):
    """The same for both lists of a bank, whose row has changed."""
    look(lists[bank], banks[bank, ROW], row)
    look(lists[banks.shape[0] + bank], banks[bank, ROW], row)


@inlined
def put(request, lst, open_row, row):
    """A request joins its waiting list."""
    lst[FIRST + lst[LENGTH]] = request
    lst[LENGTH] += 1
    which = HIT if row[request] == open_row else MISS
    if lst[which] < 0:
        lst[which] = request


@inlined
def take(request, lst, open_row, row):
    """A request leaves its waiting list."""
    k = FIRST
    while lst[k] != request:
        k += 1
    lst[LENGTH] -= 1
    for j in range(k, FIRST + lst[LENGTH]):
        lst[j] = lst[j + 1]
    look(lst, open_row, row)


@inlined
def choose_direction(state, depth):
    """Whether reads or writes go now."""
    if state[WRITING]:
        if state[WRITES] < LOW * depth and state[READS]:
            state[WRITING] = 0
    elif state[WRITES] > HIGH * depth or not state[READS]:
        state[WRITING] = 1


@compiled
def owned_column(t, state, banks, groups, stacks, ranks, write):
    """(oldest request that has its row activated and is ready or -1, when the next one is ready)."""
    best, soon, now = -1, NEVER, state[NOW]
    for bank in range(banks.shape[0]):
        request = banks[bank, OWNER]
        if request >= 0 and bank != state[SPLIT_BANK]:
            at = ready_at(WR if write[request] else RD, bank, t, state, banks, groups, stacks, ranks)
            if at > now:
                soon = min(soon, at)
            elif best < 0 or request < best:
                best = request
    return best, soon


@compiled
def waiting_column(t, state, banks, groups, stacks, ranks, lists):
    """The same among those that wait for a row that is open."""
    best, soon, now = -1, NEVER, state[NOW]
    command, base = (WR, banks.shape[0]) if state[WRITING] else (RD, 0)
    for bank in range(banks.shape[0]):
        request = lists[base + bank, HIT]
        if request >= 0 and bank != state[SPLIT_BANK] and (best < 0 or request < best):
            at = ready_at(command, bank, t, state, banks, groups, stacks, ranks)
            if at > now:
                soon = min(soon, at)
            else:
                best = request
    return best, soon


@compiled
def waiting_row(t, state, banks, groups, stacks, ranks, lists):
    """The same among those that need an activate or a precharge first."""
    best, soon, now = -1, NEVER, state[NOW]
    base = banks.shape[0] if state[WRITING] else 0
    for bank in range(banks.shape[0]):
        request = lists[base + bank, MISS]
        if request < 0 or banks[bank, OWNER] >= 0 or (best >= 0 and request > best):
            continue
        closed = banks[bank, ROW] < 0
        if closed and state[SPLIT_BANK] >= 0:
            continue
        at = ready_at(ACT if closed else PRE, bank, t, state, banks, groups, stacks, ranks)
        if at > now:
            soon = min(soon, at)
        else:
            best = request
    return best, soon


@compiled
def try_refresh(t, state, banks, ranks, lists, row, trace):
    """(whether the refresh that is due went a step, when it can)."""
    rank = state[TURN]
    is_open = ranks[rank, OPEN] > 0
    if is_open and ranks[rank, OWNED]:
        return False, NEVER
    at = max(ranks[rank, PREALL_AT if is_open else REF_AT], state[ROW_BUS_AT])
    if t[TICKS] == 2 and not is_open:
        at = (at + 1) & -2
    if at > state[NOW]:
        return False, at
    if is_open:
        precharge_all(rank, t, state, banks, ranks, trace)
        for bank in range(banks.shape[0]):
            if banks[bank, RANK] == rank:
                look_again(bank, banks, lists, row)
    else:
        refresh(rank, t, state, ranks, trace)
        state[DUE] -= 1
        state[TURN] = (rank + 1) % ranks.shape[0]
    return True, NEVER


@compiled
def serve(request, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace):
    """Issue the column command of a request; returns when its data are there."""
    bank, row, write = requests[0, request], requests[1], requests[2, request]
    base = banks.shape[0] if write else 0
    if found[request] == UNSEEN:
        found[request] = WAS_HIT
    if banks[bank, OWNER] == request:
        banks[bank, OWNER] = -1
        ranks[banks[bank, RANK], OWNED] -= 1
    else:
        take(request, lists[base + bank], banks[bank, ROW], row)
        state[WRITES if write else READS] -= 1
    wanted = lists[bank, HIT] >= 0 or lists[banks.shape[0] + bank, HIT] >= 0 or banks[bank, OWNER] >= 0
    closes = closed_page and not wanted
    column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace)
    if closes:
        look_again(bank, banks, lists, row)
    return state[NOW] + t[WRITE_LATENCY if write else READ_LATENCY]


@compiled
def open_row(request, t, state, banks, groups, ranks, lists, requests, found, trace):
    """Issue the activate or precharge that a request needs; an activate takes it out of the window."""
    bank, row, write = requests[0, request], requests[1], requests[2, request]
    closed = banks[bank, ROW] < 0
    if found[request] == UNSEEN:
        found[request] = WAS_CLOSED if closed else WAS_CONFLICT
    if closed:
        take(request, lists[(banks.shape[0] if write else 0) + bank], -1, row)
        state[WRITES if write else READS] -= 1
        activate(bank, row[request], request, t, state, banks, groups, ranks, trace)
        if t[SPLIT_ACTIVATE]:
            state[SPLIT_BANK], state[SPLIT_BY] = bank, state[NOW] + t[SPLIT_ACTIVATE]
    else:
        precharge(bank, t, state, banks, ranks, trace)
    look_again(bank, banks, lists, row)


@compiled
def step_split(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace):
    """One tick of a channel whose row and column commands have a bus each.

    Returns (commands issued, when to look again, request whose data are on their way or -1, when they are there).
    """
    issued, done_at = 0, 0
    served, soon = owned_column(t, state, banks, groups, stacks, ranks, requests[2])
    if served < 0 and not state[DUE]:
        choose_direction(state, depth)
        served, at = waiting_column(t, state, banks, groups, stacks, ranks, lists)
        soon = min(soon, at)
    if served >= 0:
        done_at = serve(served, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace)
        issued += 1
    if state[DUE]:
        stepped, at = try_refresh(t, state, banks, ranks, lists, requests[1], trace)
        issued += stepped
    else:
        choose_direction(state, depth)
        request, at = waiting_row(t, state, banks, groups, stacks, ranks, lists)
        if request >= 0:
            open_row(request, t, state, banks, groups, ranks, lists, requests, found, trace)
            issued += 1
    return issued, min(soon, at), served, done_at


@compiled
def start_split(t, state, banks, groups, stacks, ranks, trace):
    """The second half of an activate (LPDDR5): now the row is open."""
    bank = state[SPLIT_BANK]
    note(state, trace, ACT2, bank, banks[bank, ROW])
    hold_bus(state, t, False, t[ROW_BUS])
    state[SPLIT_BANK] = -1


@compiled
def step_joined(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace):
    """One tick of a channel with one command bus; returns as `step_split` does."""
    now, row_request = state[NOW], -1
    if state[SYNCED] >= 0:  # the data clock has been started for this one
        served = state[SYNCED]
        state[SYNCED] = -1
        at = serve(served, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace)
        return 1, NEVER, served, at
    if state[SPLIT_BANK] >= 0 and state[SPLIT_BY] <= now:
        start_split(t, state, banks, groups, stacks, ranks, trace)
        return 1, NEVER, -1, 0
    served, soon = owned_column(t, state, banks, groups, stacks, ranks, requests[2])
    if served < 0 and state[DUE]:
        stepped, at = try_refresh(t, state, banks, ranks, lists, requests[1], trace)
        if stepped:
            return 1, NEVER, -1, 0
        soon = min(soon, at)
    elif served < 0:
        choose_direction(state, depth)
        served, at = waiting_column(t, state, banks, groups, stacks, ranks, lists)
        row_request, row_at = waiting_row(t, state, banks, groups, stacks, ranks, lists)
        soon = min(soon, at, row_at)
        if row_request >= 0 and (served < 0 or row_request < served):
            open_row(row_request, t, state, banks, groups, ranks, lists, requests, found, trace)
            return 1, NEVER, -1, 0
    if served < 0:
        if state[SPLIT_BANK] >= 0 and state[ROW_BUS_AT] <= now:
            start_split(t, state, banks, groups, stacks, ranks, trace)
            return 1, NEVER, -1, 0
        return 0, soon, -1, 0
    if t[SYNC] >= 0 and now >= state[CLOCK_UNTIL]:
        if state[SPLIT_BANK] >= 0 and state[SPLIT_BY] <= now + TIGHT:
            start_split(t, state, banks, groups, stacks, ranks, trace)
        else:
            note(state, trace, SYNC_ON, requests[0, served], -1)
            state[SYNCED] = served
        return 1, NEVER, -1, 0
    at = serve(served, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace)
    return 1, NEVER, served, at
