"""What one kernel posts to the ledger: its instructions' static costs times what a `Tally` counted.

A sheet is made once for all runs of a kernel and its twins that share a tally: it knows tensors by their position in
`KernelPlan.tensors`. Amounts are bits for what moves, else operations or transfers; nothing that is 0 has a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from memsim.engine.columns import Columns, chosen, concatenated, grouped, integers, product
from memsim.engine.hardware import answering
from memsim.engine.memory import ACTIVATED, CROSSED, OVERREAD, OVERWRITTEN, WRITTEN_BACK, WRITTEN_THROUGH
from memsim.engine.plan import KernelPlan, Step
from memsim.engine.tally import Counts, RouteFlows, Tally
from memsim.hierarchy import Chip
from memsim.isa.model import Gather, Load

KEYS: tuple[str, ...] = ("part", "tensor", "operation", "level", "core", "access", "mm")
"""What a row of the ledger is about."""
COARSE: tuple[str, ...] = ("part", "tensor", "operation", "level", "access")
AMOUNT, MOMENT = "amount", "moment"
"""Columns of sums: the amount, and for wires the sum of bits x wire length in units of 2^-`MOMENT_BITS` mm."""
MOMENT_BITS = 60
"""Such a unit holds a wire length of at least 2^-8 mm as it is, so sums of float lengths are exact in any order."""
WIRES = "wires"
ROWS = "rows"
"""Part of the rows of DRAM that are opened."""
L1 = "l1"
"""Part of a core's own cache, which loads into its registers pass: the same array as its SRAM, at the same energy."""
LINKS = "links"
"""Part of the links that have an energy of their own; their kind stands in the column ``access``."""


