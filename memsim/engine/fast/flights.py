"""Transfers in flight: cut through memories, links and ports. The rules of `memsim.engine.transfers` in compiled code.

A flight has a part for each port of the chip-wide memory that it touches, and for each branch of its tree.
"""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.fast.events import schedule
from memsim.engine.fast.requests import ask
from memsim.engine.fast.rings import release
from memsim.engine.fast.trace import record
from memsim.engine.fast.waking import finish_work, make_ready
from memsim.engine.servers import SERVER_WORDS, Array

PART_ORDER = 1 << 32
"""A part's place among its flight's requests: ``(port + 1) * PART_ORDER`` plus its node's place in the tree."""


# ---- beginning ----


@compiled
def new_flight(m: Array, queue: int) -> int:
    """Take the first free flight, and enter it in the list of its queue's flights."""
    flight = m[w.FREE_FLIGHT]
    m[w.FREE_FLIGHT] = m[flight + w.F_NEXT]
    m[w.FREE_FLIGHTS] -= 1
    m[flight : flight + w.FLIGHT_WORDS] = 0
    m[flight + w.F_QUEUE], m[flight + w.F_OPERATION] = queue, m[queue + w.Q_PC]
    m[flight + w.F_SEQUENCE] = m[queue + w.Q_SEQUENCE]
    m[flight + w.F_CORE] = m[m[queue + w.Q_SEAT] + w.S_CORE]
    m[flight + w.F_FIRST_PART] = m[flight + w.F_SOURCE_SLOT] = m[flight + w.F_SOURCE_RING] = -1
    m[flight + w.F_WAKE] = m[flight + w.F_RELEASES_AT] = m[flight + w.F_PREVIOUS] = -1
    following = m[queue + w.Q_FIRST_FLIGHT]
    m[flight + w.F_NEXT] = following
    if following >= 0:
        m[following + w.F_PREVIOUS] = flight
    m[queue + w.Q_FIRST_FLIGHT] = flight
    return int(flight)


@compiled
def new_part(m: Array, flight: int, order: int, route: int, node: int, size: int) -> int:
    """A new part of a flight."""
    part = m[w.FREE_PART]
    m[w.FREE_PART] = m[part + w.P_NEXT]
    m[w.FREE_PARTS] -= 1
    m[part : part + w.PART_WORDS] = 0
    m[part + w.P_FLIGHT], m[part + w.P_ORDER], m[part + w.P_SIZE] = flight, order, size
    m[part + w.P_ROUTE], m[part + w.P_NODE], m[part + w.P_WAKE] = route, node, -1
    m[part + w.P_NEXT] = m[flight + w.F_FIRST_PART]
    m[flight + w.F_FIRST_PART] = part
    m[flight + w.F_PARTS] += 1
    return int(part)


@compiled
def begin_flight(m: Array, flight: int, begun: int) -> None:
    """Let a transfer go that the DMA engine has issued from tick ``begun``."""
    op = m[flight + w.F_OPERATION]
    m[flight + w.F_BEGUN] = begun
    head = begun + max(m[op + w.O_INTERVAL], m[op + w.O_LATENCY])
    if m[op + w.O_WAY] == w.LOAD and m[flight + w.F_PARTS]:
        m[flight + w.F_STAGE] = w.LEFT
        part = m[flight + w.F_FIRST_PART]
        while part >= 0:
            _wake_part(m, part, w.AT_MEMORY, max(head + m[part + w.P_REQUEST], m[w.NOW]))
            part = m[part + w.P_NEXT]
    else:
        m[flight + w.F_STAGE] = w.HEADING
        _wake_flight(m, flight, max(head, m[w.NOW]))


@inlined
def _wake_flight(m: Array, flight: int, tick: int) -> None:
    m[flight + w.F_WAKE] = tick
    schedule(m, tick, w.WAKE_FLIGHT * w.EVENT + flight)


@inlined
def _wake_part(m: Array, part: int, stage: int, tick: int) -> None:
    m[part + w.P_STAGE], m[part + w.P_WAKE] = stage, tick
    schedule(m, tick, w.WAKE_PART * w.EVENT + part)


# ---- events ----


