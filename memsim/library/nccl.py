"""NCCL's choice among algorithms and protocols, and what it states that they cost: facts of its public source.

NVIDIA, NCCL 2.19, src/graph/tuning.cc: base latencies, latencies of a hop, bandwidths by protocol; src/enqueue.cc and
src/include/device.h: threads, thresholds, buffers. One node only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.errors import MemsimError
from memsim.hierarchy import System

PROTOCOLS = ("ll", "ll128", "simple")
ALGORITHMS = ("ring", "tree")

BASE_US = {
    "tree": {"ll": 6.8, "ll128": 14.0, "simple": 0.0},
    "ring": {"ll": 6.6, "ll128": 14.0, "simple": 8.4},
}
"""Microseconds before the first hop: the launch, and what a kernel does once."""
HOP_US = {
    "nvlink": {
        "tree": {"ll": 0.6, "ll128": 1.25, "simple": 28.0},
        "ring": {"ll": 0.6, "ll128": 1.9, "simple": 3.4},
    },
    "pcie": {
        "tree": {"ll": 1.0, "ll128": 1.9, "simple": 28.0},
        "ring": {"ll": 1.0, "ll128": 2.5, "simple": 5.7},
    },
}
"""Microseconds from one GPU to the next. A tree's with Simple is that of a chunk of 256 KiB."""
LL_MOST_GBS = {"volta": 39.0, "ampere": 87.7, "hopper": 87.7}
"""Bus bandwidth that LL reaches on one node."""
LL128_CHANNEL_GBS = {"volta": 20.0, "ampere": 20.0, "hopper": 36.7}
"""What a channel reaches with LL128, as the search counts channels: half as many as run."""
TREE_CHANNEL_GBS = {"volta": 26.5, "ampere": 24.0, "hopper": 38.7}
"""The same with Simple, on a tree."""
TREE_CORRECTION = {
    "ll": (1.0,) * 4 + (0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.6, 0.5, 0.4, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9) + (1.0,) * 4,
    "ll128": (1.0,) * 5 + (0.9, 0.8, 0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.8, 0.9, 0.9, 0.9, 0.9, 1.0, 1.0),
    "simple": (0.9,) * 7
    + (0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.7, 0.7, 0.8, 0.9, 0.9),
}  # fmt: skip
"""Share of a tree's bandwidth for vectors of 64 B, 128 B … 256 MiB."""
CHANNELS = {"nvlink2": 12, "nvlink3": 24, "nvlink4": 24, "nvlink5": 24}
"""Of a communicator inside a node, as NCCL prints them; the search finds half as many, and doubles them."""
PCIE_CHANNELS = 4
THREADS = {"ll": 512, "ll128": 640, "simple": 512}
THRESHOLD_BYTES = {"ll": 8, "ll128": 8, "simple": 64}
"""Bytes that a thread gets at least before there is one channel more; times the chips for LL on a ring."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An algorithm with a protocol, and what NCCL's model says of it."""

    algorithm: str
    protocol: str
    latency_s: float
    bytes_per_s: float
    """Of the whole vector."""

    def time_s(self, size: int) -> float:
        """What NCCL's model expects for ``size`` bytes."""
        rate = self.bytes_per_s
        if self.algorithm == "tree":
            rate *= TREE_CORRECTION[self.protocol][min(22, max(0, (size >> 6).bit_length() - 1))]
        return self.latency_s + size / rate


def choices(operation: str, system: System) -> tuple[Choice, ...]:
    """All algorithms and protocols that NCCL considers for an operation in one node."""
    return tuple(_choices(operation, system))


def choose(operation: str, system: System, size: int) -> Choice:
    """What NCCL would take for a vector of ``size`` bytes."""
    return min(choices(operation, system), key=lambda choice: choice.time_s(size))


