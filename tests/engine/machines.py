"""Small chips and programs whose timing can be worked out by hand."""

from __future__ import annotations

import heapq
import random
from typing import Any

import simpy

from memsim.engine.compile_plan import make_plan
from memsim.engine.result import Result
from memsim.engine.simulate import run_plan
from memsim.engine.tracing import TraceWindow
from memsim.hierarchy import Chip
from memsim.isa import Program

LAUNCH, DMA, DRAM, HOP = 100, 7, 50, 3
"""Ticks of the plain chip: launch, DMA latency, DRAM latency, the crossbar."""


def plain_chip(cores: int = 1, **changes: Any) -> Chip:
    """1 GHz, one link of 16 B/cycle to each core, DRAM of one channel at 8 B/cycle, a 16x16x16 unit in 16 cycles."""
    chip = Chip(
        name="plain",
        clock="1 GHz",
        launch=f"{LAUNCH} cycles",
        static_power="1 W",
        core={
            "grid": [cores, 1],
            "pitch": ["1 mm", "1 mm"],
            "reg": {"capacity": "1 MiB"},
            "sram": {"capacity": "1 MiB"},
            "matrix": {"kind": "dot", "native": {"fp32": [16, 16, 16, 16]}, "latency": "5 cycles"},
            "vector": {"lanes": 16, "special_lanes": 4, "latency": "2 cycles"},
            "dma": {"issue": "1 cycle", "latency": f"{DMA} cycles", "max_transfers": 16, "max_bytes": "1 MiB"},
        },
        dram={
            "kind": "HBM2",
            "capacity": "1 GiB",
            "channels": 1,
            "bandwidth": "8 B/cycle",
            "latency": f"{DRAM} cycles",
            "interleave": "64 B",
        },
        network={"topology": "crossbar", "link_bandwidth": "16 B/cycle", "hop_latency": f"{HOP} cycles"},
    )  # type: ignore[arg-type]
    return chip.replace(changes) if changes else chip


def run(program: Program, chip: Chip, env: Any = None) -> Result:
    """Simulate with a trace, and with the SimPy environment of one's choice."""
    return run_plan(make_plan(program, chip), trace=TraceWindow(), env=env)


class Shuffled(simpy.Environment):
    """Resumes events of equal time and priority in random order."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def schedule(self, event: simpy.Event, priority: Any = 1, delay: Any = 0) -> None:
        heapq.heappush(self._queue, (self._now + delay, priority, self._random.getrandbits(60), event))
