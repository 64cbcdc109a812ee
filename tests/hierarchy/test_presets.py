"""Presets against data sheets and measurements; every number has a source."""

import math
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from importlib import resources
from itertools import pairwise
from typing import Any

import pytest

from memsim.engine.dram_rows import latency_ticks
from memsim.hierarchy import Chip, technologies
from memsim.hierarchy.changes import covering
from memsim.hierarchy.dram_parts import dram_part

NO_NUMBERS = {"name", "description", "technology", "topology", "kind", "dataflow", "routing", "write_back", "policy"}


def leaves(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif key not in NO_NUMBERS:
            yield prefix + key


def preset_data(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("memsim.hierarchy") / "chips" / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", Chip.presets())
def test_every_number_has_a_source(name: str) -> None:
    data = preset_data(name)
    sources = data.pop("sources")
    without = [leaf for leaf in leaves(data) if not covering(leaf, sources)]
    assert without == []
    assert data["name"] == name
    assert all(len(text) > 10 for text in sources.values())


def test_the_presets_are_those_of_the_documentation() -> None:
    gpus = (
        "v100_pcie v100_sxm t4 l4 l40s a100_sxm a100_sxm_40 a100_pcie a100_pcie_40 h100_sxm h100_pcie h200_sxm b200_sxm"
    )
    gpus += " mi100 mi210 mi300x rtx_3090 rtx_4090 rtx_pro_6000_server p4 p100_pcie l40 gh200 gb200_sxm b300_sxm"
    others = "tpu_v4i tpu_v4 tpu_v5e tpu_v5p groq_lpu wse_2 wse_3 gc200"
    others += " m1_ultra m2_ultra snapdragon_8gen1 snapdragon_8gen2 a17_pro"
    assert set(Chip.presets()) == {"toy", "dally_grid", "sutro_spatial", *gpus.split(), *others.split()}


def peak_flops(name: str, dtype: str) -> float:
    chip = Chip.preset(name)
    assert chip.core.matrix is not None
    return float(2 * chip.core.matrix.peak_macs_per_cycle(dtype) * chip.clock * chip.core_count)


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("h100_sxm", "bf16", 989e12),
        ("h100_sxm", "fp16", 989e12),
        ("h100_sxm", "fp8_e4m3", 1979e12),
        ("h100_sxm", "int8", 1979e12),
        ("h100_sxm", "fp32", 494.5e12),  # tf32
        ("tpu_v4", "bf16", 275e12),
        ("tpu_v4", "int8", 275e12),
        ("toy", "bf16", 32.768e12),
    ],
)
def test_peaks_are_those_of_the_data_sheets(name: str, dtype: str, peak: float) -> None:
    assert peak_flops(name, dtype) == pytest.approx(peak, rel=0.005)


def test_dies_are_as_large_as_published() -> None:
    h100, tpu = Chip.preset("h100_sxm"), Chip.preset("tpu_v4")
    assert h100.width_mm * h100.height_mm == pytest.approx(814, rel=0.005)
    assert 500 < tpu.width_mm * tpu.height_mm < 600


def way(chip: Chip, source: str, target: str) -> int:
    return sum(chip.ticks_of(chip.graph.edges[edge]["latency"]) for edge in pairwise(chip.route(source, target)))


def test_latencies_of_h100_add_up_to_the_measured_ones() -> None:
    chip = Chip.preset("h100_sxm")
    assert chip.cache is not None
    there_and_back = way(chip, "core0", "cache0") + way(chip, "cache0", "core0")
    dma, cache = (chip.ticks_of(part.latency) for part in (chip.core.dma, chip.cache))
    assert there_and_back + cache == 291  # plain load, near L2 hit: markdewing/AI_kernels
    assert there_and_back + cache + 2 * chip.ticks_of(chip.cache.partition_latency) == 467  # far hit: 470, DGNA
    assert dma == 369 - 264  # a tile over a plain load: HPMLL/NVIDIA-Hopper-Benchmark
    device = latency_ticks(chip) + math.ceil(2 * dram_part("hbm3_5234").tck_ps / 10**12 / chip.tick)  # and its burst
    far = chip.ticks_of(chip.cache.partition_latency)  # of half of all loads there and back
    assert there_and_back + cache + device + far == pytest.approx(700, rel=0.01)  # from DRAM: markdewing/AI_kernels
    shared_memory = 30
    assert way(chip, "core0", "core1") + way(chip, "core1", "core0") + shared_memory == 190  # distributed shared memory


