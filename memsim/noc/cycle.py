"""A network cycle by cycle, compiled.

The order within a cycle is that of BookSim2's traffic manager and ``iq_router``: what links deliver; then each node
sends at most one flit of the packet at the head of its queue; then each router decides and acts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.noc import words as w
from memsim.noc.allocation import Words, allocate, front, list_ready, start, uniform, unlist_ready


@inlined
def post(when: int, what: int, value: int, m: Words) -> None:
    """Book an event for a later cycle; the first word of a slot counts its events."""
    slot = m[w.SLOT_BASE] + (when & m[w.SLOT_MASK]) * m[w.SLOT_WORDS]
    place = slot + 2 * m[slot] + 1
    m[place], m[place + 1] = what, value
    m[slot] += 1


@inlined
def measure(packet: int, t: int, m: Words, finish: Any) -> None:
    """A packet has arrived: count it, and free its record."""
    if m[w.PHASE] == w.WARMING or m[packet + w.K_RECORD]:
        m[w.LATENCY] += t - m[packet + w.K_CREATED]
        m[w.NETWORK] += t - m[packet + w.K_INJECTED]
        m[w.HOPS] += m[packet + w.K_HOPS]
        m[w.DELIVERED] += 1
    m[w.MEASURED] -= m[packet + w.K_RECORD]
    m[w.RETIRED] += 1
    tag = m[packet + w.K_TAG]
    if tag >= 0 and finish[tag] < t:
        finish[tag] = t
    m[m[w.FREE_BASE] + m[w.FREE]] = packet
    m[w.FREE] += 1


@inlined
def retire(flit: int, t: int, m: Words, finish: Any) -> None:
    """A node takes a flit. Those of a packet must come once each and in order."""
    packet, place = flit >> w.SHIFT, flit & w.PLACE_MASK
    m[w.FLYING] -= 1
    m[w.FLYING_CREATED] -= m[packet + w.K_CREATED]
    if m[w.PHASE] != w.DRAINING:
        m[w.ACCEPTED] += 1
    if place != m[packet + w.K_NEXT]:
        m[w.FAULTS] += 1
    m[packet + w.K_NEXT] = place + 1
    if place + 1 == m[packet + w.K_FLITS]:
        measure(packet, t, m, finish)


@inlined
def store(channel: int, flit: int, t: int, m: Words, seed: Any) -> None:
    """A flit arrives at a buffer."""
    size, count = m[w.BUFFER], m[channel + w.C_COUNT]
    if count == size:
        m[w.FAULTS] += 1
        return
    place = m[channel + w.C_FIRST] + count
    m[channel + w.CHANNEL_WORDS + (place - size if place >= size else place)] = flit
    m[channel + w.C_COUNT] = count + 1
    if m[channel + w.C_STATE] == w.IDLE:
        start(channel, t + m[w.ROUTING], m, seed)
    elif m[channel + w.C_STATE] == w.ACTIVE and count == 0:
        list_ready(channel, m)


@compiled
def receive(t: int, m: Words, seed: Any, finish: Any) -> None:
    """What links deliver in this cycle."""
    slot = m[w.SLOT_BASE] + (t & m[w.SLOT_MASK]) * m[w.SLOT_WORDS]
    for event in range(slot + 1, slot + 1 + 2 * m[slot], 2):
        what, value = m[event], m[event + 1]
        if what == w.CREDIT:
            m[value + w.O_CREDITS] += 1
        elif what >= 0:
            store(what, value, t, m, seed)
        else:
            out = -2 - what
            retire(value, t, m, finish)
            post(t + m[m[out + w.O_PORT] + w.P_CREDIT_DELAY], w.CREDIT, out, m)
    m[slot] = 0


@inlined
def gap(chance: float, seed: Any) -> int:
    """Cycles to the next packet of a Bernoulli process."""
    if chance >= 1.0:
        return 1
    return int(np.log(1.0 - uniform(seed)) / np.log(1.0 - chance)) + 1


@inlined
def draw_target(node: int, targets: Any, shares: Any, seed: Any) -> int:
    """The target of a packet: one of a row, each as likely, or by cumulative shares."""
    choices = targets.shape[1]
    if choices == 1:
        return int(targets[node, 0])
    u = uniform(seed)
    if shares.shape[1] == 0:
        return int(targets[node, int(u * choices)])
    low, high = 0, choices - 1
    while low < high:
        middle = (low + high) // 2
        if u < shares[node, middle]:
            high = middle
        else:
            low = middle + 1
    return int(targets[node, low])


@inlined
def create(node: int, created: int, target: int, flits: int, tag: int, m: Words) -> None:
    """A packet comes to the head of a node's queue."""
    m[w.FREE] -= 1
    packet = m[m[w.FREE_BASE] + m[w.FREE]]
    record = 1 if m[w.PHASE] == w.RUNNING or (m[w.PHASE] == w.DRAINING and created < m[w.DRAIN_AT]) else 0
    m[packet + w.K_TARGET], m[packet + w.K_CREATED], m[packet + w.K_FLITS] = target, created, flits
    m[packet + w.K_RECORD], m[packet + w.K_TAG], m[packet + w.K_CLASS] = record, tag, 0
    m[packet + w.K_HOPS], m[packet + w.K_NEXT] = 0, 0
    m[node + w.N_PACKET], m[node + w.N_SENT] = packet, 0
    m[w.FLYING] += flits
    m[w.FLYING_CREATED] += flits * created
    m[w.MEASURED] += record
    m[w.CREATED] += 1


