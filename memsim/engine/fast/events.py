"""What is going to happen, by tick: a wheel of lists for the near future, and a binary heap for what is further away.

A record has at most one event of each kind on its way, so the lists of the wheel run through the records.
"""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.servers import Array

WHEEL = 1024
"""Ticks that the wheel covers, from now on."""
SPOKE = 32
"""Ticks whose events are counted together, to pass over quiet times."""
NOTHING = 1 << 62
"""The tick of an event that never comes."""


@inlined
def schedule(m: Array, tick: int, event: int) -> None:
    """Let an event happen at a tick, which may be this one."""
    if tick - m[w.NOW] < WHEEL:
        place = tick % WHEEL
        head = m[w.WHEEL_BASE] + place
        m[_link(event)] = m[head]
        m[head] = event + 1  # 0 is the end of a list
        m[m[w.SPOKE_BASE] + place // SPOKE] += 1
        m[w.WHEEL_SIZE] += 1
    else:
        _push(m, tick, event)


@inlined
def _link(event: int) -> int:
    """The word of an event's record that links it to the next one of its tick."""
    kind, record = event // w.EVENT, event % w.EVENT
    if kind == w.WAKE_PART:
        return record + w.P_NEXT_EVENT
    if kind == w.WAKE_QUEUE:
        return record + w.Q_NEXT_EVENT
    return record + (w.F_NEXT_EVENT if kind == w.WAKE_FLIGHT else w.F_NEXT_RELEASE)


@inlined
def happens_now(m: Array) -> bool:
    """Whether an event of this tick is left."""
    if m[m[w.WHEEL_BASE] + m[w.NOW] % WHEEL]:
        return True
    return bool(m[w.HEAP_SIZE] and m[m[w.HEAP_BASE]] == m[w.NOW])


@inlined
def take_event(m: Array) -> int:
    """Take out an event of this tick, after `happens_now`."""
    place = m[w.NOW] % WHEEL
    head = m[w.WHEEL_BASE] + place
    if m[head] == 0:
        return _pop(m)
    event = m[head] - 1
    m[head] = m[_link(event)]
    m[m[w.SPOKE_BASE] + place // SPOKE] -= 1
    m[w.WHEEL_SIZE] -= 1
    return int(event)


@compiled
def next_tick(m: Array) -> int:
    """The tick of the next event, or NOTHING."""
    tick = m[m[w.HEAP_BASE]] if m[w.HEAP_SIZE] else NOTHING
    if m[w.WHEEL_SIZE] == 0:
        return int(tick)
    at = m[w.NOW] + 1
    while m[m[w.WHEEL_BASE] + at % WHEEL] == 0:
        if m[m[w.SPOKE_BASE] + at % WHEEL // SPOKE] == 0:
            at += SPOKE - at % SPOKE
        else:
            at += 1
    return int(min(tick, at))


@compiled
def _push(m: Array, tick: int, event: int) -> None:
    base, at = m[w.HEAP_BASE], m[w.HEAP_SIZE]
    m[w.HEAP_SIZE] = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if m[base + 2 * parent] <= tick:
            break
        m[base + 2 * at], m[base + 2 * at + 1] = m[base + 2 * parent], m[base + 2 * parent + 1]
        at = parent
    m[base + 2 * at], m[base + 2 * at + 1] = tick, event


@compiled
def _pop(m: Array) -> int:
    base, size = m[w.HEAP_BASE], m[w.HEAP_SIZE] - 1
    m[w.HEAP_SIZE] = size
    earliest = m[base + 1]
    tick, event = m[base + 2 * size], m[base + 2 * size + 1]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and m[base + 2 * child + 2] < m[base + 2 * child]:
            child += 1
        if m[base + 2 * child] >= tick:
            break
        m[base + 2 * at], m[base + 2 * at + 1] = m[base + 2 * child], m[base + 2 * child + 1]
        at = child
    m[base + 2 * at], m[base + 2 * at + 1] = tick, event
    return int(earliest)
