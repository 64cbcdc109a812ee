"""How a time is measured: on a clock that the tests turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError
from memsim.webgpu.probe.timing import GRAINS, TARGET_S, Effort, Measured, measure, seconds_per_tick

GRAIN = 1e-6


class Clock:
    """A kernel that takes ``each`` seconds a trip; its first dispatch takes long, its second somewhat."""

    def __init__(self, each: float, values: list[float] | None = None) -> None:
        self.each, self.trips, self.factors = each, [], iter(values or [])

    def __call__(self, trips: int) -> float:
        self.trips.append(trips)
        late = {1: 0.3, 2: 1e-7}.get(len(self.trips), 0.0)
        return trips * self.each * next(self.factors, 1.0) + late


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=12))
def test_median_and_quartiles_are_numpys(values: list[float]) -> None:
    found = Measured.of(values)
    expected = np.quantile(values, [0.25, 0.5, 0.75])
    assert [found.low, found.median, found.high] == pytest.approx(list(expected), rel=1e-9)
    assert found.samples == len(values)


def test_a_rate_turns_the_quartiles_round() -> None:
    found = Measured(2.0, 1.0, 4.0, 3).rate(8)
    assert (found.median, found.low, found.high, found.spread) == (4.0, 2.0, 8.0, 1.5)
    assert found.times(10) == Measured(40.0, 20.0, 80.0, 3)


@pytest.mark.parametrize("each", [1e-9, 1e-6, 3e-4, 0.5])
def test_samples_are_long_enough_and_the_first_never_counts(each: float) -> None:
    clock = Clock(each)
    found = measure(clock, GRAIN)
    assert found.median == pytest.approx(each, rel=1e-6)
    assert found.spread == pytest.approx(0, abs=1e-6)
    assert len(set(clock.trips[-9:])) == 1
    assert clock.trips[-1] * each >= 0.999 * TARGET_S
    assert clock.trips[-1] * each < 2 * TARGET_S or clock.trips[-1] == 1


def test_a_coarse_clock_makes_samples_longer() -> None:
    clock = Clock(1e-6)
    measure(clock, 1e-3)
    assert clock.trips[-1] * 1e-6 >= 0.999 * GRAINS * 1e-3


@given(st.integers(1, 1000), st.integers(1, 10_000), st.floats(1e-8, 1e-3))
def test_trips_are_whole_steps_and_not_too_many(step: int, steps: int, each: float) -> None:
    clock = Clock(each)
    try:
        measure(clock, 1e-9, step=step, most=step * steps + step // 2)
    except MemsimError:
        assert step * steps * each < 1e-6
    assert all(trips % step == 0 and 0 < trips <= step * steps for trips in clock.trips)


def test_growth_is_slow_enough_for_drivers_that_stop_what_takes_seconds() -> None:
    clock = Clock(1e-7)
    measure(clock, GRAIN)
    assert max(b / a for a, b in zip(clock.trips, clock.trips[1:], strict=False)) <= 16


def test_warming_comes_before_the_samples() -> None:
    clock = Clock(1e-6)
    measure(clock, GRAIN, warm=1_000_000)
    assert sum(clock.trips[:-9]) >= 1_000_000


def test_a_sample_that_something_else_made_long_is_not_believed() -> None:
    spikes = [1, 1, 9e4, 9e4]
    clock = Clock(1e-6, values=spikes)
    assert measure(clock, 1e-9).median == pytest.approx(1e-6, rel=1e-3)
    assert clock.trips[-1] * 1e-6 >= TARGET_S / 2


def test_outliers_do_not_move_the_median() -> None:
    clock = Clock(1e-3, values=[1] * 4 + [1, 1, 9, 1, 1, 5, 1, 1, 1])
    assert measure(clock, GRAIN, effort=Effort(2e-3, 9)).median == pytest.approx(1e-3, rel=1e-3)


def test_what_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(
        MemsimError, match=r"blink: 4 trips take 4e-06 s, and the clock has a grain of 1e-06 s\n  mend: "
    ):
        measure(Clock(1e-6), GRAIN, most=4, what="blink")


def test_a_sample_of_no_time_is_refused() -> None:
    with pytest.raises(MemsimError, match=r"a kernel: .* trips take"):
        measure(Clock(1e-3, values=[1] * 4 + [1, 0, 1, 1, 1, 1, 1, 1, 1]), GRAIN)


@pytest.mark.parametrize(("period", "expected"), [(1e-9, 1e-9), (1.04e-9, 1e-9), (41.666e-9, 41.666e-9), (1e-6, 1e-6)])
def test_ticks_are_worth_what_the_hosts_clock_says(period: float, expected: float) -> None:
    seconds = np.array([2e-3, 4e-3, 8e-3, 16e-3])
    walls = seconds + 0.4e-3  # submission and fence
    assert seconds_per_tick(list(seconds / period), list(walls)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("ticks", [[0, 0, 0, 0], [5, 5, 5, 5], [9e6, 1e6, 7e6, 2e6], [8e6, 6e6, 4e6, 2e6]])
def test_ticks_that_do_not_follow_the_clock_are_not_used(ticks: list[float]) -> None:
    assert seconds_per_tick(ticks, [2e-3, 4e-3, 8e-3, 16e-3]) is None
