"""Analytic lower bounds on a run's time: what no schedule of these instructions on this chip can beat.

Rooflines divide the work done by the peak rate that serves it (Williams et al., CACM 2009); "busiest" bounds take the
most loaded single resource, and so contain the waves of blocks that do not divide by the cores; the critical path
adds launch, the shortest way of a first tile from memory, and all products that need a loaded tile, core by core.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from memsim.engine.columns import exact_totals, integers, product
from memsim.engine.hardware import Hardware, answering, memory_node, node_of
from memsim.engine.plan import KernelPlan, Plan, Step
from memsim.engine.servers import LATENCY, PORTS
from memsim.engine.tally import Counts, Run, Tally
from memsim.isa.model import Gather, Load

_MOST_WAYS = 1_000_000
"""Pairs of a core and a memory port, up to which every route is looked at."""


def time_bounds(plan: Plan, run: Run, hardware: Hardware) -> dict[str, Fraction]:
    """Each bound's name and its time in ticks."""
    bounds: dict[str, Fraction] = {}
    by_kind: dict[str, list[int]] = defaultdict(list)
    for (_, kind), busy in zip(hardware.names, run.server_busy, strict=True):
        by_kind[kind].append(busy)
    for unit in ("matrix", "vector"):
        if any(by_kind[unit]):
            bounds[f"roofline: {unit} units"] = Fraction(sum(by_kind[unit]), plan.chip.core_count)
            bounds[f"busiest {unit} unit"] = Fraction(max(by_kind[unit]))
    for name in hardware.memories:
        banks = run.bank_busy[name]
        if any(banks):
            bounds[f"roofline: {name} bandwidth"] = Fraction(sum(banks), len(banks))
    for kind, label in (("sram", "busiest sram port"), ("reg", "busiest register port"), ("link", "busiest link")):
        if any(by_kind[kind]):
            bounds[label] = Fraction(max(by_kind[kind]))
    bounds["critical path"] = Fraction(_critical_path(plan, run, hardware))
    return bounds


def _critical_path(plan: Plan, run: Run, hardware: Hardware) -> int:
    """Sum over the kernels, in ticks; twins that share counts have the same path."""
    ways: dict[str, int] = {}
    known: dict[tuple[int, int, int], int] = {}
    total = 0
    for kernel_run in run.kernels:
        tally, twin = kernel_run.tally, plan.kernels[kernel_run.kernel].twin
        same = twin, id(tally.executions), id(tally.empty)
        if same not in known:
            known[same] = _kernel_path(plan.kernels[twin], tally, hardware, ways)
        total += known[same]
    return total


def _kernel_path(kernel: KernelPlan, tally: Tally, hardware: Hardware, ways: dict[str, int]) -> int:
    chip = hardware.chip
    launch = chip.ticks_of(chip.launch)
    if not tally.executions.any():
        return launch
    loaded = _loaded_rings(kernel.steps)
    needs = [
        step
        for group in kernel.groups
        for step in group.steps
        if step.unit in ("matrix", "vector") and any((group.group.name, ring) in loaded for ring, _ in step.reads)
    ]
    start = launch + chip.ticks_of(chip.block_start)
    if not tally.executions[[step.number for step in needs]].any():
        return start
    most = max(_most_work([s for s in needs if s.unit == unit], tally) for unit in ("matrix", "vector"))
    return start + _first_tile(kernel.steps, tally, hardware, ways) + most


def _most_work(steps: Sequence[Step], tally: Tally) -> int:
    """Ticks for which these steps keep the most loaded core's unit busy."""
    if not steps:
        return 0
    executions: Counts = tally.executions[[step.number for step in steps]]
    work = product(executions, integers([step.interval for step in steps])[:, None])
    return max(exact_totals(work.T))


def _loaded_rings(steps: Sequence[Step]) -> set[tuple[str, int]]:
    """(group, ring) of the rings that nothing but loads fills, in this block or from another."""
    by_load: set[tuple[str, int]] = set()
    otherwise: set[tuple[str, int]] = set()
    for step in steps:
        if step.target is not None:
            fills = by_load if isinstance(step.instruction, (Load, Gather)) else otherwise
            fills.add((step.target.group, step.target.ring))
    return by_load - otherwise


def _first_tile(steps: Sequence[Step], tally: Tally, hardware: Hardware, ways: dict[str, int]) -> int:
    """The shortest latency of any load: issue, request, memory, and the way back, with no byte to wait for.

    A load of which clipping left nothing may have been the first: it pays its issue only.
    """
    best = None
    for step in steps:
        if not isinstance(step.instruction, (Load, Gather)):
            continue
        way = max(step.interval, step.latency)
        if step.access is not None and step.access.layout is not None and not tally.empty[step.number]:
            role = step.source_role
            if role not in ways:
                ways[role] = _shortest_way(role, hardware)
            way += ways[role]
        best = way if best is None else min(best, way)
    return best or 0


def _shortest_way(role: str, hardware: Hardware) -> int:
    """Latency of a chip-wide memory, and of the network from the nearest core to it and back."""
    chip = hardware.chip
    row = hardware.memories[answering(hardware.chip, role)]
    nodes = {memory_node(chip, role, port) for port in range(row[PORTS])}
    if len(nodes) * chip.core_count > _MOST_WAYS:
        return row[LATENCY]  # looser, but a bound; millions of routes would take minutes
    ways = [
        hardware.route(node_of(core), (node,)).latency + hardware.route(node, (node_of(core),)).latency
        for core in range(chip.core_count)
        for node in nodes
    ]
    return row[LATENCY] + min(ways)
