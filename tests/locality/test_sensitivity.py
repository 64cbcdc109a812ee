"""Prices under disputed constants beside Model 2, hand-made flips and naive sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from math import isqrt, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError, ProgramError
from memsim.locality.constants import (
    ACTIVATION_FJ,
    ARITHMETIC_8,
    ARITHMETIC_32,
    FETCH_FJ,
    ICACHE_FJ,
    Constants,
    Rows,
    variations,
)
from memsim.locality.scalar import dally2
from memsim.locality.scalar.instructions import INSTRUCTIONS, Op
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.text import parse
from memsim.locality.sensitivity import AddressCounts, Sensitivity, address_counts, price, rankings
from tests.locality.products import naive, naive_on_tape, tiled


@st.composite
def programs(draw: Any) -> str:
    """Programs with any instructions, tape included, that read only what was written."""
    addresses = st.one_of(st.integers(1, 30), st.integers(1, 40_000))
    known = draw(st.lists(addresses, min_size=1, max_size=4, unique=True))
    lines = [f"recv {address}" for address in known]
    for _ in range(draw(st.integers(0, 15))):
        kind = draw(st.sampled_from([k for k in INSTRUCTIONS if k.op is not Op.RECV]))
        words = [draw(st.sampled_from(known)) for _ in range(kind.sources)]
        if kind.writes:
            target = draw(addresses)
            words.insert(0, target)
            known.append(target)
        extra = {"": [], "integer": ["7"], "predicate": ["lt"]}[kind.takes]
        lines.append(f"{kind.name} " + ",".join([*map(str, words), *extra]))
    return "\n".join(lines)


def naive_price(program: ScalarProgram, c: Constants) -> float:
    """One instruction after another."""

    def access(slot: int) -> float:
        h = isqrt(int(program.addresses[slot]) - 1) + 1
        return max(c.floor_fj, c.trips * 32 * c.wire_fj_per_bit_mm * (h * c.cell_um / 1000))

    total, row = 0.0, None
    for op, slots in zip(program.ops.tolist(), program.operands.tolist(), strict=True):
        kind = INSTRUCTIONS[op]
        total += c.fetch_fj + c.arithmetic_fj.get(kind.name, 0)
        touched = [] if op == Op.SEND else [(slot, False) for slot in slots[1:] if slot >= 0]
        if slots[0] >= 0 and op != Op.RECV:
            touched.append((slots[0], True))
        for slot, writes in touched:
            total += access(slot) if c.priced_writes or not writes else 0
            beyond = int(program.addresses[slot]) - c.rows.near_words - 1
            if beyond >= 0:
                total += c.activation_fj * (beyond // c.rows.row_words != row)
                row = beyond // c.rows.row_words
    return total


FAR = Rows(near_words=20, row_words=64)


@given(programs(), st.sampled_from(variations(full=True, rows=FAR)))
def test_prices_are_sums_over_instructions(text: str, constants: Constants) -> None:
    program = parse(text)
    found = price(program, constants)
    assert found.total == pytest.approx(naive_price(program, constants), rel=1e-12)


@given(programs())
def test_model_2_is_one_setting_exactly(text: str) -> None:
    program = parse(text)
    assert price(program).total == dally2.score(program).cost
    assert price(program, variations()[0]).total == dally2.score(program).cost


@pytest.mark.parametrize("make", [naive, naive_on_tape])
@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_published_prices_of_matrix_products(make: Callable[[int], str], n: int) -> None:
    published = {2: 1_800, 4: 16_800, 8: 144_000, 16: 1_253_468}
    assert price(parse(make(n))).total == published[n]


def test_the_constants_of_model_2() -> None:
    base = Constants()
    assert (base.fj_per_distance, base.floor_fj, base.wire_fj_per_bit_mm) == (2.0, 50, 31.25)
    assert base.priced_writes and not base.arithmetic_fj
    assert (base.fetch_fj, base.activation_fj) == (0, 0)


def test_the_disputed_constants() -> None:
    """Horowitz, ISSCC 2014, Fig. 1.1.9, and O'Connor et al., MICRO-50 2017."""
    assert {name: ARITHMETIC_8[name] for name in ("add", "mul")} == {"add": 30, "mul": 200}
    assert {name: ARITHMETIC_32[name] for name in ("add", "mul")} == {"add": 100, "mul": 3_100}
    assert not {"copy", "set", "select", "recv", "send"} & {*ARITHMETIC_32}
    assert {*ARITHMETIC_8} <= {kind.name for kind in INSTRUCTIONS}
    assert (FETCH_FJ, ICACHE_FJ, ACTIVATION_FJ) == (5_000, 25_000, 909_000)
    assert Rows() == Rows(16_384, 256)


