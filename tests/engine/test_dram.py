"""Channels of a DRAM part: bursts, rows, directions and maps, against real addresses and what parts can do."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from memsim.engine import dram, dram_rows
from memsim.engine.compile_plan import make_plan
from memsim.engine.dram import NODES, SCALE, TABLE_WORDS, TABLES, TOGETHER, serve_channels
from memsim.engine.hardware import Hardware
from memsim.engine.layout import TensorLayout
from memsim.engine.simulate import simulate
from memsim.errors import ChipError
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import DramPart, dram_part
from memsim.isa import parse
from memsim.isa.model import Tensor
from tests.engine.machines import plain_chip

NOTHING = (
    "program p\ntensor X dram fp32 [16]\nkernel k blocks (b 1) { ring a sram fp32 [16] queue q { fill a 1 push a } }"
)
PARTS = ("ddr4_3200", "hbm3_6400", "gddr6_16000", "lpddr4x_4266")
"""Grains of 4 bursts dealt to 4 and 8 banks, and whole rows one after another."""


def part_chip(name: str, channels: int, chunk: int = 256, channel_map: str = "hashed", ports: int = 1) -> Chip:
    """A plain chip with channels of a part."""
    values = {
        "dram.part": name,
        "dram.channels": channels,
        "dram.bandwidth": f"{float(dram_part(name).peak_bandwidth * channels / 10**9)} GB/s",
        "dram.interleave": f"{chunk} B",
        "dram.channel_map": channel_map,
        "dram.at": [["0 mm", f"{i} mm"] for i in range(ports)],
    }
    return plain_chip(1, **values)


@cache
def hardware_of(*of_chip: Any) -> Hardware:
    """What the engines make of a chip with a part."""
    return Hardware(make_plan(parse(NOTHING), part_chip(*of_chip)))


def words_of(*of_chip: Any) -> np.ndarray[Any, Any]:
    """The DRAM's row of parameters."""
    return np.array(hardware_of(*of_chip).memories["dram"], dtype=np.int64)