@inlined
def generate(number: int, node: int, m: Words, chance: float, targets: Any, shares: Any, given: Any, seed: Any) -> None:
    """Take the packet that has come: from a given list (time, target, flits, tag), or of a Bernoulli process."""
    if given.shape[0]:
        i = m[node + w.N_LEFT]
        create(node, given[i, 0], given[i, 1], given[i, 2], given[i, 3], m)
        m[node + w.N_LEFT] = i + 1
        m[node + w.N_NEXT] = given[i + 1, 0] if i + 1 < m[node + w.N_END] else w.NEVER
    else:
        create(node, m[node + w.N_NEXT], draw_target(number, targets, shares, seed), m[w.FLITS], -1, m)
        m[node + w.N_NEXT] += gap(chance, seed)


@inlined
def free_channel(node: int, flits: int, m: Words) -> int:
    """The next channel into the router, round robin, that is free and has room; else -1."""
    outs, room = m[m[node + w.N_PORT] + w.P_OUTS], flits if m[w.CUT_THROUGH] else 1
    for i in range(1, m[w.V] + 1):
        place = (m[node + w.N_LAST] + i) % m[w.V]
        out = outs + place * w.OUT_WORDS
        if not m[out + w.O_BUSY] and m[out + w.O_CREDITS] >= room:
            m[node + w.N_LAST] = place
            return int(out)
    return -1


@inlined
def emit(flit: int, out: int, when: int, m: Words) -> None:
    """Put a flit on a link, to arrive at a buffer or a node."""
    port, target = m[out + w.O_PORT], m[out + w.O_TARGET]
    m[port + w.P_FLITS] += 1
    m[out + w.O_CREDITS] -= 1
    post(when + m[port + w.P_DELAY] + 1, target if target >= 0 else -2 - out, flit, m)


@inlined
def inject(node: int, t: int, m: Words) -> None:
    """Send one flit of the packet at the head of a node's queue, if a channel has a credit."""
    packet, sent, port = m[node + w.N_PACKET], m[node + w.N_SENT], m[node + w.N_PORT]
    flits = m[packet + w.K_FLITS]
    if m[port + w.P_FREE_AT] > t:
        return
    if sent == 0:
        out = free_channel(node, flits, m)
        if out < 0:
            return
        m[node + w.N_OUT], m[out + w.O_BUSY], m[packet + w.K_INJECTED] = out, 1, t
    out = m[node + w.N_OUT]
    if not m[out + w.O_CREDITS]:
        return
    m[port + w.P_FREE_AT] = t + m[port + w.P_INTERVAL]
    emit(packet << w.SHIFT | sent, out, t, m)
    m[node + w.N_SENT] = sent + 1
    if sent + 1 == flits:
        m[out + w.O_BUSY] = 0
        m[node + w.N_PACKET] = -1


