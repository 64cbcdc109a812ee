"""A router's decisions, compiled: routing, allocation of channels to heads and of the switch to flits.

Both allocators are iSLIP with one iteration (McKeown, IEEE/ACM Trans. Networking 7(2), 1999), as BookSim2 has it: an
output grants to the first that asks at or after its pointer, an input accepts the first grant at or after its own, and
pointers move only past what is accepted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.noc.columns import (
    ACTIVE,
    BUFFERS,
    C_ASKED_AT,
    C_FIRST,
    C_GRANT,
    C_GRANTED_AT,
    C_HIGH,
    C_LOW,
    C_OUT,
    C_PLACE,
    C_POINTER,
    C_READY_AT,
    C_STATE,
    CHANNELS,
    CHOICES,
    CLASSES,
    CUT_THROUGH,
    EITHER_CLASS,
    FIRST,
    I_DIM,
    I_ROUTER,
    INPUTS,
    K_CLASS,
    K_FLITS,
    K_TARGET,
    L_READY,
    L_WAITING,
    LISTS,
    NEXT_CLASS,
    O_BEST,
    O_BUSY,
    O_CREDITS,
    O_POINTER,
    O_STAMP,
    O_WINNER,
    OPTIONS,
    OUTS,
    P_BEST,
    P_DIM,
    P_FREE_AT,
    P_NODE,
    P_POINTER,
    P_STAMP,
    P_WINNER,
    PACKETS,
    PORTS,
    R_IN,
    R_INS,
    R_OUT,
    R_OUTS,
    R_READY,
    R_WAITING,
    ROUTERS,
    S_BEST,
    S_OFFSET,
    S_POINTER,
    S_STAMP,
    S_WINNER,
    SAME_CLASS,
    SHIFT,
    SPECULATIVE,
    SPEEDUP,
    SWITCH,
    WAITING,
    V,
)

Tables = Any
"""A tuple of two-dimensional arrays of int64, in the order of `memsim.noc.columns`."""


@inlined
def uniform(seed: Any) -> float:
    """A number in [0, 1): SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def after(place: int, pointer: int, size: int) -> int:
    """How far a place lies after a round-robin pointer."""
    far = place - pointer
    return far + size if far < 0 else far


@inlined
def route(packet: int, channel: int, s: Tables, seed: Any) -> None:
    """Choose an output port and the channels of it that a packet may take, at the front of an input channel."""
    v, channels, ports, packets = s[OPTIONS][0, V], s[CHANNELS], s[PORTS], s[PACKETS]
    entrance = channel // v
    router, target = s[INPUTS][entrance, I_ROUTER], packets[packet, K_TARGET]
    low, high = s[FIRST][router, target], s[FIRST][router, target + 1]
    if high - low > 1:
        low += int(uniform(seed) * (high - low))
    port, entry = s[CHOICES][low, 0], s[CHOICES][low, 1]
    if ports[port, P_NODE] >= 0:  # on the way out, any channel will do
        channels[channel, C_LOW], channels[channel, C_HIGH] = port * v, port * v + v
        return
    kind = packets[packet, K_CLASS]
    if entry == NEXT_CLASS:
        packets[packet, K_CLASS] = kind + 1
    elif entry != SAME_CLASS and s[INPUTS][entrance, I_DIM] != ports[port, P_DIM]:
        kind = int(uniform(seed) * 2) if entry == EITHER_CLASS else entry
        packets[packet, K_CLASS] = kind
    classes = s[OPTIONS][0, CLASSES]
    channels[channel, C_LOW] = port * v + kind * v // classes
    channels[channel, C_HIGH] = port * v + (kind + 1) * v // classes


