"""Windows of a trace: what is refused, that whole ticks cover them exactly, and what both engines keep."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.engine.compile_plan import make_plan
from memsim.engine.fast import simulation
from memsim.engine.plan import Plan
from memsim.engine.simulate import run_plan
from memsim.engine.tracing import TraceWindow
from memsim.errors import MemsimError
from memsim.isa import parse, verify
from tests.engine.machines import plain_chip
from tests.engine.twins import Case, cases

ENGINES: tuple[dict[str, Any], ...] = (
    {"engine": "simpy"},
    {"engine": "fast", "fold": False},
    {"engine": "fast", "fold": True},
)


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


# ---- what is kept ----


def rows_of(plan: Plan, window: TraceWindow, **options: Any) -> list[tuple[Any, ...]]:
    """All rows, ticks and sequences included, in an order that does not depend on the engine."""
    trace = run_plan(plan, trace=window, **options).run.trace
    assert trace is not None
    rows = [(*row[:4], row[4].number, *row[5:]) for row in trace]
    return sorted(rows, key=lambda row: (row[0], row[1], row[3], row[8]))


def window_of(plan: Plan, first: int, end: int | None, cores: tuple[int, ...] | None = None) -> TraceWindow:
    """The window of the ticks from ``first`` on and before ``end``."""
    tick = plan.chip.tick
    end_s = None if end is None else float((end - Fraction(1, 4)) * tick)
    return TraceWindow(float((first + Fraction(1, 4)) * tick), end_s, cores)


@given(cases(), st.fractions(0, 1), st.fractions(0, 1), st.booleans())
def test_a_window_keeps_those_rows_of_the_whole_trace_that_lie_in_it(
    case: Case, start: Fraction, length: Fraction, one_core: bool
) -> None:
    verify(case.program, case.chip)
    plan = make_plan(case.program, case.chip)
    rows = rows_of(plan, TraceWindow(), engine="simpy")
    ticks = max((row[6] for row in rows), default=0)
    first = int(start * ticks)
    end = first + 1 + int(length * ticks)
    cores = (case.chip.core_count // 2,) if one_core else tuple(range(case.chip.core_count))
    expected = [
        row for row in rows if max(row[5], first) < min(max(row[6], row[5] + 1), end) and row[2] in cores
    ]  # an instruction of no time is there for the tick at which it begins
    for options in ENGINES:
        assert rows_of(plan, window_of(plan, first, end, cores), **options) == expected, options


STREAM = """
program stream
tensor X dram fp32 [16000000, 16]
kernel k blocks (b 1) {{
  ring a sram fp32 [16, 16] depth 2
  queue load {{ loop i {trips} {{ load a <- X[{row}, 0] }} }}
  queue use {{ loop i {trips} {{ pop a }} }}
}}"""
ROWS = ["i % 4 * 16", "i * 16"]


@pytest.fixture
def skipped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many periods were skipped, each time that some were."""
    times: list[int] = []
    real = simulation.skip

    def noted(m: Any, memory: Any, period: Any, count: int, *rest: Any) -> None:
        times.append(count)
        real(m, memory, period, count, *rest)

    monkeypatch.setattr(simulation, "skip", noted)
    return times


@pytest.mark.parametrize("row", ROWS)
def test_a_loop_is_folded_before_and_after_a_window(row: str, skipped: list[int]) -> None:
    plan = make_plan(parse(STREAM.format(trips=30_000, row=row)), plain_chip())
    ticks = run_plan(plan, engine="fast", fold=False).ticks
    windows = [(0, 1000), (ticks // 2, ticks // 2 + 2500), (ticks - 1000, None)]
    for (first, end), folds in zip(windows, (1, 2, 1), strict=True):
        window = window_of(plan, first, end)
        del skipped[:]
        folded = rows_of(plan, window, engine="fast")
        assert len(skipped) >= folds
        assert folded == rows_of(plan, window, engine="fast", fold=False)
        assert len(folded) > 5


@pytest.mark.parametrize("row", ROWS)
def test_the_middle_of_a_million_iterations_is_that_of_a_thousand(row: str, skipped: list[int]) -> None:
    """The ticks and sequences of a steady state, later by what its rate says: that of the shorter runs."""
    plans = {n: make_plan(parse(STREAM.format(trips=n, row=row)), plain_chip()) for n in (1024, 2048, 1_000_000)}
    ticks = {n: run_plan(plan, engine="fast", fold=False).ticks for n, plan in plans.items() if n < 10_000}
    a_thousand = ticks[2048] - ticks[1024]
    first, length = ticks[1024] // 2, 2500
    early = rows_of(plans[1024], window_of(plans[1024], first, first + length), engine="simpy")
    later = 500
    begin = first + later * a_thousand
    late = rows_of(plans[1_000_000], window_of(plans[1_000_000], begin, begin + length), engine="fast")
    shift = (0,) * 5 + (later * a_thousand,) * 2 + (0, later * 1024)
    assert [row[:3] + row[4:] for row in late] == [
        tuple(x + by for x, by in zip(row[:3] + row[4:], shift[:3] + shift[4:], strict=True)) for row in early
    ]
    assert len(early) > 10
    assert sum(skipped) > 1000 and len(skipped) >= 2
