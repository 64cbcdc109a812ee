"""Rules on trip counts, regions and targets, proved for every block and every iteration.

Interval arithmetic settles most; what it leaves open is counted exactly: `first_positive` finds the first iteration
that breaks a rule, which the error then names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from memsim.errors import ProgramError
from memsim.isa.counting import first_positive, ranges_of
from memsim.isa.expr import Expr, var
from memsim.isa.model import (
    Copy,
    Gather,
    Group,
    Kernel,
    Load,
    Loop,
    Program,
    Region,
    Send,
    Statement,
    Store,
    Target,
    transfer_target,
)
from memsim.isa.sites import Site, group_path, placed

MAX_TRIPS = 2**62
"""Largest trip count of a loop."""


def check_regions(program: Program, sites: Iterable[Site]) -> None:
    """Raise unless every trip count, region and target is within its bounds, in every iteration."""
    for kernel in program.kernels:
        for group in kernel.groups:
            grid = [(name, Expr(size)) for name, size in group.grid]
            for queue in group.queues:
                _check_trips(queue.body, grid, group, [*group_path(kernel, group), f"queue {queue.name}"])
    for site in sites:
        match site.instruction:
            case Load(src=region) | Gather(src=region) | Store(dst=region):
                _check_region(site, region)
        target = transfer_target(site.instruction)
        if target is not None:
            _check_target(site, target)


def iteration_text(group: Group, found: Mapping[str, int]) -> str:
    """``block y=1 x=0, iteration k=3``."""
    coordinates = [name for name, _ in group.grid]
    block = " ".join(f"{name}={found[name]}" for name in coordinates)
    counters = " ".join(f"{name}={value}" for name, value in found.items() if name not in coordinates)
    named = [f"block {block}"] * bool(block) + [f"iteration {counters}"] * bool(counters)
    return ", ".join(named) or "its only iteration"


def _check_trips(body: Iterable[Statement], nest: list[tuple[str, Expr]], group: Group, path: list[str]) -> None:
    for loop in body:
        if not isinstance(loop, Loop):
            continue
        inner = [*path, f"loop {loop.var}"]
        where = placed(inner, loop)
        found = first_positive(nest, -loop.count, where=where)
        if found is not None:
            raise ProgramError(
                f"the trip count {loop.count} is {loop.count.evaluate(found)} in {iteration_text(group, found)}",
                where=where,
                mend=f"use max({loop.count}, 0)",
            )
        ranges = ranges_of(nest)
        if ranges is not None and loop.count.bounds(ranges)[1] > MAX_TRIPS:
            raise ProgramError(
                f"the trip count {loop.count} may be as large as {loop.count.bounds(ranges)[1]}",
                where=where,
                mend="keep trip counts below 2^62",
            )
        _check_trips(loop.body, [*nest, (loop.var, loop.count)], group, inner)


def _check_region(site: Site, region: Region) -> None:
    extents = site.program.tensor(region.tensor).shape
    boxes = zip(region.starts, region.sizes, region.steps, extents, strict=True)
    for axis, (start, size, step, extent) in enumerate(boxes):
        if region.clip:
            continue
        found = first_positive(site.nest, -start, where=site.where)
        if found is not None:
            raise site.error(
                f"the region of {region.tensor} starts at {start.evaluate(found)} (= {start}) in dimension {axis}, "
                f"in {iteration_text(site.group, found)}",
                "cut the region at the edge with `clip`, or use max(..., 0)",
            )
        last = start + (size - 1) * step
        found = first_positive(site.nest, last - (extent - 1), where=site.where)
        if found is not None:
            raise site.error(
                f"the region of {region.tensor} ends at element {last.evaluate(found)} in dimension {axis} "
                f"of extent {extent} (start {start}, size {size}, step {step}), "
                f"in {iteration_text(site.group, found)}",
                "cut the region at the edge with `clip`, or correct the start or the loop's count",
            )


# ---- targets ----


def _check_target(site: Site, target: Target) -> None:
    instruction = site.instruction
    if isinstance(instruction, Copy) and (target.blocks is not None or target.group is not None):
        raise site.error("copy stays within its core, but names other blocks", "use `send`")
    if isinstance(instruction, Send) and target.blocks is None:
        raise site.error("send names no block", f"write `send {target.ring} to (...)`, or `copy` within the block")
    if target.blocks is None and target.group not in (None, site.group.name):
        raise site.error(
            f"the target is in group {target.group}, but no block of it is named", f"write `to {target.group}(...)`"
        )
    if target.group not in (None, site.group.name) and not site.kernel.cooperative:
        raise site.error(
            f"group {target.group} is not in the cluster of this block",
            "mark the kernel `cooperative`, so that all of its blocks are resident",
        )
    if target.blocks is not None:
        _check_within_cluster(site, target)


def _check_within_cluster(site: Site, target: Target) -> None:
    owner = site.target_group(target)
    for (name, size), cluster, (start, count) in zip(owner.grid, owner.cluster, target.blocks or (), strict=True):
        low, high = _reach(site.kernel, name, size, cluster)
        for outside in (low - start, start + count - high):
            found = first_positive(site.nest, outside, where=site.where)
            if found is None:
                continue
            first = start.evaluate(found)
            reach = f"{name}={low.evaluate(found)}..{high.evaluate(found) - 1}"
            raise site.error(
                f"the target {name}={first}{f'..{first + count - 1}' if count > 1 else ''} is outside of the cluster, "
                f"which has {reach}, in {iteration_text(site.group, found)}",
                "stay within the cluster, enlarge it, or mark the kernel `cooperative`",
            )


def _reach(kernel: Kernel, name: str, size: int, cluster: int) -> tuple[Expr, Expr]:
    """First and end coordinate of the blocks that may be sent to, in one grid dimension."""
    if kernel.cooperative:
        return Expr(0), Expr(size)
    low = var(name) // cluster * cluster
    return low, low + cluster