@inlined
def send(channel: int, t: int, m: Words, seed: Any) -> None:
    """The front flit of a channel crosses the switch, which takes a cycle; what lies behind it moves up."""
    out, flit = m[channel + w.C_OUT], front(channel, m)
    packet, place = flit >> w.SHIFT, flit & w.PLACE_MASK
    following = m[channel + w.C_FIRST] + 1
    m[channel + w.C_FIRST] = 0 if following == m[w.BUFFER] else following
    m[channel + w.C_COUNT] -= 1
    if place == 0:
        m[packet + w.K_HOPS] += 1
    emit(flit, out, t + 1, m)
    post(t + m[channel + w.C_BACK_DELAY], w.CREDIT, m[channel + w.C_BACK], m)
    tail = place + 1 == m[packet + w.K_FLITS]
    if tail or m[channel + w.C_COUNT] == 0:
        unlist_ready(channel, m)
    if tail:
        m[out + w.O_BUSY] = 0
        m[channel + w.C_STATE] = w.IDLE
        if m[channel + w.C_COUNT]:
            start(channel, t + 1 + m[w.ROUTING], m, seed)


@compiled
def act(router: int, t: int, m: Words, seed: Any) -> None:
    """The winners of the switch send, unless one has bet on a channel that it did not get or that has no credit."""
    first, size = m[router + w.R_SWITCH], m[router + w.R_SWITCHES]
    for entrance in range(first, first + size * w.SWITCH_WORDS, w.SWITCH_WORDS):
        if m[entrance + w.S_STAMP] != t:
            continue
        channel = m[entrance + w.S_WINNER]
        holds = m[channel + w.C_STATE] == w.ACTIVE
        out = m[channel + w.C_OUT] if holds else m[channel + w.C_LOW]
        port = m[out + w.O_PORT]
        m[port + w.P_POINTER] = (m[entrance + w.S_NUMBER] + 1) % size
        m[entrance + w.S_POINTER] = (m[port + w.P_NUMBER] + 1) % m[router + w.R_PORTS]
        m[entrance + w.S_OFFSET] = (m[channel + w.C_VC] + m[w.SPEEDUP]) % m[w.V]
        if holds and m[out + w.O_CREDITS]:
            m[port + w.P_FREE_AT] = t + m[port + w.P_INTERVAL]
            send(channel, t, m, seed)


@compiled
def advance(
    begin: int, end: int, m: Words, chance: float, targets: Any, shares: Any, given: Any, seed: Any, finish: Any
) -> int:
    """Run cycles ``begin`` … ``end`` - 1, or, if so asked, until no packet that counts is left."""
    for t in range(begin, end):
        receive(t, m, seed, finish)
        more = False
        for number in range(m[w.NODES]):
            node = m[w.NODE_BASE] + number * w.NODE_WORDS
            if m[node + w.N_PACKET] < 0 and m[node + w.N_NEXT] <= t:
                generate(number, node, m, chance, targets, shares, given, seed)
            if m[node + w.N_PACKET] >= 0:
                inject(node, t, m)
            more = more or m[node + w.N_NEXT] < m[w.DRAIN_AT]
        last = m[w.ROUTER_BASE] + m[w.ROUTERS] * w.ROUTER_WORDS
        for router in range(m[w.ROUTER_BASE], last, w.ROUTER_WORDS):
            if m[router + w.R_WAITING] or m[router + w.R_READY]:
                allocate(router, t, m)
                act(router, t, m, seed)
        if m[w.STOP] and not more and m[w.MEASURED] == 0:
            return t + 1
    return end
