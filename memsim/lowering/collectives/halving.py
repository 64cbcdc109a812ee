"""All-reduce by recursive halving and doubling.

Rabenseifner, 2004; Thakur, Rabenseifner and Gropp, Int. J. High Performance Computing Applications 19(1), 2005. In step
k of the first half a chip exchanges with the one at distance p / 2^(k+1) the half of its range that it does not keep;
after log2 p steps it has one block of the sum. The second half goes the same way back. Pipelined, blocks are sent as
soon as they are known, in the order in which the partner needs them; in steps, each step is a kernel.
"""

from __future__ import annotations

from memsim.isa import Program, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle
from memsim.lowering.collectives.blocks import STAGING, Blocks, partner


def pipelined(blocks: Blocks) -> Program:
    """Sum the vectors X of all chips into Y on each, in one kernel."""
    return _Pipelined(blocks).build()


class _Pipelined:
    """Chip x takes the blocks in an order of its own: the one that it calls r is block r XOR x.

    It keeps r = 0 in the end. In the first half it works from the highest r down: the upper half of what it has is what
    its partner needs, in the order of the partner's own r; in the second half from 0 up.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.blocks, n = blocks, blocks.chips
        self.steps = n.bit_length() - 1
        self.p = ProgramBuilder("all_reduce_halving_doubling", cores=n)
        self.X = self.p.tensor("X", blocks.dtype, (blocks.elements,), "sram")
        self.Y = self.p.tensor("Y", blocks.dtype, (blocks.elements,), "sram")
        self.k = self.p.kernel("halving_doubling", {"x": n}, {"x": n})
        (self.x,) = self.k.coordinates

    def build(self) -> Program:
        blocks, half = self.blocks, self.blocks.chips // 2
        first, own = self._tiles("first", half), self._tiles("own", half)
        inbox = [self._tiles(f"in{k}", half >> k) for k in range(self.steps)]
        sent = [first, *(self._tiles(f"sent{k}", half >> k) for k in range(1, self.steps))]
        kept = [own, *(self._tiles(f"kept{k}", half >> k) for k in range(1, self.steps))]
        total = self._tiles("total", 1)
        got = [self._tiles(f"got{k}", 1 << k) for k in range(self.steps)]
        self._load(first, own)
        self._add(inbox, sent, kept, total)
        self._send(inbox, sent, total, got)
        with self.k.queue("store"), self.k.loop("r", blocks.rounds) as r:
            self._store(total, 0, 1, r)
            for k, ring in enumerate(got):
                self._store(ring, 1 << k, 1 << k, r)
        return self.p.build()

    def _tiles(self, name: str, count: int) -> RingHandle:
        return self.k.ring(name, STAGING, self.blocks.dtype, (self.blocks.chunk,), count * self.blocks.slices)

    def _block(self, r: Expr) -> Expr:
        """R XOR x, bit by bit."""
        bits = [1 << i for i in range(self.steps)]
        return sum(((r // bit + self.x // bit) % 2 * bit for bit in bits[1:]), (r + self.x) % 2)

    def _load(self, first: RingHandle, own: RingHandle) -> None:
        blocks, k, half = self.blocks, self.k, self.blocks.chips // 2
        with k.queue("load"), k.loop("r", blocks.rounds) as r:
            for ring, top in ((first, 2 * half), (own, half)):
                with k.loop(f"i{top}", half) as i, k.loop("j", blocks.slices) as j:
                    ring.load(blocks.at(self.X, self._block(top - 1 - i), r, j), clip=blocks.clip)

    def _add(self, inbox: list[RingHandle], sent: list[RingHandle], kept: list[RingHandle], total: RingHandle) -> None:
        k, slices = self.k, self.blocks.slices
        with k.queue("add"), k.loop("r", self.blocks.rounds):
            for step, arrived in enumerate(inbox):
                count = (self.blocks.chips >> (step + 1)) * slices
                last = step + 1 == self.steps
                for ring in (total,) if last else (sent[step + 1], kept[step + 1]):
                    with k.loop(f"i{step}", count if last else count // 2):
                        ring.set("add", kept[step], arrived)
                        kept[step].pop()
                        arrived.pop()
                        ring.push()

    def _send(self, inbox: list[RingHandle], sent: list[RingHandle], total: RingHandle, got: list[RingHandle]) -> None:
        k, slices, x = self.k, self.blocks.slices, self.x
        with k.queue("send"), k.loop("r", self.blocks.rounds):
            for step, (ring, box) in enumerate(zip(sent, inbox, strict=True)):
                count = self.blocks.chips >> (step + 1)
                with k.loop(f"i{step}", count * slices):
                    box.send(ring, to=(partner(x, count),))
                    ring.pop()
            for step, box in enumerate(got):
                for ring, count in [(total, 1), *((g, 1 << i) for i, g in enumerate(got[:step]))]:
                    for number in range(count * slices):
                        box.send(ring.at(number), to=(partner(x, 1 << step),))
            for ring, count in [(total, 1), *((g, 1 << i) for i, g in enumerate(got[:-1]))]:
                with k.loop(f"p{ring.ring.name}", count * slices):
                    ring.pop()

    def _store(self, ring: RingHandle, first: int, count: int, r: Expr) -> None:
        blocks, k = self.blocks, self.k
        with k.loop("i", count) as i, k.loop("j", blocks.slices) as j:
            blocks.at(self.Y, self._block(i + first), r, j).store(ring, clip=blocks.clip)
            ring.pop()


def in_steps(blocks: Blocks) -> Program:
    """The same with a kernel for each step, as the textbook counts it: all wait for all, then one whole message."""
    n, dtype = blocks.chips, blocks.dtype
    steps = n.bit_length() - 1
    size = -(-blocks.elements // n) * n
    clip = size != blocks.elements
    p = ProgramBuilder("all_reduce_halving_doubling_steps", cores=n)
    source = p.tensor("X", dtype, (blocks.elements,), "sram")
    result = p.tensor("Y", dtype, (blocks.elements,), "sram")
    for step in range(steps):
        half, distance = size >> (step + 1), n >> (step + 1)
        last = step + 1 == steps
        target = result if last else p.tensor(f"T{step}", dtype, (half,), "sram")
        with p.kernel(f"reduce{step}", {"x": n}, {"x": n}) as k:
            (x,) = k.coordinates
            bit = x // distance % 2
            out, own, box, total = (k.ring(name, STAGING, dtype, (half,)) for name in ("out", "own", "box", "total"))
            with k.queue("load"):
                out.load(source[(1 - bit) * half], clip=clip and step == 0)
                own.load(source[bit * half], clip=clip and step == 0)
            with k.queue("send"):
                box.send(out, to=(partner(x, distance),))
                out.pop()
            with k.queue("add"):
                total.set("add", own, box)
                own.pop()
                box.pop()
                total.push()
            with k.queue("store"):
                target[_start(x, n, size, step) if last else 0].store(total, clip=clip and last)
                total.pop()
        source = target
    for step in reversed(range(steps)):
        half, distance = size >> (step + 1), n >> (step + 1)
        with p.kernel(f"gather{step}", {"x": n}, {"x": n}) as k:
            (x,) = k.coordinates
            out, box = (k.ring(name, STAGING, dtype, (half,)) for name in ("out", "box"))
            with k.queue("load"):
                out.load(result[_start(x, n, size, step)], clip=clip)
            with k.queue("send"):
                box.send(out, to=(partner(x, distance),))
                out.pop()
            with k.queue("store"):
                result[_start(partner(x, distance), n, size, step)].store(box, clip=clip)
                box.pop()
    return p.build()


def _start(x: Expr, n: int, size: int, step: int) -> Expr:
    """First element of the range that a chip keeps in a step."""
    parts = [x // (n >> (i + 1)) % 2 * (size >> (i + 1)) for i in range(step + 1)]
    return sum(parts[1:], parts[0])
