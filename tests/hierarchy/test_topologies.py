"""Topologies of switches, links with values of their own, tables: against counts and graphs made by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import Chip, Duration, Network, Rate, link_kinds
from tests.hierarchy.samples import small


def chip_of(cores: int, **network: Any) -> Chip:
    return small(**{"core.grid": [cores, 1], **{f"network.{key}": value for key, value in network.items()}})


def switches(chip: Chip) -> list[str]:
    return [name for name in chip.graph if chip.graph.nodes[name]["role"] == "switch"]


def ends(chip: Chip) -> list[str]:
    return [name for name in chip.graph if chip.graph.nodes[name]["role"] in ("core", "memory")]


def check_paths(chip: Chip) -> None:
    """Every pair has a path over links that are there, always the same, through no other core or memory."""
    for source in ends(chip):
        for target in ends(chip):
            path = chip.route(source, target)
            assert (path[0], path[-1]) == (source, target)
            assert all(chip.graph.has_edge(a, b) for a, b in pairwise(path))
            assert len(set(path)) == len(path)
            assert path == chip.route(source, target)
            assert not set(path[1:-1]) & set(ends(chip))


# Fat trees ------------------------------------------------------------------------------------------------------------


def test_a_k_ary_n_tree_has_n_levels_of_equal_bandwidth() -> None:
    chip = chip_of(15, topology="fat_tree", arity=4)  # and one memory: 16 leaves = 4^2
    assert len(switches(chip)) == 2 * 4  # n k^(n-1), Petrini and Vanneschi 1997
    up = [name for name in chip.graph.successors("t1_0_0") if name.startswith("t2")]
    assert len(up) == 4


@pytest.mark.parametrize(("arity", "levels"), [(2, 3), (3, 2), (8, 1)])
def test_a_path_climbs_to_the_first_common_switch(arity: int, levels: int) -> None:
    chip = chip_of(7, topology="fat_tree", arity=arity)
    check_paths(chip)
    for a in range(7):
        for b in range(7):
            climbs = next(n for n in range(1, levels + 1) if a // arity**n == b // arity**n) if a != b else 0
            assert len(chip.route(f"core{a}", f"core{b}")) == (2 * climbs + 1 if a != b else 1)


def test_ways_to_different_cores_use_different_roots() -> None:
    chip = chip_of(16, topology="fat_tree", arity=4, **{"memory_port_bandwidth": "1 GB/s"})
    roots = [next(n for n in chip.route("core0", f"core{i}") if n.startswith("t2")) for i in range(4, 8)]
    assert len(set(roots)) == 4
    assert len({chip.route(f"core{i}", "core15")[2] for i in range(4)}) == 1, "what goes to one node meets"


def test_a_permutation_within_a_full_fat_tree_meets_no_link_twice() -> None:
    chip = chip_of(15, topology="fat_tree", arity=4)
    used = [edge for i in range(15) for edge in pairwise(chip.route(f"core{i}", f"core{(i + 4) % 15}"))]
    up = [(a, b) for a, b in used if a.startswith("t1") and b.startswith("t2")]
    assert max(up.count(edge) for edge in up) <= 2  # one more than none: 15 is no multiple of 4


def test_a_tree_with_one_way_up_widens_as_leiserson_says() -> None:
    chip = chip_of(15, topology="fat_tree", arity=2, uplinks=1, growth=2)
    rates = [chip.graph.edges[f"t{level}_0_0", f"t{level + 1}_0_0"]["bandwidth"].value for level in (1, 2, 3)]
    assert rates == [64, 128, 256]
    assert len(switches(chip)) == 8 + 4 + 2 + 1


# Dragonfly ------------------------------------------------------------------------------------------------------------


def test_a_dragonfly_has_complete_groups_and_one_link_between_each_two() -> None:
    chip = chip_of(72, topology="dragonfly")  # p = 2, a = 4, h = 2: nine groups of eight, Kim et al. 2008
    names = switches(chip)
    assert len(names) == 9 * 4
    inside = [
        (a, b) for a, b in chip.graph.edges if {a, b} <= set(names) and a.partition("_")[0] == b.partition("_")[0]
    ]
    between = [(a, b) for a, b in chip.graph.edges if {a, b} <= set(names) and (a, b) not in inside]
    assert len(inside) == 9 * 4 * 3
    assert len(between) == 9 * 8
    degree = {name: sum(1 for a, _ in between if a == name) for name in names}
    assert set(degree.values()) == {2}, "every router uses all of its links to other groups"
    lengths = {len(chip.route("core0", f"core{i}")) for i in range(1, 72)}
    assert max(lengths) == 1 + 4 + 1, "local, global, local: four routers"


def test_a_dragonfly_of_any_size_has_minimal_paths() -> None:
    chip = chip_of(13, topology="dragonfly", router_cores=1, group_routers=2, global_links=3)
    check_paths(chip)


def test_too_many_groups_are_refused() -> None:
    with pytest.raises(ChipError, match=r"network.global_links: 5 groups need 4 links each, but 1 routers have 2"):
        chip_of(5, topology="dragonfly", router_cores=1, group_routers=1)


# Meshes, full connection ----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from(["mesh", "torus"]))
@settings(max_examples=20, deadline=None)
def test_grids_of_any_dimension_take_the_manhattan_way(shape: list[int], topology: str) -> None:
    count = 1
    for size in shape:
        count *= size
    chip = chip_of(count, topology=topology, shape=shape)
    wrap = topology == "torus"

    def place(i: int) -> list[int]:
        found = []
        for size in shape:
            i, digit = divmod(i, size)
            found.append(digit)
        return found

    for target in range(count):
        steps = [abs(a - b) for a, b in zip(place(0), place(target), strict=True)]
        ways = [min(d, size - d) if wrap else d for d, size in zip(steps, shape, strict=True)]
        routers = [n for n in chip.route("core0", f"core{target}") if n.startswith("r")]
        assert len(routers) == (sum(ways) + 1 if target else 0)


def test_a_shape_must_fill_the_grid() -> None:
    with pytest.raises(ChipError, match=r"network.shape: 2 x 2 routers are not the 6 sites"):
        chip_of(6, shape=[2, 2])
    with pytest.raises(ChipError, match="a shape belongs to a mesh or torus"):
        chip_of(4, topology="ring", shape=[2, 2])


def test_full_connection_is_one_link_for_each_pair() -> None:
    chip = chip_of(6, topology="fully_connected")
    assert sum(1 for a, b in chip.graph.edges if "dram0" not in (a, b)) == 6 * 5
    check_paths(chip)
    assert chip.route("core1", "core4") == ("core1", "core4")


# Links with values of their own ---------------------------------------------------------------------------------------


def star() -> nx.Graph:
    graph = nx.Graph()
    graph.add_node("hub", pos=(3.0, 4.0))
    graph.add_edge("core0", "hub", kind="nvlink4", count=3)
    graph.add_edge("core1", "hub", bandwidth="10 GB/s", latency="7 ns", energy="3 pJ/bit", mm="9 mm")
    graph.add_edge("hub", "dram0")
    return graph


def test_any_networkx_graph_is_a_network() -> None:
    chip = chip_of(2).replace({"network": Network.from_graph(star(), link_bandwidth="1 GB/s")})
    assert Chip.from_text(chip.to_toml()) == chip
    link = chip.graph.edges["hub", "core0"]
    assert link["bandwidth"] == Rate(3 * 20 * 10**9, "s")  # 25 GB/s, of which 128 of 160 bytes are data
    assert (link["energy"], link["kind"]) == (5.6, "nvlink4")
    assert link["latency"] == link_kinds()["nvlink4"].latency
    assert link["mm"] == (3 - 1) + (4 - 0.5)
    link = chip.graph.edges["hub", "core1"]
    assert (link["bandwidth"], link["mm"], link["energy"]) == (Rate(10**10, "s"), 9.0, 3.0)
    assert chip.ticks_of(link["latency"]) == 7
    assert chip.graph.edges["core0", "hub"]["latency"] == Duration(0, "cycle"), "the way into a switch is free"


def test_a_directed_graph_has_links_of_one_way() -> None:
    graph = nx.DiGraph([("core0", "core1"), ("core1", "core2"), ("core2", "core0"), ("core0", "dram0")])
    graph.add_edge("dram0", "core1")
    chip = chip_of(3).replace({"network": Network.from_graph(graph, link_bandwidth="1 GB/s")})
    assert chip.route("core1", "core0") == ("core1", "core2", "core0")
    with pytest.raises(ChipError, match="no path leads from core1 to core0"):
        graph.remove_edge("core2", "core0")
        chip.replace({"network": Network.from_graph(graph, link_bandwidth="1 GB/s")})


def test_no_path_leads_through_a_memory() -> None:
    with pytest.raises(ChipError, match=r"no path leads from core0 to core1\n  mend: .* memory port"):
        chip_of(2, topology="graph", edges=[["core0", "dram0"], ["dram0", "core1"]])


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"topology": "graph", "links": [{"a": "core0", "b": "cor1"}]}, "network.links: unknown node 'cor1'"),
        ({"topology": "graph", "links": [{"a": "core0", "b": "core0"}]}, "a link from core0 to itself"),
        ({"topology": "graph", "links": [{"a": "core0", "b": "core1", "kind": "nvlink9"}]}, "unknown kind of link"),
        ({"link": "nvlynk4"}, "did you mean 'nvlink4'?"),
        ({"topology": "fat_tree", "arity": 1}, "network.arity: a switch of a fat tree needs at least 2 nodes"),
        ({"topology": "graph", "nodes": {"core1": [1, 1]}, "edges": [["core0", "core1"]]}, "has a place of its own"),
        ({"table": [["core0", "core1", "r1"]]}, "a table belongs to routing table"),
        ({"routing": "table"}, "routing by a table needs one"),
    ],
)
def test_mistakes_are_told(network: dict[str, Any], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        chip_of(2, **network)
    assert message in str(caught.value)


def test_link_kinds_have_sources_and_sane_numbers() -> None:
    for name, kind in link_kinds().items():
        assert len(kind.source) > 10, name
        assert 10**9 < kind.payload_bandwidth.value <= kind.bandwidth.value
        assert 0 < kind.energy < 50


# Tables ---------------------------------------------------------------------------------------------------------------

RING = [["core0", "core1"], ["core1", "core2"], ["core2", "core0"], ["core0", "dram0"]]


def by_table(rows: list[list[str]]) -> Chip:
    return chip_of(3, topology="graph", edges=RING, routing="table", table=rows)


def test_a_table_says_the_way() -> None:
    chip = by_table([["core1", "dram0", "core2"], ["core2", "*", "core0"]])
    assert chip.route("core1", "dram0") == ("core1", "core2", "core0", "dram0")
    assert chip.route("core0", "core1") == ("core0", "core1"), "a neighbour needs no row"
    assert Chip.from_text(chip.to_toml()) == chip
    nested = {"core1": {"dram0": "core2"}, "core2": {"*": "core0"}}
    assert by_table(nested).route("core1", "dram0") == chip.route("core1", "dram0")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["core1", "dram0", "core0"]], "no row says how to get from core2 to dram0"),
        ([["core1", "*", "core2"], ["core2", "*", "core1"]], "runs in a circle through core"),
        ([["core1", "*", "dram0"], ["core2", "*", "core0"]], "there is no link from core1 to dram0"),
        ([["core1", "*", "core2"], ["core1", "*", "core0"]], "two rows say how to get from core1 to *"),
    ],
)
def test_a_table_is_checked(rows: list[list[str]], message: str) -> None:
    with pytest.raises(ChipError) as caught:
        by_table(rows)
    assert message in str(caught.value)
