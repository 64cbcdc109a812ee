"""Bytes on the network, counted by step, issuing core and wire length."""

from __future__ import annotations

from memsim.compiled import compiled
from memsim.engine.fast import words as w
from memsim.engine.fast.routes import mixed
from memsim.engine.servers import BYTES, SERVER_WORDS, Array

LENGTHS = 1 << 24
"""A flow's key is ``(step * cores + core) * LENGTHS`` plus the number of its wire length."""


@compiled
def count_flow(m: Array, net: Array, route: int, step: int, core: int, size: int) -> None:
    """Count the bytes that a transfer sends over a route."""
    first = net[route + w.V_FIRST_LINK]
    for i in range(first, first + net[route + w.V_LINKS]):
        m[m[w.SERVERS] + net[i] * SERVER_WORDS + BYTES] += size
    key = (step * m[w.CORES] + core) * LENGTHS + net[route + w.V_LENGTH]
    flow = find_flow(m, key)
    if m[flow + w.FLOW_KEY] < 0:
        m[flow + w.FLOW_KEY] = key
        m[w.FLOWS] += 1
    m[flow + w.FLOW_BYTES] += size
    m[flow + w.FLOW_ROUTER_BYTES] += size * net[route + w.V_ROUTERS]


@compiled
def find_flow(m: Array, key: int) -> int:
    """The flow of a key, or an empty place for it."""
    at = mixed(key) % m[w.FLOW_ROOM]
    flow = m[w.FLOW_BASE] + at * w.FLOW_WORDS
    while m[flow] != key and m[flow] >= 0:
        at = (at + 1) % m[w.FLOW_ROOM]
        flow = m[w.FLOW_BASE] + at * w.FLOW_WORDS
    return int(flow)


@compiled
def move_flows(m: Array, old_base: int, old_room: int) -> None:
    """Enter the flows of an old table in the new one."""
    for old in range(old_base, old_base + old_room * w.FLOW_WORDS, w.FLOW_WORDS):
        if m[old] >= 0:
            flow = find_flow(m, m[old])
            m[flow : flow + w.FLOW_WORDS] = m[old : old + w.FLOW_WORDS]
