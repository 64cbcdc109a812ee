"""The shared cache in the engine: hits, fills on their way, evictions and what is left dirty."""

from __future__ import annotations

from typing import Any

import pytest

from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.isa import parse
from memsim.report import to_json
from tests.engine.machines import DMA, DRAM, HOP, LAUNCH, plain_chip, run

TILE = 16 * 16 * 4
CACHE = 11
"""Latency of the cache in ticks."""
CACHE_TICKS, DRAM_TICKS, LINK_TICKS = TILE // 32, TILE // 8, TILE // 16


def cached(cores: int = 1, capacity: str = "64 KiB", **changes: Any) -> Chip:
    cache = {
        "capacity": capacity,
        "slices": 1,
        "bandwidth": "32 B/cycle",
        "latency": f"{CACHE} cycles",
        "interleave": "64 B",
    }
    return plain_chip(cores, cache=cache, **changes)


def loads(rows: str, times: int, blocks: int = 1, chip: Chip | None = None) -> Result:
    """Load tiles of a 16-row matrix one after another: each waits for the one before to be popped."""
    text = f"""
    program loads
    tensor X dram fp32 [4096, 16]
    kernel k blocks (b {blocks}) {{
      ring a sram fp32 [16, 16]
      queue load {{ loop i {times} {{ load a <- X[{rows}, 0] }} }}
      queue use {{ loop i {times} {{ pop a }} }}
    }}"""
    return run(parse(text), chip or cached(blocks))


def bits(result: Result, part: str, access: str, *operations: str) -> int:
    return sum(
        n
        for key, n in result.energy.counts.items()
        if key.part == part and key.access == access and (not operations or key.operation in operations)
    )


WAY = DMA + 2 * HOP + CACHE


def test_a_miss_pays_dram_and_a_hit_pays_the_cache() -> None:
    one, two = loads("0", 1), loads("0", 2)
    assert one.ticks == LAUNCH + WAY + DRAM + DRAM_TICKS
    assert two.ticks - one.ticks == WAY + LINK_TICKS  # the slowest service of a hit is the link's
    assert bits(two, "dram", "read") == TILE * 8
    assert bits(two, "cache", "read") == 2 * TILE * 8
    assert bits(two, "cache", "write", "fill") == TILE * 8


def test_a_tile_on_its_way_is_not_fetched_again() -> None:
    result = loads("0", 1, blocks=4)
    assert bits(result, "dram", "read") == TILE * 8
    # all wait for the one fill; then the cache's link serves them in turn
    assert result.ticks <= LAUNCH + WAY + DRAM + DRAM_TICKS + 3 * LINK_TICKS
    assert result.ticks >= LAUNCH + WAY + DRAM + DRAM_TICKS


def test_a_cache_that_is_too_small_by_one_tile_always_misses_a_cyclic_walk() -> None:
    fits = loads("i % 4 * 16", 12, chip=cached(capacity="4 KiB"))
    thrashes = loads("i % 5 * 16", 15, chip=cached(capacity="4 KiB"))
    assert bits(fits, "dram", "read") == 4 * TILE * 8
    assert bits(thrashes, "dram", "read") == 15 * TILE * 8  # least recently used is the worst for a cycle


def stores(tiles: int, chip: Chip) -> Result:
    text = f"""
    program stores
    tensor Y dram fp32 [4096, 16]
    kernel k blocks (b 1) {{
      ring a sram fp32 [16, 16]
      queue make {{ loop i {tiles} {{ fill a 1 push a }} }}
      queue store {{ loop i {tiles} {{ store Y[i * 16, 0] <- a pop a }} }}
    }}"""
    return run(parse(text), chip)


def test_dirty_tiles_leave_when_evicted_and_the_rest_is_charged_at_the_end() -> None:
    result = stores(10, cached(capacity="4 KiB"))
    assert bits(result, "dram", "write", "write_back") == 6 * TILE * 8
    assert bits(result, "dram", "write", "final_write_back") == 4 * TILE * 8
    assert bits(result, "dram", "read") == 0
    assert result.dram_bytes == 6 * TILE


def test_write_through_writes_at_once() -> None:
    chip = cached(capacity="64 KiB").replace({"cache.write_back": False})
    result = stores(10, chip)
    assert bits(result, "dram", "write", "write_back") == 10 * TILE * 8
    assert bits(result, "dram", "write", "final_write_back") == 0
    assert bits(result, "cache", "write") == 10 * TILE * 8
    assert bits(result, "cache", "read") == 0


def test_a_kernel_finds_what_the_one_before_left() -> None:
    text = """
    program two
    tensor X dram fp32 [16, 16]
    tensor Y dram fp32 [16, 16]
    kernel first blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue make { fill a 1 push a }
      queue store { store X[0, 0] <- a pop a }
    }
    kernel second blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- X[0, 0] }
      queue store { store Y[0, 0] <- a pop a }
    }"""
    result = run(parse(text), cached())
    assert bits(result, "dram", "read") == 0
    assert bits(result, "cache", "read", "load") == TILE * 8


def test_wires_to_the_dram_are_charged_for_what_misses_only() -> None:
    at = {"dram.at": [["0 mm", "9 mm"]], "cache.at": [["0 mm", "0 mm"]], "network.wire_energy": "1 pJ/bit/mm"}
    chip = cached().replace(at)
    once, twice = loads("0", 1, chip=chip), loads("0", 2, chip=chip)
    fill = [(key.mm, n) for key, n in twice.energy.counts.items() if key.part == "wires" and key.operation == "fill"]
    assert fill == [(pytest.approx(9.0), TILE * 8)]
    assert fill == [(key.mm, n) for key, n in once.energy.counts.items() if key[0] == "wires" and key[2] == "fill"]


