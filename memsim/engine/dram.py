"""DRAM in the engines: a transfer is a batch of bursts for each channel, with the rows that it opens and its direction.

The address map and the tensor's layout decide the bursts of a batch, from the instruction alone; channels serve
batches in the order of their arrival. Each bank remembers which row is open. How long a batch takes is a table that
the burst-level model has filled (`memsim.engine.calibration`): ticks for a visit to a row, by the bursts of a visit.

A contiguous stretch goes to `FAN` banks in turn, some bursts each. A *region* is as much memory as the rows of so many
banks hold, over all channels; the next region lies in the next banks.
"""

from __future__ import annotations

from collections.abc import Sequence

from memsim.compiled import bare, bare_inlined
from memsim.engine.servers import CHUNK, FIRST, PAGE_SEGMENTS, PER_PORT, PORTS, Array, scatter

# Words of the DRAM's row of parameters, after those that every memory has (`memsim.engine.servers`).
(BURST, GRAIN, FAN, GRAIN_SPAN, REGION_BITS, LINEAR, TURN, TURNED, DRAIN, CHANNEL_BANKS, AGAIN, AGAIN_WRITTEN,
 REFRESHED, TABLES) = range(7, 21)  # fmt: skip
"""BURST is 0 where the chip names no DRAM part: then a channel is a server with a bandwidth. GRAIN: bursts that go to a
bank before the next of FAN banks, both powers of two. GRAIN_SPAN: bytes of a grain over all channels; 2^REGION_BITS of
these are a region. LINEAR: blocks go to the channels each in its turn, not by a hash. TURN: ticks of a change of
direction, and activates (TURNED), for a batch of at least DRAIN bursts. AGAIN and REFRESHED: activates beyond those of
the rows that were closed: for each of them (read, written) where it has more than one burst, and for each burst. What
may be a fraction is times `SCALE`."""
NODES = 10
"""Visits of 1, 2, 4 … 512 bursts."""
TABLE_WORDS = 2 * NODES
"""Ticks of a visit at each node, and ticks for each burst more, up to the next node; both times `SCALE`."""
ROW_WORDS = TABLES + 2 * TABLE_WORDS
SCALE_BITS = 16
SCALE = 1 << SCALE_BITS

# Words of a tensor's shape.
RUNS, PITCH, ORIGIN, STEP, WAYS, WALK_TICKS, _, WALK_ACTIVATES, _, AXES, FIRST_AXIS = range(11)
"""RUNS: contiguous runs of a whole segment. PITCH: bytes from one to the next. ORIGIN decides in which banks a tensor
begins. Where blocks go to the channels in turn: channels that a run is after the one before (STEP), how many channels
the runs meet (WAYS), and what a burst of such a walk takes and opens (read, written; times `SCALE`). Then for each of
AXES axes, the segments and the bytes from one index of the grid of segments to the next."""
MOST_AXES = 6
SHAPE_WORDS = FIRST_AXIS + 2 * MOST_AXES
TOGETHER = 4
"""Rows of a bank that are as good as open. A batch is served at once here; in truth the transfers in flight go through
their rows together, and a bank serves all that wait for a row before it opens the next."""
KEY_BITS = 40
"""What a bank has open: the number of the tensor, and one, above so many bits for the region in it."""


def region_bytes(row: Sequence[int]) -> int:
    """Bytes of a region."""
    return row[GRAIN_SPAN] << row[REGION_BITS]


@bare_inlined
def _visits_ticks(row: Array, write: int, bursts: int, visits: int) -> int:
    """Ticks, times `SCALE`, of a batch that opens so many rows for so many bursts together."""
    table = TABLES + write * TABLE_WORDS
    if visits == 0:
        return bursts * row[table + TABLE_WORDS - 1]  # type: ignore[no-any-return]
    node, bursts_at = 0, visits
    while node < NODES - 1 and 2 * bursts_at <= bursts:
        node += 1
        bursts_at *= 2
    return visits * row[table + node] + (bursts - bursts_at) * row[table + NODES + node]  # type: ignore[no-any-return]


@bare_inlined
def _address(shape: Array, segment: int) -> int:
    """Where a segment, counted from the tensor's first, begins in the tensor, in bytes."""
    rest, address = segment, 0
    for axis in range(shape[AXES]):
        segments = shape[FIRST_AXIS + 2 * axis]
        address += rest // segments * shape[FIRST_AXIS + 2 * axis + 1]
        rest %= segments
    return address


