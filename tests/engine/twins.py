"""One program on one chip in both engines: random cases, and the check that the engines give the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

from hypothesis import strategies as st

from memsim.engine.cached import Cached
from memsim.engine.compile_plan import make_plan
from memsim.engine.difference import first_difference
from memsim.engine.fast import simulation, steady
from memsim.engine.simulate import run_plan
from memsim.engine.tracing import TraceWindow
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, format, verify
from tests.chips import draw_chip, draw_preset
from tests.drafts import Draw, Rejected, choose_from, require
from tests.strategies import draw_program, least_cores

simulation.WORTH, steady.FEW = 1, 2  # fold as much as can be: random programs are short

OPTIONS: tuple[dict[str, Any], ...] = (
    {"fold": False, "trace": TraceWindow()},
    {"fold": True, "trace": TraceWindow()},
    {"fold": True},
)
"""Ways to run the fast engine: unfolded, folded, and without a trace."""


class Case:
    """A program and a chip, shown as texts that can be run again."""

    def __init__(self, program: Program, chip: Chip, cached: Cached = ()) -> None:
        self.program, self.chip, self.cached = program, chip, cached

    def __repr__(self) -> str:
        return f"\n{format(self.program)}\n{self.chip.to_toml()}\ncached: {self.cached}"


def draw_case(draw: Draw, max_executions: int = 2000) -> Case:
    """A random program on a random chip, mostly one with few more cores than it needs."""
    program = draw_program(draw, shared=True, steady=True, max_executions=max_executions)
    if choose_from(draw, (False,) * 14 + (True,)):
        chip = draw_preset(draw)
        require(draw, _fits(program, chip))
    else:
        chip = draw_chip(draw, program.cores or least_cores(program))
    return Case(program, chip, _draw_cached(draw, program, chip))


def _draw_cached(draw: Draw, program: Program, chip: Chip) -> Cached:
    """What is in a cache at first: half of the tensors, in half of the cases."""
    if chip.cache is None or not choose_from(draw, (False, True)):
        return ()
    states = [
        (tensor.name, choose_from(draw, (None, None, False, True)))
        for tensor in program.tensors
        if tensor.role == "dram"
    ]
    return [(name, state and chip.cache.write_back) for name, state in states if state is not None]


cases = st.composite(draw_case)


def numbered_cases(numbers: Iterable[int]) -> Iterator[tuple[int, Case]]:
    """The random cases of those numbers, always the same ones; a few numbers have none."""
    for number in numbers:
        with suppress(Rejected):
            yield number, draw_case(Random(number))


def _fits(program: Program, chip: Chip) -> bool:
    try:
        verify(program, chip)
    except MemsimError:
        return False
    return True


def check_twins(case: Case) -> None:
    """Fail, and tell the first instruction that differs, unless the fast engine gives what the specification gives."""
    verify(case.program, case.chip)
    plan = make_plan(case.program, case.chip)
    reference = run_plan(plan, engine="simpy", trace=TraceWindow(), cached=case.cached)
    for options in OPTIONS:
        difference = first_difference(reference, run_plan(plan, engine="fast", cached=case.cached, **options))
        assert difference is None, f"{options}: {difference}\n{case}"
