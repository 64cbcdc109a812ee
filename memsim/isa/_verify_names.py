"""Rules on names and sizes: everything that is named exists once, every size is at least 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr, FloorDiv, Max, Min, Mod
from memsim.isa.lexical import DISTRIBUTIONS, MAX_NESTING, check_expr, nearest
from memsim.isa.model import (
    PER_CORE_ROLES,
    Gather,
    Group,
    Instruction,
    Iota,
    Kernel,
    Load,
    Loop,
    Pop,
    Program,
    Push,
    Reduce,
    Region,
    Ring,
    Statement,
    Store,
    Target,
    Tensor,
    Vector,
    ring_written,
    tiles_read,
    transfer_target,
)
from memsim.isa.ops import DTYPES, REDUCE_OPS, VECTOR_OPS
from memsim.isa.sites import Site, group_path, group_where, placed, sites_of


def check_program(program: Program) -> None:
    """Raise unless tensors and kernels have names of their own and every tensor's size makes sense."""
    where = f"program {program.name}"
    _check_distinct([t.name for t in program.tensors], "tensor", where)
    _check_distinct([k.name for k in program.kernels], "kernel", where)
    if program.cores is not None:
        _check_size(program.cores, "cores", where)
    for tensor in program.tensors:
        _check_storage(tensor, f"tensor {tensor.name}")


def check_kernels(program: Program) -> None:
    """Raise unless every name in a kernel is known and unique and every size makes sense."""
    for kernel in program.kernels:
        _check_kernel(kernel)
    for site in sites_of(program):
        _check_instruction(site)


def _check_kernel(kernel: Kernel) -> None:
    where = placed([f"kernel {kernel.name}"], kernel)
    if not kernel.groups:
        raise ProgramError("the kernel has no blocks", where=where, mend="give it a grid, or a group with one")
    _check_distinct([g.name for g in kernel.groups], "group", where)
    _check_size(kernel.occupancy, "occupancy", where)
    for group in kernel.groups:
        _check_grid(group, group_where(kernel, group))
        _check_distinct([r.name for r in group.rings], "ring", group_where(kernel, group))
        for ring in group.rings:
            _check_ring(ring, group_where(kernel, group, f"ring {ring.name}"))
        _check_distinct([q.name for q in group.queues], "queue", group_where(kernel, group))
        for queue in group.queues:
            path = [*group_path(kernel, group), f"queue {queue.name}"]
            _check_loops(queue.body, [name for name, _ in group.grid], path)


def _check_grid(group: Group, where: str) -> None:
    _check_distinct([name for name, _ in group.grid], "block coordinate", where)
    for name, size in group.grid:
        if not _is_size(size):
            raise ProgramError(f"empty grid: {name} has {size} blocks", where=where, mend="use at least 1")
    if len(group.cluster) != len(group.grid):
        raise ProgramError(
            f"the cluster has {len(group.cluster)} dimensions, the grid has {len(group.grid)}",
            where=where,
            mend="give the cluster one size for each grid dimension",
        )
    for (name, size), part in zip(group.grid, group.cluster, strict=True):
        _check_size(part, f"cluster size in {name}", where)
        if size % part:
            raise ProgramError(
                f"{size} blocks in {name} cannot be divided into clusters of {part}",
                where=where,
                mend=f"use a cluster size that divides {size}, or round the grid up to {-(-size // part) * part}",
            )


def _check_ring(ring: Ring, where: str) -> None:
    _check_storage(ring, where)
    _check_size(ring.depth, "depth", where)
    if ring.memory not in PER_CORE_ROLES:
        raise ProgramError(
            f"a ring cannot live in memory {ring.memory!r}: it belongs to one core",
            where=where,
            mend=nearest(ring.memory, PER_CORE_ROLES),
        )


def _check_storage(storage: Tensor | Ring, where: str) -> None:
    _check_known(storage.dtype, DTYPES, "dtype", where)
    if not storage.shape:
        raise ProgramError("the shape has no dimensions", where=where, mend="use (1,) for a single element")
    for size in storage.shape:
        _check_size(size, f"shape {storage.shape}: a dimension", where)


def _check_loops(body: Sequence[Statement], scope: list[str], path: list[str], depth: int = 1) -> None:
    """Check names in trip counts, and that no counter shadows another or a block coordinate."""
    for loop in body:
        if not isinstance(loop, Loop):
            continue
        inner = [*path, f"loop {loop.var}"]
        where = placed(inner, loop)
        if depth > MAX_NESTING:
            raise ProgramError(
                f"loops stand more than {MAX_NESTING} deep within each other",
                where=placed(path[:2], loop),
                mend="use one loop, and // and % of its counter",
            )
        if loop.var in scope:
            raise ProgramError(
                f"loop counter {loop.var} shadows the one around it, or a block coordinate, of the same name",
                where=where,
                mend=f"rename it, for example {loop.var}{len(scope)}",
            )
        _check_expr(loop.count, scope, where)
        _check_loops(loop.body, [*scope, loop.var], inner, depth + 1)


