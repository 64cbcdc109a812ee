"""Suites are data: what is in them."""

from __future__ import annotations

from collections import Counter

import pytest

from memsim.errors import MemsimError
from memsim.measure import SUITES, cases_of
from memsim.measure.cases import CURVES, QUICK
from memsim.measure.table import identity
from memsim.measure.torch_calls import TYPES, torch_call
from memsim.validate.calls import Call
from memsim.validate.measured import operators, read_table


def test_there_are_more_than_three_hundred_shapes_of_products() -> None:
    shapes = {(c.call.m, c.call.n, c.call.k) for c in cases_of("matmul") if c.call.dtype == "bf16"}
    assert len(shapes) > 300
    assert {m % 8 for m, _, _ in shapes} > {0}  # some are no multiples


@pytest.mark.parametrize("suite", sorted(set(SUITES) - set(CURVES)))
def test_no_case_is_twice_in_a_suite_and_each_can_be_run_by_pytorch(suite: str) -> None:
    cases = cases_of(suite)
    assert max(Counter(cases).values()) == 1
    assert all(torch_call(case.call) is not None and case.call.dtype in TYPES for case in cases)
    assert len({case.label for case in cases}) == len(cases)
    assert cases_of(suite, quick=True) == cases[::QUICK]


def test_curves_have_no_cases() -> None:
    assert [cases_of(suite) for suite in CURVES] == [()] * len(CURVES)


def test_an_unknown_suite_is_told() -> None:
    with pytest.raises(MemsimError, match="no suite 'matmuls'"):
        cases_of("matmuls")


@pytest.mark.parametrize("suite", sorted(set(SUITES) - set(CURVES)))
def test_validate_reads_each_case_as_it_was_meant(suite: str) -> None:
    cases = cases_of(suite)
    rows = [identity(case, "h100_sxm") for case in cases]
    text = ",".join([*rows[0], "lat_ms"]) + "\n" + "".join(",".join(row.values()) + ",1\n" for row in rows)
    read = read_table(text, "t.csv").rows
    assert [r.call for r in read] == [c.call for c in cases]


def test_operators_of_suites_are_known() -> None:
    ops = {case.op for suite in SUITES for case in cases_of(suite)}
    assert ops <= set(operators.OPERATORS)


def test_a_call_that_pytorch_has_not_is_none() -> None:
    assert torch_call(Call("elementwise", "fp32", function="triad", rows=1, cols=1)) is None
    assert torch_call(Call("gemm", "fp8_e4m3", batch=2, m=16, n=16, k=16)) is None
