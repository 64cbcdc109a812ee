"""Made-up outcomes of a run, and the ledger that they must give, reckoned key by key with nothing but a dictionary."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from memsim.engine.hardware import Hardware, bank_count
from memsim.engine.ledger import Key
from memsim.engine.memory import COUNTED
from memsim.engine.plan import Plan, Step
from memsim.engine.tally import ByKind, Counts, Crossed, KernelRun, RouteFlows, Run, Tally, objects
from memsim.isa.model import Gather, Load

MILLIMETRES = (0.0, 0.1, 1.0, 2.7, 3.3000000000000003, 31.4)
OF_A_CACHE = ("written back", "written through", "between partitions")


def made_up(plan: Plan, hardware: Hardware, seed: int, most: int, shared: bool = True) -> Run:
    """A run with random counts up to ``most``; kernels that are the same share their counts, if they are to."""
    rng = np.random.default_rng(seed)
    known: dict[int, Tally] = {}
    kernels = []
    kinds = sorted(set(hardware.kinds.values()))
    for number, kernel in enumerate(plan.kernels):
        variant = kernel.twin + len(plan.kernels) * int(rng.integers(2))
        if variant not in known:
            known[variant] = _tally(kernel.steps, plan.chip.core_count, kinds, rng, most)
        tally = known[variant] if shared else deepcopy(known[variant])
        tally = replace(tally, by_tensor=_by_tensor(plan, kernel.tensors, rng, most))
        kernels.append(KernelRun(number, number * most, (number + 1) * most, tally))
    ticks = len(kernels) * most
    banks = {name: [_number(rng, ticks) for _ in range(bank_count(row))] for name, row in hardware.memories.items()}
    servers = [_number(rng, ticks) for _ in hardware.names]
    links = [_number(rng, most) * (kind == "link") for _, kind in hardware.names]
    stalls = {("load", "working"): ticks, ("load", "waiting"): most, ("use", "working"): most}
    final = {name: _number(rng, most) for name in plan.layouts if plan.chip.cache is not None}
    return Run(ticks, kernels, servers, links, banks, stalls, final, None)


def _by_tensor(plan: Plan, tensors: tuple[str, ...], rng: np.random.Generator, most: int) -> dict[str, ByKind]:
    """What a cache hands on, where there is one, and what a DRAM part and partitions count besides."""
    cached = plan.chip.cache is not None
    happens = [cached if kind in OF_A_CACHE else True for kind in COUNTED]
    return {name: tuple(_number(rng, most) * it for it in happens) for name in tensors if rng.random() < 0.8}


def _number(rng: np.random.Generator, most: int) -> int:
    return 0 if rng.random() < 0.2 else int(rng.random() * 2**53) * most // 2**53


def _array(values: list[Any], most: int) -> Counts:
    return np.array(values, dtype=np.int64 if most < 2**50 else object)


def _crossed(kinds: list[str], rng: np.random.Generator) -> Crossed:
    """How many links with an energy of their own a flow crosses, by their kinds."""
    return tuple((kind, int(rng.integers(1, 4))) for kind in kinds if rng.random() < 0.3)


def _tally(steps: tuple[Step, ...], cores: int, kinds: list[str], rng: np.random.Generator, most: int) -> Tally:
    def table(counted: list[bool]) -> Counts:
        rows = [[_number(rng, most) if it else 0 for _ in range(cores)] for it in counted]
        return _array(rows, most).reshape(len(steps), cores)

    transfers = [step.unit == "dma" for step in steps]
    keys = [
        (step.number, core, mm, _crossed(kinds, rng))
        for step in steps
        for core in range(cores)
        for mm in MILLIMETRES
        if step.unit == "dma" and rng.random() < 0.3
    ]
    flows = RouteFlows(
        np.array([k[0] for k in keys], dtype=np.int64),
        np.array([k[1] for k in keys], dtype=np.int64),
        np.array([k[2] for k in keys], dtype=np.float64),
        objects([k[3] for k in keys]),
        _array([_number(rng, most) for _ in keys], most),
        _array([_number(rng, most) for _ in keys], most),
    )
    fills = [isinstance(step.instruction, (Load, Gather)) and step.source_role == "dram" for step in steps]
    enters = [unit and not _stores_to_the_chip(step) for unit, step in zip(transfers, steps, strict=True)]
    empty = rng.random(len(steps)) < 0.5
    return Tally(table([True] * len(steps)), table(transfers), table(enters), table(fills), empty, flows)


def _stores_to_the_chip(step: Step) -> bool:
    return step.target is None and step.access is not None and step.access.layout is not None


def reckoned(plan: Plan, run: Run) -> dict[Key, int]:
    """The ledger of a run: every posting of every step on every core, one after another."""
    book: dict[Key, int] = defaultdict(int)
    for kernel_run in run.kernels:
        tally = kernel_run.tally
        for step in plan.kernels[kernel_run.kernel].steps:
            for core in range(plan.chip.core_count):
                _reckon_step(plan, book, step, core, tally)
        for tensor, counts in tally.by_tensor.items():
            _reckon_memories(plan, book, tensor, dict(zip(COUNTED, counts, strict=True)))
    for tensor, size in run.final_write_back.items():
        _reckon_write_back(plan, book, tensor, "final_write_back", size, from_cache=True)
    return {key: amount for key, amount in book.items() if amount}


def _reckon_step(plan: Plan, book: dict[Key, int], step: Step, core: int, tally: Tally) -> None:
    times, moved, entered, fetched = (
        int(table[step.number, core]) for table in (tally.executions, tally.moved, tally.entered, tally.fetched)
    )
    for p in step.postings:
        book[Key(p.part, p.tensor, step.operation, p.level, core, p.access, 0.0)] += times * p.amount
    if step.unit != "dma":
        return

    def post(part: str, access: str, size: int) -> None:
        book[Key(part, step.tensor, step.operation, part, core, access, 0.0)] += 8 * size

    book[Key("dma", step.tensor, step.operation, "dma", core, "transfer", 0.0)] += times
    for role, access in ((step.source_role, "read"), (step.target_role, "write")):
        if access == "write" and not _stores_to_the_chip(step):
            post(role, "write", entered)
        else:
            post("cache" if role == "dram" and plan.chip.cache else role, access, moved)
    if fetched and plan.chip.cache:
        post("dram", "read", fetched)
        book[Key("cache", step.tensor, "fill", "cache", core, "write", 0.0)] += 8 * fetched
        book[Key("wires", step.tensor, "fill", "network", core, "move", plan.chip.backing_mm)] += 8 * fetched
    flows = tally.flows
    for i in range(len(flows.step)):
        if (flows.step[i], flows.core[i]) == (step.number, core):
            name = (step.tensor, step.operation, "network", core, "move")
            book[Key("wires", *name, float(flows.mm[i]))] += 8 * int(flows.bytes[i])
            book[Key("routers", *name, 0.0)] += 8 * int(flows.router_bytes[i])
            for kind, links in flows.crossed[i]:
                key = Key("links", step.tensor, step.operation, "link", core, kind, 0.0)
                book[key] += 8 * links * int(flows.bytes[i])


def _reckon_memories(plan: Plan, book: dict[Key, int], tensor: str, counts: dict[str, int]) -> None:
    """What belongs to no instruction: bytes that a cache hands on or copies, rows opened, bursts not asked for."""
    _reckon_write_back(plan, book, tensor, "write_back", counts["written back"], from_cache=True)
    _reckon_write_back(plan, book, tensor, "write_back", counts["written through"], from_cache=False)
    book[Key("rows", tensor, "activate", "dram", -1, "activate", 0.0)] += counts["rows opened"]
    for access, kind in (("read", "read beyond"), ("write", "written beyond")):
        book[Key("dram", tensor, "beyond", "dram", -1, access, 0.0)] += 8 * counts[kind]
    copied = 8 * counts["between partitions"]
    for access in ("read", "write"):
        book[Key("cache", tensor, "copy", "cache", -1, access, 0.0)] += copied
    book[Key("wires", tensor, "copy", "network", -1, "move", plan.chip.partition_mm)] += copied


def _reckon_write_back(
    plan: Plan, book: dict[Key, int], tensor: str, operation: str, size: int, *, from_cache: bool
) -> None:
    if from_cache:
        book[Key("cache", tensor, operation, "cache", -1, "read", 0.0)] += 8 * size
    book[Key("dram", tensor, operation, "dram", -1, "write", 0.0)] += 8 * size
    book[Key("wires", tensor, operation, "network", -1, "move", plan.chip.backing_mm)] += 8 * size
