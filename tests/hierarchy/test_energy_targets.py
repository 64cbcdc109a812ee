"""Energies against published totals and measured silicon. No row here was fitted to, but for those that say so."""

import numpy as np
import pytest

from memsim import simulate
from memsim.hierarchy import Chip, technologies
from memsim.hierarchy.dram_split import HBM2
from memsim.hierarchy.paths import Levels, accesses_for, activate_pj_per_bit, flop_pj, level_energies, stream_power_w
from memsim.hierarchy.sram import latency_ns
from memsim.hierarchy.toggling import NORMAL, normal_toggle, toggle_of
from memsim.hierarchy.wires import hop_pj_per_bit, wire_pj_per_bit_mm
from memsim.isa.ops import DTYPES
from memsim.isa.text import parse

MB = 1 << 20
CAPACITANCE = 0.42  # pF/mm with repeaters, as at every node


def test_dallys_256_megabytes_cost_58_pj_for_64_bits() -> None:
    """On the Model of Computation: Point, CACM 65(9), 2022."""
    model = technologies()["dally_2022"]
    assert 64 * model.sram_pj_per_bit(256 * MB) == pytest.approx(58, rel=0.01)
    assert latency_ns(model.sram_latency(), 256 * MB) == pytest.approx(30 * 0.4, rel=0.01)  # 15 mm each way
    assert 64 * 40 * model.wire_energy == pytest.approx(77, rel=0.02)
    assert 40 * model.wire_delay / 1000 == 16  # ns


def test_dallys_100_megabytes_cost_0_69_pj_a_bit() -> None:
    """Domain-Specific Hardware Accelerators, CACM 63(7), 2020."""
    model = technologies()["dally_2020"]
    assert model.sram_pj_per_bit(100 * MB) == pytest.approx(0.69, rel=0.01)
    assert model.sram_pj_per_bit(0) == 0.05
    assert model.op_energy == {"int8_add": 0.01, "fp64_mul": 5.0}


@pytest.mark.parametrize(("kilobytes", "picojoule"), [(8, 10), (32, 20), (1024, 100)])
def test_horowitzs_reads(kilobytes: int, picojoule: float) -> None:
    """Computing's Energy Problem, ISSCC 2014: 64 bits in 45 nm (the curve is a fit to these three)."""
    assert 64 * technologies()["horowitz_45nm"].sram_pj_per_bit(1024 * kilobytes) == pytest.approx(picojoule, rel=0.05)


def test_hbm2_by_its_steps() -> None:
    """O'Connor et al., MICRO-50 2017: 3.92 = 1.21 + 2.24 + 0.30 pJ/bit, and error correction."""
    applications = {"hit_share": 0.66, "toggle": 0.1875}
    assert HBM2.activation(0.66) == pytest.approx(1.21, rel=0.005)
    assert HBM2.io * 0.1875 / 0.5 == pytest.approx(0.30)
    assert HBM2.pj_per_bit(**applications) == pytest.approx(3.92, rel=0.005)
    assert technologies()["n7"].dram_energy["HBM2"] == 3.92
    assert HBM2.activation(1 - 1 / 32) * 8192 == pytest.approx(909)  # a row of 1 KB, all of it used


@pytest.mark.parametrize(("toggle", "picojoule"), [(0.0, 3.58), (0.5, 11.16), (1.0, 16.68)])
def test_a_hop_of_piton(toggle: float, picojoule: float) -> None:
    """McKeown et al., HPCA 2018: 64 bits over 1.05 to 1.14 mm in 32 nm at 1.0 V."""
    wire = wire_pj_per_bit_mm(CAPACITANCE, 1.0)
    assert 64 * hop_pj_per_bit(wire, 1.095, toggle=toggle) == pytest.approx(picojoule, rel=0.15)


