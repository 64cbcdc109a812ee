"""Compile the instructions of a queue, once, to the steps that `interpret` runs in every block."""

from __future__ import annotations

import math

import numpy as np

from memsim.errors import Location, ProgramError
from memsim.isa._interpret_operands import (
    Compute,
    Read,
    Scope,
    computed,
    consumers,
    find_operand,
    find_targets,
    read_open,
    target_shape,
)
from memsim.isa._interpret_rings import Frame, LoopSteps, RingState, Step, Wait
from memsim.isa._interpret_tiles import (
    Array,
    TileValue,
    compile_region,
    matrix_product,
    reshaped,
)
from memsim.isa.closures import IntFunction, compile_expression
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Instruction,
    Iota,
    Load,
    Loop,
    Mma,
    Pop,
    Push,
    Reduce,
    Send,
    Statement,
    Store,
    Tile,
    Vector,
)
from memsim.isa.ops import DTYPES, REDUCE_OPS, VECTOR_OPS, round_to


def compile_body(body: tuple[Statement, ...], scope: Scope) -> tuple[Step | LoopSteps, ...]:
    """Compile statements to steps, loops staying loops."""
    return tuple(
        LoopSteps(s.var, compile_expression(s.count), compile_body(s.body, scope))
        if isinstance(s, Loop)
        else _compile(s, scope)
        for s in body
    )


def _compile(instruction: Instruction, scope: Scope) -> Step:
    match instruction:
        case Load():
            return _load(instruction, scope)
        case Store():
            return _store(instruction, scope)
        case Gather():
            return _gather(instruction, scope)
        case Copy() | Send():
            return _forward(instruction, scope)
        case Mma():
            return _mma(instruction, scope)
        case Vector():
            return _vector(instruction, scope)
        case Reduce():
            return _reduce(instruction, scope)
        case Fill():
            return _fill(instruction, scope)
        case Iota():
            return _iota(instruction, scope)
        case Push():
            return _push(instruction, scope)
        case Pop():
            return _pop(instruction, scope)


# ---- transfers ----


def _load(load: Load, scope: Scope) -> Step:
    wait, targets = find_targets(load.dst, load, scope)
    tensor = scope.program.tensor(load.src.tensor)
    box_at = compile_region(load.src, tensor, scope.where(load))
    shape, sizes = target_shape(load.dst, scope), load.src.sizes
    name, item_bytes, transpose = tensor.name, tensor.type.bytes, load.transpose
    pad = round_to(_scalar(load.pad, tensor.type.is_float), tensor.dtype)

    def action(frame: Frame) -> None:
        box = box_at(frame.env)
        values = frame.tensors[name][box.slices]
        if box.counts != sizes:
            inside, values = values, np.full(sizes, pad, pad.dtype)
            values[box.kept] = inside
        frame.moved_bytes = box.elements * item_bytes
        value = TileValue(reshaped(values, shape, transpose))
        for ring in targets(frame):
            ring.push(value)

    return Step(load, (wait,), action)


def _store(store: Store, scope: Scope) -> Step:
    wait, read = find_operand(store.src, store, scope)
    tensor = scope.program.tensor(store.dst.tensor)
    box_at = compile_region(store.dst, tensor, scope.where(store))
    sizes, transpose, name, item_bytes = store.dst.sizes, store.transpose, tensor.name, tensor.type.bytes

    def action(frame: Frame) -> None:
        box = box_at(frame.env)
        values = reshaped(read(frame).bits, sizes, transpose)
        frame.tensors[name][box.slices] = values if box.counts == sizes else values[box.kept]
        frame.moved_bytes = box.elements * item_bytes

    return Step(store, (wait,), action)


def _gather(gather: Gather, scope: Scope) -> Step:
    space, targets = find_targets(gather.dst, gather, scope)
    wait, read = find_operand(gather.index, gather, scope)
    where = scope.where(gather)
    box_at = compile_region(gather.src, scope.program.tensor(gather.src.tensor), where)
    shape, name = target_shape(gather.dst, scope), gather.src.tensor

    def action(frame: Frame) -> None:
        region = frame.tensors[name][box_at(frame.env).slices]
        index = read(frame).bits.reshape(-1)
        _check_rows(index, region.shape[0], frame, where)
        values = region[index].reshape(shape)
        frame.moved_bytes = values.nbytes
        value = TileValue(values)
        for ring in targets(frame):
            ring.push(value)

    return Step(gather, (wait, space), action)


def _check_rows(index: Array, rows: int, frame: Frame, where: str | Location) -> None:
    outside = (index < 0) | (index >= rows)
    if outside.any():
        entry = int(np.argmax(outside))
        raise ProgramError(
            f"gather index {index[entry]} (entry {entry}, block {frame.block}) is outside its region of {rows} rows",
            where=where,
            mend="correct the indices, or enlarge the region",
        )