@bare_inlined
def _use_row(open_rows: Array, bank: int, key: int) -> int:
    """Make a row the last one used of a bank, whose rows begin at ``bank``; 1 if it was not open."""
    at, missed = bank, 0
    while at < bank + TOGETHER and open_rows[at] != key:
        at += 1
    if at == bank + TOGETHER:
        at, missed = at - 1, 1
    while at > bank:
        open_rows[at] = open_rows[at - 1]
        at -= 1
    open_rows[bank] = key
    return missed


@bare_inlined
def _open(row: Array, open_rows: Array, place: int, owner: int, origin: int, grain: int, touched: int) -> int:
    """Open the rows of so many grains from one on, region by region; how many were not open."""
    opened, around, last = 0, row[FAN] - 1, grain + touched
    while grain < last:
        region = grain >> row[REGION_BITS]
        until = min(last, (region + 1) << row[REGION_BITS])
        first = (region + origin) & (row[CHANNEL_BANKS] // row[FAN] - 1)
        first = place * row[CHANNEL_BANKS] + first * row[FAN]
        for i in range(min(until - grain, row[FAN])):
            opened += _use_row(open_rows, (first + ((grain + i) & around)) * TOGETHER, owner + region)
        grain = until
    return opened


@bare
def serve_channels(
    row: Array,
    shape: Array,
    free_at: Array,
    busy: Array,
    directions: Array,
    open_rows: Array,
    port: int,
    tensor: int,
    segment: int,
    size: int,
    runs: int,
    write: int,
    tick: int,
) -> tuple[int, int, int, int]:
    """Serve a piece of a transfer: ``size`` bytes of a tensor's segment in so many contiguous ``runs``.

    Returns the earliest start and the latest finish over the channels, the activates, and the bytes of all bursts.
    """
    burst, channels = row[BURST], row[PER_PORT]
    run, address = (size + runs - 1) // runs, _address(shape, segment)
    each = (run + row[CHUNK] - 1) // row[CHUNK]
    bursts, blocks, apart = runs * ((run + burst - 1) // burst), runs * each, row[CHUNK]
    ways, step, wide, walk = channels, 1, 1, 0
    if runs > 1 and shape[PITCH] < row[CHUNK]:
        blocks = max(1, (runs * shape[PITCH] + row[CHUNK] - 1) // row[CHUNK])
    elif runs > 1:
        apart = max(shape[PITCH] // each, 1)
        if row[LINEAR]:
            ways, step, walk = shape[WAYS], shape[STEP], shape[WALK_TICKS + write]
            wide = min(each, channels // ways)  # a run goes on in the next channels
            ways *= wide
    first = scatter(segment + shape[ORIGIN], row[PORTS] * channels) % channels
    if row[LINEAR]:
        first = address // row[CHUNK] % channels
    touched = min(blocks, ways)
    dither = segment % PAGE_SEGMENTS * 40503 & (SCALE - 1)
    begin, finish, gone, done, opened, more = 2**62, tick, 0, 0, 0, 0
    owner, around, even = (tensor + 1) << KEY_BITS, touched * apart, bursts // blocks
    uneven = bursts - even * blocks
    for i in range(touched):
        here = blocks // touched + (i < blocks % touched)
        gone += here
        some = even * here if uneven == 0 else bursts * gone // blocks - done
        done += some
        place = row[FIRST] + port * channels + (first + i // wide * step + i % wide) % channels
        visits = 1 if runs == 1 else here
        rows, grains, where = 0, -(-some // (row[GRAIN] * visits)), address + i * apart
        for _ in range(visits):
            rows += _open(row, open_rows, place, owner, shape[ORIGIN], where // row[GRAIN_SPAN], grains)
            where += around
        opened += rows
        turned = 0
        if directions[place] != write:
            turned = row[TURN] * min(some, row[DRAIN]) // row[DRAIN]
            more += row[TURNED] * min(some, row[DRAIN]) // row[DRAIN]
            directions[place] = write
        ticks = some * walk if walk else _visits_ticks(row, write, some, rows)
        service = (ticks + turned + dither) >> SCALE_BITS
        start = max(tick, free_at[place])
        free_at[place] = start + service
        busy[place] += service
        begin, finish = min(begin, start), max(finish, start + service)
        dither = (dither + 25033) & (SCALE - 1)
    if walk:
        activates = (bursts * shape[WALK_ACTIVATES + write] + more + dither) >> SCALE_BITS
    else:
        again = row[AGAIN + write] * opened * (bursts - opened) // bursts + bursts * row[REFRESHED] + more
        activates = opened + ((again + dither) >> SCALE_BITS)
    return int(min(begin, finish)), int(finish), int(activates), int(bursts * burst)