def test_a_hop_of_raw() -> None:
    """Kim et al., ISLPED 2003: 85 pJ of data in 32 bits that all toggle, over 4 mm at 1.8 V."""
    assert 32 * 4 * wire_pj_per_bit_mm(CAPACITANCE, 1.8, toggle=1.0) == pytest.approx(85, rel=0.15)


# Whole chips ---------------------------------------------------------------------------------------------------------

A100, GH200 = Levels(1.59, 4.71, 13.11), Levels(1.45, 4.87, 11.68)  # Antepara et al., SC'25, Table 3, pJ/bit
RANDOM_A100, ZERO_A100 = 19.41, 12.84  # the same: all levels, with random data and with zeros
TOGGLE = 0.15
"""Of the data of the runs below, which are consecutive numbers in fp32: see the test that counts."""

# gpu-benches, gpu-roofline on eight A100 SXM4 40 GB: GB/s, GFLOP/s in fp32, W. Devices 0, 4 (draws most), 6 (least).
ROOFLINE = [
    (1372, 343, 227), (1372, 343, 239), (1372, 343, 226), (1368, 684, 230), (1368, 684, 242), (1368, 684, 227),
    (1363, 1704, 236), (1363, 1704, 248), (1364, 1704, 233), (1322, 8263, 262), (1322, 8264, 276), (1322, 8263, 258),
    (1284, 13166, 284), (1285, 13171, 300), (1285, 13170, 280), (1240, 15191, 292), (1236, 15138, 309),
    (1150, 16384, 291), (1149, 16376, 308), (1150, 16392, 285), (936, 17074, 258), (934, 17044, 273), (850, 17204, 250),
    (847, 17159, 266), (724, 17554, 237), (721, 17485, 252), (670, 17585, 232), (593, 17938, 224), (592, 17914, 238),
    (554, 17863, 224), (529, 18131, 220), (529, 18119, 236), (504, 18262, 218), (504, 18252, 233),
]  # fmt: skip


