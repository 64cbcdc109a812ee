"""Windows of a trace: what is refused, and that whole ticks cover the window exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.engine.tracing import TraceWindow
from memsim.errors import MemsimError


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"start_s": -1.0}, "start_s is a time in seconds of at least 0, found -1.0"),
        ({"start_s": "0"}, "start_s"),
        ({"start_s": True}, "start_s"),
        ({"start_s": float("nan")}, "start_s"),
        ({"end_s": float("inf")}, "end_s is a time in seconds"),
        ({"start_s": 2e-6, "end_s": 1e-6}, "the window ends at 1e-06 s, not after its start at 2e-06 s"),
        ({"end_s": 0.0}, "not after its start"),
        ({"cores": ()}, "at least one number"),
        ({"cores": 3}, "cores are a tuple"),
        ({"cores": (0, -1)}, "a core is a whole number from 0, found -1"),
        ({"cores": (0.5,)}, "found 0.5"),
    ],
)
def test_what_is_no_window_is_refused(arguments: dict[str, object], cause: str) -> None:
    with pytest.raises(MemsimError, match="trace") as caught:
        TraceWindow(**arguments)  # type: ignore[arg-type]
    assert cause in str(caught.value)


def test_cores_are_in_order_and_once() -> None:
    assert TraceWindow(cores=(3, 1, 3)).cores == (1, 3)


def test_cores_that_the_chip_has_not() -> None:
    TraceWindow(cores=(0, 3)).check_cores(4)
    TraceWindow().check_cores(1)
    with pytest.raises(MemsimError, match="there is no core 4: the chip has 4"):
        TraceWindow(cores=(0, 4)).check_cores(4)


@given(
    st.floats(0, 1, allow_subnormal=False), st.floats(1e-12, 1), st.fractions(Fraction(1, 10**10), Fraction(1, 10**8))
)
def test_ticks_cover_the_window_and_no_tick_more(start: float, length: float, tick_s: Fraction) -> None:
    window = TraceWindow(start, start + length)
    first, end = window.ticks(tick_s)
    assert window.end_s is not None and end is not None
    assert first * tick_s <= window.start_s < (first + 1) * tick_s
    assert (end - 1) * tick_s < window.end_s <= end * tick_s


def test_without_an_end_it_runs_to_the_end() -> None:
    assert TraceWindow(1e-9).ticks(Fraction(1, 10**9 * 3)) == (3, None)
