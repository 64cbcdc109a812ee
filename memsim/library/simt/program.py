"""Writes sgemm as tile programs: one launch, or two where k is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr, ExprLike
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.isa.model import Program
from memsim.library.simt.tiles import Block

SUM_ROWS, SUM_COLUMNS = 8, 128
"""Tile of a block of the kernel that adds up the parts of a split k."""
SUM_RESIDENT, SUM_AHEAD = 8, 4
"""Blocks of it on a core, and tiles that each has on their way."""


@dataclass(frozen=True, slots=True)
class Product:
    """Y[m, n] = X[m, k] times W, and a bias; ``batch`` of them, each with operands of its own."""

    m: int
    n: int
    k: int
    batch: int = 1
    bias: bool = True
    transposed: bool = True
    """W lies as [n, k], the way of torch.nn.Linear; else as [k, n], the way of torch.bmm."""

    @property
    def flops(self) -> int:
        """Operations: 2 a multiply-add."""
        return 2 * self.batch * self.m * self.n * self.k


@dataclass(frozen=True, slots=True)
class Plan:
    """How a product is cut."""

    block: Block
    splits: int
    """Parts of k, each of a block of its own."""
    stages: int
    resident: int
    """Blocks at once on a core."""
    grain: int
    """Stages of shared memory that one instruction of the program stands for."""

    @property
    def step(self) -> int:
        """Elements along k of one instruction."""
        return self.block.k * self.grain

    def steps(self, k: int) -> int:
        """Instructions of a block along its part of k."""
        return -(-k // (self.splits * self.step))

    def __str__(self) -> str:
        splits = f", {self.splits} splits" if self.splits > 1 else ""
        return f"{self.block}, {self.stages} stages, {self.resident} blocks a core{splits}"


def write(product: Product, plan: Plan) -> Program:
    """The tile program of a product: one launch, and one that adds the parts where k is split.

    Parameters
    ----------
    product
        What is multiplied.
    plan
        How it is cut.
    """
    return _Writer(product, plan, ProgramBuilder("sgemm", useful_flops=product.flops)).write()


class _Writer:
    def __init__(self, product: Product, plan: Plan, program: ProgramBuilder) -> None:
        self.product, self.plan, self.program = product, plan, program
        batch = (product.batch,) if product.batch > 1 else ()
        m, n, k = product.m, product.n, product.k
        self.x = program.tensor("X", "fp32", (*batch, m, k))
        self.w = program.tensor("W", "fp32", (*batch, n, k) if product.transposed else (*batch, k, n))
        self.bias = program.tensor("bias", "fp32", (1, n)) if product.bias else None
        self.y = program.tensor("Y", "fp32", (*batch, m, n))
        self.parts = None
        if plan.splits > 1:
            self.parts = program.tensor("parts", "fp32", (plan.splits, *batch, m, n))

    def write(self) -> Program:
        self._multiply()
        if self.parts is not None:
            self._sum(self.parts)
        return self.program.build()

    # ---- products ----

    def _multiply(self) -> None:
        block, plan, product = self.plan.block, self.plan, self.product
        tiles = {"y": -(-product.m // block.m), "x": -(-product.n // block.n)}
        if (
            tiles["y"] < tiles["x"]
        ):  # the shorter side first: blocks that run together then share more of what they load
            tiles = {"x": tiles["x"], "y": tiles["y"]}
        grid = {"s": plan.splits, "b": product.batch, **tiles}
        with self.program.kernel("multiply", grid=grid, occupancy=plan.resident) as kernel:
            at_grid = dict(zip(grid, kernel.coordinates, strict=True))
            split, b, y, x = (at_grid[axis] for axis in "sbyx")
            at = (b,) if product.batch > 1 else ()
            steps = plan.steps(product.k)
            a = kernel.ring("a", "sram", "fp32", (block.m, plan.step), depth=plan.stages)
            shape = (block.n, plan.step) if product.transposed else (plan.step, block.n)
            w = kernel.ring("w", "sram", "fp32", shape, depth=plan.stages)
            c = kernel.ring("c", "reg", "fp32", (block.m, block.n))
            sync = kernel.ring("sync", "reg", "fp32", (1, plan.grain * block.barrier_cycles))
            ahead = min(plan.stages - 1, steps)
            first = split * steps

            def load(i: ExprLike) -> None:
                k = (first + i) * plan.step
                a.load(self.x[(*at, y * block.m, k)], clip=True)
                w.load(self.w[(*at, x * block.n, k) if product.transposed else (*at, k, x * block.n)], clip=True)

            def multiply(accumulate: bool = True) -> None:
                sync.set("sin", sync)
                c.mma(a, w.T if product.transposed else w, accumulate=accumulate)
                a.pop()
                w.pop()

            with kernel.queue("multiply"):
                sync.fill(0)
                with kernel.loop("i", ahead) as i:
                    load(i)
                self._steps(kernel, load, multiply, steps, ahead)
                out = self.y if self.parts is None else self.parts
                if self.parts is None and self.bias is not None:
                    self._add_bias(kernel, c, x)
                c.push()
            with kernel.queue("store"):
                place = at if self.parts is None else (split, *at)
                out[(*place, y * block.m, x * block.n)].store(c, clip=True)
                c.pop()

    def _steps(
        self,
        kernel: KernelBuilder,
        load: Callable[[ExprLike], None],
        multiply: Callable[[bool], None],
        steps: int,
        ahead: int,
    ) -> None:
        """Load a stage, multiply the oldest; the last stages are multiplied with nothing more to load."""
        if steps > ahead:
            load(ahead)
            multiply(False)
            if steps > ahead + 1:
                with kernel.loop("i", steps - ahead - 1) as i:
                    load(i + ahead + 1)
                    multiply(True)
        else:
            multiply(False)
            ahead -= 1
        if ahead:
            with kernel.loop("i", ahead):
                multiply(True)

    def _add_bias(self, kernel: KernelBuilder, c: RingHandle, x: Expr) -> None:
        assert self.bias is not None
        tile = kernel.ring("bias_tile", "reg", "fp32", (1, self.plan.block.n))
        tile.load(self.bias[0, x * self.plan.block.n], clip=True)
        c.set("add", c, tile)
        tile.pop()

    # ---- the sum over the parts of k ----

    def _sum(self, parts: TensorHandle) -> None:
        product = self.product
        grid = {"b": product.batch, "y": -(-product.m // SUM_ROWS), "x": -(-product.n // SUM_COLUMNS)}
        with self.program.kernel("sum", grid=grid, occupancy=SUM_RESIDENT) as kernel:
            b, y, x = kernel.coordinates
            at = (b,) if product.batch > 1 else ()
            part = kernel.ring("part", "reg", "fp32", (SUM_ROWS, SUM_COLUMNS), depth=SUM_AHEAD)
            total = kernel.ring("total", "reg", "fp32", (SUM_ROWS, SUM_COLUMNS))
            with kernel.queue("load"), kernel.loop("s", self.plan.splits) as s:
                part.load(parts[(s, *at, y * SUM_ROWS, x * SUM_COLUMNS)], clip=True)
            with kernel.queue("sum"):
                total.fill(0)
                with kernel.loop("s", self.plan.splits):
                    total.set("add", total, part)
                    part.pop()
                if self.bias is not None:
                    bias = kernel.ring("bias_tile", "reg", "fp32", (1, SUM_COLUMNS))
                    bias.load(self.bias[0, x * SUM_COLUMNS], clip=True)
                    total.set("add", total, bias)
                    bias.pop()
                total.push()
            with kernel.queue("store"):
                self.y[(*at, y * SUM_ROWS, x * SUM_COLUMNS)].store(total, clip=True)
                total.pop()
