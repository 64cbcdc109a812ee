"""What folding asks of a loop, by brute force: after how many iterations it does the same, and how long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.engine.compile_plan import make_plan
from memsim.engine.dram import region_bytes
from memsim.engine.fast.program import Flattener, LoopText
from memsim.engine.fast.strides import Move, Stride, stride_of, whole_periods
from memsim.engine.hardware import Hardware
from memsim.engine.layout import TensorLayout
from memsim.engine.memory import DRAM, read
from memsim.engine.plan import Access
from memsim.engine.servers import scatter
from memsim.hierarchy.dram_parts import dram_part
from memsim.isa import parse
from memsim.isa.closures import compile_expression
from memsim.isa.expr import Expr, var
from memsim.isa.model import Region, Tensor
from tests.engine.machines import plain_chip
from tests.isa.expressions import exprs

TEXT = """
program p
tensor X dram fp32 [65536, 16]
tensor I dram int32 [16]
kernel k blocks (b 2) {{
  ring a sram fp32 [16, 16]
  ring n sram int32 [16]
  queue load {{ load n <- I[0] loop i 100 {{ {body} }} pop n }}
  queue use {{ loop i 100 {{ {uses} }} }}
}}"""


def stride(body: str, channels: int = 1, uses: str = "pop a", **changes: Any) -> Stride | None:
    """The stride of the loading loop."""
    plan = make_plan(parse(TEXT.format(body=body, uses=uses)), plain_chip(2, **{"dram.channels": channels}, **changes))
    loops = Flattener(plan.kernels[0]).flatten().loops
    return stride_of(next(iter(loops.values())), Hardware(plan))


def iterations(body: str, channels: int = 1, **changes: Any) -> int | None:
    found = stride(body, channels, **changes)
    return found and found.iterations


# ---- examples: segments are of 16 rows, where the text does not say otherwise ----


def test_an_address_that_stands_still_is_the_same_after_one_iteration() -> None:
    found = stride("load a <- X[b*16, 0]", 16)
    assert found is not None
    assert found.iterations == 1
    assert [(move.starts, move.segments) for move in found.moves] == [((0, 0), 0)]


def test_with_one_bank_segments_are_all_alike() -> None:
    found = stride("load a <- X[i*16, 0]")
    assert found is not None
    assert found.iterations == 1
    assert [(move.starts, move.segments) for move in found.moves] == [((16, 0), 1)]


@pytest.mark.parametrize(("channels", "page"), [(2, 32), (4, 64), (12, 256), (16, 256)])
def test_with_several_banks_whole_pages_of_the_address_map_are_alike(channels: int, page: int) -> None:
    by = [iterations(f"load a <- X[i*{16 * segments}, 0]", channels) for segments in (1, 2, 3)]
    assert by == [page, page // 2, page]
    once = [scatter(i, channels) for i in range(page)]
    assert [scatter(page + i, channels) for i in range(4 * page)] == 4 * once


def test_a_cache_has_an_address_map_of_its_own() -> None:
    cache = {"capacity": "1 MiB", "bandwidth": "64 B/cycle", "slices": 16, "interleave": "64 B", "latency": "4 cycles"}
    assert iterations("load a <- X[i*16, 0]", 2, cache=cache) == iterations("load a <- X[i*16, 0]", 16)


@pytest.mark.parametrize("channel_map", ["hashed", "linear"])
@pytest.mark.parametrize(("part", "channels"), [("ddr4_3200", 2), ("hbm3_6400", 6)])
@pytest.mark.parametrize("step", [16, 48])
def test_after_a_stride_a_part_serves_the_same_in_the_next_rows(
    part: str, channels: int, channel_map: str, step: int
) -> None:
    peak = f"{float(channels * dram_part(part).peak_bandwidth / 10**9)} GB/s"
    chip = {"dram.part": part, "dram.bandwidth": peak, "dram.channel_map": channel_map, "dram.interleave": "256 B"}
    text = TEXT.replace("65536", str(1 << 22)).format(body=f"load a <- X[i*{step}, 0]", uses="pop a")
    plan = make_plan(parse(text), plain_chip(2, **{"dram.channels": channels}, **chip))
    hardware = Hardware(plan)
    found = stride_of(next(iter(Flattener(plan.kernels[0]).flatten().loops.values())), hardware)
    assert found is not None
    (move,) = found.moves
    assert move.bytes == found.iterations * step * 64 and move.segments == found.iterations * step // 16
    regions = move.bytes // region_bytes(hardware.memories["dram"])
    for segment in (0, 1, 7, 1000):
        memories = []
        for at in (segment, segment + move.segments):
            memory = hardware.empty_memory()
            read(memory, DRAM, 0, np.array([at, 1024, 1], dtype=np.int64), 0, 1, 0)
            memories.append(memory)
        first, later = memories
        assert first.busy.tolist() == later.busy.tolist() and first.counts.tolist() == later.counts.tolist()
        used = first.open_rows > 0
        assert used.any() and (later.open_rows == first.open_rows + regions * used).all()


def test_a_step_of_half_a_segment_counts_in_pairs() -> None:
    found = stride("load a <- X[i*4, 0]")  # four rows are 256 bytes: segments are made of eight
    assert found is not None
    assert found.iterations == 2
    assert [(move.starts, move.segments) for move in found.moves] == [((8, 0), 1)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("load a <- X[min(i, 50)*16, 0]", None),
        ("load a <- X[max(i, 50)*16, 0]", None),
        ("load a <- X[min(i, 200)*16, 0]", 1),  # never more than 99
        ("load a <- X[i//4*16, 0]", 4),
        ("load a <- X[i%4*16, 0]", 4),
        ("load a <- X[i//4*16 + i%6*16, 0]", 12),
        ("load a <- X[(i + b)//4*16, 0]", 4),
        ("loop j 3 { load a <- X[i*16 + j*16, 0] }", 1),
        ("loop j i + 1 { load a <- X[0, 0] }", None),
        ("loop j i%3 + 1 { load a <- X[0, 0] }", 3),
        ("loop j 5 { load a <- X[min(i, j)*16, 0] }", None),
        ("gather a <- X[0 : 64, 0 : 16] by n", None),
    ],
)
def test_periods(body: str, expected: int | None) -> None:
    loop = body.split("{")[0]
    uses = f"{loop}{{ pop a }}" if loop.startswith("loop") else "pop a"
    assert iterations(body, uses=uses) == expected


def test_a_send_to_other_blocks_each_time_is_none() -> None:
    text = """
    program p
    kernel k cooperative blocks (b 2) {
      ring s sram fp32 [16, 16]
      ring r sram fp32 [16, 16] depth 2
      queue make { loop i 10 { fill s 1 push s } }
      queue send { loop i 10 { send r to (i % 2) <- s pop s } }
      queue use { loop i 10 { pop r } }
    }"""
    plan = make_plan(parse(text), plain_chip(2))
    hardware = Hardware(plan)
    loops = Flattener(plan.kernels[0]).flatten().loops.values()
    found = [stride_of(loop, hardware) for loop in loops]
    assert [s and s.iterations for s in found] == [1, 2, 1]


# ---- any expression ----

X, Y = var("x"), var("y")
EXTENT = 10**9
LAST = 500
LAYOUT = TensorLayout(Tensor("t", "dram", "fp16", (EXTENT, EXTENT)), 0, (6, 4), (1000, 1))
PLAN = make_plan(parse(TEXT.format(body="load a <- X[0, 0]", uses="pop a")), plain_chip(2, **{"dram.channels": 4}))
RANGES = {"x": (0, LAST), "y": (0, 3), "z": (2, 2)}
"""The loop's counter, that of one inside, and a coordinate."""


