"""Multicast and reduction at the level of packets: trees of routes, each link passed once.

A router of a multicast copies what it gets to each branch; one of a reduction waits for all its branches, adds them,
and sends one on. There is no other traffic; times are those of the flit network's pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from memsim.noc.network import L_CYCLES, L_SOURCE, L_TARGET, Network, Router
from memsim.noc.simulation import packet_cycles


@dataclass(frozen=True)
class Tree:
    """What a multicast or reduction took.

    Parameters
    ----------
    links
        Links of the tree, in order of first use.
    finish_cycles
        For each target (of a reduction: the one) the cycle in which the last flit arrives.
    flit_hops
        Flits over links.
    """

    links: tuple[int, ...]
    finish_cycles: tuple[int, ...]
    flit_hops: int

    def link_bytes(self, flit_bytes: int) -> int:
        """Bytes over all links."""
        return self.flit_hops * flit_bytes


def _stage(router: Router) -> int:
    return 2 + router.routing_delay - int(router.speculative)


def multicast(
    network: Network, source: int, targets: Iterable[int], *, flits: int, router: Router | None = None
) -> Tree:
    """A packet from one node to many, over the union of its routes."""
    router, ends = router or Router(), tuple(targets)
    links = tuple(dict.fromkeys(link for target in ends for link in network.path(source, target)))
    finish = tuple(packet_cycles(network, source, target, flits, router) for target in ends)
    return Tree(links, finish, len(links) * flits)


def reduce(
    network: Network,
    sources: Iterable[int],
    target: int,
    *,
    flits: int,
    router: Router | None = None,
    add_cycles: int = 1,
) -> Tree:
    """Packets from many nodes to one, added on the way wherever their routes meet; an addition takes ``add_cycles``."""
    router, starts = router or Router(), tuple(sources)
    paths = [network.path(source, target) for source in starts]
    links = tuple(dict.fromkeys(link for path in paths for link in path))
    arrivals: dict[int, list[int]] = {}
    for source in starts:
        arrivals.setdefault(int(network.nodes[source]), []).append(network.node_link(source)[0] + 1)

    def ready(place: int) -> int:
        """When the head of the sum can leave a router."""
        coming = arrivals.get(place, [])[:]
        for link in links:
            if network.links[link, L_TARGET] == place:
                coming.append(ready(int(network.links[link, L_SOURCE])) + int(network.links[link, L_CYCLES]) + 1)
        sums = add_cycles if len(coming) > 1 else 0
        return max(coming) + sums + _stage(router)

    finish = ready(int(network.nodes[target])) + network.node_link(target)[1] + 1 + flits - 1
    return Tree(links, (finish,), len(links) * flits)
