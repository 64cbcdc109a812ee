"""Issuing a transfer: its targets, its bytes, its routes; then its slots are taken and it becomes a flight."""

from __future__ import annotations

from memsim.compiled import compiled
from memsim.engine.fast import words as w
from memsim.engine.fast.flights import PART_ORDER, begin_flight, new_flight, new_part
from memsim.engine.fast.flows import count_flow
from memsim.engine.fast.regions import find_pieces, sort_by_port
from memsim.engine.fast.requests import ask
from memsim.engine.fast.rings import NO_WAIT, open_back, push, slot_to_read, wait_to_open
from memsim.engine.fast.routes import UNKNOWN, route_to, route_to_cores
from memsim.engine.fast.targets import count_targets, target_of
from memsim.engine.fast.waits import all_readable, ring_of, spend, wait
from memsim.engine.memory import PIECE_WORDS
from memsim.engine.servers import SERVER_WORDS, Array, port_of

GO_ON, STOP, MISSING = range(3)
"""Whether a queue can go on to its next operation, must stop, or needs a route that is not known yet."""
OWN_PART = -1
"""The route of the part that stays in the core."""


@compiled
def transfer(m: Array, net: Array, queue: int, op: int) -> int:
    """Take the transfer at the head of a queue on by a stage: GO_ON, STOP or MISSING."""
    if m[queue + w.Q_STAGE] != w.IDLE:
        spend(m, queue, w.FOR_DMA, m[queue + w.Q_BEGUN] - m[queue + w.Q_ASKED])
        spend(m, queue, w.WORKING, m[op + w.O_INTERVAL])
        m[queue + w.Q_STAGE] = w.IDLE
        begin_flight(m, m[queue + w.Q_FLIGHT], m[queue + w.Q_BEGUN])
        return GO_ON
    targets = count_targets(m, op)
    flight = m[w.FREE_FLIGHT]
    if not all_readable(m, queue, op):
        return STOP
    _list_targets(m, queue, op, flight, targets)
    if not _all_open(m, queue, flight, targets):
        return STOP
    pieces, size = 0, m[op + w.O_BYTES]
    if m[op + w.O_ACCESS] >= 0:
        first, sequence = flight + m[w.PIECES_AT], m[queue + w.Q_SEQUENCE]
        pieces, size = find_pieces(m, m[op + w.O_ACCESS], queue + w.QUEUE_WORDS, sequence, first)
    flying = m[queue + w.Q_TRANSFERS]
    if flying >= m[w.MAX_TRANSFERS] or (flying and m[queue + w.Q_BYTES] + size > m[w.MAX_BYTES]):
        m[queue + w.Q_STAGE], m[queue + w.Q_REASON], m[queue + w.Q_SINCE] = w.WAITING, w.LIMIT, m[w.NOW]
        return STOP
    ways = _find_ways(m, net, queue, op, targets, pieces, size)
    if ways < 0:
        return MISSING
    _take(m, net, queue, op, targets, size, ways)
    server = m[w.SERVERS] + (w.DMA * m[w.CORES] + m[flight + w.F_CORE]) * SERVER_WORDS
    ask(m, w.USE_DMA, queue, queue, m[queue + w.Q_SEQUENCE], 0, server, m[op + w.O_INTERVAL], 0)
    m[queue + w.Q_ASKED], m[queue + w.Q_STAGE] = m[w.NOW], w.AT_DMA
    return STOP


@compiled
def _all_open(m: Array, queue: int, flight: int, targets: int) -> bool:
    """Whether all targets have a free slot; if not, the queue waits for the first that has none."""
    target = flight + w.FLIGHT_WORDS
    for _ in range(targets):
        if wait_to_open(m, m[target + w.D_RING]) != NO_WAIT:
            wait(m, queue, m[target + w.D_RING], w.SPACE, -1)
            return False
        target += w.TARGET_WORDS
    return True


@compiled
def _list_targets(m: Array, queue: int, op: int, flight: int, targets: int) -> None:
    """Note the targets in the flight, cores ascending."""
    first, kept = flight + w.FLIGHT_WORDS, queue + w.QUEUE_WORDS + 2 * m[w.COUNTERS]
    if m[queue + w.Q_AIM] == op:
        for word in range(targets * w.TARGET_WORDS):
            m[first + word] = m[kept + word]
        return
    for i in range(targets):
        core, ring = target_of(m, queue, op, i)
        at = first + i * w.TARGET_WORDS
        while at > first and m[at - w.TARGET_WORDS + w.D_CORE] > core:
            m[at + w.D_CORE], m[at + w.D_RING] = m[at - w.TARGET_WORDS + w.D_CORE], m[at - w.TARGET_WORDS + w.D_RING]
            at -= w.TARGET_WORDS
        m[at + w.D_CORE], m[at + w.D_RING] = core, ring
    if m[op + w.O_FIXED]:
        m[queue + w.Q_AIM] = op
        for word in range(targets * w.TARGET_WORDS):
            m[kept + word] = m[first + word]


# ---- ways: the parts that the transfer is going to have ----


