"""A scheduler of two levels: a queue of transactions feeds short queues of commands, one a bank, served in turn.

Each tick one command goes: a refresh step if one is due (nothing else starts then), else the first that is ready of
the banks' queues, from the one after the last. A row is closed only for the head of a queue, and only if no other of
that queue wants it or it has served four accesses. Then one transaction moves on to its bank's queue. Writes move when
they fill their buffer, or half of it while no read waits; then all that are there. So does DRAMsim3.
"""

from __future__ import annotations

from typing import Final

from memsim.compiled import bare, bare_inlined
from memsim.dram.frfcfs import UNSEEN, WAS_CLOSED, WAS_CONFLICT, WAS_HIT, Step, remove
from memsim.dram.state import (
    ACT,
    AT_ROW,
    BANK,
    BANK_COUNT,
    DRAIN,
    DUE,
    FOUND,
    HITS,
    LENGTH,
    NEVER,
    NOW,
    OPEN,
    PRE,
    QUEUE_AT,
    RANK,
    RANK_COUNT,
    RD,
    READ_LATENCY,
    READS,
    REF_AT,
    ROW,
    ROW_BUS_AT,
    ROW_OF,
    TURN,
    WAITING,
    WRITE,
    WRITE_LATENCY,
    WRITES,
    Array,
    N,
    S,
    T,
    activate,
    column,
    precharge,
    ready_at,
    refresh,
)

BANK_DEPTH: Final = 8
"""Commands that a bank's queue holds (the configuration's ``cmd_queue_size``)."""

ROW_HIT_CAP: Final = 4
"""Accesses of a row after which another may close it, though some still want it."""

LATER_WRITES: Final = 16
"""Writes that are enough to go while no read waits (DRAMsim3's ``write_buf_size``)."""


@bare
def step(depth: int, closed_page: bool, m: Array, lists: Array, requests: Array, trace: Array) -> Step:
    """One tick. List b is bank b's queue, the two behind are the transactions'."""
    issued, soon, served, done_at = 0, NEVER, -1, 0
    if m[S, DUE]:
        issued, soon = _refresh_step(m, trace)
    turns = 0 if issued else m[S, BANK_COUNT]
    for _ in range(turns):
        m[S, QUEUE_AT] += 1
        if m[S, QUEUE_AT] == m[S, BANK_COUNT]:
            m[S, QUEUE_AT] = 0
        bank = m[S, QUEUE_AT]
        if m[LENGTH, bank] == 0 or (m[S, DUE] and m[RANK, bank] == m[S, TURN]):
            continue
        at = m[AT_ROW, bank]  # nothing of the bank can go before
        if at <= m[S, NOW]:
            request, command, at = _first_ready(bank, m, lists, requests)
            m[AT_ROW, bank] = at
            if request >= 0:
                issued = 1
                if command >= RD:
                    served = request
                done_at = _issue(request, command, closed_page, m, lists, requests, trace)
                break
        soon = min(soon, at)
    moved = _move(depth, m, lists, requests)
    return issued + moved, soon, served, done_at


@bare
def _refresh_step(m: Array, trace: Array) -> tuple[int, int]:
    """Close one row, or refresh if all are closed; (whether it went, when it can)."""
    rank, soon = m[S, TURN], NEVER
    if m[N + OPEN, rank] == 0:
        at = max(m[N + REF_AT, rank], m[S, ROW_BUS_AT])
        if at > m[S, NOW]:
            return 0, at
        refresh(rank, m, trace)
        m[S, DUE] -= 1
        m[S, TURN] = (rank + 1) % m[S, RANK_COUNT]
        return 1, NEVER
    for bank in range(m[S, BANK_COUNT]):
        if m[RANK, bank] == rank and m[ROW, bank] >= 0:
            at = ready_at(PRE, bank, m)
            soon = min(soon, at)
            if at <= m[S, NOW]:
                precharge(bank, m, trace)
                m[AT_ROW, bank] = 0
                return 1, NEVER
    return 0, soon


@bare
def _first_ready(bank: int, m: Array, lists: Array, requests: Array) -> tuple[int, int, int]:
    """(request, command, time) of the first of a bank's queue whose next command may go; request -1: when one can."""
    soon, now, open_row = NEVER, m[S, NOW], m[ROW, bank]
    for k in range(m[LENGTH, bank]):
        request = lists[bank, k]
        if open_row < 0:
            command = ACT
        elif requests[request, ROW_OF] == open_row:
            command = RD + requests[request, WRITE]
        elif k == 0 and (m[HITS, bank] >= ROW_HIT_CAP or not _wanted(bank, open_row, m, lists, requests)):
            command = PRE
        else:
            continue
        at = ready_at(command, bank, m)
        if at <= now:
            return request, command, 0
        soon = min(soon, at)
        if command == ACT:
            break
    return -1, -1, soon


@bare_inlined
def _wanted(bank: int, row: int, m: Array, lists: Array, requests: Array) -> bool:
    """Whether some of a bank's queue wants a row."""
    k, length = 0, m[LENGTH, bank]
    while k < length and requests[lists[bank, k], ROW_OF] != row:
        k += 1
    return bool(k < length)


@bare
def _issue(request: int, command: int, closed_page: bool, m: Array, lists: Array, requests: Array, trace: Array) -> int:
    bank, row, write = requests[request, BANK], requests[request, ROW_OF], requests[request, WRITE]
    if command == ACT:
        if requests[request, FOUND] == UNSEEN:
            requests[request, FOUND] = WAS_CLOSED
        activate(bank, row, -1, m, trace)
        return 0
    if command == PRE:
        requests[request, FOUND] = WAS_CONFLICT
        precharge(bank, m, trace)
        return 0
    if m[HITS, bank]:
        requests[request, FOUND] = WAS_HIT
    remove(request, bank, m[LENGTH, bank], lists)
    m[LENGTH, bank] -= 1
    closes = closed_page and not _wanted(bank, row, m, lists, requests)
    column(bank, write, closes, m, trace)
    done_at: int = m[S, NOW] + m[T, WRITE_LATENCY if write else READ_LATENCY]
    return done_at


@bare_inlined
def _move(depth: int, m: Array, lists: Array, requests: Array) -> int:
    """Move the first transaction that its bank's queue has room for; how many moved."""
    if m[S, DRAIN] == 0 and (m[S, WRITES] >= depth or (m[S, READS] == 0 and m[S, WRITES] >= LATER_WRITES)):
        m[S, DRAIN] = m[S, WRITES]
    write = 1 if m[S, DRAIN] > 0 else 0
    number = m[S, BANK_COUNT] + write
    for k in range(m[S, WAITING + write]):
        request = lists[number, k]
        bank = requests[request, BANK]
        if m[LENGTH, bank] < BANK_DEPTH:
            remove(request, number, m[S, WAITING + write], lists)
            m[S, WAITING + write] -= 1
            lists[bank, m[LENGTH, bank]] = request
            m[LENGTH, bank] += 1
            m[AT_ROW, bank] = 0
            m[S, DRAIN] -= write
            m[S, READS + write] -= 1
            return 1
    return 0
