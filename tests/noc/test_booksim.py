"""Latency and saturation against BookSim2's."""

from __future__ import annotations

import pytest

from memsim import noc
from tests.noc.booksim import CURVES, Curve

SHORT = noc.Protocol(period=1000)
NAMES = [curve.name for curve in CURVES]


def measure(curve: Curve, load: float, protocol: noc.Protocol | None = None) -> noc.Measured:
    return noc.simulate(
        curve.network, curve.traffic, load, flits=curve.flits, router=curve.router, protocol=protocol, seed=3
    )


@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_latency_up_to_seventy_percent_of_saturation(curve: Curve) -> None:
    loads = [point for point in curve.points if 0.15 * curve.saturation < point[0] <= 0.7 * curve.saturation]
    for load, latency in loads[::3]:
        got = measure(curve, load, SHORT)
        assert got.latency_cycles == pytest.approx(latency, rel=0.04), load
        assert got.faults == 0


@pytest.mark.slow
@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_every_stable_load_of_the_table_to_ninety_percent(curve: Curve) -> None:
    for load, latency in curve.points:
        if load <= 0.9 * curve.saturation:
            assert measure(curve, load).latency_cycles == pytest.approx(latency, rel=0.05), load


@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_zero_load_is_the_first_point_of_each_curve(curve: Curve) -> None:
    zero = noc.zero_load(curve.network, curve.traffic, flits=curve.flits, router=curve.router)
    assert zero == pytest.approx(curve.points[0][1], abs=1)


@pytest.mark.parametrize("curve", CURVES, ids=NAMES)
def test_saturation_lies_within_five_percent(curve: Curve) -> None:
    assert measure(curve, 0.96 * curve.saturation).stable
    assert not measure(curve, 1.04 * curve.unstable).stable


def test_accepted_is_offered_below_saturation() -> None:
    got = noc.simulate(noc.mesh(8), "uniform", 0.3, flits=1)
    assert got.accepted == pytest.approx(0.3, rel=0.02)
    assert got.hops == pytest.approx(2 * (8 - 1 / 8) / 3 + 1, rel=0.01)  # Manhattan distance of uniform pairs, and one


def test_saturation_by_bisection() -> None:
    found = noc.saturation(noc.mesh(4), "uniform", flits=1, above=0.7, below=0.85, tolerance=0.01)
    assert found == pytest.approx(0.7688, rel=0.05)
