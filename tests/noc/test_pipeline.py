"""What a packet takes that meets nobody, and how many packets share a link: worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from memsim import noc
from memsim.noc import Router, Transfer, deliver


def rule(routers: int, link: int, flits: int, router: Router) -> int:
    """BookSim2's latency at zero load: three cycles a router, the links between, and three at the ends."""
    extra = router.routing_delay - int(router.speculative)
    return (3 + extra) * routers + link * (routers - 1) + 3 + flits - 1


ROUTERS = [
    Router(),
    Router(routing_delay=1),
    Router(routing_delay=3),
    Router(speculative=True),
    Router(input_speedup=2),
]


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("flits", [1, 5, 8])
@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (5, 10), (0, 15), (12, 3)])
def test_a_lone_packet_on_a_mesh(router: Router, flits: int, pair: tuple[int, int]) -> None:
    network = noc.mesh(4)
    (a, b), k = pair, 4
    hops = abs(a % k - b % k) + abs(a // k - b // k) + 1
    done = deliver(network, [Transfer(a, b, 16 * flits, start=7)], router=router)
    assert done.finish == (7 + rule(hops, 1, flits, router),)
    assert noc.packet_cycles(network, a, b, flits, router) == rule(hops, 1, flits, router)


def test_a_lone_packet_takes_the_short_way_round_a_torus() -> None:
    done = deliver(noc.torus(8), [Transfer(0, 7, 16)])
    assert done.finish == (rule(2, 2, 1, Router()),)


def test_flits_of_a_long_packet_follow_each_other_every_cycle() -> None:
    short, long = (deliver(noc.mesh(4), [Transfer(0, 3, 16 * n)], packet_flits=64).finish[0] for n in (1, 64))
    assert long - short == 63


def test_a_buffer_smaller_than_the_credits_way_back_sets_the_rate() -> None:
    """A credit is there again after six cycles: switch 1, link and entry 2, the same back 2, processing 1."""
    full = deliver(noc.mesh(2, 1), [Transfer(0, 1, 16 * 200)], packet_flits=200, router=Router(buffer=16)).finish[0]
    slow = deliver(noc.mesh(2, 1), [Transfer(0, 1, 16 * 200)], packet_flits=200, router=Router(buffer=4)).finish[0]
    assert full == rule(2, 1, 200, Router())
    assert slow == pytest.approx(200 * 6 / 4, rel=0.03)


def test_two_senders_to_one_node_share_its_link() -> None:
    done = deliver(noc.mesh(3, 1), [Transfer(0, 1, 1600), Transfer(2, 1, 1600)])
    assert max(done.finish) == pytest.approx(200 + rule(2, 1, 1, Router()), abs=6)
    assert abs(done.finish[0] - done.finish[1]) <= 16  # round robin: both end together


def test_a_slow_link_takes_its_interval_for_each_flit() -> None:
    import networkx as nx

    graph = nx.Graph()
    graph.add_edge("a", "b", interval=3)
    done = deliver(noc.from_graph(graph), [Transfer("a", "b", 16 * 10)], packet_flits=10)
    assert done.finish == (rule(2, 1, 1, Router()) + 3 * 9 - 1,)  # the last flit need not wait for a channel at b


@pytest.mark.parametrize("router", [Router(buffer=32), Router(buffer=32, routing_delay=2)])
@pytest.mark.parametrize("intervals", [(3, 1, 2), (1, 4, 4), (1, 1, 1), (2, 3, 5), (5, 3, 2)])
def test_links_of_different_rates_in_a_row(intervals: tuple[int, ...], router: Router) -> None:
    import networkx as nx

    graph = nx.path_graph(4)
    for edge, interval in zip(graph.edges, intervals, strict=True):
        graph.edges[edge].update(interval=interval, cycles=1 + interval)
    network = noc.from_graph(graph)
    for flits in (1, 2, 9):
        done = deliver(network, [Transfer(0, 3, 16 * flits)], packet_flits=9, router=router)
        expected = noc.packet_cycles(network, 0, 3, flits, router)
        assert done.finish == (expected,)
        matrix = noc.traffic_matrix("one pair", np.outer(np.ones(4), np.eye(4)[3]))
        mean = np.mean([noc.packet_cycles(network, source, 3, flits, router) for source in range(4)])
        assert noc.zero_load(network, matrix, flits=flits, router=router) == pytest.approx(mean)


def test_cut_through_keeps_a_packet_where_it_is_until_all_of_it_has_room() -> None:
    transfers = [Transfer(0, 3, 16 * 8 * 20), Transfer(1, 3, 16 * 8 * 20), Transfer(2, 3, 16 * 8 * 20)]
    wormhole = deliver(noc.mesh(4, 1), transfers, router=Router(vcs=1))
    through = deliver(noc.mesh(4, 1), transfers, router=Router(vcs=1, cut_through=True))
    assert wormhole.flits == through.flits == 480
    assert max(through.finish) > max(wormhole.finish) >= 480
    with pytest.raises(noc.NetworkError, match="never fit"):
        deliver(noc.mesh(4, 1), transfers, packet_flits=9, router=Router(cut_through=True))


def test_transfers_of_a_node_go_in_order_of_their_start() -> None:
    done = deliver(noc.mesh(2, 1), [Transfer(0, 1, 800, start=100), Transfer(0, 1, 800), Transfer(0, 1, 0, start=5)])
    assert done.finish[1] == rule(2, 1, 50, Router())
    assert done.finish[0] == 100 + rule(2, 1, 50, Router())
    assert done.finish[2] == 5  # nothing to send