def test_variations_vary_one_dispute_at_a_time() -> None:
    found = variations()
    assert found[0] == Constants() and len({v.name for v in found}) == len(found) == 11
    assert [v.wire_fj_per_bit_mm for v in found if v.dispute == "wire"] == [2.84, 30, 100, 280]
    for v in found[1:]:
        names = [name for name in Constants.__dataclass_fields__ if name not in ("name", "dispute")]
        assert sum(getattr(v, name) != getattr(found[0], name) for name in names) == 1
    every = variations(full=True)
    assert every[0] == Constants() and len({v.name for v in every}) == len(every) == 5 * 2 * 3 * 3 * 2
    assert {v.name for v in found} <= {v.name for v in every}
    assert next(v for v in every if v.name == "wire 280, fetch 5 pJ").dispute == "wire, fetch"


def counts(reads: dict[int, int], **operations: int) -> AddressCounts:
    away = np.array(list(reads))
    return AddressCounts(away, np.array(list(reads.values())), np.zeros(len(reads), np.int64), operations)


def test_a_pair_flips_where_its_lines_cross() -> None:
    """Ten reads at distance 1 and 25 at 10: at a floor of 0 the first is dearer from a fetch of 24 units on."""
    near, far = counts({1: 10}, copy=20), counts({10: 25}, copy=10)
    base = Constants(floor_fj=0)
    unit = base.fj_per_distance
    cross = (250 - 10) * unit / (20 - 10)  # energies: 10 u + 20 f and 250 u + 10 f
    settings = [
        base,
        replace(base, name="below", fetch_fj=cross * 0.999),
        replace(base, name="above", fetch_fj=cross * 1.001),
    ]
    settings.append(replace(base, name="at", fetch_fj=cross))
    found = rankings({"near": near, "far": far}, settings)
    assert [(f.cheaper, f.dearer, f.variation) for f in found.flips] == [("near", "far", "above")]
    assert found.flips[0].baseline_ratio == 25
    expected = (250 * unit + 10 * cross * 1.001) / (10 * unit + 20 * cross * 1.001)
    assert found.flips[0].ratio == pytest.approx(expected)
    assert found.kendall.tolist() == [1, 1, -1, 0]
    assert found.ranks.tolist() == [[1, 2], [1, 2], [2, 1], [1, 1]]


def test_tiling_pays_where_wires_are_dear() -> None:
    """At 16 x 16 nearly all words lie within the floor of Model 2, so copies into tiles cost more than they save."""
    found = rankings({"naive": parse(naive(16)), "tiled": parse(tiled(16, 4))}, variations())
    assert [flip.variation for flip in found.flips] == ["wire 100", "wire 280"]
    assert {flip.cheaper for flip in found.flips} == {"naive"}


energies = st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, 5.5]), min_size=4, max_size=4), min_size=2, max_size=4)


def of_energies(rows: list[list[float]]) -> Sensitivity:
    parts = np.zeros((len(rows), len(rows[0]), 5))
    parts[:, :, 0] = rows
    return Sensitivity(tuple("abcd"), tuple(Constants(name=str(i)) for i in range(len(rows))), parts)


@given(energies)
def test_orders_by_the_definitions(rows: list[list[float]]) -> None:
    found = of_energies(rows)
    pairs = list(combinations(range(4), 2))

    def sign(row: list[float], a: int, b: int) -> int:
        return (row[a] > row[b]) - (row[a] < row[b])

    for v, row in enumerate(rows):
        assert found.ranks[v].tolist() == [1 + sum(other < mine for other in row) for mine in row]
        agreed = sum(sign(rows[0], *pair) * sign(row, *pair) for pair in pairs)
        untied = [sum(sign(each, *pair) != 0 for pair in pairs) for each in (rows[0], row)]
        if all(untied):
            assert found.kendall[v] == pytest.approx(agreed / sqrt(untied[0] * untied[1]))
        else:
            assert found.kendall[v] == (untied[0] == untied[1])
        flipped = {frozenset((f.cheaper, f.dearer)) for f in found.flips if f.variation == str(v)}
        turned = [pair for pair in pairs if sign(rows[0], *pair) * sign(row, *pair) < 0]
        assert flipped == {frozenset("abcd"[i] for i in pair) for pair in turned}
    for flip in found.flips:
        assert flip.baseline_ratio > 1 > flip.ratio


