"""Networks of switches: the fat tree and the dragonfly, with their routes.

The fat tree is the extended generalized one of Öhring et al. (IPPS 1995); with as many switches above as below each
it is the k-ary n-tree of Petrini and Vanneschi (IPPS 1997), with one above it is a tree as Leiserson's. Its route goes
up by the number of the target (D-mod-k: Zahavi, 2012), so that what goes to one node meets, and what goes to different
ones spreads. The dragonfly is that of Kim et al. (ISCA 2008) with minimal routing: within the group, over the one link
between the two groups, within the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memsim.hierarchy.network import Network
from memsim.hierarchy.problems import problem

if TYPE_CHECKING:
    import networkx as nx

    from memsim.hierarchy.wiring import Wiring

Path = tuple[str, ...]


# Fat tree ------------------------------------------------------------------------------------------------------------


def fat_tree(wiring: Wiring) -> None:
    """Switches over ``arity`` nodes, level by level; leaves are the cores, then the memory ports.

    Switch ``t<level>_<group>_<copy>`` stands over the leaves of its group; its links upward lead to ``uplinks`` copies.
    """
    network = wiring.network
    leaves = [*wiring.cores, *wiring.memories]
    for number, leaf in enumerate(leaves):
        wiring.graph.nodes[leaf]["leaf"] = number
    groups, level = [[leaf] for leaf in leaves], 0
    while len(groups) > 1 or level == 0:
        level += 1
        each = network.arity**level
        groups = [leaves[i : i + each] for i in range(0, len(leaves), each)]
        for group, below in enumerate(groups):
            for copy in range(network.uplinks ** (level - 1)):
                wiring.switch(_fat_switch(level, group, copy), below)
    _link_levels(wiring, leaves, level)


def _link_levels(wiring: Wiring, leaves: list[str], levels: int) -> None:
    network = wiring.network
    for number, leaf in enumerate(leaves):
        wiring.link(leaf, _fat_switch(1, number // network.arity, 0))
    for level in range(1, levels):
        groups = -(-len(leaves) // network.arity**level)
        for group in range(groups):
            for copy in range(network.uplinks ** (level - 1)):
                for up in range(network.uplinks):
                    above = _fat_switch(level + 1, group // network.arity, copy * network.uplinks + up)
                    wiring.link(_fat_switch(level, group, copy), above, network.growth**level)


def _fat_switch(level: int, group: int, copy: int) -> str:
    return f"t{level}_{group}_{copy}"


def fat_tree_route(network: Network, graph: nx.DiGraph[str], source: str, target: str) -> Path:
    """Up to the first switch over both ends, by copies that the target's number chooses, and down."""
    arity, uplinks = network.arity, network.uplinks
    start, end = graph.nodes[source]["leaf"], graph.nodes[target]["leaf"]
    up, copy, level = [_fat_switch(1, start // arity, 0)], 0, 1
    while start // arity**level != end // arity**level:
        copy = copy * uplinks + end // uplinks ** (level - 1) % uplinks
        level += 1
        up.append(_fat_switch(level, start // arity**level, copy))
    down = []
    for below in range(level - 1, 0, -1):
        copy //= uplinks
        down.append(_fat_switch(below, end // arity**below, copy))
    return (source, *up, *down, target)


# Dragonfly -----------------------------------------------------------------------------------------------------------


def dragonfly(wiring: Wiring) -> None:
    """Routers ``d<group>_<router>``: complete within a group, one link between each two groups."""
    network, cores = wiring.network, wiring.cores
    each, routers = network.router_cores, network.group_routers
    groups = -(-len(cores) // (each * routers))
    if groups - 1 > routers * network.global_links:
        raise problem(
            f"{groups} groups need {groups - 1} links each, but {routers} routers have {network.global_links} each",
            "use more global_links, group_routers or router_cores",
            key="network.global_links",
        )
    for group in range(groups):
        inside = cores[group * each * routers : (group + 1) * each * routers]
        for router in range(routers):
            own = inside[router * each : (router + 1) * each]
            wiring.switch(f"d{group}_{router}", own or inside)
            for core in own:
                wiring.link(core, f"d{group}_{router}")
            for other in range(router):
                wiring.link(f"d{group}_{other}", f"d{group}_{router}")
    for group in range(groups):
        for other in range(group):
            wiring.link(_gateway(network, group, other, groups), _gateway(network, other, group, groups))
    wiring.graph.graph["groups"] = groups
    wiring.memories_to_nearest([f"d{group}_{router}" for group in range(groups) for router in range(routers)])


def _gateway(network: Network, group: int, other: int, groups: int) -> str:
    """Router of a group that holds its link to another one: links are dealt out in the order of the groups behind."""
    return f"d{group}_{(other - group - 1) % groups // network.global_links}"


def dragonfly_route(network: Network, graph: nx.DiGraph[str], source: str, target: str) -> Path:
    """At most one link inside the group, one between groups, one inside the other group."""
    first, last = (next(n for n in graph.successors(end) if n.startswith("d") and "_" in n) for end in (source, target))
    here, there = (int(name[1:].partition("_")[0]) for name in (first, last))
    path = [source, first]
    if here != there:
        groups = graph.graph["groups"]
        path += [_gateway(network, here, there, groups), _gateway(network, there, here, groups)]
    path += [last, target]
    return tuple(node for i, node in enumerate(path) if i == 0 or node != path[i - 1])
