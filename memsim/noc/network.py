"""A flit network as data: routers, links, nodes, and where a packet may go next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memsim.errors import MemsimError
from memsim.noc.words import SHIFT

Array = Any  # numpy.ndarray of int64, whose shape the name's comment gives

L_SOURCE, L_TARGET, L_CYCLES, L_INTERVAL, L_DIM = range(5)
D_INJECT, D_EJECT, D_INTERVAL = range(3)


class NetworkError(MemsimError):
    """A network, traffic or option that makes no sense or can deadlock."""


@dataclass(frozen=True)
class Network:
    """Routers joined by one-way links, with nodes at some of them, and the routes of every pair.

    Parameters
    ----------
    name
        What reports call it.
    links
        One row a link: source router, target router, latency in cycles, cycles a flit (1 is full rate), and a number
        that links of one dimension share.
    nodes
        The router of each node.
    outputs, inputs
        For each router its ports in the order of arbitration: a link's row, or ``~n`` for node n.
    first, choices
        Row r of ``first`` holds, for each node n, where in ``choices`` the next steps from router r begin; they end
        where those of n + 1 begin. A step is an output (as in ``outputs``) and the class of channels that the packet
        enters with it when it changes dimension: a number, -1 its own, -2 class 0 or 1 at random, -3 one class a hop.
        Of several steps one is drawn.
    classes
        Into how many classes the virtual channels are split.
    lengths_mm
        Length of each link, for energy.
    node_links
        For each node, or one row for all: latency of the injection and of the ejection link, and cycles a flit.
    names
        What nodes are called.
    shape
        Nodes along each dimension, for traffic that is defined by coordinates.
    """

    name: str
    links: Array
    nodes: Array
    outputs: Sequence[Sequence[int]]
    inputs: Sequence[Sequence[int]]
    first: Array
    choices: Array
    classes: int = 1
    lengths_mm: Array = field(default_factory=lambda: np.zeros(0))
    node_links: Array = field(default_factory=lambda: np.ones((1, 3), dtype=np.int64))
    names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    @property
    def routers(self) -> int:
        """How many routers there are."""
        return len(self.outputs)

    def steps(self, router: int, node: int) -> Array:
        """The next steps of a packet for a node."""
        return self.choices[self.first[router, node] : self.first[router, node + 1]]

    def node_link(self, node: int) -> tuple[int, int, int]:
        """Latency of a node's injection and ejection link in cycles, and cycles a flit."""
        inject, eject, interval = self.node_links[node if len(self.node_links) > 1 else 0]
        return int(inject), int(eject), int(interval)

    def path(self, source: int, target: int) -> list[int]:
        """The links from node to node, taking the first choice where there are several."""
        path: list[int] = []
        router = self.nodes[source]
        while (step := self._first_step(router, source, target)) >= 0:
            path.append(step)
            router = self.links[step, L_TARGET]
            if len(path) > len(self.links):
                raise NetworkError(f"the route from node {source} to node {target} runs in circles", where=self.name)
        return path

    def _first_step(self, router: int, source: int, target: int) -> int:
        steps = self.steps(router, target)
        if not len(steps):
            cause = f"no route leads from node {source} to node {target}: it ends at router {router}"
            raise NetworkError(cause, where=self.name, mend="add rows to the table of routes")
        return int(steps[0, 0])


@dataclass(frozen=True)
class Router:
    """How routers work; as in BookSim2 unless given.

    Parameters
    ----------
    vcs
        Virtual channels of an input.
    buffer
        Flits that a virtual channel holds.
    routing_delay
        Cycles to compute a route; 0 is look-ahead routing, which takes none.
    speculative
        Heads bid for the switch while they bid for a channel.
    input_speedup
        Switch inputs that an input port has.
    credit_delay
        Cycles to process a credit.
    cut_through
        Virtual cut-through: a head moves on only when the buffer behind the link has room for its whole packet.
        Otherwise wormhole: it needs room for itself.
    """

    vcs: int = 4
    buffer: int = 8
    routing_delay: int = 0
    speculative: bool = False
    input_speedup: int = 1
    credit_delay: int = 1
    cut_through: bool = False

    def check(self, network: Network, flits: int) -> None:
        """Refuse what cannot work."""
        for name, least in (("vcs", 1), ("buffer", 1), ("routing_delay", 0), ("input_speedup", 1), ("credit_delay", 0)):
            if getattr(self, name) < least:
                raise NetworkError(f"{getattr(self, name)} is too few", where=name, mend=f"give at least {least}")
        if self.vcs < network.classes:
            cause = f"{self.vcs} virtual channels cannot keep {network.classes} classes apart"
            mend = f"give at least {network.classes} (a torus needs two classes against deadlock)"
            raise NetworkError(cause, where="vcs", mend=mend)
        if self.vcs % self.input_speedup:
            cause = f"an input speed-up of {self.input_speedup} does not divide {self.vcs} virtual channels"
            raise NetworkError(cause, where="input_speedup", mend="give a divisor")
        if not 1 <= flits < 1 << SHIFT:
            raise NetworkError(f"{flits} is no number of flits", where="flits", mend=f"give 1 to {(1 << SHIFT) - 1}")
        if self.cut_through and flits > self.buffer:
            cause = f"packets of {flits} flits never fit into buffers of {self.buffer}"
            raise NetworkError(cause, where="buffer", mend="give larger buffers, smaller packets, or wormhole")


def routes_from_lists(steps: Sequence[Sequence[Sequence[tuple[int, int]]]]) -> tuple[Array, Array]:
    """``first`` and ``choices`` of a `Network` from the steps of each router to each node."""
    counts = np.array([[len(choices) for choices in row] for row in steps], dtype=np.int64)
    flat = [step for row in steps for choices in row for step in choices]
    return first_of(counts), np.array(flat, dtype=np.int64).reshape(-1, 2)


def first_of(counts: Array) -> Array:
    """Where the steps of each router and node begin, from how many there are; one column more than nodes."""
    ends = np.cumsum(counts.ravel()).reshape(counts.shape)
    starts = np.concatenate([[0], ends.ravel()[:-1]])[:: counts.shape[1]]
    return np.ascontiguousarray(np.concatenate([starts[:, None], ends], axis=1), dtype=np.int64)
