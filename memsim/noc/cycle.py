"""A network cycle by cycle, compiled.

The order within a cycle is that of BookSim2's traffic manager and ``iq_router``: what links deliver; then each node sends
at most one flit of the packet at the head of its queue; then each router decides and acts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.noc.allocation import Tables, allocate, list_ready, start, uniform, unlist_ready
from memsim.noc.columns import (
    ACCEPTED,
    ACTIVE,
    BUFFER,
    BUFFERS,
    C_COUNT,
    C_FIRST,
    C_LOW,
    C_OUT,
    C_STATE,
    CALENDAR,
    CHANNELS,
    COUNTS,
    CREATED,
    CREDIT,
    CUT_THROUGH,
    DELIVERED,
    DRAIN_AT,
    DRAINING,
    FAULTS,
    FLITS,
    FLYING,
    FLYING_CREATED,
    FREE,
    HOPS,
    I_UPSTREAM,
    IDLE,
    INPUTS,
    K_CLASS,
    K_CREATED,
    K_FLITS,
    K_FREE,
    K_HOPS,
    K_INJECTED,
    K_NEXT,
    K_RECORD,
    K_SOURCE,
    K_TAG,
    K_TARGET,
    LATENCY,
    MEASURED,
    N_CHANNEL,
    N_END,
    N_LAST,
    N_LEFT,
    N_NEXT,
    N_PACKET,
    N_PORT,
    N_SENT,
    NETWORK,
    NODES,
    O_BUSY,
    O_CREDITS,
    OPTIONS,
    OUTS,
    P_CREDIT,
    P_DELAY,
    P_FLITS,
    P_FREE_AT,
    P_INPUT,
    P_INTERVAL,
    P_POINTER,
    PACKETS,
    PHASE,
    PORTS,
    R_IN,
    R_INS,
    R_OUT,
    R_OUTS,
    R_READY,
    R_WAITING,
    RETIRED,
    ROUTERS,
    ROUTING,
    RUNNING,
    S_OFFSET,
    S_POINTER,
    S_STAMP,
    S_WINNER,
    SHIFT,
    SPEEDUP,
    STOP,
    SWITCH,
    WARMING,
    V,
)


@inlined
def post(when: int, what: int, value: int, s: Tables) -> None:
    """Book an event for a later cycle. Column 0 of a slot holds how many it has."""
    calendar = s[CALENDAR]
    slot = when & (calendar.shape[0] - 1)
    place = 2 * calendar[slot, 0] + 1
    calendar[slot, place], calendar[slot, place + 1] = what, value
    calendar[slot, 0] += 1


@inlined
def measure(packet: int, t: int, s: Tables, finish: Any) -> None:
    """A packet has arrived: count it, and free its row."""
    packets, counts, phase = s[PACKETS], s[COUNTS], s[OPTIONS][0, PHASE]
    if phase == WARMING or packets[packet, K_RECORD]:
        counts[0, LATENCY] += t - packets[packet, K_CREATED]
        counts[0, NETWORK] += t - packets[packet, K_INJECTED]
        counts[0, HOPS] += packets[packet, K_HOPS]
        counts[0, DELIVERED] += 1
    counts[0, MEASURED] -= packets[packet, K_RECORD]
    counts[0, RETIRED] += 1
    tag = packets[packet, K_TAG]
    if tag >= 0 and finish[tag] < t:
        finish[tag] = t
    packets[counts[0, FREE], K_FREE] = packet
    counts[0, FREE] += 1


@inlined
def retire(flit: int, t: int, s: Tables, finish: Any) -> None:
    """A node takes a flit. Those of a packet must come once each and in order."""
    packets, counts = s[PACKETS], s[COUNTS]
    packet, place = flit >> SHIFT, flit & ((1 << SHIFT) - 1)
    counts[0, FLYING] -= 1
    counts[0, FLYING_CREATED] -= packets[packet, K_CREATED]
    if s[OPTIONS][0, PHASE] != DRAINING:
        counts[0, ACCEPTED] += 1
    if place != packets[packet, K_NEXT]:
        counts[0, FAULTS] += 1
    packets[packet, K_NEXT] = place + 1
    if place + 1 == packets[packet, K_FLITS]:
        measure(packet, t, s, finish)


@inlined
def store(channel: int, flit: int, t: int, s: Tables, seed: Any) -> None:
    """A flit arrives at a buffer."""
    channels, size = s[CHANNELS], s[OPTIONS][0, BUFFER]
    if channels[channel, C_COUNT] == size:
        s[COUNTS][0, FAULTS] += 1
        return
    place = channels[channel, C_FIRST] + channels[channel, C_COUNT]
    s[BUFFERS][channel, place - size if place >= size else place] = flit
    channels[channel, C_COUNT] += 1
    if channels[channel, C_STATE] == IDLE:
        start(channel, t + s[OPTIONS][0, ROUTING], s, seed)
    elif channels[channel, C_STATE] == ACTIVE and channels[channel, C_COUNT] == 1:
        list_ready(channel, s)


@compiled
def receive(t: int, s: Tables, seed: Any, finish: Any) -> None:
    """What links deliver in this cycle."""
    calendar = s[CALENDAR]
    slot = t & (calendar.shape[0] - 1)
    for i in range(calendar[slot, 0]):
        what, value = calendar[slot, 2 * i + 1], calendar[slot, 2 * i + 2]
        if what == CREDIT:
            s[OUTS][value, O_CREDITS] += 1
        elif what >= 0:
            store(what, value, t, s, seed)
        else:
            retire(value, t, s, finish)
            out = -2 - what
            post(t + s[PORTS][out // s[OPTIONS][0, V], P_CREDIT], CREDIT, out, s)
    calendar[slot, 0] = 0


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
def create(node: int, created: int, target: int, flits: int, tag: int, s: Tables) -> None:
    """A packet comes to the head of a node's queue."""
    packets, counts, options = s[PACKETS], s[COUNTS], s[OPTIONS]
    counts[0, FREE] -= 1
    packet = packets[counts[0, FREE], K_FREE]
    phase = options[0, PHASE]
    record = 1 if phase == RUNNING or (phase == DRAINING and created < options[0, DRAIN_AT]) else 0
    packets[packet, K_SOURCE], packets[packet, K_TARGET], packets[packet, K_CREATED] = node, target, created
    packets[packet, K_FLITS], packets[packet, K_RECORD], packets[packet, K_TAG] = flits, record, tag
    packets[packet, K_CLASS], packets[packet, K_HOPS], packets[packet, K_NEXT] = 0, 0, 0
    s[NODES][node, N_PACKET], s[NODES][node, N_SENT] = packet, 0
    counts[0, FLYING] += flits
    counts[0, FLYING_CREATED] += flits * created
    counts[0, MEASURED] += record
    counts[0, CREATED] += 1


