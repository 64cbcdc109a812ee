"""The tile program as data: tensors, rings, queues, loops and about twenty instructions.

Nothing here computes; `verify`, `analyze`, `interpret` and the engines read these values.
Every class is immutable and compares by value, so ``parse(format(program)) == program``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from memsim.errors import Location
from memsim.isa.expr import Expr
from memsim.isa.ops import DTYPES, DType

PER_CORE_ROLES = frozenset({"sram", "reg"})
"""Memory roles of which each core has its own; every other role is one memory for the whole chip."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named array in a memory role, row-major. In a per-core role each core holds its own copy of ``shape``."""

    name: str
    role: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def type(self) -> DType:
        """The element type."""
        return DTYPES[self.dtype]

    @property
    def bytes(self) -> int:
        """Bytes of the whole tensor (of one core's copy, in a per-core role)."""
        return math.prod(self.shape) * self.type.bytes


@dataclass(frozen=True, slots=True)
class Ring:
    """``depth`` slots for a tile of fixed shape and type in one per-core memory; each block has its own."""

    name: str
    memory: str
    dtype: str
    shape: tuple[int, ...]
    depth: int = 1

    @property
    def type(self) -> DType:
        """The element type."""
        return DTYPES[self.dtype]

    @property
    def tile_bytes(self) -> int:
        """Bytes of one slot."""
        return math.prod(self.shape) * self.type.bytes


@dataclass(frozen=True, slots=True)
class Region:
    """A strided box of a tensor: in dimension d, ``sizes[d]`` elements from ``starts[d]``, ``steps[d]`` apart.

    Region and tile must have the same shape once dimensions of size 1 are dropped from both.
    With ``clip`` the box is cut at the tensor's edges, before index 0 and after the last: a load fills the rest with
    its ``pad``, a store drops it.
    """

    tensor: str
    starts: tuple[Expr, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...] = ()
    """One step a dimension, each at least 1; left empty, all are 1."""
    clip: bool = False

    def __post_init__(self) -> None:
        if not self.steps:
            object.__setattr__(self, "steps", (1,) * len(self.starts))


@dataclass(frozen=True, slots=True)
class Tile:
    """An operand: the open slot of ``ring`` in the queue that produces it, else the ``ahead``-th resident slot."""

    ring: str
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a `Load`, `Gather`, `Copy` or `Send` puts its tile: a ring of this block, or of other blocks.

    ``blocks`` has ``(start, count)`` for each grid dimension of the group that owns the ring; more than one
    block in all makes it a multicast. ``None`` means this block's own ring.
    ``group`` names another group of the (cooperative) kernel; ``None`` means this block's group.
    """

    ring: str
    blocks: tuple[tuple[Expr, int], ...] | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """Something that knows where in a text it was written; the place takes no part in equality."""

    place: Location | None = field(default=None, compare=False, repr=False)


class _Deriving(_Placed):
    """Room for what is derived from a value when it is first asked for; no part of the value, nor of its copies."""

    __slots__ = ("derived",)


@dataclass(frozen=True, slots=True)
class Load(_Placed):
    """Move a region of a tensor into the back slot of a ring: opens it, full on arrival. Asynchronous."""

    dst: Target
    src: Region
    transpose: bool = False
    """Swap the last two dimensions of the (squeezed) region on the way."""
    pad: float = 0.0
    """What fills the part that ``src.clip`` cut off."""


@dataclass(frozen=True, slots=True)
class Store(_Placed):
    """Move a tile into a region of a tensor. Asynchronous."""

    dst: Region
    src: Tile
    transpose: bool = False


@dataclass(frozen=True, slots=True)
class Gather(_Placed):
    """Load one row of a 2-D tensor for each entry of an integer tile; opens the slot, full on arrival.

    Row i of the tile is ``tensor[start + index[i], column:column+width]`` with ``0 <= index[i] < rows``
    (an index outside is an error in `interpret`). Its *timing* takes the rows from ``distribution``, never
    from the values: ``"uniform"`` spreads them evenly over the region, ``"sequential"`` takes adjacent rows.
    """

    dst: Target
    src: Region
    """The bounded region from which rows are taken: sizes are (rows, width)."""
    index: Tile
    distribution: str = "uniform"


@dataclass(frozen=True, slots=True)
class Copy(_Placed):
    """Move a tile between rings of the same core (and so between its memories). Asynchronous; full on arrival."""

    dst: Target
    src: Tile
    transpose: bool = False


@dataclass(frozen=True, slots=True)
class Send(_Placed):
    """Move a tile over the network into a ring of another block, or of many (multicast). Asynchronous."""

    dst: Target
    src: Tile


@dataclass(frozen=True, slots=True)
class Mma(_Placed):
    """``dst (+)= a @ b`` on the matrix unit: products and sums in the accumulator's type (`MMA_TYPES`).

    The rows of ``a``, unless it is transposed, and of ``dst`` may lie in several dimensions: [..., k] by [k, n].
    """

    dst: str
    a: Tile
    b: Tile
    accumulate: bool = True
    transpose_a: bool = False
    transpose_b: bool = False


@dataclass(frozen=True, slots=True)
class Vector(_Placed):
    """``dst = op(args)`` elementwise on the vector unit; args broadcast to dst's shape, a float is a scalar."""

    op: str
    dst: str
    args: tuple[Tile | float, ...]


