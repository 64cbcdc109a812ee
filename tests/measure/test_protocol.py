"""Timing, with a device whose times are known."""

from __future__ import annotations

import pytest

from memsim.errors import MemsimError
from memsim.measure import Case, Effort
from memsim.measure.protocol import percentile, time_loaded
from memsim.validate.calls import Call
from tests.measure.fakes import FakeTorch
from tests.measure.test_cuda import opened

EFFORT = Effort(samples=11, batch_s=1e-3, warm_s=0.01)


class Scripted:
    """Batches that take so many seconds a call, by their number from the end of the warm-up on."""

    def __init__(self, warm: float, seconds: list[float]) -> None:
        self.warm, self.seconds, self.begun = warm, list(seconds), False
        self.firsts: list[int] = []

    def batch(self, calls: int, first: int) -> float:
        self.firsts.append(first)
        return calls * (self.seconds.pop(0) if self.begun else self.warm)

    def capture(self, calls: int) -> None:
        raise AssertionError("no graphs here")

    def release(self) -> None:
        pass


class Plain:
    has_graphs = False

    def __init__(self, loaded: Scripted) -> None:
        self.loaded = loaded

    def clock_mhz(self) -> float | None:
        return None


def timed(seconds: list[float]):
    loaded = Scripted(1e-3, [])
    real = loaded.batch

    def batch(calls: int, first: int) -> float:
        if len(loaded.firsts) >= 11:  # 1 of all copies, 10 of the warm-up
            loaded.begun, loaded.seconds = True, loaded.seconds or list(seconds)
        return real(calls, first)

    loaded.batch = batch  # type: ignore[method-assign]
    return time_loaded(Plain(loaded), loaded, 1, EFFORT)


def test_the_median_is_told_with_tenth_and_ninetieth_percentiles() -> None:
    seconds = [1e-3 * n for n in (99, 5, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11)]  # the first batch never counts
    found = timed(seconds)
    assert (found.median, found.low, found.high) == pytest.approx((6e-3, 2e-3, 10e-3))
    assert found.spread == pytest.approx(8 / 6)
    assert (found.samples, found.mode, found.clock_mhz) == (11, "stream", None)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2.5), (1.0, 4), (0.1, 1.3)])
def test_percentiles_are_interpolated(share: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], share) == pytest.approx(value)


def test_a_clock_that_stands_still_is_an_error_and_no_endless_warm_up() -> None:
    with pytest.raises(MemsimError, match="the clock stands still"):
        time_loaded(Plain(Scripted(0.0, [])), Scripted(0.0, []), 1, EFFORT)


def test_operands_that_do_not_fit_are_refused() -> None:
    huge = Case("matmul", "gemm", Call("gemm", "bf16", m=2**16, n=2**16, k=8))
    from memsim.measure import time_case

    with pytest.raises(MemsimError, match="two copies of its operands take"):
        time_case(opened(FakeTorch()), huge, EFFORT)
