"""First-ready, first-come, first-served: the scheduler of a channel over a window as deep as its queues.

Each tick, in this order: a request that has activated its row and is ready; a refresh that is due (then nothing else
starts); the oldest of the window whose next command is ready. A bank is never closed under a request that activated
its row. Where row and column commands have buses of their own, one of each may go in a tick. Writes wait until they
fill 0.8 of their queue, or no read waits; then they go until they are below 0.2 of it. So does Ramulator 2.1.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from memsim.compiled import bare, bare_inlined
from memsim.dram.state import (
    ACT,
    ACT2,
    ALL_OWNED,
    AT_COLUMN,
    AT_ROW,
    BANK,
    BANK_COUNT,
    CLOCK_UNTIL,
    COLUMN_BUS_AT,
    COLUMNS_FROM,
    DUE,
    FOUND,
    HIT,
    LENGTH,
    LIVE,
    LIVES,
    MISS,
    NEVER,
    NOW,
    OPEN,
    OWNED,
    OWNER,
    OWNERS,
    PRE,
    PREALL_AT,
    RANK,
    RANK_COUNT,
    RD,
    READ_LATENCY,
    READS,
    REF_AT,
    ROW,
    ROW_BUS,
    ROW_BUS_AT,
    ROW_OF,
    ROWS_FROM,
    SPLIT_ACTIVATE,
    SPLIT_BANK,
    SPLIT_BY,
    SYNC,
    SYNC_ON,
    SYNCED,
    TICKS,
    TURN,
    WRITE,
    WRITE_LATENCY,
    WRITES,
    WRITING,
    Array,
    N,
    S,
    T,
    activate,
    column,
    hold_bus,
    note,
    precharge,
    precharge_all,
    ready_at,
    refresh,
)

Step: TypeAlias = tuple[int, int, int, int]
"""Commands issued, when to look again, request whose data are on their way or -1, when they are there."""

LOW, HIGH = 0.2, 0.8
"""Watermarks of the write queue: below the first it lets reads go again, above the second it goes first."""

UNSEEN, WAS_HIT, WAS_CLOSED, WAS_CONFLICT = range(4)
"""What a request found when its first command went out: its row open, no row, another row."""

TIGHT: Final = 1
"""Ticks that a start of the data clock needs before the second half of an activate is overdue."""


@bare_inlined
def look(write: int, bank: int, m: Array, lists: Array, requests: Array) -> None:
    """Find the oldest request of the open row among those that wait for a bank, and the oldest of another.

    Reads of bank b wait in list b, writes in list banks + b, oldest first.
    """
    hit, miss, number = -1, -1, write * m[S, BANK_COUNT] + bank
    for k in range(m[LENGTH + write, bank]):
        request = lists[number, k]
        if requests[request, ROW_OF] == m[ROW, bank]:
            if hit < 0:
                hit = request
        elif miss < 0:
            miss = request
        if hit >= 0 and miss >= 0:
            break
    if hit != m[HIT + write, bank]:
        m[HIT + write, bank] = hit
        m[AT_COLUMN + write, bank] = m[S, COLUMNS_FROM + write] = 0
    if miss != m[MISS + write, bank]:
        m[MISS + write, bank] = miss
        row_changes(bank, m)


@bare_inlined
def row_changes(bank: int, m: Array) -> None:
    """The row command that a bank needs is another: forget when it could go."""
    m[AT_ROW, bank] = m[S, ROWS_FROM] = m[S, ROWS_FROM + 1] = 0


@bare
def look_at_both(bank: int, m: Array, lists: Array, requests: Array) -> None:
    """The same for reads and writes of a bank, whose row has opened or closed."""
    row_changes(bank, m)
    look(0, bank, m, lists, requests)
    look(1, bank, m, lists, requests)


@bare_inlined
def put(request: int, m: Array, lists: Array, requests: Array) -> None:
    """A request joins its waiting list."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    if m[LENGTH + write, bank] == 0:
        m[LIVE + write, m[S, LIVES + write]] = bank
        m[S, LIVES + write] += 1
    lists[write * m[S, BANK_COUNT] + bank, m[LENGTH + write, bank]] = request
    m[LENGTH + write, bank] += 1
    if requests[request, ROW_OF] == m[ROW, bank]:
        if m[HIT + write, bank] < 0:
            m[HIT + write, bank] = request
            m[AT_COLUMN + write, bank] = m[S, COLUMNS_FROM + write] = 0
    elif m[MISS + write, bank] < 0:
        m[MISS + write, bank] = request
        row_changes(bank, m)


@bare_inlined
def remove(request: int, number: int, length: int, lists: Array) -> None:
    """Take a request out of a list of that length."""
    k = 0
    while lists[number, k] != request:
        k += 1
    for j in range(k, length - 1):
        lists[number, j] = lists[number, j + 1]


