"""Area by part, and the power that a chip draws whatever it does."""

import pytest
from hypothesis import given

from memsim import compile, simulate, tensor
from memsim.errors import ChipError
from memsim.hierarchy import Chip, technologies
from memsim.hierarchy.area import OTHER, estimates_mm2, excess_mm2, interface_bits
from tests.hierarchy.samples import chips, small

N7 = technologies()["n7"]
BITS = 0.048e-6  # mm2 a bit at 7 nm
MATRIX = {"native": {"bf16": [16, 16, 16, 4], "int8": [16, 16, 32, 4]}}


@pytest.mark.parametrize("name", Chip.presets())
def test_areas_of_presets_add_up_to_the_die(name: str) -> None:
    chip = Chip.preset(name)
    assert excess_mm2(chip) == 0
    assert sum(chip.area().values()) == pytest.approx(chip.die_mm2)
    assert chip.die_area_mm2 in (None, chip.die_mm2)


@given(chips)
def test_areas_add_up_to_the_die_and_its_excess(chip: Chip) -> None:
    areas = chip.area()
    assert all(area >= 0 for area in areas.values())
    assert sum(areas.values()) == pytest.approx(chip.die_mm2 + excess_mm2(chip))


def test_parts_have_the_area_of_their_sizes() -> None:
    chip = small(
        cache={"capacity": "4 MiB", "slices": 4, "bandwidth": "64 B/cycle"},
        **{"core.sram.ports": 2, "core.grid": [4, 2], "die_area": "100 mm2", "core.matrix": MATRIX},
    )
    found = chip.area()
    assert found["sram"] == pytest.approx(8 * 8 * chip.core.sram.capacity * BITS * 1.14**2)
    assert found["reg"] == pytest.approx(8 * 8 * chip.core.reg.capacity * BITS)
    assert found["cache"] == pytest.approx(1.1 * 8 * 2**22 * BITS)
    assert found["matrix"] == pytest.approx(8 * 1024 * N7.mac_area["bf16"] * 1e-6)  # more than 2048 in int8
    assert found[OTHER] == pytest.approx(100 - sum(area for part, area in found.items() if part != OTHER))
    assert list(found)[-1] == OTHER


def test_a_part_of_known_area_takes_the_place_of_its_estimate() -> None:
    chip = small(die_area="50 mm2", area={"sram": "3 mm2", "video": "2 mm2"})
    found = chip.area()
    assert (found["sram"], found["video"]) == (3, 2)
    assert chip == Chip.from_text(chip.to_toml())
    assert chip.replace({"area.video": "4 mm2"}).area()["video"] == 4


def test_areas_that_cannot_be_are_refused() -> None:
    with pytest.raises(ChipError, match=r"parts of 12 mm2 do not fit on a die of 10 mm2"):
        small(die_area="10 mm2", area={"sram": "12 mm2"})
    with pytest.raises(ChipError, match=r"area\.other: 'other' is the rest of the die"):
        small(area={"other": "12 mm2"})
    with pytest.raises(ChipError, match=r"die_area: '5 mm' is not an area"):
        small(die_area="5 mm")


def test_estimates_beyond_the_die_are_told() -> None:
    chip = small(die_area="0.5 mm2")
    assert chip.area()[OTHER] == 0
    assert excess_mm2(chip) == pytest.approx(sum(estimates_mm2(chip).values()) - 0.5)
    assert chip.die_mm2 == 0.5


def test_the_dram_interface_is_as_wide_as_its_bandwidth_asks() -> None:
    hbm = small(dram={"capacity": "1 GB", "bandwidth": "256 GB/s", "kind": "HBM2"})
    assert interface_bits(hbm) == pytest.approx(1024)  # one stack
    assert hbm.area()["dram"] == pytest.approx(10.45)  # LLMCompass, HBM2E PHY of 1024 bits
    ddr = hbm.replace({"dram.kind": "DDR5", "dram.bandwidth": "38.4 GB/s"})
    assert ddr.area()["dram"] == pytest.approx(2 * 1.45)  # 64 bits


