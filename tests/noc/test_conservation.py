"""Nothing is lost: flits, credits, bytes and energy, whatever the network, the routers and the load."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim import noc
from memsim.noc import Network, Router, Transfer, deliver
from memsim.noc import words as w
from memsim.noc.simulation import _Run
from memsim.noc.traffic import pattern

NETWORKS = {
    "mesh": noc.mesh(3),
    "cube": noc.mesh(2, 3),
    "torus": noc.torus(4),
    "balanced": noc.torus(3, balanced=True),
    "ring": noc.ring(5),
    "crossbar": noc.crossbar(5),
    "tree": noc.fattree(2, 3),
    "dragonfly": noc.dragonfly(1, local_cycles=2, global_cycles=5),
}


@st.composite
def routers(draw: st.DrawFn) -> Router:
    vcs = draw(st.sampled_from([2, 3, 4, 8]))
    return Router(
        vcs=vcs,
        buffer=draw(st.integers(4, 9)),
        routing_delay=draw(st.integers(0, 2)),
        speculative=draw(st.booleans()),
        input_speedup=draw(st.sampled_from([s for s in (1, 2) if vcs % s == 0])),
        credit_delay=draw(st.integers(0, 3)),
        cut_through=draw(st.booleans()),
    )


def outs(run: _Run) -> np.ndarray:
    """All output channels of a run."""
    m = run.words
    ports = m[w.PORTS] + m[w.NODES]
    base = m[w.OUT_BASE]
    return m[base : base + ports * m[w.V] * w.OUT_WORDS].reshape(-1, w.OUT_WORDS)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(NETWORKS)), routers(), st.integers(1, 4), st.floats(0.02, 0.95), st.integers(0, 99))
def test_every_flit_arrives_once_and_in_order_and_credits_come_back(
    name: str, router: Router, flits: int, rate: float, seed: int
) -> None:
    network = NETWORKS[name]
    run = _Run(network, router, pattern("uniform", network), flits, rate, seed)
    for _ in range(6):
        run.advance(50)
        credits = outs(run)[:, w.O_CREDITS]
        assert ((credits >= 0) & (credits <= router.buffer)).all()
    nodes = run.words[w.NODE_BASE] + np.arange(len(network.nodes)) * w.NODE_WORDS
    run.words[nodes + w.N_NEXT] = w.NEVER  # no more packets
    run.advance(20_000)
    assert run.count(w.CREATED) == run.count(w.RETIRED) > 0
    assert run.count(w.FLYING) == run.count(w.FAULTS) == 0
    assert (outs(run)[:, w.O_CREDITS] == router.buffer).all()
    assert not outs(run)[:, w.O_BUSY].any()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["mesh", "cube", "ring", "crossbar", "dragonfly"]),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2000), st.integers(0, 300)), max_size=12),
)
def test_links_carry_each_transfer_along_its_route(name: str, listed: list[tuple[int, int, int, int]]) -> None:
    network = NETWORKS[name]
    done = deliver(network, [Transfer(*transfer) for transfer in listed])
    expected = np.zeros(len(network.links), dtype=int)
    for source, target, size, _ in listed:
        path = network.path(source, target)
        expected[path] += -(-size // 16)
    assert done.faults == 0
    assert (done.link_flits == expected).all()
    for finish, (source, target, size, start) in zip(done.finish, listed, strict=True):
        flits = -(-size // 16)
        assert finish >= (start + noc.packet_cycles(network, source, target, flits, Router()) if flits else start)


def test_flit_hops_of_a_load_are_those_of_its_links_and_its_ejection() -> None:
    network = noc.torus(4)
    got = noc.simulate(network, "uniform", 0.2, flits=3, protocol=noc.Protocol(period=500))
    ejected = got.flit_hops - int(got.link_flits.sum())
    assert ejected == pytest.approx(3 * got.packets, abs=3 * 64)  # what is still on its way has not been ejected
    assert got.link_flits.sum() / ejected + 1 == pytest.approx(got.hops, rel=0.03)


def test_energy_is_bits_times_hops_and_millimetres() -> None:
    import networkx as nx

    graph = nx.path_graph(4)
    for edge, mm in zip(graph.edges, (0.5, 1.0, 2.5), strict=True):
        graph.edges[edge]["mm"] = mm
    network: Network = noc.from_graph(graph)
    done = deliver(network, [Transfer(0, 3, 640), Transfer(3, 2, 64)], flit_bytes=16)
    energy = done.wire_energy_pj(network, flit_bytes=16, pj_per_bit_mm=0.1, pj_per_bit_hop=0.02)
    assert energy == pytest.approx(8 * 640 * (3 * 0.02 + 4.0 * 0.1) + 8 * 64 * (0.02 + 2.5 * 0.1))


def test_a_seed_repeats_and_another_differs() -> None:
    one, same, other = (noc.simulate(noc.mesh(4), rate=0.3, seed=seed).latency_cycles for seed in (1, 1, 2))
    assert one == same != other
