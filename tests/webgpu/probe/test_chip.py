"""A preset is probed as if it were a device: the chip that comes of it is the preset, within what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import memsim as ms
from memsim.errors import MemsimError
from memsim.hierarchy.changes import covering
from memsim.microbench import latency
from memsim.webgpu.probe import Findings, chip_from, chip_text, levels_of, preset_like
from memsim.webgpu.probe.chip import RECKONED, hit_ns
from tests.webgpu.probe.fakes import DISPATCH_S, GPU, SHARE_OF_DRAM, found_on, per_second

CAPACITY_ERROR = 0.04
"""Half of what is left between two footprints after three halvings is 1.1 %; the rest is the rule's threshold."""
LATENCY_ERROR = 0.02
PRESETS = ["rtx_4090", "v100_sxm", "h100_pcie", "mi210"]


def ns(chip: ms.Chip, duration) -> float:
    return 1e9 * float(duration.value * (chip.clock_period if duration.unit == "cycle" else 1))


@pytest.fixture(scope="module", params=PRESETS)
def both(request: pytest.FixtureRequest) -> tuple[ms.Chip, ms.Chip]:
    """A preset, and the chip of a probe of it whose samples are 1 % off."""
    like = ms.Chip.preset(request.param)
    return like, chip_from(found_on(request.param, 0.01), like)


def test_capacities_come_back(both: tuple[ms.Chip, ms.Chip]) -> None:
    like, made = both
    assert made.cache.capacity == pytest.approx(like.cache.capacity, rel=CAPACITY_ERROR)
    assert made.core.l1.capacity == pytest.approx(like.core.l1.capacity, rel=CAPACITY_ERROR)
    assert made.core.sram.capacity == GPU.workgroup_bytes


def test_latencies_come_back(both: tuple[ms.Chip, ms.Chip]) -> None:
    """As the simulator's own chase tells them of the chip that was made."""
    like, made = both
    assert ns(made, made.core.l1.latency) == pytest.approx(ns(like, like.core.l1.latency), rel=LATENCY_ERROR)
    assert hit_ns(made) == pytest.approx(hit_ns(like), rel=LATENCY_ERROR)
    expected = {level.name: level.latency_ns for level in latency.levels_of(like)}
    found = {level.name: level.latency_ns for level in latency.levels_of(made)}
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=2 * LATENCY_ERROR)


def test_rates_come_back(both: tuple[ms.Chip, ms.Chip]) -> None:
    like, made = both
    rates = {
        "cache": per_second(like, like.cache.bandwidth) / per_second(made, made.cache.bandwidth),
        "dram": SHARE_OF_DRAM * per_second(like, like.dram.bandwidth) / per_second(made, made.dram.bandwidth),
        "sram": per_second(like, like.core.sram.bandwidth) / per_second(made, made.core.sram.bandwidth),
        "launch": DISPATCH_S / (1e-9 * ns(made, made.launch)),
        "fma": ns(like, like.core.vector.latency) / ns(made, made.core.vector.latency),
    }
    assert rates == pytest.approx(dict.fromkeys(rates, 1.0), rel=0.02)
    assert made.core.vector.lanes == pytest.approx(like.core.vector.lanes, abs=1)
    assert made.core.vector.special_lanes == pytest.approx(like.core.vector.special_lanes, abs=1)
    assert made.dram.part is None and made.dram.efficiency == 1


def test_products_take_what_was_measured(both: tuple[ms.Chip, ms.Chip]) -> None:
    """The device multiplies tiles at 3/4 of its lanes, in f16 at twice that, whatever tensor cores there are."""
    like, made = both
    each = 0.75 * like.core.vector.lanes
    factors = {"fp16": 2}
    for dtype in made.core.matrix.dtypes:
        rate = float(made.core.matrix.peak_macs_per_cycle(dtype))
        assert rate == pytest.approx(factors.get(dtype, 1) * each, rel=0.02), dtype
    assert made.core.matrix.dtypes == like.core.matrix.dtypes


def test_one_core_may_read_what_one_workgroup_read(both: tuple[ms.Chip, ms.Chip]) -> None:
    like, made = both
    share = per_second(made, made.cache.bandwidth) / made.core_count
    link = per_second(like, like.network.link_bandwidth)
    assert per_second(made, made.network.link_bandwidth) == pytest.approx(max(link, share), rel=0.02)


def test_the_file_reads_back_and_runs(both: tuple[ms.Chip, ms.Chip], tmp_path: Path) -> None:
    like, made = both
    path = tmp_path / "probed.toml"
    path.write_text(chip_text(made, found_on(like.name, 0.01), like), encoding="utf-8")
    again = ms.Chip.from_toml(path)
    assert again == made
    x = ms.tensor("x", (256, 256), "fp32")
    program = ms.compile(x @ ms.tensor("y", (256, 256), "fp32"), again)
    assert ms.simulate(program, again).time_s > DISPATCH_S


