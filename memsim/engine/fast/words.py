"""The machine of the compiled engine: one array of words, with records in it.

All state of a kernel's run, and its program, lie in one array ``m`` of ``int64``, so that compiled functions pass one
argument, and the array can grow. A record is a run of words; a reference to it is the position of its first word, and
``m[queue + Q_PC]`` is a field. -1 refers to nothing. The words from 0 on are the header: settings, and what there is
one of. Routes lie in an array of their own, ``net``, which lasts longer than a kernel.
"""

from __future__ import annotations

# ---- the header -------------------------------------------------------------------------------------------------

(NOW, HEAP_BASE, HEAP_SIZE, HEAP_ROOM, WHEEL_BASE, WHEEL_SIZE, SPOKE_BASE, REQUEST_BASE, REQUESTS, REQUEST_ROOM,
 ORDER_BASE, READY_BASE, READY, ENDED_BASE, ENDED_BLOCKS, EXECUTED, UNTIL, TURNS, BLOCKS_DONE, FREE_FLIGHT,
 FREE_FLIGHTS, FREE_PART, FREE_PARTS, TRACE_BASE, TRACED, TRACE_ROOM, TRACE_FROM, TRACE_TO, TRACED_CORES, FLOW_BASE,
 FLOW_ROOM, FLOWS, MISSING_BASE, MISSING_SOURCE, MISSING_TARGETS, LEADER, OBSERVE, BLOCK_START, CORES, MAX_TRANSFERS,
 MAX_BYTES, SRAM_NUM, SRAM_DEN, SRAM_LATENCY, REG_NUM, REG_DEN, REG_LATENCY, PIECES_AT, PIECES, TARGETS, COUNTERS,
 PORTS, DRAM_PORTS, SHARED_PORTS, KERNEL_BLOCKS, BLOCKS_TO_DO, KERNEL_CORES, OCCUPANCY, COOPERATIVE, TRACING,
 MOST_QUEUES, QUEUE_WIDTH, RING_WIDTH, MARGIN, SERVERS, SERVER_COUNT, CORE_BASE, SEAT_BASE, GROUP_BASE, GROUPS,
 TENSOR_BASE, SCRATCH_BASE, WAY_BASE, VALUE_BASE, WORK_BASE, DRAM_BANKS, SHARED_BANKS, NEAR_PORTS, FIRST_PORTS,
 HEADER_WORDS
) = range(80)  # fmt: skip
"""``..._BASE`` is where a table begins, ``..._ROOM`` how many rows it has room for. TARGETS and COUNTERS are
rows a flight or queue, PIECES_AT is where in a flight its pieces begin; SERVERS is where the servers begin
(`memsim.engine.servers`), QUEUE_WIDTH and RING_WIDTH are words of a queue or ring with all that comes after it. A core
loads through NEAR_PORTS ports of the DRAM or its cache, from FIRST_PORTS[core] on."""

# ---- the program (constant while a kernel runs) -----------------------------------------------------------------

LOOP, END_LOOP, PUSH, POP, COMPUTE, TRANSFER, FINISH = range(7)
"""Kinds of operations."""
LOAD, STORE, ON_CHIP = range(3)
"""Ways of a transfer: from a chip-wide memory, into one, or between core memories."""
NOWHERE, OWN, BLOCKS = range(3)
"""Targets of a transfer: a tensor, a ring of its own block, rings of other blocks."""
EVENLY, IN_ORDER = 1, 2
"""How a gather's rows lie: spread over the region, or adjacent."""

