"""Why a queue waits, and the time that it spends."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.rings import NO_WAIT, wait_to_read
from memsim.engine.fast.waking import wake_at
from memsim.engine.servers import Array


@inlined
def spend(m: Array, queue: int, reason: int, ticks: int) -> None:
    """Account for time that a queue has spent."""
    m[m[queue + w.Q_STALLS] + reason] += ticks


@compiled
def wait(m: Array, queue: int, ring: int, reason: int, tick: int) -> None:
    """Let a queue wait for a ring to change, or until a tick if that is known (not -1)."""
    m[queue + w.Q_STAGE] = w.WAITING
    m[queue + w.Q_REASON] = m[ring + w.R_REASON] + reason
    m[queue + w.Q_SINCE] = m[w.NOW]
    if tick >= 0:
        wake_at(m, queue, tick)
    else:
        m[queue + w.Q_NEXT_WAITING] = m[ring + w.R_WAITING]
        m[ring + w.R_WAITING] = queue


@inlined
def ring_of(m: Array, queue: int, number: int) -> int:
    """The ``number``-th ring of a queue's block."""
    return int(m[m[queue + w.Q_SEAT] + w.S_FIRST_RING] + number * m[w.RING_WIDTH])


@compiled
def all_readable(m: Array, queue: int, op: int) -> bool:
    """Whether the tiles are there that an operation reads; if not, the queue waits for the first missing one."""
    tile = m[op + w.O_FIRST_READ]
    for _ in range(m[op + w.O_READS]):
        ring = ring_of(m, queue, m[tile + w.READ_RING])
        reason, tick = wait_to_read(m, ring, m[queue + w.Q_NUMBER], m[tile + w.READ_AHEAD])
        if reason != NO_WAIT:
            wait(m, queue, ring, reason, tick)
            return False
        tile += w.READ_WORDS
    return True
