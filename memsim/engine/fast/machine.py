"""Room for a kernel's run: all of its tables in one array of words, and larger ones when they are nearly full."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.events import SPOKE, WHEEL
from memsim.engine.fast.flows import move_flows
from memsim.engine.fast.loop import STEPS
from memsim.engine.fast.net import Net
from memsim.engine.fast.program import Flat
from memsim.engine.hardware import Hardware
from memsim.engine.memory import PIECE_WORDS, Memory
from memsim.engine.plan import KernelPlan, Plan
from memsim.engine.servers import SERVER_WORDS, Array

FLIGHTS = 64
"""Flights that there is room for at first, beside the margin."""
TRACE_ROWS = 1 << 16
"""Rows of the trace that are kept until Python takes them."""
ENDLESS = 1 << 62


@dataclass
class Lasting:
    """What outlives a kernel: servers, memories and routes."""

    hardware: Hardware
    memory: Memory
    servers: Array
    """Shape (servers, SERVER_WORDS)."""
    net: Net

    @classmethod
    def of(cls, hardware: Hardware) -> Lasting:
        """Hardware on which nothing has run."""
        servers = np.zeros((len(hardware.names), SERVER_WORDS), dtype=np.int64)
        return cls(hardware, hardware.empty_memory(), servers, Net(hardware))


class Room:
    """Hands out places in an array of words that is yet to be made."""

    def __init__(self, first: int) -> None:
        self.size = first

    def take(self, words: int) -> int:
        """Room for so many words; returns where."""
        first = self.size
        self.size += words
        return first


@dataclass(frozen=True)
class Places:
    """Where in the machine's words Python finds what it reads."""

    servers: int
    servers_end: int
    stalls: int
    stall_width: int
    counts: int
    """Right after the stalls."""
    counts_end: int


def make_machine(
    flat: Flat, kernel: KernelPlan, plan: Plan, lasting: Lasting, now: int, tracing: bool
) -> tuple[Array, Places]:
    """The words of one kernel's run, with no block on the chip yet, and where to find what it counts."""
    cores = plan.chip.core_count
    room = Room(w.HEADER_WORDS + len(flat.words))
    header = _settings(flat, kernel, lasting, tracing)
    seats = kernel.cores * header[w.OCCUPANCY]
    queues = seats * flat.most_queues
    stall_width = w.FIRST_RING_REASON + 4 * len(flat.ring_names)
    for base, words in _tables(flat, kernel, lasting, header).items():
        header[base] = room.take(words)
    queue_base = room.take(queues * header[w.QUEUE_WIDTH])
    ring_base = room.take(seats * flat.most_rings * header[w.RING_WIDTH])
    slot_base = room.take(seats * flat.most_slots * w.SLOT_WORDS)
    stalls = room.take(len(flat.queue_texts) * stall_width)
    counts = room.take(len(flat.operations) * cores * w.COUNT_WORDS)
    m = np.zeros(room.size, dtype=np.int64)
    m[list(header)] = list(header.values())
    m[w.HEADER_WORDS : w.HEADER_WORDS + len(flat.words)] = flat.words
    m[flat.operations + w.O_COUNTS] = counts + np.arange(len(flat.operations)) * cores * w.COUNT_WORDS
    m[flat.queue_texts + w.QT_STALLS] = stalls + np.arange(len(flat.queue_texts)) * stall_width
    bases_of = [layout.base if (layout := plan.layouts.get(name)) else 0 for name in kernel.tensors]
    m[header[w.TENSOR_BASE] : header[w.TENSOR_BASE] + len(bases_of)] = bases_of
    first_ports = [lasting.hardware.first_port("dram", core) for core in range(cores)]
    m[header[w.FIRST_PORTS] : header[w.FIRST_PORTS] + cores] = first_ports
    m[header[w.SERVERS] : header[w.SERVERS] + lasting.servers.size] = lasting.servers.reshape(-1)
    _seat(m, header, flat, (queue_base, ring_base, slot_base), kernel.cores)
    m[w.NOW] = now
    places = Places(
        header[w.SERVERS],
        header[w.SERVERS] + lasting.servers.size,
        stalls,
        stall_width,
        counts,
        counts + len(flat.operations) * cores * w.COUNT_WORDS,
    )
    m[w.FREE_FLIGHT] = m[w.FREE_PART] = m[w.LEADER] = -1
    return enlarge(m, first=True), places


