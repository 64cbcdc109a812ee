"""The compiled loop over ticks: source, refresh timer, scheduler and completions; idle ticks are skipped.

The order within a tick: the source sees what was completed in earlier ticks and offers up to four requests in order;
a refresh becomes due; the scheduler issues. A request accepted in a tick may be served in it.
"""

from __future__ import annotations

from typing import Final

from memsim.compiled import bare, bare_inlined, compiled
from memsim.dram.bank_queues import step
from memsim.dram.frfcfs import put, step_joined, step_split
from memsim.dram.state import (
    ACCEPTED,
    ARRIVAL,
    BANK,
    BANK_COUNT,
    COUNTS,
    DONE,
    DUE,
    FLY_HEAD,
    FLY_TAIL,
    KEY,
    LAST_DONE,
    LENGTH,
    NEVER,
    NEXT_REF,
    NOW,
    OPEN,
    OPEN_TICKS,
    OPENED,
    PENDING,
    RANK_COUNT,
    READS,
    REFI,
    SERVED,
    SPLIT_BANK,
    SPLIT_BUSES,
    SYNCED,
    WAITING,
    WRITE,
    WRITES,
    Array,
    N,
    S,
    T,
)

ATTEMPTS: Final = 4
"""Requests that the source may offer in a tick."""

MOST_CREDIT: Final = 64.0
"""Requests that a source with a rate may catch up on."""

OF_DEPTH, OF_CONTROLLER, OF_CLOSED_PAGE, OF_MODE, OF_MLP, OF_WARM, OF_GOAL, OF_REFRESH = range(8)
"""What the array ``options`` holds, in order."""

CLOSED_LOOP, BY_RATE, BY_ARRIVAL = 0, 1, 2
"""Modes of the source: so many reads outstanding; so many requests a tick; each at its time."""


@bare_inlined
def _is_written(request: int, options: Array, m: Array, lists: Array, requests: Array) -> bool:
    """Whether a write of the same burst waits."""
    if not m[S, WRITES]:
        return False
    if options[OF_CONTROLLER]:
        number, length = m[S, BANK_COUNT] + 1, m[S, WAITING + 1]
    else:
        number, length = m[S, BANK_COUNT] + requests[request, BANK], m[LENGTH + 1, requests[request, BANK]]
    k = 0
    while k < length and requests[lists[number, k], KEY] != requests[request, KEY]:
        k += 1
    return bool(k < length)


@bare
def _accept(request: int, options: Array, m: Array, lists: Array, requests: Array) -> bool:
    """Put a request into its queue, or answer it from a write that waits; whether there was room."""
    write = requests[request, WRITE]
    if _is_written(request, options, m, lists, requests):
        requests[request, ACCEPTED] = m[S, NOW]
        requests[request, DONE] = m[S, NOW] if write else max(m[S, NOW], m[S, LAST_DONE])
        return True
    if m[S, READS + write] >= options[OF_DEPTH]:
        return False
    m[S, READS + write] += 1
    m[S, PENDING] += 1
    requests[request, ACCEPTED] = m[S, NOW]
    if options[OF_CONTROLLER]:
        lists[m[S, BANK_COUNT] + write, m[S, WAITING + write]] = request
        m[S, WAITING + write] += 1
    else:
        put(request, m, lists, requests)
    return True


@bare_inlined
def _fly(at: int, m: Array, fly: Array) -> None:
    """Data of a read are on their way."""
    m[S, LAST_DONE] = at
    fly[m[S, FLY_TAIL] & (fly.shape[0] - 1)] = at
    m[S, FLY_TAIL] += 1


@bare
def _snapshot(m: Array, counts: Array) -> None:
    """What has been counted up to now: commands, ticks with open rows, the time, requests served."""
    for k in range(6):
        counts[k] = m[S, COUNTS + k]
    counts[6] = 0
    for rank in range(m[S, RANK_COUNT]):
        counts[6] += m[N + OPEN_TICKS, rank]
        if m[N + OPEN, rank]:
            counts[6] += m[S, NOW] - m[N + OPENED, rank]
    counts[7], counts[8] = m[S, NOW], m[S, SERVED]


