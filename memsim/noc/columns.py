"""The state of a flit network as tables of int64: which table is which, and what its columns mean.

An *output port* is a router's, or (after those) a node's injection port. A *channel* is a virtual channel: those of input
port p are rows p V … p V + V − 1 of ``CHANNELS``, those of an output port likewise of ``OUTS``.
"""

from __future__ import annotations

TABLES = 15
(
    OPTIONS,
    PORTS,
    INPUTS,
    ROUTERS,
    CHANNELS,
    BUFFERS,
    OUTS,
    SWITCH,
    PACKETS,
    NODES,
    LISTS,
    CALENDAR,
    FIRST,
    CHOICES,
    COUNTS,
) = range(TABLES)

# Options: one row.
V, BUFFER, SPEEDUP, ROUTING, SPECULATIVE, CUT_THROUGH, FLITS, CLASSES, PHASE, DRAIN_AT, STOP = range(11)
OPTION_COLUMNS = 11
WARMING, RUNNING, DRAINING = range(3)

# Ports: fixed, then the state of the switch allocator's output arbiter, then what the link has carried.
P_DELAY, P_CREDIT, P_INPUT, P_NODE, P_INTERVAL, P_DIM, P_FREE_AT, P_POINTER, P_STAMP, P_BEST, P_WINNER, P_FLITS = range(12)
PORT_COLUMNS = 12
I_ROUTER, I_UPSTREAM, I_DIM = range(3)
INPUT_COLUMNS = 3
R_IN, R_INS, R_OUT, R_OUTS, R_WAITING, R_READY = range(6)
ROUTER_COLUMNS = 6

# Input channels: LOW … HIGH are the output channels that the head may take, OUT the one that it holds.
C_STATE, C_LOW, C_HIGH, C_OUT, C_FIRST, C_COUNT, C_READY_AT, C_POINTER, C_GRANT, C_GRANTED_AT, C_ASKED_AT, C_PLACE = range(12)
CHANNEL_COLUMNS = 12
IDLE, WAITING, ACTIVE = range(3)
O_CREDITS, O_BUSY, O_POINTER, O_STAMP, O_BEST, O_WINNER = range(6)
OUT_COLUMNS = 6
# Switch inputs: an input port, split by the input speed-up.
S_POINTER, S_OFFSET, S_STAMP, S_BEST, S_WINNER = range(5)
SWITCH_COLUMNS = 5

K_SOURCE, K_TARGET, K_CREATED, K_INJECTED, K_FLITS, K_RECORD, K_CLASS, K_HOPS, K_TAG, K_NEXT, K_FREE = range(11)
PACKET_COLUMNS = 11
# Nodes: NEXT is when the next packet comes; LEFT and END are the rest of a given list of packets.
N_PACKET, N_SENT, N_CHANNEL, N_NEXT, N_LAST, N_PORT, N_LEFT, N_END = range(8)
NODE_COLUMNS = 8
# Lists: the waiting and the ready input channels of a router, and the length of each slot of the calendar.
L_WAITING, L_READY = range(2)

LATENCY, DELIVERED, NETWORK, HOPS, ACCEPTED, FLYING, FLYING_CREATED, MEASURED, CREATED, RETIRED, FREE, FAULTS = range(12)
COUNT_COLUMNS = 12

CREDIT = -1
"""In the calendar: a credit for an output channel. A channel's number: a flit for it. −2 − c: a flit for the node at c."""
SAME_CLASS, EITHER_CLASS, NEXT_CLASS = -1, -2, -3
SHIFT = 20
"""A flit is packet · 2²⁰ + its place in the packet."""
