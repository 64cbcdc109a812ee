"""Every preset against the table of data sheets: peaks by type, bandwidths, sizes, area and power.

A large value of one or two digits stands for all that round to two: 2000 GB/s may be 1950 to 2050. Rows of quantities
that a chip description does not have (transistors, fp64, links to other chips) are passed over.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from validate import Comparison, show

from memsim.hierarchy import Chip, Rate
from memsim.hierarchy.area import die_mm2

PRESET_OF = {
    "A100-40GB-SXM": "a100_sxm_40",
    "A100-80GB-SXM": "a100_sxm",
    "H100-SXM5": "h100_sxm",
    "H100-PCIe": "h100_pcie",
    "H200-SXM": "h200_sxm",
    "B200-SXM": "b200_sxm",
    "MI300X": "mi300x",
    "TPUv4": "tpu_v4",
    "TPUv4i": "tpu_v4i",
    "TPUv5e": "tpu_v5e",
    "TPUv5p": "tpu_v5p",
    "Groq-LPU-v1": "groq_lpu",
    "Cerebras-WSE-2": "wse_2",
    "Cerebras-WSE-3": "wse_3",
    "Graphcore-Mk2-GC200": "gc200",
    "RTX-4090": "rtx_4090",
    "RTX-3090": "rtx_3090",
    "Apple-M1-Ultra": "m1_ultra",
    "Apple-M2-Ultra": "m2_ultra",
    "Phone-Snapdragon-8Gen1": "snapdragon_8gen1",
    "Phone-Snapdragon-8Gen2": "snapdragon_8gen2",
    "iPhone-A17-Pro": "a17_pro",
}
"""Rows of other chips (ET-SoC-1) have no preset: it runs no model that memsim has."""

MATRIX_TYPES = {
    "flops_bf16": "bf16",
    "flops_fp16": "fp16",
    "flops_fp16_tensor": "fp16",
    "flops_fp8": "fp8_e4m3",
    "flops_tf32": "fp32",
    "ops_int8": "int8",
}
DIFFERENT = {
    ("H100-SXM5", "flops_fp32"): "at 1.98 GHz; the peaks of the tensor cores are those of 1.83 GHz",
    ("H200-SXM", "flops_fp32"): "at 1.98 GHz; the peaks of the tensor cores are those of 1.83 GHz",
    ("RTX-4090", "flops_fp16_tensor"): "with sums in fp16; memsim's are in fp32",
    ("RTX-3090", "flops_fp16_tensor"): "with sums in fp16; memsim's are in fp32",
    ("B200-SXM", "flops_fp32"): "of GB200; 148 SMs x 256 FLOP x 1.856 GHz are 70",
    ("B200-SXM", "clock_max"): "the data sheet's peaks are those of 1.856 GHz",
    ("Cerebras-WSE-3", "flops_fp16"): "counts products that sparsity leaves out",
    ("Cerebras-WSE-3", "sram_bw"): "24 B a cycle and element at 1.1 GHz are 24 PB/s",
    ("Cerebras-WSE-2", "sram_bw"): "24 B a cycle and element at 1.1 GHz are 22 PB/s",
    ("Cerebras-WSE-2", "sram"): "850000 x 48 kB are 40.8 GB, called 40",
    ("Graphcore-Mk2-GC200", "sram"): "1472 x 624 KiB are 897 MiB, called 900 MB",
    ("Cerebras-WSE-2", "cores"): "blocks of elements stand for cores",
    ("Cerebras-WSE-3", "cores"): "blocks of elements stand for cores",
    ("Groq-LPU-v1", "clock"): "the peaks are those of 0.915 GHz",
    ("Groq-LPU-v1", "sram"): "88 x 2.5 MiB are 220 MiB, called 230 MB",
    ("Phone-Snapdragon-8Gen1", "flops_fp32"): "approximate",
    ("Phone-Snapdragon-8Gen1", "flops_fp16"): "approximate",
}
"""Rows that a preset does not follow, and why."""


def matrix_flops(chip: Chip, dtype: str) -> float | None:
    """Peak of the matrix units, operations a second."""
    matrix = chip.core.matrix
    if matrix is None or not matrix.supports(dtype):
        return None
    return float(2 * matrix.peak_macs_per_cycle(dtype) * chip.clock * chip.core_count)


def per_s(chip: Chip, rate: Rate | None) -> float | None:
    """A bandwidth of the chip in B/s."""
    return None if rate is None else float(chip.rate_per_tick(rate) / chip.tick)


def value_of(chip: Chip, parameter: str) -> float | None:
    """What the preset says of a row's quantity, in the row's unit; None where it has no such quantity."""
    if parameter in MATRIX_TYPES:
        return matrix_flops(chip, MATRIX_TYPES[parameter])
    core, cache = chip.core, chip.cache
    sram_bw = per_s(chip, core.sram.bandwidth)
    match parameter:
        case "flops_fp32":
            simd = 2 * core.vector.lanes * float(chip.clock) * chip.core_count
            unit = matrix_flops(chip, "fp32")
            return unit if unit and simd < 0.9 * unit and chip.name == "gc200" else simd
        case "dram_bw":
            return per_s(chip, chip.dram.bandwidth)
        case "dram_capacity":
            return chip.dram.capacity / 1e9 if chip.dram.capacity % 10**9 == 0 else chip.dram.capacity / 2**30
        case "clock" | "clock_boost" | "clock_gpu" | "clock_max":
            return float(chip.clock) / 1e9
        case "cores":
            return chip.core_count
        case "die_area":
            return die_mm2(chip)
        case "tdp" | "power":
            return chip.tdp_w
        case "regfile_per_core":
            return core.reg.capacity / 1024
        case "l2_size" | "slc":
            return cache.capacity / 2**20 if cache else None
        case "l1_bw":
            return float(chip.rate_per_tick(core.sram.bandwidth)) if core.sram.bandwidth else None
        case "sram_per_core" if chip.name == "gc200":
            return core.sram.capacity / 1024
        case "sram" if chip.name != "groq_lpu":
            return core.sram.capacity * chip.core_count
        case "sram_bw":
            return sram_bw * chip.core_count if sram_bw else None
    return None


def stands_for(text: str) -> tuple[float, float] | None:
    """(least, most) of the values that a row's text may stand for; None where it is no number."""
    match = re.fullmatch(r"(<?)([0-9.]+(?:[eE][+-]?[0-9]+)?)", text.strip())
    if not match:
        return None
    value = float(match[2])
    if match[1]:
        return 0.0, value
    mantissa, _, exponent = f"{value:.15e}".partition("e")
    digits = len(mantissa.rstrip("0").replace(".", ""))
    slack = 0.0 if digits > 2 or value < 1000 else 0.05 * 10 ** int(exponent)
    return value - slack, value + slack


def comparisons(reference: Path) -> Iterator[Comparison]:
    """Each row of energy/chip_presets.csv that a preset has a value for and should follow."""
    with (reference / "energy" / "chip_presets.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = comparison(row)
            if found is not None:
                yield found


def comparison(row: dict[str, str]) -> Comparison | None:
    """A row beside its preset, or None where they cannot or should not be compared."""
    name, parameter = row["chip"], row["parameter"]
    published = stands_for(row["value"])
    if name not in PRESET_OF or published is None or (name, parameter) in DIFFERENT:
        return None
    got = value_of(Chip.preset(PRESET_OF[name]), parameter)
    if got is None:
        return None
    return Comparison(f"{parameter} of {PRESET_OF[name]}", "", published, got, row["source"][:60])


def main(reference: Path) -> int:
    """Print all of them; 1 if one is more than 0.5 % off."""
    made = show(comparisons(reference))
    wrong = [c for c in made if abs(c.error) > 0.005]
    by_preset = Counter(c.what.rpartition(" ")[2] for c in made)
    print(f"{len(made)} rows of {len(by_preset)} presets, {len(wrong)} more than 0.5 % off")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
