"""Where a transfer puts its tile: rings of its own block, or of other blocks."""

from __future__ import annotations

from memsim.compiled import compiled
from memsim.engine.fast import words as w
from memsim.engine.fast.blocks import seat_of
from memsim.engine.fast.expressions import evaluate
from memsim.engine.servers import Array


@compiled
def count_targets(m: Array, op: int) -> int:
    """Rings that a transfer fills."""
    if m[op + w.O_TARGET] != w.BLOCKS:
        return 0 if m[op + w.O_TARGET] == w.NOWHERE else 1
    count, axis = 1, m[op + w.O_FIRST_RANGE]
    for _ in range(m[op + w.O_RANGES]):
        count *= m[axis + w.RANGE_COUNT]
        axis += w.RANGE_WORDS
    return count


@compiled
def target_of(m: Array, queue: int, op: int, number: int) -> tuple[int, int]:
    """(core, ring) of the ``number``-th ring that the transfer of a queue fills."""
    seat = m[queue + w.Q_SEAT]
    if m[op + w.O_TARGET] == w.BLOCKS:
        seat = seat_of(m, _target_block(m, queue, op, number))
    return int(m[seat + w.S_CORE]), int(m[seat + w.S_FIRST_RING] + m[op + w.O_RING] * m[w.RING_WIDTH])


@compiled
def _target_block(m: Array, queue: int, op: int, number: int) -> int:
    group = m[op + w.O_TARGET_GROUP]
    outer = inner = 0
    rest = count_targets(m, op)
    for i in range(m[op + w.O_RANGES]):
        axis = m[op + w.O_FIRST_RANGE] + i * w.RANGE_WORDS
        grid = m[group + w.G_FIRST_AXIS] + i * w.GRID_WORDS
        size = m[grid + w.GRID_CLUSTER]
        rest //= m[axis + w.RANGE_COUNT]
        at = evaluate(m, m[axis + w.RANGE_START], queue + w.QUEUE_WORDS) + number // rest % m[axis + w.RANGE_COUNT]
        outer = outer * (m[grid + w.GRID_EXTENT] // size) + at // size
        inner = inner * size + at % size
    return int(m[group + w.G_FIRST_BLOCK] + outer * m[group + w.G_CLUSTER] + inner)
