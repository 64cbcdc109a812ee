"""The flit network against BookSim2 (noc/booksim2.csv): latency, zero load and saturation of every curve."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from validate import Comparison

from memsim import noc

SOURCE = "BookSim2 28f4329"
UP_TO = 0.7
"""Share of saturation up to which latency is compared: beyond it, seeds differ by more than models do."""

Rows = list[dict[str, str]]


def tables(folder: Path) -> Iterator[Rows]:
    """The rows of each curve."""
    with (folder / "noc" / "booksim2.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for case in dict.fromkeys(row["case"] for row in rows):
        yield [row for row in rows if row["case"] == case]


def load_of(row: dict[str, str]) -> float:
    return float(row["offered_flits_node_cycle"])


def setup(row: dict[str, str]) -> tuple[noc.Network, str, int, noc.Router]:
    """Network, traffic, flits a packet and routers of a curve."""
    router = noc.Router(
        vcs=int(row["num_vcs"]),
        buffer=int(row["vc_buf"]),
        routing_delay=int(row["routing_delay"]),
        input_speedup=int(row["input_speedup"]),
        speculative=row["speculative"] == "1",
    )
    return noc.TOPOLOGIES[row["topology"]](int(row["k"])), row["traffic"], int(row["packet_flits"]), router


def curve(rows: Rows) -> Iterator[Comparison]:
    """Zero load, latencies and saturation of one curve."""
    name = rows[0]["case"].split("_vc")[0]
    network, traffic, flits, router = setup(rows[0])
    stable = sorted((row for row in rows if row["stable"] == "1"), key=load_of)
    highest, lowest = load_of(stable[-1]), min(load_of(row) for row in rows if row["stable"] == "0")
    zero = float(stable[0]["packet_latency"])
    got = noc.zero_load(network, traffic, flits=flits, router=router)
    yield Comparison(f"{name} zero load", "cycles", (zero - 0.5, zero + 0.5), got, SOURCE)
    for row in stable:
        if load_of(row) <= UP_TO * highest:
            latency = float(row["packet_latency"])
            point = noc.simulate(network, traffic, load_of(row), flits=flits, router=router)
            yield Comparison(f"{name} {load_of(row):g}", "cycles", (latency, latency), point.latency_cycles, SOURCE)
    found = noc.saturation(
        network, traffic, flits=flits, router=router, above=0.8 * highest, below=min(1.0, 1.2 * lowest), tolerance=0.005
    )
    yield Comparison(f"{name} saturation", "load", (highest, lowest), found, SOURCE)


def comparisons(reference: Path) -> Iterator[Comparison]:
    """Every curve of the table."""
    for rows in tables(reference):
        yield from curve(rows)