def _forward(move: Copy | Send, scope: Scope) -> Step:
    space, targets = find_targets(move.dst, move, scope)
    wait, read = find_operand(move.src, move, scope)
    shape = target_shape(move.dst, scope)
    tile_bytes = scope.group.ring(move.src.ring).tile_bytes
    transpose = isinstance(move, Copy) and move.transpose

    def action(frame: Frame) -> None:
        value = read(frame)
        if transpose or value.bits.shape != shape:
            value = TileValue(reshaped(value.bits, shape, transpose))
        frame.moved_bytes = tile_bytes
        for ring in targets(frame):
            ring.push(value)

    return Step(move, (wait, space), action)


# ---- computation ----


def _mma(mma: Mma, scope: Scope) -> Step:
    (wait_a, read_a), (wait_b, read_b) = find_operand(mma.a, mma, scope), find_operand(mma.b, mma, scope)
    dtype = scope.group.ring(mma.a.ring).dtype
    product = matrix_product(dtype, mma.transpose_a, mma.transpose_b, scope.exact_order)
    read_sum = read_open(mma.dst, mma, scope) if mma.accumulate else None

    def compute(frame: Frame) -> Array:
        return product(read_a(frame), read_b(frame), read_sum(frame).bits if read_sum else None)

    return computed(mma, mma.dst, (wait_a, wait_b), compute, scope)


def _vector(vector: Vector, scope: Scope) -> Step:
    op = VECTOR_OPS[vector.op]
    rings = [scope.group.ring(arg.ring) for arg in vector.args if isinstance(arg, Tile)]
    floats = op.special or any(ring.type.is_float for ring in (scope.group.ring(vector.dst), *rings))
    waits: list[Wait] = []
    values: list[Compute] = []
    for arg in vector.args:
        if isinstance(arg, Tile):
            wait, read = find_operand(arg, vector, scope)
            waits.append(wait)
            values.append(_in_compute_type(read, floats))
        else:
            values.append(_constant(arg, floats))
    function = op.compute
    return computed(vector, vector.dst, waits, lambda frame: function(*[value(frame) for value in values]), scope)


def _in_compute_type(read: Read, floats: bool) -> Compute:
    if floats:
        return lambda frame: read(frame).fp32
    return lambda frame: read(frame).bits.astype(np.int32, copy=False)


def _constant(value: float, floats: bool) -> Compute:
    scalar = _scalar(value, floats)
    return lambda frame: scalar


def _scalar(value: float, floats: bool) -> Array:
    """Take an immediate in the type of the computation."""
    return np.asarray(np.float32(value) if floats else round_to(value, "int32"))


def _reduce(reduce: Reduce, scope: Scope) -> Step:
    wait, read = find_operand(reduce.src, reduce, scope)
    types = (scope.group.ring(reduce.dst).type, scope.group.ring(reduce.src.ring).type)
    floats, axis = any(t.is_float for t in types), reduce.axis
    value, kind = _in_compute_type(read, floats), np.float32 if floats else np.int32
    one_by_one = scope.exact_order and reduce.op == "sum"  # accumulate is sequential, where reduce may add in pairs
    function = REDUCE_OPS[reduce.op].compute

    def compute(frame: Frame) -> Array:
        if one_by_one:
            return np.add.accumulate(value(frame), axis=axis, dtype=kind).take([-1], axis)
        result: Array = function(value(frame), axis=axis, dtype=kind, keepdims=True)
        return result

    return computed(reduce, reduce.dst, (wait,), compute, scope)


def _fill(fill: Fill, scope: Scope) -> Step:
    ring = scope.group.ring(fill.dst)
    values = np.full(ring.shape, round_to(_scalar(fill.value, ring.type.is_float), ring.dtype), ring.type.numpy)
    return computed(fill, fill.dst, (), lambda frame: values, scope)


def _iota(iota: Iota, scope: Scope) -> Step:
    ring = scope.group.ring(iota.dst)
    line = [n if axis == iota.axis % len(ring.shape) else 1 for axis, n in enumerate(ring.shape)]
    steps = np.broadcast_to(np.arange(math.prod(line)).reshape(line), ring.shape)
    kind = np.float32 if DTYPES[ring.dtype].is_float else np.int32
    start: IntFunction = compile_expression(iota.start)
    return computed(iota, iota.dst, (), lambda frame: (steps + start(frame.env)).astype(kind), scope)


# ---- tokens ----


def _push(push: Push, scope: Scope) -> Step:
    name, read = push.ring, read_open(push.ring, push, scope)

    def action(frame: Frame) -> None:
        value = read(frame)
        ring = frame.rings[name]
        ring.open = None
        ring.push(value)

    return Step(push, (), action)


def _pop(pop: Pop, scope: Scope) -> Step:
    name, consumer = pop.ring, consumers(scope.group)[pop.ring].index(scope.queue.name)

    def wait(frame: Frame) -> RingState | None:
        ring = frame.rings[name]
        return None if ring.pushed > ring.popped[consumer] else ring

    return Step(pop, (wait,), lambda frame: frame.rings[name].pop(consumer))