@compiled
def _find_ways(m: Array, net: Array, queue: int, op: int, targets: int, pieces: int, size: int) -> int:
    """List the parts; returns how many, or -1 where a route is not known."""
    if size == 0:
        return 0
    if m[op + w.O_WAY] == w.ON_CHIP:
        return _ways_on_chip(m, net, queue, targets, size)
    first = m[w.FREE_FLIGHT] + m[w.PIECES_AT]
    ports = near = m[w.DRAM_PORTS + m[op + w.O_ROLE]]
    banks = m[w.DRAM_BANKS + m[op + w.O_ROLE]]
    first_port = 0
    if m[op + w.O_WAY] == w.LOAD and m[op + w.O_ROLE] == 0:
        near = m[w.NEAR_PORTS]
        first_port = m[m[w.FIRST_PORTS] + m[m[queue + w.Q_SEAT] + w.S_CORE]]
    if near > 1 and pieces > 1:
        sort_by_port(m, first, pieces, ports, banks, near)
    last = first + PIECE_WORDS * pieces
    count = 0
    while first < last:
        port = port_of(m[first], ports, banks) % near if near > 1 else 0
        following, size = first, 0
        while following < last and (near == 1 or port_of(m[following], ports, banks) % near == port):
            size += m[following + 1]
            following += PIECE_WORDS
        way = _new_way(m, count, first_port + port, size)
        m[way + w.W_FIRST_PIECE], m[way + w.W_PIECES] = first, (following - first) // PIECE_WORDS
        if not _find_routes(m, net, way, queue, op, targets):
            return -1
        first = following
        count += 1
    return count


@compiled
def _find_routes(m: Array, net: Array, way: int, queue: int, op: int, targets: int) -> bool:
    """Find the routes to the memory's port and, for a load, from there; False where one is not known."""
    core = m[m[queue + w.Q_SEAT] + w.S_CORE]
    memory = m[w.CORES] + m[op + w.O_ROLE] * m[w.PORTS] + m[way + w.W_PORT]
    route = route_to(m, net, core, memory)
    if route == UNKNOWN:
        return False
    if m[op + w.O_WAY] == w.LOAD:
        m[way + w.W_REQUEST] = net[route + w.V_LATENCY]
        route = route_to_cores(m, net, memory, m[w.FREE_FLIGHT], targets, -1)
    m[way + w.W_ROUTE] = route
    return route != UNKNOWN


@compiled
def _ways_on_chip(m: Array, net: Array, queue: int, targets: int, size: int) -> int:
    flight, core = m[w.FREE_FLIGHT], m[m[queue + w.Q_SEAT] + w.S_CORE]
    here = others = False
    for i in range(targets):
        if m[flight + w.FLIGHT_WORDS + i * w.TARGET_WORDS + w.D_CORE] == core:
            here = True
        else:
            others = True
    count = 0
    if others:
        route = route_to_cores(m, net, core, flight, targets, core)
        if route == UNKNOWN:
            return -1
        m[_new_way(m, count, 0, size) + w.W_ROUTE] = route
        count += 1
    if here or targets == 0:
        m[_new_way(m, count, 1, size) + w.W_ROUTE] = OWN_PART
        count += 1
    return count


@compiled
def _new_way(m: Array, number: int, port: int, size: int) -> int:
    way = m[w.WAY_BASE] + number * w.WAY_WORDS
    m[way : way + w.WAY_WORDS] = 0
    m[way + w.W_PORT], m[way + w.W_SIZE] = port, size
    return int(way)


# ---- taking the slots ----


@compiled
def _take(m: Array, net: Array, queue: int, op: int, targets: int, size: int, ways: int) -> None:
    """Take the slots, and make the flight and its parts."""
    flight, seat = new_flight(m, queue), m[queue + w.Q_SEAT]
    m[flight + w.F_SIZE], m[flight + w.F_TARGETS] = size, targets
    if m[op + w.O_READS]:
        tile = m[op + w.O_FIRST_READ]
        ring = ring_of(m, queue, m[tile + w.READ_RING])
        slot = slot_to_read(m, ring, m[queue + w.Q_NUMBER], m[tile + w.READ_AHEAD])
        m[flight + w.F_SOURCE_RING], m[flight + w.F_SOURCE_SLOT] = ring, slot
        m[slot + w.T_READING] += 1
    target = flight + w.FLIGHT_WORDS
    for _ in range(targets):
        m[target + w.D_SLOT] = open_back(m, m[target + w.D_RING])
        push(m, m[target + w.D_RING])
        m[m[target + w.D_SLOT] + w.T_ARRIVING] += 1
        target += w.TARGET_WORDS
    for i in range(ways):
        _add_part(m, net, flight, m[w.WAY_BASE] + i * w.WAY_WORDS)
    m[queue + w.Q_FLIGHT] = flight
    m[queue + w.Q_TRANSFERS] += 1
    m[queue + w.Q_BYTES] += size
    m[seat + w.S_UNFINISHED] += 1
    m[m[op + w.O_COUNTS] + m[seat + w.S_CORE] * w.COUNT_WORDS + w.MOVED] += size
    if size == 0:
        m[op + w.O_EMPTY] = 1


@compiled
def _add_part(m: Array, net: Array, flight: int, way: int) -> None:
    op, route, size = m[flight + w.F_OPERATION], m[way + w.W_ROUTE], m[way + w.W_SIZE]
    node = net[route + w.V_NODE] if route >= 0 else -1
    part = new_part(m, flight, (m[way + w.W_PORT] + 1) * PART_ORDER, route, node, size)
    m[part + w.P_PORT], m[part + w.P_REQUEST] = m[way + w.W_PORT], m[way + w.W_REQUEST]
    m[part + w.P_FIRST_PIECE], m[part + w.P_PIECES] = m[way + w.W_FIRST_PIECE], m[way + w.W_PIECES]
    m[part + w.P_CORE] = m[flight + w.F_CORE]
    if route >= 0:
        count_flow(m, net, route, m[op + w.O_STEP], m[flight + w.F_CORE], size)
        if m[op + w.O_WAY] != w.LOAD:  # the source slot is given back when the tile has passed the first links
            m[part + w.P_AT_SOURCE] = 1
            m[flight + w.F_LEAVING] += 1 if net[node + w.N_HOPS] else net[node + w.N_FORKS]
