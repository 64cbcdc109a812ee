"""Hypothesis strategy for random small chips on which any random program of `tests.strategies` can run."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from memsim.hierarchy import Chip
from memsim.isa.ops import MMA_TYPES


@st.composite
def chips(draw: st.DrawFn, cores: int = 8) -> Chip:
    """A chip of at least ``cores`` cores: any topology, with or without caches, ports, clocks that do not divide."""
    columns = draw(st.sampled_from([n for n in (1, 2, 4, cores) if cores % n == 0]))
    clock = draw(st.sampled_from(["1 GHz", "3 GHz", "1.83 GHz"]))
    parts: dict[str, Any] = {
        "core": {
            "grid": [columns, -(-cores // columns)],
            "pitch": ["1 mm", "2 mm"],
            "reg": {"capacity": "64 MiB", "bandwidth": draw(_rate(64, 512, none=True))},
            "sram": {"capacity": "64 MiB", "bandwidth": draw(_rate(8, 256, none=True)), "latency": draw(_cycles(5))},
            "matrix": draw(st.sampled_from(["dot", "weight_stationary", "output_stationary"]).map(_matrix)),
            "vector": {"lanes": draw(st.integers(1, 64)), "special_lanes": 3, "latency": draw(_cycles(9))},
            "dma": {
                "issue": draw(_cycles(4)),
                "latency": draw(_cycles(30)),
                "max_transfers": draw(st.integers(1, 8)),
                "max_bytes": draw(st.sampled_from(["1 KiB", "16 KiB", "1 MiB"])),
            },
        },
        "dram": {
            "kind": "HBM2",
            "capacity": "1 GiB",
            "channels": draw(st.sampled_from([2, 4, 6])),
            "bandwidth": draw(_rate(3, 200)),
            "latency": draw(_cycles(90)),
            "interleave": draw(st.sampled_from(["64 B", "256 B", "4 KiB"])),
            "at": draw(st.sampled_from([[["0 mm", "0 mm"]], [["0 mm", "0 mm"], ["0 mm", "3 mm"]]])),
        },
        "network": {
            "topology": draw(st.sampled_from(["mesh", "torus", "ring", "crossbar", "tree"])),
            "link_bandwidth": draw(_rate(3, 64)),
            "hop_latency": draw(_cycles(4)),
            "energy_per_bit_hop": "10 fJ/bit",
        },
    }
    parts["shared"] = {
        "capacity": "64 MiB",
        "bandwidth": draw(_rate(3, 256)),
        "banks": draw(st.sampled_from([2, 4, 6])),
        "latency": draw(_cycles(20)),
        "interleave": "128 B",
        "at": draw(st.sampled_from([[["1 mm", "1 mm"]], [["0 mm", "1 mm"], ["2 mm", "1 mm"]]])),
    }
    if draw(st.booleans()):
        parts["cache"] = {
            "capacity": draw(st.sampled_from(["1 KiB", "8 KiB", "1 MiB"])),
            "slices": draw(st.sampled_from([2, 4, 6])),
            "at": draw(st.sampled_from([[["1 mm", "0 mm"]], [["0 mm", "0 mm"], ["2 mm", "0 mm"]]])),
            "bandwidth": draw(_rate(16, 256)),
            "latency": draw(_cycles(20)),
            "interleave": "128 B",
            "write_back": draw(st.booleans()),
        }
    launch, block_start = draw(_cycles(50)), draw(_cycles(7))
    return Chip(name="drawn", clock=clock, launch=launch, block_start=block_start, static_power="1 W", **parts)


def _rate(low: int, high: int, *, none: bool = False) -> st.SearchStrategy[str | None]:
    rates = st.integers(low, high).map(lambda n: f"{n} B/cycle") | st.integers(low, high).map(lambda n: f"{n}.7 GB/s")
    return st.none() | rates if none else rates


def _cycles(most: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda n: f"{n} cycles")


def _matrix(kind: str) -> dict[str, Any]:
    if kind == "dot":
        return {"kind": kind, "native": {dtype: [4, 4, 4, 2] for dtype in MMA_TYPES}, "latency": "3 cycles"}
    return {"kind": "systolic", "rows": 4, "cols": 4, "dataflow": kind, "cycles_scale": dict.fromkeys(MMA_TYPES, 1)}