def access_of(region: Region, layout: TensorLayout | None = LAYOUT, extent: int = EXTENT) -> Access:
    starts = tuple(compile_expression(e) for e in region.starts)
    return Access("dram", "t", layout, starts, region.sizes, region.steps, (extent,) * len(starts), 2)


def pieces_at(region: Region, **env: int) -> list[tuple[int, int]]:
    return LAYOUT.pieces([e.evaluate(env) for e in region.starts], region.sizes, region.steps)


@given(exprs, exprs, st.integers(1, 9), st.integers(1, 3))
def test_after_a_stride_pieces_have_moved_by_what_it_says(rows: Expr, columns: Expr, size: int, step: int) -> None:
    region = Region("t", (rows * 6, columns), (size, 1), (step, 1))
    found = stride_of(LoopText("x", RANGES, [], [(0, access_of(region), region)]), Hardware(PLAN))
    if found is None:
        return  # that it is found where it should be is said by the examples
    (move,) = found.moves
    for x in range(0, LAST + 1, 37):
        for y in range(4):
            starts = [
                [e.evaluate({"x": at, "y": y, "z": 2}) for e in region.starts] for at in (x, x + found.iterations)
            ]
            before, after = (LAYOUT.pieces(at, region.sizes, region.steps) for at in starts)
            inside = all(start >= 0 for at in starts for start in at)
            if x + found.iterations <= LAST and inside:  # beyond, `min` and `max` may be others; before 0 it is cut
                assert after == [(segment + move.segments, *amounts) for segment, *amounts in before]
    assert [scatter(i + move.segments, 4) for i in range(99)] == [scatter(i, 4) for i in range(99)]