@bare
def _run(
    options: Array,
    rate: float,
    m: Array,
    lists: Array,
    requests: Array,
    fly: Array,
    trace: Array,
    before: Array,
    after: Array,
) -> None:
    """The loop itself."""
    total, mode, mlp = requests.shape[0], options[OF_MODE], options[OF_MLP]
    warm, goal, depth, closed_page = options[OF_WARM], options[OF_GOAL], options[OF_DEPTH], options[OF_CLOSED_PAGE]
    two_level, split = options[OF_CONTROLLER], m[T, SPLIT_BUSES]
    upcoming, outstanding, credit, credited = 0, 0, 0.0, -1
    m[S, SPLIT_BANK] = m[S, SYNCED] = -1
    m[S, NEXT_REF] = m[T, REFI] - 1 if options[OF_REFRESH] else NEVER
    started = False
    while True:
        now = m[S, NOW]
        while m[S, FLY_HEAD] < m[S, FLY_TAIL] and fly[m[S, FLY_HEAD] & (fly.shape[0] - 1)] < now:
            m[S, FLY_HEAD] += 1
            outstanding -= 1
            m[S, SERVED] += 1
        if not started and m[S, SERVED] >= warm:
            started = True
            _snapshot(m, before)
        if m[S, SERVED] >= goal and (mode != BY_ARRIVAL or m[S, PENDING] == 0):
            break
        again = NEVER
        if mode == BY_RATE:
            credit, credited = min(MOST_CREDIT, credit + rate * (now - credited)), now
        for attempt in range(ATTEMPTS + 1):
            if upcoming >= total:
                break
            write = requests[upcoming, WRITE]
            if mode == CLOSED_LOOP:
                if not write and outstanding >= mlp:
                    break
            elif mode == BY_RATE:
                if credit < 1.0:
                    again = now + max(1, int((1.0 - credit) / rate))
                    break
            elif requests[upcoming, ARRIVAL] > now:
                again = requests[upcoming, ARRIVAL]
                break
            if attempt == ATTEMPTS:
                again = now + 1
                break
            if not _accept(upcoming, options, m, lists, requests):
                break
            if write:
                m[S, SERVED] += 1  # posted: the source is done with it
            else:
                outstanding += 1
                if requests[upcoming, DONE] >= 0:
                    _fly(requests[upcoming, DONE], m, fly)
            credit -= 1.0
            upcoming += 1
        if now >= m[S, NEXT_REF]:
            m[S, DUE] += m[S, RANK_COUNT]
            m[S, NEXT_REF] += m[T, REFI]
        if two_level:
            issued, soon, served, at = step(depth, closed_page, m, lists, requests, trace)
        elif split:
            issued, soon, served, at = step_split(depth, closed_page, m, lists, requests, trace)
        else:
            issued, soon, served, at = step_joined(depth, closed_page, m, lists, requests, trace)
        if served >= 0:
            requests[served, DONE] = at
            m[S, PENDING] -= 1
            if not requests[served, WRITE]:
                _fly(at, m, fly)
        if issued:
            m[S, NOW] = now + 1
            continue
        soon = min(soon, again, m[S, NEXT_REF])
        if m[S, FLY_HEAD] < m[S, FLY_TAIL]:
            soon = min(soon, fly[m[S, FLY_HEAD] & (fly.shape[0] - 1)] + 1)
        if soon == NEVER:
            break
        m[S, NOW] = max(soon, now + 1)
    _snapshot(m, after)


@compiled
def run(
    options: Array,
    rate: float,
    m: Array,
    lists: Array,
    requests: Array,
    fly: Array,
    trace: Array,
    before: Array,
    after: Array,
) -> None:
    """Run until the goal is reached; counters at the start and the end of the measurement go to before and after."""
    _run(options, rate, m, lists, requests, fly, trace, before, after)
