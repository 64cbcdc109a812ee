"""One block of flash attention: its rings, and the online softmax over tiles of keys.

For each tile of keys: scores s = q k^T; the running maximum m of a row, and by how much it grew; weights
p = 2^(s - m), where the scale of s has log2(e) in it; the running sum l and the result o, both shrunk by that growth;
o += p v (Dao, FlashAttention-2, arXiv 2307.08691, algorithm 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

    def packed(self, tiles: Tiles) -> int:
        """Heads of a group whose queries are rows of one tile: all that fit, where the kernel packs."""
        if not tiles.packs:
            return 1
        return max(n for n in range(1, min(self.group, tiles.rows) + 1) if self.group % n == 0)

    @property
    def scale(self) -> float:
        """Of the scores, for powers of 2."""
        return LOG2_E / math.sqrt(self.head_dim)


@dataclass(frozen=True, slots=True)
class Limit:
    """Which keys a query sees: those before ``end`` or, where that is ``None``, up to its own position."""

    end: int | None
    row: ExprLike = 0
    """Position of the first query."""


@dataclass(frozen=True, slots=True)
class Span:
    """Tiles of keys that a block goes through in a loop, ``count`` from tile ``first`` on, in steps of ``wide``."""

    first: ExprLike
    count: ExprLike
    wide: int = 1
    masked: bool = False


Keys = Callable[[str, Expr, int], RegionHandle]
"""The region of ``K`` or ``V`` from a tile on, so many tiles long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rings that a warpgroup pushes once."""

    out: RingHandle
    """The result, over a part of the keys in fp32."""
    sums: RingHandle | None
    """For a part, the logarithm (to base 2) of the sum of its weights."""


class Block:
    """Rings of a block and what its queues do.

    Parameters
    ----------
    kernel
        Where the block is written.
    sizes, tiles
        The call, and how it is cut.
    shape
        (heads, tokens) of the queries of a warpgroup.
    wides
        Tiles of keys in a step, for each kind of step.
    """

    def __init__(
        self, kernel: KernelBuilder, sizes: Sizes, tiles: Tiles, shape: tuple[int, int], wides: Sequence[int] = (1,)
    ) -> None:
        self.kernel, self.tiles = kernel, tiles
        self.known = kernel.ring("known", "reg", "int32", (1,), 2)
        self.pages = kernel.ring("pages", "reg", "int32", (1,), 2)
        self.seen = kernel.ring("seen", "reg", "int32", (1,))
        self.k, self.v = (
            {
                wide: kernel.ring(_named(name, wide), "sram", sizes.dtype, (keys, sizes.head_dim), tiles.stages)
                for wide, keys in ((wide, wide * tiles.columns) for wide in wides)
            }
            for name in ("k", "v")
        )
        self.groups = [Warpgroup(kernel, sizes, tiles, shape, wides, number) for number in range(tiles.groups)]

    def wait_for_indices(self, lengths: RegionHandle) -> None:
        """Let the open queue wait for the lengths of a sequence."""
        self._wait_for(self.known, lengths)

    def wait_for_pages(self, pages: RegionHandle) -> None:
        """Let the open queue wait for the pages of a sequence."""
        self._wait_for(self.pages, pages)

    def _wait_for(self, ring: RingHandle, region: RegionHandle) -> None:
        ring.load(region)
        self.seen.set("cast", ring)
        ring.pop()

    def load_keys(self, spans: Sequence[Span], keys: Keys) -> None:
        """Load keys and values of all steps in the open queue."""
        for number, span in enumerate(spans):
            with self.kernel.loop(f"j{number}", span.count) as j:
                for name, rings in (("K", self.k), ("V", self.v)):
                    rings[span.wide].load(keys(name, span.first + j * span.wide, span.wide), clip=True)

    def attend(self, spans: Sequence[Span], limits: Sequence[Limit], *, part: bool = False) -> list[Outcome]:
        """Write the queues of all warpgroups, each with its limit; ``part`` where these are not all keys.

        Where products run beside the softmax, the sums have a queue of their own.
        """
        return [self._attend(number, spans, limit, part) for number, limit in enumerate(limits)]

    def _attend(self, number: int, spans: Sequence[Span], limit: Limit, part: bool) -> Outcome:
        group = self.groups[number]
        if self.tiles.overlaps:
            with self.kernel.queue(f"weigh{number}"):
                group.start_weights()
                for level, span in enumerate(spans):
                    with self._step(level, span) as key:
                        group.weigh(span, self.k[span.wide], limit, key)
                sums = group.end_weights(part)
            with self.kernel.queue(f"sum{number}"):
                group.start_sums()
                for level, span in enumerate(spans):
                    with self._step(level, span):
                        group.add(span, self.v[span.wide])
                return Outcome(group.end_sums(part), sums)
        with self.kernel.queue(f"attend{number}"):
            group.start_weights()
            group.start_sums()
            for level, span in enumerate(spans):
                with self._step(level, span) as key:
                    group.weigh(span, self.k[span.wide], limit, key)
                    group.add(span, self.v[span.wide])
            return Outcome(sums=group.end_weights(part), out=group.end_sums(part))

    @contextmanager
    def _step(self, level: int, span: Span) -> Iterator[Expr]:
        """Record the steps of a span; gives the first key of each."""
        with self.kernel.loop(f"j{level}", span.count) as j:
            yield (span.first + j * span.wide) * self.tiles.columns


class Warpgroup:
    """A warpgroup: its queries, scores, running maxima and sums."""

    def __init__(
        self,
        kernel: KernelBuilder,
        sizes: Sizes,
        tiles: Tiles,
        shape: tuple[int, int],
        wides: Sequence[int],
        number: int,
    ) -> None:
        self.scale, self.slow_maxima = sizes.scale, tiles.slow_maxima

        def ring(name: str, dtype: str, *last: int, memory: str = "reg") -> RingHandle:
            return kernel.ring(f"{name}_g{number}", memory, dtype, (*shape, *last))

        self.ring, self.dtype, self.head_dim = ring, sizes.dtype, sizes.head_dim
        self.q = ring("q", sizes.dtype, sizes.head_dim, memory="sram")
        self.o = ring("o", "fp32", sizes.head_dim)
        self.s = {wide: ring(_named("s", wide), "fp32", wide * tiles.columns) for wide in wides}
        self.p = {wide: ring(_named("p", wide), sizes.dtype, wide * tiles.columns) for wide in wides}
        self.top, self.m, self.shrink, self.l, self.norm, self.part, self.row = (
            ring(name, "fp32", 1) for name in ("top", "m", "shrink", "l", "norm", "part", "row")
        )
        self.column = kernel.ring(f"column_g{number}", "reg", "fp32", (1, 1, tiles.columns))
        self.mask = ring("mask", "int8", tiles.columns)

    def start_weights(self) -> None:
        """Nothing seen so far."""
        self.m.fill(MASKED)
        self.l.fill(0.0)

    def start_sums(self) -> None:
        """Nothing summed so far."""
        self.o.fill(0.0)

    def weigh(self, span: Span, k: RingHandle, limit: Limit, key: Expr) -> None:
        """Weights of a step, which begins at a key."""
        s, p, top, m, shrink, total = self.s[span.wide], self.p[span.wide], self.top, self.m, self.shrink, self.l
        s.mma(self.q, k.T, accumulate=False)
        k.pop()
        s.set("mul", s, self.scale)
        if span.masked:
            self._hide(s, limit, key)
        if self.slow_maxima:
            s.set("max", s, MASKED)
        top.reduce("max", s, axis=2)
        top.set("max", top, m)
        shrink.set("sub", m, top)
        shrink.set("exp2", shrink)
        m.set("cast", top)
        s.set("sub", s, top)
        s.set("exp2", s)
        self.part.reduce("sum", s, axis=2)
        total.set("mul", total, shrink)
        total.set("add", total, self.part)
        shrink.push()
        p.set("cast", s)
        p.push()

    def add(self, span: Span, v: RingHandle) -> None:
        """Add the values of a step by their weights to the sums, which shrink first."""
        p = self.p[span.wide]
        self.o.set("mul", self.o, self.shrink)
        self.shrink.pop()
        self.o.mma(p, v)
        p.pop()
        v.pop()

    def end_weights(self, part: bool) -> RingHandle | None:
        """Hand over by what the sums are to be divided and, for a part, the logarithm of that."""
        self.q.pop()
        self.norm.set("recip", self.l)
        self.norm.push()
        if not part:
            return None
        sums = self.ring("sums", "fp32", 1)
        sums.set("log2", self.l)
        sums.set("add", sums, self.m)
        sums.push()
        return sums

    def _hide(self, s: RingHandle, limit: Limit, key: Expr) -> None:
        """Give scores beyond the limit no weight."""
        self.column.iota(axis=2, start=key)
        if limit.end is None:
            self.row.iota(axis=1, start=limit.row)
            self.mask.set("ge", self.row, self.column)
        else:
            self.mask.set("gt", float(limit.end), self.column)
        s.set("where", self.mask, s, MASKED)

    def end_sums(self, part: bool) -> RingHandle:
        """Hand out the result."""
        out = self.ring("out", "fp32" if part else self.dtype, self.head_dim)
        out.set("mul", self.o, self.norm)
        self.norm.pop()
        out.push()
        return out


def _named(name: str, wide: int) -> str:
    return name if wide == 1 else f"{name}_x{wide}"
