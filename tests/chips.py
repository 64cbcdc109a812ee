"""Hypothesis strategies for random small chips on which any random program of `tests.strategies` can run.

Every number of the model that decides a time varies: clocks that do not divide, rates that are fractions, latencies
that are all zero, ports that are no bottleneck, banks that do not divide by anything, caches too small for a segment,
and networks that fork at the source of a multicast or lead through one of its targets.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part
from memsim.isa.ops import MMA_TYPES
from tests.drafts import Draw, choose_from

PLACES = ("0 mm", "1 mm", "2 mm", "3 mm")
DRAM_PARTS = ("ddr4_3200", "hbm2_2000", "hbm3_6400", "gddr6_16000", "lpddr5_6400")
"""Bursts of 32 and 64 bytes, rows of 1 to 8 KiB, with two pseudo-channels a channel and without."""
TOPOLOGIES = ("mesh", "torus", "ring", "crossbar", "tree", "graph", "graph")
Parts = dict[str, Any]


def draw_chip(draw: Draw, cores: int = 8) -> Chip:
    """A chip of at least ``cores`` cores: any topology, with or without caches, ports and latencies."""
    d = _Dice(draw)
    d.timeless = d.one_in(6)
    parts: Parts = {"core": _core(d, cores), "dram": _dram(d)}
    parts["shared"] = {
        "capacity": "64 MiB",
        "bandwidth": d.rate(3, 256),
        "latency": d.cycles(20),
        "interleave": "128 B",
        **_ports(d, "banks", "1 mm"),
    }
    if d.choose(True, False):
        parts["cache"] = {
            "capacity": d.choose("16 B", "16 B", "64 B", "300 B", "2 KiB", "16 KiB", "1 MiB"),
            "bandwidth": d.rate(16, 256),
            "latency": d.cycles(20),
            "interleave": d.choose("16 B", "128 B", "1 KiB"),
            "write_back": d.choose(True, True, False),
            **_ports(d, "slices", "2 mm"),
        }
        if d.one_in(3):
            parts["cache"] |= _partitions(d)
    parts["network"] = _network(d, parts)
    clock = d.choose("1 GHz", "3 GHz", "1.83 GHz")
    if clock == "1 GHz" and d.one_in(3):
        parts["dram"]["clock"] = "1.5 GHz"
    launch, block_start = d.cycles(50), d.cycles(7)
    return Chip(name="drawn", clock=clock, launch=launch, block_start=block_start, static_power="1 W", **parts)


chips = st.composite(draw_chip)


def draw_preset(draw: Draw) -> Chip:
    """One of the chips that come with memsim that do every type, with a memory of role ``shared``."""
    return _preset(choose_from(draw, ("toy", "toy", "dally_grid", "dally_grid", "h100_sxm")))


@cache
def _preset(name: str) -> Chip:
    """A chip that comes with memsim, with a memory of role ``shared``."""
    chip = Chip.preset(name)
    shared = {"capacity": "1 MiB", "bandwidth": "128 GB/s", "banks": 2, "latency": "9 ns"}
    return chip if chip.shared else chip.replace({"shared": shared})


class _Dice:
    """Draws numbers as the texts of a chip file."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.timeless = False
        """Whether every latency is zero."""

    def choose(self, *values: Any) -> Any:
        return choose_from(self.draw, values)

    def one_in(self, n: int) -> bool:
        return choose_from(self.draw, (False,) * (n - 1) + (True,))

    def upto(self, most: int) -> int:
        return choose_from(self.draw, range(most + 1))

    def cycles(self, most: int) -> str:
        return "0 cycles" if self.timeless else f"{max(0, self.upto(most + 2) - 2)} cycles"

    def rate(self, low: int, high: int) -> str:
        number = low + self.upto(high - low)
        return self.choose(f"{number} B/cycle", f"{number}.7 GB/s")

    def rate_or_none(self, low: int, high: int) -> str | None:
        return None if self.one_in(2) else self.rate(low, high)