@inlined
def generate(node: int, t: int, s: Tables, chance: float, targets: Any, shares: Any, given: Any, seed: Any) -> None:
    """If a packet has come by now, take it: from a given list, or of a Bernoulli process."""
    nodes = s[NODES]
    if nodes[node, N_NEXT] > t:
        return
    if given.shape[0]:  # rows of time, target, flits and tag
        i = nodes[node, N_LEFT]
        create(node, given[i, 0], given[i, 1], given[i, 2], given[i, 3], s)
        nodes[node, N_LEFT] = i + 1
        nodes[node, N_NEXT] = given[i + 1, 0] if i + 1 < nodes[node, N_END] else 1 << 62
    else:
        create(node, nodes[node, N_NEXT], draw_target(node, targets, shares, seed), s[OPTIONS][0, FLITS], -1, s)
        nodes[node, N_NEXT] += gap(chance, seed)


@inlined
def free_channel(node: int, flits: int, s: Tables) -> int:
    """The next channel, round robin, that is free and has room; else -1."""
    v, nodes, outs = s[OPTIONS][0, V], s[NODES], s[OUTS]
    base, last = nodes[node, N_PORT] * v, nodes[node, N_LAST]
    room = flits if s[OPTIONS][0, CUT_THROUGH] else 1
    for i in range(1, v + 1):
        place = (last + i) % v
        if not outs[base + place, O_BUSY] and outs[base + place, O_CREDITS] >= room:
            nodes[node, N_LAST] = place
            return int(base + place)
    return -1


@inlined
def emit(flit: int, out: int, when: int, s: Tables) -> None:
    """Put a flit on a link, to arrive at a buffer or a node."""
    v, ports = s[OPTIONS][0, V], s[PORTS]
    port = out // v
    ports[port, P_FLITS] += 1
    s[OUTS][out, O_CREDITS] -= 1
    entrance = ports[port, P_INPUT]
    post(when + ports[port, P_DELAY] + 1, entrance * v + out % v if entrance >= 0 else -2 - out, flit, s)