def test_energies_of_h100_add_up_to_the_measured_ones() -> None:
    chip = Chip.preset("h100_sxm")
    wire = chip.wire_energy_pj_per_bit_mm
    ways = [chip.route(node, f"core{i}") for node in chip.memory_nodes("dram") for i in range(chip.core_count)]
    mean_mm = sum(chip.graph.edges[edge]["mm"] for path in ways for edge in pairwise(path)) / len(ways)
    from_l2 = chip.read_energy("cache") + mean_mm * wire + chip.write_energy("sram") + chip.read_energy("sram")
    row = chip.activation_energy / (8 * 1024)  # a row of 1 KiB is opened for its bits
    copy = chip.read_energy("cache") + chip.write_energy("cache") + chip.partition_mm * wire  # of half of the bits
    from_hbm = chip.read_energy("dram") + row + chip.backing_mm * wire + chip.write_energy("cache") + copy / 2
    assert chip.read_energy("sram") == 1.45  # Antepara et al., SC'25, Table 3, GH200, pJ/bit
    assert from_l2 == pytest.approx(1.45 + 4.87, abs=0.01)
    assert from_hbm == pytest.approx(11.68, abs=0.01)


@pytest.mark.parametrize(
    ("dtype", "bits", "total"), [("fp16", 16, 1.04), ("bf16", 16, 1.04), ("fp8_e4m3", 8, 0.52), ("fp32", 32, 2.08)]
)
def test_products_of_h100_cost_what_was_measured_with_their_operands(dtype: str, bits: int, total: float) -> None:
    chip = Chip.preset("h100_sxm")
    assert chip.core.matrix is not None
    m, n, k, _ = chip.core.matrix.native[dtype]
    moved = chip.core.matrix.operand_elements(m, n, k, dtype)
    operands = (moved.a_reads + moved.b_reads) * bits * chip.read_energy("sram")
    sums = moved.c_reads * 32 * chip.read_energy("reg") + moved.c_writes * 32 * chip.write_energy("reg")
    assert chip.mac_energy(dtype) + (operands + sums) / (m * n * k) == pytest.approx(total, abs=0.002)


def test_bandwidths_of_h100_are_those_of_the_data_sheet_and_the_measurement() -> None:
    chip = Chip.preset("h100_sxm")
    assert chip.cache is not None
    assert float(chip.rate_per_tick(chip.dram.bandwidth) / chip.tick) == pytest.approx(3.35e12, rel=0.001)
    at_the_clock_of_the_measurement = chip.replace({"clock": "1.98 GHz"})  # H200's, which has the same die
    per_second = (
        at_the_clock_of_the_measurement.rate_per_tick(chip.cache.bandwidth) / at_the_clock_of_the_measurement.tick
    )
    assert float(per_second) == pytest.approx(9.77e12, rel=0.001)


def test_sizes_are_those_of_the_data_sheets() -> None:
    h100, tpu = Chip.preset("h100_sxm"), Chip.preset("tpu_v4")
    assert (h100.core_count, h100.capacity_bytes("cache"), h100.capacity_bytes("dram")) == (132, 50 << 20, 80 * 10**9)
    assert (tpu.core_count, tpu.capacity_bytes("shared"), tpu.capacity_bytes("dram")) == (2, 128 << 20, 32 << 30)
    assert tpu.capacity_bytes("sram") == 16 << 20


def test_toy_can_be_reckoned_with() -> None:
    toy = Chip.preset("toy")
    assert toy.core.matrix is not None
    assert toy.core.sram.bandwidth is not None
    assert toy.tick == Fraction(1, 10**9)
    assert toy.rate_per_tick(toy.dram.bandwidth) == 256
    assert toy.core.matrix.peak_macs_per_cycle("bf16") == 1024
    interval, _ = toy.core.matrix.cycles(64, 64, 16, "bf16")
    a, b, _, _ = toy.core.matrix.operand_elements(64, 64, 16, "bf16")
    assert 2 * (a + b) / interval == toy.core.sram.bandwidth.value / 2
    assert set(toy.core.matrix.dtypes) == set(technologies()["n7"].mac_energy)


def test_on_dallys_grid_a_hop_is_a_millimetre_and_a_cycle() -> None:
    grid = Chip.preset("dally_grid")
    path = grid.route("core0", "core255")
    length = sum(grid.graph.edges[edge]["mm"] for edge in pairwise(path))
    assert length == 30
    assert way(grid, "core0", "core255") == 30
    assert grid.wire_energy_pj_per_bit_mm * length == pytest.approx(3.0)
    assert float(way(grid, "core0", "core255") * grid.tick) == pytest.approx(30 * 400e-12)
