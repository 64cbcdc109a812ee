"""Where two results of the same program on the same chip differ: both engines must give the same, to the last tick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from memsim.engine.memory import COUNTED
from memsim.engine.result import Result
from memsim.engine.tally import Crossed, Tally
from memsim.isa.format import statement_text

MOST_LINES = 10
"""Lines on what differs besides the first instruction."""
TABLES = ("executions", "moved", "entered", "fetched")

K = TypeVar("K")
Place: TypeAlias = tuple[int, int, str, int]
"""Which execution a row of the trace is about: (kernel, block, queue, sequence in the queue)."""


def first_difference(a: Result, b: Result) -> str | None:
    """Compare two results exactly: ticks, spans, traces, counts, energies, busy times, stalls.

    Parameters
    ----------
    a, b
        Results of one program on one chip. Instructions are compared where both were traced.

    Returns
    -------
    str | None
        None if they are equal. Else a text of a few lines: the first instruction (by start, then end) that differs, as
        each result has it, then what else differs, at most `MOST_LINES` lines.
    """
    instruction = _first_instruction(a, b)
    others = list(_others(a, b))
    if not (instruction or others):
        return None
    shown = others[:MOST_LINES]
    if len(others) > len(shown):
        shown.append(f"and {len(others) - len(shown)} more")
    head = f"{a.engine} and {b.engine} differ on {a.workload}"
    return "\n".join([head, *instruction, *(f"  {line}" for line in shown)])


# ---- instructions ----


def _first_instruction(a: Result, b: Result) -> list[str]:
    """The first instruction that differs, as each result has it."""
    if a.run.trace is None or b.run.trace is None:
        return []
    left, right = _by_place(a.run.trace), _by_place(b.run.trace)
    places = [p for p in left.keys() | right.keys() if _comparable(left.get(p)) != _comparable(right.get(p))]
    if not places:
        return []

    def begins(place: Place) -> tuple[tuple[int, int], Place]:
        return min((row[5], row[6]) for row in (left.get(place), right.get(place)) if row is not None), place

    first = min(places, key=begins)
    width = max(len(a.engine), len(b.engine)) + 1
    return [
        f"first of {len(places)} instructions:",
        *(f"  {r.engine + ':':{width}} {_told(r, rows.get(first), first)}" for r, rows in ((a, left), (b, right))),
    ]


def _by_place(trace: Iterable[Any]) -> dict[Place, Any]:
    return {(row[0], row[1], row[3], row[8]): row for row in trace}


def _comparable(row: Any | None) -> Any:
    if row is None:
        return None
    kernel, block, core, queue, step, start, end, size, sequence = row
    return kernel, block, core, queue, step.path, step.operation, start, end, size, sequence


def _told(result: Result, row: Any | None, place: Place) -> str:
    kernel, block, queue, sequence = place
    who = f"kernel {result.plan.kernels[kernel].kernel.name}, block {block}, queue {queue}, its {_ordinal(sequence)}: "
    if row is None:
        return f"{who}nothing"
    core, step, start, end, size = row[2], row[4], row[5], row[6], row[7]
    path = ".".join(map(str, step.path))
    return f"{who}`{statement_text(step.instruction)}` (path {path}) on core {core}, ticks {start}..{end}, {size} B"


def _ordinal(n: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10 if n // 10 % 10 != 1 else 0, "th")
    return f"{n}{ending}"


# ---- sums ----


def _others(a: Result, b: Result) -> Iterator[str]:
    """One line for each thing that differs, besides instructions."""
    left, right = a.run, b.run
    yield from _unequal("ticks", left.ticks, right.ticks)
    yield from _kernels(a, b)
    yield from _mappings("ledger", a.energy.counts, b.energy.counts)
    names = list(a.parts["part"])
    yield from _sequences("busy ticks of", left.server_busy, right.server_busy, names)
    yield from _sequences("bytes over", left.link_bytes, right.link_bytes, names)
    yield from _unequal("memories", sorted(left.bank_busy), sorted(right.bank_busy))
    for memory in sorted(left.bank_busy.keys() & right.bank_busy.keys()):
        yield from _sequences(f"busy ticks of bank of {memory}", left.bank_busy[memory], right.bank_busy[memory])
    yield from _mappings("stalls", left.stalls, right.stalls)
    yield from _mappings("final write-back", left.final_write_back, right.final_write_back)


def _kernels(a: Result, b: Result) -> Iterator[str]:
    left, right = a.run.kernels, b.run.kernels
    yield from _unequal("kernels run", len(left), len(right))
    for x, y in zip(left, right, strict=False):
        if x.kernel != y.kernel:
            yield f"kernels in another order: {x.kernel} | {y.kernel}"
            return
        name = f"kernel {a.plan.kernels[x.kernel].kernel.name}"
        yield from _unequal(f"{name}: span", (x.begin, x.end), (y.begin, y.end))
        if x.tally is not y.tally:
            yield from _tallies(name, x.tally, y.tally)


def _tallies(name: str, a: Tally, b: Tally) -> Iterator[str]:
    for table in TABLES:
        yield from _arrays(f"{name}: {table} of (step, core)", getattr(a, table), getattr(b, table))
    yield from _arrays(f"{name}: empty transfers of step", a.empty, b.empty)
    yield from _mappings(f"{name}: flow of (step, core, mm)", _flows(a), _flows(b))
    yield from _mappings(f"{name}: {', '.join(COUNTED)} of", a.by_tensor, b.by_tensor)


def _flows(tally: Tally) -> dict[tuple[int, int, float, Crossed], tuple[int, int]]:
    """(bytes, router bytes) of each (step, core, wire length, links crossed), however many rows they have."""
    flows = tally.flows
    sums: dict[tuple[int, int, float, Crossed], tuple[int, int]] = {}
    columns = (flows.step, flows.core, flows.mm, flows.crossed, flows.bytes, flows.router_bytes)
    for *key, size, routers in zip(*(c.tolist() for c in columns), strict=True):
        step, core, mm, crossed = key
        before = sums.get((step, core, mm, crossed), (0, 0))
        sums[step, core, mm, crossed] = before[0] + size, before[1] + routers
    return sums


def _unequal(name: str, a: object, b: object) -> Iterator[str]:
    if a != b:
        yield f"{name}: {a} | {b}"


def _mappings(name: str, a: Mapping[K, Any], b: Mapping[K, Any]) -> Iterator[str]:
    """Amounts by key; what is absent is zero."""
    zero = {0, (0, 0)}
    for key in {**a, **b}:
        x, y = a.get(key, 0), b.get(key, 0)
        if x != y and not (x in zero and y in zero):
            yield f"{name} {key}: {x} | {y}"


def _sequences(name: str, a: Sequence[int], b: Sequence[int], names: Sequence[str] = ()) -> Iterator[str]:
    yield from _unequal(f"{name}: their number", len(a), len(b))
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            yield f"{name} {names[i] if names else i}: {x} | {y}"


def _arrays(name: str, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> Iterator[str]:
    if a.shape != b.shape:
        yield f"{name}: shape {a.shape} | {b.shape}"
        return
    for at in np.argwhere(a != b).tolist():
        yield f"{name} {tuple(at)}: {a[tuple(at)]} | {b[tuple(at)]}"
