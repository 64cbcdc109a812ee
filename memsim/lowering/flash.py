"""Flash attention as a persistent kernel: scores, softmax and weighted sums overlap, each in a queue of its own.

For each tile of queries the keys pass by tile after tile. The running maximum ``m`` and sum ``l`` of each row are kept;
when the maximum grows by d, sum and result shrink by 2^-d. The scale of the scores includes log2(e), so that powers are
of 2. Tiles on the diagonal, or beyond the last key, are masked; those before them are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle
from memsim.isa.ops import DTYPES
from memsim.lowering.flash_plan import FlashPlan, Triangle
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.rings import declare
from memsim.lowering.spaces import digits, repeat, turns
from memsim.lowering.values import LOG2_E

MASKED = DTYPES["fp32"].lowest


def emit_flash(program: ProgramBuilder, recipe: FlashRecipe, plan: FlashPlan) -> None:
    """Write the kernel."""
    with program.kernel(recipe.name, grid={"core": plan.workers}) as kernel:
        needed = [spec for spec in plan.specs if spec.name not in _unused(recipe, plan)]
        writer = _Writer(recipe, plan, kernel, declare(kernel, needed, plan.memories))
        writer.load()
        writer.scores()
        writer.softmax()
        writer.sums()
        writer.store()


def _unused(recipe: FlashRecipe, plan: FlashPlan) -> set[str]:
    """Rings of the mask that this shape does without."""
    if recipe.causal:
        return set()
    return {"row"} if recipe.keys % plan.columns else {"row", "column", "mask"}


@dataclass(frozen=True, slots=True)
class _Item:
    """A tile of queries of one head."""

    batch: Expr
    head: Expr
    tile: Expr
    full: Expr
    total: Expr


@dataclass(frozen=True, slots=True)
class _Writer:
    recipe: FlashRecipe
    plan: FlashPlan
    kernel: KernelBuilder
    rings: Mapping[str, RingHandle]

    @contextmanager
    def _items(self, queue: str) -> Iterator[_Item]:
        """Record a queue that takes this worker's items in turn."""
        (core,) = self.kernel.coordinates
        triangle = Triangle(self.recipe, self.plan.rows, self.plan.columns)
        tiles = triangle.query_tiles
        heads = self.recipe.batch * self.recipe.heads
        count = turns(heads * tiles, self.plan.workers, core)
        with self.kernel.queue(queue), repeat(self.kernel, "t", count) as turn:
            item = turn * self.plan.workers + core
            batch, head, tile = digits(item, (self.recipe.batch, self.recipe.heads, tiles))
            if self.plan.stride:
                tile = (item + item // tiles * self.plan.stride) % tiles
            yield _Item(batch, head, tile, triangle.full(tile), triangle.total(tile))

    def _starts(self, item: _Item, key: Expr) -> list[Expr]:
        """First index along each axis of the space."""
        return [item.batch, item.head, item.tile * self.plan.rows, key * self.plan.columns, Expr(0), Expr(0)]

    @property
    def _sizes(self) -> tuple[int, ...]:
        return (1, 1, self.plan.rows, self.plan.columns, self.recipe.dim, self.recipe.value_dim)

    def load(self) -> None:
        """Load queries in one queue, keys and values in another."""
        with self._items("load_q") as item:
            self.recipe.q.load(self.rings["q"], self._starts(item, Expr(0)), self._sizes)
        with self._items("load_kv") as item, repeat(self.kernel, "j", item.total) as key:
            self.recipe.k.load(self.rings["k"], self._starts(item, key), self._sizes)
            self.recipe.v.load(self.rings["v"], self._starts(item, key), self._sizes)

    def scores(self) -> None:
        """Scores of a tile: q k^T."""
        q, k, s = (self.rings[name] for name in ("q", "k", "s"))
        with self._items("scores") as item:
            with repeat(self.kernel, "j", item.total):
                s.mma(q, k.T, accumulate=False)
                k.pop()
                s.push()
            q.pop()

    def softmax(self) -> None:
        """Weights of a tile, and by how much what was summed so far shrinks."""
        total, norm = self.rings["l"], self.rings["norm"]
        with self._items("softmax") as item:
            self.rings["m"].fill(MASKED)
            total.fill(0.0)
            if item.full != Expr(0):
                with repeat(self.kernel, "j", item.full):
                    self._weigh(item, None)
            if item.full != item.total:
                with repeat(self.kernel, "j", item.total - item.full) as j:
                    self._weigh(item, item.full + j)
            norm.set("recip", total)
            norm.push()

    def _weigh(self, item: _Item, masked_key: Expr | None) -> None:
        top, m, total, t, part = (self.rings[name] for name in ("top", "m", "l", "t", "part"))
        shrink, p, s = (self.rings[name] for name in ("shrink", "p", "s"))
        t.set("mul", s, self.recipe.scale * LOG2_E)
        s.pop()
        if masked_key is not None:
            self._mask(item, masked_key)
        top.reduce("max", t, axis=1)
        top.set("max", top, m)
        shrink.set("sub", m, top)
        shrink.set("exp2", shrink)
        m.set("cast", top)
        t.set("sub", t, top)
        p.set("exp2", t)
        part.reduce("sum", p, axis=1)
        total.set("mul", total, shrink)
        total.set("add", total, part)
        shrink.push()
        p.push()

    def _mask(self, item: _Item, key: Expr) -> None:
        """Hide keys after the query, or after the last one."""
        column, mask, t = self.rings["column"], self.rings["mask"], self.rings["t"]
        column.iota(axis=1, start=key * self.plan.columns)
        if self.recipe.causal:
            row = self.rings["row"]
            row.iota(axis=0, start=item.tile * self.plan.rows + (self.recipe.keys - self.recipe.queries))
            mask.set("ge", row, column)
        else:
            mask.set("gt", float(self.recipe.keys), column)
        t.set("where", mask, t, MASKED)

    def sums(self) -> None:
        """Sums of values by weight, divided by the sum of weights at the end."""
        o, p, v, shrink, norm, out = (self.rings[name] for name in ("o", "p", "v", "shrink", "norm", "out"))
        with self._items("sums") as item:
            o.fill(0.0)
            with repeat(self.kernel, "j", item.total):
                o.set("mul", o, shrink)
                shrink.pop()
                o.mma(p, v)
                p.pop()
                v.pop()
            out.set("mul", o, norm)
            norm.pop()
            out.push()

    def store(self) -> None:
        """Store the result."""
        with self._items("store") as item:
            self.recipe.out.store(self.rings["out"], self._starts(item, Expr(0)), self._sizes)
            self.rings["out"].pop()