# ---- instructions ----


def _check_instruction(site: Site) -> None:
    instruction = site.instruction
    rings = [ring.name for ring in site.group.rings]
    named = [tile.ring for tile in tiles_read(instruction)]
    named += [instruction.ring] if isinstance(instruction, (Push, Pop)) else []
    written = ring_written(instruction)
    for name in [*named, *([written] if written is not None else [])]:
        _check_known(name, rings, "ring", site.where)
    target = transfer_target(instruction)
    if target is not None:
        _check_target(site, target)
    match instruction:
        case Load(src=region) | Gather(src=region) | Store(dst=region):
            _check_region(site, region)
    _check_operation(site, instruction)


def _check_operation(site: Site, instruction: Instruction) -> None:
    match instruction:
        case Vector(op=op, args=args):
            _check_known(op, VECTOR_OPS, "operation", site.where)
            if len(args) != VECTOR_OPS[op].arity:
                raise site.error(f"{op} takes {VECTOR_OPS[op].arity} arguments, found {len(args)}")
        case Reduce(op=op):
            _check_known(op, REDUCE_OPS, "reduction", site.where)
        case Gather(distribution=distribution):
            _check_known(distribution, DISTRIBUTIONS, "distribution", site.where)
        case Iota(start=start):
            _check_expr(start, [name for name, _ in site.nest], site.where)


def _check_target(site: Site, target: Target) -> None:
    if target.group is not None:
        _check_known(target.group, [g.name for g in site.kernel.groups], "group", site.where)
    group = site.target_group(target)
    _check_known(target.ring, [ring.name for ring in group.rings], "ring", site.where)
    scope = [name for name, _ in site.nest]
    if target.blocks is not None and len(target.blocks) != len(group.grid):
        raise site.error(
            f"the target names {len(target.blocks)} block coordinates, the grid of group {group.name} "
            f"has {len(group.grid)}",
            "give one coordinate, or `start : count`, for each grid dimension",
        )
    for start, count in target.blocks or ():
        _check_expr(start, scope, site.where)
        _check_size(count, "number of target blocks", site.where)


def _check_region(site: Site, region: Region) -> None:
    _check_known(region.tensor, site.program.tensors_by_name, "tensor", site.where)
    rank = len(site.program.tensor(region.tensor).shape)
    if not len(region.starts) == len(region.sizes) == len(region.steps) == rank:
        raise site.error(
            f"the region of {region.tensor} has {len(region.starts)} starts, {len(region.sizes)} sizes and "
            f"{len(region.steps)} steps, the tensor has {rank} dimensions",
            "give one of each for each dimension",
        )
    for start, size, step in zip(region.starts, region.sizes, region.steps, strict=True):
        _check_expr(start, [name for name, _ in site.nest], site.where)
        _check_size(size, f"region of {region.tensor}: a size", site.where)
        _check_size(step, f"region of {region.tensor}: a step", site.where)


# ---- parts ----


def _check_expr(e: Expr, scope: Iterable[str], where: str) -> None:
    check_expr(e, where)
    _check_divisors(e, where)
    for name in sorted(e.variables()):
        _check_known(name, scope, "loop counter or block coordinate", where)


def _check_divisors(e: Expr, where: str) -> None:
    for atom, _ in e.terms:
        match atom:
            case FloorDiv(of, by) | Mod(of, by):
                if not _is_size(by):
                    raise ProgramError(
                        f"// and % take a positive constant, found {by} in {e}",
                        where=where,
                        mend="divide by a constant of at least 1",
                    )
                _check_divisors(of, where)
            case Min(left, right) | Max(left, right):
                _check_divisors(left, where)
                _check_divisors(right, where)


def _check_known(name: str, known: Iterable[str], what: str, where: str | Location) -> None:
    known = list(known)
    if name not in known:
        raise ProgramError(f"unknown {what} {name!r}", where=where, mend=nearest(name, known))


def _check_distinct(names: Sequence[str], what: str, where: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ProgramError(f"two {what}s are named {name}", where=where, mend="rename one of them")


def _check_size(value: int, what: str, where: str) -> None:
    if not _is_size(value):
        raise ProgramError(f"{what} is {value!r}", where=where, mend="use a whole number of at least 1")


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
