"""Queues of the compiled engine: each runs its operations in order until it must wait or has asked for hardware."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.expressions import evaluate
from memsim.engine.fast.issue import GO_ON, STOP, transfer
from memsim.engine.fast.requests import ask
from memsim.engine.fast.rings import NO_WAIT, open_back, pop, push, wait_to_write
from memsim.engine.fast.trace import record
from memsim.engine.fast.waits import all_readable, ring_of, spend, wait
from memsim.engine.fast.waking import finish_work, make_ready
from memsim.engine.servers import SERVER_WORDS, Array

MOST_TURNS = 1 << 22
"""Turns of loops after which Python is asked whether to go on: a loop may come round without executing anything."""


@compiled
def run_queue(m: Array, net: Array, queue: int) -> int:
    """Let a queue go on as far as it can at this tick; STOP, or MISSING if a route must be found for it first."""
    if m[queue + w.Q_STAGE] == w.WAITING:
        spend(m, queue, m[queue + w.Q_REASON], m[w.NOW] - m[queue + w.Q_SINCE])
        m[queue + w.Q_STAGE] = w.IDLE
    m[queue + w.Q_WAKE] = -1
    while True:
        op = m[queue + w.Q_PC]
        kind = m[op + w.O_KIND]
        if kind == w.LOOP:
            _enter_loop(m, queue, op)
        elif kind == w.END_LOOP:
            _repeat_loop(m, queue, op)
            m[w.TURNS] += 1
            if m[w.TURNS] >= MOST_TURNS:
                make_ready(m, queue)
                return STOP
        elif kind == w.FINISH:
            m[queue + w.Q_STAGE] = w.ENDED
            finish_work(m, m[queue + w.Q_SEAT])
            return STOP
        else:
            if m[queue + w.Q_COUNTED] == 0:
                if m[w.EXECUTED] >= m[w.UNTIL]:
                    make_ready(m, queue)
                    return STOP
                m[queue + w.Q_COUNTED] = 1
                m[queue + w.Q_SEQUENCE] += 1
                m[w.EXECUTED] += 1
                core = m[m[queue + w.Q_SEAT] + w.S_CORE]
                m[m[op + w.O_COUNTS] + core * w.COUNT_WORDS + w.EXECUTIONS] += 1
            answer = _execute(m, net, queue, op, kind)
            if answer != GO_ON:
                return answer
            m[queue + w.Q_COUNTED] = 0
            m[queue + w.Q_PC] += w.OPERATION_WORDS


@compiled
def _execute(m: Array, net: Array, queue: int, op: int, kind: int) -> int:
    """Take the instruction at the head of a queue on by a stage: GO_ON, STOP or MISSING."""
    if kind == w.COMPUTE:
        return _compute(m, queue, op)
    if kind == w.TRANSFER:
        return transfer(m, net, queue, op)
    ring = ring_of(m, queue, m[op + w.O_RING])
    if kind == w.PUSH:
        push(m, ring)
    elif m[ring + w.R_POPPED + m[queue + w.Q_NUMBER]] < m[ring + w.R_PUSHED]:
        pop(m, ring, m[queue + w.Q_NUMBER])
    else:
        wait(m, queue, ring, w.DATA, -1)
        return STOP
    return GO_ON


@compiled
def _enter_loop(m: Array, queue: int, op: int) -> None:
    trips = evaluate(m, m[op + w.O_COUNT], queue + w.QUEUE_WORDS)
    if trips <= 0:
        m[queue + w.Q_PC] = m[op + w.O_PARTNER] + w.OPERATION_WORDS
    else:
        counter = queue + w.QUEUE_WORDS + m[op + w.O_VARIABLE]
        m[counter], m[counter + m[w.COUNTERS]] = 0, trips
        m[queue + w.Q_PC] += w.OPERATION_WORDS


@compiled
def _repeat_loop(m: Array, queue: int, op: int) -> None:
    counter = queue + w.QUEUE_WORDS + m[op + w.O_VARIABLE]
    following = m[counter] + 1
    if following >= m[counter + m[w.COUNTERS]]:
        m[queue + w.Q_PC] += w.OPERATION_WORDS
        return
    m[counter] = following
    m[queue + w.Q_PC] = m[op + w.O_PARTNER] + w.OPERATION_WORDS
    watch = m[op + w.O_WATCH]
    if queue == m[w.LEADER] and watch > 0 and following % watch == 0:
        loop = m[op + w.O_PARTNER]
        m[w.OBSERVE] = min(loop, m[w.OBSERVE]) if m[w.OBSERVE] else loop  # the outermost, if there are several


# ---- compute ----


@inlined
def _compute(m: Array, queue: int, op: int) -> int:
    """Take a compute instruction on by a stage: GO_ON or STOP."""
    if m[queue + w.Q_STAGE] == w.IDLE:
        _ask_unit(m, queue, op)
        return STOP
    if m[queue + w.Q_STAGE] == w.AT_PORTS:
        _ask_ports(m, queue, op)
        return STOP
    now, slot, begun, interval = m[w.NOW], m[queue + w.Q_SLOT], m[queue + w.Q_BEGUN], m[op + w.O_INTERVAL]
    m[slot + w.T_READY_AT] = max(m[slot + w.T_READY_AT], now + m[op + w.O_LATENCY])
    m[slot + w.T_BY_MMA] = m[op + w.O_IS_MMA]
    spend(m, queue, w.FOR_MATRIX if m[op + w.O_UNIT] == w.MATRIX else w.FOR_VECTOR, begun - m[queue + w.Q_ASKED])
    spend(m, queue, w.WORKING, interval)
    spend(m, queue, w.FOR_PORT, now - begun - interval)
    record(m, queue, op, begun, now, 0, m[queue + w.Q_SEQUENCE])
    m[queue + w.Q_STAGE] = w.IDLE
    return GO_ON


@inlined
def _server(m: Array, queue: int, unit: int) -> int:
    """The server that is a unit or port of a queue's core."""
    core = m[m[queue + w.Q_SEAT] + w.S_CORE]
    return int(m[w.SERVERS] + (unit * m[w.CORES] + core) * SERVER_WORDS)


