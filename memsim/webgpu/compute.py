"""Matrix products, elementwise instructions, reductions, fills and iotas as WGSL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from memsim.errors import ProgramError
from memsim.isa.model import Fill, Iota, Mma, Reduce, Tile, Vector
from memsim.isa.ops import VECTOR_OPS, round_to
from memsim.isa.sites import describe
from memsim.webgpu.numbers import rounded
from memsim.webgpu.scope import ANY, Access, Code, Scope
from memsim.webgpu.threads import MOST_REGISTERS, Element, Grid, block_places, thread_grid
from memsim.webgpu.tokens import Slot, Step
from memsim.webgpu.trace import Traced, literal, reduce_expression, vector_expression


def emit_vector(step: Step, vector: Vector, scope: Scope) -> Code:
    """Each thread computes its elements; operands of other shapes are broadcast."""
    (dst,), op = step.writes, VECTOR_OPS[vector.op]
    target = scope.places[dst]
    shape = target.ring.shape
    rings = [scope.places[slot.ring] for slot in step.reads]
    kind = "f32" if op.special or any(p.kind == "f32" for p in (target, *rings)) else "i32"
    own = [slot for slot in step.reads if scope.places[slot.ring].ring.shape == shape]

    def body(element: Element) -> list[str]:
        slots = iter(step.reads)
        args = [
            _operand(next(slots), element, shape, kind, scope) if isinstance(arg, Tile) else _scalar(arg, kind)
            for arg in vector.args
        ]
        if not step.reads:  # a constant expression that overflows would be refused
            args[0] = Traced(f"bitcast<{kind}>(bitcast<u32>({args[0].text}) + never)", kind)
        value = rounded(vector_expression(vector.op, args).text, kind, target.ring.dtype)
        return [scope.write(dst, element, value)]

    lines, tag = scope.each(shape, [dst, *(slot.ring for slot in own)], body)
    accesses = [Access(slot.ring, False, tag if slot in own else ANY) for slot in step.reads]
    return Code(["{", *lines, "}"], [*accesses, Access(dst, True, tag)])


def _operand(slot: Slot, element: Element, shape: Sequence[int], kind: str, scope: Scope) -> Traced:
    place = scope.places[slot.ring]
    if place.ring.shape == shape:
        text = scope.read(slot, element)
    else:
        text = scope.read_at(slot, broadcast(element, place.ring.shape, shape))
    return Traced(text if place.kind == kind else f"{kind}({text})", kind)


def _scalar(value: float, kind: str) -> Traced:
    return Traced(literal(value if kind == "f32" else round_to(value, "int32"), kind), kind)


def broadcast(element: Element, shape: Sequence[int], to: Sequence[int]) -> str:
    """The number of the element of a tile of ``shape`` that broadcasting gives to an element of a tile ``to``."""
    at = element.along(to)[len(to) - len(shape) :]
    parts = []
    for d, size in enumerate(shape):
        stride = math.prod(shape[d + 1 :])
        if size != 1:
            parts.append(at[d] if stride == 1 else f"{at[d]} * {stride}u")
    return " + ".join(parts) or "0u"


def emit_reduce(step: Step, reduce: Reduce, scope: Scope) -> Code:
    """Each thread reduces its elements one after another, in index order."""
    (dst,), (slot,) = step.writes, step.reads
    target, source = scope.places[dst], scope.places[slot.ring]
    kind = "f32" if "f32" in (target.kind, source.kind) else "i32"
    axis = reduce.axis % len(source.ring.shape)
    length, stride = source.ring.shape[axis], math.prod(source.ring.shape[axis + 1 :])
    combine = reduce_expression(reduce.op, kind)

    def at(j: str) -> str:
        text = scope.read_at(slot, f"first + {j} * {stride}u" if stride != 1 else f"first + {j}")
        return text if source.kind == kind else f"{kind}({text})"

    def body(element: Element) -> list[str]:
        outer = f"({element.flat}) / {stride}u * {length * stride}u + ({element.flat}) % {stride}u"
        return [
            f"let first = {outer};" if stride != 1 else f"let first = ({element.flat}) * {length}u;",
            f"var v = {at('0u')};",
            f"for (var j = 1u; j < {length}u; j++) {{ v = {combine('v', at('j'))}; }}",
            scope.write(dst, element, rounded("v", kind, target.ring.dtype)),
        ]

    lines, tag = scope.each(target.ring.shape, [dst], body)
    return Code(["{", *lines, "}"], [Access(slot.ring, False), Access(dst, True, tag)])


def emit_fill(step: Step, fill: Fill, scope: Scope) -> Code:
    """Each thread sets its elements."""
    (dst,) = step.writes
    place = scope.places[dst]
    value = literal(
        round_to(round_to(fill.value, "fp32" if place.kind == "f32" else "int32"), place.ring.dtype), place.kind
    )
    lines, tag = scope.each(place.ring.shape, [dst], lambda element: [scope.write(dst, element, value)])
    return Code(["{", *lines, "}"], [Access(dst, True, tag)])


def emit_iota(step: Step, iota: Iota, scope: Scope) -> Code:
    """Each thread counts its elements."""
    (dst,) = step.writes
    place = scope.places[dst]
    axis = iota.axis % len(place.ring.shape)

    def body(element: Element) -> list[str]:
        text = f"start + i32({element.along(place.ring.shape)[axis]})"
        value = f"f32({text})" if place.kind == "f32" else text
        return [scope.write(dst, element, rounded(value, place.kind, place.ring.dtype))]

    lines, tag = scope.each(place.ring.shape, [dst], body)
    return Code(["{", f"let start = {scope.number(iota.start)};", *lines, "}"], [Access(dst, True, tag)])


# ---- matrix products ----


def emit_mma(step: Step, mma: Mma, scope: Scope) -> Code:
    """Each thread computes a register block of the product: sums over k in order, one rounded product at a time."""
    (dst,), (a, b) = step.writes, step.reads
    grid = thread_grid(scope.places[dst].ring.shape, scope.threads)
    accesses = [Access(a.ring, False), Access(b.ring, False), Access(dst, True, f"{grid}")]
    threads = grid.down * grid.across
    guard = f"if (lid < {threads}u) {{" if threads < scope.threads else "{"
    fits = math.prod(grid.block) <= MOST_REGISTERS
    if any(slot.ring == dst and slot.is_open for slot in step.reads):
        if not fits:
            raise ProgramError(
                f"a product of {grid.rows} x {grid.columns} that reads the slot that it writes does not fit registers",
                where=describe(mma),
                mend="write the result into another ring",
            )
        block = _block(block_places(grid), grid.block, step, mma, scope)
        lines = [*block.declared, guard, *block.product, "}", scope.barrier, guard, *block.writes, "}"]
        return Code(["{", *lines, "}"], accesses)
    lines = _block(block_places(grid), grid.block, step, mma, scope).lines if fits else _panels(grid, step, mma, scope)
    return Code([guard, *lines, "}"], accesses)


def _panels(grid: Grid, step: Step, mma: Mma, scope: Scope) -> list[str]:
    """A block that is too large for registers, part by part."""
    rows, columns = grid.block
    high, wide = _part(rows), _part(columns)
    y, x = grid.names
    places = [
        (f"({y} + (r0 + {r}u) * {grid.down}u)", f"({x} + (c0 + {c}u) * {grid.across}u)")
        for r in range(high)
        for c in range(wide)
    ]
    return [
        f"for (var r0 = 0u; r0 < {rows}u; r0 += {high}u) {{",
        f"for (var c0 = 0u; c0 < {columns}u; c0 += {wide}u) {{",
        *_block(places, (high, wide), step, mma, scope).lines,
        "} }",
    ]


def _part(n: int) -> int:
    return max(d for d in range(1, 9) if n % d == 0)


@dataclass(frozen=True, slots=True)
class _Block:
    """The text of a register block."""

    declared: list[str]
    product: list[str]
    writes: list[str]

    @property
    def lines(self) -> list[str]:
        return [*self.declared, *self.product, *self.writes]


def _block(places: Sequence[tuple[str, str]], shape: tuple[int, int], step: Step, mma: Mma, scope: Scope) -> _Block:
    (dst,), (a, b) = step.writes, step.reads
    place, (rows, columns) = scope.places[dst], shape
    registers = place.memory == "register"
    width, zero = place.ring.shape[-1], literal(0, place.kind)
    depth = scope.places[a.ring].ring.shape[-2 if mma.transpose_a else -1]
    elements = [Element(f"({row} * {width}u + {column})", n) for n, (row, column) in enumerate(places)]
    names = [f"{place.name}_{n}" if registers else f"acc{n}" for n in range(len(places))]
    product = []
    for name, element in zip(names, elements, strict=True):
        if not mma.accumulate:
            product.append(f"{name} = {zero};")
        elif not registers:
            product.append(f"{name} = {scope.read(scope.back(dst), element)};")
    product += _operands(places, rows, columns, step, mma, scope)
    product.append(f"for (var k = 0u; k < {depth}u; k++) {{")
    product += [f"let a{r} = {_at(a, f'pa{r}', mma.transpose_a, scope)};" for r in range(rows)]
    product += [f"let b{c} = {_at(b, f'pb{c}', not mma.transpose_b, scope)};" for c in range(columns)]
    product += [f"{name} = {name} + a{n // columns} * b{n % columns};" for n, name in enumerate(names)]
    product.append("}")
    if registers:
        return _Block([], product, [])
    writes = [scope.write(dst, element, name) for name, element in zip(names, elements, strict=True)]
    return _Block([f"var {name}: {place.kind};" for name in names], product, writes)


def _operands(
    places: Sequence[tuple[str, str]], rows: int, columns: int, step: Step, mma: Mma, scope: Scope
) -> list[str]:
    """Where each row of a and each column of b begins."""
    a, b = (scope.places[slot.ring].ring.shape for slot in step.reads)
    lines = []
    for r in range(rows):
        row = places[r * columns][0]
        lines.append(f"let pa{r} = {row};" if mma.transpose_a else f"let pa{r} = {row} * {a[-1]}u;")
    for c in range(columns):
        column = places[c][1]
        lines.append(f"let pb{c} = {column} * {b[-1]}u;" if mma.transpose_b else f"let pb{c} = {column};")
    return lines


def _at(slot: Slot, start: str, by_rows: bool, scope: Scope) -> str:
    """An operand's element at step k: in another row each step, or next to the one before."""
    width = scope.places[slot.ring].ring.shape[-1]
    return scope.read_at(slot, f"{start} + k * {width}u" if by_rows else f"{start} + k")
