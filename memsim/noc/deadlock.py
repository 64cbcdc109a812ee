"""Freedom from deadlock: the graph of which channel waits for which has no circle.

Source: W. J. Dally and C. L. Seitz, "Deadlock-free message routing in multiprocessor interconnection networks", IEEE
Trans. Computers C-36(5), 1987.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsim.noc.network import L_DIM, L_TARGET, Network, NetworkError
from memsim.noc.words import EITHER_CLASS, NEXT_CLASS, SAME_CLASS

if TYPE_CHECKING:
    import networkx as nx

Channel = tuple[int, int]
"""A link and a class of its virtual channels."""


def dependencies(network: Network) -> nx.DiGraph[Channel]:
    """Channels, with an edge from each to those that a packet may ask for while it holds it."""
    import networkx as nx

    graph: nx.DiGraph[Channel] = nx.DiGraph()
    for node in range(len(network.nodes)):
        waiting: list[tuple[int, int, int, Channel | None]] = [
            (int(r), -1, 0, None) for r in set(network.nodes.tolist())
        ]
        seen = set(waiting)
        while waiting:
            router, dim, kind, held = waiting.pop()
            for step, entry in network.steps(router, node).tolist():
                if step < 0:
                    continue
                there, along = int(network.links[step, L_TARGET]), int(network.links[step, L_DIM])
                for own, later in _classes(kind, entry, turns=along != dim):
                    graph.add_node((step, own))
                    if held is not None:
                        graph.add_edge(held, (step, own))
                    state = there, along, later, (step, own)
                    if state not in seen:
                        seen.add(state)
                        waiting.append(state)
    return graph


def _classes(kind: int, entry: int, *, turns: bool) -> list[tuple[int, int]]:
    """The classes that a packet may take on a link, each with its class from there on."""
    if entry == NEXT_CLASS:
        return [(kind, kind + 1)]
    if entry == SAME_CLASS or not turns:
        return [(kind, kind)]
    return [(0, 0), (1, 1)] if entry == EITHER_CLASS else [(entry, entry)]


def check_deadlock(
    network: Network, mend: str = "route up*/down*, or give packets a class of channels a hop"
) -> Network:
    """The network, if it cannot deadlock.

    Raises
    ------
    NetworkError
        If channels can wait for one another in a circle, which is named.
    """
    import networkx as nx

    try:
        circle = nx.find_cycle(dependencies(network))
    except nx.NetworkXNoCycle:
        return network
    routers = " → ".join(str(network.links[link, 0]) for (link, _), _ in circle)
    cause = f"packets can wait for one another in a circle: routers {routers} → {network.links[circle[0][0][0], 0]}"
    raise NetworkError(cause, where=network.name, mend=mend)
