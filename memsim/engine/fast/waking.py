"""Who goes on: queues that are ready, and blocks that have ended."""

from __future__ import annotations

from memsim.compiled import inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.events import schedule
from memsim.engine.servers import Array


@inlined
def make_ready(m: Array, queue: int) -> None:
    """Let a queue run in this round of the tick."""
    m[m[w.READY_BASE] + m[w.READY]] = queue
    m[w.READY] += 1


@inlined
def wake_at(m: Array, queue: int, tick: int) -> None:
    """Let a queue go on at a tick."""
    m[queue + w.Q_WAKE] = tick
    schedule(m, tick, w.WAKE_QUEUE * w.EVENT + queue)


@inlined
def finish_work(m: Array, seat: int) -> None:
    """One of the things that a block has to do is done."""
    m[seat + w.S_UNFINISHED] -= 1
    if m[seat + w.S_UNFINISHED] == 0:
        m[m[w.ENDED_BASE] + m[w.ENDED_BLOCKS]] = seat
        m[w.ENDED_BLOCKS] += 1
