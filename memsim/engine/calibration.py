"""What a batch of bursts takes of a DRAM channel, as the burst-level model (`memsim.dram`) measures it.

A *visit* is some bursts of one row, which has to be opened. `visit_table` lets a saturated channel serve contiguous
pieces that lie anywhere, and takes the mean time of a visit. For the parts that are listed this has been done, with the
map that chips have unless they say otherwise: ``dram_tables.json``, made by ``tools/calibrate_dram.py``. Others are
measured when they are met; so are `walks`, the strided accesses of a tensor on a chip whose channels are not hashed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from memsim.dram.channel import Run, Source, run
from memsim.dram.maps import address_map
from memsim.dram.stimulus import Requests
from memsim.engine.dram import NODES
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import DramPart, dram_part, dram_parts

USUAL_MAP = "lines"
SEED = 1
BURSTS = 24_000
"""Bursts of a measurement: some refreshes long, so that the one which is cut off at the end weighs little."""
FILLINGS = 256
"""Queues' worth of bursts of a measurement at least, so that those which are left in the queue weigh little."""
TILE = 4096
"""Bytes of a tile, where a map goes on through more banks than a tile reaches."""
DRAINED = 0.6
"""Share of the write queue that is written in one go: from the upper watermark, 0.8, to the lower, 0.2."""


@dataclass(frozen=True)
class VisitTable:
    """Clocks of a saturated channel, refreshes included."""

    clocks: tuple[tuple[float, ...], tuple[float, ...]]
    """Of a visit: for reads and writes, by its bursts (1, 2, 4 … 512)."""
    burst: tuple[float, float]
    """Of each burst of a long visit: read, written."""
    turn: float
    """Lost when the direction changes, by a batch of at least ``drain`` bursts."""
    turned: float
    """Activates that this costs."""
    drain: int
    """Bursts that a full write queue drains at once."""
    again: tuple[float, float]
    """Activates beyond those of the rows that were closed, for each of these: for reads and writes."""
    refreshed: float
    """The same for each burst."""


@cache
def visit_table(part: DramPart, text: str = USUAL_MAP) -> VisitTable:
    """What visits to rows take of a channel of a part, with an address map."""
    known = _known().get(label_of(part, text))
    if known is None or known["timing"] != timing_of(part):
        return measure(part, text)
    pairs = ((first, second) for first, second in (known[name] for name in ("clocks", "burst", "again")))
    (read, written), burst, again = pairs
    clocks, turn = (tuple(read), tuple(written)), (known["turn"], known["turned"], known["drain"])
    return VisitTable(clocks, burst, *turn, again, known["refreshed"])


def listed() -> dict[str, tuple[DramPart, str]]:
    """The parts and address maps whose tables are kept, by their labels: the listed parts, and those of presets."""
    presets = (Chip.preset(name).dram for name in Chip.presets())
    kept = [(dram_part(name), USUAL_MAP) for name in dram_parts()]
    kept += [(dram.channel, dram.map) for dram in presets if dram.channel is not None]
    return dict(sorted((label_of(part, text), (part, text)) for part, text in kept))


def label_of(part: DramPart, text: str = USUAL_MAP) -> str:
    """The name under which a table is kept: the part's own, and what is not usual about its controller or map."""
    mapped = f", map {text}" if text != USUAL_MAP else ""
    if dram_part(part.name) == part:
        return part.name + mapped
    reads = f", reads {part.read_queue}" if part.read_queue is not None else ""
    return f"{part.name}, queue {part.queue}{reads}, refresh {part.refresh}{mapped}"


def timing_of(part: DramPart) -> list[int]:
    """What a table depends on, so that a part that has changed is measured anew."""
    shape = (
        part.pseudo_channels,
        part.stacks,
        part.bank_groups,
        part.banks,
        part.row_bytes,
        part.burst_bytes,
        part.queue,
        part.read_queue or part.queue,
    )
    return [*shape, *part.timing.model_dump().values()]


def entry(part: DramPart, text: str = USUAL_MAP) -> dict[str, Any]:
    """The measured table of a part, as ``dram_tables.json`` holds it."""
    return {"timing": timing_of(part), **asdict(measure(part, text))}


@cache
def interleaving(part: DramPart, text: str) -> tuple[int, int]:
    """How an address map deals a contiguous stretch to banks: bursts to one before the next, and how many banks.

    When each of them has a row's worth, the next as many banks follow, or the next rows. Where the map mixes bits, so
    that neighbours lie in several banks and come back to them, this holds over all of the banks together.
    """
    names = ("pc", "stack", "group", "bank")
    bursts = np.arange(part.row_bursts * part.bank_count, dtype=np.int64)
    fields = address_map(text, part).fields(bursts)
    banks = np.stack([fields[name] for name in names])
    fan = 1
    while _banks_in(banks, fan * part.row_bursts) != fan:
        fan *= 2
    grain = 1
    while fan > 1 and _banks_in(banks, grain * fan) != fan:
        grain *= 2
    return (grain if fan > 1 else part.row_bursts), fan


def _banks_in(banks: npt.NDArray[np.int64], bursts: int) -> int:
    """Banks in which the first so many bursts lie."""
    return len(np.unique(banks[:, :bursts], axis=1).T)


def _visit(part: DramPart, text: str) -> tuple[int, int]:
    """A visit that comes back to its row, if the map lets it: its bursts, and how many banks are visited together."""
    grain, fan = interleaving(part, text)
    return min(2 * grain, part.row_bursts), fan


