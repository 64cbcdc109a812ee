"""Loads into registers pass the core's own cache."""

from __future__ import annotations

import pytest

from memsim.engine.simulate import simulate
from memsim.hierarchy import Chip
from memsim.isa import parse

STREAM = """program stream
tensor X dram fp32 [1024, 256]
kernel stream blocks (b 4) {{
  ring v {memory} fp32 [32, 256] depth 2
  ring r reg fp32 [32, 256]
  queue load {{ loop t 8 {{ load v <- X[b*256 + t*32, 0] }} }}
  queue compute {{ loop t 8 {{ r = cast(v)  push r  pop v  pop r }} }}
}}"""


def energies(memory: str) -> dict[str, float]:
    chip = Chip.preset("a100_sxm_40")
    result = simulate(parse(STREAM.format(memory=memory)), chip)
    return {row["part"]: row["energy_j"] for row in result.energy.records("part")}


def test_a_bit_costs_the_same_array_on_its_way_to_registers_as_on_its_way_through_shared_memory() -> None:
    shared, direct = energies("sram"), energies("reg")
    assert direct["l1"] == pytest.approx(shared["sram"])
    assert direct["l1"] == pytest.approx(2 * 1024 * 256 * 32 * 1.59e-12)  # written and read: level L1 on A100
    assert "sram" not in direct
    assert "l1" not in shared


def test_a_chip_without_such_a_cache_pays_none() -> None:
    assert "l1" not in {
        row["part"] for row in simulate(parse(STREAM.format(memory="reg")), Chip.preset("toy")).energy.records("part")
    }