@compiled
def advance_flight(m: Array, net: Array, flight: int) -> None:
    """A flight's head has reached its source memory (HEADING), or has passed that memory's port (LEFT)."""
    m[flight + w.F_WAKE] = -1
    if m[flight + w.F_PARTS] == 0:
        _arrive(m, flight)
    elif m[flight + w.F_STAGE] == w.HEADING:
        _leave(m, flight)
    else:
        part = m[flight + w.F_FIRST_PART]
        while part >= 0:
            following = m[part + w.P_NEXT]  # a part that forks changes the list before itself only
            m[part + w.P_TAIL] = m[flight + w.F_TAIL]
            m[part + w.P_STAGE] = w.HOPPING if m[part + w.P_ROUTE] >= 0 else w.ENTERING
            advance_part(m, net, part)
            part = following


@compiled
def _leave(m: Array, flight: int) -> None:
    """Read the source tile out of its memory."""
    queue, memory = m[flight + w.F_QUEUE], m[m[flight + w.F_OPERATION] + w.O_SOURCE_MEMORY]
    service, latency = port_ticks(m, memory, m[flight + w.F_SIZE]), port_latency(m, memory)
    m[flight + w.F_STAGE] = w.LEFT
    if service:
        server = _port(m, memory, m[flight + w.F_CORE])
        ask(m, w.PASS_SOURCE, flight, queue, m[flight + w.F_SEQUENCE], 0, server, service, latency)
    else:
        m[flight + w.F_TAIL] = m[w.NOW] + latency
        _wake_flight(m, flight, m[flight + w.F_TAIL])


@compiled
def left_source(m: Array, flight: int, start: int, service: int, latency: int) -> None:
    """The port of the source memory serves a flight from tick ``start``."""
    m[flight + w.F_TAIL] = max(start + service, m[w.NOW]) + latency
    if m[flight + w.F_SOURCE_SLOT] >= 0:
        _release_at(m, flight, m[flight + w.F_TAIL])
        m[flight + w.F_LEAVING] = -1
    _wake_flight(m, flight, start + latency)


@compiled
def _release_at(m: Array, flight: int, tick: int) -> None:
    m[flight + w.F_RELEASES_AT] = tick
    schedule(m, tick, w.RELEASE_SOURCE * w.EVENT + flight)


@compiled
def release_source(m: Array, flight: int) -> None:
    """The event that gives the source slot back, unless the end of the flight has done so."""
    m[flight + w.F_RELEASES_AT] = -1
    _give_back_source(m, flight)
    if m[flight + w.F_DONE]:
        _free_flight(m, flight)


@compiled
def advance_part(m: Array, net: Array, part: int) -> None:
    """Let a part take its next step: ask for the next server, fork, enter a core, or arrive."""
    m[part + w.P_WAKE] = -1
    if m[part + w.P_STAGE] == w.AT_MEMORY:
        _ask(m, w.USE_MEMORY, part, 0, 0, 0)
    elif m[part + w.P_STAGE] == w.HOPPING:
        node = m[part + w.P_NODE]
        if m[part + w.P_HOP] < net[node + w.N_HOPS]:
            _ask_hop(m, net, part)
        elif m[m[m[part + w.P_FLIGHT] + w.F_OPERATION] + w.O_WAY] == w.STORE:
            m[part + w.P_STAGE] = w.AT_MEMORY
            _ask(m, w.USE_MEMORY, part, 0, 0, 0)
        elif net[node + w.N_FORKS]:
            _fork(m, net, part)
        else:
            m[part + w.P_CORE] = net[node + w.N_CORE]
            m[part + w.P_STAGE] = w.ENTERING
            _enter(m, part)
    elif m[part + w.P_STAGE] == w.ENTERING:
        _enter(m, part)
    else:
        _end_part(m, part)


@compiled
def _ask_hop(m: Array, net: Array, part: int) -> None:
    hop = net[m[part + w.P_NODE] + w.N_FIRST_HOP] + m[part + w.P_HOP] * w.HOP_WORDS
    server = m[w.SERVERS] + net[hop + w.H_SERVER] * SERVER_WORDS
    _ask(m, w.PASS_HOP, part, server, hop, net[hop + w.H_LATENCY])


@compiled
def _ask(m: Array, kind: int, part: int, server: int, service: int, latency: int) -> None:
    flight = m[part + w.P_FLIGHT]
    sequence = m[flight + w.F_SEQUENCE]
    ask(m, kind, part, m[flight + w.F_QUEUE], sequence, m[part + w.P_ORDER], server, service, latency)