@dataclass(frozen=True, slots=True)
class Reduce(_Placed):
    """``dst = op of src along axis`` on the vector unit; ``dst`` has size 1 in that axis."""

    op: str
    dst: str
    src: Tile
    axis: int


@dataclass(frozen=True, slots=True)
class Fill(_Placed):
    """Set every element of ``dst`` to ``value``."""

    dst: str
    value: float


@dataclass(frozen=True, slots=True)
class Iota(_Placed):
    """``dst[i0, i1, ...] = start + i_axis``: coordinates for masks."""

    dst: str
    axis: int
    start: Expr = Expr(0)


@dataclass(frozen=True, slots=True)
class Push(_Placed):
    """Hand the open slot of a ring to its consumers."""

    ring: str


@dataclass(frozen=True, slots=True)
class Pop(_Placed):
    """Give the front slot of a ring back, once this queue's earlier reads of it have ended. Posted."""

    ring: str


@dataclass(frozen=True, slots=True)
class Loop(_Placed):
    """Run ``body`` for ``var`` = 0 .. ``count - 1``; the count is static and never negative."""

    var: str
    count: Expr
    body: tuple[Statement, ...]


Instruction: TypeAlias = Load | Store | Gather | Copy | Send | Mma | Vector | Reduce | Fill | Iota | Push | Pop
Statement: TypeAlias = Instruction | Loop


