"""Tiles that one block loads for many, loaded by each of them instead: then the blocks need not run together.

A multicast load from a memory that all cores share reads the same elements, whoever reads them. Where a queue does
nothing but load, and each block gets its tiles from one block of the cluster, which is found from the block's own
coordinates (the first of its row, say), the block can run that queue itself, as the other block would. On a device
that has a cache, that is what one would write anyway.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from memsim.isa.expr import Expr, var
from memsim.isa.model import (
    PER_CORE_ROLES,
    Group,
    Instruction,
    Kernel,
    Load,
    Loop,
    Program,
    Queue,
    Statement,
    Target,
    transfer_target,
    walk,
)
from memsim.isa.rewriting import simplify, substitute
from memsim.webgpu.texts import Body, with_values

Place = tuple[int, ...]


def localised(kernel: Kernel, program: Program) -> Kernel:
    """The kernel with each multicast load that allows it done by the blocks that receive it."""
    if kernel.cooperative:
        return kernel
    own = {tensor.name for tensor in program.tensors if tensor.role in PER_CORE_ROLES}
    return replace(kernel, groups=tuple(_group(group, own) for group in kernel.groups))


def _group(group: Group, per_core: set[str]) -> Group:
    queues = []
    for queue in group.queues:
        targets = [target for i, _ in walk(queue.body) if (target := transfer_target(i)) and target.blocks is not None]
        if not targets:
            queues.append(queue)
            continue
        own = _by_receivers(group, queue, per_core)
        if own is None:
            return group
        queues.append(own)
    return replace(group, queues=tuple(queues))


def _by_receivers(group: Group, queue: Queue, per_core: set[str]) -> Queue | None:
    """The queue as each block runs it for itself, or None where that is not sure to be the same."""
    instructions = [i for i, _ in walk(queue.body)]
    if not all(_is_shared_load(i, per_core) for i in instructions):
        return None
    senders = _senders(group, queue)
    if senders is None:
        return None
    values: dict[str, Expr] = {}
    for d, ((name, _), size) in enumerate(zip(group.grid, group.cluster, strict=True)):
        if size == 1 or all(sender[d] == receiver[d] for receiver, sender in senders.items()):
            continue
        (first, *others) = {sender[d] for sender in senders.values()}
        if others:
            return None
        values[name] = var(name) // size * size + first
    return replace(queue, body=_to_self(with_values(queue.body, values)))


def _is_shared_load(instruction: Instruction, per_core: set[str]) -> bool:
    """Whether it loads for many what each of them would find at the same place."""
    return (
        isinstance(instruction, Load)
        and instruction.dst.blocks is not None
        and instruction.dst.group is None
        and instruction.src.tensor not in per_core
    )


def _senders(group: Group, queue: Queue) -> dict[Place, Place] | None:
    """For each place in the cluster, the one from which it gets the tiles of every load of the queue."""
    senders: dict[Place, Place] = {}
    for sender in itertools.product(*(range(size) for size in group.cluster)):
        reached = _reached(group, queue.body, sender)
        if reached is None:
            return None
        for receiver in reached:
            if receiver in senders:
                return None
            senders[receiver] = sender
    everywhere = {*itertools.product(*(range(size) for size in group.cluster))}
    return senders if set(senders) == everywhere else None


def _reached(group: Group, body: Body, sender: Place) -> set[Place] | None:
    """Places that every load of the queue of the block at ``sender`` fills; None where that is not known."""
    outer = {name: var(name) * size + at for (name, _), size, at in zip(group.grid, group.cluster, sender, strict=True)}
    ranges = {name: (0, n // size - 1) for (name, n), size in zip(group.grid, group.cluster, strict=True)}
    found: set[frozenset[Place]] = set()
    for instruction, loops in walk(with_values(body, outer)):
        counts = [simplify(substitute(loop.count, {}), _with_loops(ranges, loops)) for loop in loops]
        if any(count.is_constant and count.const <= 0 for count in counts):
            continue
        blocks = _blocks(group, instruction, {**_with_loops(ranges, loops)})
        if blocks is None:
            return None
        found.add(blocks)
    if len(found) > 1:
        return None
    return set(next(iter(found), frozenset()))


def _with_loops(ranges: dict[str, tuple[int, int]], loops: tuple[Loop, ...]) -> dict[str, tuple[int, int]]:
    out = dict(ranges)
    for loop in loops:
        out[loop.var] = (0, max(loop.count.bounds(out)[1] - 1, 0))
    return out


def _blocks(group: Group, load: Statement, ranges: dict[str, tuple[int, int]]) -> frozenset[Place] | None:
    assert isinstance(load, Load)
    axes = []
    for (start, count), (name, _), size in zip(load.dst.blocks or (), group.grid, group.cluster, strict=True):
        first = simplify(start - var(name) * size, ranges)
        if not first.is_constant:
            return None
        axes.append(range(first.const, first.const + count))
    return frozenset(itertools.product(*axes))


def _to_self(body: Body) -> Body:
    """The loads, each into the block's own ring."""
    out: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop):
            out.append(replace(statement, body=_to_self(statement.body)))
        elif isinstance(statement, Load):
            out.append(replace(statement, dst=Target(statement.dst.ring)))
        else:
            out.append(statement)
    return tuple(out)