@bare
def take(request: int, m: Array, lists: Array, requests: Array) -> None:
    """A request leaves its waiting list."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    remove(request, write * m[S, BANK_COUNT] + bank, m[LENGTH + write, bank], lists)
    m[LENGTH + write, bank] -= 1
    m[S, READS + write] -= 1
    if m[LENGTH + write, bank] == 0:
        m[S, LIVES + write] -= 1
        k = 0
        while m[LIVE + write, k] != bank:
            k += 1
        m[LIVE + write, k] = m[LIVE + write, m[S, LIVES + write]]


@bare_inlined
def choose_direction(depth: int, m: Array) -> None:
    """Whether reads or writes go now."""
    if m[S, WRITING]:
        if m[S, WRITES] < LOW * depth and m[S, READS]:
            m[S, WRITING] = 0
    elif m[S, WRITES] > HIGH * depth or not m[S, READS]:
        m[S, WRITING] = 1


@bare_inlined
def owned_column(m: Array, requests: Array) -> tuple[int, int]:
    """(oldest request that has its row activated and is ready or -1, when the next one is ready)."""
    best, soon, now = -1, NEVER, m[S, NOW]
    for k in range(m[S, ALL_OWNED]):
        bank = m[OWNERS, k]
        request = m[OWNER, bank]
        if bank != m[S, SPLIT_BANK]:
            at = ready_at(RD + requests[request, WRITE], bank, m)
            if at > now:
                soon = min(soon, at)
            elif best < 0 or request < best:
                best = request
    return best, soon


@bare_inlined
def waiting_column(m: Array) -> tuple[int, int]:
    """The same among those that wait for a row that is open."""
    best, soon, now, write = -1, NEVER, m[S, NOW], m[S, WRITING]
    if m[S, COLUMN_BUS_AT] > now:
        return best, m[S, COLUMN_BUS_AT]
    if m[S, COLUMNS_FROM + write] > now:
        return best, m[S, COLUMNS_FROM + write]
    for k in range(m[S, LIVES + write]):
        bank = m[LIVE + write, k]
        request = m[HIT + write, bank]
        if request < 0 or bank == m[S, SPLIT_BANK] or 0 <= best < request:
            continue
        at = m[AT_COLUMN + write, bank]
        if at <= now:
            at = ready_at(RD + write, bank, m)
            m[AT_COLUMN + write, bank] = at
        if at > now:
            soon = min(soon, at)
        else:
            best = request
    if best < 0 and m[S, SPLIT_BANK] < 0:
        m[S, COLUMNS_FROM + write] = soon
    return best, soon


@bare_inlined
def waiting_row(m: Array) -> tuple[int, int]:
    """The same among those that need an activate or a precharge first."""
    best, soon, now, write = -1, NEVER, m[S, NOW], m[S, WRITING]
    if m[S, ROW_BUS_AT] > now:
        return best, m[S, ROW_BUS_AT]
    if m[S, ROWS_FROM + write] > now:
        return best, m[S, ROWS_FROM + write]
    for k in range(m[S, LIVES + write]):
        bank = m[LIVE + write, k]
        request = m[MISS + write, bank]
        if request < 0 or m[OWNER, bank] >= 0 or 0 <= best < request:
            continue
        at = m[AT_ROW, bank]
        if at <= now:
            closed = m[ROW, bank] < 0
            if closed and m[S, SPLIT_BANK] >= 0:
                continue
            at = ready_at(ACT if closed else PRE, bank, m)
            m[AT_ROW, bank] = at
        if at > now:
            soon = min(soon, at)
        else:
            best = request
    if best < 0 and m[S, SPLIT_BANK] < 0:
        m[S, ROWS_FROM + write] = soon
    return best, soon


@bare
def try_refresh(m: Array, lists: Array, requests: Array, trace: Array) -> tuple[bool, int]:
    """(whether the refresh that is due went a step, when it can)."""
    rank = m[S, TURN]
    is_open = m[N + OPEN, rank] > 0
    if is_open and m[N + OWNED, rank]:
        return False, NEVER
    at = max(m[N + (PREALL_AT if is_open else REF_AT), rank], m[S, ROW_BUS_AT])
    if m[T, TICKS] == 2 and not is_open:
        at = (max(at, m[S, NOW]) + 1) & -2
    if at > m[S, NOW]:
        return False, at
    if is_open:
        precharge_all(rank, m, trace)
        for bank in range(m[S, BANK_COUNT]):
            if m[RANK, bank] == rank:
                look_at_both(bank, m, lists, requests)
    else:
        refresh(rank, m, trace)
        m[S, DUE] -= 1
        m[S, TURN] = (rank + 1) % m[S, RANK_COUNT]
    return True, NEVER


@bare
def serve(request: int, closed_page: bool, m: Array, lists: Array, requests: Array, trace: Array) -> int:
    """Issue the column command of a request; returns when its data are there."""
    bank, write = requests[request, BANK], requests[request, WRITE]
    if requests[request, FOUND] == UNSEEN:
        requests[request, FOUND] = WAS_HIT
    if m[OWNER, bank] == request:
        m[OWNER, bank] = -1
        row_changes(bank, m)
        m[N + OWNED, m[RANK, bank]] -= 1
        m[S, ALL_OWNED] -= 1
        k = 0
        while m[OWNERS, k] != bank:
            k += 1
        m[OWNERS, k] = m[OWNERS, m[S, ALL_OWNED]]
    else:
        take(request, m, lists, requests)
        look(write, bank, m, lists, requests)
    wanted = m[HIT, bank] >= 0 or m[HIT + 1, bank] >= 0 or m[OWNER, bank] >= 0
    closes = closed_page and not wanted
    column(bank, write, closes, m, trace)
    if closes:
        look_at_both(bank, m, lists, requests)
    done_at: int = m[S, NOW] + m[T, WRITE_LATENCY if write else READ_LATENCY]
    return done_at


@bare
def open_row(request: int, m: Array, lists: Array, requests: Array, trace: Array) -> None:
    """Issue the activate or precharge that a request needs; an activate takes it out of the window."""
    bank = requests[request, BANK]
    closed = m[ROW, bank] < 0
    if requests[request, FOUND] == UNSEEN:
        requests[request, FOUND] = WAS_CLOSED if closed else WAS_CONFLICT
    if closed:
        take(request, m, lists, requests)
        activate(bank, requests[request, ROW_OF], request, m, trace)
        if m[T, SPLIT_ACTIVATE]:
            m[S, SPLIT_BANK], m[S, SPLIT_BY] = bank, m[S, NOW] + m[T, SPLIT_ACTIVATE]
    else:
        precharge(bank, m, trace)
    look_at_both(bank, m, lists, requests)


@bare
def step_split(depth: int, closed_page: bool, m: Array, lists: Array, requests: Array, trace: Array) -> Step:
    """One tick of a channel whose row and column commands have a bus each."""
    issued, done_at = 0, 0
    served, soon = owned_column(m, requests)
    if served < 0 and not m[S, DUE]:
        choose_direction(depth, m)
        served, at = waiting_column(m)
        soon = min(soon, at)
    if served >= 0:
        done_at = serve(served, closed_page, m, lists, requests, trace)
        issued = 1
    if m[S, DUE]:
        stepped, at = try_refresh(m, lists, requests, trace)
        issued += stepped
    else:
        choose_direction(depth, m)
        request, at = waiting_row(m)
        if request >= 0:
            open_row(request, m, lists, requests, trace)
            issued += 1
    return issued, min(soon, at), served, done_at


@bare_inlined
def finish_activate(m: Array, trace: Array) -> None:
    """The second half of an activate (LPDDR5): now the row is open."""
    bank = m[S, SPLIT_BANK]
    note(m, trace, ACT2, bank, m[ROW, bank])
    hold_bus(m, False, m[T, ROW_BUS])
    m[S, SPLIT_BANK] = -1


@bare
def step_joined(depth: int, closed_page: bool, m: Array, lists: Array, requests: Array, trace: Array) -> Step:
    """One tick of a channel with one command bus."""
    now, served, soon, row_request = m[S, NOW], m[S, SYNCED], NEVER, -1
    if m[S, SPLIT_BANK] >= 0 and m[S, SPLIT_BY] <= now and served < 0:
        finish_activate(m, trace)
        return 1, NEVER, -1, 0
    if served >= 0:  # the data clock has been started for this one
        m[S, SYNCED] = -1
    else:
        served, soon = owned_column(m, requests)
        if served < 0 and m[S, DUE]:
            stepped, at = try_refresh(m, lists, requests, trace)
            if stepped:
                return 1, NEVER, -1, 0
            soon = min(soon, at)
        elif served < 0:
            choose_direction(depth, m)
            served, at = waiting_column(m)
            row_request, row_at = waiting_row(m)
            soon = min(soon, at, row_at)
        if row_request >= 0 and (served < 0 or row_request < served):
            open_row(row_request, m, lists, requests, trace)
            return 1, NEVER, -1, 0
        if served < 0:
            if m[S, SPLIT_BANK] < 0 or m[S, ROW_BUS_AT] > now:
                return 0, soon, -1, 0
            finish_activate(m, trace)
            return 1, NEVER, -1, 0
        if m[T, SYNC] >= 0 and now >= m[S, CLOCK_UNTIL]:
            if m[S, SPLIT_BANK] >= 0 and m[S, SPLIT_BY] <= now + TIGHT:
                finish_activate(m, trace)
            else:
                note(m, trace, SYNC_ON, requests[served, BANK], -1)
                m[S, SYNCED] = served
            return 1, NEVER, -1, 0
    at = serve(served, closed_page, m, lists, requests, trace)
    return 1, NEVER, served, at
