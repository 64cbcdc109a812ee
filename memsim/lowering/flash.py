"""Flash attention as a persistent kernel: scores, softmax and weighted sums overlap, each in a queue of its own.

For each tile of queries the keys pass by tile after tile. The running maximum ``m`` and sum ``l`` of each row are kept;
when the maximum grows by d, sum and result shrink by 2^-d. The scale of the scores includes log2(e), so that powers are
of 2. Tiles on the diagonal, or beyond the last key, are masked; those before them are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr, maximum
from memsim.isa.handles import RingHandle
from memsim.isa.ops import DTYPES
from memsim.lowering.flash_cost import Triangle, item_counts
from memsim.lowering.flash_plan import FlashPlan
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.rings import declare
from memsim.lowering.spaces import digits, repeat, turns
from memsim.lowering.values import LOG2_E

MASKED = DTYPES["fp32"].lowest


def emit_flash(program: ProgramBuilder, recipe: FlashRecipe, plan: FlashPlan) -> None:
    """Write the kernel."""
    grid = {"core": plan.clusters, "y": plan.cluster}
    with program.kernel(recipe.name, grid=grid, cluster={"y": plan.cluster}) as kernel:
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
    def _items(self, queue: str, *, leading: bool = False) -> Iterator[_Item]:
        """Record a queue that takes this block's items in turn; ``leading``, only in the first block of a cluster."""
        plan, recipe = self.plan, self.recipe
        triangle = Triangle(recipe, plan.rows, plan.columns)
        counts = item_counts(recipe, triangle, plan.cluster, plan.shares_heads)
        core, y = self._coordinates
        leads = maximum(1 - y, 0) if leading and plan.cluster > 1 else 1
        count = turns(math.prod(counts), plan.clusters, core)
        with (
            self.kernel.queue(queue),
            repeat(self.kernel, "lead", leads),
            repeat(self.kernel, "t", count) as turn,
        ):
            item = turn * plan.clusters + core
            batch, head, tile = digits(item, counts)
            if plan.stride:
                tile = (item + item // counts[2] * plan.stride) % counts[2]
            beside = Expr(0) if leading else y
            if plan.shares_heads:
                head = head * plan.cluster + beside
            else:
                tile = tile * plan.cluster + beside
            yield _Item(batch, head, tile, triangle.full(tile), triangle.total(tile))

    @property
    def _coordinates(self) -> tuple[Expr, Expr]:
        """Cluster, and block in it; constant where there is only one."""
        core, y = self.kernel.coordinates
        return core, y if self.plan.cluster > 1 else Expr(0)

    @property
    def _beyond(self) -> bool:
        """Whether whole tiles of queries may lie beyond the last."""
        tiles = -(-self.recipe.queries // self.plan.rows)
        return not self.plan.shares_heads and tiles % self.plan.cluster != 0

    def _starts(self, item: _Item, key: Expr) -> list[Expr]:
        """First index along each axis of the space."""
        return [item.batch, item.head, item.tile * self.plan.rows, key * self.plan.columns, Expr(0), Expr(0)]

    @property
    def _sizes(self) -> tuple[int, ...]:
        return (1, 1, self.plan.rows, self.plan.columns, self.recipe.dim, self.recipe.value_dim)

    def load(self) -> None:
        """Load queries in one queue, keys and values in another."""
        with self._items("load_q") as item:
            self.recipe.q.load(self.rings["q"], self._starts(item, Expr(0)), self._sizes, clip=self._beyond)
        to = (self._coordinates[0], (Expr(0), self.plan.cluster)) if self.plan.cluster > 1 else None
        with self._items("load_kv", leading=True) as item, repeat(self.kernel, "j", item.total) as key:
            self.recipe.k.load(self.rings["k"], self._starts(item, key), self._sizes, to=to)
            self.recipe.v.load(self.rings["v"], self._starts(item, key), self._sizes, to=to)

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
            self.recipe.out.store(self.rings["out"], self._starts(item, Expr(0)), self._sizes, clip=self._beyond)
            self.rings["out"].pop()
