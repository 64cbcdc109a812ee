"""The segments that a transfer touches: the rules of `memsim.engine.layout` in compiled code.

Pieces are words (segment, bytes, contiguous runs).
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.expressions import evaluate
from memsim.engine.memory import PIECE_WORDS
from memsim.engine.servers import Array, port_of

SPREAD = 2654435761  # 2^32 / golden ratio: as in the SimPy engine, consecutive gathers start far apart


@compiled
def find_pieces(m: Array, access: int, counters: int, sequence: int, first: int) -> tuple[int, int]:
    """Write the pieces that an access touches from word ``first`` on: (how many, bytes)."""
    if m[access + w.A_GATHER]:
        return _gathered(m, access, counters, sequence, first)
    chip_wide = m[access + w.A_CHIP_WIDE]
    size = m[access + w.A_ELEMENT_BYTES]
    m[first], m[first + 1], m[first + 2] = m[m[w.TENSOR_BASE] + m[access + w.A_TENSOR]], size, 1
    count, element = 1, size
    axis = m[access + w.A_FIRST_AXIS]
    for _ in range(m[access + w.A_AXES]):
        start = evaluate(m, m[axis + w.X_START], counters)
        step = m[axis + w.X_STEP]
        skipped = max(0, -(start // step))  # before index 0
        start += skipped * step
        points = min(m[axis + w.X_SIZE] - skipped, -((start - m[axis + w.X_EXTENT]) // step))
        if points <= 0:
            return 0, 0
        size *= points
        if chip_wide:
            count = _cut(m, axis, first, count, start, points, step, element)
        axis += w.AXIS_WORDS
    return (count, size) if chip_wide else (0, size)


@compiled
def _cut(m: Array, axis: int, first: int, count: int, start: int, points: int, step: int, element: int) -> int:
    """Spread pieces over the points of one more dimension; returns how many pieces there are then."""
    segment, stride, extent = m[axis + w.X_SEGMENT], m[axis + w.X_STRIDE], m[axis + w.X_EXTENT]
    index = start // segment
    if step == 1 and index == (start + points - 1) // segment:
        for piece in range(first, first + PIECE_WORDS * count, PIECE_WORDS):
            m[piece] += index * stride
            m[piece + 2] = _runs_after(m[piece + 1] // element, m[piece + 2], points, extent, step)
            m[piece + 1] *= points
        return count
    scratch = m[w.SCRATCH_BASE]
    splits = done = 0
    while done < points:
        index = (start + done * step) // segment
        fit = min(points - done, -(-((index + 1) * segment - start - done * step) // step))
        m[scratch + 2 * splits], m[scratch + 2 * splits + 1] = index * stride, fit
        splits += 1
        done += fit
    for i in range(count - 1, -1, -1):
        whole = first + PIECE_WORDS * i
        number, amount, runs = m[whole], m[whole + 1], m[whole + 2]
        for j in range(splits):
            piece, taken = first + PIECE_WORDS * (i * splits + j), m[scratch + 2 * j + 1]
            m[piece], m[piece + 1] = number + m[scratch + 2 * j], amount * taken
            m[piece + 2] = _runs_after(amount // element, runs, taken, extent, step)
    return count * splits


@inlined
def _runs_after(points: int, runs: int, taken: int, extent: int, step: int) -> int:
    """As in `memsim.engine.layout`."""
    return runs if taken == extent else points if step == 1 else points * taken


@compiled
def _gathered(m: Array, access: int, counters: int, sequence: int, first: int) -> tuple[int, int]:
    rows_axis = m[access + w.A_FIRST_AXIS]
    columns_axis = rows_axis + w.AXIS_WORDS
    taken, element = m[access + w.A_ROWS], m[access + w.A_ELEMENT_BYTES]
    if not m[access + w.A_CHIP_WIDE]:
        return 0, taken * m[columns_axis + w.X_SIZE] * element
    rows = m[rows_axis + w.X_SIZE]
    top, left = evaluate(m, m[rows_axis + w.X_START], counters), evaluate(m, m[columns_axis + w.X_START], counters)
    width = min(m[columns_axis + w.X_SIZE], max(0, m[columns_axis + w.X_EXTENT] - left))
    phase = sequence % rows
    count = size = 0
    for i in range(taken):
        if m[access + w.A_GATHER] == w.IN_ORDER:
            row = (phase * (taken % rows) + i) % rows
        else:
            row = (i * rows // taken + phase * (SPREAD % rows)) % rows
        if top + row >= m[rows_axis + w.X_EXTENT] or width == 0:
            continue
        piece = first + PIECE_WORDS * count
        m[piece], m[piece + 1], m[piece + 2] = m[m[w.TENSOR_BASE] + m[access + w.A_TENSOR]], element, 1
        added = _cut(m, rows_axis, piece, 1, top + row, 1, 1, element)
        count += _cut(m, columns_axis, piece, added, left, width, 1, element)
        size += width * element
    return _merge(m, first, count), size


@compiled
def _merge(m: Array, first: int, count: int) -> int:
    """Sort pieces by segment and add up those of the same one; returns how many are left."""
    found = m[first : first + PIECE_WORDS * count].copy()
    kept = 0
    for i in np.argsort(found[::PIECE_WORDS]):
        last, piece = first + PIECE_WORDS * (kept - 1), PIECE_WORDS * i
        if kept and m[last] == found[piece]:
            m[last + 1] += found[piece + 1]
            m[last + 2] += found[piece + 2]
        else:
            for word in range(PIECE_WORDS):
                m[last + PIECE_WORDS + word] = found[piece + word]
            kept += 1
    return kept


@compiled
def sort_by_port(m: Array, first: int, count: int, ports: int, banks: int, near: int) -> None:
    """Put the pieces behind the same port of a memory together, ports ascending, in their order otherwise.

    Of ``ports`` a core uses ``near``, those of its partition, as if they were all.
    """
    found = m[first : first + PIECE_WORDS * count].copy()
    behind = np.empty(count, dtype=np.int64)
    for i in range(count):
        behind[i] = port_of(found[PIECE_WORDS * i], ports, banks) % near
    piece = first
    for port in range(near):
        for i in range(count):
            if behind[i] == port:
                for word in range(PIECE_WORDS):
                    m[piece + word] = found[PIECE_WORDS * i + word]
                piece += PIECE_WORDS