def _core(d: _Dice, cores: int) -> Parts:
    count = cores + d.choose(0, 0, 0, 1, 4)
    columns = d.choose(*(n for n in (1, 2, 3, 4) if n <= count))
    return {
        "grid": [columns, -(-count // columns)],
        "count": count,
        "pitch": ["1 mm", d.choose("1 mm", "2 mm")],
        "reg": {"capacity": "64 MiB", "bandwidth": d.rate_or_none(8, 512), "latency": d.cycles(1)},
        "sram": {"capacity": "64 MiB", "bandwidth": d.rate_or_none(8, 256), "latency": d.cycles(5)},
        "matrix": _matrix(d),
        "vector": {"lanes": 1 + d.upto(63), "special_lanes": 3, "latency": d.cycles(9), "reduce_latency": d.cycles(30)},
        "dma": {
            "issue": d.cycles(4),
            "latency": d.cycles(30),
            "max_transfers": d.choose(1, 2, 3, 8, 16),
            "max_bytes": d.choose("1 B", "64 B", "1 KiB", "16 KiB", "1 MiB"),
        },
    }


def _matrix(d: _Dice) -> Parts:
    kind = d.choose("dot", "weight_stationary", "output_stationary")
    if kind == "dot":
        cycles = d.choose(2, 2, 16)
        return {"kind": kind, "native": {dtype: [4, 4, 4, cycles] for dtype in MMA_TYPES}, "latency": d.cycles(9)}
    scales = dict.fromkeys(MMA_TYPES, d.choose(1, "1/2"))
    return {"kind": "systolic", "rows": 4, "cols": 4, "count": d.choose(1, 2), "dataflow": kind, "cycles_scale": scales}


def _dram(d: _Dice) -> Parts:
    dram = {
        "kind": "HBM2",
        "capacity": "1 GiB",
        "bandwidth": d.rate(3, 200),
        "efficiency": d.choose(1, 0.9),
        "latency": d.cycles(90),
        "interleave": d.choose("32 B", "256 B", "4 KiB"),
        **_ports(d, "channels", "0 mm"),
    }
    if d.choose(True, False):
        peak = dram_part(part := d.choose(*DRAM_PARTS)).peak_bandwidth * dram["channels"]
        dram |= {"part": part, "channel_map": d.choose("hashed", "linear"), "bandwidth": f"{float(peak / 10**9)} GB/s"}
    return dram


def _partitions(d: _Dice) -> Parts:
    """Two partitions with a port or two each, or three with one."""
    count, ports = d.choose((2, 2), (2, 4), (3, 3))
    return {
        "at": [[x, y] for x in ("1 mm", "2 mm") for y in PLACES][:: 8 // ports][:ports],
        "slices": ports * d.choose(1, 2, 3),
        "partitions": count,
        "partition_latency": d.cycles(30),
        "partition_bandwidth": d.rate_or_none(3, 128),
    }


def _ports(d: _Dice, banks: str, x: str) -> Parts:
    """One to three network ports in a column, and one to four banks behind each."""
    count = d.choose(1, 2, 3)
    return {"at": [[x, y] for y in PLACES[:count]], banks: count * d.choose(1, 2, 3, 4)}


def _network(d: _Dice, parts: Parts) -> Parts:
    network = {
        "topology": d.choose(*TOPOLOGIES),
        "link_bandwidth": d.rate(3, 64),
        "hop_latency": d.cycles(4),
        "energy_per_bit_hop": "10 fJ/bit",
    }
    if d.one_in(3):
        network["port_bandwidth"], network["memory_port_bandwidth"] = d.rate(3, 64), d.rate(3, 200)
    if d.one_in(4):
        network["routing"] = "shortest"
    if network["topology"] == "graph":
        network["edges"] = _edges(d, parts)
        if d.choose(True, False):  # some links have an energy of their own, of one or two kinds
            own, network["edges"] = network["edges"][::3], [e for i, e in enumerate(network["edges"]) if i % 3]
            network["links"] = [{"a": a, "b": b, "energy": f"{1 + d.upto(1)} pJ/bit"} for a, b in own]
    return network


def _edges(d: _Dice, parts: Parts) -> list[list[str]]:
    """A random tree with a few hubs over cores and some routers, with memories for leaves, and a few links more."""
    core = parts["core"]
    names = [f"core{i}" for i in range(core["count"])]
    names += [f"r{i}" for i in range(min(d.upto(2), core["grid"][0] * core["grid"][1]))]
    places = {tuple(sorted((name, names[min(d.upto(i), d.upto(i))]))) for i, name in enumerate(names[1:])}
    roles = ("shared", "cache") if "cache" in parts else ("shared", "dram")
    ports = [f"{role}{i}" for role in roles for i in range(len(parts[role]["at"]))]
    places |= {(names[d.upto(len(names) - 1)], port) for port in ports + ports[: d.upto(2)]}
    for _ in range(d.upto(3)):
        a, b = d.upto(len(names) - 1), d.upto(len(names) - 1)
        places |= {tuple(sorted((names[a], names[b])))} if a != b else set()
    return [list(edge) for edge in sorted(places)]