(O_KIND, O_STEP, O_COUNTS, O_EMPTY, O_PARTNER, O_VARIABLE, O_COUNT, O_PARENT, O_STRIDE, O_WATCH, O_RING, O_UNIT,
 O_INTERVAL, O_LATENCY, O_SRAM_TICKS, O_REG_TICKS, O_FIRST_READ, O_READS, O_ACCUMULATES, O_IS_MMA, O_WAY, O_ROLE,
 O_SOURCE_MEMORY, O_TARGET_MEMORY, O_ACCESS, O_BYTES, O_TARGET, O_FIXED, O_TARGET_GROUP, O_FIRST_RANGE, O_RANGES,
 OPERATION_WORDS
) = range(32)  # fmt: skip
"""An operation, the loop around it (PARENT), and of a loop: its other end, its counter, its trip count (an
expression), the iterations after which addresses repeat (STRIDE), and of its end how often it is watched.
COUNTS is where its row of counts begins: for each core executions, bytes moved, bytes entered and bytes fetched."""
EXECUTIONS, MOVED, ENTERED, FETCHED, COUNT_WORDS = range(5)
READ_RING, READ_AHEAD, READ_WORDS = range(3)
"""A tile that an operation reads."""
RANGE_START, RANGE_COUNT, RANGE_WORDS = range(3)
"""One grid dimension of a multicast's targets."""
(A_TENSOR, A_FIRST_AXIS, A_AXES, A_ELEMENT_BYTES, A_ROWS, A_GATHER, A_CHIP_WIDE, ACCESS_WORDS) = range(8)
"""Where a transfer touches a tensor. TENSOR is its position among the kernel's tensors, whose first segments are
the words from TENSOR_BASE on."""
X_START, X_SIZE, X_STEP, X_EXTENT, X_SEGMENT, X_STRIDE, AXIS_WORDS = range(7)
"""One dimension of that: an expression for its start, its size and step, and the tensor's extent and segments."""
(G_FIRST_BLOCK, G_BLOCKS, G_CLUSTER, G_QUEUES, G_RINGS, G_FIRST_QUEUE, G_FIRST_RING, G_FIRST_AXIS, G_AXES,
 GROUP_WORDS) = range(10)  # fmt: skip
"""A group of blocks: its queues, rings and grid dimensions are rows from FIRST_QUEUE, FIRST_RING, FIRST_AXIS on."""
QT_OPERATION, QT_STALLS, QUEUE_TEXT_WORDS = range(3)
"""A queue's first operation, and its row of stalls."""
RT_DEPTH, RT_WRITER, RT_CONSUMERS, RT_POPS, RT_REASON, RING_TEXT_WORDS = range(6)
"""A ring's text. POPS has a word for each queue: whether it pops the ring; REASON is the first of its reasons."""
GRID_EXTENT, GRID_CLUSTER, GRID_WORDS = range(3)

# ---- the machine ------------------------------------------------------------------------------------------------

C_NEXT_BLOCK, C_ROOM, C_LISTED, CORE_WORDS = range(4)
"""A core: its first block that has not started, free seats, and whether it is to be looked at for new blocks."""
S_BLOCK, S_CORE, S_GROUP, S_UNFINISHED, S_FIRST_QUEUE, S_FIRST_RING, S_FIRST_SLOT, SEAT_WORDS = range(8)
"""Room for one block; BLOCK is -1 while it is empty."""
(Q_SEAT, Q_NUMBER, Q_STALLS, Q_PC, Q_STAGE, Q_SEQUENCE, Q_COUNTED, Q_TRANSFERS, Q_BYTES, Q_REASON, Q_SINCE,
 Q_NEXT_WAITING, Q_SLOT, Q_ASKED, Q_BEGUN, Q_UNTIL, Q_PENDING, Q_FLIGHT, Q_FIRST_FLIGHT, Q_WAKE, Q_ORDER,
 Q_NEXT_EVENT, Q_AIM, QUEUE_WORDS) = range(24)  # fmt: skip
"""A queue. ORDER is its place among all queues of the kernel, oldest first. After these words come COUNTERS words, its
block's coordinates and its loops' counters, and as many for the trip counts of these loops; then the targets of the
transfer AIM, where they are the same each time (FIXED)."""
(R_OPENED, R_PUSHED, R_RELEASED, R_OPEN, R_WAITING, R_DEPTH, R_WRITER, R_CONSUMERS, R_REASON, R_FIRST_SLOT,
 R_POPPED, RING_WORDS) = range(12)  # fmt: skip
"""A ring. After these words come the tiles popped, one word for each queue of a block; -1 where it does not pop."""
T_PUSHED, T_ARRIVING, T_READING, T_READY_AT, T_BY_MMA, T_POPS, SLOT_WORDS = range(7)
"""A slot of a ring."""
(F_QUEUE, F_OPERATION, F_SEQUENCE, F_CORE, F_SIZE, F_SOURCE_RING, F_SOURCE_SLOT, F_TARGETS, F_FIRST_PART, F_PARTS,
 F_LEAVING, F_GONE, F_BEGUN, F_TAIL, F_STAGE, F_WAKE, F_RELEASES_AT, F_DONE, F_PREVIOUS, F_NEXT, F_NEXT_EVENT,
 F_NEXT_RELEASE, FLIGHT_WORDS) = range(23)  # fmt: skip
