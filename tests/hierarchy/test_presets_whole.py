"""Presets as a whole: peaks against data sheets, areas that add up, DRAM of whole channels, and a program that runs."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest

from memsim.hierarchy import Chip
from memsim.hierarchy.area import areas_mm2, die_mm2, excess_mm2
from memsim.hierarchy.dram_parts import dram_part
from memsim.hierarchy.paths import Levels, level_energies, stream_power_w

PRESETS = Chip.presets()
MADE_UP = {"toy", "dally_grid", "sutro_spatial"}


@cache
def preset(name: str) -> Chip:
    return Chip.preset(name)


# Restated from vendors' white papers, data sheets and product pages (TFLOP/s or TOP/s, dense; GB/s; mm2; W), as the
# files' own sources have them.
DATA_SHEETS: dict[str, dict[str, float]] = {
    "v100_pcie": {"dram": 900, "die": 815, "tdp": 250},
    "v100_sxm": {"fp16": 125, "fp32": 15.7, "dram": 900, "die": 815, "tdp": 300},
    "t4": {"fp16": 65, "int8": 130, "fp32": 8.1, "dram": 320, "die": 545, "tdp": 70},
    "l4": {"bf16": 121, "fp8_e4m3": 242.5, "dram": 300, "die": 294.5, "tdp": 72},
    "l40s": {"fp8_e4m3": 733, "dram": 864, "die": 608.5, "tdp": 350},
    "a100_sxm": {"bf16": 312, "fp16": 312, "int8": 624, "fp32": 156, "dram": 2039, "die": 826, "tdp": 400},
    "a100_sxm_40": {"bf16": 312, "fp16": 312, "int8": 624, "fp32": 156, "dram": 1555, "die": 826, "tdp": 400},
    "a100_pcie": {"bf16": 312, "dram": 1935, "die": 826, "tdp": 300},
    "a100_pcie_40": {"bf16": 312, "dram": 1555, "die": 826, "tdp": 250},
    "h100_pcie": {"bf16": 756, "fp8_e4m3": 1513, "int8": 1513, "fp32": 378, "dram": 2000, "die": 814, "tdp": 350},
    "h200_sxm": {"bf16": 989, "fp8_e4m3": 1979, "int8": 1979, "fp32": 494.5, "dram": 4800, "die": 814, "tdp": 700},
    "b200_sxm": {"bf16": 2250, "fp8_e4m3": 4500, "int8": 4500, "fp32": 1125, "dram": 8000, "die": 1600, "tdp": 1000},
    "gh200": {"bf16": 989, "fp8_e4m3": 1979, "dram": 4000, "die": 814, "tdp": 900},
    "gb200_sxm": {"bf16": 2500, "fp8_e4m3": 5000, "dram": 8000, "tdp": 1200},
    "b300_sxm": {"bf16": 2250, "dram": 8000, "tdp": 1100},
    "l40": {"bf16": 181.05, "fp8_e4m3": 362, "dram": 864, "tdp": 300},
    "p100_pcie": {"fp32": 9.3, "dram": 732, "die": 610, "tdp": 250},
    "p4": {"dram": 192, "die": 314, "tdp": 75},
    "mi100": {"fp16": 184.6, "bf16": 92.3, "fp32": 46.1, "dram": 1228.8, "die": 750, "tdp": 300},
    "mi210": {"bf16": 181, "fp16": 181, "int8": 181, "fp32": 45.3, "dram": 1638.4, "die": 724, "tdp": 300},
    "mi300x": {"bf16": 1307, "fp8_e4m3": 2614, "fp32": 653.7, "dram": 5300, "tdp": 750},
    "rtx_3090": {"bf16": 71, "int8": 284, "dram": 936, "die": 628.4, "tdp": 350},
    "rtx_4090": {"bf16": 165.2, "fp8_e4m3": 660.6, "int8": 660.6, "dram": 1008, "die": 608.5, "tdp": 450},
    "rtx_pro_6000_server": {"dram": 1597, "tdp": 600},
    "tpu_v4i": {"bf16": 138, "int8": 138, "dram": 614, "tdp": 175},
    "tpu_v5e": {"bf16": 197, "int8": 393, "dram": 819},
    "tpu_v5p": {"bf16": 459, "int8": 918, "dram": 2765},
    "groq_lpu": {"fp16": 188, "int8": 750, "die": 725, "tdp": 300},
    "wse_2": {"fp16": 7500, "die": 46225, "tdp": 15000},
    "wse_3": {"die": 46225},
    "gc200": {"fp16": 250, "fp32": 62.5, "dram": 20, "die": 823, "tdp": 300},
    "m1_ultra": {"dram": 800, "die": 864},
    "m2_ultra": {"fp32": 27.2, "dram": 800},
    "snapdragon_8gen1": {"dram": 51.2},
    "snapdragon_8gen2": {"fp32": 2.1, "fp16": 4.2, "dram": 67.2, "die": 118.4},
    "a17_pro": {"fp32": 2.15, "dram": 51.2, "die": 103.8},
}  # fmt: skip


def figure_of(chip: Chip, key: str) -> float:
    match key:
        case "dram":
            return float(chip.rate_per_tick(chip.dram.bandwidth) / chip.tick) / 1e9
        case "die":
            return die_mm2(chip)
        case "tdp":
            assert chip.tdp_w is not None
            return chip.tdp_w
    assert chip.core.matrix is not None
    return float(2 * chip.core.matrix.peak_macs_per_cycle(key) * chip.clock * chip.core_count) / 1e12


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, row in DATA_SHEETS.items() for key in row])
def test_figures_are_those_of_the_data_sheets(name: str, key: str) -> None:
    assert figure_of(preset(name), key) == pytest.approx(DATA_SHEETS[name][key], rel=0.006)


@pytest.mark.parametrize(
    ("name", "cores", "sram", "cache"),
    [
        ("a100_sxm", 108, 163 << 10, 40 << 20),
        ("v100_pcie", 80, 96 << 10, 6 << 20),
        ("b200_sxm", 148, 227 << 10, 126 << 20),
        ("mi300x", 304, 64 << 10, 8 * 4 << 20),
        ("gc200", 1472, 624 << 10, None),
        ("groq_lpu", 1, 220 << 20, None),
    ],
)
def test_sizes_are_those_of_the_data_sheets(name: str, cores: int, sram: int, cache: int | None) -> None:
    chip = preset(name)
    assert (chip.core_count, chip.capacity_bytes("sram"), chip.capacity_bytes("cache")) == (cores, sram, cache)


@pytest.mark.parametrize(
    ("name", "pes", "per_core", "sram_gb"), [("wse_2", 850_000, 66 * 77, 40), ("wse_3", 900_000, 74 * 78, 44)]
)
def test_a_wafer_has_its_processing_elements(name: str, pes: int, per_core: int, sram_gb: float) -> None:
    chip = preset(name)
    assert chip.core_count * per_core == pytest.approx(pes, rel=0.005)
    assert chip.core_count * chip.core.sram.capacity == pytest.approx(sram_gb * 1e9, rel=0.02)


@pytest.mark.parametrize("name", PRESETS)
def test_areas_add_up_to_the_die(name: str) -> None:
    chip = preset(name)
    areas = areas_mm2(chip)
    assert sum(areas.values()) == pytest.approx(die_mm2(chip))
    assert excess_mm2(chip) == 0
    assert chip.width_mm * chip.height_mm == pytest.approx(die_mm2(chip), rel=0.005)
    if name not in MADE_UP:
        assert areas["matrix"] > 0 < areas["sram"]


@pytest.mark.parametrize("name", PRESETS)
def test_everything_lies_on_the_die(name: str) -> None:
    chip = preset(name)
    half_x, half_y = chip.core.pitch[0] / 2, chip.core.pitch[1] / 2
    for core in (0, chip.core.sites - 1):
        x, y = chip.core_position(core)
        assert x - half_x > -1e-9 and x + half_x < chip.width_mm + 1e-9
        assert y - half_y > -1e-9 and y + half_y < chip.height_mm + 1e-9


@pytest.mark.parametrize("name", [name for name in PRESETS if preset(name).dram.part])
def test_the_bandwidth_is_that_of_whole_channels_of_its_part(name: str) -> None:
    chip = preset(name)
    part = dram_part(chip.dram.part or "")
    assert chip.rate_per_tick(chip.dram.bandwidth) / chip.tick == chip.dram.channels * part.peak_bandwidth
    assert chip.dram.kind == part.kind.upper()


# Latencies, in ns, of te42kyfo/gpu-benches and Luo et al. (arXiv 2501.12084); the DRAM's own time is its part's.
LADDERS = {
    "a100_sxm": {"l1": 25.6, "near": 150, "dram": 405},
    "a100_sxm_40": {"l1": 25.6, "near": 150, "dram": 405},
    "h100_pcie": {"l1": 19.4, "near": 151, "dram": 370},
    "v100_pcie": {"l1": 30 / 1.38, "near": 215 / 1.38, "dram": 437 / 1.38},
    "mi210": {"l1": 125 / 1.7, "near": 240 / 1.7, "dram": 573 / 1.7},
}


@pytest.mark.parametrize("name", LADDERS)
def test_latencies_add_up_to_the_measured_ones(name: str) -> None:
    chip, measured = preset(name), LADDERS[name]
    cache, l1 = chip.cache, chip.core.l1
    assert cache is not None and l1 is not None
    ns = float(chip.tick) * 1e9
    route = [*pairwise(chip.route("core0", "cache0")), *pairwise(chip.route("cache0", "core0"))]
    near = ns * (sum(chip.ticks_of(chip.graph.edges[e]["latency"]) for e in route) + chip.ticks_of(cache.latency))
    part = dram_part(chip.dram.part or "")
    device = float((part.timing.rcd_rd + part.timing.cl + part.timing.bl) * part.tck_ps) / 1000
    to_another = ns * chip.ticks_of(cache.partition_latency) if cache.partitions > 1 else 0.0
    dram = near + ns * chip.ticks_of(chip.dram.latency) + device + to_another
    assert ns * chip.ticks_of(l1.latency) == pytest.approx(measured["l1"], rel=0.02)
    assert near == pytest.approx(measured["near"], rel=0.02)
    assert dram == pytest.approx(measured["dram"], rel=0.02)


# Antepara et al., SC'25, Table 3, pJ/bit: what each level adds.
MEASURED_LEVELS = {
    "a100_sxm_40": Levels(1.59, 4.71, 13.11),
    "a100_sxm": Levels(1.59, 4.71, 13.11),
    "h100_sxm": Levels(1.45, 4.87, 11.68),
}


@pytest.mark.parametrize("name", MEASURED_LEVELS)
def test_each_level_costs_what_was_measured(name: str) -> None:
    assert level_energies(preset(name)) == pytest.approx(MEASURED_LEVELS[name], rel=0.01)


@pytest.mark.parametrize(
    ("name", "pj_per_mac", "with_operands"),
    [("a100_sxm", 1.40, False), ("h100_sxm", 1.04, True), ("h100_pcie", 1.04, True)],
)
def test_products_cost_what_was_measured(name: str, pj_per_mac: float, with_operands: bool) -> None:
    """Tensor cores of Hopper read their operands from shared memory, those before it from registers."""
    chip = preset(name)
    assert chip.core.matrix is not None
    m, n, k, _ = chip.core.matrix.native["fp16"]
    moved = chip.core.matrix.operand_elements(m, n, k, "fp16")
    operands = (moved.a_reads + moved.b_reads) * 16 * chip.read_energy("sram")
    moved_pj = (moved.c_reads + moved.c_writes) * 32 * chip.read_energy("reg") + with_operands * operands
    assert chip.mac_energy("fp16") + moved_pj / (m * n * k) == pytest.approx(pj_per_mac, rel=0.005)


@pytest.mark.parametrize(
    ("gb_per_s", "gflop_per_s", "watts"),
    [(1372, 343, 229.0), (0, 0, 66.5), (1372, 5000, 255.0)],
    ids=["stream", "nothing", "some arithmetic"],
)
def test_power_of_a100_is_what_was_fitted_over_arithmetic_intensity(
    gb_per_s: float, gflop_per_s: float, watts: float
) -> None:
    """66.5 W + 118.4 pJ/B + 5.19 pJ/FLOP fits te42kyfo/gpu-benches' gpu-roofline; its data toggle less than random."""
    quiet = preset("a100_sxm_40").replace({"toggle": 0.15})
    fitted = 66.5 + 118.4e-12 * gb_per_s * 1e9 + 5.19e-12 * gflop_per_s * 1e9
    assert fitted == pytest.approx(watts, rel=0.01)
    assert stream_power_w(quiet, gb_per_s * 1e9, gflop_per_s * 1e9) == pytest.approx(fitted, rel=0.08)


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in MADE_UP])
def test_a_small_product_runs(name: str) -> None:
    import memsim as ms

    chip = preset(name)
    assert chip.core.matrix is not None
    dtype = next(d for d in ("bf16", "fp16", "fp32") if chip.core.matrix.supports(d))
    a, b = ms.tensor("a", (64, 64), dtype), ms.tensor("b", (64, 64), dtype)
    program = ms.compile(a @ b, chip)
    ms.verify(program, chip)
    result = ms.simulate(program, chip)
    assert result.flops == 2 * 64**3
    launch_s = chip.ticks_of(chip.launch) * float(chip.tick)
    assert launch_s < result.time_s < launch_s + 25e-6
    assert result.energy_j > 0


def test_a_large_product_on_tpu_v4i_takes_the_energy_that_its_power_leaves() -> None:
    """175 W less 55 W idle over 138 TFLOP/s are at most 0.87 pJ/FLOP (Jouppi et al., ISCA 2021); cells alone 0.4."""
    import memsim as ms

    chip = preset("tpu_v4i")
    a, b = ms.tensor("a", (4096, 2048), "bf16"), ms.tensor("b", (2048, 2048), "bf16")
    result = ms.simulate(ms.compile(a @ b, chip), chip)
    dynamic_j = result.energy_j - chip.static_power_w * result.time_s
    assert 0.4 < 1e12 * dynamic_j / result.flops < 0.87
