"""Plain rows of tables say what their data frames say."""

from __future__ import annotations

import pytest

from memsim.engine import Result
from memsim.engine.result import COLUMNS
from memsim.isa import parse
from tests.engine.machines import plain_chip, run

TEXT = """
program two
tensor X dram fp32 [4, 32, 32]
tensor Y dram fp32 [4, 32, 32]
kernel k blocks (b 2) {
  ring a sram fp32 [32, 32]
  ring c reg fp32 [32, 32]
  queue load { loop i 2 { load a <- X[2 * b + i, 0 : 32, 0 : 32] } }
  queue use { loop i 2 { c = exp2(a)  push c  pop a } }
  queue store { loop i 2 { store Y[2 * b + i, 0 : 32, 0 : 32] <- c  pop c } }
}
kernel l blocks (b 1) { ring a sram fp32 [32, 32]  queue q { load a <- X[b, 0 : 32, 0 : 32]  pop a } }
"""


@pytest.fixture(scope="module")
def result() -> Result:
    return run(parse(TEXT), plain_chip(2))


@pytest.mark.parametrize("table", COLUMNS)
def test_a_result_tells_rows_as_its_frames_do(result: Result, table: str) -> None:
    rows = result.records(table)
    assert rows
    assert rows == getattr(result, table).to_dict("records")


@pytest.mark.parametrize("columns", [("part",), ("part", "tensor"), ("core", "level"), ("operation", "access", "part")])
def test_a_ledger_tells_rows_as_its_frames_do(result: Result, columns: tuple[str, ...]) -> None:
    rows = result.energy.records(*columns)
    assert rows == result.energy.by(*columns).to_dict("records")
    assert sum(row["energy_j"] for row in rows) == pytest.approx(result.energy_j)
    assert [row["energy_j"] for row in rows] == sorted((row["energy_j"] for row in rows), reverse=True)


def test_the_bottleneck_is_the_busiest_of_the_parts(result: Result) -> None:
    assert result.busiest == result.parts.groupby("kind")["utilisation"].max().to_dict()
