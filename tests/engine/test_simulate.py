"""The public function: verification first, progress, determinism, clear errors."""

from __future__ import annotations

import pytest

from memsim.engine import simulate
from memsim.engine.simulate import ENGINES
from memsim.errors import ChipError, MemsimError, ProgramError
from memsim.isa import analyze, parse
from tests.engine.machines import plain_chip

TEXT = """
program many
tensor X dram fp32 [65536, 16]
kernel k blocks (b 2) {
  ring a sram fp32 [16, 16]
  queue load { loop i 1000 { load a <- X[b * 16000 + i * 16, 0] } }
  queue use { loop i 1000 { pop a } }
}"""


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("cores", [1, 2])
def test_progress_counts_instructions_up_to_the_total(engine: str, fold: bool, cores: int) -> None:
    seen: list[tuple[int, int]] = []
    second = TEXT[TEXT.index("kernel") :].replace("kernel k", "kernel l")
    program = parse(TEXT + second)
    simulate(
        program, plain_chip(cores), engine=engine, fold=fold, progress=lambda done, total: seen.append((done, total))
    )
    total = sum(e.count for e in analyze(program).executions)
    assert total == 8000
    done = [count for count, _ in seen]
    assert done == sorted(done)
    assert {4000, 8000} <= set(done)
    assert all(of == total for _, of in seen)


def test_a_long_kernel_tells_its_progress_before_it_ends() -> None:
    seen: list[int] = []
    program = parse(TEXT.replace("loop i 1000", "loop i 100000").replace("i * 16", "i % 4 * 16"))
    simulate(program, plain_chip(2), fold=False, progress=lambda done, _: seen.append(done))
    assert seen == sorted(seen)
    assert len(set(seen)) > 1 and seen[-1] == 400_000


def test_two_runs_are_equal() -> None:
    first, second = (simulate(parse(TEXT), plain_chip(2), trace=True) for _ in range(2))
    assert first.trace is not None
    assert first.trace.equals(second.trace)
    assert first.energy.frame().equals(second.energy.frame())


def test_a_program_that_breaks_a_rule_is_refused_before_it_runs() -> None:
    with pytest.raises(ProgramError, match="X"):
        simulate(parse(TEXT.replace("65536", "4096")), plain_chip(2))


def test_a_chip_that_cannot_hold_the_program_is_refused() -> None:
    with pytest.raises(ChipError, match="sram"):
        simulate(parse(TEXT), plain_chip(2, **{"core.sram.capacity": "100 B"}))


def test_a_cache_is_no_place_for_a_tensor() -> None:
    cache = {"capacity": "64 KiB", "bandwidth": "32 B/cycle"}
    with pytest.raises(ChipError, match=r"(?s)tensor X.*no tensor can be placed in a cache.*`dram`"):
        simulate(parse(TEXT.replace("X dram", "X cache")), plain_chip(2, cache=cache))


def test_an_unknown_engine_is_named_with_those_that_exist() -> None:
    with pytest.raises(MemsimError, match=r"(?s)no engine 'quick'.*simpy"):
        simulate(parse(TEXT), plain_chip(2), engine="quick")


def test_energy_is_grouped_by_known_columns_only() -> None:
    result = simulate(parse(TEXT), plain_chip(2))
    with pytest.raises(MemsimError, match=r"(?s)cannot group energy by partt.*part, tensor"):
        result.energy.by("partt")
    assert result.power_w == pytest.approx(result.energy_j / result.time_s)
    table = result.energy.by("part", "tensor")
    assert list(table.columns) == ["part", "tensor", "bits", "count", "energy_j", "share"]
    assert table["share"].sum() == pytest.approx(1)