"""A transfer in flight; after these words come its targets and its pieces. PARTS are those that have yet to arrive,
RELEASES_AT is the tick at which the source slot is given back, or -1."""
D_CORE, D_RING, D_SLOT, TARGET_WORDS = range(4)
"""A target."""
(P_FLIGHT, P_ORDER, P_STAGE, P_PORT, P_FIRST_PIECE, P_PIECES, P_SIZE, P_REQUEST, P_ROUTE, P_NODE, P_HOP,
 P_AT_SOURCE, P_TAIL, P_CORE, P_COPIES, P_WAKE, P_NEXT, P_NEXT_EVENT, PART_WORDS) = range(19)  # fmt: skip
"""A part of a flight. ORDER is its place among the flight's requests, REQUEST the latency of a load's request."""
U_ORDER, U_SEQUENCE, U_PART, U_KIND, U_WHO, U_SERVER, U_SERVICE, U_LATENCY, REQUEST_WORDS = range(9)
"""A request for hardware; the first three words are its key. LATENCY is an interval for a compute operation's port."""
W_PORT, W_FIRST_PIECE, W_PIECES, W_SIZE, W_REQUEST, W_ROUTE, WAY_WORDS = range(7)
"""Scratch: a part that a transfer is going to have."""
(TR_BLOCK, TR_CORE, TR_QUEUE, TR_STEP, TR_BEGIN, TR_END, TR_BYTES, TR_SEQUENCE, TRACE_WORDS) = range(9)
FLOW_KEY, FLOW_BYTES, FLOW_ROUTER_BYTES, FLOW_WORDS = range(4)

IDLE, WAITING, AT_UNIT, AT_PORTS, PORTS_ASKED, WORKED, AT_DMA, ISSUED, ENDED = range(9)
"""Stages of a queue."""
HEADING, LEFT = range(2)
"""Stages of a flight: on its way to the first server, and past the port of the source memory."""
AT_MEMORY, HOPPING, ENTERING, ARRIVED = range(4)
"""Stages of a part of a flight."""
USE_UNIT, USE_PORT, USE_DMA, USE_MEMORY, PASS_SOURCE, PASS_HOP, PASS_TARGET = range(7)
"""Kinds of requests."""
WAKE_QUEUE, WAKE_FLIGHT, WAKE_PART, RELEASE_SOURCE = range(4)
"""Kinds of events; an event is ``kind * EVENT`` plus the record that it is for."""
EVENT = 1 << 40
DATA, SPACE, READS, RESULT = range(4)
"""What a queue waits for at a ring."""
LIMIT, FOR_DMA, FOR_MATRIX, FOR_VECTOR, WORKING, FOR_PORT, FIRST_RING_REASON = range(7)
"""Reasons for which a queue spends time; from the last on, four for each ring name."""
DMA, MATRIX, VECTOR, SRAM, REG = range(5)
"""Servers of a core: server number = kind * cores + core."""

# ---- routes -----------------------------------------------------------------------------------------------------

NET_TABLE, NET_ROOM, NET_WORDS = range(3)
"""Header of ``net``: where the hash table of routes begins, and its length."""
(V_NODE, V_LATENCY, V_LENGTH, V_ROUTERS, V_FIRST_LINK, V_LINKS, V_SOURCE, V_FIRST_TARGET, V_TARGETS, ROUTE_WORDS
) = range(10)  # fmt: skip
"""A route: its first node, latency up to the first fork, number of its wire length, routers, links and targets."""
N_FIRST_HOP, N_HOPS, N_FIRST_FORK, N_FORKS, N_CORE, N_ORDER, NODE_WORDS = range(7)
"""A stretch of a route: hops, then forks or the core where it ends. ORDER: its place in a walk, parents first."""
H_SERVER, H_NUM, H_DEN, H_LATENCY, HOP_WORDS = range(5)
