"""``memsim microbench noc``: latency of a network against load, at the level of flits."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from memsim.errors import MemsimError
from memsim.noc import TOPOLOGIES, Measured, Network, NetworkError, Router, pattern, saturation, simulate, sweep

_SIZES = {"mesh": (8, 2), "torus": (8, 2), "ring": (8, 1), "crossbar": (8, 1), "fattree": (4, 3), "dragonfly": (2, 1)}
"""k and n of each topology unless given."""
_MOST = 1 << 25
"""Routers times nodes, beyond which the table of routes takes too much memory."""


@dataclass(frozen=True)
class NocStudy:
    """A network, its traffic and how its routers work.

    Parameters
    ----------
    topology
        A name of `memsim.noc.TOPOLOGIES`.
    k, n
        Nodes along a dimension and dimensions (of a crossbar: nodes; of a fat tree: ports down and levels; of a
        dragonfly: nodes a router); the topology's own unless given.
    traffic
        A name of `memsim.noc.NAMES`.
    flits
        Flits a packet.
    vcs, buffer, routing_delay, speculative, input_speedup, cut_through
        See `memsim.noc.Router`.
    balanced
        Of a torus: leave the class of channels open to packets that need not change it.
    rate
        Flits a node and cycle; None finds latency over all loads, and saturation.
    seed
        Of all that is random.
    """

    topology: str = "mesh"
    k: int | None = None
    n: int | None = None
    traffic: str = "uniform"
    flits: int = 1
    vcs: int = 4
    buffer: int = 8
    rate: float | None = None
    routing_delay: int = 0
    speculative: bool = False
    input_speedup: int = 1
    cut_through: bool = False
    balanced: bool = False
    seed: int = 1

    def network(self) -> Network:
        """The network of these settings."""
        if self.topology not in TOPOLOGIES:
            names = ", ".join(TOPOLOGIES)
            raise NetworkError(f"unknown topology {self.topology!r}", where="topology", mend=f"choose from {names}")
        own_k, own_n = _SIZES[self.topology]
        k, n = self.k or own_k, self.n or own_n
        if (self.k is not None and self.k < 1) or (self.n is not None and self.n < 1):
            raise NetworkError("a network needs at least one node", where="k", mend="give k and n from 1 on")
        _check_size(self.topology, k, n)
        options: dict[str, Any] = {"balanced": True} if self.balanced and self.topology in ("torus", "ring") else {}
        if self.topology in ("mesh", "torus", "fattree"):
            return TOPOLOGIES[self.topology](k, n, **options)
        return TOPOLOGIES[self.topology](k, **options)

    def router(self) -> Router:
        """How its routers work."""
        return Router(
            vcs=self.vcs,
            buffer=self.buffer,
            routing_delay=self.routing_delay,
            speculative=self.speculative,
            input_speedup=self.input_speedup,
            cut_through=self.cut_through,
        )


def _check_size(topology: str, k: int, n: int) -> None:
    nodes = {"mesh": k**n, "torus": k**n, "fattree": k**n, "dragonfly": 2 * k * k * (2 * k * k + 1)}.get(topology, k)
    routers = {"fattree": n * k ** (n - 1), "dragonfly": nodes // k, "crossbar": 1}.get(topology, nodes)
    if nodes * routers > _MOST:
        raise NetworkError(f"a {topology} of {nodes} nodes is too large", where="k", mend="give a smaller k or n")


@dataclass(frozen=True)
class NocResult:
    """What a study found: one point, or all up to saturation in flits a node and cycle."""

    network: Network
    points: tuple[Measured, ...]
    saturation: float | None = None


def study(settings: NocStudy) -> NocResult:
    """Measure one load, or all."""
    network, router = settings.network(), settings.router()
    if settings.seed < 0:
        raise MemsimError(f"a seed of {settings.seed}", where="--seed", mend="write a whole number from 0")
    traffic = pattern(settings.traffic, network, seed=settings.seed)
    if settings.rate is not None:
        point = simulate(network, traffic, settings.rate, flits=settings.flits, router=router, seed=settings.seed)
        return NocResult(network, (point,))
    points = sweep(network, traffic, flits=settings.flits, router=router, seed=settings.seed)
    last = points[-1]
    if last.stable:
        return NocResult(network, tuple(points), last.offered)
    low = points[-2].offered if len(points) > 1 else 0.0
    found = saturation(
        network, traffic, flits=settings.flits, router=router, seed=settings.seed, above=low, below=last.offered
    )
    if found > low:
        points.insert(-1, simulate(network, traffic, found, flits=settings.flits, router=router, seed=settings.seed))
    return NocResult(network, tuple(points), found)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def point_summary(point: Measured) -> dict[str, Any]:
    """One load as JSON; what saturation leaves undefined is null."""
    return {
        "offered": point.offered,
        "accepted": point.accepted,
        "latency_cycles": _number(point.latency_cycles),
        "network_latency_cycles": _number(point.network_latency_cycles),
        "hops": _number(point.hops),
        "stable": point.stable,
        "cycles": point.cycles,
        "packets": point.packets,
        "flit_hops": point.flit_hops,
    }


def summary(settings: NocStudy, result: NocResult) -> dict[str, Any]:
    """The study as JSON: of one load its numbers, of a sweep the highest stable load's, and all points."""
    stable = [point for point in result.points if point.stable] or list(result.points)
    head = point_summary(stable[-1])
    rest = {} if settings.rate is not None else {"points": [point_summary(point) for point in result.points]}
    zero = float(result.points[0].zero_load_cycles)
    about = {"network": result.network.name, **asdict(settings)}
    del about["rate"]
    return {**about, **head, "zero_load_cycles": zero, "saturation": result.saturation, **rest}


def show(settings: NocStudy, result: NocResult) -> str:
    """The study as a table for the screen."""
    zero = result.points[0].zero_load_cycles
    head = (
        f"{result.network.name}, {settings.traffic}, {settings.flits} flits a packet, {settings.vcs} virtual channels "
    )
    lines = [f"{head}of {settings.buffer} flits", f"zero load: {zero:.1f} cycles", ""]
    lines.append("offered  accepted  latency  in network  hops   (flits a node and cycle; cycles)")
    for point in result.points:
        if point.stable:
            row = f"{point.latency_cycles:7.1f}  {point.network_latency_cycles:10.1f}  {point.hops:.2f}"
        else:
            row = "past saturation"
        lines.append(f"{point.offered:7.4f}  {point.accepted:8.4f}  {row}")
    if result.saturation is not None:
        lines.append(f"\nsaturation: {result.saturation:.3f} flits a node and cycle")
    return "\n".join(lines)
