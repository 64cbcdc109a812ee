"""Routes, found by source and targets in a hash table; Python finds those that are not there yet."""

from __future__ import annotations

from memsim.compiled import compiled, inlined
from memsim.engine.fast import words as w
from memsim.engine.servers import Array

UNKNOWN = -1


@inlined
def mixed(value: int) -> int:
    """A well-mixed non-negative number."""
    value = (value ^ (value >> 31)) * 0x7FB5D329728EA185
    value = (value ^ (value >> 27)) * 0x1B873593CC9E2D51
    return int((value ^ (value >> 33)) & 0x3FFFFFFFFFFFFFFF)


@compiled
def find_route(net: Array, source: int, words: Array, targets: int, count: int) -> int:
    """The route from a node to ``count`` others, listed in ``words`` from ``targets`` on; or UNKNOWN."""
    key = source
    for i in range(count):
        key = mixed(key * 1_000_003 + words[targets + i])
    table, room = net[w.NET_TABLE], net[w.NET_ROOM]
    at = key % room
    while net[table + at] >= 0:
        route = net[table + at]
        if net[route + w.V_SOURCE] == source and net[route + w.V_TARGETS] == count:
            known = net[route + w.V_FIRST_TARGET]
            same = True
            for i in range(count):
                same = same and net[known + i] == words[targets + i]
            if same:
                return int(route)
        at = (at + 1) % room
    return UNKNOWN


@compiled
def insert_route(net: Array, route: int) -> None:
    """Enter a route in the hash table."""
    key = net[route + w.V_SOURCE]
    for i in range(net[route + w.V_TARGETS]):
        key = mixed(key * 1_000_003 + net[net[route + w.V_FIRST_TARGET] + i])
    table, room = net[w.NET_TABLE], net[w.NET_ROOM]
    at = key % room
    while net[table + at] >= 0:
        at = (at + 1) % room
    net[table + at] = route


@compiled
def route_to(m: Array, net: Array, source: int, target: int) -> int:
    """The route from a node to one other, or UNKNOWN."""
    m[m[w.MISSING_BASE]] = target
    m[w.MISSING_SOURCE], m[w.MISSING_TARGETS] = source, 1
    return find_route(net, source, m, m[w.MISSING_BASE], 1)


@compiled
def route_to_cores(m: Array, net: Array, source: int, flight: int, targets: int, but: int) -> int:
    """The tree from a node to the cores of a flight's targets (each once, but for the core ``but``), or UNKNOWN."""
    count = 0
    listed = m[w.MISSING_BASE]
    for i in range(targets):
        core = m[flight + w.FLIGHT_WORDS + i * w.TARGET_WORDS + w.D_CORE]
        if core != but and (count == 0 or m[listed + count - 1] != core):
            m[listed + count] = core
            count += 1
    m[w.MISSING_SOURCE], m[w.MISSING_TARGETS] = source, count
    return find_route(net, source, m, listed, count)
