"""One block of flash attention: its rings, and the online softmax over tiles of keys.

For each tile of keys: scores s = q k^T; the running maximum m of a row and by how much it grew; weights
p = 2^(s - m), where the scale has log2(e) in it; the running sum l and the result o, shrunk by that growth; o += p v
(Dao, FlashAttention-2, arXiv 2307.08691, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder
from memsim.isa.expr import Expr, ExprLike
from memsim.isa.handles import RegionHandle, RingHandle
from memsim.isa.ops import DTYPES
from memsim.library.attention_tiles import Tiles
from memsim.lowering.values import LOG2_E

MASKED = DTYPES["fp32"].lowest


@dataclass(frozen=True, slots=True)
class Sizes:
    """One call of attention."""

    batch: int
    seq: int
    heads: int
    kv_heads: int
    head_dim: int
    dtype: str

    @property
    def group(self) -> int:
        """Heads of queries that share a head of keys and values."""
        return self.heads // self.kv_heads

    @property
    def scale(self) -> float:
        """Of the scores, for powers of 2."""
        return LOG2_E / math.sqrt(self.head_dim)

    @property
    def head_bytes(self) -> int:
        """Bytes of the keys and values of one head."""
        return 2 * self.seq * self.head_dim * DTYPES[self.dtype].bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """The tiles of keys that a block goes through: ``full`` of them, then those up to ``total`` masked."""

    first: ExprLike
    full: ExprLike
    total: ExprLike
    region: Callable[[str, Expr], RegionHandle]
    """Tile number ``j`` of the tensor ``K`` or ``V``."""


class Block:
    """Rings of a block and what its queues do; ``shape`` is (heads, tokens) of a warpgroup's queries."""

    def __init__(self, kernel: KernelBuilder, sizes: Sizes, tiles: Tiles, shape: tuple[int, int]) -> None:
        self.kernel, self.sizes, self.tiles, self.shape = kernel, sizes, tiles, shape
        columns, dim, dtype = tiles.columns, sizes.head_dim, sizes.dtype
        self.known = kernel.ring("known", "sram", "int32", (1,), 2)
        self.known_of_pages = kernel.ring("known_of_pages", "sram", "int32", (1,), 2)
        self.seen = kernel.ring("seen", "reg", "int32", (1,))
        self.k = kernel.ring("k", "sram", dtype, (columns, dim), tiles.stages)
        self.v = kernel.ring("v", "sram", dtype, (columns, dim), tiles.stages)
        self.groups = [_Group(kernel, sizes, tiles, shape, number) for number in range(tiles.groups)]

    def load(self, lengths: RegionHandle, pages: RegionHandle, queries: list[RegionHandle], keys: Keys) -> None:
        """Load: lengths first, with them queries, and pages, which say where keys and values are."""
        self._wait_for(self.known, lengths)
        for group, region in zip(self.groups, queries, strict=True):
            group.q.load(region, clip=True)
        self._wait_for(self.known_of_pages, pages)
        with self.kernel.loop("j", keys.total) as j:
            self.k.load(keys.region("K", keys.first + j), clip=True)
            self.v.load(keys.region("V", keys.first + j), clip=True)

    def _wait_for(self, ring: RingHandle, region: RegionHandle) -> None:
        """Load indices, and let this queue wait for them."""
        ring.load(region)
        self.seen.set("cast", ring)
        ring.pop()

    def attend(self, number: int, keys: Keys, limit: _Limit) -> None:
        """The queue of a warpgroup up to the sums; the caller goes on in the open queue."""
        group = self.groups[number]
        group.start()
        if keys.full != 0:
            with self.kernel.loop("full", keys.full):
                group.step(self.k, self.v, None)
        if keys.full != keys.total:
            with self.kernel.loop("masked", keys.total - keys.full) as j:
                group.step(self.k, self.v, limit.at((keys.first + keys.full + j) * self.tiles.columns))
        group.q.pop()


@dataclass(frozen=True, slots=True)
class _Limit:
    """Which keys a row sees: those before ``end``, or up to its own position, whose first is ``row``."""

    end: int | None
    row: ExprLike = 0
    key: ExprLike = 0

    def at(self, key: ExprLike) -> _Limit:
        return _Limit(self.end, self.row, key)


def before(end: int) -> _Limit:
    """Keys before ``end`` are seen."""
    return _Limit(end)


def up_to_own(row: ExprLike) -> _Limit:
    """Keys up to a query's own position are seen; the first query's is ``row``."""
    return _Limit(None, row)


class _Group:
    """A warpgroup: its queries, scores, running maxima and sums."""

    def __init__(
        self, kernel: KernelBuilder, sizes: Sizes, tiles: Tiles, shape: tuple[int, int], number: int
    ) -> None:
        self.scale = sizes.scale

        def ring(name: str, dtype: str, *last: int, memory: str = "reg") -> RingHandle:
            return kernel.ring(f"{name}{number or ''}", memory, dtype, (*shape, *last))

        self.q = ring("q", sizes.dtype, sizes.head_dim, memory="sram")
        self.s = ring("s", "fp32", tiles.columns)
        self.p = ring("p", sizes.dtype, tiles.columns)
        self.o = ring("o", "fp32", sizes.head_dim)
        self.out: RingHandle | None = None
        self._ring = ring
        self._sizes=sizes
        self.top, self.m, self.shrink, self.l, self.part, self.row = (
            ring(name, "fp32", 1) for name in ("top", "m", "shrink", "l", "part", "row")
        )
        self.column = kernel.ring(f"column{number or ''}", "reg", "fp32", (1, 1, tiles.columns))
        self.mask = ring("mask", "int8", tiles.columns)

    def start(self) -> None:
        """Nothing summed so far."""
        self.m.fill(MASKED)
        self.l.fill(0.0)
        self.o.fill(0.0)

    def step(self, k: RingHandle, v: RingHandle, limit: _Limit | None) -> None:
        """A tile of keys."""
        s, p, top, m, shrink, total = self.s, self.p, self.top, self.m, self.shrink, self.l
        s.mma(self.q, k.T, accumulate=False)
        k.pop()
        s.set("mul", s, self.scale)
        if limit is not None:
            self._mask(limit)
        top.reduce("max", s, axis=2)
        top.set("max", top, m)
        shrink.set("sub", m, top)
        shrink.set("exp2", shrink)
        m.set("cast", top)
        s.set("sub", s, top)
        p.set("exp2", s)
        self.part.reduce("sum", p, axis=2)
        total.set("mul", total, shrink)
        total.set("add", total, self.part)
        self.o.set("mul", self.o, shrink)
        self.o.mma(p, v)
        v.pop()

    def _mask(self, limit: _Limit) -> None:
        self.column.iota(axis=2, start=limit.key)
        if limit.end is None:
            self.row.iota(axis=1, start=limit.row)
            self.mask.set("ge", self.row, self.column)
        else:
            self.mask.set("gt", float(limit.end), self.column)
        self.s.set("where", self.mask, self.s, MASKED)

    def finish(self) -> None:
        """Hand the result out."""
        self.out = self._ring("out", self._sizes.dtype, self._sizes.head_dim)
        self.l.set("recip", self.l)
        self.out.set("mul", self.o, self.l)
        self.out.push()

    def partial(self, out: RingHandle, sums: RingHandle) -> None:
        """Hand out the result of a part of the keys, and the logarithm (to base 2) of the sum of its weights."""
        self.part.set("log2", self.l)
        sums.set("add", self.part, self.m)
        sums.push()
        self.l.set("recip", self.l)
        out.set("mul", self.o, self.l)
        out.push()
