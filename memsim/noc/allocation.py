"""A router's decisions, compiled: routing, allocation of channels to heads and of the switch to flits.

Both allocators are iSLIP with one iteration (N. McKeown, IEEE/ACM Trans. Networking 7(2), 1999), as BookSim2 has it: an
output grants to the first that asks at or after its pointer, an input accepts the first grant at or after its own, and
pointers move only past what is accepted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.noc import words as w

Words = Any
"""The array of int64 that `memsim.noc.words` describes."""


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
def route(packet: int, channel: int, m: Words, seed: Any) -> None:
    """Choose an output port and the channels of it that a packet may take, at the front of an input channel."""
    row = m[m[channel + w.C_ROUTER] + w.R_FIRST] + m[packet + w.K_TARGET]
    low, high = m[row], m[row + 1]
    if high - low > 1:
        low += int(uniform(seed) * (high - low))
    choice = m[w.CHOICE_BASE] + 2 * low
    port, entry = m[choice], m[choice + 1]
    v, outs = m[w.V], m[port + w.P_OUTS]
    if m[port + w.P_NODE] >= 0:  # on the way out, any channel will do
        m[channel + w.C_LOW], m[channel + w.C_HIGH] = outs, outs + v * w.OUT_WORDS
        return
    kind = m[packet + w.K_CLASS]
    if entry == w.NEXT_CLASS:
        m[packet + w.K_CLASS] = kind + 1
    elif entry != w.SAME_CLASS and m[channel + w.C_DIM] != m[port + w.P_DIM]:
        kind = int(uniform(seed) * 2) if entry == w.EITHER_CLASS else entry
        m[packet + w.K_CLASS] = kind
    m[channel + w.C_LOW] = outs + kind * v // m[w.CLASSES] * w.OUT_WORDS
    m[channel + w.C_HIGH] = outs + (kind + 1) * v // m[w.CLASSES] * w.OUT_WORDS


@inlined
def list_ready(channel: int, m: Words) -> None:
    """List a channel whose front flit may ask for the switch."""
    router = m[channel + w.C_ROUTER]
    place = m[router + w.R_READY_LIST] + m[router + w.R_READY]
    m[place] = channel
    m[channel + w.C_PLACE] = place
    m[router + w.R_READY] += 1


@inlined
def unlist_ready(channel: int, m: Words) -> None:
    """The opposite: the last of the list takes its place."""
    router = m[channel + w.C_ROUTER]
    m[router + w.R_READY] -= 1
    last = m[m[router + w.R_READY_LIST] + m[router + w.R_READY]]
    m[m[channel + w.C_PLACE]] = last
    m[last + w.C_PLACE] = m[channel + w.C_PLACE]


@inlined
def front(channel: int, m: Words) -> int:
    """The first flit of a channel's buffer."""
    return int(m[channel + w.CHANNEL_WORDS + m[channel + w.C_FIRST]])


@inlined
def start(channel: int, at: int, m: Words, seed: Any) -> None:
    """A head has become the front of its channel: route it; from cycle ``at`` on it asks for an output channel."""
    route(front(channel, m) >> w.SHIFT, channel, m, seed)
    m[channel + w.C_STATE], m[channel + w.C_READY_AT] = w.WAITING, at
    router = m[channel + w.C_ROUTER]
    m[m[router + w.R_WAITING_LIST] + m[router + w.R_WAITING]] = channel
    m[router + w.R_WAITING] += 1
    if m[w.SPECULATIVE]:
        list_ready(channel, m)


@inlined
def grant_channels(router: int, t: int, m: Words) -> None:
    """Each free output channel chooses among the heads that may take it; with cut-through, whose packet has room."""
    size, waiting = m[router + w.R_CHANNELS], m[router + w.R_WAITING_LIST]
    for i in range(waiting, waiting + m[router + w.R_WAITING]):
        channel = m[i]
        if m[channel + w.C_READY_AT] > t:
            continue
        credits = m[(front(channel, m) >> w.SHIFT) + w.K_FLITS] if m[w.CUT_THROUGH] else 0
        for out in range(m[channel + w.C_LOW], m[channel + w.C_HIGH], w.OUT_WORDS):
            if m[out + w.O_BUSY] or m[out + w.O_CREDITS] < credits:
                continue
            far = after(m[channel + w.C_NUMBER], m[out + w.O_POINTER], size)
            if m[out + w.O_STAMP] != t or far < m[out + w.O_BEST]:
                m[out + w.O_STAMP], m[out + w.O_BEST], m[out + w.O_WINNER] = t, far, channel