@dataclass(frozen=True, slots=True)
class Queue(_Placed):
    """An in-order stream of instructions of one block; the queues of a block run concurrently."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Group(_Placed):
    """Blocks that run the same text; ``grid`` names the block coordinates, ``cluster`` is the box launched together.

    Blocks are numbered cluster by cluster, row-major over the grid of clusters and then inside each.
    Only blocks of one cluster may send to each other (any block of the kernel, where it is cooperative).
    """

    name: str
    grid: tuple[tuple[str, int], ...]
    rings: tuple[Ring, ...]
    queues: tuple[Queue, ...]
    cluster: tuple[int, ...] = ()
    """One size a grid dimension, each dividing the grid's; left empty, all are 1."""

    def __post_init__(self) -> None:
        if not self.cluster:
            object.__setattr__(self, "cluster", (1,) * len(self.grid))

    @property
    def block_count(self) -> int:
        """Blocks in the grid."""
        return math.prod(n for _, n in self.grid)

    @property
    def cluster_size(self) -> int:
        """Blocks in one cluster."""
        return math.prod(self.cluster)

    def ring(self, name: str) -> Ring:
        """The ring of that name (KeyError if there is none)."""
        for ring in self.rings:
            if ring.name == name:
                return ring
        raise KeyError(name)

    def coordinates(self, block: int) -> dict[str, int]:
        """Grid coordinates of the ``block``-th block of this group, cluster by cluster."""
        cluster_index, inner = divmod(block, self.cluster_size)
        outer_grid = [n // c for (_, n), c in zip(self.grid, self.cluster, strict=True)]
        outer = _unravel(cluster_index, outer_grid)
        offset = _unravel(inner, list(self.cluster))
        return {name: o * c + i for (name, _), o, c, i in zip(self.grid, outer, self.cluster, offset, strict=True)}

    def block_index(self, coordinates: tuple[int, ...]) -> int:
        """Number of the block at ``coordinates``: the inverse of `coordinates`."""
        outer_index = inner_index = 0
        for value, (_, n), c in zip(coordinates, self.grid, self.cluster, strict=True):
            outer_index = outer_index * (n // c) + value // c
            inner_index = inner_index * c + value % c
        return outer_index * self.cluster_size + inner_index


@dataclass(frozen=True, slots=True)
class Kernel(_Deriving):
    """Groups of blocks that run together; it starts when the kernel before it has ended.

    Blocks are numbered through the groups in order; block b runs on core b mod n, up to ``occupancy`` resident
    blocks a core. A ``cooperative`` kernel has all of its blocks resident at once.
    """

    name: str
    groups: tuple[Group, ...]
    occupancy: int = 1
    cooperative: bool = False

    def group(self, name: str) -> Group:
        """The group of that name (KeyError if there is none)."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    @property
    def block_count(self) -> int:
        """Blocks in all groups."""
        return sum(g.block_count for g in self.groups)


@dataclass(frozen=True, slots=True)
class Program(_Deriving):
    """Kernels that run one after another over tensors."""

    name: str
    tensors: tuple[Tensor, ...]
    kernels: tuple[Kernel, ...]
    cores: int | None = None
    """Cores that the program is written for (needed where a tensor is per-core); ``None`` takes all of a chip's."""
    useful_flops: int | None = None
    """Operations of the algorithm itself (2 a multiply-add), for MFU; ``None`` counts what is executed."""

    @property
    def tensors_by_name(self) -> Mapping[str, Tensor]:
        """The tensors, to look up: a model has thousands."""
        found: Mapping[str, Tensor] | None = getattr(self, "derived", None)
        if found is None:
            found = {tensor.name: tensor for tensor in reversed(self.tensors)}
            object.__setattr__(self, "derived", found)
        return found

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name (KeyError if there is none)."""
        return self.tensors_by_name[name]


def walk(body: tuple[Statement, ...], loops: tuple[Loop, ...] = ()) -> Iterator[tuple[Instruction, tuple[Loop, ...]]]:
    """Each instruction of ``body`` once, in text order, with the loops around it, outermost first."""
    for statement in body:
        if isinstance(statement, Loop):
            yield from walk(statement.body, (*loops, statement))
        else:
            yield statement, loops


def tiles_read(instruction: Instruction) -> tuple[Tile, ...]:
    """Tiles whose values the instruction reads (an accumulating `Mma` also reads its destination)."""
    match instruction:
        case Store(src=src) | Copy(src=src) | Send(src=src) | Reduce(src=src):
            return (src,)
        case Gather(index=index):
            return (index,)
        case Mma(a=a, b=b):
            return (a, b)
        case Vector(args=args):
            return tuple(arg for arg in args if isinstance(arg, Tile))
    return ()


def ring_written(instruction: Instruction) -> str | None:
    """Ring whose open slot the instruction writes *in this block*, for compute instructions; else None."""
    match instruction:
        case Mma(dst=dst) | Vector(dst=dst) | Reduce(dst=dst) | Fill(dst=dst) | Iota(dst=dst):
            return dst
    return None


def transfer_target(instruction: Instruction) -> Target | None:
    """Target of an instruction that fills a ring on arrival (load, gather, copy, send); else None."""
    match instruction:
        case Load(dst=dst) | Gather(dst=dst) | Copy(dst=dst) | Send(dst=dst):
            return dst
    return None


def _unravel(index: int, sizes: list[int]) -> list[int]:
    digits = []
    for size in reversed(sizes):
        index, digit = divmod(index, size)
        digits.append(digit)
    return digits[::-1]