def test_a_shared_scratchpad_answers_with_its_own_latency_and_never_asks_dram() -> None:
    shared = {"capacity": "1 MiB", "bandwidth": "64 B/cycle", "banks": 1, "interleave": "64 B", "latency": "5 cycles"}
    text = """
    program pad
    tensor X shared fp32 [16, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- X[0, 0] }
      queue use { pop a }
    }"""
    result = run(parse(text), plain_chip(1, shared=shared))
    assert result.ticks == LAUNCH + DMA + 2 * HOP + 5 + LINK_TICKS
    assert bits(result, "shared", "read") == TILE * 8
    assert bits(result, "dram", "read") == 0


def test_bytes_written_back_take_the_dram_its_time() -> None:
    slow = {"dram.bandwidth": "1 B/cycle"}
    five, ten = (stores(tiles, cached(capacity="4 KiB", **slow)) for tiles in (5, 10))
    assert ten.ticks - five.ticks == 5 * TILE
    through = stores(10, cached(**slow).replace({"cache.write_back": False}))
    assert through.ticks >= LAUNCH + 10 * TILE
    for result in (five, ten, through):
        assert result.mbu <= 1
        assert (result.bounds["of_time"] <= 1).all()


def test_bytes_written_back_are_read_from_the_cache_and_pass_the_wires_to_the_dram() -> None:
    at = {"dram.at": [["0 mm", "9 mm"]], "cache.at": [["0 mm", "0 mm"]]}
    result = stores(10, cached(capacity="4 KiB").replace(at))
    assert bits(result, "cache", "read", "write_back") == 6 * TILE * 8
    wires = {k.mm: n for k, n in result.energy.counts.items() if k.part == "wires" and k.operation == "write_back"}
    assert wires == {9.0: 6 * TILE * 8}


def test_bytes_written_back_belong_to_their_own_tensor() -> None:
    text = """
    program two
    tensor X dram fp32 [16, 16]
    tensor Y dram fp32 [32, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue make { loop i 3 { fill a 1 push a } }
      queue store { loop i 2 { store Y[i * 16, 0] <- a pop a } store X[0, 0] <- a pop a }
    }"""
    result = run(parse(text), cached(capacity="1 KiB"))
    written = {k.tensor: n for k, n in result.energy.counts.items() if k.part == "dram" and k.operation == "write_back"}
    assert written == {"Y": 2 * TILE * 8}  # that of X stays to the end


SLOW_LINK = {"network.link_bandwidth": "2 B/cycle"}


def test_a_tile_that_misses_sets_out_when_the_dram_gives_its_first_byte() -> None:
    assert loads("0", 1, chip=cached(**SLOW_LINK)).ticks == LAUNCH + WAY + DRAM + TILE // 2


def test_a_tile_of_which_part_hits_sets_out_with_that_part() -> None:
    text = """
    program part
    tensor X dram fp32 [16, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [4, 16]
      ring b sram fp32 [8, 16]
      queue load { load a <- X[0, 0] load b <- X[0, 0] }
      queue use { pop a pop b }
    }
    kernel l blocks (b 1) {
      ring a sram fp32 [4, 16]
      queue load { load a <- X[8, 0] }
      queue use { pop a }
    }"""
    chip = cached(**SLOW_LINK, **{"core.dma.max_transfers": 1})
    result = run(parse(text), chip)
    first, second = WAY + DRAM + 128, WAY + 256
    assert result.ticks == 2 * LAUNCH + 2 * first + second
    assert bits(result, "dram", "read") == (512 + 256) * 8


def test_a_reader_of_a_tile_on_its_way_starts_when_it_has_arrived() -> None:
    # the fill ends 128 + 50 after the first request; the second tile passes the link of the cache after that
    result = loads("0", 1, blocks=2)
    assert result.ticks == LAUNCH + DMA + 2 * HOP + DRAM_TICKS + DRAM + CACHE + LINK_TICKS


@pytest.mark.parametrize(("distribution", "rows"), [("sequential", 64), ("uniform", 64)])
def test_gathers_one_after_another_take_other_rows(distribution: str, rows: int) -> None:
    text = f"""
    program rows
    tensor W dram fp32 [64, 128]
    tensor I shared int32 [16]
    kernel k blocks (b 1) {{
      ring i sram int32 [16]
      ring a sram fp32 [16, 128]
      queue index {{ load i <- I[0] }}
      queue load {{ loop j 7 {{ gather a <- W[0 : 64, 0 : 128] by i distribution {distribution} }} pop i }}
      queue use {{ loop j 7 {{ pop a }} }}
    }}"""
    shared = {"capacity": "1 KiB", "bandwidth": "64 B/cycle"}
    result = run(parse(text), cached(shared=shared))
    assert bits(result, "dram", "read") == rows * 512 * 8  # seven times a quarter: all, and each but once


def test_reports_say_what_is_written_back_after_the_end() -> None:
    result = stores(10, cached(capacity="4 KiB"))
    assert "4.1 kB of dram are left in the cache at the end" in str(result).replace("4.10", "4.1")
    assert to_json(result)["final_write_back_bytes"] == 4 * TILE