@inlined
def list_ready(channel: int, s: Tables) -> None:
    """List a channel whose front flit may ask for the switch."""
    v, routers = s[OPTIONS][0, V], s[ROUTERS]
    router = s[INPUTS][channel // v, I_ROUTER]
    place = routers[router, R_IN] * v + routers[router, R_READY]
    s[LISTS][L_READY, place] = channel
    s[CHANNELS][channel, C_PLACE] = place
    routers[router, R_READY] += 1


@inlined
def unlist_ready(channel: int, router: int, s: Tables) -> None:
    """The opposite: the last of the list takes its place."""
    routers, ready, channels = s[ROUTERS], s[LISTS][L_READY], s[CHANNELS]
    routers[router, R_READY] -= 1
    last = ready[routers[router, R_IN] * s[OPTIONS][0, V] + routers[router, R_READY]]
    ready[channels[channel, C_PLACE]] = last
    channels[last, C_PLACE] = channels[channel, C_PLACE]


@inlined
def start(channel: int, at: int, s: Tables, seed: Any) -> None:
    """A head has become the front of its channel: route it; from cycle ``at`` on it asks for an output channel."""
    v, channels, routers = s[OPTIONS][0, V], s[CHANNELS], s[ROUTERS]
    route(s[BUFFERS][channel, channels[channel, C_FIRST]] >> SHIFT, channel, s, seed)
    channels[channel, C_STATE], channels[channel, C_READY_AT] = WAITING, at
    router = s[INPUTS][channel // v, I_ROUTER]
    s[LISTS][L_WAITING, routers[router, R_IN] * v + routers[router, R_WAITING]] = channel
    routers[router, R_WAITING] += 1
    if s[OPTIONS][0, SPECULATIVE]:
        list_ready(channel, s)


@inlined
def needed(channel: int, s: Tables) -> int:
    """Credits that a head needs before it may take an output channel: with cut-through, all of its packet's."""
    if not s[OPTIONS][0, CUT_THROUGH]:
        return 0
    flit = s[BUFFERS][channel, s[CHANNELS][channel, C_FIRST]]
    return int(s[PACKETS][flit >> SHIFT, K_FLITS])


@inlined
def grant_channels(router: int, t: int, s: Tables) -> None:
    """Each free output channel chooses among the heads that may take it."""
    v, routers, channels, outs = s[OPTIONS][0, V], s[ROUTERS], s[CHANNELS], s[OUTS]
    base, size = routers[router, R_IN] * v, routers[router, R_INS] * v
    for i in range(base, base + routers[router, R_WAITING]):
        channel = s[LISTS][L_WAITING, i]
        if channels[channel, C_READY_AT] > t:
            continue
        credits = needed(channel, s)
        for out in range(channels[channel, C_LOW], channels[channel, C_HIGH]):
            if outs[out, O_BUSY] or outs[out, O_CREDITS] < credits:
                continue
            far = after(channel - base, outs[out, O_POINTER], size)
            if outs[out, O_STAMP] != t or far < outs[out, O_BEST]:
                outs[out, O_STAMP], outs[out, O_BEST], outs[out, O_WINNER] = t, far, channel


@inlined
def accept_channels(router: int, t: int, s: Tables) -> None:
    """Each head accepts one of the output channels that chose it."""
    v, routers, channels, outs = s[OPTIONS][0, V], s[ROUTERS], s[CHANNELS], s[OUTS]
    base, size = routers[router, R_IN] * v, routers[router, R_INS] * v
    first, width = routers[router, R_OUT] * v, routers[router, R_OUTS] * v
    for i in range(base, base + routers[router, R_WAITING]):
        channel = s[LISTS][L_WAITING, i]
        best, chosen = width, -1
        for out in range(channels[channel, C_LOW], channels[channel, C_HIGH]):
            if outs[out, O_STAMP] == t and outs[out, O_WINNER] == channel:
                far = after(out - first, channels[channel, C_POINTER], width)
                if far < best:
                    best, chosen = far, out
        if chosen >= 0:
            channels[channel, C_GRANT], channels[channel, C_GRANTED_AT] = chosen, t
            channels[channel, C_POINTER] = (chosen - first + 1) % width
            outs[chosen, O_POINTER] = (channel - base + 1) % size


@inlined
def asked_port(channel: int, t: int, s: Tables) -> int:
    """The output port that the front flit of a channel asks for: it has a credit, or bets on a channel with one."""
    v, channels, outs = s[OPTIONS][0, V], s[CHANNELS], s[OUTS]
    if channels[channel, C_STATE] == ACTIVE:
        out = channels[channel, C_OUT]
        return int(out // v) if outs[out, O_CREDITS] and s[PORTS][out // v, P_FREE_AT] <= t else -1
    port = channels[channel, C_LOW] // v
    if channels[channel, C_READY_AT] > t or s[PORTS][port, P_FREE_AT] > t:
        return -1
    for out in range(channels[channel, C_LOW], channels[channel, C_HIGH]):
        if not outs[out, O_BUSY] and outs[out, O_CREDITS]:
            return int(port)
    return -1


@inlined
def grant_switch(router: int, t: int, s: Tables) -> None:
    """Each output port chooses among the switch inputs with a flit for it."""
    v, speedup, routers, ports = s[OPTIONS][0, V], s[OPTIONS][0, SPEEDUP], s[ROUTERS], s[PORTS]
    base, size = routers[router, R_IN] * v, routers[router, R_INS] * speedup
    for i in range(base, base + routers[router, R_READY]):
        channel = s[LISTS][L_READY, i]
        port = asked_port(channel, t, s)
        if port < 0:
            continue
        s[CHANNELS][channel, C_ASKED_AT] = t
        entrance = (channel - base) // v * speedup + channel % v % speedup
        far = after(entrance, ports[port, P_POINTER], size)
        if ports[port, P_STAMP] != t or far < ports[port, P_BEST]:
            ports[port, P_STAMP], ports[port, P_BEST], ports[port, P_WINNER] = t, far, entrance


@inlined
def accept_switch(router: int, t: int, s: Tables) -> None:
    """Each switch input accepts one output port; of its channels for that, those that hold one come first, in turn."""
    v, speedup, routers = s[OPTIONS][0, V], s[OPTIONS][0, SPEEDUP], s[ROUTERS]
    channels, ports, switch = s[CHANNELS], s[PORTS], s[SWITCH]
    base, first_in, width = routers[router, R_IN] * v, routers[router, R_IN] * speedup, routers[router, R_OUTS]
    for i in range(base, base + routers[router, R_READY]):
        channel = s[LISTS][L_READY, i]
        if channels[channel, C_ASKED_AT] != t:
            continue
        holds = channels[channel, C_STATE] == ACTIVE
        port = (channels[channel, C_OUT] if holds else channels[channel, C_LOW]) // v
        entrance = (channel - base) // v * speedup + channel % v % speedup
        if ports[port, P_WINNER] != entrance:
            continue
        entrance += first_in
        far = after(port - routers[router, R_OUT], switch[entrance, S_POINTER], width)
        rank = (far * 2 + (0 if holds else 1)) * v + after(channel % v, switch[entrance, S_OFFSET], v)
        if switch[entrance, S_STAMP] != t or rank < switch[entrance, S_BEST]:
            switch[entrance, S_STAMP], switch[entrance, S_BEST], switch[entrance, S_WINNER] = t, rank, channel


@inlined
def take_channels(router: int, t: int, s: Tables) -> None:
    """Heads that accepted an output channel hold it from now on."""
    routers, channels, waiting = s[ROUTERS], s[CHANNELS], s[LISTS][L_WAITING]
    base, kept = routers[router, R_IN] * s[OPTIONS][0, V], 0
    for i in range(base, base + routers[router, R_WAITING]):
        channel = waiting[i]
        if channels[channel, C_GRANTED_AT] == t:
            channels[channel, C_STATE], channels[channel, C_OUT] = ACTIVE, channels[channel, C_GRANT]
            s[OUTS][channels[channel, C_OUT], O_BUSY] = 1
            if not s[OPTIONS][0, SPECULATIVE]:
                list_ready(channel, s)
        else:
            waiting[base + kept] = channel
            kept += 1
    routers[router, R_WAITING] = kept


@compiled
def allocate(router: int, t: int, s: Tables) -> None:
    """Both allocators, on the state at the start of the cycle; then channels change hands."""
    waits = s[ROUTERS][router, R_WAITING]
    if waits:
        grant_channels(router, t, s)
        accept_channels(router, t, s)
    if s[ROUTERS][router, R_READY]:
        grant_switch(router, t, s)
        accept_switch(router, t, s)
    if waits:
        take_channels(router, t, s)
