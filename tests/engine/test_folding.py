"""Folding: what repeats is not simulated again, and the result is the one of the run that skips nothing."""

from __future__ import annotations

from typing import Any

import pytest

from memsim.engine.compile_plan import make_plan
from memsim.engine.difference import first_difference
from memsim.engine.fast import simulation
from memsim.engine.fast.engine import FastEngine
from memsim.engine.result import Result
from memsim.engine.simulate import simulate
from memsim.hierarchy import Chip
from memsim.isa import Program, parse
from tests.engine.machines import plain_chip

LOADS = """
program loads
tensor X dram fp32 [{rows}, 16]
kernel k blocks (b 2) {{
  ring a sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16]
  queue load {{ loop i {trips} {{ load a <- X[{start}, 0] }} }}
  queue use {{ loop i {trips} {{ mma c = a a  pop a  push c }} }}
  queue drain {{ loop i {trips} {{ pop c }} }}
}}
"""
LAYER = """
kernel layer{n} blocks (b 2) {{
  ring a sram fp32 [16, 16] depth 2
  ring w sram fp32 [16, 16]
  ring c reg fp32 [16, 16]
  queue load {{ load w <- W{n}[b*16, 0]  load a <- X{n}[b*16, 0] }}
  queue use {{ mma c = a w  push c  pop a  pop w }}
  queue store {{ store X{next}[b*16, 0] <- c  pop c }}
}}
"""
PART = {
    "dram.part": "ddr4_3200",
    "dram.channels": 2,
    "dram.bandwidth": "51.2 GB/s",
    "dram.interleave": "256 B",
    "dram.channel_map": "hashed",
}
CACHE = {"capacity": "8 KiB", "slices": 2, "bandwidth": "32 B/cycle", "latency": "3 cycles", "interleave": "64 B"}


def loads(trips: int, *, start: str = "0", rows: int = 16) -> Program:
    return parse(LOADS.format(trips=trips, start=start, rows=rows))


def partitioned(capacity: str = "8 KiB") -> dict[str, Any]:
    """The cache in two partitions; their cores are those nearest to each port."""
    places = [["0 mm", "0 mm"], ["2 mm", "0 mm"]]
    return {**CACHE, "capacity": capacity, "at": places, "partitions": 2, "partition_latency": "9 cycles"}


def layers(count: int) -> Program:
    tensors = [f"tensor {name}{n} dram fp32 [32, 16]" for n in range(count) for name in "XW"]
    kernels = [LAYER.format(n=n, next=n + 1) for n in range(count)]
    return parse("\n".join(["program layers", *tensors, f"tensor X{count} dram fp32 [32, 16]", *kernels]))


def simulated(program: Program, chip: Chip) -> tuple[Result, int]:
    """The folded result, and how many instructions were simulated for it."""
    done: list[int] = []
    tally = simulation.Simulation._tally

    def counting(self: Any) -> Any:
        done.append(int(self.m[simulation.w.EXECUTED]))
        return tally(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation.Simulation, "_tally", counting)
        return simulate(program, chip), sum(done)


def check_equal(program: Program, chip: Chip) -> None:
    difference = first_difference(simulate(program, chip), simulate(program, chip, fold=False))
    assert difference is None, difference


def test_a_long_loop_costs_what_a_short_one_does() -> None:
    (_, few), (_, more), (endless, most) = (simulated(loads(n), plain_chip(2)) for n in (10_000, 20_000, 10**12))
    assert few == more == most < 1000
    assert sum(e.count for e in endless.executions.itertuples()) == 2 * 5 * 10**12


def test_its_time_is_that_of_the_short_ones_continued() -> None:
    a, b = (simulate(loads(n), plain_chip(2), fold=False).ticks for n in (1000, 2000))
    assert simulate(loads(10**12), plain_chip(2)).ticks == a + (b - a) // 1000 * (10**12 - 1000)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dram.channels": 4},
        {"cache": CACHE},
        {"cache": {**CACHE, "write_back": False}, "dram.channels": 2},
        {"cache": partitioned()},
        PART,
        {**PART, "dram.channel_map": "linear"},
        {**PART, "cache": CACHE},
        {**PART, "cache": partitioned()},
    ],
    ids=["one channel", "channels", "a cache", "write-through", "partitions", "part", "linear", "cache", "all"],
)
@pytest.mark.parametrize(("start", "rows"), [("0", 16), ("i*16", 16 * 2000), ("i%3*16", 48), ("i*16 + 8", 16 * 2000)])
def test_folded_loops_equal_unfolded_ones(changes: dict[str, Any], start: str, rows: int) -> None:
    check_equal(loads(1990, start=start, rows=rows), plain_chip(2, **changes))


def test_a_stream_through_a_cache_is_folded() -> None:
    chip = plain_chip(2, cache={**CACHE, "slices": 1})
    _, done = simulated(loads(1990, start="i*16", rows=16 * 2000), chip)
    assert done < 1990


