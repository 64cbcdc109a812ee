"""Shapes, routes and their freedom from deadlock, against networkx and closed forms."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim import noc
from memsim.noc import Network, NetworkError

NETWORKS = [
    noc.mesh(4),
    noc.mesh(3, 3),
    noc.torus(4),
    noc.torus(5),
    noc.torus(4, balanced=True),
    noc.ring(6),
    noc.crossbar(9),
    noc.fattree(2, 3),
    noc.fattree(4, 2),
    noc.dragonfly(1),
    noc.dragonfly(2),
]
MINIMAL = [network for network in NETWORKS if "tree" not in network.name and "dragonfly" not in network.name]


def as_graph(network: Network) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.routers))
    graph.add_edges_from(network.links[:, :2].tolist())
    return graph


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_channels_never_wait_in_a_circle(network: Network) -> None:
    assert nx.is_directed_acyclic_graph(noc.dependencies(network))


@pytest.mark.parametrize("network", MINIMAL, ids=lambda network: network.name)
def test_routes_are_shortest(network: Network) -> None:
    lengths = dict(nx.all_pairs_shortest_path_length(as_graph(network)))
    for source, start in enumerate(network.nodes.tolist()):
        for target, end in enumerate(network.nodes.tolist()):
            assert len(network.path(source, target)) == lengths[start][end]


def test_the_torus_without_its_classes_would_deadlock() -> None:
    from dataclasses import replace

    torus = noc.torus(4)
    choices = torus.choices.copy()
    choices[:, 1] = 0
    with pytest.raises(NetworkError, match="circle"):
        noc.check_deadlock(replace(torus, choices=choices))


@pytest.mark.parametrize(("k", "n"), [(2, 3), (4, 2), (3, 3)])
def test_a_fat_tree_has_n_levels_of_full_bisection(k: int, n: int) -> None:
    tree = noc.fattree(k, n)
    assert len(tree.nodes) == k**n
    assert tree.routers == n * k ** (n - 1)
    assert len(tree.links) == 2 * k**n * (n - 1)
    for a in range(len(tree.nodes)):
        for b in range(len(tree.nodes)):
            common = next(level for level in range(n) if a // k ** (level + 1) == b // k ** (level + 1))
            assert len(tree.path(a, b)) == 2 * common


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_dragonfly_has_a_global_link_between_any_two_groups(k: int) -> None:
    network = noc.dragonfly(k)
    groups, routers = 2 * k * k + 1, 2 * k
    assert len(network.nodes) == 2 * k * k * groups
    far = network.links[network.links[:, 4] == 1]
    pairs = {(int(a) // routers, int(b) // routers) for a, b in far[:, :2]}
    assert len(pairs) == len(far) == groups * (groups - 1)
    longest = max(len(network.path(a, b)) for a in range(0, len(network.nodes), 5) for b in range(len(network.nodes)))
    assert longest == 3
    assert all(np.bincount(network.links[:, 0]) == routers - 1 + k)


def test_sizes_that_make_no_network_are_refused() -> None:
    for build in (lambda: noc.mesh(1), lambda: noc.torus(4, 0), lambda: noc.crossbar(0), lambda: noc.fattree(1, 2)):
        with pytest.raises(NetworkError, match="too small"):
            build()


@st.composite
def graphs(draw: st.DrawFn) -> nx.Graph:
    size, seed = draw(st.integers(2, 9)), draw(st.integers(0, 9999))
    tree = nx.random_labeled_tree(size, seed=seed)
    extra = draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=8))
    tree.add_edges_from((a, b) for a, b in extra if a != b)
    return tree


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_up_down_routes_reach_everything_on_any_graph_and_cannot_deadlock(graph: nx.Graph) -> None:
    network = noc.from_graph(graph, routing="updown")  # checks for circles itself
    done = noc.deliver(network, [(a, b, 64) for a in range(len(graph)) for b in range(len(graph))])
    assert done.faults == 0
    assert all(done.finish)


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_a_class_a_hop_allows_shortest_routes_on_any_graph(graph: nx.Graph) -> None:
    network = noc.from_graph(graph, routing="hops")
    assert nx.is_directed_acyclic_graph(noc.dependencies(network))
    lengths = dict(nx.all_pairs_shortest_path_length(graph))
    names = list(graph)
    for a in range(len(names)):
        for b in range(len(names)):
            assert len(network.path(a, b)) == lengths[names[a]][names[b]]


def test_shortest_routes_round_a_circle_are_refused_with_a_way_out() -> None:
    with pytest.raises(NetworkError, match=r"circle: routers .*\n.*updown"):
        noc.from_graph(nx.cycle_graph(5))
    assert noc.from_graph(nx.path_graph(5)).routers == 5


def test_a_table_says_the_next_vertex() -> None:
    graph = nx.cycle_graph(3)
    table = {(0, 2): 1, (1, 2): 2, (0, 1): 1, (1, 0): 0, (2, 0): 0, (2, 1): 1}
    network = noc.from_graph(graph, routing=table)
    assert len(network.path(0, 2)) == 2
    with pytest.raises(NetworkError, match="no edge"):
        noc.from_graph(nx.path_graph(3), routing={**table, (0, 2): 2})
    with pytest.raises(NetworkError, match="no route leads from node 2 to node 1"):
        noc.simulate(noc.from_graph(graph, routing={key: to for key, to in table.items() if key != (2, 1)}))
    with pytest.raises(NetworkError, match="unknown routing"):
        noc.from_graph(graph, routing="best")


def test_a_graph_in_two_pieces_is_refused() -> None:
    with pytest.raises(NetworkError, match="no route leads from"):
        noc.from_graph(nx.Graph([("a", "b"), ("c", "d")]))


def test_leaves_are_nodes_of_their_neighbours_router() -> None:
    graph = nx.star_graph(4)
    network = noc.from_graph(graph, terminals=[1, 2, 3, 4])
    assert network.routers == 1
    assert len(network.links) == 0
    assert noc.deliver(network, [("1", "4", 16)]).finish == noc.deliver(noc.crossbar(4), [(0, 3, 16)]).finish


def test_a_chip_is_its_network_with_a_hop_of_the_same_length() -> None:
    from memsim.microbench.noc_transfers import grid_chip

    network, flit_bytes = noc.from_chip(grid_chip(4))
    assert flit_bytes == 16
    assert network.names[:2] == ("core0", "core1")
    near, far = (noc.deliver(network, [("core0", target, 16)]).finish[0] for target in ("core1", "core15"))
    assert far - near == 5 * 4  # five hops more, of four cycles
    assert network.lengths_mm[network.path(0, 1)].sum() == pytest.approx(1.0)
