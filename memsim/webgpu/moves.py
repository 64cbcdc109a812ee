"""Load, store, gather, copy and send as WGSL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from memsim.isa.model import Copy, Gather, Load, Send, Store
from memsim.isa.ops import round_to
from memsim.webgpu.scope import Access, Code, Scope
from memsim.webgpu.threads import Element
from memsim.webgpu.tokens import Slot, Step
from memsim.webgpu.trace import literal


def emit_load(step: Step, load: Load, scope: Scope) -> Code:
    """Each thread loads its elements of the tile; those that a clip cut off are the pad."""
    place, box = scope.tensors[load.src.tensor], scope.box(load.src, step.member)
    first = scope.places[step.writes[0]]
    pad = literal(round_to(load.pad if first.kind == "f32" else int(load.pad), load_type(scope, load)), first.kind)
    shape = first.ring.shape

    def body(element: Element) -> list[str]:
        at = moved(element, shape, load.src.sizes, load.transpose)
        inside = box.inside(at)
        lines = [f"let e = {box.index(at)};"]
        if inside:
            value = scope.load_value(place, "e", "inside")
            lines += [f"let inside = {inside};", f"let v = select({pad}, {value}, inside);"]
        else:
            lines.append(f"let v = {scope.load_value(place, 'e')};")
        return lines + [scope.write(ring, element, "v") for ring in step.writes]

    return _filling(step, scope, box.lines, body, [])


def load_type(scope: Scope, load: Load) -> str:
    """The type of the tensor that a load reads."""
    return scope.tensors[load.src.tensor].tensor.dtype


def emit_store(step: Step, store: Store, scope: Scope) -> Code:
    """Each thread stores its elements of the tile; those outside the tensor are dropped."""
    place, box, (slot,) = scope.tensors[store.dst.tensor], scope.box(store.dst, step.member), step.reads
    shape = scope.places[slot.ring].ring.shape

    def body(element: Element) -> list[str]:
        at = moved(element, shape, store.dst.sizes, store.transpose)
        inside = box.inside(at)
        head = [f"let e = {box.index(at)};"] + [f"let inside = {inside};"] * bool(inside)
        return head + scope.store_value(place, "e", scope.read(slot, element), "inside" if inside else "")

    lines, tag = scope.each(shape, [slot.ring], body)
    return Code(["{", *box.lines, *lines, "}"], [Access(slot.ring, False, tag)])


def emit_gather(step: Step, gather: Gather, scope: Scope) -> Code:
    """Each thread loads its elements from the rows that the index tile names; a row outside is reported."""
    place, box, (slot,) = scope.tensors[gather.src.tensor], scope.box(gather.src, step.member), step.reads
    rows, width = gather.src.sizes[-2:]
    shape = scope.places[step.writes[0]].ring.shape
    index = scope.places[slot.ring]

    def body(element: Element) -> list[str]:
        row = f"i32({scope.read_at(slot, f'({element.flat}) / {width}u')})"
        at = [text for text, size in (("row", rows), (f"({element.flat}) % {width}u", width)) if size != 1]
        return [
            f"let index = {row};",
            f"let valid = index >= 0 && index < {rows};",
            "let row = u32(select(0, index, valid));",
            "invalid = invalid | u32(!valid);",
            f"let e = {box.index(at)};",
            f"let v = {scope.load_value(place, 'e')};",
            *(scope.write(ring, element, "v") for ring in step.writes),
        ]

    assert index.kind == "i32" and len(shape) >= 1
    code = _filling(step, scope, [*box.lines, "var invalid = 0u;"], body, [Access(slot.ring, False)])
    code.lines.insert(-1, "if (invalid != 0u) { atomicMax(&problems[0], 1u); }")
    return code


def emit_forward(step: Step, move: Copy | Send, scope: Scope) -> Code:
    """Each thread moves its elements from ring to ring."""
    (slot,) = step.reads
    source, target = scope.places[slot.ring].ring.shape, scope.places[step.writes[0]].ring.shape
    turned = isinstance(move, Copy) and move.transpose
    own = source == target and not turned

    def body(element: Element) -> list[str]:
        if own:
            value = scope.read(slot, element)
        else:
            value = scope.read_at(slot, flattened(moved(element, target, source, turned), source))
        return [f"let v = {value};", *(scope.write(ring, element, "v") for ring in step.writes)]

    if not own:
        return _filling(step, scope, [], body, [Access(slot.ring, False)])
    return _filling(step, scope, [], body, [], slot)


def _filling(
    step: Step,
    scope: Scope,
    head: list[str],
    body: Callable[[Element], Sequence[str]],
    accesses: list[Access],
    own: Slot | None = None,
) -> Code:
    """Code that fills the back slots of rings of one shape: those of a target belong to one group."""
    rings = list(step.writes) + ([own.ring] if own else [])
    lines, tag = scope.each(scope.places[step.writes[0]].ring.shape, rings, body)
    found = [*accesses, *(Access(ring, True, tag) for ring in step.writes)]
    if own:
        found.append(Access(own.ring, False, tag))
    return Code(["{", *head, *lines, "}"], found)


def moved(element: Element, shape: Sequence[int], other: Sequence[int], transpose: bool) -> list[str]:
    """Where an element of a tile lies in a box of the same shape up to ones, its last two dimensions swapped if asked.

    One index for each dimension of ``other`` that is not 1.
    """
    at = [text for text, size in zip(element.along(shape), shape, strict=True) if size != 1]
    if transpose and len(at) >= 2:
        at[-2:] = at[-1], at[-2]
    assert len(at) == sum(size != 1 for size in other)
    return at


def flattened(at: Sequence[str], shape: Sequence[int]) -> str:
    """The number of an element in a tile, from its index in each dimension that is not 1."""
    wide = [size for size in shape if size != 1]
    parts, stride = [], 1
    for text, size in zip(reversed(at), reversed(wide), strict=True):
        parts.append(text if stride == 1 else f"{text} * {stride}u")
        stride *= size
    return " + ".join(reversed(parts)) or "0u"