@inlined
def accept_channels(router: int, t: int, m: Words) -> None:
    """Each head accepts one of the output channels that chose it."""
    size, width, waiting = m[router + w.R_CHANNELS], m[router + w.R_OUTS], m[router + w.R_WAITING_LIST]
    for i in range(waiting, waiting + m[router + w.R_WAITING]):
        channel = m[i]
        best, chosen = width, -1
        for out in range(m[channel + w.C_LOW], m[channel + w.C_HIGH], w.OUT_WORDS):
            if m[out + w.O_STAMP] == t and m[out + w.O_WINNER] == channel:
                far = after(m[out + w.O_NUMBER], m[channel + w.C_POINTER], width)
                if far < best:
                    best, chosen = far, out
        if chosen >= 0:
            m[channel + w.C_GRANT], m[channel + w.C_GRANTED_AT] = chosen, t
            place, number = m[chosen + w.O_NUMBER] + 1, m[channel + w.C_NUMBER] + 1
            m[channel + w.C_POINTER] = 0 if place == width else place
            m[chosen + w.O_POINTER] = 0 if number == size else number


@inlined
def asked_port(channel: int, t: int, m: Words) -> int:
    """The output port that the front flit of a channel asks for: it has a credit, or bets on a channel with one."""
    if m[channel + w.C_STATE] == w.ACTIVE:
        out = m[channel + w.C_OUT]
        port = m[out + w.O_PORT]
        return int(port) if m[out + w.O_CREDITS] and m[port + w.P_FREE_AT] <= t else -1
    port = m[m[channel + w.C_LOW] + w.O_PORT]
    if m[channel + w.C_READY_AT] > t or m[port + w.P_FREE_AT] > t:
        return -1
    for out in range(m[channel + w.C_LOW], m[channel + w.C_HIGH], w.OUT_WORDS):
        if not m[out + w.O_BUSY] and m[out + w.O_CREDITS]:
            return int(port)
    return -1


@inlined
def grant_switch(router: int, t: int, m: Words) -> None:
    """Each output port chooses among the switch inputs with a flit for it."""
    size, ready = m[router + w.R_SWITCHES], m[router + w.R_READY_LIST]
    for i in range(ready, ready + m[router + w.R_READY]):
        channel = m[i]
        port = asked_port(channel, t, m)
        if port < 0:
            continue
        m[channel + w.C_ASKED_AT] = t
        entrance = m[channel + w.C_SWITCH]
        far = after(m[entrance + w.S_NUMBER], m[port + w.P_POINTER], size)
        if m[port + w.P_STAMP] != t or far < m[port + w.P_BEST]:
            m[port + w.P_STAMP], m[port + w.P_BEST], m[port + w.P_WINNER] = t, far, entrance


@inlined
def accept_switch(router: int, t: int, m: Words) -> None:
    """Each switch input accepts one output port; of its channels for that, those that hold one come first, in turn."""
    v, width, ready = m[w.V], m[router + w.R_PORTS], m[router + w.R_READY_LIST]
    for i in range(ready, ready + m[router + w.R_READY]):
        channel = m[i]
        if m[channel + w.C_ASKED_AT] != t:
            continue
        holds = m[channel + w.C_STATE] == w.ACTIVE
        port = m[(m[channel + w.C_OUT] if holds else m[channel + w.C_LOW]) + w.O_PORT]
        entrance = m[channel + w.C_SWITCH]
        if m[port + w.P_WINNER] != entrance:
            continue
        far = after(m[port + w.P_NUMBER], m[entrance + w.S_POINTER], width)
        rank = (far * 2 + (0 if holds else 1)) * v + after(m[channel + w.C_VC], m[entrance + w.S_OFFSET], v)
        if m[entrance + w.S_STAMP] != t or rank < m[entrance + w.S_BEST]:
            m[entrance + w.S_STAMP], m[entrance + w.S_BEST], m[entrance + w.S_WINNER] = t, rank, channel


@inlined
def take_channels(router: int, t: int, m: Words) -> None:
    """Heads that accepted an output channel hold it from now on."""
    waiting, kept = m[router + w.R_WAITING_LIST], 0
    for i in range(m[router + w.R_WAITING]):
        channel = m[waiting + i]
        if m[channel + w.C_GRANTED_AT] == t:
            m[channel + w.C_STATE], m[channel + w.C_OUT] = w.ACTIVE, m[channel + w.C_GRANT]
            m[m[channel + w.C_OUT] + w.O_BUSY] = 1
            if not m[w.SPECULATIVE]:
                list_ready(channel, m)
        else:
            m[waiting + kept] = channel
            kept += 1
    m[router + w.R_WAITING] = kept


@compiled
def allocate(router: int, t: int, m: Words) -> None:
    """Both allocators, on the state at the start of the cycle; then channels change hands."""
    waits = m[router + w.R_WAITING]
    if waits:
        grant_channels(router, t, m)
        accept_channels(router, t, m)
    if m[router + w.R_READY]:
        grant_switch(router, t, m)
        accept_switch(router, t, m)
    if waits:
        take_channels(router, t, m)
