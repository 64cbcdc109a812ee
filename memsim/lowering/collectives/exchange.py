"""Every chip to every other one: all-to-all by pairwise exchange, and the all-reduce that is made of two of them.

In step s chip x sends to chip x + s and receives from x - s.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from memsim.isa import Program, ProgramBuilder
from memsim.isa.builder import KernelBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.lowering.collectives.blocks import STAGING, Blocks


def all_to_all(blocks: Blocks, *, in_steps: bool) -> Program:
    """Block y of X of chip x becomes block x of Y of chip y; ``in_steps`` waits for each step's block to arrive."""
    n = blocks.chips
    name = "all_to_all_pairwise_steps" if in_steps else "all_to_all_pairwise"
    p = ProgramBuilder(name, cores=n)
    X, Y = (p.tensor(name, blocks.dtype, (blocks.elements,), "sram") for name in ("X", "Y"))
    with p.kernel("pairwise", {"x": n}, {"x": n}) as k:
        (x,) = k.coordinates
        out, own = (k.ring(name, STAGING, blocks.dtype, (blocks.chunk,), blocks.depth) for name in ("out", "own"))
        boxes = [k.ring(f"from{s}", STAGING, blocks.dtype, (blocks.chunk,), blocks.depth) for s in range(1, n)]
        _load(k, blocks, X, x, out)
        with k.queue("own"), _pieces(k, blocks) as i:
            own.load(blocks.at(X, x, 0, i))
        with k.queue("keep"), _pieces(k, blocks) as i:
            blocks.at(Y, x, 0, i).store(own)
            own.pop()
        for step, box in enumerate(boxes, start=1):
            with k.queue("send"), _pieces(k, blocks) as i:
                box.send(out, to=((x + step) % n,))
                out.pop()
                if in_steps:
                    _receive(blocks, Y, (x - step + n) % n, i, box)
            if not in_steps:
                with k.queue("receive"), _pieces(k, blocks) as i:
                    _receive(blocks, Y, (x - step + n) % n, i, box)
    return p.build()


def _pieces(k: KernelBuilder, blocks: Blocks) -> AbstractContextManager[Expr]:
    """A loop over the chunks of a block."""
    return k.loop("i", blocks.rounds * blocks.slices)


def _load(k: KernelBuilder, blocks: Blocks, X: TensorHandle, x: Expr, out: RingHandle) -> None:
    n = blocks.chips
    with k.queue("load"), k.loop("s", n - 1) as s, k.loop("i", blocks.rounds * blocks.slices) as i:
        out.load(blocks.at(X, (x + s + 1) % n, 0, i))


def _receive(blocks: Blocks, Y: TensorHandle, block: Expr, piece: Expr, box: RingHandle) -> None:
    blocks.at(Y, block, 0, piece).store(box)
    box.pop()


def all_reduce(blocks: Blocks) -> Program:
    """Sum X of all chips into Y on each: every chip sends block y to chip y, which adds, and sends the sum to all.

    Two messages deep, and over all links of a fully connected system at once.
    """
    n = blocks.chips
    p = ProgramBuilder("all_reduce_direct", cores=n)
    X, Y = (p.tensor(name, blocks.dtype, (blocks.elements,), "sram") for name in ("X", "Y"))
    k = p.kernel("direct", {"x": n}, {"x": n})
    (x,) = k.coordinates

    def tiles(name: str) -> RingHandle:
        return k.ring(name, STAGING, blocks.dtype, (blocks.chunk,), blocks.depth)

    own, out, sums = (tiles(name) for name in ("own", "out", "sums"))
    parts, boxes = ([tiles(f"{name}{s}") for s in range(1, n)] for name in ("part", "from"))
    with k.queue("load"), k.loop("r", blocks.rounds) as r:
        with k.loop("i", blocks.slices) as i:
            own.load(blocks.at(X, x, r, i), clip=blocks.clip)
        with k.loop("s", n - 1) as s, k.loop("j", blocks.slices) as j:
            out.load(blocks.at(X, (x + s + 1) % n, r, j), clip=blocks.clip)
    with k.queue("scatter"), k.loop("r", blocks.rounds):
        for step, part in enumerate(parts, start=1):
            with k.loop(f"i{step}", blocks.slices):
                part.send(out, to=((x + step) % n,))
                out.pop()
    with k.queue("add"), k.loop("r", blocks.rounds), k.loop("i", blocks.slices):
        for step, part in enumerate(parts):
            sums.set("add", sums if step else own, part)
            part.pop()
        own.pop()
        sums.push()
    with k.queue("gather"), k.loop("r", blocks.rounds) as r, k.loop("i", blocks.slices) as i:
        for step, box in enumerate(boxes, start=1):
            box.send(sums, to=((x + step) % n,))
        blocks.at(Y, x, r, i).store(sums, clip=blocks.clip)
        sums.pop()
    with k.queue("store"), k.loop("r", blocks.rounds) as r, k.loop("i", blocks.slices) as i:
        for step, box in enumerate(boxes, start=1):
            blocks.at(Y, (x - step + n) % n, r, i).store(box, clip=blocks.clip)
            box.pop()
    return p.build()
