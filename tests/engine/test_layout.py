"""Segments: what a transfer touches, against counting element by element."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from memsim.engine.layout import TensorLayout, lay_out, segment_count
from memsim.isa import ProgramBuilder
from memsim.isa.model import Tensor


@st.composite
def boxes(draw: st.DrawFn) -> tuple[TensorLayout, list[int], list[int], list[int]]:
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, 12)) for _ in range(rank))
    segment = tuple(draw(st.integers(1, n)) for n in shape)
    grid = [-(-n // s) for n, s in zip(shape, segment, strict=True)]
    strides = []
    for d in range(rank):
        stride = 1
        for n in grid[d + 1 :]:
            stride *= n
        strides.append(stride)
    layout = TensorLayout(Tensor("t", "dram", "fp16", shape), 7, segment, tuple(strides))
    starts = [draw(st.integers(0, n + 2)) for n in shape]
    sizes = [draw(st.integers(1, 6)) for _ in shape]
    steps = [draw(st.integers(1, 3)) for _ in shape]
    return layout, starts, sizes, steps


@given(boxes())
def test_pieces_are_the_bytes_of_each_segment_and_their_contiguous_runs(
    box: tuple[TensorLayout, list[int], list[int], list[int]],
) -> None:
    layout, starts, sizes, steps = box
    addresses: dict[int, list[int]] = {}
    axes = [[s + i * step for i in range(n)] for s, n, step in zip(starts, sizes, steps, strict=True)]
    for point in itertools.product(*axes):
        if all(p < n for p, n in zip(point, layout.tensor.shape, strict=True)):
            coordinates = zip(point, layout.segment_shape, layout.strides, strict=True)
            number = 7 + sum(p // s * stride for p, s, stride in coordinates)
            addresses.setdefault(number, []).append(address_of(point, layout.tensor.shape))
    expected = {number: (2 * len(found), len(begins_of_runs(found))) for number, found in addresses.items()}
    pieces = layout.pieces(starts, sizes, steps)
    assert {number: (size, runs) for number, size, runs in pieces} == expected
    assert len(pieces) == len(expected)


def address_of(point: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """Where an element lies in a row-major tensor, in elements."""
    address = 0
    for index, extent in zip(point, shape, strict=True):
        address = address * extent + index
    return address


def begins_of_runs(addresses: Iterable[int]) -> list[int]:
    """Where stretches of neighbouring elements begin, each as long as can be."""
    taken = set(addresses)
    return sorted(address for address in taken if address - 1 not in taken)


@given(boxes())
def test_the_pitch_of_a_segment_is_that_of_its_addresses(
    box: tuple[TensorLayout, list[int], list[int], list[int]],
) -> None:
    layout, *_ = box
    points = itertools.product(*(range(n) for n in layout.segment_shape))
    begins = begins_of_runs(address_of(point, layout.tensor.shape) for point in points)
    runs, pitch = layout.pitch
    assert runs == len(begins)
    if runs > 1:
        assert 2 * min(b - a for a, b in itertools.pairwise(begins)) == pitch


def test_aligned_tiles_are_whole_segments() -> None:
    p = ProgramBuilder("two")
    a = p.tensor("A", "bf16", (512, 512))
    with p.kernel("k", grid={"y": 4}) as k:
        (y,) = k.coordinates
        big = k.ring("big", "sram", "bf16", (128, 64))
        small = k.ring("small", "sram", "bf16", (64, 64))
        with k.queue("load"), k.loop("i", 8) as i:
            big.load(a[y * 128, i * 64])
            small.load(a[y * 128 + 64, i * 64])
        with k.queue("use"), k.loop("i", 8):
            big.pop()
            small.pop()
    layouts = lay_out(p.build(verify=False))
    assert layouts["A"].segment_shape == (64, 64)
    assert segment_count(layouts) == 64


def test_tiles_that_start_between_their_own_multiples_make_smaller_segments() -> None:
    p = ProgramBuilder("shifted")
    a = p.tensor("A", "bf16", (520, 512))
    with p.kernel("k", grid={"y": 4}) as k:
        (y,) = k.coordinates
        tile = k.ring("tile", "sram", "bf16", (128, 64))
        with k.queue("load"), k.loop("i", 8) as i:
            tile.load(a[y * 128 + 8, i * 64])
        with k.queue("use"), k.loop("i", 8):
            tile.pop()
    assert lay_out(p.build(verify=False))["A"].segment_shape == (8, 64)
