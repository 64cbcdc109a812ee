"""Analytic lower bounds on a run's time: what no schedule of these instructions on this chip can beat.

Rooflines divide the work done by the peak rate that serves it (Williams et al., CACM 2009); "busiest" bounds take the
most loaded single resource, and so contain the waves of blocks that do not divide by the cores; the critical path
adds launch, the shortest way of a first tile from memory, and all products that need a loaded tile, core by core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from fractions import Fraction

from memsim.engine.hardware import Hardware, memory_node, node_of
from memsim.engine.plan import KernelPlan, Plan, Step
from memsim.isa.model import Gather, Load

Executions = dict[tuple[int, int], int]


def time_bounds(
    plan: Plan, hardware: Hardware, executions: Executions, empty: Set[int] = frozenset()
) -> dict[str, Fraction]:
    """Each bound's name and its time in ticks; ``empty``: steps of which a transfer had nothing to move."""
    chip = plan.chip
    bounds: dict[str, Fraction] = {}
    by_kind: dict[str, list[int]] = defaultdict(list)
    for (_, kind), busy in zip(hardware.names, hardware.busy.tolist(), strict=True):
        by_kind[kind].append(busy)
    for unit in ("matrix", "vector"):
        if any(by_kind[unit]):
            bounds[f"roofline: {unit} units"] = Fraction(sum(by_kind[unit]), chip.core_count)
            bounds[f"busiest {unit} unit"] = Fraction(max(by_kind[unit]))
    for name, banks in hardware.banks.items():
        if banks.busy.any():
            bounds[f"roofline: {name} bandwidth"] = Fraction(int(banks.busy.sum()), len(banks.busy))
    for kind, label in (("sram", "busiest sram port"), ("reg", "busiest register port"), ("link", "busiest link")):
        if any(by_kind[kind]):
            bounds[label] = Fraction(max(by_kind[kind]))
    bounds["critical path"] = Fraction(sum(_kernel_path(plan, k, hardware, executions, empty) for k in plan.kernels))
    return bounds


def _kernel_path(plan: Plan, kernel: KernelPlan, hardware: Hardware, executions: Executions, empty: Set[int]) -> int:
    chip = plan.chip
    launch = chip.ticks_of(chip.launch)
    steps = [s for group in kernel.groups for s in group.steps]
    if not any((s.number, core) in executions for s in steps for core in range(chip.core_count)):
        return launch
    start = launch + chip.ticks_of(chip.block_start)
    loaded = _loaded_rings(steps)
    needs = {
        s.number: s
        for group in kernel.groups
        for s in group.steps
        if s.unit in ("matrix", "vector") and any((group.group.name, ring) in loaded for ring, _ in s.reads)
    }
    work: dict[tuple[int, str], int] = defaultdict(int)
    for (number, core), times in executions.items():
        step = needs.get(number)
        if step is not None:
            work[core, step.unit] += times * step.interval
    if not work:
        return start
    return start + _first_tile(plan, hardware, steps, empty) + max(work.values())


def _loaded_rings(steps: list[Step]) -> set[tuple[str, int]]:
    """(group, ring) of the rings that nothing but loads fills, in this block or from another."""
    by_load: set[tuple[str, int]] = set()
    otherwise: set[tuple[str, int]] = set()
    for step in steps:
        if step.target is not None:
            fills = by_load if isinstance(step.instruction, (Load, Gather)) else otherwise
            fills.add((step.target.group, step.target.ring))
    return by_load - otherwise


def _first_tile(plan: Plan, hardware: Hardware, steps: list[Step], empty: Set[int]) -> int:
    """The shortest latency of any load: issue, request, memory, and the way back, with no byte to wait for.

    A load of which clipping left nothing may have been the first: it pays its issue only.
    """
    chip = plan.chip
    best = None
    for step in steps:
        if not isinstance(step.instruction, (Load, Gather)):
            continue
        way = max(step.interval, step.latency)
        if step.access is not None and step.access.layout is not None and step.number not in empty:
            role = step.source_role
            banks = hardware.banks["cache" if role == "dram" and chip.cache else role]
            ways = [
                hardware.route(node_of(core), (node,)).latency + hardware.route(node, (node_of(core),)).latency
                for core in range(chip.core_count)
                for node in {memory_node(chip, role, port) for port in range(banks.ports)}
            ]
            way += banks.latency + min(ways)
        best = way if best is None else min(best, way)
    return best or 0
