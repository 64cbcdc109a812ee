"""Named technologies against the published tables that they are fitted to."""

from itertools import pairwise

import pytest

from memsim.hierarchy import Technology, technologies

KB = 1024
HOROWITZ_READ_PJ = {8 * KB: 10.0, 32 * KB: 20.0, 1024 * KB: 100.0}  # a 64-bit read at 45 nm, ISSCC 2014, Fig. 1.1.9
TPU4I_READ_PJ = {8 * KB: 7.5, 32 * KB: 8.5, 1024 * KB: 14.0}  # a 64-bit read at 7 nm, ISCA 2021, Table 2


@pytest.mark.parametrize(("name", "reads", "error"), [("n45", HOROWITZ_READ_PJ, 0.045), ("n7", TPU4I_READ_PJ, 0.03)])
def test_sram_energies_are_near_the_published_reads(name: str, reads: dict[int, float], error: float) -> None:
    for capacity, picojoule in reads.items():
        assert technologies()[name].sram_pj_per_bit(capacity) * 64 == pytest.approx(picojoule, rel=error)


def test_multiply_accumulates_are_published_products_and_sums() -> None:
    n45, n7 = technologies()["n45"].mac_energy, technologies()["n7"].mac_energy
    assert n45["fp32"] == pytest.approx(3.7 + 0.9)
    assert n45["fp16"] == pytest.approx(1.1 + 0.9)
    assert n45["int8"] == pytest.approx(0.2 + 0.1)
    assert n7["bf16"] == pytest.approx(0.21 + 0.38)
    assert n7["fp32"] == pytest.approx(1.31 + 0.38)
    assert n7["int8"] == pytest.approx(0.07 + 0.03)


@pytest.mark.parametrize(("name", "volts"), [("n45", 0.9), ("n16", 0.8), ("n7", 0.75), ("n5", 0.7), ("n3", 0.65)])
def test_wires_charge_a_measured_capacitance_at_every_fourth_bit(name: str, volts: float) -> None:
    picofarad_per_mm = 0.42
    assert technologies()[name].wire_energy == pytest.approx(picofarad_per_mm * volts**2 / 4, abs=0.0005)


def test_every_quantity_falls_from_node_to_node() -> None:
    nodes = [technologies()[name] for name in ("n45", "n16", "n7", "n5", "n3")]
    for large, fine in pairwise(nodes):
        assert large.wire_energy > fine.wire_energy
        assert large.reg_energy > fine.reg_energy
        assert large.sram_pj_per_bit(2**20) > fine.sram_pj_per_bit(2**20)
        assert all(large.mac_energy[dtype] > fine.mac_energy[dtype] for dtype in fine.mac_energy)
        assert all(large.vector_energy[kind] > fine.vector_energy[kind] for kind in fine.vector_energy)


def test_dally_prices_distance_small_memories_and_additions_only() -> None:
    dally = technologies()["dally_founding"]
    assert dally.wire_energy == pytest.approx(0.1)
    assert dally.sram_pj_per_bit(8 * KB) == dally.sram_pj_per_bit(2**30) == pytest.approx(0.05)
    assert dally.vector_energy["simple"] == pytest.approx(32 * 0.001)
    assert (dally.reg_energy, dally.dram_energy) == (0.0, {})
    wire = technologies()["wire_only"]
    assert {name for name in Technology.model_fields if getattr(wire, name)} == {"name", "wire_energy", "sources"}


@pytest.mark.parametrize("technology", technologies().values(), ids=lambda t: t.name)
def test_every_number_has_a_source(technology: Technology) -> None:
    numbers = {
        name for name in Technology.model_fields if getattr(technology, name) and name not in ("name", "sources")
    }
    assert numbers == set(technology.sources)
    assert all(len(text) > 10 for text in technology.sources.values())