def test_consecutive_numbers_toggle_a_sixth_of_the_bits() -> None:
    """The runs read ``data[i] = i`` of 885 million fp32, in lines of 64 or 128 bytes from many places at once."""
    rng = np.random.default_rng(7)
    counted = []
    for line in (64, 128):
        starts = rng.integers(0, 864 * 256 * 4000 * 4 // line, 4000) * (line // 4)
        counted.append(toggle_of((starts[:, None] + np.arange(line // 4)).astype(np.float32)))
    assert counted[1] < TOGGLE < counted[0]
    assert toggle_of(rng.integers(0, 256, 10**5, dtype=np.uint8)) == pytest.approx(0.5, abs=0.01)
    assert (toggle_of(np.zeros(1000)), toggle_of(np.zeros(3))) == (0, 0)


@pytest.mark.parametrize("dtype", NORMAL)
def test_normal_numbers_toggle_as_often_as_counted(dtype: str) -> None:
    normal = np.random.default_rng(1).standard_normal(10**6).astype(DTYPES[dtype].numpy)
    assert normal_toggle(dtype) == pytest.approx(toggle_of(normal.view(np.uint8)), abs=0.002)
    assert normal_toggle("int8") == 0.5


@pytest.mark.parametrize(("name", "measured"), [("a100_sxm_40", A100), ("h100_sxm", GH200)])
def test_levels_of_gpus(name: str, measured: Levels) -> None:
    """The presets' memories are chosen for this; wires, caches and SRAM still have to add up."""
    assert level_energies(Chip.preset(name)) == pytest.approx(measured, rel=0.1)


def test_the_toggle_is_between_random_data_and_a_stream_of_numbers() -> None:
    chip = Chip.preset("a100_sxm_40")
    assert level_energies(chip).total == pytest.approx(RANDOM_A100, rel=0.02)
    assert level_energies(chip.replace({"toggle": 0})).total == pytest.approx(ZERO_A100, rel=0.03)
    assert level_energies(chip.replace({"toggle": TOGGLE})).total == pytest.approx(14.8, rel=0.03)  # 118.4 pJ/B


@pytest.mark.parametrize(("gb_s", "gflop_s", "watts"), ROOFLINE)
def test_power_of_an_a100_over_arithmetic_intensity(gb_s: float, gflop_s: float, watts: float) -> None:
    chip = Chip.preset("a100_sxm_40").replace({"toggle": TOGGLE})
    assert stream_power_w(chip, gb_s * 1e9, gflop_s * 1e9) == pytest.approx(watts, rel=0.08)


def stream(multiplies: int) -> str:
    return f"""program stream
tensor X dram fp32 [55296, 256]
kernel stream blocks (b 216) {{
  ring v sram fp32 [32, 256] depth 2
  ring r reg fp32 [32, 256]
  queue load {{ loop t 8 {{ load v <- X[b*256 + t*32, 0] }} }}
  queue compute {{ loop t 8 {{ r = cast(v)  loop i {multiplies} {{ r = mul(r, r) }}  push r  pop v  pop r }} }}
}}"""


@pytest.mark.parametrize("multiplies", [1, 8])
def test_the_ledger_of_a_stream_is_what_its_path_costs(multiplies: int) -> None:
    chip = Chip.preset("a100_sxm_40").replace({"toggle": TOGGLE})
    result = simulate(parse(stream(multiplies)), chip)
    numbers = 55296 * 256
    bytes_per_s = 4 * numbers / result.time_s
    power = stream_power_w(chip, bytes_per_s, 2 * multiplies * numbers / result.time_s)
    cast = chip.vector_energy("simple") + 32 * chip.write_energy("reg")
    copies = numbers * (cast * 1e-12) / result.time_s
    rows = {row["part"]: row["energy_j"] for row in result.energy.records("part")}["rows"] / result.time_s
    whole = 8e-12 * bytes_per_s * activate_pj_per_bit(chip)
    assert whole < rows < 8 * whole  # 108 cores stream from places of their own: more rows than a bank keeps in hand
    assert result.energy_j / result.time_s == pytest.approx(power + copies + rows - whole, rel=0.01)


def test_energies_for_measured_levels_give_them_back() -> None:
    chip = Chip.preset("a100_sxm_40")
    sram, cache, dram = accesses_for(chip, Levels(2.0, 6.0, 12.0))
    changes = {f"core.sram.{access}_energy": sram for access in ("read", "write")}
    changes |= {f"cache.{access}_energy": cache for access in ("read", "write")}
    changes |= {f"dram.{access}_energy": dram for access in ("read", "write")}
    assert level_energies(chip.replace(changes)) == pytest.approx((2.0, 6.0, 12.0))
    toy = Chip.preset("toy")
    sram, _, dram = accesses_for(toy, Levels(0.5, 0.0, 9.0))
    own = toy.replace({"core.sram": {"capacity": "1 MiB", "read_energy": sram, "write_energy": sram}})
    assert level_energies(own.replace({"dram.read_energy": dram})) == pytest.approx((0.5, 0.0, 9.0))
    assert flop_pj(toy) == pytest.approx((0.845 + 96 * 0.021) / 2)


def test_a_tpu_lies_between_its_multipliers_and_its_peak_power() -> None:
    """TPUv4i, ISCA 2021: (175 - 55) W over 138 TFLOP/s = 0.87 pJ/FLOP at most; 0.4 by its own table of operations."""
    from memsim import compile, tensor

    chip = Chip.preset("tpu_v4").replace({"technology": "tpuv4i_7nm"})
    a, b = tensor("a", (1024, 2048), "bf16"), tensor("b", (2048, 2048), "bf16")
    result = simulate(compile(a @ b, chip), chip)
    dynamic = result.energy_j - chip.static_power_w * result.time_s
    assert 0.4 < chip.mac_energy("bf16") / 2 < 0.87
    assert 0.4 < dynamic * 1e12 / (2 * 1024 * 2048 * 2048) < 0.87