@pytest.mark.parametrize("channel_map", ["hashed", "linear"])
@pytest.mark.parametrize("cached", [False, True])
def test_a_long_loop_on_a_part_is_folded_and_exact(channel_map: str, cached: bool) -> None:
    """A stream comes back to the same banks and places of the address map after some thousand tiles."""
    changes = {**PART, "dram.channel_map": channel_map, **({"cache": partitioned()} if cached else {})}
    chip = plain_chip(2, **changes)
    still = simulated(loads(10**9), chip)
    assert still[1] < 2000
    streams = {n: loads(n, start="i*16", rows=16 * n) for n in (30_000, 60_000, 10**6)}
    results = {n: simulated(program, chip) for n, program in streams.items()}
    assert results[10**6][1] < 1.01 * results[60_000][1] < 200_000
    check_equal(streams[30_000], chip)
    assert results[30_000][1] < 30_000 * 2 * 5
    opened = {n: sum(c[2] for c in r.run.kernels[0].tally.by_tensor.values()) for n, (r, _) in results.items()}
    a_tile = (opened[60_000] - opened[30_000]) / 30_000
    assert opened[10**6] == pytest.approx(opened[30_000] + a_tile * (10**6 - 30_000), rel=1e-3)
    assert 0.5 < a_tile < 5


def test_totals_beyond_64_bits_are_exact() -> None:
    text = LOADS.format(rows=16, trips="{trips}", start="0").replace(
        "loop i {trips} {", "loop o {outer} { loop i {trips} {"
    )
    text = text.replace("} }\n", "} } }\n")
    small, large = (
        parse(text.replace("{trips}", str(n)).replace("{outer}", str(m))) for n, m in ((40, 30), (10**9, 10**12))
    )
    check_equal(small, plain_chip(2))
    result, done = simulated(large, plain_chip(2))
    assert result.ticks > 2**63 and done < 10_000
    counts = {row.op: row.count for row in result.executions.itertuples()}
    assert counts["mma"] == 2 * 10**21
    assert result.macs == {"fp32": 2 * 10**21 * 16**3}


def test_layers_with_tensors_of_their_own_are_simulated_once_or_twice() -> None:
    chip = plain_chip(2, cache=CACHE)
    check_equal(layers(12), chip)
    engine = FastEngine(make_plan(layers(80), chip))
    run = engine.run()
    begun = [kernel.begin for kernel in run.kernels]
    assert len(run.kernels) == 80 and begun == sorted(begun)
    assert engine.context.skipped > run.ticks * 0.8
    assert len({id(kernel.tally.executions) for kernel in run.kernels}) < 10


@pytest.mark.parametrize("channel_map", ["hashed", "linear"])
def test_layers_on_a_part_are_simulated_once_or_twice(channel_map: str) -> None:
    """Each layer's tensors have rows of their own; the banks that they lie in are alike."""
    chip = plain_chip(2, **{**PART, "dram.channel_map": channel_map}, cache=partitioned())
    check_equal(layers(12), chip)
    check_equal(layers(12), plain_chip(2, **{**PART, "dram.channel_map": channel_map}))
    engine = FastEngine(make_plan(layers(80), chip))
    run = engine.run()
    assert engine.context.skipped > run.ticks * 0.8
    opened = [sum(counts[2] for counts in kernel.tally.by_tensor.values()) for kernel in run.kernels]
    assert len(opened) == 80 and min(opened) > 0


def test_cores_that_share_nothing_are_simulated_once() -> None:
    text = """
    program own
    cores {cores}
    tensor A sram fp32 [64, 16]
    kernel k blocks (b {blocks}) {{
      ring a sram fp32 [16, 16] depth 2
      ring c reg fp32 [16, 16]
      queue load {{ loop i 9 {{ load a <- A[i*8, 0] clip }} }}
      queue use {{ loop i 9 {{ mma c = a a  pop a  push c }} }}
      queue store {{ loop i 9 {{ pop c }} }}
    }}"""
    for blocks in (4, 12, 7, 3):
        check_equal(parse(text.format(cores=4, blocks=blocks)), plain_chip(4))
    (_, one), (_, four) = (simulated(parse(text.format(cores=n, blocks=n)), plain_chip(n)) for n in (1, 4))
    assert four == 4 * one  # what is told counts every core; what is simulated is core 0


IDLE_STORE = """
program waits
tensor A dram fp32 [16, 16]
tensor C dram fp32 [16, 16]
kernel k blocks (b 1) {{
  ring a sram fp32 [16, 16] depth 2
  ring c sram fp32 [16, 16]
  queue load {{ loop i {outer} {{ loop k {inner} {{ load a <- A[0, 0] }} }} }}
  queue use {{ fill c 0 loop i {outer} {{ loop k {inner} {{ c = add(c, a) pop a }} }} push c }}
  queue store {{ store C[0, 0] <- c pop c }}
}}
"""


@pytest.mark.parametrize(("outer", "inner"), [(1, 2**58), (80, 10**15), (10**12, 10**9)])
def test_a_queue_that_waits_all_the_time_is_told_exactly(outer: int, inner: int) -> None:
    chip = plain_chip(1)
    short, long = (simulate(parse(IDLE_STORE.format(outer=i, inner=k)), chip) for i, k in ((1, 50), (outer, inner)))
    waits = [result.ticks - result.run.stalls["store", "waiting for data in c"] for result in (short, long)]
    assert waits[0] == waits[1]


def test_loops_in_which_nothing_is_executed_take_no_steps() -> None:
    program = parse(IDLE_STORE.format(outer=10**12, inner=0))
    assert (
        simulate(program, plain_chip(1)).ticks
        == simulate(parse(IDLE_STORE.format(outer=1, inner=0)), plain_chip(1)).ticks
    )
