"""Collectives between GPUs as NCCL runs them: its choice of algorithm and protocol, as a tile program, simulated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from memsim.engine import Result, simulate
from memsim.errors import MemsimError
from memsim.hierarchy import Chip, System
from memsim.isa import DTYPES, Program, interpret
from memsim.library import nccl
from memsim.lowering.collectives import bus_factor
from memsim.lowering.collectives.channels import Order, Wire, flag_words, tree_all_reduce
from memsim.lowering.collectives.channels import all_gather as gather_rows
from memsim.lowering.collectives.channels import all_reduce as ring_all_reduce
from memsim.lowering.collectives.channels import all_to_all as all_to_all_pairs
from memsim.lowering.collectives.channels import reduce_scatter as scatter_rows
from memsim.lowering.collectives.shots import one_shot, two_shot

OPERATIONS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")
_STEP_BYTES = 1 << 19
"""A step of the buffer of a channel with Simple: NCCL_BUFFSIZE of 4 MiB in 8 steps."""
_LL_BYTES = 8 * nccl.THREADS["ll"]
"""Data that the threads of a channel take at once with LL, 8 bytes each."""
_LL128_BYTES = 60 * nccl.THREADS["ll128"]
"""The same with LL128: 8 words a thread (NCCL_LL128_SHMEM_ELEMS_PER_THREAD), of which 1 in 16 is a flag."""
_MOST_SLICES = 64
_OWN_MOST_BYTES = 8 << 20
"""The longest vector for which vLLM has buffers of its own."""
_OWN_IN_FLIGHT = 36 * 512 * 16
"""Bytes that its 36 blocks of 512 threads read from another chip at once, 16 a thread."""


@dataclass(frozen=True, slots=True)
class Communication:
    """A collective that was simulated."""

    operation: str
    choice: nccl.Choice
    channels: int
    program: Program
    bytes: int
    """Of the whole vector: what an all-reduce sums, an all-gather puts together."""
    chips: int
    result: Result

    @property
    def time_s(self) -> float:
        """Seconds, with the launch."""
        return self.result.time_s

    @property
    def energy_j(self) -> float:
        """Joules of all chips and links."""
        return self.result.energy_j

    @property
    def bus_bandwidth(self) -> float:
        """Bytes a second over a link, as NCCL's tests reckon."""
        return float(bus_factor(self.operation, self.chips)) * self.bytes / self.time_s

    @property
    def text(self) -> str:
        """For people: ``"ring, LL128, 24 channels"``."""
        if self.choice.algorithm not in nccl.ALGORITHMS:
            return f"{self.choice.algorithm}, the framework's own"
        return f"{self.choice.algorithm}, {_SHOWN[self.choice.protocol]}, {self.channels} channels"


_SHOWN = {"ll": "LL", "ll128": "LL128", "simple": "Simple"}


def all_reduce(
    system: System, bytes: int, dtype: str = "bf16", protocol: str | None = None, algorithm: str | None = None
) -> Communication:
    """Sum a vector of ``bytes`` bytes over all chips, and give each the sum.

    Parameters
    ----------
    system
        Chips of one node and the links between them.
    bytes
        Of the vector on each chip.
    dtype
        Type of an element.
    protocol, algorithm
        ``"ll"``, ``"ll128"`` or ``"simple"``; ``"ring"`` or ``"tree"``; what NCCL's model prefers unless given.

    Raises
    ------
    MemsimError
        For a size that is no multiple of an element, an unknown type, or a pair that NCCL does not have here.
    """
    return run("all_reduce", system, bytes, dtype, protocol, algorithm)


def all_gather(
    system: System, bytes: int, dtype: str = "bf16", protocol: str | None = None, algorithm: str | None = None
) -> Communication:
    """Give each chip the parts of all: ``bytes`` is the whole that results. Other parameters as `all_reduce`."""
    return run("all_gather", system, bytes, dtype, protocol, algorithm)


def reduce_scatter(
    system: System, bytes: int, dtype: str = "bf16", protocol: str | None = None, algorithm: str | None = None
) -> Communication:
    """Sum vectors of ``bytes`` bytes over all chips, and give each a part of the sum. Parameters as `all_reduce`."""
    return run("reduce_scatter", system, bytes, dtype, protocol, algorithm)


