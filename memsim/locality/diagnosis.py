"""Where the locality of a program is: four tables of its accesses, and their totals.

- *Miss-ratio curve*: what misses in a fully associative LRU cache of every capacity. An access hits a capacity ``c``
  where the sizes of its item and of all other items used since its last use fit in ``c`` together (Mattson et al.,
  IBM Systems Journal 9(2), 1970). Reads and writes both bring their item in. First uses miss always.
- *Reuse distances*: the sizes of the other items used since an item's last use, in powers of two; first uses are cold.
- *Live set*: a value lives from the access that writes it to its last read; what is read without having been written
  lives from its first read. A value that nobody reads lives at the access that writes it.
- *Distances of reads*: how much is read at each distance, and what it costs. Items with a place have its distance.
  Items without one lie where an LRU stack has them (the idea of the Sutro Group's ByteDMD, autumn 2026): the unit at
  depth ``d`` of the stack costs ``ceil(sqrt(d))``; an item used for the first time comes from below all that were
  used before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from memsim.caches.stack_distance import COLD, stack_distances
from memsim.compiled import compiled
from memsim.errors import MemsimError
from memsim.locality.accesses import Accesses
from memsim.locality.shells import Array, integer_root

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = 1024
"""Times at which the live set is told at most."""

DEEPEST = 2**40
"""Depth of a stack below which sums of distances are exact in int64."""

_EXACT_BELOW = 2.0**62

Columns = dict[str, Array]
"""A table: columns of equal length by name."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `diagnose` found. Sizes are in ``unit``; times count accesses from 0.

    Attributes
    ----------
    name, noun, unit
        Of the program, what an item is, and what sizes count; see `Accesses`.
    placed
        Whether items have places; else distances are those of an LRU stack.
    accesses, reads, writes
        How many.
    items
        Different ones.
    volume
        Size of all accesses together.
    footprint
        Size of all items together: what misses at every capacity.
    cold
        First uses: accesses that miss at every capacity.
    peak_live
        The largest size of all values that live at the same time: no memory smaller than it holds the program.
    cost
        The sum of the distances of all reads; Model 1's cost of a scalar program.
    misses
        ``capacity``, ``misses`` (accesses), ``missed`` (their size): a step for each capacity at which something hits
        that did not before, beginning at 0. Between two steps nothing changes.
    reuse
        ``from_distance``, ``to_distance`` (both inclusive), ``accesses``, ``reads``, ``volume`` (size of what is
        accessed); cold ones are not in it.
    live
        ``time`` at which each window of accesses begins, and ``live``, the largest live set within it; a window is one
        access where there are at most `WINDOWS`.
    distances
        ``distance``, ``read`` (size of what was read at it), ``cost``: for items without a place, ``distance`` is the
        greatest of a range that begins beyond the one before.
    """

    name: str
    noun: str
    unit: str
    placed: bool
    accesses: int
    reads: int
    items: int
    volume: int
    footprint: int
    cold: int
    peak_live: int
    cost: int
    misses: Columns
    reuse: Columns
    live: Columns
    distances: Columns

    @property
    def writes(self) -> int:
        """Accesses that write."""
        return self.accesses - self.reads

    def miss_ratio(self, capacity: int) -> float:
        """Share of the volume that misses in a fully associative LRU cache of ``capacity``."""
        if capacity < 0:
            raise MemsimError(f"a capacity of {capacity}", where=self.name, mend="give at least 0")
        at = int(np.searchsorted(self.misses["capacity"], capacity, side="right")) - 1
        return int(self.misses["missed"][at]) / max(1, self.volume)

    def capacity_for(self, ratio: float) -> int | None:
        """The least capacity at which at most ``ratio`` of the volume misses; ``None`` where cold misses are more."""
        enough = self.misses["missed"] <= ratio * self.volume
        return int(self.misses["capacity"][int(np.argmax(enough))]) if enough.any() else None

    def tables(self) -> dict[str, pd.DataFrame]:
        """The four tables by name, with shares beside the amounts: ``miss_ratio``, ``share`` and ``cost_share``."""
        import pandas as pd

        frames = {name: pd.DataFrame(getattr(self, name)) for name in ("misses", "reuse", "live", "distances")}
        frames["misses"]["miss_ratio"] = frames["misses"]["missed"] / max(1, self.volume)
        frames["reuse"]["share"] = frames["reuse"]["accesses"] / max(1, self.accesses)
        away = frames["distances"]
        away["share"] = away["read"] / max(1, int(sum(away["read"])))
        away["cost_share"] = away["cost"] / max(1, self.cost)
        return frames

    def summary(self) -> dict[str, Any]:
        """The totals, as plain JSON."""
        names = (
            "name", "noun", "unit", "placed", "accesses", "reads", "writes", "items", "volume", "footprint", "cold",
            "peak_live", "cost",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """The totals, and the tables as columns by name."""
        tables = ("misses", "reuse", "live", "distances")
        return {**self.summary(), **{t: {k: c.tolist() for k, c in getattr(self, t).items()} for t in tables}}


def diagnose(accesses: Accesses) -> Diagnosis:
    """Compute the tables of a program's accesses: time O(n log k) for n accesses to k items.

    Raises
    ------
    MemsimError
        If there are no accesses, or their sizes add up to 2^62 or more.
    """
    if not len(accesses):
        raise MemsimError(
            "there are no accesses", where=f"accesses of {accesses.name}", mend="give a program with some"
        )
    sizes = accesses.weights[accesses.items]
    if float(len(accesses)) * float(accesses.weights.max()) >= _EXACT_BELOW:
        raise MemsimError(
            f"{len(accesses):,} accesses of up to {accesses.weights.max():,} {accesses.unit}s are too much to add up",
            where=f"accesses of {accesses.name}",
            mend="list fewer accesses",
        )
    reuse = stack_distances(accesses.items, weights=sizes)
    live = _live(accesses, sizes)
    away = _placed(accesses) if accesses.distances is not None else _stacked(accesses, reuse, sizes)
    return Diagnosis(
        name=accesses.name,
        noun=accesses.noun,
        unit=accesses.unit,
        placed=accesses.distances is not None,
        accesses=len(accesses),
        reads=int((~accesses.writes).sum()),
        items=int((reuse == COLD).sum()),
        volume=int(sizes.sum()),
        footprint=int(sizes[reuse == COLD].sum()),
        cold=int((reuse == COLD).sum()),
        peak_live=int(live.max()),
        cost=sum(int(cost) for cost in away["cost"]),
        misses=_misses(reuse, sizes),
        reuse=_histogram(reuse, accesses.writes, sizes),
        live=_windows(live),
        distances=away,
    )


def _misses(reuse: Array, sizes: Array) -> Columns:
    """The steps of the miss-ratio curve."""
    warm = reuse != COLD
    needed = reuse[warm] + sizes[warm]
    order = np.argsort(needed, kind="stable")
    needed, hit = needed[order], np.cumsum(sizes[warm][order])
    last = np.flatnonzero(np.append(needed[1:] != needed[:-1], True)) if len(needed) else np.zeros(0, np.int64)
    return {
        "capacity": np.concatenate([[0], needed[last]]),
        "misses": len(reuse) - np.concatenate([[0], last + 1]),
        "missed": int(sizes.sum()) - np.concatenate([[0], hit[last]]),
    }


def _histogram(reuse: Array, writes: Array, sizes: Array) -> Columns:
    """Accesses, and what they access, by distance: 0, 1, 2 to 3, 4 to 7 and so on."""
    warm = reuse != COLD
    bins = _bit_lengths(reuse[warm])
    count = int(bins.max(initial=0)) + 1
    ends = [1 << i for i in range(count)]
    return {
        "from_distance": np.array([end >> 1 for end in ends], np.int64),
        "to_distance": np.array(ends, np.int64) - 1,
        "accesses": np.bincount(bins, minlength=count),
        "reads": np.bincount(bins[~writes[warm]], minlength=count),
        "volume": _sums(bins, sizes[warm], count),
    }


@compiled
def _sums(bins: Array, sizes: Array, count: int) -> Array:
    """The sizes in each bin, exactly."""
    found = np.zeros(count, np.int64)
    for i in range(len(bins)):
        found[bins[i]] += sizes[i]
    return found


@compiled
def _bit_lengths(values: Array) -> Array:
    found = np.empty(len(values), np.int64)
    for i in range(len(values)):
        length, value = 0, values[i]
        while value:
            length += 1
            value >>= 1
        found[i] = length
    return found


# ---- the live set ----


def _live(accesses: Accesses, sizes: Array) -> Array:
    """The live set at each access."""
    births, deaths = _lifetimes(accesses.items, accesses.writes, len(accesses.weights))
    steps = np.zeros(len(accesses) + 1, np.int64)
    steps[:-1] += np.where(births, sizes, 0)
    steps[1:] -= np.where(deaths, sizes, 0)
    return np.asarray(np.cumsum(steps[:-1]), np.int64)


@compiled
def _lifetimes(items: Array, writes: Array, count: int) -> tuple[Array, Array]:
    """Which accesses begin the life of a value, and which are its last."""
    births, deaths = np.zeros(len(items), np.bool_), np.zeros(len(items), np.bool_)
    last = np.full(count, -1, np.int64)
    for i in range(len(items)):
        item = items[i]
        if writes[i] or last[item] < 0:
            births[i] = True
            if last[item] >= 0:
                deaths[last[item]] = True
        last[item] = i
    for item in range(count):
        if last[item] >= 0:
            deaths[last[item]] = True
    return births, deaths


def _windows(live: Array) -> Columns:
    """The largest live set within each of at most `WINDOWS` equal windows."""
    starts = np.arange(0, len(live), -(-len(live) // WINDOWS))
    return {"time": starts, "live": np.maximum.reduceat(live, starts)}


# ---- distances of reads ----


def _placed(accesses: Accesses) -> Columns:
    """Reads by the distance of the item's place."""
    assert accesses.distances is not None
    counts = np.bincount(accesses.items[~accesses.writes], minlength=len(accesses.weights)) * accesses.weights
    away, rows = np.unique(accesses.distances, return_inverse=True)
    read = np.zeros(len(away), np.int64)
    np.add.at(read, rows, counts)
    away, read = away[read > 0], read[read > 0]
    if away.dtype != object and float(away.max(initial=0)) * float(read.max(initial=0)) >= _EXACT_BELOW:
        away = away.astype(object)
    return {"distance": away, "read": read, "cost": away * read}


