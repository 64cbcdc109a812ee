"""DRAM in the engines: a transfer is a batch of bursts for each channel, with the rows that it opens and its direction.

The address map and the tensor's layout decide the batches, from the instruction alone; channels serve batches in the
order of their arrival. How long a batch takes is a table that the burst-level model has filled (`memsim.engine.
calibration`): ticks for a visit to a row, by the bursts of a visit and the banks that the visits are spread over.
"""

from __future__ import annotations

import numpy as np

from memsim.compiled import compiled, inlined
from memsim.engine.servers import CHUNK, FIRST, PER_PORT, PORTS, Array, scatter

# Words of the DRAM's row of parameters, after those that every memory has (`memsim.engine.servers`).
(BURST, ROW_BYTES, LINEAR, TURN, DRAIN, CHANNEL_BANKS, TABLES) = range(7, 14)
"""BURST is 0 where the chip names no DRAM part: then a channel is a server with a bandwidth. LINEAR: blocks go to the
channels each in its turn, not by a hash. TURN: of a change of direction, for a batch of at least DRAIN bursts."""
NODES = 10
"""Visits of 1, 2, 4 … 512 bursts."""
LEVELS = 5
"""Visits that are spread over 1, 2, 4, 8 banks, or all of them."""
TABLE_WORDS = 2 * NODES
"""Ticks of a visit at each node, and ticks for each burst more, up to the next node; both times `SCALE`."""
ROW_WORDS = TABLES + 2 * LEVELS * TABLE_WORDS
SCALE_BITS = 16
SCALE = 1 << SCALE_BITS

# Words of a tensor's shape.
RUNS, PITCH, STEP, WAYS, SPREAD, AXES, FIRST_AXIS = range(7)
"""RUNS: contiguous runs of a whole segment. PITCH: bytes from one to the next. Where blocks go to the channels in turn:
channels that a run is after the one before (STEP), and how many channels (WAYS) and banks (SPREAD, a level) the runs
meet. Then for each of AXES axes, the segments and the bytes from one index of the grid of segments to the next."""
MOST_AXES = 6
SHAPE_WORDS = FIRST_AXIS + 2 * MOST_AXES
ALL_BANKS = LEVELS - 1


@inlined
def _rows_of(row: Array, size: int) -> int:
    """Rows that the first ``size`` bytes of a contiguous stretch open, over all channels."""
    if size == 0:
        return 0
    blocks = (size + row[CHUNK] - 1) // row[CHUNK]
    return max(min(row[PER_PORT], blocks), (size + row[ROW_BYTES] - 1) // row[ROW_BYTES])  # type: ignore[no-any-return]


@inlined
def _visits_ticks(row: Array, write: int, spread: int, bursts: int, visits: int) -> int:
    """Ticks, times `SCALE`, of a batch that visits so many rows for so many bursts together."""
    table = TABLES + (write * LEVELS + spread) * TABLE_WORDS
    if visits == 0:
        return bursts * row[table + TABLE_WORDS - 1]  # type: ignore[no-any-return]
    node, bursts_at = 0, visits
    while node < NODES - 1 and 2 * bursts_at <= bursts:
        node += 1
        bursts_at *= 2
    return visits * row[table + node] + (bursts - bursts_at) * row[table + NODES + node]  # type: ignore[no-any-return]


@inlined
def _first_channel(row: Array, shape: Array, segment: int, base: int) -> int:
    """The channel, among those behind a port, that holds the first block of a segment."""
    if row[LINEAR] == 0:
        return scatter(segment, row[PORTS] * row[PER_PORT]) % row[PER_PORT]  # type: ignore[no-any-return]
    rest, address = segment - base, 0
    for axis in range(shape[AXES]):
        segments = shape[FIRST_AXIS + 2 * axis]
        address += rest // segments * shape[FIRST_AXIS + 2 * axis + 1]
        rest %= segments
    return address // row[CHUNK] % row[PER_PORT]  # type: ignore[no-any-return]


@compiled
def serve_channels(
    row: Array,
    shape: Array,
    free_at: Array,
    busy: Array,
    directions: Array,
    port: int,
    segment: int,
    base: int,
    size: int,
    runs: int,
    before: int,
    write: int,
    tick: int,
) -> tuple[int, int, int, int]:
    """Serve a piece of a transfer: ``size`` bytes of a segment in so many contiguous ``runs``.

    ``before`` are the bytes of the transfer right before it in memory, whose rows are still open. Returns the earliest
    start and the latest finish over the channels, the rows opened, and the bytes of all bursts.
    """
    burst, ways, step, spread = row[BURST], row[PER_PORT], 1, np.int64(ALL_BANKS)
    run = (size + runs - 1) // runs
    bursts = runs * ((run + burst - 1) // burst)
    if runs == 1:
        blocks = (size + row[CHUNK] - 1) // row[CHUNK]
        visits = _rows_of(row, before + size) - _rows_of(row, before)
    else:
        blocks = runs * ((run + row[CHUNK] - 1) // row[CHUNK])
        if row[LINEAR]:
            step, ways, spread = shape[STEP], shape[WAYS], shape[SPREAD]
        span = (runs * shape[PITCH] + row[ROW_BYTES] - 1) // row[ROW_BYTES]
        blocks = min(blocks, max(1, (runs * shape[PITCH] + row[CHUNK] - 1) // row[CHUNK]))
        visits = min(blocks, max(min(ways, blocks), span))
    touched = min(blocks, ways)
    first, bank = row[FIRST] + port * row[PER_PORT], _first_channel(row, shape, segment, base)
    begin, finish = 2**62, tick
    turned, gone, done, opened = 0, 0, 0, 0
    for i in range(touched):
        gone += blocks // touched + (i < blocks % touched)
        some, rows = bursts * gone // blocks - done, visits * gone // blocks - opened
        done, opened = done + some, opened + rows
        channel = first + bank
        turned = 0
        if directions[channel] != write:
            turned = row[TURN] * min(some, row[DRAIN]) // row[DRAIN]
            directions[channel] = write
        service = (_visits_ticks(row, write, spread, some, rows) + turned + SCALE - 1) >> SCALE_BITS
        start = max(tick, free_at[channel])
        free_at[channel] = start + service
        busy[channel] += service
        begin, finish = min(begin, start), max(finish, start + service)
        bank = (bank + step) % row[PER_PORT]
    return int(min(begin, finish)), int(finish), int(visits), int(bursts * burst)
