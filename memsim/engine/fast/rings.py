"""Rings of the compiled engine: the rules of `memsim.engine.rings` on arrays."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.waking import make_ready
from memsim.engine.servers import Array

NO_WAIT = -1
"""Nothing to wait for."""


@inlined
def slot_of(m: Array, ring: int, number: int) -> int:
    """A ring's ``number``-th slot since the start."""
    return int(m[ring + w.R_FIRST_SLOT] + number % m[ring + w.R_DEPTH] * w.SLOT_WORDS)


@inlined
def wait_to_open(m: Array, ring: int) -> int:
    """NO_WAIT, or the reason why the back slot cannot be opened."""
    return NO_WAIT if m[ring + w.R_OPENED] - m[ring + w.R_RELEASED] < m[ring + w.R_DEPTH] else w.SPACE


@compiled
def slot_to_read(m: Array, ring: int, queue: int, ahead: int) -> int:
    """The slot that a queue (by its number in the block) reads, or -1 if its tile has not arrived."""
    if m[ring + w.R_OPEN] >= 0 and queue == m[ring + w.R_WRITER]:
        return -1 if m[m[ring + w.R_OPEN] + w.T_ARRIVING] else int(m[ring + w.R_OPEN])
    popped = m[ring + w.R_POPPED + queue]
    number = (popped if popped >= 0 else m[ring + w.R_RELEASED]) + ahead
    if number >= m[ring + w.R_OPENED]:
        return -1
    slot = slot_of(m, ring, number)
    return -1 if m[slot + w.T_PUSHED] == 0 or m[slot + w.T_ARRIVING] else slot


@compiled
def wait_to_write(m: Array, ring: int, accumulate: int) -> tuple[int, int]:
    """(reason, tick) for which a queue must wait to write its open slot or to open one; a tick of -1 is unknown."""
    slot = m[ring + w.R_OPEN]
    if slot < 0:
        return wait_to_open(m, ring), -1
    if m[slot + w.T_READING]:
        return w.READS, -1
    if m[slot + w.T_READY_AT] > m[w.NOW] and not (accumulate and m[slot + w.T_BY_MMA]):
        return w.RESULT, int(m[slot + w.T_READY_AT])
    return NO_WAIT, -1


@compiled
def wait_to_read(m: Array, ring: int, queue: int, ahead: int) -> tuple[int, int]:
    """(reason, tick) for which a queue must wait to read a tile; a tick of -1 is unknown."""
    slot = slot_to_read(m, ring, queue, ahead)
    if slot < 0:
        return w.DATA, -1
    if m[slot + w.T_READY_AT] > m[w.NOW]:
        return w.RESULT, int(m[slot + w.T_READY_AT])
    return NO_WAIT, -1


@compiled
def open_back(m: Array, ring: int) -> int:
    """Open the back slot; returns it."""
    slot = slot_of(m, ring, m[ring + w.R_OPENED])
    m[slot : slot + w.SLOT_WORDS] = 0
    m[ring + w.R_OPENED] += 1
    m[ring + w.R_OPEN] = slot
    return slot


@inlined
def push(m: Array, ring: int) -> None:
    """Hand the open slot on."""
    m[m[ring + w.R_OPEN] + w.T_PUSHED] = 1
    m[ring + w.R_OPEN] = -1
    m[ring + w.R_PUSHED] += 1
    announce(m, ring)


@compiled
def pop(m: Array, ring: int, queue: int) -> None:
    """Give the front slot of a queue back."""
    popped = ring + w.R_POPPED + queue
    m[slot_of(m, ring, m[popped]) + w.T_POPS] += 1
    m[popped] += 1
    release(m, ring)


@compiled
def release(m: Array, ring: int) -> None:
    """Free, in order, the slots that have arrived, that every consumer has popped and that nobody reads."""
    while m[ring + w.R_RELEASED] < m[ring + w.R_OPENED]:
        slot = slot_of(m, ring, m[ring + w.R_RELEASED])
        popped = m[slot + w.T_POPS] == m[ring + w.R_CONSUMERS]
        if not popped or m[slot + w.T_PUSHED] == 0 or m[slot + w.T_ARRIVING] or m[slot + w.T_READING]:
            break
        m[ring + w.R_RELEASED] += 1
    announce(m, ring)


@inlined
def announce(m: Array, ring: int) -> None:
    """Let the queues go on that wait for a change of the ring."""
    queue = m[ring + w.R_WAITING]
    m[ring + w.R_WAITING] = -1
    while queue >= 0:
        following = m[queue + w.Q_NEXT_WAITING]
        make_ready(m, queue)
        queue = following
