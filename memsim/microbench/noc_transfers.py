"""How far the engine's links are from flits: the same tiles sent by a tile program and over the flit network.

The engine takes each direction of a link as one first-come-first-served server that a tile passes whole, cut through;
the flit network cuts tiles into packets that share links, wait for credits and win or lose arbitration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from memsim.engine.simulate import simulate
from memsim.hierarchy import Chip
from memsim.isa import parse
from memsim.noc import Router, deliver, from_chip, multicast

TILES = (256, 1024, 4096, 16384, 65536)
PATTERNS = ("neighbour", "uniform", "transpose", "all-to-one", "multicast")
_LINK_BYTES = 16
_HOP = 4
"""Cycles of a hop: three of the router and one of the link, as the flit network has them."""


class Send(NamedTuple):
    """A tile from one core to a row of cores."""

    source: int
    first: int
    targets: int = 1


@dataclass(frozen=True)
class Difference:
    """Both models on one set of tiles, in cycles from the first that is ready to the last that has arrived.

    Parameters
    ----------
    pattern, tile_bytes
        What was sent.
    engine_cycles, flit_cycles
        The makespan in each model.
    engine_mean, flit_mean
        The mean time of a tile.
    """

    pattern: str
    tile_bytes: int
    engine_cycles: int
    flit_cycles: int
    engine_mean: float
    flit_mean: float

    @property
    def ratio(self) -> float:
        """The flit network's makespan over the engine's."""
        return self.flit_cycles / self.engine_cycles

    @property
    def mean_ratio(self) -> float:
        """The same of the mean time of a tile."""
        return self.flit_mean / self.engine_mean


def grid_chip(k: int) -> Chip:
    """Cores on a k by k mesh: 16 bytes a cycle a link, four cycles a hop, and nothing else that takes time."""
    cores = {
        "grid": [k, k],
        "pitch": ["1 mm", "1 mm"],
        "reg": {"capacity": "1 MiB"},
        "sram": {"capacity": "64 MiB"},
        "vector": {"lanes": 1024},
        "dma": {"issue": "0 cycles", "latency": "0 cycles", "max_transfers": 1024, "max_bytes": "64 MiB"},
    }
    memory = {"kind": "HBM2", "capacity": "1 GiB", "channels": 1, "bandwidth": "8 B/cycle", "latency": "1 cycle"}
    network = {"topology": "mesh", "link_bandwidth": f"{_LINK_BYTES} B/cycle", "hop_latency": f"{_HOP} cycles"}
    return Chip(name="grid", clock="1 GHz", core=cores, dram=memory, network=network)


def sends(pattern: str, k: int, *, seed: int = 1) -> list[Send]:
    """Who sends to whom: each core one tile, but for a multicast, where the first of each row sends to its row."""
    cores = range(k * k)
    if pattern == "neighbour":
        return [Send(core, core // k * k + (core + 1) % k) for core in cores]
    if pattern == "uniform":
        draw = np.random.default_rng(seed)
        return [Send(core, int(draw.choice([c for c in cores if c != core]))) for core in cores]
    if pattern == "transpose":
        return [Send(core, core % k * k + core // k) for core in cores if core % k != core // k]
    if pattern == "all-to-one":
        return [Send(core, 0) for core in cores if core]
    return [Send(row * k, row * k + 1, k - 1) for row in range(k)]


def program_text(listed: Sequence[Send], k: int, tile_bytes: int) -> str:
    """A tile program that fills a tile a send, and sends all of them as soon as they are there."""
    cores, rows = k * k, tile_bytes // 4
    lines = ["program tiles", f"kernel k blocks (x {cores}) cluster ({cores}) {{"]
    for i, (source, first, targets) in enumerate(listed):
        here = f"loop s max(0, 1 - max(x - {source}, {source} - x))"
        there = f"loop g max(0, min(1, min({first + targets} - x, x - {first - 1})))"
        lines += [
            f"ring in{i} sram fp32 [{rows}]",
            f"ring out{i} sram fp32 [{rows}]",
            f"queue make{i} {{ {here} {{ fill out{i} 1 push out{i} }} }}",
            f"queue send{i} {{ {here} {{ send in{i} to ({first} : {targets}) <- out{i} pop out{i} }} }}",
            f"queue use{i} {{ {there} {{ pop in{i} }} }}",
        ]
    return "\n".join([*lines, "}"])


def engine_times(listed: Sequence[Send], chip: Chip, tile_bytes: int) -> list[int]:
    """Cycles of each tile in the engine, from when it is ready."""
    k = int(chip.core.grid[0])
    trace = simulate(parse(program_text(listed, k, tile_bytes)), chip, trace=True).trace
    assert trace is not None
    fills = trace[trace["op"] == "fill"].set_index("queue")["end_tick"]
    done = trace[trace["op"] == "send"].groupby("queue")["end_tick"].max()
    return [int(done[f"send{i}"] - fills[f"make{i}"]) for i in range(len(listed))]


def flit_times(listed: Sequence[Send], chip: Chip, tile_bytes: int, router: Router) -> list[int]:
    """Cycles of each tile in the flit network; multicasts must not share links, and follow their trees."""
    network, flit_bytes = from_chip(chip)
    if all(send.targets == 1 for send in listed):
        moves = [(f"core{send.source}", f"core{send.first}", tile_bytes) for send in listed]
        done = deliver(network, moves, flit_bytes=flit_bytes, packet_flits=min(router.buffer, 8), router=router)
        return list(done.finish)
    node = {name: i for i, name in enumerate(network.names)}
    flits = -(-tile_bytes // flit_bytes)
    trees = [
        multicast(
            network,
            node[f"core{send.source}"],
            (node[f"core{send.first + j}"] for j in range(send.targets)),
            flits=flits,
        )
        for send in listed
    ]
    assert len({link for tree in trees for link in tree.links}) == sum(len(tree.links) for tree in trees)
    return [max(tree.finish_cycles) for tree in trees]


def transfer_difference(
    *, k: int = 4, tiles: Sequence[int] = TILES, patterns: Sequence[str] = PATTERNS, router: Router | None = None
) -> Iterator[Difference]:
    """Send the tiles of each pattern and size in both models."""
    chip, router = grid_chip(k), router or Router()
    for pattern in patterns:
        listed = sends(pattern, k)
        for tile_bytes in tiles:
            engine = engine_times(listed, chip, tile_bytes)
            flits = flit_times(listed, chip, tile_bytes, router)
            means = float(np.mean(engine)), float(np.mean(flits))
            yield Difference(pattern, tile_bytes, max(engine), max(flits), *means)
