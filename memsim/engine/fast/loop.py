"""The loop of the compiled engine: tick by tick, in the three phases of ``docs/engine.md``."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.blocks import replace_ended, start_first
from memsim.engine.fast.borrowed import borrow, borrow_memory
from memsim.engine.fast.events import NOTHING, happens_now, next_tick, take_event
from memsim.engine.fast.flights import (
    advance_flight,
    advance_part,
    left_source,
    passed_hop,
    passed_target,
    read_memory,
    release_source,
    wrote_memory,
)
from memsim.engine.fast.issue import MISSING
from memsim.engine.fast.queues import MOST_TURNS, run_queue
from memsim.engine.fast.requests import sort_requests
from memsim.engine.fast.waking import make_ready, wake_at
from memsim.engine.memory import Memory, read, write
from memsim.engine.servers import Array, serve, serve_bytes

FINISHED, PAUSED, FULL, UNKNOWN_ROUTE, OBSERVED, STUCK = range(6)
"""Why `run_until` returns: the kernel has ended; enough instructions have run; a table is nearly full; a route must
be found; the tick is over in which the leading queue has come round a loop; nothing can go on (a program that has
been verified never gets there)."""


STEPS = 16
"""Steps between two looks at the room that is left."""


@compiled
def begin_kernel(m: Array) -> None:
    """Start the first blocks of a kernel."""
    start_first(m)


@compiled
def run_until(m: Array, net: Array, memory: Memory) -> int:
    """Run the kernel on until something must be done in Python; all state is in the arguments: call it again."""
    return _run(borrow(m), borrow(net), borrow_memory(memory))


@compiled
def _run(m: Array, net: Array, memory: Memory) -> int:
    steps = 0
    while True:
        steps -= 1
        if steps < 0:
            if _nearly_full(m):
                return FULL
            steps = STEPS
        if m[w.READY]:
            if m[w.EXECUTED] >= m[w.UNTIL] or m[w.TURNS] >= MOST_TURNS:
                m[w.TURNS] = 0
                return PAUSED
            m[w.READY] -= 1
            queue = m[m[w.READY_BASE] + m[w.READY]]
            if run_queue(m, net, queue) == MISSING:
                make_ready(m, queue)
                return UNKNOWN_ROUTE
        elif m[w.ENDED_BLOCKS]:
            replace_ended(m)
        elif happens_now(m):
            _happen(m, net, take_event(m))
        elif m[w.REQUESTS]:
            _serve_all(m, net, memory)
        elif m[w.BLOCKS_DONE] == m[w.BLOCKS_TO_DO]:
            return FINISHED
        elif m[w.OBSERVE]:
            return OBSERVED
        else:
            tick = next_tick(m)
            if tick == NOTHING:
                return STUCK
            m[w.NOW] = tick


@compiled
def _nearly_full(m: Array) -> bool:
    """Whether a table might not hold what the next steps, at most MARGIN rows, add."""
    margin = m[w.MARGIN]
    waiting = m[w.REQUESTS] + margin
    return bool(
        m[w.FREE_FLIGHTS] < margin
        or m[w.FREE_PARTS] < margin
        or waiting > m[w.REQUEST_ROOM]
        or m[w.HEAP_SIZE] + waiting > m[w.HEAP_ROOM]
        or 2 * (m[w.FLOWS] + margin) > m[w.FLOW_ROOM]
        or (m[w.TRACING] and m[w.TRACED] + margin > m[w.TRACE_ROOM])
    )


@inlined
def _happen(m: Array, net: Array, event: int) -> None:
    kind, who = event // w.EVENT, event % w.EVENT
    if kind == w.WAKE_QUEUE:
        make_ready(m, who)
    elif kind == w.WAKE_PART:
        advance_part(m, net, who)
    elif kind == w.WAKE_FLIGHT:
        advance_flight(m, net, who)
    else:
        release_source(m, who)


@compiled
def _serve_all(m: Array, net: Array, memory: Memory) -> None:
    """Phase 3: serve the requests of the tick, oldest key first."""
    sort_requests(m)
    count, order = m[w.REQUESTS], m[w.ORDER_BASE]
    m[w.REQUESTS] = 0
    for i in range(count):
        _serve(m, net, memory, m[order + i])


@compiled
def _serve(m: Array, net: Array, memory: Memory, request: int) -> None:
    kind, who = m[request + w.U_KIND], m[request + w.U_WHO]
    if kind == w.USE_MEMORY:
        _use_memory(m, memory, who)
        return
    service, latency = m[request + w.U_SERVICE], m[request + w.U_LATENCY]
    if kind == w.PASS_HOP:  # its service is where its hop is
        num, den = net[service + w.H_NUM], net[service + w.H_DEN]
        start, ticks = serve_bytes(m, m[request + w.U_SERVER], m[w.NOW], m[who + w.P_SIZE], num, den)
        passed_hop(m, who, start, ticks, latency)
        return
    start = serve(m, m[request + w.U_SERVER], m[w.NOW], service)
    if kind == w.PASS_TARGET:
        passed_target(m, who, start, service, latency)
    elif kind == w.PASS_SOURCE:
        left_source(m, who, start, service, latency)
    elif kind == w.USE_PORT:
        _use_port(m, who, max(start + service, m[w.NOW] + latency))
    else:
        _use_unit(m, who, kind, start, service)


@compiled
def _use_unit(m: Array, queue: int, kind: int, start: int, service: int) -> None:
    """The unit or DMA engine serves a queue from tick ``start``."""
    op = m[queue + w.Q_PC]
    m[queue + w.Q_BEGUN] = start
    if kind == w.USE_UNIT and m[op + w.O_SRAM_TICKS] + m[op + w.O_REG_TICKS]:
        m[queue + w.Q_STAGE] = w.AT_PORTS
        wake_at(m, queue, start)
    else:
        m[queue + w.Q_STAGE] = w.ISSUED if kind == w.USE_DMA else w.WORKED
        wake_at(m, queue, start + service)


@compiled
def _use_port(m: Array, queue: int, until: int) -> None:
    """A port has its part of a compute operation's operands at tick ``until``."""
    m[queue + w.Q_UNTIL] = max(m[queue + w.Q_UNTIL], until)
    m[queue + w.Q_PENDING] -= 1
    if m[queue + w.Q_PENDING] == 0:
        m[queue + w.Q_STAGE] = w.WORKED
        wake_at(m, queue, m[queue + w.Q_UNTIL])


@compiled
def _use_memory(m: Array, memory: Memory, part: int) -> None:
    """A chip-wide memory sends or takes a part's bytes."""
    flight, port, now = m[part + w.P_FLIGHT], m[part + w.P_PORT], m[w.NOW]
    op, first, pieces = m[flight + w.F_OPERATION], m[part + w.P_FIRST_PIECE], m[part + w.P_PIECES]
    if m[op + w.O_WAY] == w.LOAD:
        head, tail, fetched = read(memory, m[op + w.O_ROLE], port, m, first, pieces, now)
        m[m[op + w.O_COUNTS] + m[flight + w.F_CORE] * w.COUNT_WORDS + w.FETCHED] += fetched
        read_memory(m, part, head, tail)
    else:
        end = write(memory, m[op + w.O_ROLE], port, m, first, pieces, now)
        wrote_memory(m, part, max(end, m[part + w.P_TAIL]))