@compiled
def _ask_unit(m: Array, queue: int, op: int) -> None:
    """Take the slot and ask for the unit, or wait for what is missing."""
    if not all_readable(m, queue, op):
        return
    ring = ring_of(m, queue, m[op + w.O_RING])
    reason, tick = wait_to_write(m, ring, m[op + w.O_ACCUMULATES])
    if reason != NO_WAIT:
        wait(m, queue, ring, reason, tick)
        return
    slot = m[ring + w.R_OPEN]
    m[queue + w.Q_SLOT] = slot if slot >= 0 else open_back(m, ring)
    server, sequence = _server(m, queue, m[op + w.O_UNIT]), m[queue + w.Q_SEQUENCE]
    ask(m, w.USE_UNIT, queue, queue, sequence, 0, server, m[op + w.O_INTERVAL], 0)
    m[queue + w.Q_ASKED], m[queue + w.Q_STAGE] = m[w.NOW], w.AT_UNIT


@compiled
def _ask_ports(m: Array, queue: int, op: int) -> None:
    """Ask for the ports of the core memories from which the operands come."""
    m[queue + w.Q_UNTIL] = m[queue + w.Q_PENDING] = 0
    for memory in range(2):
        ticks = m[op + w.O_SRAM_TICKS + memory]
        if ticks:
            m[queue + w.Q_PENDING] += 1
            server, sequence = _server(m, queue, w.SRAM + memory), m[queue + w.Q_SEQUENCE]
            ask(m, w.USE_PORT, queue, queue, sequence, 0, server, ticks, m[op + w.O_INTERVAL])
    m[queue + w.Q_STAGE] = w.PORTS_ASKED