def _stacked(accesses: Accesses, reuse: Array, sizes: Array) -> Columns:
    """Reads by the distance of each unit of the item in an LRU stack, in ranges up to 1, 2, 4, 8 and so on."""
    cold, writes = reuse == COLD, accesses.writes
    if int(sizes[cold].sum()) >= DEEPEST:
        raise MemsimError(
            f"items of {int(sizes[cold].sum()):,} {accesses.unit}s together",
            where=f"accesses of {accesses.name}",
            mend=f"list items of less than {DEEPEST:,} {accesses.unit}s together, or give them distances",
        )
    above = np.where(cold, np.cumsum(np.where(cold, sizes, 0)) - sizes, reuse)[~writes]
    below = above + sizes[~writes]
    bins = int(below.max(initial=1) - 1).bit_length() // 2 + 2
    read, cost = [], []
    for i in range(bins):
        least, most = (0 if i == 0 else 4 ** (i - 1)), 4**i
        inside = np.clip(below, least, most) - np.clip(above, least, most)
        read.append(int(inside.sum()))
        cost.append(_total_distance(np.clip(above, least, most), np.clip(below, least, most)))
    kept = [i for i in range(bins) if read[i]]
    return {
        "distance": np.array([2**i for i in kept], np.int64),
        "read": np.array([read[i] for i in kept], np.int64),
        "cost": np.array([cost[i] for i in kept], object),
    }


def _total_distance(above: Array, below: Array) -> int:
    """The sum of ``ceil(sqrt(depth))`` over the depths ``above + 1`` to ``below`` of every pair, exactly."""
    high, low = _prefix_sums(below, above)
    return (int(high) << 32) + int(low)


@compiled
def _prefix_sums(below: Array, above: Array) -> tuple[int, int]:
    """The sum of differences of prefix sums, as a multiple of 2^32 and a rest."""
    high, low = 0, 0
    for i in range(len(below)):
        term = _prefix(below[i]) - _prefix(above[i])
        high += term >> 32
        low += term & 0xFFFFFFFF
    return high, low


@compiled
def _prefix(depth: int) -> int:
    """`memsim.locality.shells.prefix_distance` for depths below 2^40."""
    full = integer_root(depth)
    return full * (full + 1) * (4 * full - 1) // 6 + (depth - full * full) * (full + 1)