@given(
    exprs,
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(-30, 300),
    st.integers(0, 5),
    st.integers(1, 4),
    st.booleans(),
)
def test_no_more_periods_than_until_a_tile_is_cut(
    start: Expr, size: int, step: int, extent: int, first: int, advance: int, clip: bool
) -> None:
    region = Region("t", (start,), (size,), (step,), clip)
    move = Move(0, access_of(region, None, extent), region, (1,), 0, 0)
    most = 12
    found = whole_periods(move, RANGES, "x", first, advance, most)

    def cut(x: int) -> bool:
        starts = [start.evaluate({"x": x, "y": y, "z": 2}) for y in range(4)]
        return any(at + (size - 1) * step >= extent or (clip and at < 0) for at in starts)

    assert 0 <= found <= most
    if found:
        assert not any(cut(x) for x in range(first, first + (found + 1) * advance + 1))


@given(
    st.integers(-5, 5),
    st.integers(-9, 9),
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(0, 300),
    st.integers(0, 5),
    st.integers(1, 4),
    st.integers(0, 99),
    st.booleans(),
)
def test_where_addresses_are_linear_they_are_as_many_as_there_are(
    factor: int, inner: int, size: int, step: int, extent: int, first: int, advance: int, most: int, clip: bool
) -> None:
    start = X * factor + Y * inner + 20
    region = Region("t", (start,), (size,), (step,), clip)
    move = Move(0, access_of(region, None, extent), region, (factor or 1,), 0, 0)
    whole = [
        all(
            start.evaluate({"x": x, "y": y}) + (size - 1) * step < extent
            and (start.evaluate({"x": x, "y": y}) >= 0 or not clip)
            for x in range(first, first + (times + 1) * advance + 1)
            for y in range(4)
        )
        for times in range(most + 1)
    ]
    expected = max((times for times, inside in enumerate(whole) if inside), default=0)
    assert whole_periods(move, RANGES, "x", first, advance, most) == expected


def test_what_stands_still_is_cut_as_it_always_was() -> None:
    region = Region("t", (X * 0 + 100,), (9,), (1,))
    move = Move(0, access_of(region, None, 104), region, (0,), 0, 0)
    assert whole_periods(move, RANGES, "x", 0, 1, 1 << 50) == 1 << 50
