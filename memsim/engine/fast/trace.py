"""Rows of the trace, for the instructions that the window asks for."""

from __future__ import annotations

from memsim.compiled import inlined
from memsim.engine.fast import words as w
from memsim.engine.servers import Array


@inlined
def record(m: Array, queue: int, op: int, begin: int, end: int, size: int, sequence: int) -> None:
    """Note an instruction that has ended."""
    first = m[w.TRACE_FROM]
    if m[w.TRACING] == 0 or begin >= m[w.TRACE_TO] or (end <= first and begin < first):
        return
    seat = m[queue + w.Q_SEAT]
    if m[m[w.TRACED_CORES] + m[seat + w.S_CORE]] == 0:
        return
    row = m[w.TRACE_BASE] + m[w.TRACED] * w.TRACE_WORDS
    m[row + w.TR_BLOCK], m[row + w.TR_CORE] = m[seat + w.S_BLOCK], m[seat + w.S_CORE]
    m[row + w.TR_QUEUE], m[row + w.TR_STEP] = m[queue + w.Q_NUMBER], m[op + w.O_STEP]
    m[row + w.TR_BEGIN], m[row + w.TR_END], m[row + w.TR_BYTES] = begin, end, size
    m[row + w.TR_SEQUENCE] = sequence
    m[w.TRACED] += 1