def measure(part: DramPart, text: str) -> VisitTable:
    """Measure a part with the burst-level model."""
    clocks = _anywhere(part, text, 0), _anywhere(part, text, 1)
    count = _bursts(part)
    stream = [_run(part, text, np.arange(count), np.full(count, write)) for write in (0, 1)]
    again, refreshed = _activates_beyond(part, text)
    even = part.model_copy(update={"read_queue": None})  # what a turn costs, not what fewer reads to choose from do
    alone = (_anywhere(even, text, 0), clocks[1]) if part.read_queue else clocks
    turn, turned, drain = _turn(even, text, alone, _activates_beyond(even, text)[0] if part.read_queue else again)
    return VisitTable(clocks, (_clocks(stream[0]), _clocks(stream[1])), turn, turned, drain, again, refreshed)


def _turn(
    part: DramPart, text: str, clocks: Sequence[Sequence[float]], again: Sequence[float]
) -> tuple[float, float, int]:
    """What each change of direction costs where pieces lie anywhere: (clocks, activates, bursts of a full queue)."""
    visit, fan = _visit(part, text)
    runs = _pieces(part, visit * fan)
    writes = np.random.default_rng(SEED + 1).integers(0, 2, len(runs))
    done = _run(part, text, runs.ravel(), np.repeat(writes, visit * fan))
    node = visit.bit_length() - 1
    alone = fan * sum(clocks[write][node] for write in writes.tolist())
    opened = fan * sum(1 + again[write] for write in writes.tolist())
    changes = int((writes[1:] != writes[:-1]).sum())
    lost = max(0.0, _clocks(done) * runs.size - alone) / changes
    more = max(0.0, done.counts["activate"] - opened) / changes
    return round(lost, 2), round(more, 4), min(round(DRAINED * part.queue), visit * fan)


def _activates_beyond(part: DramPart, text: str) -> tuple[tuple[float, float], float]:
    """Activates for rows that were closed though they were wanted again: for each row opened, and for each burst.

    The first are those of pieces that lie anywhere, and meet in the queue; the second follow refreshes.
    """
    visit, fan = _visit(part, text)
    runs = _pieces(part, visit * fan)
    met = [_run(part, text, runs.ravel(), np.full(runs.size, write), refresh=False) for write in (0, 1)]
    read, written = (round(done.counts["activate"] / (len(runs) * fan) - 1, 4) for done in met)
    count = _bursts(part)
    stream = [_run(part, text, np.arange(count), np.zeros(count), refresh=on) for on in (True, False)]
    return (read, written), (stream[0].counts["activate"] - stream[1].counts["activate"]) / count


def _bursts(part: DramPart) -> int:
    return max(BURSTS, FILLINGS * part.queue)


def _pieces(part: DramPart, bursts: int) -> npt.NDArray[np.int64]:
    """Bursts of pieces that lie anywhere, aligned to their size, a row each."""
    first = np.random.default_rng(SEED).integers(
        0, part.capacity // part.burst_bytes // bursts, max(8, _bursts(part) // bursts)
    )
    return first[:, None] * bursts + np.arange(bursts)


def _anywhere(part: DramPart, text: str, write: int) -> tuple[float, ...]:
    """Clocks of a visit by its bursts, of pieces that lie anywhere.

    A piece that goes on beyond the grain of the map visits as many banks as that deals it to, or as many as a tile
    does; a visit of more bursts than the grain has come back to the same row.
    """
    grain, fan = interleaving(part, text)
    together = max(1, TILE // (grain * part.burst_bytes))
    banks = {grain: min(fan, together) if fan > 1 else together}
    found: list[float] = []
    for bursts in (1 << node for node in range(NODES)):
        if bursts > part.row_bursts:
            found.append(2 * found[-1])
            continue
        runs = _pieces(part, bursts if bursts < grain else bursts * banks.get(bursts, fan))
        found.append(round(bursts * _clocks(_run(part, text, runs.ravel(), np.full(runs.size, write))), 4))
    return tuple(found)


@cache
def walks(part: DramPart, text: str, stride: int, run_bytes: int, runs: int, write: int) -> tuple[float, float]:
    """(clocks, activates) of a burst in walks over a channel: tiles of a matrix with rows ``stride`` bytes long."""
    bursts = -(-run_bytes // part.burst_bytes)
    count = max(4, _bursts(part) // (runs * bursts))
    random = np.random.default_rng(SEED)
    down = random.integers(0, max(1, part.capacity // (runs * stride) - 1), count) * runs * stride
    across = random.integers(0, max(1, stride // run_bytes), count) * run_bytes
    starts = ((down + across)[:, None] + np.arange(runs) * stride) // part.burst_bytes
    found = (starts[:, :, None] + np.arange(bursts)).ravel()
    done = _run(part, text, found, np.full(found.size, write))
    return _clocks(done), done.counts["activate"] / found.size


def _run(part: DramPart, text: str, bursts: Any, writes: Any, refresh: bool = True) -> Run:
    """A saturating sequence of bursts; reads alone are chosen from as many as the controller has of them."""
    requests = Requests(bursts.astype(np.int64), writes.astype(np.int64))
    queue = part.queue if np.any(writes) else part.read_queue or part.queue
    return run(part, requests, Source(mlp=4 * queue), address=text, refresh=refresh, queue=queue)


def _clocks(done: Run) -> float:
    """Mean clocks of a burst; writes that are left in the queue are not yet done."""
    return round((done.end - done.start) / done.ticks_a_clock / int((done.done >= 0).sum()), 4)


@cache
def _known() -> Mapping[str, Any]:
    file = resources.files("memsim.engine") / "dram_tables.json"
    tables: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return tables