def tensor(shape: tuple[int, ...], segment: tuple[int, ...], base: int = 0, dtype: str = "fp16") -> TensorLayout:
    """A tensor cut into segments, row-major."""
    grid = [-(-n // s) for n, s in zip(shape, segment, strict=True)]
    strides = tuple(math.prod(grid[d + 1 :]) for d in range(len(grid)))
    return TensorLayout(Tensor("t", "dram", dtype, shape), base, segment, strides)


def address_of(layout: TensorLayout, segment: int) -> int:
    """Where a segment, counted from the tensor's first, begins, in bytes from the tensor's first."""
    address, rest = 0, segment
    for axis, stride in enumerate(layout.strides):
        index, rest = divmod(rest, stride)
        first = index * layout.segment_shape[axis]
        address += first * math.prod(layout.tensor.shape[axis + 1 :]) * layout.tensor.type.bytes
    return address


class Channels:
    """The compiled channels of a part in which a burst takes a tick, whatever the rows; each change of direction ten.

    So what a channel is busy with tells its bursts, and each activate is that of a row which was not open.
    """

    TURN = 10

    def __init__(
        self,
        name: str,
        channels: int,
        layout: TensorLayout,
        chunk: int = 256,
        channel_map: str = "hashed",
        ports: int = 1,
    ) -> None:
        self.part, self.layout, self.chunk, self.ports = dram_part(name), layout, chunk, ports
        self.row = words_of(name, channels, chunk, channel_map, ports)
        for table in (TABLES, TABLES + TABLE_WORDS):
            self.row[table : table + NODES] = SCALE << np.arange(NODES)
            self.row[table + NODES : table + TABLE_WORDS] = SCALE
        self.row[[dram.AGAIN, dram.AGAIN_WRITTEN, dram.REFRESHED, dram.TURNED]] = 0
        self.row[[dram.TURN, dram.DRAIN]] = self.TURN * SCALE, 1
        with pytest.MonkeyPatch.context() as patch:  # what the burst-level model tells of walks
            patch.setattr(dram_rows, "walks", lambda *_: (float(self.burst_clocks), 1.0))
            chip = part_chip(name, channels, chunk, channel_map, ports)
            (self.shape,) = dram_rows.tensor_shapes([layout], chip, channels // ports)
        self.free_at, self.busy, self.directions = (np.zeros(channels, dtype=np.int64) for _ in range(3))
        self.open_rows = np.zeros_like(hardware_of(name, channels, chunk, channel_map, ports).empty_memory().open_rows)
        assert len(self.open_rows) == channels * self.part.bank_count * TOGETHER

    @property
    def burst_clocks(self) -> float:
        """Clocks of the part that are a tick of the plain chip's, of a nanosecond."""
        return 1000 / float(self.part.tck_ps)

    def serve(
        self, segment: int, size: int, runs: int = 1, write: int = 0, tick: int = 0, port: int = 0, tensor: int = 0
    ) -> tuple[int, int, int, int]:
        state = (self.row, self.shape, self.free_at, self.busy, self.directions, self.open_rows)
        return serve_channels(*state, port, tensor, segment, size, runs, write, tick)


sizes = st.sampled_from([1, 2, 3, 4, 8, 16, 32, 64, 128, 512, 1024])


@st.composite
def layouts(draw: st.DrawFn) -> TensorLayout:
    """A tensor of up to three dimensions, mostly of powers of two."""
    shape = tuple(draw(st.lists(sizes, min_size=1, max_size=3).filter(lambda s: math.prod(s) <= 2**17)))
    segment = tuple(min(draw(sizes), n) for n in shape)
    assume(math.prod(-(-n // s) for n, s in zip(shape, segment, strict=True)) <= 1000)
    return tensor(shape, segment, draw(st.integers(0, 5000)), draw(st.sampled_from(["fp16", "fp32"])))


@st.composite
def matrices(draw: st.DrawFn) -> TensorLayout:
    """A matrix with long rows, and tiles of a part of them."""
    rows, columns = draw(st.sampled_from([4, 16, 64])), draw(st.sampled_from([192, 256, 512, 768, 1024, 2048]))
    tile = draw(st.sampled_from([2, 4, 16])), draw(st.sampled_from([16, 64, 128, 192, 256, 512]))
    return tensor((rows, columns), (min(tile[0], rows), min(tile[1], columns)), draw(st.integers(0, 5000)))


def whole_segments(layout: TensorLayout) -> list[tuple[int, int, int]]:
    """(segment, bytes, runs) of a tensor's segments."""
    shape = layout.tensor.shape
    pieces = layout.pieces([0] * len(shape), shape, [1] * len(shape))
    return [(segment - layout.base, size, runs) for segment, size, runs in pieces]


parts, channel_counts = st.sampled_from(PARTS), st.sampled_from([1, 2, 4, 6])
chunks, maps = st.sampled_from([128, 256, 1024]), st.sampled_from(["hashed", "linear"])


# ---- bursts ----


@given(parts, channel_counts, st.sampled_from([1, 2]), layouts() | matrices(), chunks, maps, st.data())
def test_bursts_are_whole_and_none_is_lost(
    name: str, each: int, ports: int, layout: TensorLayout, chunk: int, channel_map: str, data: st.DataObject
) -> None:
    channels = Channels(name, each * ports, layout, chunk, channel_map, ports)
    burst, expected = channels.part.burst_bytes, Counter[int]()
    for segment, size, runs in data.draw(st.lists(st.sampled_from(whole_segments(layout)), min_size=1, max_size=5)):
        port = data.draw(st.integers(0, ports - 1))
        begin, finish, _, moved = channels.serve(segment, size, runs, port=port, tick=1000)
        bursts = runs * math.ceil(math.ceil(size / runs) / burst)
        assert moved == bursts * burst
        expected[port] += bursts
        assert 1000 <= begin <= finish <= 1000 + sum(expected.values())
    for port in range(ports):
        busy = channels.busy[port * each : (port + 1) * each]
        assert abs(int(busy.sum()) - expected[port]) <= 5 * each * (channel_map == "linear")  # walks are rounded
        assert (channels.free_at[port * each : (port + 1) * each] >= busy).all()


@given(parts, channel_counts, layouts() | matrices(), chunks, st.data())
def test_hashed_blocks_go_round_the_channels(
    name: str, each: int, layout: TensorLayout, chunk: int, data: st.DataObject
) -> None:
    channels = Channels(name, each, layout, chunk)
    segment, size, runs = data.draw(st.sampled_from(whole_segments(layout)))
    bursts = channels.serve(segment, size, runs)[3] // channels.part.burst_bytes
    blocks = runs * math.ceil(size / runs / chunk)
    if runs > 1 and layout.pitch[1] < chunk:  # several runs lie in a block
        blocks = math.ceil(runs * layout.pitch[1] / chunk)
    assert np.count_nonzero(channels.busy) == min(blocks, each)
    used = channels.busy[channels.busy > 0]
    assert used.max() - used.min() <= math.ceil(bursts / blocks)


@given(parts, channel_counts, layouts() | matrices(), chunks, st.data())
@settings(max_examples=300)
def test_a_linear_map_meets_the_channels_of_the_addresses(
    name: str, each: int, layout: TensorLayout, chunk: int, data: st.DataObject
) -> None:
    """Brute force: the channel of each byte of each run of a segment, from its address."""
    segment, size, runs = data.draw(st.sampled_from(whole_segments(layout)))
    run, pitch, first = size // runs, layout.pitch[1], address_of(layout, segment)
    assume(runs == 1 or (runs == layout.pitch[0] and (pitch % chunk == 0 or (chunk % pitch == 0 == first % chunk))))
    begins = [first + i * pitch for i in range(runs)]
    assume(all(a % chunk == 0 or a // chunk == (a + run - 1) // chunk for a in begins))
    met = {a // chunk % each for begin in begins for a in range(begin, begin + run, 2)}
    channels = Channels(name, each, layout, chunk, "linear")
    channels.serve(segment, size, runs)
    assert set(np.flatnonzero(channels.busy).tolist()) == met


def test_a_power_of_two_between_rows_leaves_one_channel_of_a_linear_map() -> None:
    layout = tensor((64, 1024), (16, 64))  # rows of 2 KiB, eight blocks of 256 bytes
    linear, hashed = (Channels("ddr4_3200", 8, layout, 256, channel_map) for channel_map in ("linear", "hashed"))
    for channels in (linear, hashed):
        channels.serve(5, 2048, 16)
    assert np.flatnonzero(linear.busy).tolist() == [address_of(layout, 5) // 256 % 8]
    assert hashed.busy.tolist() == [4] * 8
    odd = tensor((64, 1024 + 128), (16, 64))  # a block more
    linear = Channels("ddr4_3200", 8, odd, 256, "linear")
    linear.serve(0, 2048, 16)
    assert linear.busy.tolist() == [4] * 8


def test_tensors_of_a_kernel_begin_in_channels_of_their_own() -> None:
    one, other = (Channels("ddr4_3200", 8, tensor((64, 64), (1, 64), base)) for base in (0, 389))
    one.serve(0, 128)
    other.serve(0, 128)
    assert np.flatnonzero(one.busy) != np.flatnonzero(other.busy)


# ---- rows ----


@given(parts, channel_counts, st.integers(1, 2**16), chunks, maps)
def test_a_contiguous_stretch_opens_as_many_rows_as_hold_it(
    name: str, each: int, size: int, chunk: int, channel_map: str
) -> None:
    channels = Channels(name, each, tensor((2**16,), (2**15,)), chunk, channel_map)
    part = channels.part
    opened = channels.serve(0, size)[2]
    touched = min(each, math.ceil(size / chunk))
    assert opened >= max(touched, math.ceil(size / part.row_bytes))
    grains = touched * math.ceil(math.ceil(size / part.burst_bytes / touched) / channels.row[dram.GRAIN])
    rows_dealt = math.ceil(math.ceil(size / touched + chunk) / (part.row_bytes * channels.row[dram.FAN]))
    assert opened <= min(grains + touched, touched * rows_dealt * channels.row[dram.FAN])
    assert opened == np.count_nonzero(channels.open_rows)


@given(parts, channel_counts, layouts() | matrices(), chunks, st.data())
def test_rows_of_a_tile_are_at_least_one_a_channel_and_stay_open(
    name: str, each: int, layout: TensorLayout, chunk: int, data: st.DataObject
) -> None:
    channels = Channels(name, each, layout, chunk)
    segment, size, runs = data.draw(st.sampled_from(whole_segments(layout)))
    _, _, opened, moved = channels.serve(segment, size, runs)
    touched = np.count_nonzero(channels.busy)
    assert touched <= opened <= moved // channels.part.burst_bytes + touched
    few = np.count_nonzero(channels.open_rows) == opened  # no bank had two rows of it
    assume(few)
    assert channels.serve(segment, size, runs)[2] == 0
    for other in range(1, TOGETHER):
        assert channels.serve(segment, size, runs, tensor=other)[2] == opened  # rows of another tensor are others
    assert channels.serve(segment, size, runs)[2] == 0
    for other in range(TOGETHER):
        channels.serve(segment, size, runs, tensor=TOGETHER + other)
    assert channels.serve(segment, size, runs)[2] == opened


def test_neighbours_find_the_row_open_and_the_next_rows_are_in_other_banks() -> None:
    part = dram_part("ddr4_3200")
    layout = tensor((2**16,), (256,))  # segments of 512 bytes, two grains
    channels = Channels("ddr4_3200", 1, layout, 1 << 20)
    region = part.row_bytes * 4 // 512
    opened = [channels.serve(i, 512)[2] for i in range(4 * region)]
    assert sum(opened) == 16  # each row once
    assert opened[0] == 2 and opened[:region] == [2, 2] + [0] * (region - 2)
    assert np.count_nonzero(channels.open_rows) == part.bank_count
    for later in range(1, TOGETHER):  # four regions fill the sixteen banks: every fourth meets those of the first
        assert channels.serve(4 * later * region, 512)[2] == 2
    assert channels.serve(0, 512)[2] == 0
    for later in range(1, TOGETHER + 1):
        channels.serve(4 * later * region, 512)
    assert channels.serve(0, 512)[2] == 2


# ---- directions ----


@given(parts, st.lists(st.tuples(st.integers(0, 1), st.integers(0, 7)), max_size=20))
def test_each_channel_turns_when_its_direction_changes(name: str, accesses: list[tuple[int, int]]) -> None:
    layout = tensor((1024,), (128,))  # segments of a block
    channels = Channels(name, 4, layout)
    bursts = 256 // channels.part.burst_bytes
    last, expected = [0] * 4, np.zeros(4, dtype=np.int64)
    for write, segment in accesses:
        before = channels.busy.copy()
        channels.serve(segment, 256, write=write)
        (channel,) = np.flatnonzero(channels.busy - before)
        expected[channel] += bursts + (Channels.TURN if last[channel] != write else 0)
        last[channel] = write
    assert channels.busy.tolist() == expected.tolist()
    assert channels.directions.tolist() == last


def test_a_batch_shorter_than_a_full_queue_pays_its_share_of_a_turn() -> None:
    channels = Channels("ddr4_3200", 1, tensor((1024,), (128,)))
    channels.row[dram.DRAIN] = 8
    channels.serve(0, 256, write=1)  # half of eight bursts
    assert channels.busy.tolist() == [4 + Channels.TURN // 2]


# ---- time ----


@pytest.mark.parametrize("name", ["ddr4_3200", "hbm3_6400", "gddr6_16000", "lpddr5_6400"])
@pytest.mark.parametrize("write", [0, 1])
def test_no_channel_is_faster_than_its_pins_and_long_stretches_come_near_them(name: str, write: int) -> None:
    """The peak of the data pins is the part's; a stretch loses refreshes and little more."""
    layout = tensor((2**22,), (2**15,))
    channels = Channels(name, 1, layout)
    channels.row = words_of(name, 1, 256, "hashed", 1)
    part = channels.part
    moved = sum(channels.serve(i, 2**16, write=write)[3] for i in range(128))
    least = moved / float(part.peak_bandwidth) * 1e9
    assert least <= channels.busy[0] <= 1.3 * least
    assert least * (1 + part.timing.rfc / part.timing.refi) <= 1.05 * channels.busy[0]


@pytest.mark.parametrize("name", ["ddr4_3200", "hbm3_6400", "gddr6_16000"])
def test_a_burst_a_row_takes_what_activates_allow(name: str) -> None:
    """Each burst in another row: no sooner than four activates a window, nor than banks come round."""
    part = dram_part(name)
    channels = Channels(name, 1, tensor((512, 2**14), (512, 16)))
    channels.row = words_of(name, 1, 256, "hashed", 1)
    bursts = channels.serve(0, 512 * 32, 512)[3] // part.burst_bytes
    assert bursts == 512
    assert channels.busy[0] >= bursts * limit_ns(part)


def limit_ns(part: DramPart) -> float:
    """Least time of an activate to the next, by the four-activate window and by the cycle of a bank."""
    t, clock = part.timing, float(part.tck_ps) / 1000
    windows = part.pseudo_channels * (part.stacks if part.ranks_apart else 1)
    return max(t.faw / 4 / windows, t.rc / part.bank_count) * clock


@pytest.mark.parametrize(
    ("text", "cause"),
    [("lanes", "no address map 'lanes'"), ("row:bank:column", "the map 'row:bank:column' places 0 bits of the group")],
)
def test_a_map_that_is_none_is_told_by_its_key(text: str, cause: str) -> None:
    chip = part_chip("ddr4_3200", 2).replace({"dram.map": text})
    with pytest.raises(ChipError) as caught:
        simulate(parse(NOTHING.replace("push a", "push a pop a")), chip)
    assert str(caught.value).startswith(f"dram.map: {cause}")
    assert "mend: " in str(caught.value)
