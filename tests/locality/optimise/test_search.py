"""Searches: what they find computes the same, costs less, and is the same for the same seed."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.locality.optimise.anneal import anneal
from memsim.locality.optimise.copies import insert_copies, read_clusters
from memsim.locality.optimise.products import product_schedule
from memsim.locality.optimise.reallocate import placed
from memsim.locality.optimise.search import Found, improve, placed_cost, search_product
from memsim.locality.optimise.tiles import anneal_steps, families, panels, schedule_of_steps, steps_cost
from memsim.locality.optimise.values import lives_of, values_of
from memsim.locality.scalar import dally1
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.instructions import Op
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.symbolic import prove_product
from memsim.locality.scalar.text import parse
from tests.locality.optimise.random_programs import V3, random_program
from tests.locality.products import naive, tiled

EXAMPLES = Path(__file__).parents[3] / "examples" / "sutro"
seeds = st.integers(0, 2**32)


@settings(max_examples=20)
@given(seeds, st.integers(2, 9), st.integers(5, 60))
def test_improved_programs_compute_the_same(seed: int, inputs: int, count: int) -> None:
    program = random_program(seed, inputs, count, V3, 200)
    better = improve(program, 2_000, seed % 1000)
    assert dally1.score(better).cost <= dally1.score(program).cost
    given = np.random.default_rng(seed).integers(-128, 128, (16, inputs))
    np.testing.assert_array_equal(execute(program, given, "int8"), execute(better, given, "int8"))


def test_improve_beats_new_addresses_alone() -> None:
    program = parse(tiled(4, 2))
    better = improve(program, 20_000, 1)
    assert prove_product(better).holds
    assert dally1.score(better).cost < 0.95 * placed_cost(values_of(program))


@settings(max_examples=20)
@given(seeds, st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))
def test_copies_keep_the_meaning(seed: int, inputs: int, count: int, gap: int) -> None:
    program = random_program(seed, inputs, count, V3)
    schedule = values_of(program)
    copied = insert_copies(schedule, gap)
    clusters, sizes = read_clusters(schedule, gap)
    assert len(copied) == len(schedule) + (sizes > 1).sum()
    assert sizes.sum() == (clusters >= 0).sum() == (schedule.sources[schedule.sources < inputs] >= 0).sum()
    given = np.random.default_rng(seed).integers(-128, 128, (16, inputs))
    np.testing.assert_array_equal(execute(program, given, "int8"), execute(placed(copied), given, "int8"))


def test_clusters_of_reads_by_hand() -> None:
    schedule = values_of(parse("1,2;add 3,1,2;add 3,3,1;add 3,3,3;add 3,3,3;add 3,3,1;3"))
    clusters, sizes = read_clusters(schedule, 2)
    assert sizes.tolist() == [2, 1, 1], "input 1 is read by instructions 0 and 1, and by 4, which is too far away"
    assert clusters[:, :2].tolist() == [[0, 1], [-1, 0], [-1, -1], [-1, -1], [-1, 2]]
    copied = insert_copies(schedule, 2)
    assert copied.ops.tolist() == [Op.COPY, *[Op.ADD] * 5]


@pytest.mark.parametrize("flags", range(32))
def test_every_order_of_steps_is_a_product(flags: int) -> None:
    steps = panels(5, 2, 3)
    steps[:, 6] = flags
    schedule = product_schedule(5, steps)
    assert prove_product(placed(schedule)).holds
    assert len(schedule) == 125 + 100


def test_tilings_are_products_and_are_priced_as_they_are_placed() -> None:
    for steps in families(6):
        for gap in (0, 30):
            schedule = schedule_of_steps(6, steps, gap)
            assert prove_product(placed(schedule)).holds
            assert steps_cost(6, steps, gap) == dally1.score(placed(schedule)).cost


@pytest.mark.parametrize("n", [3, 5])
def test_changed_steps_still_cover_every_product_once(n: int) -> None:
    first = panels(n, 2, 2)
    steps, cost = anneal_steps(n, first, 24, 3_000, 7, 20.0, 5.0)
    assert prove_product(placed(schedule_of_steps(n, steps, 24))).holds
    assert cost == steps_cost(n, steps, 24) < steps_cost(n, first, 24)
    again, same = anneal_steps(n, first, 24, 3_000, 7, 20.0, 5.0)
    assert same == cost
    np.testing.assert_array_equal(again, steps)


@pytest.mark.parametrize("hot", [1.0, 50.0])
def test_changed_instructions_still_compute_the_product(hot: float) -> None:
    schedule = values_of(parse(naive(3)))
    better, cost = anneal(schedule, 20_000, 3, hot)
    assert prove_product(placed(better)).holds
    assert cost == placed_cost(better) < placed_cost(schedule)
    again, same = anneal(schedule, 20_000, 3, hot)
    assert same == cost
    np.testing.assert_array_equal(again.sources, better.sources)


def test_a_short_search_from_the_naive_program() -> None:
    history = list(search_product(parse(naive(4)), 4, seconds=1.5, seed=1))
    costs = [found.cost for found in history]
    assert costs == sorted(costs, reverse=True), "what is told never gets dearer"
    program = history[-1].program()
    assert dally1.score(program).cost == costs[-1]
    assert costs[-1] * 1.85 < 1_316, "the naive start costs 1,316"
    assert prove_product(program).holds


@pytest.mark.slow
def test_two_processes_search_the_larger_product() -> None:
    history = list(search_product(parse(naive(16)), 16, seconds=10, seed=1, jobs=2))
    program = history[-1].program()
    assert dally1.score(program).cost < 66_400, "what the simple tilings give"
    assert prove_product(program).holds


@pytest.mark.parametrize(("n", "cost"), [(4, 682), (16, 64_819)])
def test_the_programs_that_are_kept_are_proved(n: int, cost: int) -> None:
    program = parse((EXAMPLES / f"matmul_{n}.ir").read_bytes())
    assert dally1.score(program, "matmul").cost == cost
    assert prove_product(program).holds
    lives = lives_of(values_of(program))
    assert lives.reads.sum() == dally1.score(program).reads


def test_the_example_writes_what_it_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "matmul_search.py"))["main"]
    out, figure = tmp_path / "found.ir", tmp_path / "found.png"
    main(["4", "--seconds", "1", "--seed", "2", "--out", str(out), "--figure", str(figure)])
    program = parse(out.read_bytes())
    told = capsys.readouterr().out
    assert prove_product(program).holds
    assert f"{dally1.score(program).cost} distance" in told
    assert "correct: True" in told
    assert "naive 1,316" in told
    assert "published: naive 1,316, best 667" in told
    assert figure.stat().st_size > 10_000


def test_an_interrupt_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    example = runpy.run_path(str(EXAMPLES / "matmul_search.py"))

    def interrupted(program: ScalarProgram, n: int, **_: object) -> Iterator[Found]:
        yield from islice(search_product(program, n, seconds=0.5), 2)
        raise KeyboardInterrupt

    monkeypatch.setitem(example["search"].__globals__, "search_product", interrupted)
    history = example["search"](4, 1.0, 1, 1)
    assert [found.stage for found in history] == ["addresses", "simple tiles"]
