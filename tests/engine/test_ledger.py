"""The ledger against one that is reckoned key by key: exact for numbers of any size, however kernels share counts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine import ledger as ledger_module
from memsim.engine.columns import exact_totals, grouped, product
from memsim.engine.compile_plan import make_plan
from memsim.engine.hardware import Hardware
from memsim.engine.ledger import Key, Ledger, unit_energy_pj
from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.isa import Program, parse
from memsim.report import to_json
from tests.chips import chips
from tests.engine.machines import plain_chip
from tests.engine.tallies import made_up, reckoned
from tests.strategies import programs

SIZES = st.sampled_from([3, 10**4, 2**40, 2**49, 10**18, 10**30])
COLUMNS = st.lists(st.sampled_from(Key._fields), min_size=1, unique=True)
LAYERS = "program layers\n" + "".join(
    f"""
    tensor X{i} dram fp32 [64, 64]
    tensor Y{i} dram fp32 [64, 64]
    kernel k{i} blocks (b 4) {{
      ring a sram fp32 [16, 16] depth 2
      ring c reg fp32 [16, 16]
      ring out sram fp32 [16, 16]
      queue load {{ loop i 4 {{ load a <- X{i}[b * 16, i * 16] }} }}
      queue use {{ fill c 0  loop i 4 {{ mma c += a a  pop a }}  out = exp2(c)  push out }}
      queue store {{ store Y{i}[b * 16, 0] <- out  pop out }}
    }}"""
    for i in range(6)
)
CACHE = {"capacity": "64 KiB", "bandwidth": "32 B/cycle"}


def made_up_result(program: Program, chip: Chip, seed: int, most: int, shared: bool = True) -> Result:
    plan = make_plan(program, chip)
    hardware = Hardware(plan)
    return Result(plan, made_up(plan, hardware, seed, most, shared), hardware, workload="made up", engine="none")


def sums(book: dict[Key, int], columns: list[str]) -> dict[tuple[Any, ...], int]:
    totals: Counter[tuple[Any, ...]] = Counter()
    for key, amount in book.items():
        totals[tuple(getattr(key, column) for column in columns)] += amount
    return dict(totals)


@given(programs(shared=True, steady=True), chips(), st.integers(0, 100), SIZES, st.booleans(), COLUMNS)
@settings(max_examples=100)
def test_the_ledger_is_that_reckoned_key_by_key(
    program: Program, chip: Chip, seed: int, most: int, shared: bool, columns: list[str]
) -> None:
    result = made_up_result(program, chip, seed, most, shared)
    book = reckoned(result.plan, result.run)
    assert result.energy.amounts(*columns) == sums(book, columns)
    assert result.energy.counts == book
    energies = {key: amount * unit_energy_pj(chip, key) for key, amount in book.items()}
    static = chip.static_power_w * result.time_s
    assert result.energy_j == pytest.approx(math.fsum(energies.values()) * 1e-12 + static, rel=1e-9)
    _check_by(result, energies, columns)
    _check_totals(result, book)


def _check_by(result: Result, energies: dict[Key, float], columns: list[str]) -> None:
    expected: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for key, pj in energies.items():
        expected[tuple(getattr(key, column) for column in columns)].append(pj)
    static = Key("static", "-", "static", "static", -1, "static", 0.0)
    expected[tuple(getattr(static, c) for c in columns)].append(result.chip.static_power_w * result.time_s * 1e12)
    table = result.energy.by(*columns)
    assert list(table.columns) == [*columns, "bits", "count", "energy_j", "share"]
    found = {tuple(key): joules for *key, joules in table[[*columns, "energy_j"]].itertuples(index=False, name=None)}
    assert found == pytest.approx({key: math.fsum(pj) * 1e-12 for key, pj in expected.items()}, rel=1e-9)
    assert table["energy_j"].is_monotonic_decreasing
    assert table["share"].sum() == pytest.approx(1 if result.energy_j else 0)
    counted = ("matrix", "vector", "dma", "rows")
    assert sum(table["bits"].tolist()) == sum(n for key, n in result.energy.counts.items() if key.part not in counted)
    assert sum(table["count"].tolist()) == sum(n for key, n in result.energy.counts.items() if key.part in counted)


def _check_totals(result: Result, book: dict[Key, int]) -> None:
    dram = (n for key, n in book.items() if key.part == "dram" and key.operation != "final_write_back")
    assert result.dram_bytes == sum(dram) // 8
    macs: Counter[str] = Counter()
    levels: Counter[str] = Counter()
    for key, n in book.items():
        if key.part == "matrix":
            macs[key.access] += n
        elif key.part not in ("vector", "dma", "routers", "rows"):
            levels[key.level] += n
    assert result.macs == macs
    assert result.bytes_by_level == {level: bits // 8 for level, bits in levels.items()}


@given(programs(steady=True), chips(), st.integers(0, 100), SIZES)
def test_no_number_depends_on_what_kernels_share(program: Program, chip: Chip, seed: int, most: int) -> None:
    one, two = (made_up_result(program, chip, seed, most, shared) for shared in (True, False))
    assert str(one) == str(two)
    assert to_json(one) == to_json(two)
    pd.testing.assert_frame_equal(one.energy.frame(), two.energy.frame(), check_exact=True)
    for columns in (("tensor",), ("part", "core"), ("tensor", "mm")):
        pd.testing.assert_frame_equal(one.energy.by(*columns), two.energy.by(*columns), check_exact=True)
    for table in ("bounds", "executions", "kernels"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(two, table), check_exact=True)


def test_the_frame_has_a_row_a_key_and_one_for_static_energy() -> None:
    result = made_up_result(parse(LAYERS), plain_chip(4, cache=CACHE), 1, 1000)
    frame = result.energy.frame()
    assert list(frame.columns) == [*Key._fields, "bits", "count", "energy_pj"]
    rows = {Key(*row[:7]): row[7] + row[8] for row in frame.itertuples(index=False, name=None)}
    static = rows.pop(Key("static", "-", "static", "static", -1, "static", 0.0))
    assert static == 0
    assert rows == reckoned(result.plan, result.run)
    assert len(frame) == len(rows) + 1
    assert frame["energy_pj"].sum() * 1e-12 == pytest.approx(result.energy_j, rel=1e-12)


def test_numbers_of_any_size_are_exact_in_every_table() -> None:
    most = 10**30
    result = made_up_result(parse(LAYERS), plain_chip(4, cache=CACHE), 2, most)
    book = reckoned(result.plan, result.run)
    assert max(book.values()) > 10**30
    assert result.energy.amounts("part") == sums(book, ["part"])
    counts = [run.tally.executions.sum(axis=1).tolist() for run in result.run.kernels]
    assert result.executions["count"].tolist() == [n for kernel in counts for n in kernel]
    assert result.links["bytes"].tolist() == [result.run.link_bytes[h.server] for h in result.hardware.hops.values()]
    assert result.ticks == 6 * most and result.time_s == pytest.approx(6e21)
    assert result.kernels["end_s"].tolist() == pytest.approx([1e21 * (i + 1) for i in range(6)])
    assert (result.parts["utilisation"] <= 1).all() and result.parts["utilisation"].max() > 0.5
    assert set(result.stalls["share"]) == {6 / 7, 1 / 7, 1.0}
    assert result.bounds["time_s"].max() > 1e20
    assert "s" in str(result)


def test_a_sheet_is_made_once_for_kernels_that_share_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    original = ledger_module.make_sheet
    monkeypatch.setattr(ledger_module, "make_sheet", lambda *given: made.append(1) or original(*given))
    result = made_up_result(parse(LAYERS), plain_chip(4), 3, 1000)
    tallies = {id(run.tally.executions) for run in result.run.kernels}
    assert len(tallies) == 2
    for columns in (("part",), ("tensor",), ("core",), ("tensor", "core")):
        result.energy.by(*columns)
    assert len(made) == 2


def test_the_trace_has_one_order_whatever_the_engine_finds_first() -> None:
    result = made_up_result(parse(LAYERS), plain_chip(4), 4, 1000)
    load, use = (next(s for s in result.plan.kernels[0].steps if s.operation == op) for op in ("load", "mma"))
    rows = [
        (0, 0, 0, "use", use, 5, 9, 0, 1),
        (0, 0, 0, "load", load, 5, 9, 64, 1),
        (0, 0, 0, "load", load, 5, 9, 32, 2),
        (0, 0, 0, "load", load, 4, 9, 16, 3),
        (0, 1, 1, "load", load, 1, 2, 8, 1),
        (0, 0, 0, "load", load, 10**30, 10**30 + 1, 4, 4),
    ]
    tables = []
    for seed in range(3):
        shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
        run = ledger_module.Run(**{**vars(result.run), "trace": shuffled})
        trace = Result(result.plan, run, result.hardware, workload="w", engine="none").trace
        assert trace is not None
        tables.append(trace)
    assert tables[0]["bytes"].tolist() == [8, 16, 64, 32, 0, 4]
    assert tables[0]["end_tick"].tolist()[-1] == 10**30 + 1
    for table in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], table)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.integers(0, 2**61)), max_size=30))
def test_groups_are_summed_exactly(rows: list[tuple[int, int, int]]) -> None:
    table = {name: np.array([row[i] for row in rows], dtype=np.int64) for i, name in enumerate("abn")}
    expected: Counter[tuple[int, int]] = Counter()
    for a, b, n in rows:
        expected[a, b] += n
    found = grouped(table, ("a", "b"), ("n",))
    keys = list(zip(found["a"].tolist(), found["b"].tolist(), strict=True))
    assert keys == sorted(expected)
    assert dict(zip(keys, map(int, found["n"]), strict=True)) == expected
    assert exact_totals(table["n"].reshape(1, -1)) == [sum(expected.values())]
    assert list(map(int, product(table["n"], table["n"]))) == [n * n for *_, n in rows]


def test_columns_of_many_values_are_told_apart() -> None:
    wide = np.array([0, 2**61, 2**61, 5], dtype=np.int64)
    table = {"a": wide, "b": np.roll(wide, 1), "n": np.ones(4, dtype=np.int64)}
    assert len(grouped(table, ("a", "b"), ("n",))["n"]) == 4
    assert len(grouped(table, ("a",), ("n",))["n"]) == 3


def test_a_run_without_kernels_has_static_energy_only() -> None:
    plan = make_plan(parse(LAYERS), plain_chip())
    run = ledger_module.Run(10, [], [], [], {}, {}, {}, None)
    ledger = Ledger(plan, run, 2.0)
    assert ledger.counts == {}
    assert ledger.total_j == 2.0
    assert ledger.by("tensor")["tensor"].tolist() == ["-"]
