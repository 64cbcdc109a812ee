"""The text form of a program, written: ``parse(format(program)) == program``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr
from memsim.isa.lexical import check_expr, check_name
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Group,
    Instruction,
    Iota,
    Kernel,
    Load,
    Loop,
    Mma,
    Pop,
    Program,
    Push,
    Queue,
    Reduce,
    Region,
    Ring,
    Send,
    Statement,
    Store,
    Target,
    Tensor,
    Tile,
    Vector,
)
from memsim.isa.regions import default_sizes

Rings = Mapping[str | None, Mapping[str, Ring]]
"""Rings by name, for each group of a kernel by name; those of the own group under ``None``."""


def format(program: Program) -> str:
    """Write a program in its text form, one statement a line.

    Raises
    ------
    ProgramError
        Where a name, number or expression cannot be written, so that it could not be read back.
    """
    check_name(program.name, "program", "program")
    head = [f"program {program.name}"]
    head += [f"cores {program.cores}"] if program.cores is not None else []
    head += [f"flops {program.useful_flops}"] if program.useful_flops is not None else []
    lines = [" ".join(head)]
    lines += [""] * bool(program.tensors) + [_tensor(tensor) for tensor in program.tensors]
    for kernel in program.kernels:
        lines += ["", *_kernel(kernel)]
    return "\n".join(lines) + "\n"


def statement_text(statement: Statement) -> str:
    """One instruction as it is written in a program, or the head of a loop; sizes of regions are written out."""
    if isinstance(statement, Loop):
        return f"loop {statement.var} {statement.count}"
    return _instruction(statement, {})


def _tensor(tensor: Tensor) -> str:
    name = check_name(tensor.name, "tensor", f"tensor {tensor.name}")
    role = check_name(tensor.role, "memory role", f"tensor {name}")
    return f"tensor {name} {role} {tensor.dtype} {_shape(tensor.shape, f'tensor {name}')}"


def _kernel(kernel: Kernel) -> Iterator[str]:
    name = check_name(kernel.name, "kernel", f"kernel {kernel.name}")
    head = f"kernel {name}"
    head += f" occupancy {kernel.occupancy}" if kernel.occupancy != 1 else ""
    head += " cooperative" if kernel.cooperative else ""
    rings: dict[str | None, dict[str, Ring]] = {g.name: {r.name: r for r in g.rings} for g in kernel.groups}
    if [group.name for group in kernel.groups] == [kernel.name]:
        yield from _blocks(head, kernel.groups[0], rings)
        return
    yield f"{head} {{"
    for group in kernel.groups:
        check_name(group.name, "group", f"kernel {name}, group {group.name}")
        yield from _indented(_blocks(f"group {group.name}", group, rings))
    yield "}"


def _blocks(head: str, group: Group, rings: Mapping[str | None, Mapping[str, Ring]]) -> Iterator[str]:
    grid = ", ".join(f"{check_name(axis, 'block coordinate', head)} {size}" for axis, size in group.grid)
    cluster = f" cluster ({', '.join(map(str, group.cluster))})" if any(size != 1 for size in group.cluster) else ""
    yield f"{head} blocks ({grid}){cluster} {{"
    yield from _indented(_ring(ring) for ring in group.rings)
    own = {**rings, None: rings[group.name]}
    for queue in group.queues:
        yield from _indented(_queue(queue, own))
    yield "}"


def _ring(ring: Ring) -> str:
    name = check_name(ring.name, "ring", f"ring {ring.name}")
    memory = check_name(ring.memory, "memory role", f"ring {name}")
    depth = f" depth {ring.depth}" if ring.depth != 1 else ""
    return f"ring {name} {memory} {ring.dtype} {_shape(ring.shape, f'ring {name}')}{depth}"


def _queue(queue: Queue, rings: Rings) -> Iterator[str]:
    yield f"queue {check_name(queue.name, 'queue', f'queue {queue.name}')} {{"
    yield from _indented(_body(queue.body, rings))
    yield "}"


def _body(body: Iterable[Statement], rings: Rings) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, Loop):
            where = statement.place or f"loop {statement.var}"
            yield f"loop {check_name(statement.var, 'loop variable', where)} {_expr(statement.count, where)} {{"
            yield from _indented(_body(statement.body, rings))
            yield "}"
        else:
            yield _instruction(statement, rings)


def _instruction(instruction: Instruction, rings: Rings) -> str:
    where = instruction.place or ""
    match instruction:
        case Load(dst, src, transpose, pad):
            region = _region(src, _ring_of(dst, rings), transpose, where)
            filler = f" pad {_real(pad, where)}" if repr(float(pad)) != "0.0" else ""
            options = f"{_flag('clip', src.clip)}{filler}{_flag('transpose', transpose)}"
            return f"load {_target(dst, where)} <- {region}{options}"
        case Store(dst, src, transpose):
            region = _region(dst, rings.get(None, {}).get(src.ring), transpose, where)
            return f"store {region} <- {_tile(src)}{_flag('clip', dst.clip)}{_flag('transpose', transpose)}"
        case Gather(dst, src, index, distribution):
            spread = f" distribution {distribution}" if distribution != "uniform" else ""
            region = _region(src, None, False, where)
            return f"gather {_target(dst, where)} <- {region} by {_tile(index)}{_flag('clip', src.clip)}{spread}"
        case Copy(dst, src, transpose):
            return f"copy {_target(dst, where)} <- {_tile(src)}{_flag('transpose', transpose)}"
        case Send(dst, src):
            return f"send {_target(dst, where)} <- {_tile(src)}"
    return _computation(instruction, where)


def _computation(instruction: Mma | Vector | Reduce | Fill | Iota | Push | Pop, where: Location | str) -> str:
    match instruction:
        case Mma(dst, a, b, accumulate, transpose_a, transpose_b):
            left, right = f"{_tile(a)}{'^T' * transpose_a}", f"{_tile(b)}{'^T' * transpose_b}"
            return f"mma {dst} {'+=' if accumulate else '='} {left} {right}"
        case Vector(op, dst, args):
            listed = ", ".join(_tile(arg) if isinstance(arg, Tile) else _real(arg, where) for arg in args)
            return f"{dst} = {op}({listed})"
        case Reduce(op, dst, src, axis):
            return f"{dst} = {op}({_tile(src)}, axis {axis})"
        case Fill(dst, value):
            return f"fill {dst} {_real(value, where)}"
        case Iota(dst, axis, start):
            return f"{dst} = iota(axis {axis}{f', start {_expr(start, where)}' if start != Expr(0) else ''})"
        case Push(ring):
            return f"push {ring}"
        case Pop(ring):
            return f"pop {ring}"


def _ring_of(target: Target, rings: Rings) -> Ring | None:
    return rings.get(target.group, {}).get(target.ring)


def _target(target: Target, where: Location | str) -> str:
    if target.blocks is None:
        if target.group is not None:
            raise ProgramError(
                f"the target {target.ring} names group {target.group} and no blocks",
                where=where,
                mend="give its blocks",
            )
        return target.ring
    blocks = ", ".join(_expr(start, where) + (f" : {n}" if n != 1 else "") for start, n in target.blocks)
    return f"{target.ring} to {target.group or ''}({blocks})"


def _region(region: Region, ring: Ring | None, transpose: bool, where: Location | str) -> str:
    """Sizes are left out where they are what the tile of ``ring`` would give."""
    starts = [_expr(start, where) for start in region.starts]
    plain = all(step == 1 for step in region.steps)
    usual = ring and default_sizes(ring.shape, len(starts), transpose=transpose)
    if plain and usual == region.sizes:
        return f"{region.tensor}[{', '.join(starts)}]"
    bare = [size == step == 1 for size, step in zip(region.sizes, region.steps, strict=True)]
    if all(bare):  # one size must be written, or the usual ones are taken
        bare[-1:] = [False] * len(bare[-1:])
    parts = (
        start if alone else f"{start} : {size}" + (f" : {step}" if step != 1 else "")
        for start, size, step, alone in zip(starts, region.sizes, region.steps, bare, strict=True)
    )
    return f"{region.tensor}[{', '.join(parts)}]"


def _expr(expr: Expr, where: Location | str) -> str:
    return str(check_expr(expr, where))


def _real(value: float, where: Location | str) -> str:
    if not math.isfinite(value):
        raise ProgramError(f"{value} cannot be written", where=where, mend="use the finite extreme of the type")
    return repr(float(value))


def _tile(tile: Tile) -> str:
    return f"{tile.ring}@{tile.ahead}" if tile.ahead else tile.ring


def _flag(word: str, is_set: bool) -> str:
    return f" {word}" if is_set else ""


def _shape(sizes: tuple[int, ...], where: str) -> str:
    if not sizes:
        raise ProgramError("the shape has no dimensions", where=where, mend="use (1,) for a single element")
    return f"[{', '.join(map(str, sizes))}]"


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
