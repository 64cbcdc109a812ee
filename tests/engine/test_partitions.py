"""A cache in partitions: what is near, what is at home in another, and what goes between, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from memsim.engine import simulate
from memsim.engine.compile_plan import make_plan
from memsim.engine.difference import first_difference
from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.isa import parse
from tests.engine.machines import DMA, DRAM, HOP, LAUNCH, plain_chip, run
from tests.engine.memories import spread

TILE = 16 * 16 * 4
CACHE, BETWEEN = 11, 20
"""Latencies in ticks: of the cache, and of the way from one partition to the other."""
WAY = DMA + 2 * HOP + CACHE
DRAM_TICKS, LINK_TICKS, WAY_TICKS = TILE // 8, TILE // 16, TILE // 8
PLACES = [["0 mm", "0 mm"], ["9 mm", "0 mm"]]
"""Of the ports of two partitions: core 0 is near the first."""

LOADS = """
program loads
tensor X dram fp32 [16, 16]
kernel k blocks (b 1) {{
  ring a sram fp32 [16, 16]
  queue load {{ loop i {times} {{ load a <- X[0, 0] }} }}
  queue use {{ loop i {times} {{ pop a }} }}
}}"""
STORED = """
program stored
tensor X dram fp32 [16, 16]
kernel store blocks (b 1) {
  ring a sram fp32 [16, 16]
  queue make { fill a 1 push a }
  queue store { store X[0, 0] <- a pop a }
}
kernel load blocks (b 1) {
  ring a sram fp32 [16, 16]
  queue load { load a <- X[0, 0] }
  queue use { pop a }
}"""
PRODUCT = """
program product
tensor A dram fp32 [64, 64]
tensor B dram fp32 [64, 64]
tensor C dram fp32 [64, 64]
kernel k blocks (i 4, j 4) {
  ring a sram fp32 [16, 16] depth 2
  ring b sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16]
  ring out sram fp32 [16, 16]
  queue load { loop k 4 { load a <- A[i*16, k*16] load b <- B[k*16, j*16] } }
  queue use { fill c 0 loop k 4 { mma c += a b pop a pop b } out = add(c, 0) push out }
  queue store { store C[i*16, j*16] <- out pop out }
}"""


def split(*, near: bool | None = None, cores: int = 1, partitions: int = 2, **changes: Any) -> Chip:
    """A chip of two partitions; the only tensor's first segment is at home near core 0, or not."""
    home_is_first = spread(0, 2) == 0
    cache = {
        "capacity": "64 KiB",
        "slices": 2,
        "bandwidth": "64 B/cycle",
        "latency": f"{CACHE} cycles",
        "interleave": "64 B",
        "at": PLACES if near is None or near == home_is_first else PLACES[::-1],
        "partitions": partitions,
        "partition_latency": f"{BETWEEN} cycles",
        "partition_bandwidth": "8 B/cycle",
    }
    chip = plain_chip(cores, cache=cache)
    return chip.replace(changes) if changes else chip


def loads(times: int, *, near: bool, **changes: Any) -> Result:
    return run(parse(LOADS.format(times=times)), split(near=near, **changes))


def bits(result: Result, part: str, access: str, operation: str) -> int:
    keys = result.energy.counts.items()
    return sum(n for key, n in keys if (key.part, key.access, key.operation) == (part, access, operation))


def test_a_far_miss_crosses_to_the_home_and_back() -> None:
    near, far = loads(1, near=True), loads(1, near=False)
    assert near.ticks == LAUNCH + WAY + DRAM + DRAM_TICKS
    assert far.ticks == near.ticks + 2 * BETWEEN  # the way between moves as fast as the DRAM sends
    slow = loads(1, near=False, **{"cache.partition_bandwidth": "2 B/cycle"})
    assert slow.ticks == LAUNCH + WAY + DRAM + 2 * BETWEEN + TILE // 2
    for result, copied in ((near, 0), (far, TILE), (slow, TILE)):
        assert bits(result, "dram", "read", "load") == 8 * TILE
        assert bits(result, "cache", "read", "copy") == bits(result, "cache", "write", "copy") == 8 * copied


def test_what_has_been_fetched_from_afar_is_near_the_next_time() -> None:
    for near in (True, False):
        one, two = loads(1, near=near), loads(2, near=near)
        assert two.ticks - one.ticks == WAY + LINK_TICKS  # the link is slower than a slice
        assert bits(two, "cache", "read", "copy") == bits(one, "cache", "read", "copy")
        assert bits(two, "dram", "read", "load") == 8 * TILE