@compiled
def passed_hop(m: Array, part: int, start: int, service: int, latency: int) -> None:
    """A link serves a part from tick ``start``."""
    flight = m[part + w.P_FLIGHT]
    resume = start + latency
    gone = max(start + service, m[part + w.P_TAIL])
    m[part + w.P_TAIL] = gone + latency
    if m[part + w.P_HOP] == 0 and m[part + w.P_AT_SOURCE] and m[flight + w.F_LEAVING] > 0:
        m[flight + w.F_GONE] = max(m[flight + w.F_GONE], max(resume, gone))
        m[flight + w.F_LEAVING] -= 1
        if m[flight + w.F_LEAVING] == 0:
            _release_at(m, flight, m[flight + w.F_GONE])
    m[part + w.P_HOP] += 1
    _wake_part(m, part, w.HOPPING, resume)


@compiled
def read_memory(m: Array, part: int, first: int, last: int) -> None:
    """A memory sends a part's bytes from tick ``first`` to tick ``last``."""
    m[part + w.P_TAIL] = last
    _wake_part(m, part, w.HOPPING, first)


@compiled
def wrote_memory(m: Array, part: int, end: int) -> None:
    """A memory has a part's last byte at tick ``end``."""
    _wake_part(m, part, w.ARRIVED, end)


@compiled
def passed_target(m: Array, part: int, start: int, service: int, latency: int) -> None:
    """The port of a target memory serves a part from tick ``start``."""
    m[part + w.P_TAIL] = max(start + service, m[part + w.P_TAIL]) + latency
    m[part + w.P_COPIES] -= 1
    if m[part + w.P_COPIES]:
        _wake_part(m, part, w.ENTERING, start + latency)
    else:
        _wake_part(m, part, w.ARRIVED, m[part + w.P_TAIL])


@compiled
def _fork(m: Array, net: Array, part: int) -> None:
    flight, node, root = m[part + w.P_FLIGHT], m[part + w.P_NODE], m[part + w.P_ORDER] & -PART_ORDER
    first = m[part + w.P_AT_SOURCE] and net[node + w.N_HOPS] == 0
    fork = net[node + w.N_FIRST_FORK]
    for _ in range(net[node + w.N_FORKS]):
        branch = new_part(m, flight, root + net[fork + w.N_ORDER], m[part + w.P_ROUTE], fork, m[part + w.P_SIZE])
        m[branch + w.P_AT_SOURCE], m[branch + w.P_TAIL] = first, m[part + w.P_TAIL]
        m[branch + w.P_STAGE] = w.HOPPING
        if net[fork + w.N_HOPS]:
            _ask_hop(m, net, branch)
        else:
            _wake_part(m, branch, w.HOPPING, m[w.NOW])
        fork += w.NODE_WORDS
    _drop_part(m, part)


@compiled
def _enter(m: Array, part: int) -> None:
    """Write bytes into the target memory of a core, once for each block there that gets them."""
    flight, core, size = m[part + w.P_FLIGHT], m[part + w.P_CORE], m[part + w.P_SIZE]
    op = m[flight + w.F_OPERATION]
    memory = m[op + w.O_TARGET_MEMORY]
    service, latency = port_ticks(m, memory, size), port_latency(m, memory)
    if m[part + w.P_COPIES] == 0:
        m[part + w.P_COPIES] = max(1, _copies(m, flight, core))
        m[m[op + w.O_COUNTS] + core * w.COUNT_WORDS + w.ENTERED] += size * m[part + w.P_COPIES]
    if service:
        _ask(m, w.PASS_TARGET, part, _port(m, memory, core), service, latency)
    else:
        m[part + w.P_TAIL] += m[part + w.P_COPIES] * latency
        m[part + w.P_COPIES] = 0
        _wake_part(m, part, w.ARRIVED, m[part + w.P_TAIL])


# ---- ending ----


@compiled
def _end_part(m: Array, part: int) -> None:
    flight = m[part + w.P_FLIGHT]
    _drop_part(m, part)
    if m[flight + w.F_PARTS] == 0:
        _arrive(m, flight)