@given(st.lists(programs(), min_size=2, max_size=4), st.floats(1e-3, 1e3))
def test_scaling_every_constant_leaves_rankings(texts: list[str], factor: float) -> None:
    named = {str(i): parse(text) for i, text in enumerate(texts)}
    for setting in variations(rows=FAR):
        found = rankings(named, [setting, setting.scaled(factor)])
        assert found.flips == () and (found.ranks[0] == found.ranks[1]).all()
        assert found.energies[1] == pytest.approx(found.energies[0] * factor, rel=1e-9)


@given(st.lists(programs(), min_size=2, max_size=3))
def test_all_at_once_is_one_by_one(texts: list[str]) -> None:
    named = {str(i): parse(text) for i, text in enumerate(texts)}
    settings = variations(full=True, rows=FAR)[::7]
    found = rankings(named, settings)
    for v, setting in enumerate(settings):
        for p, program in enumerate(named.values()):
            assert found.energies[v, p] == pytest.approx(price(program, setting).total)


def test_rows_open_and_close() -> None:
    rows = Rows(near_words=10, row_words=4)  # rows 11-14, 15-18 …
    program = parse("recv 11;recv 15;add 1,11,15;copy 12,1;add 1,1,1;copy 14,12;copy 15,14;send 15")
    # reads 11 (opens), 15 (opens); writes 12 (opens); reads 12, writes 14: open; reads 14: open, writes 15 (opens)
    assert address_counts(program, [rows]).row_changes == {rows: 4}
    last = parse("recv 10;copy 10,10;copy 9,10")
    assert address_counts(last, [rows, Rows(9, 4)]).row_changes == {rows: 0, Rows(9, 4): 1}
    found = price(program, Constants(activation_fj=7, rows=rows))
    assert found.activation == 28
    assert found.total == found.reads + found.writes + 28


def test_addresses_that_model_2_has_not_are_refused() -> None:
    """Model 2 is the first setting, so what it refuses has no energy."""
    rows = Rows()
    assert address_counts(parse(f"{16_000**2};copy 1,{16_000**2};1"), [rows]).row_changes == {rows: 1}
    for far in (16_000**2 + 1, 10**30):
        with pytest.raises(MemsimError, match=f"address {far} lies beyond the grid"):
            price(parse(f"{far};copy 1,{far};1"))


def test_the_table_holds_everything() -> None:
    found = rankings({"naive": parse(naive(4)), "tiled": parse(tiled(4, 2))}, variations())
    table = found.table()
    assert len(table) == 2 * len(variations())
    parts = table[[name for name in table.columns if name.endswith("_fj") and name != "energy_fj"]]
    assert np.allclose(parts.sum(axis=1), table["energy_fj"])
    assert table.groupby("variation")["relative"].min().eq(1).all()
    import json

    read = json.loads(json.dumps(found.to_json()))
    assert read["baseline"] == "Model 2" and read["rows"][0]["energy_fj"] == 16_800
    assert {flip["variation"] for flip in read["flips"]} == {flip.variation for flip in found.flips}


def test_what_costs_nothing_is_tied() -> None:
    found = rankings({"a": counts({1: 1}), "b": counts({1: 2})}, [Constants(floor_fj=0, wire_fj_per_bit_mm=0)])
    assert found.ranks.tolist() == [[1, 1]] and found.table()["relative"].tolist() == [1, 1]


def test_mistakes() -> None:
    program = parse(naive(2))
    with pytest.raises(MemsimError, match="1 programs have no order"):
        rankings({"one": program}, variations())
    with pytest.raises(MemsimError, match="there is no baseline"):
        rankings({"a": program, "b": program}, [])
    with pytest.raises(MemsimError, match="two variations have the name 'Model 2'"):
        rankings({"a": program, "b": program}, [Constants(), Constants()])
    with pytest.raises(MemsimError, match="changes of rows beyond 16,384 words were not counted"):
        price(counts({1: 1}), Constants(activation_fj=1))
    with pytest.raises(MemsimError, match="fetch_fj is -1"):
        Constants(fetch_fj=-1)
    with pytest.raises(MemsimError, match="mul is nan"):
        Constants(arithmetic_fj={"mul": float("nan")})
    with pytest.raises(MemsimError, match="rows of 0 words"):
        Rows(row_words=0)
    with pytest.raises(ProgramError, match="address 3 is read"):
        price(parse("1;copy 2,3;2"))