def test_every_number_says_whether_it_was_measured(both: tuple[ms.Chip, ms.Chip]) -> None:
    like, made = both
    told = tuple(f"{word}" for word in ("measured: ", RECKONED, "not measured"))
    assert all(text.startswith(told) for text in made.sources.values())
    for key in ("cache.capacity", "core.l1.latency", "dram.bandwidth", "core.sram.bandwidth", "core.matrix.native"):
        assert made.sources[key].startswith("measured: "), key
    for key in ("core.count", "clock", "dram.read_energy", "core.matrix.energy", "network.topology", "dram.capacity"):
        covered = covering(key, made.sources)
        assert covered is not None
        assert made.sources[covered].startswith("not measured"), key
    assert like.name in made.sources["core.count"]


def test_a_quick_probe_is_coarser_but_not_wrong() -> None:
    like = ms.Chip.preset("rtx_4090")
    made = chip_from(found_on("rtx_4090", 0.01, quick=True), like, name="mine")
    assert made.name == "mine"
    assert made.cache.capacity == pytest.approx(like.cache.capacity, rel=0.15)
    assert hit_ns(made) == pytest.approx(hit_ns(like), rel=LATENCY_ERROR)


def test_a_device_without_f16_multiplies_in_f32() -> None:
    found = found_on("rtx_4090", 0.01)
    without = replace(found, matrix_g={t: m for t, m in found.matrix_g.items() if t != "f16"})
    unit = chip_from(without, ms.Chip.preset("rtx_4090")).core.matrix
    assert unit.peak_macs_per_cycle("fp16") == pytest.approx(float(unit.peak_macs_per_cycle("bf16")), rel=0.01)


REFUSED = {
    "software": ({"device": replace(GPU, kind="CPU")}, "rtx_4090", "Test GPU 9000: a software adapter is no chip"),
    "no cache": ({}, "tpu_v4", "preset tpu_v4: has no cache before its DRAM, or a systolic array"),
    "too few plateaus": ({"chases": 30}, "rtx_4090", r"the latency ladder has 2 plateaus \(14.* ns, 113.* ns\), and"),
    "small buffers": ({"streams": 13}, "rtx_4090", "the largest buffer read was 67108864 B, and the cache holds"),
    "no dispatch": ({"dispatch_us": None}, "rtx_4090", "findings: dispatch_us was not measured"),
    "no f32": ({"fma_g": {}}, "rtx_4090", "findings: fma_g was not measured in f32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_make_a_chip_is_refused(name: str) -> None:
    changes, like, message = REFUSED[name]
    found = found_on("rtx_4090", 0.01)
    if "chases" in changes:
        changes = {"chases": tuple(chase for chase in found.chases if chase.footprint < 64 << 20)}
    if "streams" in changes:
        changes = {"streams": found.streams[: changes["streams"]]}
    with pytest.raises(MemsimError, match=message + r"(.|\n)*mend: "):
        chip_from(replace(found, **changes), ms.Chip.preset(like))


def test_more_partitions_than_the_ladder_leaves_room_for() -> None:
    like = ms.Chip.preset("h100_pcie").replace({"cache.partition_latency": "500 ns"})
    with pytest.raises(MemsimError, match="nothing is left for the DRAM"):
        chip_from(found_on("h100_pcie", 0.01), like)


@pytest.mark.parametrize(
    ("device", "preset"),
    [
        ("NVIDIA GeForce RTX 4090", "rtx_4090"),
        ("NVIDIA A100-SXM4-40GB", "a100_sxm_40"),
        ("NVIDIA A100-SXM4-80GB", "a100_sxm"),
        ("NVIDIA H100 PCIe", "h100_pcie"),
        ("Apple M2 Ultra", "m2_ultra"),
        ("NVIDIA L4", "l4"),
    ],
)
def test_the_preset_is_found_by_the_name_of_the_device(device: str, preset: str) -> None:
    assert preset_like(device).name == preset


@pytest.mark.parametrize(
    "device", ["Intel Arc A770", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA GeForce RTX 3090 Ti", "RTX 4090 D"]
)
def test_a_device_of_which_there_is_no_preset(device: str) -> None:
    with pytest.raises(MemsimError, match=f"no preset is called like '{device}'(.|\\n)*--like"):
        preset_like(device)


def test_levels_of_the_simulators_ladder() -> None:
    """What a person reads off: the first levels of each preset, with latency and where they end."""
    expected = {"rtx_4090": [(14.3, 96), (113.1, 72 << 10)], "v100_sxm": [(19.6, 120), (140.5, 6 << 10)]}
    for preset, levels in expected.items():
        found = levels_of(found_on(preset, 0.01).chases)[: len(levels)]
        assert [level.latency_ns for level in found] == pytest.approx([ns for ns, _ in levels], rel=LATENCY_ERROR)
        capacities = [level.capacity / 1024 for level in found]
        assert capacities == pytest.approx([kib for _, kib in levels], rel=CAPACITY_ERROR)


def test_findings_are_data() -> None:
    found = found_on("rtx_4090", 0.01)
    assert Findings.from_json(found.to_json()) == found
