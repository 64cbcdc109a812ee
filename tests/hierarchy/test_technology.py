"""Named technologies against the published tables that they are taken from, and what voltage and data do to them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import Chip, Technology, technologies
from memsim.hierarchy.wires import ALPHA, TRANSITIONS, at_toggle, delay_factor, hop_pj_per_bit, wire_pj_per_bit_mm
from tests.hierarchy.samples import small

KB = 1024
NODES = ("n45", "n28", "n16", "n7", "n5", "n3")
HOROWITZ_READ_PJ = {8 * KB: 10.0, 32 * KB: 20.0, 1024 * KB: 100.0}  # a 64-bit read at 45 nm, ISSCC 2014, Fig. 1.1.9
TPU4I_READ_PJ = {8 * KB: 7.5, 32 * KB: 8.5, 1024 * KB: 14.0}  # a 64-bit read at 7 nm, ISCA 2021, Table 2
PLAIN = {"name", "sources", "uncertainty", "wire_convention", "sram_family"}


@pytest.mark.parametrize(
    ("name", "reads", "error"),
    [
        ("n45", HOROWITZ_READ_PJ, 0.045),
        ("horowitz_45nm", HOROWITZ_READ_PJ, 0.045),
        ("n7", TPU4I_READ_PJ, 0.03),
        ("tpuv4i_7nm", TPU4I_READ_PJ, 0.03),
    ],
)
def test_sram_energies_are_near_the_published_reads(name: str, reads: dict[int, float], error: float) -> None:
    for capacity, picojoule in reads.items():
        assert technologies()[name].sram_pj_per_bit(capacity) * 64 == pytest.approx(picojoule, rel=error)


def test_operations_are_the_published_ones() -> None:
    horowitz = {"int8_add": 0.03, "int32_add": 0.1, "fp16_add": 0.4, "fp32_add": 0.9, "int8_mul": 0.2, "fp16_mul": 1.1}
    jouppi = {"int32_add": 0.03, "fp32_add": 0.38, "int8_mul": 0.07, "bf16_mul": 0.21, "fp32_mul": 1.31}
    for name, published in (("horowitz_45nm", horowitz), ("tpuv4i_7nm", jouppi)):
        found = technologies()[name].op_energy
        assert {op: found[op] for op in published} == pytest.approx(published)


@pytest.mark.parametrize("name", NODES)
def test_multiply_accumulates_are_published_products_and_sums(name: str) -> None:
    technology = technologies()[name]
    op, mac = technology.op_energy, technology.mac_energy
    assert mac["fp32"] == pytest.approx(op["fp32_mul"] + op["fp32_add"])
    assert mac["fp16"] == pytest.approx(op["fp16_mul"] + op["fp32_add"])
    assert mac["bf16"] == pytest.approx(op["bf16_mul"] + op["fp32_add"])
    assert mac["int8"] == pytest.approx(op["int8_mul"] + op["int32_add"])


def test_28_nm_lies_on_the_line_between_45_and_7_nm() -> None:
    """Operations are interpolated as the published table does it for 16 nm: in the logarithms of node and energy."""
    n45, n28, n16, n7 = (technologies()[name].op_energy for name in ("n45", "n28", "n16", "n7"))
    for op in ("int8_mul", "fp16_mul", "fp32_mul", "fp32_add"):
        assert n16[op] == pytest.approx(n45[op] * (n7[op] / n45[op]) ** 0.5557, rel=0.01)
        assert n28[op] == pytest.approx(n45[op] * (n7[op] / n45[op]) ** 0.2550, rel=0.01)
    for capacity in (8 * KB, 1024 * KB):
        ends = [technologies()[name].sram_pj_per_bit(capacity) for name in ("n45", "n7")]
        between = ends[0] * (ends[1] / ends[0]) ** 0.2550
        assert technologies()["n28"].sram_pj_per_bit(capacity) == pytest.approx(between, rel=0.05)


def test_every_energy_falls_from_node_to_node() -> None:
    for large, fine in pairwise(technologies()[name] for name in NODES):
        assert large.wire_energy >= fine.wire_energy  # the same voltage at 45 and 28 nm
        assert large.reg_energy > fine.reg_energy
        assert large.sram_pj_per_bit(2**20) > fine.sram_pj_per_bit(2**20)
        assert large.sram_pj_per_bit(2**20, family="dally") > fine.sram_pj_per_bit(2**20, family="dally")
        assert all(large.mac_energy[dtype] > fine.mac_energy[dtype] for dtype in fine.mac_energy)
        assert all(large.vector_energy[kind] > fine.vector_energy[kind] for kind in fine.vector_energy)


def test_logic_shrinks_from_5_to_3_nm_and_sram_does_not() -> None:
    n7, n5, n3 = (technologies()[name] for name in ("n7", "n5", "n3"))
    assert n5.sram_area / n3.sram_area < 1.05 < n7.sram_area / n5.sram_area
    assert n3.logic_density / n5.logic_density == pytest.approx(1.6, rel=0.01)  # TSMC, N3E against N5
    assert n5.mac_area["bf16"] / n3.mac_area["bf16"] == pytest.approx(1.6, rel=0.01)


def test_the_dally_family_is_wires_over_the_area_of_the_array() -> None:
    """Slopes of the published recommendation, fJ for each square root of a bit."""
    slopes = {"n45": 0.0775, "n16": 0.036, "n7": 0.022, "n5": 0.0195, "n3": 0.0192}
    for name, slope in slopes.items():
        assert technologies()[name].sram_curve("dally").slope * 1000 == pytest.approx(slope, rel=0.01)


def test_dally_prices_distance_small_memories_and_additions_only() -> None:
    dally = technologies()["dally_founding"]
    assert dally.wire_energy == pytest.approx(0.1)
    assert dally.sram_pj_per_bit(8 * KB) == dally.sram_pj_per_bit(2**30) == pytest.approx(0.05)
    assert dally.vector_energy["simple"] == pytest.approx(32 * 0.001)
    assert (dally.reg_energy, dally.dram_energy) == (0.0, {})
    wire = technologies()["wire_only"]
    assert set(wire.model_fields_set) == {"name", "wire_energy", "sources"}


@pytest.mark.parametrize("technology", technologies().values(), ids=lambda t: t.name)
def test_every_number_has_a_source_and_those_of_the_nodes_a_band(technology: Technology) -> None:
    numbers = {name for name in technology.model_fields_set if getattr(technology, name)} - PLAIN
    assert numbers <= set(technology.sources) <= set(Technology.model_fields)
    assert all(len(text) > 7 for text in technology.sources.values())
    if technology.name in NODES:
        assert numbers - {"node"} == set(technology.uncertainty)
        assert all(0 < band <= 1 for band in technology.uncertainty.values())


# Wires ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "volts"), [("n45", 0.9), ("n28", 0.9), ("n16", 0.8), ("n7", 0.75), ("n5", 0.7), ("n3", 0.65)]
)
def test_wires_charge_a_measured_capacitance_at_every_fourth_bit(name: str, volts: float) -> None:
    technology = technologies()[name]
    assert (technology.wire_capacitance, technology.voltage) == (0.42, volts)
    assert technology.wire_energy == pytest.approx(wire_pj_per_bit_mm(0.42, volts), abs=0.0005)
    assert wire_pj_per_bit_mm(0.42, volts) == pytest.approx(0.42 * volts**2 / 4)


def test_a_figure_of_any_convention_gives_the_same_wire() -> None:
    c_v2 = 0.42 * 0.75**2
    figures = {"quarter": c_v2 / 4, "transition": c_v2 / 2, "full": c_v2}
    for convention, figure in figures.items():
        for toggle in (0.0, 0.15, 0.5, 1.0):
            assert at_toggle(figure, convention, toggle) == pytest.approx(c_v2 * toggle / 2)  # type: ignore[arg-type]
    own = Technology(wire_energy="240 fJ/bit/mm", wire_convention="transition")  # Keckler et al., IEEE Micro 2011
    assert own.wire_pj_per_bit_mm() == pytest.approx(0.121, rel=0.01)  # their 310 pJ for 256 random bits over 10 mm
    assert set(TRANSITIONS) == set(figures)


def test_a_wire_may_be_given_by_its_capacitance() -> None:
    assert Technology(wire_capacitance="420 fF/mm", voltage="1 V").wire_energy == pytest.approx(0.105)
    n7 = small(technology={"base": "n7", "wire_capacitance": "0.2 pF/mm"})
    assert n7.wire_energy_pj_per_bit_mm == pytest.approx(0.2 * 0.75**2 / 4)
    assert n7.mac_energy("bf16") == technologies()["n7"].mac_energy["bf16"]


def test_a_hop_is_its_wire_and_half_as_much_again() -> None:
    assert hop_pj_per_bit(0.1, 2.0) == pytest.approx(0.3)
    assert hop_pj_per_bit(0.1, 2.0, toggle=0.0) == pytest.approx(0.1)
    mesh = small(**{"core.pitch": "2 mm"})
    assert mesh.hop_energy_pj_per_bit == pytest.approx(0.059 * 2 / 2)
    assert mesh.replace({"network.topology": "crossbar"}).hop_energy_pj_per_bit == 0.0
    assert mesh.replace({"network.energy_per_bit_hop": "0 fJ/bit"}).hop_energy_pj_per_bit == 0.0


# Voltage and toggle --------------------------------------------------------------------------------------------------


def test_dynamic_energy_goes_with_the_square_of_the_voltage_and_delay_by_the_alpha_power_law() -> None:
    """Dally, AHA retreat 2023, slide 7: 0.5 V costs half of 0.7 V, and a quarter of 1.0 V."""
    n7 = technologies()["n7"]
    low, middle, high = (n7.at_voltage(volts) for volts in (0.5, 0.7, 1.0))
    for energy in ("wire_energy", "sram_energy", "sram_slope", "dally_wire", "reg_energy", "clock_energy"):
        assert getattr(high, energy) / getattr(low, energy) == pytest.approx(4)
        assert getattr(middle, energy) / getattr(low, energy) == pytest.approx(2, rel=0.03)
    assert high.mac_energy["bf16"] / low.mac_energy["bf16"] == pytest.approx(4)
    assert high.dram_energy == low.dram_energy
    slower = (0.5 / 0.2**ALPHA) / (1.0 / 0.7**ALPHA)
    assert low.sram_delay / high.sram_delay == pytest.approx(slower)
    assert low.wire_delay / high.wire_delay == pytest.approx(slower**0.5)
    assert delay_factor(0.75, 0.75, 0.3) == pytest.approx(1)


def test_a_chip_may_run_at_a_voltage_of_its_own() -> None:
    chip = small(voltage="0.6 V", **{"core.sram.write_energy": "100 fJ/bit"})
    assert chip.wire_energy_pj_per_bit_mm == pytest.approx(0.059 * (0.6 / 0.75) ** 2)
    assert chip.mac_energy("bf16") == pytest.approx(0.59 * 0.64)
    assert (chip.write_energy("sram"), chip.read_energy("dram")) == (0.1, 3.92)  # given, and not of this chip
    assert chip == Chip.from_text(chip.to_toml())
    own = small(technology={"base": "n7", "voltage": "0.6 V", "reg_energy": "10 fJ/bit"})
    assert (own.wire_energy_pj_per_bit_mm, own.read_energy("reg")) == (chip.wire_energy_pj_per_bit_mm, 0.01)


def test_voltages_without_meaning_are_refused() -> None:
    with pytest.raises(ChipError, match=r"voltage: 0\.2 V is not above the threshold of 0\.3 V\n  mend: raise it"):
        small(voltage="0.2 V")
    with pytest.raises(ChipError, match="technology wire_only has no voltage to scale from"):
        small(voltage="1 V", technology="wire_only")
    with pytest.raises(ChipError, match="technology own has no voltage to scale from"):
        Technology(wire_energy="1 pJ/bit/mm").at_voltage(1.0)
    with pytest.raises(ChipError, match="does not exceed the threshold"):
        technologies()["n7"].at_voltage(0.3)
    with pytest.raises(ChipError, match=r"toggle: 2 is not from 0 to 1"):
        small(toggle=2)


@given(st.integers(0, 100).map(lambda percent: percent / 100))
def test_the_toggle_moves_each_energy_by_its_share(toggle: float) -> None:
    random, chip = small(), small(toggle=toggle)
    wire = random.wire_energy_pj_per_bit_mm * toggle / 0.5
    assert chip.wire_energy_pj_per_bit_mm == pytest.approx(wire, abs=1e-12)
    shares = technologies()["n7"].toggle_share
    for role in ("sram", "dram"):
        expected = random.read_energy(role) * (1 + shares[role] * (2 * toggle - 1))
        assert chip.read_energy(role) == pytest.approx(expected)
    assert chip.mac_energy("bf16") == pytest.approx(random.mac_energy("bf16") * (1 + 0.47 * (2 * toggle - 1)))


def test_registers_come_down_to_flip_flops() -> None:
    n45 = technologies()["n45"]
    assert n45.reg_pj_per_bit(2**18) == n45.reg_pj_per_bit(4096) == n45.reg_energy
    assert n45.flip_flop_energy is not None
    assert n45.flip_flop_energy < n45.reg_pj_per_bit(64) < n45.reg_pj_per_bit(1024) < n45.reg_energy
    assert n45.reg_pj_per_bit(4096, ports=3) > n45.reg_energy
