"""The preset is the published machine; other meshes are machines too, and what is none is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

import memsim as ms
from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.locality.spatial import PUBLISHED, machine_of, nearest_cells, parse, simulate


def test_the_preset_is_the_published_machine() -> None:
    chip = Chip.preset("sutro_spatial")
    assert machine_of(chip) == PUBLISHED
    assert (PUBLISHED.tiles, PUBLISHED.words, PUBLISHED.reserved) == (31_250, 12_288, (32, 95))
    assert chip.core.sram.capacity == 4 * PUBLISHED.words


def test_a_tile_of_the_preset_costs_256_fj_a_word_and_a_mean_access_149() -> None:
    small = Chip.preset("sutro_spatial").replace({"core.grid": [4, 2], "dram.at": [["0.064 mm", "0 mm"]]})
    path = small.route("core0", "core7")
    mm = sum(small.graph.edges[edge]["mm"] for edge in pairwise(path))
    assert 32 * mm * small.wire_energy_pj_per_bit_mm * 1000 == pytest.approx(4 * 256)
    distances = [abs(u - 64) + abs(v - 64) for u, v in nearest_cells().tolist()]
    mean = sum(max(50, 2 * d) for d in distances) / len(distances)
    assert 32 * small.read_energy("sram") * 1000 == pytest.approx(mean, rel=1e-4)
    assert 32 * small.write_energy("sram") * 1000 == pytest.approx(mean, rel=1e-4)


ADD = """
program add
tensor A dram fp32 [4, 16]
tensor C dram fp32 [4, 16]
kernel main blocks (b 4) {
  ring a sram fp32 [1, 16] depth 2
  ring y sram fp32 [1, 16] depth 2
  queue load { load a <- A[b, 0] }
  queue use { y = add(a, a)
              push y
              pop a }
  queue out { store C[b, 0] <- y
              pop y }
}
"""


@pytest.mark.slow
def test_a_tile_program_runs_on_the_preset() -> None:
    chip = Chip.preset("sutro_spatial")
    program = ms.parse(ADD)
    ms.verify(program, chip)
    result = ms.simulate(program, chip)
    assert result.bytes_by_level["dram"] == 2 * 4 * 16 * 4
    assert result.energy_j > 0
    assert "busiest link" in str(result)


def test_the_compiler_refuses_so_many_cores() -> None:
    a, b = ms.tensor("a", (8, 8), "fp32"), ms.tensor("b", (8, 8), "fp32")
    with pytest.raises(ChipError, match="31,250 cores behind 250 memory ports are too many for the compiler"):
        ms.compile(a @ b, Chip.preset("sutro_spatial"))


def test_a_mesh_of_another_make() -> None:
    """The toy's tiles are 2 mm apart and two cycles a hop; its wires take the technology's energy."""
    chip = Chip.preset("toy")
    machine = machine_of(chip)
    assert (machine.columns, machine.rows, machine.side, machine.words, machine.hop) == (4, 4, 2000, 65_536, 2)
    assert float(machine.wire_fj_per_um) == pytest.approx(chip.wire_energy_pj_per_bit_mm * 32)
    program = parse("input 1000:0\ncopy 3000:0,1000:0", machine=machine)
    result = simulate(program, chip)
    assert result.makespan == 1 + 1 * 2 + 2
    wire = machine.wire_fj_per_um
    assert result.energy_fj == pytest.approx(float(2 * 1000 * wire + 2000 * wire))
    assert simulate(program, chip, "simpy").makespan == result.makespan


def test_another_clock_makes_other_nanoseconds() -> None:
    fast = Chip.preset("sutro_spatial").replace({"clock": "3 GHz"})
    result = simulate(parse("recv 64:0; copy 65:0,64:0; send 65:0"), fast)
    assert (result.makespan, result.time_ns) == (6, 2)
    assert machine_of(fast).cycle_ns == Fraction(1, 3)


CHANGES = {
    "network.topology": "torus",
    "network.routing": "shortest",
    "network.link_bandwidth": "2 B/cycle",
    "network.hop_latency": "0 cycles",
    "core.count": 100,
    "core.pitch": ["0.13 mm", "0.128 mm"],
}


@pytest.mark.parametrize(("key", "value"), [*CHANGES.items(), ("core.pitch", ["0.13 mm", "0.13 mm"])])
def test_other_chips_are_refused_with_the_key(key: str, value: object) -> None:
    with pytest.raises(ChipError) as caught:
        machine_of(Chip.preset("sutro_spatial").replace({key: value}))
    assert key in str(caught.value.where) or key == "network.routing"
    assert "chip sutro_spatial is no spatial computer" in caught.value.cause
    assert caught.value.mend


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"columns": 0}, "0 x 125 tiles"),
        ({"columns": 2000, "rows": 1000}, "2,000,000 tiles with hops of 1 cycles"),
        ({"hop": 40}, "31,250 tiles with hops of 40 cycles"),
        ({"side": 30}, "tiles of 30 x 30 um"),
        ({"hop": 0}, "a hop of 0 cycles"),
    ],
)
def test_machines_that_cannot_be(values: dict[str, Any], cause: str) -> None:
    with pytest.raises(ChipError) as caught:
        replace(PUBLISHED, **values)
    assert caught.value.cause.endswith(cause)