def all_to_all(
    system: System, bytes: int, dtype: str = "bf16", protocol: str | None = None, algorithm: str | None = None
) -> Communication:
    """Send each chip its part of ``bytes`` bytes: direct messages between all pairs. Parameters as `all_reduce`."""
    return run("all_to_all", system, bytes, dtype, protocol, algorithm)


def run(
    operation: str,
    system: System,
    bytes: int,
    dtype: str = "bf16",
    protocol: str | None = None,
    algorithm: str | None = None,
) -> Communication:
    """A collective by its name in `OPERATIONS`; parameters as `all_reduce`."""
    if operation not in OPERATIONS:
        mend = "use one of: " + ", ".join(OPERATIONS)
        raise MemsimError(f"unknown collective {operation!r}", where="collective", mend=mend)
    if dtype not in DTYPES:
        raise MemsimError(f"unknown dtype {dtype!r}", where=operation, mend="use one of: " + ", ".join(DTYPES))
    unit = DTYPES[dtype].bytes * (1 if operation == "all_reduce" else system.count)
    if bytes < unit or bytes % unit:
        mend = f"use {max(1, -(-bytes // unit)) * unit}"
        raise MemsimError(f"{bytes} bytes are no multiple of {unit}", where=operation, mend=mend)
    if system.count < 2:
        raise MemsimError(f"{system.count} chip", where=f"{operation} on {system.name}", mend="use 2 chips or more")
    choice = nccl.named(operation, system, bytes, algorithm, protocol)
    return _run(operation, system, bytes // DTYPES[dtype].bytes, dtype, choice)


@lru_cache(maxsize=256)
def _run(operation: str, system: System, elements: int, dtype: str, choice: nccl.Choice) -> Communication:
    size = elements * DTYPES[dtype].bytes
    channels = nccl.channels(system, choice, size)
    program, channels = program_of(operation, system, elements, dtype, choice, channels)
    result = simulate(program, _chip(system, choice, channels, dtype), workload=operation)
    return Communication(operation, choice, channels, program, size, system.count, result)


def program_of(
    operation: str, system: System, elements: int, dtype: str, choice: nccl.Choice, channels: int
) -> tuple[Program, int]:
    """The tile program, and the channels that it has: as many on each order of the ring."""
    orders = ring_orders(system) if operation != "all_to_all" else ring_orders(system)[:1]
    orders = orders[: max(1, min(len(orders), channels))]
    each = max(1, channels // len(orders))
    used = each * len(orders)
    blocks = 1 if choice.algorithm == "tree" else system.count
    wire = _wire(system, choice, each, len(orders), -(-elements // (used * blocks)), dtype)
    if operation == "all_reduce":
        make = tree_all_reduce if choice.algorithm == "tree" else ring_all_reduce
        return make(wire, orders, elements, dtype), used
    if operation == "all_to_all":
        return all_to_all_pairs(wire, system.count, elements // system.count, dtype), used
    gather = {"all_gather": gather_rows, "reduce_scatter": scatter_rows}[operation]
    return gather(wire, orders, elements // system.count, dtype), used


def ring_orders(system: System) -> tuple[Order, ...]:
    """Rings that use all links: one through a switch, both ways round a ring, all ways where all are neighbours."""
    n = system.count
    once = tuple(range(n))
    if n == 2 or system.topology == "switch":
        return (once,)
    if system.topology == "fully_connected" and n == 4:
        cycles = [(0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3)]
        return tuple(way for cycle in cycles for way in (cycle, cycle[::-1]))
    if system.topology == "fully_connected":
        return tuple(tuple(stride * i % n for i in once) for stride in range(1, n) if np.gcd(stride, n) == 1)
    return once, once[::-1]


def _wire(system: System, choice: nccl.Choice, each: int, orders: int, share: int, dtype: str) -> Wire:
    """Cut a chip's block of a channel, ``share`` elements, into tiles as the protocol does."""
    width = DTYPES[dtype].bytes
    if choice.protocol == "simple":
        # two slices a chunk, of half the buffer; what is on its way in all channels stays on the chip
        most = min(2 * _STEP_BYTES, (system.as_chip().core.reg.capacity or 0) // (each * orders * 8)) // width
        rounds = -(-share // (2 * most))
        slices, buffer, ahead, depth = 2, "sram", 2, 4
    else:
        most = (_LL_BYTES if choice.protocol == "ll" else _LL128_BYTES) // width
        rounds = -(-share // (_MOST_SLICES * most))
        slices = -(-share // (rounds * most))
        buffer, ahead, depth = "reg", 1, max(8, 2 * slices)
    slices = min(slices, share)
    tile = -(-share // (rounds * slices))
    words = flag_words(choice.protocol, tile, dtype)
    return Wire(each, tile, slices, rounds, words, buffer, depth, ahead)


def _chip(system: System, choice: nccl.Choice, channels: int, dtype: str) -> Chip:
    """The chip of chips, with this protocol's latencies and the rate of the threads that run it.

    What a hop takes beyond the link is the ends' synchronisation. The rate is whole lanes at a lower clock, which
    nothing else here depends on: links and memories have rates of their own.
    """
    whole = system.as_chip()
    link = float(whole.ticks_of(whole.network.hop_latency) * whole.tick)
    handshake = max(0.0, nccl.hop_s(system, choice) - link)
    base = nccl.BASE_US[choice.algorithm][choice.protocol] * 1e-6
    rate = nccl.threads_bytes_per_s(system, choice.protocol, channels) / DTYPES[dtype].bytes
    lanes = math.ceil(rate / float(whole.clock))
    apart = system.replace({"message": f"{handshake * 1e9:.1f} ns"}).as_chip()
    return apart.replace(
        {"launch": f"{base * 1e9:.1f} ns", "clock": f"{rate / lanes / 1e9:.3f} GHz", "core.vector.lanes": lanes}
    )


def framework_all_reduce(system: System, bytes: int, dtype: str = "bf16") -> Communication:
    """What a serving framework does: an all-reduce of its own for short vectors between NVLink neighbours, else NCCL's.

    vLLM, csrc/custom_all_reduce.cuh: up to 8 MiB; in one shot between two chips, between four below 512 KiB and between
    eight below 256 KiB; else in two. A chip reads from the others: there and back over the link, after all have met.

    Parameters and errors are those of `all_reduce`.
    """
    near = system.topology in ("switch", "fully_connected") and system.link.startswith("nvlink")
    if not near or bytes > _OWN_MOST_BYTES or system.count > 8 or bytes % (DTYPES[dtype].bytes * system.count):
        return all_reduce(system, bytes, dtype)
    return _own_all_reduce(system, bytes // DTYPES[dtype].bytes, dtype)


@lru_cache(maxsize=256)
def _own_all_reduce(system: System, elements: int, dtype: str) -> Communication:
    size, n = elements * DTYPES[dtype].bytes, system.count
    once = n == 2 or size < (1 << 19 if n <= 4 else 1 << 18)
    tile = max(1, _OWN_IN_FLIGHT // 4 // DTYPES[dtype].bytes)
    program = (one_shot if once else two_shot)(n, elements, dtype, tile)
    whole = system.as_chip()
    link = float(whole.ticks_of(whole.network.hop_latency) * whole.tick)
    choice = nccl.Choice("one shot" if once else "two shots", "ll", 0.0, nccl.bus_bytes_per_s(system))
    handshake = max(0.0, nccl.HOP_US["nvlink"]["ring"]["ll"] * 1e-6 - link) + link
    chip = system.replace({"message": f"{handshake * 1e9:.1f} ns"}).as_chip()
    result = simulate(program, chip, workload="all_reduce")
    return Communication("all_reduce", choice, 1, program, size, n, result)


def is_right(communication: Communication, seed: int = 0) -> bool:
    """Whether the program, run by `interpret` on small integers, gives what numpy gives."""
    rng = np.random.default_rng(seed)
    program, n = communication.program, communication.chips
    x = rng.integers(-3, 4, (n, *program.tensor("X").shape)).astype(np.float32)
    found = np.asarray(interpret(program, {"X": x})["Y"], dtype=np.float32)
    match communication.operation:
        case "all_reduce":
            expected = np.broadcast_to(x.sum(axis=0), x.shape)
        case "reduce_scatter":
            expected = x.sum(axis=0)
        case "all_gather":
            expected = np.broadcast_to(x, (n, *x.shape))
        case _:
            expected = x.swapaxes(0, 1)
    return bool(np.array_equal(found, expected))