@compiled
def _drop_part(m: Array, part: int) -> None:
    flight = m[part + w.P_FLIGHT]
    m[flight + w.F_PARTS] -= 1
    if m[flight + w.F_FIRST_PART] == part:
        m[flight + w.F_FIRST_PART] = m[part + w.P_NEXT]
    else:
        before = m[flight + w.F_FIRST_PART]
        while m[before + w.P_NEXT] != part:
            before = m[before + w.P_NEXT]
        m[before + w.P_NEXT] = m[part + w.P_NEXT]
    m[part + w.P_NEXT] = m[w.FREE_PART]
    m[w.FREE_PART] = part
    m[w.FREE_PARTS] += 1


@compiled
def _arrive(m: Array, flight: int) -> None:
    """The last byte has arrived everywhere."""
    now, queue, size = m[w.NOW], m[flight + w.F_QUEUE], m[flight + w.F_SIZE]
    target = flight + w.FLIGHT_WORDS
    for _ in range(m[flight + w.F_TARGETS]):
        slot = m[target + w.D_SLOT]
        m[slot + w.T_ARRIVING] -= 1
        m[slot + w.T_READY_AT] = max(m[slot + w.T_READY_AT], now)
        release(m, m[target + w.D_RING])
        target += w.TARGET_WORDS
    _give_back_source(m, flight)
    record(m, queue, m[flight + w.F_OPERATION], m[flight + w.F_BEGUN], now, size, m[flight + w.F_SEQUENCE])
    m[queue + w.Q_TRANSFERS] -= 1
    m[queue + w.Q_BYTES] -= size
    if m[queue + w.Q_STAGE] == w.WAITING and m[queue + w.Q_REASON] == w.LIMIT:
        make_ready(m, queue)
    finish_work(m, m[queue + w.Q_SEAT])
    _unlink(m, flight)
    m[flight + w.F_DONE] = 1
    if m[flight + w.F_RELEASES_AT] < 0:
        _free_flight(m, flight)


@compiled
def _unlink(m: Array, flight: int) -> None:
    """Take a flight out of the list of its queue's flights."""
    queue = m[flight + w.F_QUEUE]
    if m[flight + w.F_PREVIOUS] >= 0:
        m[m[flight + w.F_PREVIOUS] + w.F_NEXT] = m[flight + w.F_NEXT]
    else:
        m[queue + w.Q_FIRST_FLIGHT] = m[flight + w.F_NEXT]
    if m[flight + w.F_NEXT] >= 0:
        m[m[flight + w.F_NEXT] + w.F_PREVIOUS] = m[flight + w.F_PREVIOUS]


@compiled
def _free_flight(m: Array, flight: int) -> None:
    m[flight + w.F_NEXT] = m[w.FREE_FLIGHT]
    m[w.FREE_FLIGHT] = flight
    m[w.FREE_FLIGHTS] += 1


@compiled
def _give_back_source(m: Array, flight: int) -> None:
    if m[flight + w.F_SOURCE_SLOT] >= 0:
        m[m[flight + w.F_SOURCE_SLOT] + w.T_READING] -= 1
        m[flight + w.F_SOURCE_SLOT] = -1
        release(m, m[flight + w.F_SOURCE_RING])


# ---- memories of a core ----


@inlined
def port_ticks(m: Array, memory: int, size: int) -> int:
    """Ticks of a core memory's port (0: sram, 1: reg) for ``size`` bytes; 0 where it is never a bottleneck."""
    num, den = (w.SRAM_NUM, w.SRAM_DEN) if memory == 0 else (w.REG_NUM, w.REG_DEN)
    return int(-(-size * m[den] // m[num])) if m[num] else 0


@inlined
def port_latency(m: Array, memory: int) -> int:
    """Latency of a core memory's port."""
    return int(m[w.SRAM_LATENCY if memory == 0 else w.REG_LATENCY])


@inlined
def _port(m: Array, memory: int, core: int) -> int:
    """The server that is a core memory's port."""
    return int(m[w.SERVERS] + ((w.SRAM + memory) * m[w.CORES] + core) * SERVER_WORDS)


@compiled
def _copies(m: Array, flight: int, core: int) -> int:
    count = 0
    target = flight + w.FLIGHT_WORDS
    for _ in range(m[flight + w.F_TARGETS]):
        if m[target + w.D_CORE] == core:
            count += 1
        target += w.TARGET_WORDS
    return count