def test_a_near_hit_is_sooner_than_a_far_one() -> None:
    program = parse(STORED)
    near, far = (run(program, split(near=side)) for side in (True, False))
    assert far.ticks - near.ticks == 2 * BETWEEN + WAY_TICKS - LINK_TICKS
    fast = run(program, split(near=False, **{"cache.partition_bandwidth": "1024 B/cycle"}))
    assert fast.ticks - near.ticks == 2 * BETWEEN
    stored, loaded = near.run.kernels
    assert loaded.end - loaded.begin == LAUNCH + WAY + LINK_TICKS
    for result in (near, far, fast):
        assert bits(result, "dram", "read", "load") == 0
        assert sum(result.run.final_write_back.values()) == TILE
        assert result.run.kernels[0].end - result.run.kernels[0].begin == stored.end - stored.begin


def test_a_store_drops_the_copies() -> None:
    text = """
    program again
    tensor X dram fp32 [16, 16]
    kernel first blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- X[0, 0] }
      queue store { store X[0, 0] <- a pop a }
    }
    kernel second blocks (b 1) {
      ring a sram fp32 [16, 16]
      queue load { load a <- X[0, 0] }
      queue use { pop a }
    }"""
    far, near = (run(parse(text), split(near=side)) for side in (False, True))
    assert bits(far, "cache", "read", "copy") == 2 * 8 * TILE
    assert bits(near, "cache", "read", "copy") == 0
    assert bits(far, "dram", "read", "load") == bits(near, "dram", "read", "load") == 8 * TILE
    (one, two) = (kernel.tally.by_tensor for kernel in far.run.kernels)
    assert one == two  # the copy of the first kernel is gone


def test_copies_pass_the_wires_between_the_ports() -> None:
    far = loads(1, near=False)
    assert far.chip.partition_mm == 9.0
    wires = {key.mm: n for key, n in far.energy.counts.items() if key.part == "wires" and key.operation == "copy"}
    assert wires == {9.0: 8 * TILE}


@pytest.mark.parametrize("engine", ["fast", "simpy"])
def test_without_latency_and_with_room_partitions_fetch_what_one_cache_does(engine: str) -> None:
    ideal = {"partition_latency": "0 cycles", "partition_bandwidth": "1000000 B/cycle", "capacity": "1 MiB"}
    changes = {f"cache.{key}": value for key, value in ideal.items()}
    one, two = (
        simulate(
            parse(PRODUCT),
            split(cores=4, partitions=n, **changes),
            engine=engine,
        )  # type: ignore[arg-type]
        for n in (1, 2)
    )
    fetched = [bits(result, "dram", "read", "load") for result in (one, two)]
    assert fetched == [2 * 64 * 64 * 32] * 2
    assert sum(one.run.final_write_back.values()) == sum(two.run.final_write_back.values()) == 64 * 64 * 4
    assert bits(one, "cache", "read", "copy") == 0 < bits(two, "cache", "read", "copy") <= fetched[1]
    assert bits(two, "cache", "read", "load") == bits(one, "cache", "read", "load")


def test_each_partition_has_its_share_of_the_capacity() -> None:
    program = parse(PRODUCT)
    whole, halves = (simulate(program, split(cores=4, partitions=n, **{"cache.capacity": "34 KiB"})) for n in (1, 2))
    assert bits(whole, "dram", "read", "load") == 2 * 64 * 64 * 32  # all but the products fit
    assert bits(halves, "dram", "read", "load") > 2 * 64 * 64 * 32  # copies take the place of what others need


def test_cores_ask_the_partition_that_is_the_nearest() -> None:
    chip = split(cores=4).replace({"cache.at": [["1 mm", "0 mm"], ["3 mm", "0 mm"]], "core.grid": [4, 1]})
    hardware = simulate(parse(PRODUCT), chip).hardware
    assert [hardware.first_port("dram", core) for core in range(4)] == [0, 0, 1, 1]
    assert hardware.ports_of("dram") == 2 and hardware.near_ports("dram") == 1
    assert len(make_plan(parse(PRODUCT), chip).layouts) == 3
    fast, simpy = (simulate(parse(PRODUCT), chip, engine=engine) for engine in ("fast", "simpy"))  # type: ignore[arg-type]
    assert first_difference(fast, simpy) is None