@inlined
def inject(node: int, t: int, s: Tables) -> None:
    """Send one flit of the packet at the head of a node's queue, if a channel has a credit."""
    nodes, packets, outs, ports = s[NODES], s[PACKETS], s[OUTS], s[PORTS]
    packet, sent, port = nodes[node, N_PACKET], nodes[node, N_SENT], nodes[node, N_PORT]
    if ports[port, P_FREE_AT] > t:
        return
    flits = packets[packet, K_FLITS]
    if sent == 0:
        out = free_channel(node, flits, s)
        if out < 0:
            return
        nodes[node, N_CHANNEL] = out
        outs[out, O_BUSY] = 1
        packets[packet, K_INJECTED] = t
    out = nodes[node, N_CHANNEL]
    if not outs[out, O_CREDITS]:
        return
    ports[port, P_FREE_AT] = t + ports[port, P_INTERVAL]
    emit(packet << SHIFT | sent, out, t, s)
    nodes[node, N_SENT] = sent + 1
    if sent + 1 == flits:
        outs[out, O_BUSY] = 0
        nodes[node, N_PACKET] = -1


@inlined
def send(channel: int, router: int, t: int, s: Tables, seed: Any) -> None:
    """The front flit of a channel crosses the switch; what lies behind it moves up."""
    channels, packets, size = s[CHANNELS], s[PACKETS], s[OPTIONS][0, BUFFER]
    out, flit = channels[channel, C_OUT], s[BUFFERS][channel, channels[channel, C_FIRST]]
    packet, place = flit >> SHIFT, flit & ((1 << SHIFT) - 1)
    place_next = channels[channel, C_FIRST] + 1
    channels[channel, C_FIRST] = 0 if place_next == size else place_next
    channels[channel, C_COUNT] -= 1
    if place == 0:
        packets[packet, K_HOPS] += 1
    emit(flit, out, t + 1, s)  # switch traversal takes a cycle
    entrance = channel // s[OPTIONS][0, V]
    upstream = s[INPUTS][entrance, I_UPSTREAM]
    back = upstream * s[OPTIONS][0, V] + channel % s[OPTIONS][0, V]
    post(t + s[PORTS][upstream, P_CREDIT], CREDIT, back, s)
    tail = place + 1 == packets[packet, K_FLITS]
    if tail:
        s[OUTS][out, O_BUSY] = 0
    if tail or channels[channel, C_COUNT] == 0:
        unlist_ready(channel, router, s)
    if tail:
        channels[channel, C_STATE] = IDLE
        if channels[channel, C_COUNT]:
            start(channel, t + 1 + s[OPTIONS][0, ROUTING], s, seed)


@compiled
def act(router: int, t: int, s: Tables, seed: Any) -> None:
    """The winners of the switch send, unless one has bet on a channel that it did not get or that has no credit."""
    v, speedup, routers, switch = s[OPTIONS][0, V], s[OPTIONS][0, SPEEDUP], s[ROUTERS], s[SWITCH]
    first, size, width = routers[router, R_IN] * speedup, routers[router, R_INS] * speedup, routers[router, R_OUTS]
    for e in range(first, first + size):
        if switch[e, S_STAMP] != t:
            continue
        channel = switch[e, S_WINNER]
        out = s[CHANNELS][channel, C_OUT if s[CHANNELS][channel, C_STATE] == ACTIVE else C_LOW]
        port = out // v
        s[PORTS][port, P_POINTER] = (e - first + 1) % size
        switch[e, S_POINTER] = (port - routers[router, R_OUT] + 1) % width
        switch[e, S_OFFSET] = (channel % v + speedup) % v
        if s[CHANNELS][channel, C_STATE] == ACTIVE and s[OUTS][s[CHANNELS][channel, C_OUT], O_CREDITS]:
            s[PORTS][port, P_FREE_AT] = t + s[PORTS][port, P_INTERVAL]
            send(channel, router, t, s, seed)


@compiled
def advance(
    begin: int, end: int, s: Tables, chance: float, targets: Any, shares: Any, given: Any, seed: Any, finish: Any
) -> int:
    """Run cycles ``begin`` … ``end`` − 1, or, if so asked, until no packet that counts is left; say where it stopped."""
    nodes, counts, routers, options = s[NODES], s[COUNTS], s[ROUTERS], s[OPTIONS]
    for t in range(begin, end):
        receive(t, s, seed, finish)
        more = False
        for node in range(nodes.shape[0]):
            if nodes[node, N_PACKET] < 0:
                generate(node, t, s, chance, targets, shares, given, seed)
            if nodes[node, N_PACKET] >= 0:
                inject(node, t, s)
            more = more or nodes[node, N_NEXT] < options[0, DRAIN_AT]
        for router in range(routers.shape[0]):
            if routers[router, R_WAITING] or routers[router, R_READY]:
                allocate(router, t, s)
                act(router, t, s, seed)
        if options[0, STOP] and not more and counts[0, MEASURED] == 0:
            return t + 1
    return end
