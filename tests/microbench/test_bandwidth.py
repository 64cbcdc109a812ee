"""Bandwidth by level: peaks bound it, Little's law gives one core's, and silicon was measured."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from memsim import cli
from memsim.hierarchy import Chip
from memsim.microbench.bandwidth import Bandwidths, Kind, default_cores, level_names, study, summary
from memsim.report.figures.microbench_bandwidth import draw_bandwidth
from memsim.report.figures.style import overlaps

KIB = 1 << 10


def chip(**changes: Any) -> Chip:
    """Eight cores around one DRAM: round numbers, a cycle is a nanosecond."""
    values = {
        "name": "eight",
        "technology": "n7",
        "clock": "1 GHz",
        "launch": "5 us",
        "core": {
            "grid": [4, 2],
            "pitch": ["1 mm", "1 mm"],
            "reg": {"capacity": "256 KiB"},
            "sram": {"capacity": "256 KiB", "bandwidth": "64 B/cycle"},
            "vector": {"lanes": 32},
            "dma": {"latency": "1000 cycles", "max_transfers": 64, "max_bytes": "256 KiB"},
        },
        "dram": {"kind": "HBM2", "capacity": "1 GiB", "bandwidth": "128 B/cycle", "latency": "200 cycles"},
        "network": {
            "topology": "crossbar", "link_bandwidth": "64 B/cycle", "memory_port_bandwidth": "512 B/cycle",
            "hop_latency": "30 cycles",
        },
    }  # fmt: skip
    return Chip(**values).replace(changes) if changes else Chip(**values)


CACHE = {"cache": {"capacity": "2 MiB", "bandwidth": "256 B/cycle", "latency": "40 cycles", "slices": 4}}


def gbs(found: Bandwidths) -> list[float]:
    return [point.bandwidth_gbs for point in found.points]


@pytest.mark.parametrize("tiles", [1, 2, 4])
def test_one_core_has_what_is_in_flight_over_the_latency(tiles: int) -> None:
    # Little (1961): a tile of 16 KiB is on its way for the DMA engine's latency, the hops there and back, the DRAM's
    # latency, and its own time on the slowest link: all of them are known
    limited = chip(**{"core.dma.max_bytes": f"{16 * tiles} KiB"})
    latency_ns = 1000 + 2 * 30 + 200 + 16 * KIB / 64
    found = study(limited, levels=["dram"], cores=[1], tile=16 * KIB)
    assert gbs(found)[0] == pytest.approx(tiles * 16 * KIB / latency_ns, rel=0.01)


def test_the_number_of_transfers_limits_as_their_bytes_do() -> None:
    by_bytes = study(chip(**{"core.dma.max_bytes": "32 KiB"}), levels=["dram"], cores=[1], tile=16 * KIB)
    by_number = study(chip(**{"core.dma.max_transfers": 2}), levels=["dram"], cores=[1], tile=16 * KIB)
    assert gbs(by_bytes) == gbs(by_number)


def test_cores_add_up_until_the_memory_is_full() -> None:
    found = study(chip(), levels=["dram"], cores=[1, 2, 4, 8])
    assert gbs(found) == pytest.approx([64, 128, 128, 128], rel=0.01)


def test_what_is_in_flight_adds_up_over_the_cores() -> None:
    limited = chip(**{"core.dma.max_bytes": "16 KiB"})
    one = 16 * KIB / (1260 + 256)
    found = study(limited, levels=["dram"], cores=[1, 2, 4, 8], tile=16 * KIB)
    assert gbs(found) == pytest.approx([one, 2 * one, 4 * one, 8 * one], rel=0.05)


def test_efficiency_of_the_dram_is_a_bound() -> None:
    found = study(chip(**{"dram.efficiency": 0.75}), levels=["dram"], cores=[8])
    assert 0.98 * 0.75 <= (found.points[0].efficiency or 0) <= 0.75


def test_a_cache_answers_from_its_own_banks_once_it_is_warm() -> None:
    found = study(chip(**CACHE), levels=["cache", "dram"], cores=[1, 8])
    assert gbs(found) == pytest.approx([64, 256, 64, 128], rel=0.02)
    assert [point.dram_share for point in found.points] == pytest.approx([0, 0, 1, 1], abs=0.01)


def test_partitions_keep_copies_so_much_of_the_cache_does_not_fit() -> None:
    at = [["0 mm", "1 mm"], ["4 mm", "1 mm"]]
    parts = chip(**{"cache": {**CACHE["cache"], "partitions": 2, "at": at}})
    assert level_names(parts) == ("sram", "cache", "cache_all", "dram")
    assert "cache_all" not in level_names(parts, "write")
    found = study(parts, levels=["cache", "cache_all"], cores=[8])
    assert found.points[0].dram_share == 0
    assert found.points[1].dram_share > 0.3


def test_own_memories_add_up_and_a_copy_moves_twice_the_bytes_through_one_port() -> None:
    for kind in get_args(Kind):
        found = study(chip(), kind=kind, levels=["sram"], cores=[1, 8])
        assert gbs(found) == pytest.approx([64, 512], rel=0.01)


def test_memory_without_a_bandwidth_has_no_share_of_it() -> None:
    free = chip(**{"core.sram.bandwidth": None})
    found = study(free, levels=["sram"], cores=[1])
    assert found.points[0].efficiency is None
    assert summary(found)["efficiency"] is None
    assert gbs(found)[0] == pytest.approx(256 * KIB / 1000)  # what the registers hold, each DMA latency


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", ["toy", "tpu_v4", "a17_pro", "t4"])
def test_nothing_is_above_its_peak(name: str, kind: Kind) -> None:
    preset = Chip.preset(name)
    found = study(preset, kind=kind, cores=[1, preset.core_count])
    assert {point.level.name for point in found.points} == set(level_names(preset, kind))
    for point in found.points:
        # loads and stores of both runs need not end alike; and each run ends with a whole tick
        ends = 0.02 if kind == "copy" else 1e-4
        assert 0 < (point.efficiency or 0.5) <= 1 + ends, point


# Read, all SMs, GB/s: te42kyfo/gpu-benches (commit 1c36d50), gpu-l2-cache up to 24 MB and beyond 150 MB
MEASURED = [
    ("a100_sxm", "cache", 5440), ("a100_sxm", "dram", 1868), ("h100_pcie", "cache", 6950), ("h100_pcie", "dram", 1989),
]  # fmt: skip


@pytest.mark.parametrize(("name", "level", "measured"), MEASURED)
def test_silicon(name: str, level: str, measured: float) -> None:
    preset = Chip.preset(name)
    found = study(preset, levels=[level], cores=[preset.core_count])
    assert gbs(found)[0] == pytest.approx(measured, rel=0.15)


def test_more_cores_never_have_less_on_a_gpu_up_to_two_percent() -> None:
    preset = Chip.preset("h100_sxm")
    found = study(preset, levels=["cache", "dram"], cores=[1, 8, 32, 132])
    for level in ("cache", "dram"):
        own = [point.bandwidth_gbs for point in found.points if point.level.name == level]
        assert all(more >= 0.98 * less for less, more in pairwise(own))


def test_default_cores_are_powers_of_two_and_all() -> None:
    assert default_cores(1) == [1]
    assert default_cores(16) == [1, 2, 4, 8, 16]
    assert default_cores(108) == [1, 2, 4, 8, 16, 32, 64, 108]
    assert default_cores(132) == [1, 2, 4, 8, 16, 32, 64, 132]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "chip.toml"
    file.write_text(chip().to_toml(), encoding="utf-8")
    base = ["microbench", "bandwidth", "--chip", str(file)]
    assert cli.run([*base, "--level", "dram", "--cores", "1", "--cores", "8", "--tile", "16KiB", "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bandwidth_gbs"] == pytest.approx(128, rel=0.01)
    assert [point["cores"] for point in told["points"]] == [1, 8]
    assert told["levels"][0]["peak_gbs"] == 128
    assert cli.run([*base, "--kind", "copy", "--plot", str(tmp_path / "bandwidth.png")]) == 0
    assert (tmp_path / "bandwidth.png").stat().st_size > 10_000
    assert "sram" in capsys.readouterr().out
    for wrong in (["--level", "l9"], ["--cores", "9"], ["--tile", "3B"], ["--tile", "200KiB"], ["--kind", "erase"]):
        assert cli.run([*base, *wrong]) == 2
        assert "mend: " in capsys.readouterr().err


def test_labels_of_the_figure_do_not_meet() -> None:
    assert overlaps(draw_bandwidth(study(chip(**CACHE)))) == []


def test_on_a_mesh_the_links_beside_the_ports_are_the_limit() -> None:
    # toy: from each of two ports, packets go along a row first; three columns of four lie beyond one link of 64 B/ns
    found = study(Chip.preset("toy"), levels=["dram"], cores=[16])
    assert gbs(found)[0] == pytest.approx(2 * 64 / 0.75, rel=0.005)
