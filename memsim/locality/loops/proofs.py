"""Proofs that each read of a region is of a word that was written before, for all iterations at once.

The touches of a region (`memsim.locality.loops.touches`) are gone through once, in order, with every counter of the
loops around *fixed but unknown*. What is written becomes known as a box whose base may depend on these counters; when
a loop ends, its counter becomes a dimension of the box. A read is proved by known boxes that depend on the counters in
the same way: what it may be, over all counters on which they do not depend, has to be within their union.

So these are proved: a region that an earlier nest has filled; a word written earlier in the same iteration; a tile
that an earlier loop within the same outer iteration has filled; and unions of these, a row of words written in this
iteration with its first word from a column written before.

Where that fails, the first iteration of a loop is taken by itself, and in all others what the one before has written is
known too. That proves recurrences such as ``P[i] = P[i - 1] + x[i]``.

Nothing is assumed: what is proved is true, and what is not proved is left to `memsim.locality.loops.exact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from memsim.locality.loops.boxes import Box, Dims, normal
from memsim.locality.loops.covers import MAX_LATTICES, Cover, covered
from memsim.locality.loops.touches import Item, Nest, Touch

MAX_STEPS = 50_000
"""Touches gone through while first iterations are taken by themselves."""

MAX_SHIFT = 4
"""Steps of a longer dimension that are looked at beside a loop."""

Signature = tuple[tuple[str, int], ...]
"""How a known box moves with the counters of the loops around: name and words a step."""

Layer = dict[Signature, Cover]
"""What is known since the body of a loop began."""


def proved(items: tuple[Item, ...], words: int, is_input: bool, is_output: bool) -> bool:
    """Whether all reads of a region of ``words`` words are proved to be of initialised words.

    Parameters
    ----------
    items
        What the program does to the region.
    words
        Size of the region.
    is_input, is_output
        Whether it is filled before the program, and read after it.
    """
    if is_input:
        return True
    proof = _Proof()
    outermost: Layer = {}
    if not proof.body(items, {}, [outermost]):
        return False
    whole = Box(0, ((1, words),) if words > 1 else ())
    return not is_output or covered(whole, [outermost.get((), Cover())])


class _Proof:
    """One way through the touches of a region."""

    def __init__(self) -> None:
        self.steps = 0

    def body(self, items: tuple[Item, ...], counts: Mapping[str, int], layers: list[Layer]) -> bool:
        """Go through a body; what it writes is added to the last layer. Whether all its reads are proved."""
        done = True
        for item in items:
            if isinstance(item, Nest):
                done &= self.nest(item, counts, layers)
                continue
            self.steps += 1
            if item.writes:
                _learn(layers[-1], _signature(item), item.offset, ())
            else:
                done &= _known(item, counts, layers)
        return done

    def nest(self, nest: Nest, counts: Mapping[str, int], layers: list[Layer]) -> bool:
        inner: Layer = {}
        done = self.body(nest.items, {**counts, nest.name: nest.count}, [*layers, inner])
        if not done and nest.count > 1 and self.steps < MAX_STEPS:
            done = self.by_turns(nest, counts, layers, inner)
        for signature, cover in inner.items():
            moved = dict(signature)
            factor = moved.pop(nest.name, 0)
            for base, dims in cover.boxes():
                box = normal(base, (*dims, (factor, nest.count)))
                _learn(layers[-1], tuple(moved.items()), box.base, box.dims)
        return done

    def by_turns(self, nest: Nest, counts: Mapping[str, int], layers: list[Layer], written: Layer) -> bool:
        """Whether the first iteration is proved by itself, and the others with what the one before has written."""
        first: Layer = {}
        if not self.body(_moved(nest.items, nest.name, fixed=True), counts, [*layers, first]):
            return False
        before: Layer = {}
        for signature, cover in written.items():  # counted from the second on, these are the words of the one before
            before[signature] = _copy(cover)
        later = _moved(nest.items, nest.name, fixed=False)
        return self.body(later, {**counts, nest.name: nest.count - 1}, [*layers, first, before])


def _learn(layer: Layer, signature: Signature, base: int, dims: Dims) -> None:
    layer.setdefault(signature, Cover()).add(base, dims)


def _copy(cover: Cover) -> Cover:
    found = Cover()
    found.begins, found.ends, found.lattices = [*cover.begins], [*cover.ends], [*cover.lattices]
    return found


def _signature(touch: Touch) -> Signature:
    return tuple(sorted(touch.factors.items()))


def _known(touch: Touch, counts: Mapping[str, int], layers: list[Layer]) -> bool:
    """Whether a read is within what is known, whatever the counters."""
    for signature in {signature for layer in layers for signature in layer}:
        if any(touch.factors.get(name) != factor for name, factor in signature):
            continue
        fixed = {name for name, _ in signature}
        free = ((factor, counts[name]) for name, factor in touch.factors.items() if name not in fixed)
        box, covers = normal(touch.offset, free), [layer[signature] for layer in layers if signature in layer]
        if covered(box, covers) or (fixed and covered(box, [*covers, _slices(signature, counts, layers)])):
            return True
    return False


def _slices(signature: Signature, counts: Mapping[str, int], layers: list[Layer]) -> Cover:
    """What of boxes that do not move with a counter lies where the boxes of a signature do: a row of a column.

    A box with a dimension of the stride that the counter has holds, for each of its values, one step of this dimension;
    and, if the dimension is longer than the loop, one step before or after.
    """
    found = Cover()
    for name, factor in signature:
        rest = tuple(term for term in signature if term[0] != name)
        boxes = [box for layer in layers if rest in layer for box in layer[rest].lattices[:MAX_LATTICES]]
        for base, dims in boxes:
            for i, (stride, extent) in enumerate(dims):
                if stride == factor:
                    for step in range(min(extent - counts[name] + 1, MAX_SHIFT)):
                        found.add(base + factor * step, dims[:i] + dims[i + 1 :])
    return found


def _moved(items: tuple[Item, ...], name: str, fixed: bool) -> tuple[Item, ...]:
    """A body with a counter fixed at 0, or counted from its second iteration on."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Nest):
            found.append(replace(item, items=_moved(item.items, name, fixed)))
        elif fixed:
            found.append(replace(item, factors={n: f for n, f in item.factors.items() if n != name}))
        else:
            found.append(replace(item, offset=item.offset + item.factors.get(name, 0)))
    return tuple(found)
