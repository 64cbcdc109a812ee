"""Traffic patterns against their definitions by coordinate and bit."""

from __future__ import annotations

import numpy as np
import pytest

from memsim import noc
from memsim.noc import NetworkError, pattern

MESH = noc.mesh(8)


def targets(name: str, network: noc.Network = MESH) -> np.ndarray:
    traffic = pattern(name, network)
    assert traffic.targets.shape == (len(network.nodes), 1)
    return traffic.targets[:, 0]


def at(x: int, y: int, k: int = 8) -> int:
    return y * k + x


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (3, 6), (7, 7), (2, 5)])
def test_permutations_of_coordinates(x: int, y: int) -> None:
    here = at(x, y)
    assert targets("transpose")[here] == at(y, x)
    assert targets("bitcomp")[here] == at(7 - x, 7 - y)
    assert targets("tornado")[here] == at((x + 3) % 8, (y + 3) % 8)
    assert targets("neighbor")[here] == at((x + 1) % 8, (y + 1) % 8)


def test_permutations_of_bits() -> None:
    assert targets("shuffle")[0b011010] == 0b110100
    assert targets("shuffle")[0b100110] == 0b001101
    assert targets("bitrev")[0b011010] == 0b010110
    assert targets("tornado", noc.ring(5))[4] == (4 + 2) % 5
    for name in ("transpose", "bitcomp", "tornado", "neighbor", "shuffle", "bitrev", "randperm"):
        assert sorted(targets(name)) == list(range(64))


def test_drawn_targets_have_their_probabilities() -> None:
    spots = pattern("hotspot({5,9},{3,1})", MESH)
    assert spots.targets[0].tolist() == [5, 9]
    assert spots.probabilities()[7].tolist() == pytest.approx([0.75, 0.25])
    assert pattern("uniform", MESH).probabilities()[3].tolist() == pytest.approx([1 / 64] * 64)
    one = pattern("hotspot", MESH, seed=4)
    assert one.targets.shape == (64, 1)
    assert len(set(one.targets[:, 0].tolist())) == 1
    assert 5 not in pattern("background({5})", MESH).targets[0, :63].tolist()
    diagonal = pattern("diagonal", MESH)
    share = dict(zip(diagonal.targets[10].tolist(), diagonal.probabilities()[10], strict=True))
    assert share == pytest.approx({10: 2 / 3, 11: 1 / 3})


def test_the_simulation_draws_as_told() -> None:
    network = noc.crossbar(4)
    weights = np.array([[0, 1, 3, 0]] * 4, dtype=float)
    got = noc.simulate(network, noc.traffic_matrix("mine", weights), 0.05)
    assert got.stable
    heavy = noc.simulate(network, noc.traffic_matrix("mine", weights), 0.36)
    assert not heavy.stable  # 4 x 0.36 x 3/4 > 1 flit a cycle into node 2
    assert noc.simulate(network, noc.traffic_matrix("mine", weights), 0.30).stable


@pytest.mark.parametrize(
    ("name", "network", "cause"),
    [
        ("bitcomp", noc.mesh(3), "no power of two"),
        ("transpose", noc.ring(8), "no square"),
        ("taper64", noc.mesh(4), "needs 64 nodes"),
        ("hotspot({70})", MESH, "no node 70"),
        ("spiral", MESH, "unknown traffic"),
    ],
)
def test_traffic_that_makes_no_sense_is_refused(name: str, network: noc.Network, cause: str) -> None:
    with pytest.raises(NetworkError, match=cause):
        pattern(name, network)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"rate": 0.0}, "no load"),
        ({"rate": 2.0}, "no load"),
        ({"flits": 0}, "number of flits"),
        ({"router": noc.Router(vcs=0)}, "too few"),
        ({"router": noc.Router(vcs=3, input_speedup=2)}, "does not divide"),
        ({"router": noc.Router(cut_through=True), "flits": 9}, "never fit"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, cause: str) -> None:
    with pytest.raises(NetworkError, match=cause):
        noc.simulate(noc.mesh(2), "uniform", **changes)


def test_a_torus_needs_two_channels() -> None:
    with pytest.raises(NetworkError, match="classes apart"):
        noc.simulate(noc.torus(4), router=noc.Router(vcs=1))
