"""Programs on chips whose DRAM is a part: the order of a walk, the map of the channels, rows in the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from memsim.engine import simulate
from memsim.engine.ledger import unit_energy_pj
from memsim.engine.memory import COUNTED
from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part
from memsim.isa import parse
from tests.engine.machines import LAUNCH, plain_chip, run

TILES = 64
WALK = """
program walk
tensor X dram fp32 [{rows}, {columns}]
kernel k blocks (b 1) {{
  ring a sram fp32 [{tile}] depth 8
  queue load {{ loop i {trips} {{ load a <- X[{start}] }} }}
  queue use {{ loop i {trips} {{ pop a }} }}
}}"""


def chip_of(part: str = "ddr4_3200", channels: int = 8, **changes: Any) -> Chip:
    """An uncached chip with channels of a part, and no other bottleneck."""
    values = {
        "dram.part": part,
        "dram.channels": channels,
        "dram.bandwidth": f"{float(dram_part(part).peak_bandwidth * channels / 10**9)} GB/s",
        "dram.interleave": "256 B",
        "network.link_bandwidth": "100000 B/cycle",
    }
    return plain_chip(1, **values, **changes)


def walk(chip: Chip, *, rows: int, columns: int, tile: tuple[int, int], start: str) -> Result:
    """Load tiles of a matrix of 4-byte elements one after another, up to eight at a time."""
    shape = f"{tile[0]}, {tile[1]}"
    text = WALK.format(rows=rows, columns=columns, tile=shape, start=start, trips=TILES)
    return run(parse(text), chip)


def by_rows(chip: Chip) -> Result:
    """Stretches of 4 KiB."""
    return walk(chip, rows=1024, columns=1024, tile=(1, 1024), start="i, 0")


def by_columns(chip: Chip, width: int = 1) -> Result:
    """As many elements, a few of each row, 32 KiB apart."""
    return walk(chip, rows=1024, columns=8192, tile=(1024 // width, width), start=f"0, i*{width}")


def down(chip: Chip, columns: int) -> Result:
    """As many elements again, all of the same 64 bytes of each row."""
    return walk(chip, rows=64 * TILES, columns=columns, tile=(64, 16), start="i*64, 0")


def bits(result: Result, part: str, operation: str) -> int:
    return sum(n for key, n in result.energy.counts.items() if (key.part, key.operation) == (part, operation))


@pytest.mark.parametrize("part", ["ddr4_3200", "hbm3_6400", "gddr6_16000", "lpddr5_6400"])
def test_a_walk_down_the_columns_takes_several_times_as_long(part: str) -> None:
    chip, burst = chip_of(part, channels=2), dram_part(part).burst_bytes
    rows, columns, wide = by_rows(chip), by_columns(chip), by_columns(chip, burst // 4)
    asked = TILES * 1024 * 4
    assert bits(rows, "dram", "load") == bits(columns, "dram", "load") == bits(wide, "dram", "load") == 8 * asked
    assert bits(rows, "dram", "beyond") == bits(wide, "dram", "beyond") == 0
    assert bits(columns, "dram", "beyond") == 8 * asked * (burst // 4 - 1)  # a burst for each element
    assert columns.ticks - LAUNCH > 4 * (rows.ticks - LAUNCH)
    assert wide.ticks > 1.3 * rows.ticks  # the same bytes: rows are opened for a burst each
    assert bits(wide, "rows", "activate") > 4 * bits(rows, "rows", "activate")
    assert columns.energy_j > wide.energy_j > rows.energy_j


def test_a_linear_map_and_a_power_of_two_between_rows_is_slower_than_a_hashed_map() -> None:
    """Rows of 4 KiB are sixteen blocks: in a linear map over eight channels all of a column lies in one."""
    linear, hashed = (chip_of(**{"dram.channel_map": channel_map}) for channel_map in ("linear", "hashed"))
    one, spread = (down(chip, 1024) for chip in (linear, hashed))
    assert one.ticks > 3 * spread.ticks
    busy = [result.parts.set_index("kind").loc["dram", "busy_s"].to_numpy() for result in (one, spread)]
    assert (busy[0] > 0).sum() == 1 and (busy[1] > 0).all()
    assert down(linear, 1024 + 64).ticks < one.ticks / 3  # a block more: the rows go round the channels
    assert by_columns(linear, 16).ticks > 1.3 * by_columns(hashed, 16).ticks
    assert by_rows(linear).ticks == pytest.approx(by_rows(hashed).ticks, rel=0.1)


def test_more_channels_serve_sooner_and_no_sooner_than_their_pins() -> None:
    ticks = {channels: by_rows(chip_of(channels=channels)).ticks - LAUNCH for channels in (1, 2, 4)}
    peak = float(dram_part("ddr4_3200").peak_bandwidth) / 1e9
    for channels, found in ticks.items():
        assert found >= TILES * 4096 / peak / channels
    assert ticks[1] > 1.7 * ticks[2] > 2.8 * ticks[4]


# ---- the ledger ----

COPY = """
program copy
tensor X dram fp32 [64, {columns}]
tensor Y dram fp32 [64, {columns}]
kernel k blocks (b 1) {{
  ring a sram fp32 [16, 4]
  queue load {{ loop i 4 {{ load a <- X[i*16, 0] }} }}
  queue store {{ loop i 4 {{ store Y[i*16, 0] <- a pop a }} }}
}}"""


@pytest.mark.parametrize("cached", [False, True])
def test_rows_and_bytes_beyond_are_in_the_ledger(cached: bool) -> None:
    part = dram_part("ddr4_3200")
    cache = {"capacity": "64 B", "bandwidth": "64 B/cycle", "write_back": False}
    chip = chip_of(**({"cache": cache} if cached else {}))
    result = simulate(parse(COPY.format(columns=1024)), chip)
    totals = result.run.kernels[0].tally.by_tensor
    opened = {name: counts[COUNTED.index("rows opened")] for name, counts in totals.items()}
    assert set(opened) == {"X", "Y"}
    rows = {key.tensor: n for key, n in result.energy.counts.items() if key.part == "rows"}
    assert rows == opened
    assert all(64 <= n <= 80 for n in rows.values())  # 64 rows of the matrix, each in a row of its own; refreshes
    frame = result.energy.frame()
    activates = frame[frame["part"] == "rows"]
    assert activates["energy_pj"].sum() == pytest.approx(sum(rows.values()) * part.energy.act_pj)
    assert sorted(activates["count"]) == sorted(rows.values())
    assert activates["bits"].sum() == 0
    beyond = frame[frame["operation"] == "beyond"]
    assert dict(zip(beyond["access"], beyond["bits"], strict=True)) == {"read": 64 * 48 * 8, "write": 64 * 48 * 8}
    read_pj = part.energy.read_pj / (8 * part.burst_bytes)
    assert beyond[beyond["access"] == "read"]["energy_pj"].sum() == pytest.approx(64 * 48 * 8 * read_pj)
    assert result.dram_bytes == 2 * 64 * 64  # whole bursts, read and written
    assert result.bytes_by_level["dram"] == result.dram_bytes
    total = sum(n * unit_energy_pj(chip, key) for key, n in result.energy.counts.items()) * 1e-12
    assert result.energy_j == pytest.approx(total + chip.static_power_w * result.time_s)
    assert frame["energy_pj"].sum() * 1e-12 == pytest.approx(result.energy_j)


def test_without_a_part_no_row_is_opened() -> None:
    result = simulate(parse(COPY.format(columns=1024)), plain_chip())
    assert {key.part for key in result.energy.counts} >= {"dram"}
    assert bits(result, "rows", "activate") == bits(result, "dram", "beyond") == 0
    assert result.dram_bytes == 2 * 64 * 16


def test_a_first_byte_waits_for_its_row() -> None:
    """A part adds an activate and a column access to the way that the chip tells of."""
    part = dram_part("ddr4_3200")
    text = WALK.format(rows=1, columns=16, tile="1, 16", start="0, 0", trips=1)
    program = parse(text)
    with_part, without = (
        run(program, chip_of()),
        run(program, plain_chip(1, **{"network.link_bandwidth": "9999 B/cycle"})),
    )
    core_ns = (part.timing.rcd_rd + part.timing.cl) * float(part.tck_ps) / 1000
    burst = 64 / 8  # ticks of the plain chip's DRAM
    assert with_part.ticks - (without.ticks - burst) == pytest.approx(core_ns, abs=8)
