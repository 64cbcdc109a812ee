"""Which kernel a library takes: the one with the least estimated time, by a few closed forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from memsim.hierarchy import Chip
from memsim.isa.ops import DTYPES
from memsim.library.gemm.catalogue import catalogue
from memsim.library.gemm.facts import Facts
from memsim.library.gemm.machine import pause_cycles
from memsim.library.gemm.plan import Plan, Problem, Tiling
from memsim.library.knobs import knob

LINE, SHORT_RUNS = 128, 1.5
"""Bytes of a line of the cache, and how much longer the DRAM takes for parts of one."""
MOST_SPLITS, MOST_WAVES = 64, 6
MANY_STEPS = 20_000
"""Beyond which steps are made twice as deep."""


def choose(chip: Chip, problem: Problem) -> Plan:
    """The plan with the least estimated time."""
    facts = Facts.of(chip, problem.dtype)
    plans = [plan for tiling in catalogue(chip, problem.dtype) for plan in _plans(facts, tiling, problem)]
    return coarser(min(plans, key=lambda plan: estimate(facts, plan, problem)), problem)


def coarser(plan: Plan, problem: Problem) -> Plan:
    """The same bytes in fewer and deeper steps, where there are very many."""
    tiling = plan.tiling
    if tiling.stages < 4 or plan.steps(problem) * plan.pieces(problem) < MANY_STEPS or plan.steps(problem) < 16:
        return plan
    return replace(plan, tiling=replace(tiling, k=2 * tiling.k, stages=tiling.stages // 2))


def _plans(facts: Facts, tiling: Tiling, problem: Problem) -> Iterator[Plan]:
    plan = Plan(tiling)
    group = _group(facts, plan, problem)
    yield Plan(tiling, 1, group)
    steps, pieces = plan.steps(problem), plan.pieces(problem)
    splits = 2
    while problem.batch == 1 and splits <= min(MOST_SPLITS, steps // 4) and pieces * splits <= MOST_WAVES * facts.cores:
        if 4 * problem.m * problem.n * splits > facts.workspace:
            break
        if tiling.accumulators == 1 and (splits - 1) * -(-steps // splits) < steps:
            yield Plan(tiling, splits, group)
        splits += 1 if splits < 4 else splits // 2


def _group(facts: Facts, plan: Plan, problem: Problem) -> int:
    """Rows of tiles that are taken together, so that what runs at once is about as high as wide."""
    tiling = plan.tiling
    rows = plan.tiles(problem)[0] // tiling.high
    at_once = facts.cores * tiling.residents // tiling.cluster
    high, wide = tiling.m * tiling.high, tiling.n * tiling.wide
    sizes = [g for g in range(1, min(rows, 64) + 1) if rows % g == 0]
    return min(sizes, key=lambda g: g * high + -(-at_once // g) * wide)


def estimate(facts: Facts, plan: Plan, problem: Problem) -> float:
    """Cycles of a plan: its waves of tiles or its bytes of DRAM, whichever take longer, and the sum of its parts."""
    tiling = plan.tiling
    size = DTYPES[problem.dtype].bytes
    pieces = plan.pieces(problem)
    slots = facts.cores // tiling.cluster * tiling.cluster
    running = min(pieces, slots * tiling.residents)
    a_bytes, b_bytes = tiling.m * tiling.k * size, tiling.n * tiling.k * size
    each = -(-running // slots)
    product = facts.product(tiling, problem.dtype)
    pause = pause_cycles(tiling, facts.chip) if facts.pauses(tiling, pieces) else 0
    step = max(
        each * product,
        product + pause,
        each * (a_bytes + b_bytes) / facts.link,
        running * (a_bytes / tiling.wide + b_bytes / tiling.high) / facts.cache,
        (facts.latency + product) / tiling.stages,
    )
    steps = plan.steps(problem)
    out = tiling.m * tiling.n * (4 if plan.splits > 1 else DTYPES[problem.out].bytes)
    tail = round(knob("gemm_epilogue")) * tiling.m * tiling.n / facts.lanes + running * out / facts.cache
    if tiling.accumulators > 1:
        tail = max(0.0, tail - steps * step)
    start = facts.prologue(tiling, problem.dtype, steps)
    fill = 0 if tiling.persistent else facts.latency + start
    waves = -(-pieces // (slots * tiling.residents))
    work = (
        (facts.latency if tiling.persistent else 0)
        + waves * (fill + steps * step + tail)
        + (round(knob("gemm_epilogue")) * tiling.m * tiling.n / facts.lanes)
    )
    bytes_moved = size * problem.batch * problem.k * (problem.m + problem.n)
    slow = 1.0 if tiling.k * size >= LINE else SHORT_RUNS
    total = max(work, slow * bytes_moved / facts.dram + facts.latency)
    if plan.splits > 1:
        parts = 4 * problem.m * problem.n * plan.splits
        total += facts.second + parts / (facts.cache if parts < facts.capacity else facts.dram)
    return total
