"""Which blocks are on the chip: the rules of `memsim.engine.residency` in compiled code."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.waking import finish_work, make_ready, wake_at
from memsim.engine.servers import Array


@compiled
def start_first(m: Array) -> None:
    """Start all clusters that have room at the beginning of a kernel."""
    for number in range(m[w.KERNEL_CORES]):
        _list(m, number, number)
    _enter(m, m[w.KERNEL_CORES])


@compiled
def replace_ended(m: Array) -> None:
    """Take the blocks away that have ended, and start the clusters that have room now."""
    count = 0
    for i in range(m[w.ENDED_BLOCKS]):
        seat = m[m[w.ENDED_BASE] + i]
        m[seat + w.S_BLOCK] = -1
        number = m[seat + w.S_CORE]
        m[_core(m, number) + w.C_ROOM] += 1
        count = _list(m, count, number)
    m[w.BLOCKS_DONE] += m[w.ENDED_BLOCKS]
    m[w.ENDED_BLOCKS] = 0
    _enter(m, count)


@compiled
def seat_of(m: Array, block: int) -> int:
    """The seat of a resident block."""
    seat = _first_seat(m, block % m[w.KERNEL_CORES])
    while m[seat + w.S_BLOCK] != block:
        seat += w.SEAT_WORDS
    return int(seat)


@inlined
def _core(m: Array, number: int) -> int:
    return int(m[w.CORE_BASE] + number * w.CORE_WORDS)


@inlined
def _first_seat(m: Array, number: int) -> int:
    return int(m[w.SEAT_BASE] + number * m[w.OCCUPANCY] * w.SEAT_WORDS)


@compiled
def _list(m: Array, count: int, number: int) -> int:
    """Note that a core is to be looked at; returns how many are."""
    core = _core(m, number)
    if m[core + w.C_LISTED]:
        return count
    m[core + w.C_LISTED] = 1
    m[m[w.WORK_BASE] + count] = number
    return count + 1


@compiled
def _enter(m: Array, count: int) -> None:
    """Start what fits on the listed cores, and on those whose next cluster has changed by that."""
    again = True
    while again:
        again = False
        i = 0
        while i < count:
            core = _core(m, m[m[w.WORK_BASE] + i])
            i += 1
            while m[core + w.C_NEXT_BLOCK] < m[w.KERNEL_BLOCKS]:
                first, size = _cluster_of(m, m[core + w.C_NEXT_BLOCK])
                if not _fits(m, first, size):
                    break
                for block in range(first, first + size):
                    _take_seat(m, block)
                    count = _list(m, count, block % m[w.KERNEL_CORES])
                for block in range(first, first + size):
                    _start(m, block)
                again = again or size > 1
    for i in range(count):
        m[_core(m, m[m[w.WORK_BASE] + i]) + w.C_LISTED] = 0


@compiled
def _group_of(m: Array, block: int) -> int:
    group = m[w.GROUP_BASE] + (m[w.GROUPS] - 1) * w.GROUP_WORDS
    while m[group + w.G_FIRST_BLOCK] > block:
        group -= w.GROUP_WORDS
    return int(group)


@compiled
def _cluster_of(m: Array, block: int) -> tuple[int, int]:
    """First block and size of the cluster of a block."""
    if m[w.COOPERATIVE]:
        return 0, int(m[w.KERNEL_BLOCKS])
    group = _group_of(m, block)
    size = m[group + w.G_CLUSTER]
    return int(block - (block - m[group + w.G_FIRST_BLOCK]) % size), int(size)


@compiled
def _fits(m: Array, first: int, size: int) -> bool:
    cores = m[w.KERNEL_CORES]
    for block in range(first, min(first + size, first + cores)):
        number = block % cores
        core = _core(m, number)
        needed = (first + size - 1 - number) // cores - (first - 1 - number) // cores
        if m[core + w.C_NEXT_BLOCK] < first or m[core + w.C_ROOM] < needed:
            return False
    return True


@compiled
def _take_seat(m: Array, block: int) -> None:
    number = block % m[w.KERNEL_CORES]
    core = _core(m, number)
    m[core + w.C_NEXT_BLOCK] += m[w.KERNEL_CORES]
    m[core + w.C_ROOM] -= 1
    seat = _first_seat(m, number)
    while m[seat + w.S_BLOCK] >= 0:
        seat += w.SEAT_WORDS
    group = _group_of(m, block)
    m[seat + w.S_BLOCK], m[seat + w.S_CORE], m[seat + w.S_GROUP] = block, number, group
    m[seat + w.S_UNFINISHED] = m[group + w.G_QUEUES] + 1
    slot = m[seat + w.S_FIRST_SLOT]
    for i in range(m[group + w.G_RINGS]):
        text = m[group + w.G_FIRST_RING] + i * w.RING_TEXT_WORDS
        ring = m[seat + w.S_FIRST_RING] + i * m[w.RING_WIDTH]
        _make_ring(m, ring, text, slot, m[group + w.G_QUEUES])
        slot += m[text + w.RT_DEPTH] * w.SLOT_WORDS


@compiled
def _make_ring(m: Array, ring: int, text: int, slot: int, queues: int) -> None:
    m[ring : ring + w.RING_WORDS] = 0
    m[ring + w.R_OPEN] = m[ring + w.R_WAITING] = -1
    m[ring + w.R_DEPTH], m[ring + w.R_WRITER] = m[text + w.RT_DEPTH], m[text + w.RT_WRITER]
    m[ring + w.R_CONSUMERS], m[ring + w.R_REASON] = m[text + w.RT_CONSUMERS], m[text + w.RT_REASON]
    m[ring + w.R_FIRST_SLOT] = slot
    for queue in range(queues):
        m[ring + w.R_POPPED + queue] = 0 if m[m[text + w.RT_POPS] + queue] else -1


@compiled
def _start(m: Array, block: int) -> None:
    seat = seat_of(m, block)
    group = m[seat + w.S_GROUP]
    for i in range(m[group + w.G_QUEUES]):
        queue = m[seat + w.S_FIRST_QUEUE] + i * m[w.QUEUE_WIDTH]
        text = m[group + w.G_FIRST_QUEUE] + i * w.QUEUE_TEXT_WORDS
        m[queue : queue + w.QUEUE_WORDS] = 0
        m[queue + w.Q_SEAT], m[queue + w.Q_NUMBER], m[queue + w.Q_STALLS] = seat, i, m[text + w.QT_STALLS]
        m[queue + w.Q_PC], m[queue + w.Q_STAGE] = m[text + w.QT_OPERATION], w.IDLE
        m[queue + w.Q_WAKE] = m[queue + w.Q_FIRST_FLIGHT] = m[queue + w.Q_NEXT_WAITING] = -1
        m[queue + w.Q_ORDER] = block * m[w.MOST_QUEUES] + i
        _set_coordinates(m, queue + w.QUEUE_WORDS, group, block - m[group + w.G_FIRST_BLOCK])
        if m[w.BLOCK_START]:
            wake_at(m, queue, m[w.NOW] + m[w.BLOCK_START])
        else:
            make_ready(m, queue)
    finish_work(m, seat)


@compiled
def _set_coordinates(m: Array, counters: int, group: int, block: int) -> None:
    cluster = m[group + w.G_CLUSTER]
    outer, inner = block // cluster, block % cluster
    for axis in range(m[group + w.G_AXES] - 1, -1, -1):
        grid = m[group + w.G_FIRST_AXIS] + axis * w.GRID_WORDS
        size = m[grid + w.GRID_CLUSTER]
        clusters = m[grid + w.GRID_EXTENT] // size
        m[counters + axis] = outer % clusters * size + inner % size
        outer //= clusters
        inner //= size
