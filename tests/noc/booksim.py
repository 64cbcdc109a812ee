"""Latency against load from BookSim2 (commit 28f4329, one seed a point), and the network that each curve is of.

Input-queued routers, iSLIP with one iteration, credit delay 1, look-ahead routing, dimension order; on the torus a
dateline with the channels in halves, and links of two cycles. Mean latency over 300 cycles counts as unstable.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from memsim import noc

TABLE = Path(__file__).parent / "data" / "booksim2.csv"


@dataclass(frozen=True)
class Curve:
    name: str
    network: noc.Network
    traffic: str
    flits: int
    router: noc.Router
    points: list[tuple[float, float]]
    """Offered load and packet latency, of the stable loads."""
    unstable: float
    """The lowest unstable load."""

    @property
    def saturation(self) -> float:
        return max(load for load, _ in self.points)


def curve(rows: list[dict[str, str]]) -> Curve:
    row = rows[0]
    k = int(row["k"])
    router = noc.Router(
        vcs=int(row["num_vcs"]),
        buffer=int(row["vc_buf"]),
        routing_delay=int(row["routing_delay"]),
        input_speedup=int(row["input_speedup"]),
        speculative=row["speculative"] == "1",
    )
    loads = [(float(row["offered_flits_node_cycle"]), row) for row in rows]
    points = sorted((load, float(row["packet_latency"])) for load, row in loads if row["stable"] == "1")
    unstable = min(load for load, row in loads if row["stable"] == "0")
    network = noc.TOPOLOGIES[row["topology"]](k)
    return Curve(row["case"], network, row["traffic"], int(row["packet_flits"]), router, points, unstable)


def curves(table: Path = TABLE) -> list[Curve]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [curve([row for row in rows if row["case"] == case]) for case in dict.fromkeys(row["case"] for row in rows)]


CURVES = curves()