class Codes:
    """Names as small integers, in the order in which they were first asked for."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        return self._codes.setdefault(name, len(self._codes))

    @property
    def names(self) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        """The name of each code."""
        return np.array(list(self._codes), dtype=object)


@dataclass(frozen=True)
class Sheet:
    """The rows of one tally: codes of names, the core, mm, and amounts."""

    rows: Columns
    """Columns `KEYS` and `AMOUNT`; ``tensor`` is a position in `tensors`."""
    tensors: tuple[str, ...]
    """Tensors of the kernel, then names of rings that reach none."""
    wires: int
    """Code of the part `WIRES`."""

    @cached_property
    def coarse(self) -> Columns:
        """The rows of all cores and lengths together: columns `COARSE`, `AMOUNT` and `MOMENT`."""
        return coarse_rows(self.rows, self.wires)


def coarse_rows(rows: Columns, wires: int) -> Columns:
    """Rows of all cores and lengths added up: columns `COARSE`, `AMOUNT` and `MOMENT`."""
    lengths = grouped(rows, (*COARSE, "mm"), (AMOUNT,))
    moment = np.zeros(len(lengths[AMOUNT]), dtype=object)
    long = lengths["part"] == wires
    unique, at = np.unique(lengths["mm"][long], return_inverse=True)
    units = np.array([int(mm * 2.0**MOMENT_BITS) for mm in unique.tolist()], dtype=object)
    moment[long] = lengths[AMOUNT][long].astype(object) * units[at]
    return grouped({**lengths, MOMENT: moment}, COARSE, (AMOUNT, MOMENT))


class _Line(NamedTuple):
    """What each unit of a count of a step posts."""

    step: int
    part: str
    tensor: str
    operation: str
    level: str
    access: str
    mm: float
    amount: int


def make_sheet(kernel: KernelPlan, tally: Tally, chip: Chip, codes: Codes) -> Sheet:
    """The rows of one run of ``kernel``; write-backs, which belong to no instruction, are not in it."""
    slots = {name: i for i, name in enumerate(kernel.tensors)}
    lines: dict[str, list[_Line]] = {"executions": [], "moved": [], "entered": [], "fetched": []}
    for step in kernel.steps:
        for count, line in _lines(step, chip):
            lines[count].append(line)
    parts = [_rows(found, getattr(tally, count), slots, codes) for count, found in lines.items() if found]
    parts += _flow_rows(kernel.steps, tally.flows, slots, codes)
    rows = concatenated(parts, (*KEYS, AMOUNT))
    rows = grouped(chosen(rows, rows[AMOUNT] > 0), KEYS, (AMOUNT,))
    return Sheet(rows, tuple(slots), codes[WIRES])


def _lines(step: Step, chip: Chip) -> Iterator[tuple[str, _Line]]:
    """What a step posts: for each execution, and for each byte that was moved, entered or fetched."""

    def line(part: str, access: str, amount: int = 8, operation: str = step.operation) -> _Line:
        return _Line(step.number, part, step.tensor, operation, part, access, 0.0, amount)

    for p in step.postings:
        yield "executions", _Line(step.number, p.part, p.tensor, step.operation, p.level, p.access, 0.0, p.amount)
    if step.unit != "dma":
        return
    yield "executions", line("dma", "transfer", 1)
    shared = step.access is not None and step.access.layout is not None
    loads = isinstance(step.instruction, (Load, Gather))
    yield "moved", line(answering(chip, step.source_role) if shared and loads else step.source_role, "read")
    if shared and not loads:
        yield "moved", line(answering(chip, step.target_role), "write")
    else:
        yield "entered", line(step.target_role, "write")
        if loads and shared and step.target_role == "reg" and chip.core.l1 is not None:
            yield "entered", line(L1, "write")
            yield "entered", line(L1, "read")
    if shared and loads and chip.cache is not None:
        yield "fetched", line("dram", "read")
        yield "fetched", line("cache", "write", operation="fill")
        yield "fetched", _Line(step.number, WIRES, step.tensor, "fill", "network", "move", chip.backing_mm, 8)


def _rows(lines: Sequence[_Line], counts: Counts, slots: dict[str, int], codes: Codes) -> Columns:
    amounts = product(counts[[line.step for line in lines]], integers([line.amount for line in lines])[:, None])
    at, core = np.nonzero(amounts)
    columns = {
        "part": [codes[line.part] for line in lines],
        "tensor": [slots.setdefault(line.tensor, len(slots)) for line in lines],
        "operation": [codes[line.operation] for line in lines],
        "level": [codes[line.level] for line in lines],
        "access": [codes[line.access] for line in lines],
        "mm": [line.mm for line in lines],
    }
    return {name: np.array(of)[at] for name, of in columns.items()} | {"core": core, AMOUNT: amounts[at, core]}


def _flow_rows(steps: Sequence[Step], flows: RouteFlows, slots: dict[str, int], codes: Codes) -> list[Columns]:
    """Bits on the wires of the network, bits times hops through its routers, bits on links with their own energy."""
    count = len(flows.step)
    tensors = np.array([slots.setdefault(step.tensor, len(slots)) for step in steps] or [0])
    operations = np.array([codes[step.operation] for step in steps] or [0])
    both = []
    none = np.zeros(count)
    posted = [
        (WIRES, "network", "move", flows.mm, flows.bytes),
        ("routers", "network", "move", none, flows.router_bytes),
    ]
    posted += [(LINKS, "link", kind, none, product(flows.bytes, links)) for kind, links in _crossings(flows)]
    for part, level, access, mm, sizes in posted:
        same = {"part": part, "level": level, "access": access}
        columns = {name: np.full(count, codes[value]) for name, value in same.items()}
        columns |= {"tensor": tensors[flows.step], "operation": operations[flows.step], "core": flows.core}
        both.append(columns | {"mm": mm, AMOUNT: product(sizes, np.array([8]))})
    return both


def _crossings(flows: RouteFlows) -> Iterator[tuple[str, Counts]]:
    """(kind, how many of its links each flow crosses) of every kind."""
    for kind in sorted({kind for crossed in set(flows.crossed.tolist()) for kind, _ in crossed}):
        yield kind, np.array([dict(crossed).get(kind, 0) for crossed in flows.crossed.tolist()], dtype=np.int64)


def memory_rows(by_tensor: Mapping[str, Sequence[int]], chip: Chip, codes: Codes, back: str = "write_back") -> Columns:
    """Rows of what memories did for each tensor (`memsim.engine.memory.COUNTED`), by no instruction: core -1.

    What is written ``back`` is read from the cache; what is written through is at hand.
    """
    handed_on = [("dram", "dram", back, "write", 0.0, 8), (WIRES, "network", back, "move", chip.backing_mm, 8)]
    posts = {
        WRITTEN_BACK: [*handed_on, ("cache", "cache", back, "read", 0.0, 8)],
        WRITTEN_THROUGH: handed_on,
        ACTIVATED: [(ROWS, "dram", "activate", "activate", 0.0, 1)],
        OVERREAD: [("dram", "dram", "beyond", "read", 0.0, 8)],
        OVERWRITTEN: [("dram", "dram", "beyond", "write", 0.0, 8)],
        CROSSED: [
            ("cache", "cache", "copy", "read", 0.0, 8),
            ("cache", "cache", "copy", "write", 0.0, 8),
            (WIRES, "network", "copy", "move", chip.partition_mm, 8),
        ],
    }
    rows = [
        (codes[part], codes[tensor], codes[operation], codes[level], -1, codes[access], mm, amount * counts[kind])
        for tensor, counts in by_tensor.items()
        for kind, lines in posts.items()
        if counts[kind]
        for part, level, operation, access, mm, amount in lines
    ]
    columns = list(zip(*rows, strict=True)) or [()] * (len(KEYS) + 1)
    *names, mm, amounts = columns
    table: Columns = {key: np.array(of, dtype=np.int64) for key, of in zip(KEYS, names, strict=False)}
    return table | {"mm": np.array(mm, dtype=np.float64), AMOUNT: integers(list(amounts))}
