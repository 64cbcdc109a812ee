"""Lays out a kernel without matrix products for given tiles: its passes, chunks, rings and instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from memsim.lowering.passes import Pass, many_passes, one_pass
from memsim.lowering.recipes import VectorRecipe
from memsim.lowering.rings import RingSpec
from memsim.lowering.values import GIVEN, LEAF, Value, order
from memsim.lowering.vectors import Scratch, Step, needed, schedule

OUT = "out"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Equal pieces of the reduced axis; a rest that does not divide is a chunk of its own."""

    suffix: str
    first: int
    count: int
    length: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a pass does for each chunk of one length."""

    chunk: Chunk
    leaves: dict[str, Value]
    """Tiles to load, by ring."""
    steps: tuple[Step, ...]
    out: str
    """Ring of the result, if this pass writes one."""


@dataclass(frozen=True, slots=True)
class PassLayout:
    """A pass with its instructions."""

    of: Pass
    leaves: dict[str, Value]
    """Tiles that stay for the whole pass, by ring."""
    before: tuple[Step, ...]
    """Work that all chunks share."""
    sweeps: tuple[Sweep, ...]


@dataclass(slots=True)
class VectorLayout:
    """The rings and instructions of a kernel for a tile of ``sizes``, its reduced axis in chunks."""

    recipe: VectorRecipe
    sizes: tuple[int, ...]
    """Of a tile; along the reduced axis its whole length."""
    chunks: tuple[Chunk, ...]
    constants: dict[str, Value] = field(default_factory=dict)
    """Tiles that are the same for every tile of the space, by ring: they are loaded once a block."""
    names: dict[int, str] = field(default_factory=dict)
    rings: dict[str, RingSpec] = field(default_factory=dict)
    scratch: Scratch = field(default_factory=Scratch)
    passes: tuple[PassLayout, ...] = ()

    def __post_init__(self) -> None:
        self.names = leaf_names(self.recipe.value)
        value = self.recipe.value
        shape_of = self._shapes(self.chunks[0])
        for found in order([value]):
            if found.op == LEAF and self._is_constant(found):
                name = self.names[id(found)]
                self.constants[name] = found
                self._add(name, found.dtype, shape_of(found), moved=True)
        passes = many_passes(value) if self.is_chunked else one_pass(value)
        self.passes = tuple(self._pass(one, number) for number, one in enumerate(passes))

    @property
    def is_chunked(self) -> bool:
        """Whether a tile takes several chunks of the reduced axis."""
        return len(self.chunks) > 1 or self.chunks[0].count > 1

    @property
    def specs(self) -> tuple[RingSpec, ...]:
        """Every ring."""
        return (*self.rings.values(), *self.scratch.specs)

    def _is_constant(self, value: Value) -> bool:
        cut = {axis for axis, n in enumerate(self.recipe.space) if self.sizes[axis] < n}
        return not value.span & (cut | ({self.recipe.axis} if self.is_chunked else set()))

    def chunk_sizes(self, chunk: Chunk) -> tuple[int, ...]:
        """Sizes of a tile of one chunk."""
        return tuple(chunk.length if dim == self.recipe.axis else n for dim, n in enumerate(self.sizes))

    def _pass(self, one: Pass, number: int) -> PassLayout:
        axis = self.recipe.axis
        tiles = [v for v in one.leaves() if self.names[id(v)] not in self.constants]
        leaves = {self.names[id(v)]: v for v in tiles if self.is_chunked and axis not in v.span}
        shape_of = self._shapes(self.chunks[0])
        for name, value in leaves.items():
            self._add(name, value.dtype, shape_of(value), 2, moved=True)
        for state in one.states:
            self._add(state.name, state.value.dtype, shape_of(state.value))
        for name, (following, value) in one.copies.items():
            self._add(following, self.rings[name].dtype, shape_of(value))
        shared = self._shared(one)
        targets = {f"h{number}_{index}": value for index, value in enumerate(shared)}
        for name, value in targets.items():
            self._add(name, value.dtype, shape_of(value))
        known = [*self.constants.values(), *leaves.values(), *one.known]
        before = schedule(targets, known, shape_of, self.scratch)
        moving = self.is_chunked and not any(axis in v.span for v in (*one.leaves(), *one.targets.values()))
        chunks = (Chunk("", 0, 1, 1),) if moving else self.chunks
        known += [*shared, *(state.running for state in one.states)]
        return PassLayout(one, leaves, before, tuple(self._sweep(one, chunk, known, leaves) for chunk in chunks))

    def _shared(self, one: Pass) -> list[Value]:
        """What every chunk of a pass would compute alike, from the results of earlier passes."""
        if not self.is_chunked:
            return []
        work = list(needed(list(one.targets.values()), one.known))
        steady = [v for v in work if self._is_steady(v, one)]
        inner = {id(arg) for v in steady for arg in v.values}
        outer = {id(arg) for v in work if not self._is_steady(v, one) for arg in v.values}
        return [v for v in steady if v.op != LEAF and (id(v) in outer or id(v) not in inner)]

    def _is_steady(self, value: Value, one: Pass) -> bool:
        inner = needed([value], one.known)
        is_target = any(value is target for target in one.targets.values())
        return not is_target and all(self.recipe.axis not in v.span and v.op != GIVEN for v in inner)

    def _sweep(self, one: Pass, chunk: Chunk, known: Sequence[Value], staying: dict[str, Value]) -> Sweep:
        shape_of = self._shapes(chunk)
        kept = {id(v) for v in (*self.constants.values(), *staying.values())}
        leaves = {self.names[id(v)] + chunk.suffix: v for v in one.leaves() if id(v) not in kept}
        for name, value in leaves.items():
            self._add(name, value.dtype, shape_of(value), 2, moved=True)
        targets = {(OUT + chunk.suffix if name == OUT else name): v for name, v in one.targets.items()}
        out = OUT + chunk.suffix if OUT in one.targets else ""
        if out:
            self._add(out, self.recipe.out.dtype, shape_of(one.targets[OUT]), 2, moved=True)
        return Sweep(chunk, leaves, schedule(targets, [*known, *leaves.values()], shape_of, self.scratch), out)

    def _shapes(self, chunk: Chunk) -> Callable[[Value], tuple[int, ...]]:
        sizes = self.chunk_sizes(chunk)
        return lambda value: tuple(size if dim in value.span else 1 for dim, size in enumerate(sizes))

    def _add(self, name: str, dtype: str, shape: tuple[int, ...], depth: int = 1, *, moved: bool = False) -> None:
        self.rings[name] = RingSpec(name, dtype, shape, depth, moved)


def leaf_names(value: Value) -> dict[int, str]:
    """Ring names of the loaded tiles, by identity: after their tensors."""
    names: dict[int, str] = {}
    for found in order([value]):
        if found.op == LEAF:
            assert found.access is not None
            base = name = f"{found.access.tensor.tensor.name}_tile"
            number = 2
            while name in names.values():
                name, number = f"{base}_{number}", number + 1
            names[id(found)] = name
    return names


def chunks_of(length: int, size: int) -> tuple[Chunk, ...]:
    """``length`` in chunks of ``size``, and what is left."""
    count, rest = divmod(length, size)
    whole = (Chunk("", 0, count, size),)
    return (*whole, Chunk("_rest", count * size, 1, rest)) if rest else whole
