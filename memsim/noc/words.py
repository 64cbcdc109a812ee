"""A running flit network: one array of words, with records in it.

All state lies in one array ``m`` of ``int64``, so that compiled functions pass one argument. A record is a run of
words; a reference to it is the position of its first word, and ``m[channel + C_STATE]`` is a field. -1 refers to
nothing. The words from 0 on are the header.
"""

from __future__ import annotations

(
    V, BUFFER, ROUTING, SPECULATIVE, CUT_THROUGH, FLITS, CLASSES, SPEEDUP, PHASE, DRAIN_AT, STOP, FREE_BASE, FREE,
    NODE_BASE, NODES, ROUTER_BASE, ROUTERS, SLOT_BASE, SLOT_MASK, SLOT_WORDS, CHOICE_BASE, PACKET_BASE, CHANNEL_BASE,
    OUT_BASE, PORT_BASE, PORTS, LATENCY, DELIVERED, NETWORK, HOPS, ACCEPTED, FLYING, FLYING_CREATED, MEASURED, CREATED,
    RETIRED, FAULTS, HEADER_WORDS
) = range(38)  # fmt: skip
"""``..._BASE`` is where a table begins. From LATENCY on: sums over the packets delivered, then what is under way."""
WARMING, RUNNING, DRAINING = range(3)

(
    P_NODE, P_DELAY, P_CREDIT_DELAY, P_INTERVAL, P_DIM, P_OUTS, P_NUMBER, P_FREE_AT, P_POINTER, P_STAMP, P_BEST,
    P_WINNER, P_FLITS, PORT_WORDS
) = range(14)  # fmt: skip
"""An output port: the node behind it or -1, cycles for a flit, for its credit back, between flits; its dimension; its
first output channel; its number in the router; then the switch allocator's arbiter, and the flits that left by it."""

(R_WAITING, R_READY, R_WAITING_LIST, R_READY_LIST, R_CHANNELS, R_OUTS, R_SWITCH, R_SWITCHES, R_PORTS, R_FIRST,
 ROUTER_WORDS) = range(11)  # fmt: skip
"""A router: how many input channels wait for an output channel and how many may ask for the switch, and the lists of
them; how many input and output channels it has; its first switch input and how many; its ports; where its row of
``first`` begins."""

(C_STATE, C_LOW, C_HIGH, C_OUT, C_FIRST, C_COUNT, C_READY_AT, C_POINTER, C_GRANT, C_GRANTED_AT, C_ASKED_AT, C_PLACE,
 C_ROUTER, C_NUMBER, C_VC, C_DIM, C_SWITCH, C_BACK, C_BACK_DELAY, CHANNEL_WORDS) = range(20)  # fmt: skip
"""An input channel, followed by its buffer: LOW … HIGH are the output channels that the head may take, OUT the one
that it holds, BACK the one upstream that its credits return to."""
IDLE, WAITING, ACTIVE = range(3)

O_CREDITS, O_BUSY, O_POINTER, O_STAMP, O_BEST, O_WINNER, O_PORT, O_NUMBER, O_TARGET, OUT_WORDS = range(10)
"""An output channel: its credits, whether a packet holds it, its arbiter, and the input channel behind the link."""

S_POINTER, S_OFFSET, S_STAMP, S_BEST, S_WINNER, S_NUMBER, SWITCH_WORDS = range(7)
"""A switch input: an input port, or a part of its channels where there is input speed-up."""

(K_TARGET, K_CREATED, K_INJECTED, K_FLITS, K_RECORD, K_CLASS, K_HOPS, K_TAG, K_NEXT, PACKET_WORDS) = range(10)
"""A packet: NEXT is the flit that must arrive next."""

N_PACKET, N_SENT, N_OUT, N_NEXT, N_LAST, N_PORT, N_LEFT, N_END, NODE_WORDS = range(9)
"""A node: the packet that it sends and how far it is, when the next comes, and what is left of a given list."""

CREDIT = -1
"""In the calendar: a credit for an output channel. A channel: a flit for it. -2 - out: a flit for the node behind."""
SAME_CLASS, EITHER_CLASS, NEXT_CLASS = -1, -2, -3
SHIFT = 20
"""A flit is its packet · 2²⁰ + its place in the packet."""
PLACE_MASK = (1 << SHIFT) - 1
NEVER = 1 << 61
