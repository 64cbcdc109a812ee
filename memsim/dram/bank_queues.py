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
from memsim.dram.frfcfs import UNSEEN, WAS_CLOSED, WAS_CONFLICT, WAS_HIT, remove
from memsim.dram.state import (
    ACT,
    AT_ROW,
    BANK,
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
def step(depth, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace):
    """One tick; returns as `frfcfs.step_split` does. List b is bank b's queue, the two behind are the transactions'."""
    issued, soon, served, done_at = 0, NEVER, -1, 0
    if state[DUE]:
        issued, soon = _refresh_step(t, state, banks, groups, stacks, ranks, trace)
    turns = 0 if issued else banks.shape[1]
    for _ in range(turns):
        state[QUEUE_AT] += 1
        if state[QUEUE_AT] == banks.shape[1]:
            state[QUEUE_AT] = 0
        bank = state[QUEUE_AT]
        if banks[LENGTH, bank] == 0 or (state[DUE] and banks[RANK, bank] == state[TURN]):
            continue
        at = banks[AT_ROW, bank]  # nothing of the bank can go before
        if at <= state[NOW]:
            request, command, at = _first_ready(bank, t, state, banks, groups, stacks, ranks, lists, requests)
            banks[AT_ROW, bank] = at
            if request >= 0:
                issued = 1
                if command >= RD:
                    served = request
                done_at = _issue(
                    request, command, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace
                )
                break
        soon = min(soon, at)
    moved = _move(depth, state, banks, lists, requests)
    return issued + moved, soon, served, done_at


@inlined
def _refresh_step(t, state, banks, groups, stacks, ranks, trace):
    """Close one row, or refresh if all are closed; (whether it went, when it can)."""
    rank, soon = state[TURN], NEVER
    if ranks[OPEN, rank] == 0:
        at = max(ranks[REF_AT, rank], state[ROW_BUS_AT])
        if at > state[NOW]:
            return 0, at
        refresh(rank, t, state, ranks, trace)
        state[DUE] -= 1
        state[TURN] = (rank + 1) % ranks.shape[1]
        return 1, NEVER
    for bank in range(banks.shape[1]):
        if banks[RANK, bank] == rank and banks[ROW, bank] >= 0:
            at = ready_at(PRE, bank, t, state, banks, groups, stacks, ranks)
            soon = min(soon, at)
            if at <= state[NOW]:
                precharge(bank, t, state, banks, ranks, trace)
                banks[AT_ROW, bank] = 0
                return 1, NEVER
    return 0, soon


@inlined
def _first_ready(bank, t, state, banks, groups, stacks, ranks, lists, requests):
    """(request, command, time) of the first of a bank's queue whose next command may go; request -1: when one can."""
    soon, now, open_row = NEVER, state[NOW], banks[ROW, bank]
    for k in range(banks[LENGTH, bank]):
        request = lists[bank, k]
        if open_row < 0:
            command = ACT
        elif requests[request, ROW_OF] == open_row:
            command = RD + requests[request, WRITE]
        elif k == 0 and (banks[HITS, bank] >= ROW_HIT_CAP or not _wanted(bank, open_row, banks, lists, requests)):
            command = PRE
        else:
            continue
        at = ready_at(command, bank, t, state, banks, groups, stacks, ranks)
        if at <= now:
            return request, command, 0
        soon = min(soon, at)
        if command == ACT:
            break
    return -1, -1, soon


@inlined
def _wanted(bank, row, banks, lists, requests):
    """Whether some of a bank's queue wants a row."""
    for k in range(banks[LENGTH, bank]):
        if requests[lists[bank, k], ROW_OF] == row:
            return True
    return False


@inlined
def _issue(request, command, closed_page, t, state, banks, groups, stacks, ranks, lists, requests, trace):
    bank, row, write = requests[request, BANK], requests[request, ROW_OF], requests[request, WRITE]
    if command == ACT:
        if requests[request, FOUND] == UNSEEN:
            requests[request, FOUND] = WAS_CLOSED
        activate(bank, row, -1, t, state, banks, groups, ranks, trace)
        return 0
    if command == PRE:
        requests[request, FOUND] = WAS_CONFLICT
        precharge(bank, t, state, banks, ranks, trace)
        return 0
    if banks[HITS, bank]:
        requests[request, FOUND] = WAS_HIT
    remove(request, bank, banks[LENGTH, bank], lists)
    banks[LENGTH, bank] -= 1
    closes = closed_page and not _wanted(bank, row, banks, lists, requests)
    column(bank, write, closes, t, state, banks, groups, stacks, ranks, trace)
    return state[NOW] + t[WRITE_LATENCY if write else READ_LATENCY]


@inlined
def _move(depth, state, banks, lists, requests):
    """Move the first transaction that its bank's queue has room for; how many moved."""
    if state[DRAIN] == 0 and (state[WRITES] >= depth or (state[READS] == 0 and state[WRITES] >= LATER_WRITES)):
        state[DRAIN] = state[WRITES]
    write = 1 if state[DRAIN] > 0 else 0
    number = banks.shape[1] + write
    for k in range(state[WAITING + write]):
        request = lists[number, k]
        bank = requests[request, BANK]
        if banks[LENGTH, bank] < BANK_DEPTH:
            remove(request, number, state[WAITING + write], lists)
            state[WAITING + write] -= 1
            lists[bank, banks[LENGTH, bank]] = request
            banks[LENGTH, bank] += 1
            banks[AT_ROW, bank] = 0
            state[DRAIN] -= write
            state[READS + write] -= 1
            return 1
    return 0