def named(operation: str, system: System, size: int, algorithm: str | None, protocol: str | None) -> Choice:
    """The best of those that have this algorithm and protocol, where they are given.

    Raises
    ------
    MemsimError
        If NCCL has none such for this operation and system.
    """
    fit = [
        choice
        for choice in choices(operation, system)
        if algorithm in (None, choice.algorithm) and protocol in (None, choice.protocol)
    ]
    if not fit:
        have = sorted({f"{choice.algorithm} {choice.protocol}" for choice in choices(operation, system)})
        wanted = " ".join(name for name in (algorithm, protocol) if name)
        raise MemsimError(
            f"no {wanted} for {operation} on {system.name}", where="collective", mend="use one of: " + ", ".join(have)
        )
    return min(fit, key=lambda choice: choice.time_s(size))


def hop_s(system: System, choice: Choice) -> float:
    """Seconds from one GPU to the next, by algorithm and protocol."""
    return HOP_US[_kind(system)][choice.algorithm][choice.protocol] * 1e-6


def channels(system: System, choice: Choice, size: int) -> int:
    """Channels that NCCL gives a vector of ``size`` bytes: fewer for short ones, so that each thread has enough."""
    most = CHANNELS.get(system.link, PCIE_CHANNELS)
    least = THRESHOLD_BYTES[choice.protocol] * THREADS[choice.protocol]
    if choice.algorithm == "ring" and choice.protocol == "ll":
        least *= system.count
    return max(1, min(most, size // least))


def threads_bytes_per_s(system: System, protocol: str, channels: int) -> float:
    """What the threads of so many channels take, add and hand on, at most: by the bandwidths that NCCL states."""
    era, most = _era(system), CHANNELS.get(system.link, PCIE_CHANNELS)
    each = {
        "ll": LL_MOST_GBS[era] / CHANNELS["nvlink2" if era == "volta" else "nvlink3"],
        "ll128": LL128_CHANNEL_GBS[era] / 2,
        "simple": TREE_CHANNEL_GBS[era] / 2,
    }[protocol]
    return each * min(channels, most) * 1e9


def bus_bytes_per_s(system: System) -> float:
    """What all links of a chip carry in one direction."""
    neighbours = {"ring": 1, "fully_connected": system.count - 1}.get(system.topology, 1)
    return float(system.link_bytes_per_s) * neighbours


def _kind(system: System) -> str:
    return "nvlink" if system.link.startswith(("nvlink", "infinity")) else "pcie"


def _era(system: System) -> str:
    """The generation whose numbers NCCL takes: it knows three, and takes the last for what is newer."""
    return {"nvlink2": "volta", "nvlink3": "ampere"}.get(system.link, "hopper")


def _choices(operation: str, system: System) -> Iterator[Choice]:
    n, era, kind = system.count, _era(system), _kind(system)
    steps = {"all_reduce": 2 * (n - 1), "all_to_all": n - 1}.get(operation, n - 1)
    half = CHANNELS.get(system.link, PCIE_CHANNELS) // 2
    bus = bus_bytes_per_s(system) / 1e9
    for protocol in PROTOCOLS:
        if protocol == "ll128" and kind != "nvlink":
            continue
        lat = BASE_US["ring"][protocol] + steps * HOP_US[kind]["ring"][protocol]
        quarter = 4 if operation == "all_reduce" else 3
        ring = {
            "ll": min(LL_MOST_GBS[era], bus / quarter),
            "ll128": min(bus * 0.92, half * LL128_CHANNEL_GBS[era]),
            "simple": bus,
        }[protocol]
        yield Choice("ring", protocol, lat * 1e-6, ring * n / steps * 1e9)
        if operation != "all_reduce":
            continue
        lat = BASE_US["tree"][protocol] + 2 * (n - 1) * HOP_US[kind]["tree"][protocol]
        tree = min(bus * 0.92, half * TREE_CHANNEL_GBS[era])
        tree = {
            "ll": min(tree / 3.8, LL_MOST_GBS[era]),
            "ll128": min(tree * 7 / 9, half * LL128_CHANNEL_GBS[era]),
            "simple": tree,
        }[protocol]
        yield Choice("tree", protocol, lat * 1e-6, tree / 2 * 1e9)