def _tables(flat: Flat, kernel: KernelPlan, lasting: Lasting, header: dict[int, int]) -> dict[int, int]:
    """Words of each table whose place the header tells."""
    cores = lasting.hardware.chip.core_count
    seats = kernel.cores * header[w.OCCUPANCY]
    queues = seats * flat.most_queues
    return {
        w.SERVERS: lasting.servers.size,
        w.WHEEL_BASE: WHEEL,
        w.SPOKE_BASE: WHEEL // SPOKE,
        w.CORE_BASE: kernel.cores * w.CORE_WORDS,
        w.SEAT_BASE: seats * w.SEAT_WORDS,
        w.TENSOR_BASE: len(kernel.tensors) + 1,
        w.SCRATCH_BASE: 2 * flat.pieces,
        w.WAY_BASE: (lasting.net.ports + 2) * w.WAY_WORDS,
        w.VALUE_BASE: flat.forms,
        w.WORK_BASE: cores,
        w.READY_BASE: queues + 1,
        w.ENDED_BASE: seats + 1,
        w.MISSING_BASE: flat.targets + 1,
        w.TRACED_CORES: cores,
        w.FIRST_PORTS: cores,
        w.TRACE_BASE: (TRACE_ROWS + header[w.MARGIN]) * w.TRACE_WORDS if header[w.TRACING] else 0,
    }


def _seat(m: Array, header: dict[int, int], flat: Flat, bases: tuple[int, int, int], cores: int) -> None:
    """Give each seat its queues, rings and slots, and each core its first block and its room."""
    numbers = np.arange(cores * header[w.OCCUPANCY])
    seats = header[w.SEAT_BASE] + numbers * w.SEAT_WORDS
    queue_base, ring_base, slot_base = bases
    m[seats + w.S_BLOCK] = -1
    m[seats + w.S_FIRST_QUEUE] = queue_base + numbers * flat.most_queues * header[w.QUEUE_WIDTH]
    m[seats + w.S_FIRST_RING] = ring_base + numbers * flat.most_rings * header[w.RING_WIDTH]
    m[seats + w.S_FIRST_SLOT] = slot_base + numbers * flat.most_slots * w.SLOT_WORDS
    places = header[w.CORE_BASE] + np.arange(cores) * w.CORE_WORDS
    m[places + w.C_NEXT_BLOCK] = np.arange(cores)
    m[places + w.C_ROOM] = header[w.OCCUPANCY]


