"""Memories in the engine: banks behind several ports, tiles of several segments, clipping, ports of core memories."""

from __future__ import annotations

import pytest

from memsim.engine.result import Result
from memsim.isa import parse
from tests.engine.machines import DMA, DRAM, HOP, LAUNCH, plain_chip, run

TILE = 16 * 16 * 4
WAY = DMA + HOP + DRAM + HOP


def bits(result: Result, part: str, access: str) -> int:
    return sum(n for key, n in result.energy.counts.items() if key.part == part and key.access == access)


@pytest.mark.parametrize("ports", [1, 2, 4])
def test_every_channel_behind_every_port_does_its_share(ports: int) -> None:
    # tiles of one interleave each: a channel that the hash never names would leave bandwidth unused
    text = """
    program p
    tensor A dram fp32 [16384, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [8, 16] depth 32
      queue load { loop i 2048 { load a <- A[i*8, 0] } }
      queue use { loop i 2048 { pop a } }
    }"""
    changes = {
        "dram.at": [["0 mm", f"{i} mm"] for i in range(ports)],
        "dram.channels": 4,
        "dram.bandwidth": "32 B/cycle",
        "dram.interleave": "512 B",
        "network.link_bandwidth": "512 B/cycle",
        "core.dma.max_transfers": 64,
    }
    result = run(parse(text), plain_chip(1, **changes))
    channels = result.parts[result.parts["kind"] == "dram"]["utilisation"]
    assert channels.min() > 0.95
    assert result.ticks < 1.02 * 16384 * 64 / 32


def test_efficiency_divides_the_bandwidth() -> None:
    text = """
    program p
    tensor A dram fp32 [16, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- A[0, 0] }
      queue use { pop a }
    }"""
    assert run(parse(text), plain_chip(1, **{"dram.efficiency": 0.25})).ticks == LAUNCH + WAY + TILE // 2


PARTS = """
program p
tensor A dram fp32 [32, 16]
kernel whole blocks (b 1) {
  ring a sram fp32 [16, 16]
  queue load { load a <- A[0, 0] }
  queue use { pop a }
}
kernel half blocks (b 1) {
  ring a sram fp32 [8, 16]
  queue load { load a <- A[24, 0] }
  queue use { pop a }
}"""
"""The second kernel makes segments of 8 rows, so the first one's tile is two of them."""


def test_a_tile_of_two_segments_sets_out_with_the_first_byte_and_has_come_with_the_last() -> None:
    last = 2 * LAUNCH + 2 * WAY + TILE // 8 + TILE // 16
    assert run(parse(PARTS), plain_chip()).ticks == last
    slow = plain_chip(1, **{"network.link_bandwidth": "2 B/cycle"})
    assert run(parse(PARTS), slow).ticks == 2 * LAUNCH + 2 * WAY + TILE // 2 + TILE // 4


def test_the_same_through_a_cache() -> None:
    cache = {"capacity": "64 KiB", "slices": 1, "bandwidth": "32 B/cycle", "latency": "11 cycles"}
    slow = plain_chip(1, cache=cache, **{"network.link_bandwidth": "2 B/cycle"})
    assert run(parse(PARTS), slow).ticks == 2 * LAUNCH + 2 * (WAY + 11) + TILE // 2 + TILE // 4


def test_a_store_has_arrived_when_its_last_byte_has_passed_the_slowest_link() -> None:
    text = """
    program p
    tensor A dram fp32 [16, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue make { fill a 1 push a }
      queue store { store A[0, 0] <- a pop a }
    }"""
    chip = plain_chip(1, **{"dram.bandwidth": "4096 B/cycle", "network.link_bandwidth": "2 B/cycle"})
    assert run(parse(text), chip).ticks == LAUNCH + 16 + 2 + DMA + HOP + TILE // 2


def test_a_load_with_nothing_left_costs_its_issue_and_no_bound_expects_more() -> None:
    text = """
    program p
    tensor A dram fp32 [16, 16]
    kernel k blocks (b 1) {
      ring a sram fp32 [16, 16]
      ring c reg fp32 [16, 16]
      queue load { load a <- A[16, 0] clip }
      queue use { c = add(a, 1) pop a }
    }"""
    result = run(parse(text), plain_chip())
    assert result.ticks == LAUNCH + DMA + 16
    assert bits(result, "dram", "read") == 0
    assert (result.bounds["of_time"] <= 1).all()


def test_a_multicast_writes_once_for_each_block_even_where_two_share_a_core() -> None:
    text = """
    program p
    tensor A dram fp32 [16, 16]
    kernel k occupancy 2 cooperative blocks (b 2) {
      ring a sram fp32 [16, 16]
      queue load { loop first 1 - b { load a to (0 : 2) <- A[0, 0] } }
      queue use { pop a }
    }"""
    result = run(parse(text), plain_chip(1, **{"core.sram.bandwidth": "4 B/cycle"}))
    assert bits(result, "dram", "read") == TILE * 8
    assert bits(result, "sram", "write") == 2 * TILE * 8
    assert result.ticks == LAUNCH + WAY + 2 * TILE // 4


def test_rows_are_gathered_from_a_cores_own_tensor() -> None:
    text = """
    program p cores 1
    tensor W sram fp32 [64, 16]
    tensor I dram int32 [16]
    kernel k blocks (b 1) {
      ring i sram int32 [16]
      ring a sram fp32 [16, 16]
      queue load { load i <- I[0] gather a <- W[0 : 64, 0 : 16] by i pop i }
      queue use { pop a }
    }"""
    result = run(parse(text), plain_chip())
    assert bits(result, "sram", "read") == 8 * (TILE + 64)
    assert bits(result, "sram", "write") == 8 * (TILE + 64)
    assert result.ticks == LAUNCH + WAY + 64 // 8 + DMA


def test_operands_in_a_slow_register_file_hold_a_unit_back() -> None:
    text = """
    program p
    kernel k blocks (b 1) {
      ring a reg fp32 [16, 16]
      ring s sram fp32 [16, 16]
      queue q { fill a 1 fill s 1 loop i 10 { a = add(s, a) } }
    }"""
    chip = plain_chip(1, **{"core.reg.bandwidth": "32 B/cycle", "core.sram.bandwidth": "64 B/cycle"})
    # fill a: 1,024 bytes at 32; fill s: at 64, as the unit; each sum reads and writes 2,048 bytes of registers, and
    # its latency of 2 passes before the next one reads it
    assert run(parse(text), chip).ticks == LAUNCH + 32 + 16 + 2 + 10 * 64 + 9 * 2
    busiest = run(parse(text), chip).bounds.set_index("bound").loc["busiest register port", "time_s"]
    assert busiest == pytest.approx(672e-9)


def test_a_source_slot_is_free_when_its_last_byte_has_passed_the_port() -> None:
    text = """
    program p
    kernel k blocks (b 1) {
      ring a reg fp32 [16, 16]
      ring s sram fp32 [16, 16] depth 2
      queue make { loop i 2 { fill a 1 push a } }
      queue copy { loop i 2 { copy s <- a pop a } }
      queue use { loop i 2 { pop s } }
    }"""
    chip = plain_chip(1, **{"core.reg.bandwidth": "4 B/cycle", "core.sram.bandwidth": "2 B/cycle"})
    read, write = TILE // 4, TILE // 2
    first = LAUNCH + read + 2 + DMA + read  # filled through the port, and read out of it
    assert run(parse(text), chip).ticks == first + read + 2 + DMA + write
