"""The latency ladder: sums of a chip's latencies, and the shape of measured curves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memsim import cli
from memsim.caches import CacheSpec, empty_caches
from memsim.caches.chase import chase, cyclic_order
from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part
from memsim.microbench.latency import Ladder, default_footprints, levels_of, show, study, summary
from memsim.report.figures.microbench_latency import draw_latency
from memsim.report.figures.style import overlaps

KIB, MIB = 1 << 10, 1 << 20


def gpu(**changes: Any) -> Chip:
    """A chip with an L1 and a cache of two partitions; latencies are easily told apart."""
    values = {
        "name": "gpu",
        "technology": "n7",
        "clock": "1 GHz",
        "core": {
            "grid": [2, 1],
            "pitch": ["1 mm", "1 mm"],
            "reg": {"capacity": "64 KiB"},
            "sram": {"capacity": "64 KiB", "bandwidth": "64 B/cycle"},
            "vector": {"lanes": 32},
            "dma": {"latency": "1000 cycles"},
            "l1": {"capacity": "32 KiB", "latency": "10 cycles", "ways": 4},
        },
        "cache": {
            "capacity": "2 MiB", "bandwidth": "64 B/cycle", "latency": "40 cycles", "partitions": 2,
            "partition_latency": "25 cycles", "slices": 2, "at": [["0 mm", "0 mm"], ["2 mm", "0 mm"]],
        },
        "dram": {"kind": "HBM2", "capacity": "1 GiB", "bandwidth": "64 B/cycle", "latency": "200 cycles"},
        "network": {"topology": "crossbar", "link_bandwidth": "64 B/cycle", "hop_latency": "30 cycles"},
    }  # fmt: skip
    return Chip(**values).replace(changes) if changes else Chip(**values)


def plateaus(ladder: Ladder) -> dict[str, float]:
    return {name: point.latency_ns for name, point in ladder.plateaus}


def test_each_plateau_is_a_sum_of_latencies() -> None:
    near = 2 * 30 + 40
    far = near + 2 * 25
    found = plateaus(study(gpu(), []))
    assert found["L1"] == 10
    assert found["L2 near"] == near
    # lines with their home in the near partition have no copy in the far one: half of the loads go to the DRAM
    assert found["L2 far"] == pytest.approx((far + near + 200) / 2, rel=0.002)
    assert found["DRAM"] == pytest.approx((near + far) / 2 + 200, rel=0.002)


def test_a_dram_part_adds_what_a_closed_row_takes() -> None:
    part = dram_part("hbm2_2000")
    own = (part.timing.rcd_rd + part.timing.cl + part.timing.bl) * part.tck_ps / 1000
    assert own == 30  # 14 + 14 + 2 clocks of 1 ns
    of_part = {"dram.part": "hbm2_2000", "dram.bandwidth": "32 GB/s"}
    plain, with_part = (plateaus(study(chip, []))["DRAM"] for chip in (gpu(), gpu(**of_part)))
    assert with_part == pytest.approx(plain + float(own))


def test_without_an_l1_loads_are_transfers_and_small_buffers_lie_in_the_scratchpad() -> None:
    chip = gpu(**{"core.l1": None, "core.sram.latency": "3 cycles"})
    assert [level.name for level in levels_of(chip)] == ["SRAM", "L2 near", "L2 far", "DRAM near", "DRAM far"]
    assert plateaus(study(chip, []))["SRAM"] == 3
    assert plateaus(study(chip, []))["L2 near"] == 1000 + 2 * 30 + 40


def test_without_a_cache_the_dram_answers() -> None:
    chip = gpu(**{"cache": None})
    assert [level.name for level in levels_of(chip)] == ["L1", "DRAM"]
    assert plateaus(study(chip, []))["DRAM"] == 2 * 30 + 200


def test_a_random_cycle_visits_every_element_once() -> None:
    following = cyclic_order(1000)
    seen, at = [], 0
    for _ in range(1000):
        seen.append(at)
        at = int(following[at])
    assert at == 0
    assert sorted(seen) == list(range(1000))


@pytest.mark.parametrize("ratio", [1.02, 1.06, 1.12, 1.2, 1.3, 1.5])
def test_lru_under_two_touches_a_line_fades_as_the_closed_form_says(ratio: float) -> None:
    # A line of 128 B has two elements of 64 B, at random places of the lap. It survives the longer gap, 1 - g of a lap,
    # if the lines touched in it, F (1 - g^2), fit the capacity C: with g uniform, a share 1 - 2 sqrt(1 - C/F) does.
    lines = 4096
    spec = CacheSpec(lines * 128, ways=lines)
    elements = round(ratio * lines) * 2
    caches, answers = empty_caches(spec), np.zeros(5, dtype=np.int64)
    for counts in (np.zeros_like(answers), answers):
        chase(caches.words, 0, np.zeros(0, np.int64), cyclic_order(elements), 64, 2 * elements, counts)
    expected = max(0.0, 1 - 2 * math.sqrt(1 - 1 / ratio))
    assert answers[0] / answers.sum() == pytest.approx(expected, abs=0.03)


# Measured on an A100 SXM 40 GB, te42kyfo/gpu-benches (commit 1c36d50): KiB, cycles
A100 = [
    (21941, 282.8), (24136, 347.3), (26551, 378.8), (29207, 409.5), (32129, 426.5), (38878, 425.5), (42767, 450.7),
    (47045, 485.6), (51750, 505.8), (56926, 534.6), (62620, 569.4),
]  # fmt: skip


@pytest.fixture(scope="module")
def a100() -> Chip:
    """The latencies and caches of an A100, on a small chip."""
    return gpu(**{
        "clock": "1.41 GHz", "core.l1.latency": "36 cycles", "core.l1.capacity": "152 KiB", "core.l1.ways": 8,
        "cache.capacity": "40 MiB", "cache.latency": "84 cycles", "network.hop_latency": "64 cycles",
        "cache.partition_latency": "74 cycles", "dram.latency": "286 cycles",
    })  # fmt: skip


def test_the_curve_between_a_partition_and_the_dram_is_that_of_an_a100(a100: Chip) -> None:
    ladder = study(a100, [kib * KIB for kib, _ in A100])
    errors = [ladder.cycles(p.latency_ns) / m - 1 for (_, m), p in zip(A100, ladder.points, strict=True)]
    assert max(map(abs, errors)) < 0.1
    assert float(np.mean(np.abs(errors))) < 0.02


@pytest.mark.parametrize("policy", ["plru", "random"])
def test_other_policies_do_not_fit_it(a100: Chip, policy: str) -> None:
    ladder = study(a100.replace({"cache.policy": policy}), [kib * KIB for kib, _ in A100])
    errors = [ladder.cycles(p.latency_ns) / m - 1 for (_, m), p in zip(A100, ladder.points, strict=True)]
    assert float(np.mean(np.abs(errors))) > 0.03


def test_footprints_reach_four_times_the_largest_level() -> None:
    sizes = default_footprints(levels_of(gpu()))
    assert sizes[0] == KIB
    assert sizes[-1] == 8 * MIB
    assert len(sizes) == 13 * 4 + 1


def test_latency_grows_with_the_buffer() -> None:
    ladder = study(gpu(**{"cache.partitions": 1}), [size * KIB for size in (16, 31, 64, 1024, 4096, 32768)])
    times = [point.latency_ns for point in ladder.points]
    assert times == sorted(times)
    assert times[0] == 10
    assert times[-1] == pytest.approx(300)
    assert all(sum(point.shares.values()) == pytest.approx(1) for point in ladder.points)


def test_what_is_told() -> None:
    ladder = study(gpu(), [MIB // 2])
    told = summary(ladder)
    assert told["latency_ns"] == told["latency_cycles"] == 100
    assert [level["level"] for level in told["levels"]] == ["L1", "L2 near", "L2 far", "DRAM"]
    assert told["points"][0]["shares"] == {"L2 near": 1.0}
    assert "512 KiB    100.0" in show(ladder)
    assert overlaps(draw_latency(study(gpu(), [2**k * KIB for k in range(14)]))) == []


@pytest.mark.parametrize("name", ["toy", "dally_grid", "tpu_v4"])
def test_chips_without_caches_have_a_ladder_too(name: str) -> None:
    found = plateaus(study(Chip.preset(name), []))
    assert next(iter(found)) == "SRAM"
    assert list(found)[-1] == "DRAM"
    assert found["DRAM"] > found["SRAM"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chip.toml"
    file.write_text(gpu().to_toml(), encoding="utf-8")
    base = ["microbench", "latency", "--chip", str(file)]
    assert cli.run([*base, "--footprint", "16KiB", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["latency_ns"] == 10
    assert cli.run([*base, "--plot", str(tmp_path / "ladder.png"), "--json", str(tmp_path / "ladder.json")]) == 0
    assert (tmp_path / "ladder.png").stat().st_size > 10_000
    assert "L2 far" in capsys.readouterr().out
    assert cli.run([*base, "--footprint", "much"]) == 2
    assert "--footprint: 'much' is not a size in bytes" in capsys.readouterr().err


def test_a_buffer_without_an_element_is_refused() -> None:
    with pytest.raises(MemsimError, match="has no element"):
        study(gpu(), [32])
