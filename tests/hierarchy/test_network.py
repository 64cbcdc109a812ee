"""Networks: connected, deterministic, X then Y on meshes, and as long as the floorplan says."""

from collections.abc import Iterable
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.hierarchy import Chip, Duration, Rate
from tests.hierarchy.samples import chips, small

TOPOLOGIES = ("mesh", "torus", "ring", "crossbar", "tree")


def manhattan(a: tuple[float, float], b: tuple[float, float]) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def length(chip: Chip, path: Iterable[str]) -> float:
    return sum(float(chip.graph.edges[edge]["mm"]) for edge in pairwise(path))


def hops(chip: Chip, path: Iterable[str]) -> int:
    return sum(int(chip.graph.edges[edge]["hops"]) for edge in pairwise(path))


def every_pair(chip: Chip) -> list[tuple[str, str]]:
    nodes = [f"core{i}" for i in range(chip.core_count)] + list(chip.memory_nodes("dram"))
    return [(a, b) for a in nodes for b in nodes]


@given(chips)
def test_every_route_is_a_path_and_always_the_same(chip: Chip) -> None:
    again = Chip.from_text(chip.to_toml())
    for source, target in every_pair(chip)[:60]:
        path = chip.route(source, target)
        assert (path[0], path[-1]) == (source, target)
        assert len(set(path)) == len(path)
        assert all(chip.graph.has_edge(a, b) for a, b in pairwise(path))
        assert path == again.route(source, target)


@given(chips)
def test_links_are_as_long_as_the_floorplan_says_and_the_same_both_ways(chip: Chip) -> None:
    places = nx.get_node_attributes(chip.graph, "pos")
    for a, b, link in chip.graph.edges(data=True):
        assert link["mm"] == manhattan(places[a], places[b])
        back = chip.graph.edges[b, a]
        assert (link["mm"], link["bandwidth"]) == (back["mm"], back["bandwidth"])
    for i in range(chip.core_count):
        assert places[f"core{i}"] == chip.core_position(i)


@given(chips)
def test_routes_between_cores_of_a_mesh_are_no_longer_than_the_distance(chip: Chip) -> None:
    if chip.network.topology == "mesh":
        for source, target in every_pair(chip):
            if source.startswith("core") and target.startswith("core"):
                path = chip.route(source, target)
                ends = (chip.graph.nodes[end]["pos"] for end in (source, target))
                assert length(chip, path) == pytest.approx(manhattan(*ends))