def test_logic_and_sram_of_a_chip_shrink_as_their_node_does() -> None:
    old, new = (small(technology=node, **{"core.grid": [8, 8], "core.matrix": MATRIX}) for node in ("n5", "n3"))
    assert old.area()["sram"] / new.area()["sram"] < 1.05
    assert old.area()["matrix"] / new.area()["matrix"] == pytest.approx(1.6, rel=0.01)


# Power ---------------------------------------------------------------------------------------------------------------


def test_power_that_is_left_out_follows_from_area_and_clock() -> None:
    chip = small(clock="1 GHz", die_area="100 mm2")
    areas = chip.area()
    arrays = areas["sram"] + areas["reg"]
    logic = 100 - arrays - areas["dram"]
    powers = chip.static_powers_w
    assert powers["leakage"] == pytest.approx(logic * 0.08 + arrays * 0.005)
    assert powers["clock"] == pytest.approx((logic + 0.15 * arrays) * 85e-12 * 1e9)
    assert chip.static_power_w == pytest.approx(sum(powers.values()))
    faster = chip.replace({"clock": "2 GHz"})
    assert faster.static_powers_w["clock"] == pytest.approx(2 * powers["clock"])
    lower = chip.replace({"voltage": "0.6 V"})
    assert lower.static_power_w == pytest.approx(0.64 * chip.static_power_w)


def test_power_is_given_by_part_or_as_a_whole() -> None:
    by_part = small(power={"leakage": "40 W", "clock": "14 W", "idle": "2 W"})
    assert by_part.static_powers_w == {"leakage": 40, "clock": 14, "idle": 2}
    assert by_part.static_power_w == 56
    assert by_part == Chip.from_text(by_part.to_toml())
    whole = small(static_power="56 W")
    assert whole.static_powers_w == {"static": 56}
    derived = small(power={"dram": "5 W"}).static_powers_w
    assert set(derived) == {"leakage", "clock", "dram"}
    assert small(technology="wire_only").static_power_w == 0
    with pytest.raises(ChipError, match="static_power is the sum of power"):
        small(static_power="1 W", power={"clock": "1 W"})
    with pytest.raises(ChipError, match=r"unknown part of the power 'leak'\n  mend: did you mean 'leakage'"):
        small(power={"leak": "1 W"})


def test_each_static_power_has_its_own_line_in_the_ledger() -> None:
    powers = {"leakage": 3.0, "clock": 2.0, "dram": 1.0, "idle": 0.5}
    chip = Chip.preset("toy").replace({"static_power": None, "power": {name: f"{w} W" for name, w in powers.items()}})
    a, b = tensor("a", (64, 64), "bf16"), tensor("b", (64, 64), "bf16")
    result = simulate(compile(a @ b, chip), chip)
    table = result.energy.by("part", "operation", "access")
    static = table[table["part"] == "static"]
    found = dict(zip(static["operation"], static["energy_j"], strict=True))
    assert found == pytest.approx({name: watts * result.time_s for name, watts in powers.items()})
    assert result.energy.by("part").set_index("part").loc["static", "energy_j"] == pytest.approx(6.5 * result.time_s)
    assert result.energy_j == pytest.approx(result.energy.frame()["energy_pj"].sum() * 1e-12)


def test_an_idle_a100_leaks_what_was_assumed_within_a_factor_of_two() -> None:
    """Derived from area alone, beside 54 W measured (Antepara et al., SC'25) and 99 W of clock at full activity."""
    chip = Chip.preset("a100_sxm_40").replace({"static_power": None, "power": {}})
    assert chip.static_powers_w["leakage"] == pytest.approx(54, rel=0.5)
    assert chip.static_powers_w["clock"] == pytest.approx(99, rel=0.2)
