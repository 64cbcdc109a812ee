"""Latency of a network against load, measured as BookSim2 measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memsim.noc import words as w
from memsim.noc.network import (
    D_EJECT,
    D_INJECT,
    D_INTERVAL,
    L_CYCLES,
    L_INTERVAL,
    L_TARGET,
    Array,
    Network,
    NetworkError,
    Router,
)
from memsim.noc.state import words
from memsim.noc.traffic import Traffic, pattern


@dataclass(frozen=True)
class Protocol:
    """How a load is measured; the thresholds are BookSim2's defaults.

    Parameters
    ----------
    period
        Cycles of a sample.
    warm_up
        Samples before measurement.
    most
        Samples in all, after which measurement ends though means may not have settled.
    change
        Samples are taken until three in a row change mean latency and accepted rate by no more than this.
    unstable_cycles
        A mean latency above this, of packets delivered and still on their way, counts as unstable.
    """

    period: int = 2000
    warm_up: int = 1
    most: int = 30
    change: float = 0.05
    unstable_cycles: float = 300.0


@dataclass(frozen=True)
class Measured:
    """What a network did at one load. Past saturation latencies are not a number.

    Parameters
    ----------
    offered, accepted
        Flits a node and cycle.
    latency_cycles
        Mean of packets from creation to the last flit's arrival, with the wait at the source.
    network_latency_cycles
        From the first flit's injection.
    zero_load_cycles
        What the latency is without other traffic, from the pipeline alone.
    hops
        Routers passed, mean of packets.
    stable
        Whether the load is below saturation.
    cycles
        Simulated.
    packets
        Delivered in all.
    flit_hops
        Flits that left a router, in all.
    link_flits
        The same for each link.
    faults
        Flits out of order, or without room for them: 0, or the model is wrong.
    """

    offered: float
    accepted: float
    latency_cycles: float
    network_latency_cycles: float
    zero_load_cycles: float
    hops: float
    stable: bool
    cycles: int
    packets: int
    flit_hops: int
    link_flits: Array
    faults: int


class _Run:
    """A network under way."""

    def __init__(self, network: Network, router: Router, traffic: Traffic, flits: int, rate: float, seed: int) -> None:
        self.network, self.traffic, self.rate = network, traffic, rate
        self.words = words(network, router, flits)
        self.chance = rate / flits
        self.seed = np.array([seed * 0x9E3779B97F4A7C15 % 2**64 ^ 0x5851F42D4C957F2D], dtype=np.uint64)
        self.given, self.finish = np.zeros((0, 4), dtype=np.int64), np.zeros(0, dtype=np.int64)
        draw = np.random.default_rng(seed)
        nodes = len(network.nodes)
        first = draw.geometric(self.chance, nodes) - 1 if rate else w.NEVER
        self.words[self.words[w.NODE_BASE] + w.N_NEXT + np.arange(nodes) * w.NODE_WORDS] = first
        self.now = 0

    def advance(self, cycles: int) -> None:
        from memsim.noc.cycle import advance

        m, traffic = self.words, self.traffic
        self.now = advance(
            self.now,
            self.now + cycles,
            m,
            self.chance,
            traffic.targets,
            traffic.shares,
            self.given,
            self.seed,
            self.finish,
        )

    def count(self, column: int) -> int:
        return int(self.words[column])

    def clear(self) -> None:
        self.words[[w.LATENCY, w.DELIVERED, w.NETWORK, w.HOPS, w.ACCEPTED]] = 0

    def option(self, column: int, value: int) -> None:
        self.words[column] = value

    def late(self, limit: float) -> bool:
        """Whether the mean latency, with the age of every flit on its way, is above the limit."""
        flying = self.count(w.FLYING)
        total = self.count(w.LATENCY) + self.now * flying - self.count(w.FLYING_CREATED)
        return total > limit * (self.count(w.DELIVERED) + flying)


def _converge(run: _Run, protocol: Protocol) -> int | None:
    """Warm up and sample until means settle; cycles measured, or None if the load is unstable."""
    latency = accepted = 0.0
    settled, begun = 0, 0
    for sample in range(protocol.most):
        warming = sample < protocol.warm_up
        if sample == protocol.warm_up or (warming and sample % 2 == 0):
            run.clear()
            begun = run.now
        run.option(w.PHASE, w.WARMING if warming else w.RUNNING)
        run.advance(protocol.period)
        if run.late(protocol.unstable_cycles):
            return None
        was = latency, accepted
        latency = run.count(w.LATENCY) / max(run.count(w.DELIVERED), 1)
        accepted = run.count(w.ACCEPTED) / (run.now - begun)
        changes = (abs(new - old) > protocol.change * new for new, old in zip((latency, accepted), was, strict=True))
        settled = 0 if any(changes) or warming else settled + 1
        if settled == 3:
            break
    return run.now - begun


def _drain(run: _Run, protocol: Protocol) -> bool:
    """Let all measured packets arrive, under the same load; whether they do before latency runs away."""
    run.option(w.PHASE, w.DRAINING)
    run.option(w.DRAIN_AT, run.now)
    run.option(w.STOP, 1)
    while True:
        until = run.now + 1000
        run.advance(1000)
        if run.count(w.MEASURED) == 0 and run.now < until:
            return True
        if run.late(protocol.unstable_cycles):
            return False


def simulate(
    network: Network,
    traffic: Traffic | str = "uniform",
    rate: float = 0.1,
    *,
    flits: int = 1,
    router: Router | None = None,
    seed: int = 1,
    protocol: Protocol | None = None,
) -> Measured:
    """Measure a network under a load.

    Parameters
    ----------
    network
        From `memsim.noc.mesh`, `torus`, `ring`, `crossbar`, `fattree`, `dragonfly` or `from_graph`.
    traffic
        A name of `memsim.noc.traffic.NAMES`, or a `Traffic`.
    rate
        Flits a node and cycle, offered by a Bernoulli process of packets.
    flits
        Flits a packet.
    router
        How routers work.
    seed
        Of all that is random.
    protocol
        How the load is measured.
    """
    router, protocol = router or Router(), protocol or Protocol()
    router.check(network, flits)
    if not 0 < rate <= flits:
        raise NetworkError(
            f"{rate:g} is no load", where="rate", mend=f"give flits a node and cycle, above 0 to {flits}"
        )
    if isinstance(traffic, str):
        traffic = pattern(traffic, network, seed=seed)
    zero = zero_load(network, traffic, flits=flits, router=router)  # which also finds routes that are missing
    run = _Run(network, router, traffic, flits, rate, seed)
    cycles = _converge(run, protocol)
    accepted = run.count(w.ACCEPTED) / (cycles or run.now) / len(network.nodes)
    stable = cycles is not None and _drain(run, protocol)
    return _measured(run, zero, accepted, stable)


def _measured(run: _Run, zero: float, accepted: float, stable: bool) -> Measured:
    links = len(run.network.links)
    base = run.count(w.PORT_BASE)
    routed = run.words[base : base + run.count(w.PORTS) * w.PORT_WORDS].reshape(-1, w.PORT_WORDS)
    carried = np.zeros(links, dtype=np.int64)
    carried[[out for row in run.network.outputs for out in row if out >= 0]] = routed[
        routed[:, w.P_NODE] < 0, w.P_FLITS
    ]
    packets = max(run.count(w.DELIVERED), 1) if stable else float("nan")
    return Measured(
        offered=run.rate,
        accepted=accepted,
        latency_cycles=run.count(w.LATENCY) / packets,
        network_latency_cycles=run.count(w.NETWORK) / packets,
        zero_load_cycles=zero,
        hops=run.count(w.HOPS) / packets,
        stable=stable,
        cycles=run.now,
        packets=run.count(w.RETIRED),
        flit_hops=int(routed[:, w.P_FLITS].sum()),
        link_flits=carried,
        faults=run.count(w.FAULTS),
    )


def zero_load(
    network: Network, traffic: Traffic | str = "uniform", *, flits: int = 1, router: Router | None = None, seed: int = 1
) -> float:
    """The mean latency in cycles of packets that meet nobody.

    A router takes a cycle for each of channel allocation (none if speculative), switch allocation and traversal, and
    ``routing_delay`` more; a link, and injection and ejection, its latency and one cycle to enter the next stage; the
    other flits follow at the rate of the slowest link (`packet_cycles`).
    """
    router = router or Router()
    if isinstance(traffic, str):
        traffic = pattern(traffic, network, seed=seed)
    cycles = _pair_cycles(network, traffic, flits, router)
    rows = np.arange(len(network.nodes))[:, None]
    return float((cycles[rows, traffic.targets] * traffic.probabilities()).sum() / len(network.nodes))


def _pair_cycles(network: Network, traffic: Traffic, flits: int, router: Router) -> Array:
    """`packet_cycles` of every pair, walking all routes at once."""
    nodes = len(network.nodes)
    counts = np.diff(network.first, axis=1)
    steps = network.choices[np.minimum(network.first[:, :-1], len(network.choices) - 1), 0]
    ends = np.broadcast_to(network.node_links, (nodes, 3))
    at = np.repeat(network.nodes[:, None], nodes, axis=1)
    target = np.broadcast_to(np.arange(nodes), at.shape)
    stage = 1 + router.routing_delay - int(router.speculative)
    # When the head and the last flit are granted the way out: of the source, then of each router.
    head = np.repeat(ends[:, None, D_INJECT] + 1 + stage, nodes, axis=1)
    tail = np.repeat((flits - 1) * ends[:, None, D_INTERVAL] + ends[:, None, D_INJECT] + 1, nodes, axis=1)
    used = np.zeros(at.shape, dtype=bool)
    used[np.arange(nodes)[:, None], traffic.targets] = traffic.probabilities() > 0
    for _ in range(len(network.links) + 1):
        missing = np.argwhere(used & (counts[at, target] == 0))
        if len(missing):
            network.path(int(missing[0, 0]), int(missing[0, 1]))  # says what is missing
        going = used & (steps[at, target] >= 0)
        if not going.any():
            break
        link = network.links[steps[at[going], target[going]]]
        tail[going] = np.maximum(tail[going], head[going] + (flits - 1) * link[:, L_INTERVAL]) + link[:, L_CYCLES] + 2
        head[going] += link[:, L_CYCLES] + 2 + stage
        at[going] = link[:, L_TARGET]
    return np.maximum(tail, head + (flits - 1) * ends[None, :, D_INTERVAL]) + ends[None, :, D_EJECT] + 2


def packet_cycles(network: Network, source: int, target: int, flits: int, router: Router) -> int:
    """Cycles from creation to arrival of a packet that meets nobody.

    The head waits at each router for its channel, the other flits do not, so what a slow link has pulled apart closes
    up again: the last flit leaves each stage at the later of its own arrival and the head's grant plus all intervals.
    """
    inject, _, interval = network.node_link(source)
    _, eject, last_interval = network.node_link(target)
    stage = 1 + router.routing_delay - int(router.speculative)
    head, tail = inject + 1 + stage, (flits - 1) * interval + inject + 1
    for link in network.links[network.path(source, target)]:
        tail = max(tail, head + (flits - 1) * int(link[L_INTERVAL])) + int(link[L_CYCLES]) + 2
        head += int(link[L_CYCLES]) + 2 + stage
    return max(tail, head + (flits - 1) * last_interval) + eject + 2


def sweep(
    network: Network,
    traffic: Traffic | str = "uniform",
    rates: Sequence[float] = (),
    *,
    flits: int = 1,
    router: Router | None = None,
    seed: int = 1,
    protocol: Protocol | None = None,
) -> list[Measured]:
    """Loads in ascending order up to the first that is unstable; unless given, steps of a twentieth of full rate."""
    points = []
    for rate in sorted(rates) or [0.005, 0.02, *(step / 20 for step in range(1, 21))]:
        points.append(simulate(network, traffic, rate, flits=flits, router=router, seed=seed, protocol=protocol))
        if not points[-1].stable:
            break
    return points


def saturation(
    network: Network,
    traffic: Traffic | str = "uniform",
    *,
    flits: int = 1,
    router: Router | None = None,
    seed: int = 1,
    protocol: Protocol | None = None,
    tolerance: float = 0.01,
    above: float = 0.0,
    below: float = 1.0,
) -> float:
    """The highest stable load in flits a node and cycle, by bisection between a stable and an unstable one.

    It ends when they differ by no more than ``tolerance`` of the higher. If ``below`` is stable, it is the answer.
    """
    top = simulate(network, traffic, below, flits=flits, router=router, seed=seed, protocol=protocol)
    if top.stable:
        return below
    while below - above > tolerance * below:
        middle = (above + below) / 2
        at = simulate(network, traffic, middle, flits=flits, router=router, seed=seed, protocol=protocol)
        above, below = (middle, below) if at.stable else (above, middle)
    return above