@pytest.mark.parametrize("routing", ["dimension_order", "shortest"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_routes_take_as_few_links_as_any(topology: str, routing: str) -> None:
    chip = small(**{"network.topology": topology, "network.routing": routing, "core.grid": [5, 4]})
    fewest = dict(nx.all_pairs_shortest_path_length(chip.graph))
    for source, target in every_pair(chip):
        assert len(chip.route(source, target)) - 1 == fewest[source][target]


def test_meshes_go_along_x_and_then_along_y() -> None:
    chip = small(**{"core.grid": [4, 4]})
    assert chip.route("core1", "core14") == ("core1", "r1", "r2", "r6", "r10", "r14", "core14")
    assert chip.route("core14", "core1") == ("core14", "r14", "r13", "r9", "r5", "r1", "core1")
    assert chip.route("core3", "core3") == ("core3",)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_mesh_routes_turn_once(columns: int, rows: int, data: st.DataObject) -> None:
    chip = small(**{"core.grid": [columns, rows]})
    cores = st.integers(0, chip.core_count - 1)
    start, end = data.draw(cores), data.draw(cores)
    routers = [int(node[1:]) for node in chip.route(f"core{start}", f"core{end}") if node.startswith("r")]
    steps = [abs(a - b) if columns > 1 else columns for a, b in pairwise(routers)]
    across = abs(start % columns - end % columns)
    assert steps == [1] * across + [columns] * abs(start // columns - end // columns)


def test_a_torus_goes_the_short_way_round() -> None:
    chip = small(**{"network.topology": "torus", "core.grid": [5, 4]})
    assert chip.route("core0", "core4") == ("core0", "r0", "r4", "core4")
    assert chip.route("core0", "core15") == ("core0", "r0", "r15", "core15")
    assert chip.route("core0", "core12") == ("core0", "r0", "r1", "r2", "r7", "r12", "core12")  # a tie goes upward
    assert length(chip, ("r0", "r4")) == 4 * chip.core.pitch[0]


def test_a_mesh_keeps_the_routers_of_sites_without_cores() -> None:
    chip = small(**{"core.grid": [3, 2], "core.count": 4})
    assert chip.core_count == 4
    assert chip.route("core3", "core2") == ("core3", "r3", "r4", "r5", "r2", "core2")


def test_a_ring_runs_through_the_grid_like_a_snake() -> None:
    chip = small(**{"network.topology": "ring", "core.grid": [3, 3], "dram.at": [["0 mm", "0.5 mm"]]})
    assert chip.route("core2", "core3") == ("core2", "r2", "r5", "r4", "r3", "core3")
    assert chip.route("core0", "core8") == ("core0", "r0", "r8", "core8")
    assert chip.route("dram0", "core0") == ("dram0", "r0", "core0")


def test_a_crossbar_is_one_switch_in_the_middle() -> None:
    chip = small(**{"network.topology": "crossbar"})
    path = chip.route("core0", "dram0")
    assert path == ("core0", "xbar", "dram0")
    assert chip.graph.nodes["xbar"]["pos"] == (3.0, 1.0)
    assert length(chip, path) == (2 + 0.5) + 3


def test_a_tree_joins_two_by_two_neighbours() -> None:
    chip = small(**{"network.topology": "tree", "core.grid": [4, 4]})
    assert chip.route("core0", "core5") == ("core0", "t0_0", "core5")
    assert chip.route("core0", "core15") == ("core0", "t0_0", "t1_0", "t0_3", "core15")
    assert chip.route("core0", "dram0") == ("core0", "t0_0", "t1_0", "dram0")
    assert small(**{"network.topology": "tree", "core.grid": [1, 1]}).route("core0", "dram0") == (
        "core0",
        "t0_0",
        "dram0",
    )


def test_a_graph_has_the_links_that_it_is_given() -> None:
    edges = [["core0", "core1"], ["core1", "core2"], ["core2", "r5"], ["r5", "core3"], ["core3", "core4"]]
    edges += [["r5", "core5"], ["core5", "dram0"]]
    chip = small(**{"network.topology": "graph", "network.edges": edges})
    assert chip.route("core0", "dram0") == ("core0", "core1", "core2", "r5", "core5", "dram0")
    assert hops(chip, ("core0", "core1", "core2", "r5")) == 3
    assert hops(chip, ("r5", "core5")) == 0
    assert length(chip, ("r5", "core5")) == 0


@pytest.mark.parametrize(
    ("topology", "path_hops"), [("mesh", 3), ("torus", 2), ("ring", 3), ("crossbar", 1), ("tree", 3)]
)
def test_a_hop_is_a_router_and_the_link_behind_it(topology: str, path_hops: int) -> None:
    chip = small(**{"network.topology": topology})
    path = chip.route("core0", "core5")
    assert hops(chip, path) == path_hops
    latencies = [chip.ticks_of(chip.graph.edges[edge]["latency"]) for edge in pairwise(path)]
    assert sum(latencies) == 3 * path_hops


def test_ports_have_their_own_bandwidth() -> None:
    chip = small(**{"network.port_bandwidth": "16 B/cycle", "network.memory_port_bandwidth": "1 TB/s"})
    bandwidth = {edge: chip.graph.edges[edge]["bandwidth"] for edge in (("core0", "r0"), ("r0", "r1"), ("r0", "dram0"))}
    assert bandwidth == {
        ("core0", "r0"): Rate(16, "cycle"),
        ("r0", "r1"): Rate(32, "cycle"),
        ("r0", "dram0"): Rate(10**12, "s"),
    }
    assert chip.graph.edges["core0", "r0"]["latency"] == Duration(0, "cycle")


def test_a_cache_answers_for_the_dram_behind_it() -> None:
    cache = {"capacity": "1 MiB", "bandwidth": "64 B/cycle", "at": [["1 mm", "1 mm"], ["5 mm", "1 mm"]]}
    chip = small(cache=cache, **{"dram.at": [["0 mm", "0 mm"], ["6 mm", "2 mm"]]})
    assert chip.memory_nodes("dram") == ("cache0", "cache1")
    assert "dram0" not in chip.graph
    assert chip.backing_mm == (2 + 6 + 6 + 2) / 4
    assert small().backing_mm == 0.0
    assert small().memory_nodes("dram") == ("dram0",)


def test_memories_hang_on_the_nearest_router() -> None:
    chip = small(**{"dram.at": [["6 mm", "2 mm"], ["0 mm", "0 mm"], ["3 mm", "1 mm"]]})
    assert [chip.route(f"dram{i}", "core0")[1] for i in range(3)] == ["r5", "r0", "r1"]
