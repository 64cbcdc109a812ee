"""What the builder hands out: tensors, regions, rings and tiles with the instructions as methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from memsim.errors import ProgramError
from memsim.isa.expr import Expr, ExprLike
from memsim.isa.lexical import DISTRIBUTIONS, nearest
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Iota,
    Load,
    Mma,
    Pop,
    Push,
    Reduce,
    Region,
    Ring,
    Send,
    Store,
    Target,
    Tensor,
    Tile,
    Vector,
)
from memsim.isa.ops import REDUCE_OPS, VECTOR_OPS
from memsim.isa.recorder import Recorder, caller, place, real, whole
from memsim.isa.regions import default_gather_sizes, default_sizes

Slice: TypeAlias = "slice[ExprLike | None, int | None, int | None]"
Index: TypeAlias = "ExprLike | Slice"
Blocks: TypeAlias = Sequence["ExprLike | tuple[ExprLike, int]"]
Scalar: TypeAlias = float


@dataclass(frozen=True, slots=True, eq=False)
class TensorHandle:
    """A tensor of the program; ``A[y*128, k*64]`` or ``A[y*128:64, 0:128:2]`` (start:size:step) is a region."""

    tensor: Tensor
    recorder: Recorder

    def __getitem__(self, index: Index | tuple[Index, ...]) -> RegionHandle:
        """A region; where no dimension has a size, it takes the sizes of the tile that it moves to or from."""
        indices = index if isinstance(index, tuple) else (index,)
        shape, name = self.tensor.shape, self.tensor.name
        if len(indices) != len(shape):
            raise ProgramError(
                f"tensor {name} has shape {list(shape)}, found {len(indices)} of {len(shape)} indices",
                where=caller(),
                mend="give one index for each dimension",
            )
        parts = [self._dimension(i, n) for i, n in zip(indices, shape, strict=True)]
        sized = any(size is not None for _, size, _ in parts)
        return RegionHandle(
            self.tensor,
            tuple(start for start, _, _ in parts),
            tuple(size or 1 for _, size, _ in parts) if sized else None,
            tuple(step for _, _, step in parts),
            self.recorder,
        )

    def _dimension(self, index: Index, length: int) -> tuple[Expr, int | None, int]:
        if not isinstance(index, slice):
            return self.recorder.expr(index), None, 1
        start = self.recorder.expr(0 if index.start is None else index.start)
        size = length if index.start is None and index.stop is None else index.stop
        step = 1 if index.step is None else whole(index.step, "a step")
        return start, None if size is None else whole(size, "a size"), step


@dataclass(frozen=True, slots=True, eq=False)
class RegionHandle:
    """A box of a tensor, to load from or to store to."""

    tensor: Tensor
    starts: tuple[Expr, ...]
    sizes: tuple[int, ...] | None
    steps: tuple[int, ...]
    recorder: Recorder

    def store(self, src: Operand, *, clip: bool = False, transpose: bool = False) -> None:
        """Move a tile here; with ``clip`` what falls outside of the tensor is dropped."""
        tile = as_operand(src)
        turned = transpose != tile.transposed
        region = self.region(tile.ring.ring, clip=clip, transpose=turned)
        self.recorder.emit(Store(region, tile.tile, turned, place=place()))

    def region(self, ring: Ring, *, clip: bool = False, transpose: bool = False) -> Region:
        """The `Region`, sized to the tile of ``ring`` where no size was given."""
        rank = len(self.starts)
        sizes = self.sizes or default_sizes(ring.shape, rank, transpose=transpose)
        return self._sized(sizes, ring, clip)

    def rows(self, ring: Ring) -> Region:
        """The `Region` of a gather, by default all rows, as wide as the tile of ``ring``."""
        return self._sized(self.sizes or default_gather_sizes(ring.shape, self.tensor.shape), ring, clip=False)

    def _sized(self, sizes: tuple[int, ...] | None, ring: Ring, clip: bool) -> Region:
        if sizes is None:
            raise ProgramError(
                f"a tile {list(ring.shape)} of ring {ring.name} does not fit the dimensions of tensor"
                f" {self.tensor.name} {list(self.tensor.shape)}",
                where=caller(),
                mend="give the sizes: T[start:size, start:size]",
            )
        return Region(self.tensor.name, self.starts, sizes, self.steps, clip)


@dataclass(frozen=True, slots=True, eq=False)
class TileHandle:
    """A tile of a ring as an operand."""

    ring: RingHandle
    ahead: int = 0
    transposed: bool = False

    @property
    def T(self) -> TileHandle:
        """The tile with its last two dimensions swapped, for `mma`, `copy` and `store`."""
        return replace(self, transposed=not self.transposed)

    @property
    def tile(self) -> Tile:
        """The operand as data."""
        return Tile(self.ring.own_name(), self.ahead)


@dataclass(frozen=True, slots=True, eq=False)
class RingHandle:
    """A ring of a group; its methods are the instructions that write it, push it and pop it."""

    ring: Ring
    group: str
    """The group that owns the ring, as ``kernel/group``."""
    recorder: Recorder

    @property
    def T(self) -> TileHandle:
        """The front (or open) tile with its last two dimensions swapped."""
        return TileHandle(self, transposed=True)

    def at(self, ahead: int) -> TileHandle:
        """The ``ahead``-th resident tile: ``a.at(1)`` is ``a@1``."""
        return TileHandle(self, whole(ahead, "a slot number", least=0))

    def own_name(self) -> str:
        """Name of the ring, which must belong to the group whose queue is open."""
        if self.recorder.group not in (None, self.group):
            raise ProgramError(
                f"ring {self.ring.name} belongs to {self.group}, the open queue to {self.recorder.group}",
                where=caller(),
                mend="only a transfer with `to=` reaches a ring of another group",
            )
        return self.ring.name

    def load(
        self,
        src: RegionHandle,
        *,
        to: Blocks | None = None,
        to_group: str | None = None,
        clip: bool = False,
        pad: float = 0.0,
        transpose: bool = False,
    ) -> None:
        """Move a region here: opens a slot, full on arrival. ``to`` names the blocks, as (coordinate, count)."""
        region = src.region(self.ring, clip=clip, transpose=transpose)
        target = self._target(to, to_group)
        self.recorder.emit(Load(target, region, transpose, real(pad, "pad"), place=place()))

    def gather(
        self,
        src: RegionHandle,
        index: Operand,
        *,
        to: Blocks | None = None,
        to_group: str | None = None,
        distribution: str = "uniform",
    ) -> None:
        """Load one row of ``src`` for each entry of the integer tile ``index``."""
        if distribution not in DISTRIBUTIONS:
            raise ProgramError(
                f"unknown distribution {distribution!r}", where=caller(), mend=nearest(str(distribution), DISTRIBUTIONS)
            )
        target = self._target(to, to_group)
        self.recorder.emit(Gather(target, src.rows(self.ring), _plain(index), distribution, place=place()))

    def copy(self, src: Operand, *, transpose: bool = False) -> None:
        """Move a tile of another ring of this core here."""
        tile = as_operand(src)
        self.recorder.emit(Copy(Target(self.own_name()), tile.tile, transpose != tile.transposed, place=place()))

    def send(self, src: Operand, *, to: Blocks, to_group: str | None = None) -> None:
        """Move a tile over the network into this ring of the blocks ``to``: coordinates or (coordinate, count)."""
        self.recorder.emit(Send(self._target(to, to_group), _plain(src), place=place()))

    def mma(self, a: Operand, b: Operand, *, accumulate: bool = True) -> None:
        """``self (+)= a @ b`` on the matrix unit; ``a.T`` or ``b.T`` is read transposed."""
        left, right = as_operand(a), as_operand(b)
        self.recorder.emit(
            Mma(self.own_name(), left.tile, right.tile, accumulate, left.transposed, right.transposed, place=place())
        )

    def set(self, op: str, *args: Operand | Scalar) -> None:
        """``self = op(args)`` elementwise; a float is a scalar."""
        if op not in VECTOR_OPS:
            raise ProgramError(f"unknown vector operation {op!r}", where=caller(), mend=nearest(str(op), VECTOR_OPS))
        arity = VECTOR_OPS[op].arity
        if len(args) != arity:
            raise ProgramError(f"{op} takes {arity} argument{'s' * (arity > 1)}, found {len(args)}", where=caller())
        operands = tuple(
            _plain(arg) if isinstance(arg, (RingHandle, TileHandle)) else real(arg, "a scalar") for arg in args
        )
        self.recorder.emit(Vector(op, self.own_name(), operands, place=place()))

    def reduce(self, op: str, src: Operand, *, axis: int) -> None:
        """``self = op of src along axis``; a negative axis counts from the last."""
        if op not in REDUCE_OPS:
            raise ProgramError(f"unknown reduction {op!r}", where=caller(), mend=nearest(str(op), REDUCE_OPS))
        self.recorder.emit(Reduce(op, self.own_name(), _plain(src), self._axis(axis), place=place()))

    def fill(self, value: Scalar) -> None:
        """Set every element to ``value``."""
        self.recorder.emit(Fill(self.own_name(), real(value, "a fill value"), place=place()))

    def iota(self, *, axis: int = 0, start: ExprLike = 0) -> None:
        """Element [i0, i1, ...] = ``start`` + i_axis."""
        self.recorder.emit(Iota(self.own_name(), self._axis(axis), self.recorder.expr(start), place=place()))

    def push(self) -> None:
        """Hand the open slot to the consumers."""
        self.recorder.emit(Push(self.own_name(), place=place()))

    def pop(self) -> None:
        """Give the front slot back."""
        self.recorder.emit(Pop(self.own_name(), place=place()))

    def _axis(self, axis: int) -> int:
        rank = len(self.ring.shape)
        number = whole(axis, "an axis", least=-rank)
        return number + rank if number < 0 else number

    def _target(self, to: Blocks | None, to_group: str | None) -> Target:
        if to is None:
            if to_group is not None:
                raise ProgramError(
                    f"group {to_group!r} is named without blocks", where=caller(), mend="add `to=(coordinate, ...)`"
                )
            return Target(self.own_name())
        blocks = tuple(self._blocks(entry) for entry in to)
        foreign = self.recorder.group not in (None, self.group)
        return Target(self.ring.name, blocks, to_group or (self.group.rpartition("/")[2] if foreign else None))

    def _blocks(self, entry: ExprLike | tuple[ExprLike, int]) -> tuple[Expr, int]:
        start, count = entry if isinstance(entry, tuple) else (entry, 1)
        return self.recorder.expr(start), whole(count, "a count of blocks")


Operand: TypeAlias = RingHandle | TileHandle


def as_operand(value: Operand) -> TileHandle:
    """A ring as an operand is its front (or open) tile."""
    if isinstance(value, RingHandle):
        return TileHandle(value)
    if isinstance(value, TileHandle):
        return value
    raise ProgramError(f"expected a ring or a tile of one, found {value!r}", where=caller())


def _plain(value: Operand) -> Tile:
    operand = as_operand(value)
    if operand.transposed:
        raise ProgramError(
            f"{operand.ring.ring.name}.T cannot be read here",
            where=caller(),
            mend="only mma, copy and store read a tile transposed; copy it first",
        )
    return operand.tile
