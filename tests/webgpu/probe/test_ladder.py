"""Plateaus and knees of ladders that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.webgpu.probe.findings import Chase
from memsim.webgpu.probe.ladder import levels_of
from memsim.webgpu.probe.studies import footprints
from memsim.webgpu.probe.timing import Measured


def ladder(capacities: list[int], latencies: list[float], sizes: list[int], noise: float = 0.0) -> list[Chase]:
    """Beyond a capacity C a share 1 - 2 sqrt(1 - C/F) of a lap still hits, as with LRU and two elements a line."""
    rng = np.random.default_rng(3)
    chases = []
    for size in sizes:
        value = latencies[0]
        for capacity, slower in zip(capacities, latencies[1:], strict=True):
            hits = 1.0 if size <= capacity else max(0.0, 1 - 2 * math.sqrt(1 - capacity / size))
            value = hits * value + (1 - hits) * slower
        value *= 1 + noise * float(rng.uniform(-1, 1))
        chases.append(Chase(size, Measured(value, value, value, 1)))
    return chases


@given(
    st.floats(12, 17),
    st.lists(st.tuples(st.floats(3, 7), st.floats(1.4, 8)), min_size=1, max_size=3),
    st.floats(5, 60),
    st.sampled_from([0.0, 0.02]),
)
def test_levels_are_found_where_they_are(
    first: float, steps: list[tuple[float, float]], fastest: float, noise: float
) -> None:
    """Capacities are at least eight times apart, and latencies 1.4 times."""
    powers = first + np.cumsum([0.0, *(apart for apart, _ in steps[1:])])
    capacities = [round(2**power) // 64 * 64 for power in powers]
    latencies = [float(x) for x in fastest * np.cumprod([1.0, *(slower for _, slower in steps)])]
    found = levels_of(ladder(capacities, latencies, footprints(1024, 16 * capacities[-1], 4), noise))
    assert [level.latency_ns for level in found] == pytest.approx(latencies, rel=0.03)
    for level, capacity in zip(found[:-1], capacities, strict=True):
        assert level.capacity is not None
        assert abs(level.capacity / capacity - 1) < 0.22  # 2**(1/4) from one footprint to the next, and noise
    assert found[-1].capacity is None


def test_the_ends_enclose_the_capacity() -> None:
    sizes = footprints(4096, 64 << 20, 4)
    found = levels_of(ladder([100_000, 5_000_000], [10, 80, 300], sizes))
    for level, capacity in zip(found, (100_000, 5_000_000), strict=False):
        assert level.ends is not None
        assert level.ends[0] <= capacity <= level.ends[1]
        assert level.uncertainty == pytest.approx(2 ** (1 / 8) - 1, rel=0.01)


def test_a_flat_ladder_is_one_level_and_a_ramp_none() -> None:
    sizes = footprints(4096, 1 << 20, 4)
    (one,) = levels_of([Chase(size, Measured(7.0, 7.0, 7.0, 1)) for size in sizes])
    assert (one.latency_ns, one.first, one.last, one.ends, one.uncertainty) == (7.0, 4096, 1 << 20, None, 0.0)
    ramp = [Chase(size, Measured(1.3**n, 1.3**n, 1.3**n, 1)) for n, size in enumerate(sizes)]
    assert levels_of(ramp) == ()


def test_a_slow_drift_is_no_level_of_its_own() -> None:
    sizes = footprints(4096, 1 << 22, 4)
    drift = [Chase(size, Measured(*[100 + 0.3 * max(0, n - 8)] * 3, 1)) for n, size in enumerate(sizes)]
    assert len(levels_of(drift)) == 1
