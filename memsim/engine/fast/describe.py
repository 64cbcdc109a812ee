"""The state of a machine up to a shift in time and a translation of loops: what two moments of a steady state share.

`describe` writes two vectors. What is in the first must be equal: stages, waits, tokens, sizes, and ticks from now on
(a tick that has passed is as good as any other). What is in the second may be translated: of each queue since when it
waits, its sequence and the counter of one of its loops, and the segments that transfers in flight are going to touch.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.memory import PIECE_WORDS, Memory
from memsim.engine.servers import FREE_AT, SERVER_WORDS, SPARE, Array

PAST = -1
"""What stands for a tick that is not set."""


@inlined
def _put(out: Array, value: int) -> None:
    """Append to a vector whose first word is its length."""
    out[out[0]] = value
    out[0] += 1


@inlined
def _coming(m: Array, tick: int) -> int:
    return int(max(0, tick - m[w.NOW]))


@inlined
def _set(m: Array, tick: int) -> int:
    return PAST if tick < 0 else tick - m[w.NOW]


@compiled
def free_loop(m: Array, queue: int, level: int) -> int:
    """The loop of a queue whose counter may be translated; -1 if there is none.

    It is the ``level``-th around it of more than one trip, from the outermost, or the innermost if there are fewer.
    """
    found, depth = -1, 0
    loop = m[m[queue + w.Q_PC] + w.O_PARENT]
    while loop >= 0:
        if _trips(m, queue, loop) > 1:
            depth += 1
        loop = m[loop + w.O_PARENT]
    wanted = depth - 1 - min(level, depth - 1)  # counted from the innermost
    loop = m[m[queue + w.Q_PC] + w.O_PARENT]
    while loop >= 0 and found < 0:
        if _trips(m, queue, loop) > 1:
            if wanted == 0:
                found = loop
            wanted -= 1
        loop = m[loop + w.O_PARENT]
    return int(found)


@inlined
def _trips(m: Array, queue: int, loop: int) -> int:
    return int(m[queue + w.QUEUE_WORDS + m[w.COUNTERS] + m[loop + w.O_VARIABLE]])


@compiled
def level_of(m: Array, queue: int, loop: int) -> int:
    """How many loops of more than one trip are around a loop of a queue."""
    level, loop = 0, m[loop + w.O_PARENT]
    while loop >= 0:
        if _trips(m, queue, loop) > 1:
            level += 1
        loop = m[loop + w.O_PARENT]
    return level


@compiled
def describe(m: Array, memory: Memory, level: int, same: Array, moved: Array) -> None:
    """Fill ``same`` and ``moved``; the first word of each is its length."""
    same[0] = moved[0] = 1
    for server in range(m[w.SERVER_COUNT]):
        first = m[w.SERVERS] + server * SERVER_WORDS
        coming = _coming(m, m[first + FREE_AT])
        _put(same, coming)
        _put(same, m[first + SPARE] if coming else 0)
    for bank in range(len(memory.free_at)):
        coming = _coming(m, memory.free_at[bank])
        _put(same, coming * 2 + memory.directions[bank])
        _put(same, memory.spare[bank] if coming else 0)
    for core in range(m[w.KERNEL_CORES]):
        _put(same, m[m[w.CORE_BASE] + core * w.CORE_WORDS + w.C_NEXT_BLOCK])
    seat = m[w.SEAT_BASE]
    for _ in range(m[w.KERNEL_CORES] * m[w.OCCUPANCY]):
        _put(same, m[seat + w.S_BLOCK])
        if m[seat + w.S_BLOCK] >= 0:
            _seat(m, seat, level, same, moved)
        seat += w.SEAT_WORDS


@compiled
def digest(words: Array, count: int) -> int:
    """A number that tells most descriptions apart (FNV's way, a word at a time)."""
    value = np.uint64(0xCBF29CE484222325)
    for i in range(count):
        value = (value ^ np.uint64(words[i])) * np.uint64(0x100000001B3)
        value ^= value >> np.uint64(29)
    return np.int64(value >> np.uint64(1))  # type: ignore[return-value]


@compiled
def _seat(m: Array, seat: int, level: int, same: Array, moved: Array) -> None:
    group = m[seat + w.S_GROUP]
    _put(same, m[seat + w.S_UNFINISHED])
    for i in range(m[group + w.G_QUEUES]):
        queue = m[seat + w.S_FIRST_QUEUE] + i * m[w.QUEUE_WIDTH]
        _queue(m, queue, level, same, moved)
        flight = m[queue + w.Q_FIRST_FLIGHT]
        while flight >= 0:
            _flight(m, flight, same, moved)
            flight = m[flight + w.F_NEXT]
        _put(same, PAST)
    for i in range(m[group + w.G_RINGS]):
        _ring(m, m[seat + w.S_FIRST_RING] + i * m[w.RING_WIDTH], m[group + w.G_QUEUES], same)


@compiled
def _queue(m: Array, queue: int, level: int, same: Array, moved: Array) -> None:
    stage, now = m[queue + w.Q_STAGE], m[w.NOW]
    _put(same, m[queue + w.Q_PC])
    _put(same, stage)
    _put(same, m[queue + w.Q_COUNTED])
    _put(same, m[queue + w.Q_TRANSFERS])
    _put(same, m[queue + w.Q_BYTES])
    _put(same, _set(m, m[queue + w.Q_WAKE]))
    if stage == w.WAITING:
        _put(same, m[queue + w.Q_REASON])
        _put(moved, m[queue + w.Q_SINCE])
    elif stage != w.IDLE and stage != w.ENDED:
        _put(same, m[queue + w.Q_ASKED] - now)
        _put(same, PAST if stage == w.AT_UNIT or stage == w.AT_DMA else m[queue + w.Q_BEGUN] - now)
        if stage == w.AT_DMA or stage == w.ISSUED:
            _put(same, m[queue + w.Q_FLIGHT] == m[queue + w.Q_FIRST_FLIGHT])
        else:
            _put(same, m[queue + w.Q_SLOT])
        if stage == w.PORTS_ASKED:
            _put(same, m[queue + w.Q_UNTIL] - now)
            _put(same, m[queue + w.Q_PENDING])
    _counters(m, queue, level, same, moved)


@compiled
def _counters(m: Array, queue: int, level: int, same: Array, moved: Array) -> None:
    free = -1 if m[queue + w.Q_STAGE] == w.ENDED else free_loop(m, queue, level)
    loop = m[m[queue + w.Q_PC] + w.O_PARENT]
    while loop >= 0:
        counter = m[queue + w.QUEUE_WORDS + m[loop + w.O_VARIABLE]]
        if loop == free and m[loop + w.O_STRIDE] > 0:
            counter %= m[loop + w.O_STRIDE]
        _put(same, counter)
        _put(same, _trips(m, queue, loop))
        loop = m[loop + w.O_PARENT]
    _put(moved, m[queue + w.Q_SEQUENCE])
    _put(moved, free)
    if free >= 0:
        _put(moved, m[queue + w.QUEUE_WORDS + m[free + w.O_VARIABLE]])


@compiled
def _flight(m: Array, flight: int, same: Array, moved: Array) -> None:
    now = m[w.NOW]
    _put(same, m[flight + w.F_OPERATION])
    _put(same, m[m[flight + w.F_QUEUE] + w.Q_SEQUENCE] - m[flight + w.F_SEQUENCE])
    for word in (w.F_SIZE, w.F_SOURCE_SLOT, w.F_LEAVING, w.F_STAGE, w.F_PARTS):
        _put(same, m[flight + word])
    for word in (w.F_WAKE, w.F_RELEASES_AT):
        _put(same, _set(m, m[flight + word]))
    _put(same, m[flight + w.F_BEGUN] - now if m[flight + w.F_BEGUN] else PAST)
    _put(same, _coming(m, m[flight + w.F_TAIL]))
    _put(same, _coming(m, m[flight + w.F_GONE]))
    target = flight + w.FLIGHT_WORDS
    for _ in range(m[flight + w.F_TARGETS]):
        _put(same, m[target + w.D_SLOT])
        target += w.TARGET_WORDS
    part = m[flight + w.F_FIRST_PART]
    while part >= 0:
        _part(m, part, same, moved)
        part = m[part + w.P_NEXT]


@compiled
def _part(m: Array, part: int, same: Array, moved: Array) -> None:
    for word in (w.P_ORDER, w.P_STAGE, w.P_SIZE, w.P_ROUTE, w.P_NODE, w.P_HOP, w.P_AT_SOURCE, w.P_CORE, w.P_COPIES):
        _put(same, m[part + word])
    _put(same, _set(m, m[part + w.P_WAKE]))
    _put(same, _coming(m, m[part + w.P_TAIL]))
    piece = m[part + w.P_FIRST_PIECE]
    _put(same, m[part + w.P_PIECES])
    for _ in range(m[part + w.P_PIECES]):
        _put(moved, m[piece])
        _put(same, m[piece + 1])
        _put(same, m[piece + 2])
        piece += PIECE_WORDS


@compiled
def _ring(m: Array, ring: int, queues: int, same: Array) -> None:
    released = m[ring + w.R_RELEASED]
    _put(same, m[ring + w.R_OPENED] - released)
    _put(same, m[ring + w.R_PUSHED] - released)
    _put(same, m[ring + w.R_OPEN])
    _put(same, released % m[ring + w.R_DEPTH])
    for queue in range(queues):
        popped = m[ring + w.R_POPPED + queue]
        _put(same, PAST if popped < 0 else popped - released)
    for number in range(released, m[ring + w.R_OPENED]):
        slot = m[ring + w.R_FIRST_SLOT] + number % m[ring + w.R_DEPTH] * w.SLOT_WORDS
        for word in (w.T_PUSHED, w.T_ARRIVING, w.T_READING, w.T_BY_MMA, w.T_POPS):
            _put(same, m[slot + word])
        _put(same, _coming(m, m[slot + w.T_READY_AT]))