def _settings(flat: Flat, kernel: KernelPlan, lasting: Lasting, tracing: bool) -> dict[int, int]:
    """The words of the header that do not change."""
    hardware, chip = lasting.hardware, lasting.hardware.chip
    (sram_num, sram_den), (reg_num, reg_den) = (hardware.ports[name] or (0, 1) for name in ("sram", "reg"))
    blocks = kernel.kernel.block_count
    degree = max((degree for _, degree in chip.graph.out_degree()), default=1)
    ports = {role: hardware.ports_of(role) for role in ("dram", "shared")}
    return {
        w.BLOCK_START: chip.ticks_of(chip.block_start),
        w.CORES: chip.core_count,
        w.MAX_TRANSFERS: chip.core.dma.max_transfers,
        w.MAX_BYTES: chip.core.dma.max_bytes,
        w.SRAM_NUM: sram_num,
        w.SRAM_DEN: sram_den,
        w.SRAM_LATENCY: hardware.port_latency["sram"],
        w.REG_NUM: reg_num,
        w.REG_DEN: reg_den,
        w.REG_LATENCY: hardware.port_latency["reg"],
        w.SERVER_COUNT: len(hardware.names),
        w.PIECES: flat.pieces,
        w.PIECES_AT: w.FLIGHT_WORDS + flat.targets * w.TARGET_WORDS,
        w.TARGETS: flat.targets,
        w.COUNTERS: flat.counters,
        w.PORTS: lasting.net.ports,
        w.DRAM_PORTS: ports["dram"],
        w.SHARED_PORTS: ports["shared"],
        w.DRAM_BANKS: hardware.banks_of("dram"),
        w.SHARED_BANKS: hardware.banks_of("shared"),
        w.NEAR_PORTS: hardware.near_ports("dram"),
        w.KERNEL_BLOCKS: blocks,
        w.BLOCKS_TO_DO: blocks,
        w.KERNEL_CORES: kernel.cores,
        w.OCCUPANCY: min(kernel.kernel.occupancy, -(-blocks // kernel.cores)),
        w.COOPERATIVE: int(kernel.kernel.cooperative),
        w.TRACING: int(tracing),
        w.TRACE_ROOM: TRACE_ROWS,
        w.MOST_QUEUES: flat.most_queues,
        w.QUEUE_WIDTH: w.QUEUE_WORDS + 2 * flat.counters + flat.targets * w.TARGET_WORDS,
        w.RING_WIDTH: w.RING_WORDS + flat.most_queues,
        w.GROUP_BASE: flat.groups,
        w.GROUPS: len(kernel.kernel.groups),
        w.MARGIN: (STEPS + 1) * (lasting.net.ports + flat.targets + degree + 8),
    }


def enlarge(m: Array, first: bool = False) -> Array:
    """The same machine with room for twice as many flights, parts, events, requests and flows."""
    margin, queues = int(m[w.MARGIN]), int(m[w.ENDED_BASE] - m[w.READY_BASE])
    old_room = int(m[w.REQUEST_ROOM])
    more = FLIGHTS + 2 * margin if first else old_room
    rows = old_room + more + (queues if first else 0)
    flows_room = 4 * (margin + FLIGHTS) if first else 2 * int(m[w.FLOW_ROOM])
    flight_words = int(m[w.PIECES_AT] + PIECE_WORDS * m[w.PIECES])
    room = Room(len(m))
    flights, parts = room.take(more * flight_words), room.take(more * w.PART_WORDS)
    heap, requests, order = room.take(4 * rows), room.take(rows * w.REQUEST_WORDS), room.take(rows)
    flows = room.take(flows_room * w.FLOW_WORDS)
    larger = np.zeros(room.size, dtype=np.int64)
    larger[: len(m)] = m
    old_heap, old_flows, old_flow_room = int(m[w.HEAP_BASE]), int(m[w.FLOW_BASE]), int(m[w.FLOW_ROOM])
    larger[heap : heap + 2 * m[w.HEAP_SIZE]] = m[old_heap : old_heap + 2 * m[w.HEAP_SIZE]]
    waiting = int(m[w.REQUESTS]) * w.REQUEST_WORDS
    larger[requests : requests + waiting] = m[m[w.REQUEST_BASE] : m[w.REQUEST_BASE] + waiting]
    larger[w.HEAP_BASE], larger[w.HEAP_ROOM] = heap, 2 * rows
    larger[w.REQUEST_BASE], larger[w.REQUEST_ROOM], larger[w.ORDER_BASE] = requests, rows, order
    _free(larger, flights, more, flight_words, (w.F_NEXT, w.FREE_FLIGHT, w.FREE_FLIGHTS))
    _free(larger, parts, more, w.PART_WORDS, (w.P_NEXT, w.FREE_PART, w.FREE_PARTS))
    larger[w.FLOW_BASE], larger[w.FLOW_ROOM] = flows, flows_room
    larger[flows : flows + flows_room * w.FLOW_WORDS : w.FLOW_WORDS] = -1
    move_flows(larger, old_flows, old_flow_room)
    return larger


def _free(m: Array, first: int, count: int, width: int, fields: tuple[int, int, int]) -> None:
    """Enter new records in the list of free ones."""
    following, head, free = fields
    places = first + np.arange(count) * width
    m[places + following] = [*places[1:].tolist(), m[head]]
    m[head] = places[0]
    m[free] += count
