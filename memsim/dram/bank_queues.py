"""A scheduler of two levels: a queue of transactions feeds short queues of commands, one a bank, served in turn.

Each tick one command goes: a refresh step if one is due (nothing else starts then), else the first that is ready of
the banks' queues, from the one after the last. A row is closed only for the head of a queue, and only if no other of
that queue wants it or it has served four accesses. Then one transaction moves on to its bank's queue. Writes move when
they fill their buffer, or half of it while no read waits; then all that are there. So does DRAMsim3.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

from memsim.compiled import compiled, inlined
from memsim.dram.frfcfs import FIRST, LENGTH, UNSEEN, WAS_CLOSED, WAS_CONFLICT, WAS_HIT
from memsim.dram.state import (
    ACT,
    DRAIN,
    DUE,
    HITS,
    NEVER,
    NOW,
    OPEN,
    PRE,
    QUEUE_AT,
    RANK,
    RD,
    READ_LATENCY,
    READS,
    REF_AT,
    ROW,
    ROW_BUS_AT,
    TURN,
    WR,
    WRITE_LATENCY,
    WRITES,
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


@compiled
def step(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace):
    """One tick; returns as `frfcfs.step_split` does. The waiting lists with reads are the banks' queues."""
    issued, soon, served, done_at = 0, NEVER, -1, 0
    if state[DUE]:
        stepped, soon = _refresh_step(t, state, banks, groups, stacks, ranks, trace)
        issued += stepped
    if not issued:
        for _ in range(banks.shape[0]):
            state[QUEUE_AT] += 1
            if state[QUEUE_AT] == banks.shape[0]:
                state[QUEUE_AT] = 0
            bank = state[QUEUE_AT]
            if state[DUE] and banks[bank, RANK] == state[TURN]:
                continue
            request, command, at = _first_ready(bank, t, state, banks, groups, stacks, ranks, lists, requests)
            soon = min(soon, at)
            if request >= 0:
                issued = 1
                if command >= RD:
                    served = request
                done_at = _issue(request, command, closed_page, t, state, banks, groups, stacks, ranks,
                                 lists, requests, found, trace)  # fmt: skip
                break
    moved = _move(depth, banks.shape[0], state, lists, requests)
    return issued + moved, soon, served, done_at


@inlined
def _refresh_step(t, state, banks, groups, stacks, ranks, trace):
    """Close one row, or refresh if all are closed; (whether it went, when it can)."""
    rank, soon = state[TURN], NEVER
    if ranks[rank, OPEN] == 0:
        at = max(ranks[rank, REF_AT], state[ROW_BUS_AT])
        if at > state[NOW]:
            return False, at
        refresh(rank, t, state, ranks, trace)
        state[DUE] -= 1
        state[TURN] = (rank + 1) % ranks.shape[0]
        return True, NEVER
    for bank in range(banks.shape[0]):
        if banks[bank, RANK] == rank and banks[bank, ROW] >= 0:
            at = ready_at(PRE, bank, t, state, banks, groups, stacks, ranks)
            soon = min(soon, at)
            if at <= state[NOW]:
                precharge(bank, t, state, banks, ranks, trace)
                return True, NEVER
    return False, soon


@inlined
def _first_ready(bank, t, state, banks, groups, stacks, ranks, lists, requests):
    """(request, command, time) of the first of a bank's queue whose next command may go; request -1: when one can."""
    soon, now, row, open_row = NEVER, state[NOW], requests[1], banks[bank, ROW]
    lst = lists[bank]
    for k in range(FIRST, FIRST + lst[LENGTH]):
        request = lst[k]
        if open_row < 0:
            command = ACT
        elif row[request] == open_row:
            command = WR if requests[2, request] else RD
        elif k == FIRST and (banks[bank, HITS] >= ROW_HIT_CAP or not _wanted(lst, open_row, row)):
            command = PRE
        else:
            continue
        at = ready_at(command, bank, t, state, banks, groups, stacks, ranks)
        if at <= now:
            return request, command, now
        soon = min(soon, at)
    return -1, -1, soon


@inlined
def _wanted(lst, open_row, row):
    for k in range(FIRST, FIRST + lst[LENGTH]):
        if row[lst[k]] == open_row:
            return True
    return False


@inlined
def _issue(request, command, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, found, trace):
    bank, row, write = requests[0, request], requests[1, request], requests[2, request]
    if command == ACT:
        if found[request] == UNSEEN:
            found[request] = WAS_CLOSED
        activate(bank, row, -1, t, state, banks, groups, ranks, trace)
        return 0
    if command == PRE:
        found[request] = WAS_CONFLICT
        precharge(bank, t, state, banks, ranks, trace)
        return 0
    found[request] = WAS_HIT if banks[bank, HITS] else max(found[request], WAS_CLOSED)
    lst = lists[bank]
    _drop(request, lst)
    closes = closed_page and not _wanted(lst, row, requests[1])
    column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace)
    return state[NOW] + t[WRITE_LATENCY if write else READ_LATENCY]


@inlined
def _drop(request, lst):
    k = FIRST
    while lst[k] != request:
        k += 1
    lst[LENGTH] -= 1
    for j in range(k, FIRST + lst[LENGTH]):
        lst[j] = lst[j + 1]


@inlined
def _move(depth, bank_count, state, lists, requests):
    """Move the first transaction that its bank's queue has room for; whether there was one.

    The transactions wait in the two lists behind the banks': reads, then writes.
    """
    if state[DRAIN] == 0 and (state[WRITES] >= depth or (state[READS] == 0 and state[WRITES] >= LATER_WRITES)):
        state[DRAIN] = state[WRITES]
    waiting = lists[bank_count + 1] if state[DRAIN] > 0 else lists[bank_count]
    for k in range(FIRST, FIRST + waiting[LENGTH]):
        request = waiting[k]
        queue = lists[requests[0, request]]
        if queue[LENGTH] < BANK_DEPTH:
            _drop(request, waiting)
            queue[FIRST + queue[LENGTH]] = request
            queue[LENGTH] += 1
            if requests[2, request]:
                state[DRAIN] -= 1
                state[WRITES] -= 1
            else:
                state[READS] -= 1
            return 1
    return 0
