"""The compiled loop over ticks: source, refresh timer, scheduler and completions; idle ticks are skipped.

The order within a tick: the source sees what was completed in earlier ticks and offers up to four requests in order;
a refresh becomes due; the scheduler issues. A request accepted in a tick may be served in it.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

from memsim.compiled import compiled, inlined
from memsim.dram import bank_queues, frfcfs
from memsim.dram.frfcfs import FIRST, LENGTH, put
from memsim.dram.state import (
    DUE,
    FLY_HEAD,
    FLY_TAIL,
    LAST_DONE,
    NEVER,
    NEXT_REF,
    NOW,
    OPEN,
    OPEN_TICKS,
    OPENED,
    READS,
    REFI,
    ROW,
    SERVED,
    SPLIT_BANK,
    SPLIT_BUSES,
    SYNCED,
    TICKS,
    WRITES,
)

ATTEMPTS: Final = 4
"""Requests that the source may offer in a tick."""

MOST_CREDIT: Final = 64.0
"""Requests that a source with a rate may catch up on."""

OF_DEPTH, OF_CONTROLLER, OF_CLOSED_PAGE, OF_MODE, OF_MLP, OF_WARM, OF_GOAL, OF_REFRESH = range(8)
"""What the array ``options`` holds, in order."""

CLOSED_LOOP, BY_RATE, BY_ARRIVAL = 0, 1, 2
"""Modes of the source: so many reads outstanding; so many requests a tick; each at its time."""

bank_queues_step = bank_queues.step
step_split, step_joined = frfcfs.step_split, frfcfs.step_joined


@inlined
def _find(request, lst, key):
    for k in range(FIRST, FIRST + lst[LENGTH]):
        if key[lst[k]] == key[request]:
            return True
    return False


@inlined
def _accept(request, options, state, banks, lists, requests, accepted, done):
    """Put a request into its queue, or answer it from a write that waits; whether there was room."""
    bank, write, key = requests[0, request], requests[2, request], requests[3]
    two_level, count = options[OF_CONTROLLER], banks.shape[0]
    writes = lists[count + 1] if two_level else lists[count + bank]
    if state[WRITES] and _find(request, writes, key):
        accepted[request] = state[NOW]
        done[request] = state[NOW] if write else max(state[NOW], state[LAST_DONE])
        return True
    if state[WRITES if write else READS] >= options[OF_DEPTH]:
        return False
    state[WRITES if write else READS] += 1
    accepted[request] = state[NOW]
    if two_level:
        queue = lists[count + (1 if write else 0)]
        queue[FIRST + queue[LENGTH]] = request
        queue[LENGTH] += 1
    else:
        put(request, lists[(count if write else 0) + bank], banks[bank, ROW], requests[1])
    return True


@inlined
def _snapshot(state, ranks, accepted_now, counts):
    """What has been counted up to now: state of counters, ticks with open rows, requests accepted, the time."""
    counts[:8] = state[20:28]
    total = 0
    for rank in range(ranks.shape[0]):
        total += ranks[rank, OPEN_TICKS]
        if ranks[rank, OPEN]:
            total += state[NOW] - ranks[rank, OPENED]
    counts[8], counts[9], counts[10], counts[11] = total, state[NOW], accepted_now, state[SERVED]


@compiled
def run(options, rate, t, state, banks, groups, stacks, ranks, lists, requests, arrival, accepted, done, found,
        fly, trace, before, after):  # fmt: skip
    """Run until the goal is reached; counters at the start and the end of the measurement go to before and after."""
    total, mode, mlp = requests.shape[1], options[OF_MODE], options[OF_MLP]
    warm, goal, depth, closed_page = options[OF_WARM], options[OF_GOAL], options[OF_DEPTH], options[OF_CLOSED_PAGE]
    two_level, split = options[OF_CONTROLLER], t[SPLIT_BUSES]
    upcoming, outstanding, credit, credited = 0, 0, 0.0, -1
    state[SPLIT_BANK] = state[SYNCED] = -1
    state[NEXT_REF] = t[REFI] - 1 if options[OF_REFRESH] else NEVER
    started = warm == 0
    if started:
        _snapshot(state, ranks, 0, before)
    while True:
        now = state[NOW]
        while state[FLY_HEAD] < state[FLY_TAIL] and fly[state[FLY_HEAD] % fly.shape[0]] < now:
            state[FLY_HEAD] += 1
            outstanding -= 1
            state[SERVED] += 1
        if not started and state[SERVED] >= warm:
            started = True
            _snapshot(state, ranks, upcoming, before)
        if state[SERVED] >= goal:
            break
        if mode == BY_RATE:
            credit, credited = min(MOST_CREDIT, credit + rate * (now - credited)), now
        again = NEVER
        for attempt in range(ATTEMPTS + 1):
            if upcoming >= total:
                break
            write = requests[2, upcoming]
            if mode == CLOSED_LOOP:
                if not write and outstanding >= mlp:
                    break
            elif mode == BY_RATE:
                if credit < 1.0:
                    again = now + max(1, int((1.0 - credit) / rate))
                    break
            elif arrival[upcoming] > now:
                again = arrival[upcoming]
                break
            if attempt == ATTEMPTS:
                again = now + 1
                break
            if not _accept(upcoming, options, state, banks, lists, requests, accepted, done):
                break
            if write:
                state[SERVED] += 1  # posted: the source is done with it
            else:
                outstanding += 1
                if done[upcoming] >= 0:
                    state[LAST_DONE] = done[upcoming]
                    fly[state[FLY_TAIL] % fly.shape[0]] = done[upcoming]
                    state[FLY_TAIL] += 1
            credit -= 1.0
            upcoming += 1
        if now >= state[NEXT_REF]:
            state[DUE] += ranks.shape[0]
            state[NEXT_REF] += t[REFI]
        if two_level:
            issued, soon, served, at = bank_queues_step(depth, closed_page, t, state, banks, groups, stacks, ranks,
                                                        lists, requests, found, trace)  # fmt: skip
        elif split:
            issued, soon, served, at = step_split(depth, closed_page, t, state, banks, groups, stacks, ranks, lists,
                                                  requests, found, trace)  # fmt: skip
        else:
            issued, soon, served, at = step_joined(depth, closed_page, t, state, banks, groups, stacks, ranks, lists,
                                                   requests, found, trace)  # fmt: skip
        if served >= 0:
            done[served] = at
            if not requests[2, served]:
                state[LAST_DONE] = at
                fly[state[FLY_TAIL] % fly.shape[0]] = at
                state[FLY_TAIL] += 1
        if issued:
            state[NOW] = now + 1
            continue
        soon = min(soon, again, state[NEXT_REF])
        if state[FLY_HEAD] < state[FLY_TAIL]:
            soon = min(soon, fly[state[FLY_HEAD] % fly.shape[0]] + 1)
        if soon == NEVER:
            break
        state[NOW] = max(soon, now + 1)
    _snapshot(state, ranks, upcoming, after)
