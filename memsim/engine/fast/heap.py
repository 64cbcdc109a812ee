"""A binary heap of (tick, event)."""

from __future__ import annotations

from numba import njit

from memsim.engine.fast import words as w
from memsim.engine.servers import Array


@njit(cache=True)
def schedule(m: Array, tick: int, event: int) -> None:
    """Let an event happen at a tick."""
    base, at = m[w.HEAP_BASE], m[w.HEAP_SIZE]
    m[w.HEAP_SIZE] = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if m[base + 2 * parent] <= tick:
            break
        m[base + 2 * at], m[base + 2 * at + 1] = m[base + 2 * parent], m[base + 2 * parent + 1]
        at = parent
    m[base + 2 * at], m[base + 2 * at + 1] = tick, event


@njit(cache=True)
def pop_event(m: Array) -> int:
    """Take the earliest event out; its tick is the first word of the heap before the call."""
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
