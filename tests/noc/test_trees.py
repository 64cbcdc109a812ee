"""Multicast and reduction: each link of the tree once, and times that a lone packet sets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim import noc
from memsim.noc import Router

MESH = noc.mesh(4)
NODES = st.integers(0, 15)


@settings(max_examples=40, deadline=None)
@given(NODES, st.sets(NODES, min_size=1), st.integers(1, 9))
def test_a_multicast_passes_each_link_of_its_tree_once(source: int, targets: set[int], flits: int) -> None:
    ends = sorted(targets)
    tree = noc.multicast(MESH, source, ends, flits=flits)
    edges = {link for target in ends for link in MESH.path(source, target)}
    assert set(tree.links) == edges
    assert tree.link_bytes(16) == 16 * flits * len(edges)
    assert len(tree.links) <= sum(len(MESH.path(source, target)) for target in ends)
    alone = [noc.deliver(MESH, [(source, end, 16 * flits)], packet_flits=9).finish[0] for end in ends]
    assert list(tree.finish_cycles) == alone
    reached = {int(MESH.nodes[source])} | {int(MESH.links[link, 1]) for link in tree.links}
    assert len(reached) == len(edges) + 1  # a tree: as many routers as links, and the first


@settings(max_examples=40, deadline=None)
@given(st.sets(NODES, min_size=1), NODES, st.integers(1, 9))
def test_a_reduction_passes_each_link_of_its_tree_once(sources: set[int], target: int, flits: int) -> None:
    starts = sorted(sources)
    tree = noc.reduce(MESH, starts, target, flits=flits)
    edges = {link for source in starts for link in MESH.path(source, target)}
    assert set(tree.links) == edges
    assert tree.flit_hops == flits * len(edges)
    slowest = max(noc.packet_cycles(MESH, source, target, flits, Router()) for source in starts)
    joins = sum(1 for router in range(16) if sum(int(MESH.links[link, 1]) == router for link in edges) > 0)
    assert slowest <= tree.finish_cycles[0] <= slowest + joins + 1


def test_an_all_to_one_reduction_moves_a_packet_a_link() -> None:
    tree = noc.reduce(MESH, range(16), 0, flits=4)
    assert len(tree.links) == 15
    many = noc.deliver(MESH, [(source, 0, 64) for source in range(1, 16)])
    assert many.link_flits.sum() == 4 * sum(source % 4 + source // 4 for source in range(16))
    assert tree.flit_hops == 60 < many.link_flits.sum()
    assert tree.finish_cycles[0] < max(many.finish)


def test_additions_take_their_time() -> None:
    quick, slow = (noc.reduce(noc.mesh(3, 1), [0, 1, 2], 2, flits=1, add_cycles=c).finish_cycles[0] for c in (0, 5))
    assert quick == noc.packet_cycles(noc.mesh(3, 1), 0, 2, 1, Router())
    assert slow == pytest.approx(quick + 2 * 5)  # at router 1 and at router 2
