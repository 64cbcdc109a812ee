"""Collectives on a ring: all-reduce, reduce-scatter and all-gather, bandwidth-optimal (Patarasuk and Yuan, 2009).

In p - 1 steps each chip sends a block to its right neighbour and adds its own part to the one that comes from the
left: it is left with one block of the sum. In p - 1 more steps the finished blocks go round.
"""

from __future__ import annotations

from memsim.isa import Program, ProgramBuilder
from memsim.isa.builder import KernelBuilder
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.lowering.collectives.blocks import STAGING, Blocks


def all_reduce(blocks: Blocks) -> Program:
    """Sum the vectors X of all chips into Y on each."""
    ring = _Ring("all_reduce_ring", blocks, reduces=True, gathers=True)
    return ring.build()


def reduce_scatter(blocks: Blocks) -> Program:
    """Sum the vectors X of all chips; chip x gets block x of the sum as Y."""
    return _Ring("reduce_scatter_ring", blocks, reduces=True, gathers=False).build()


def all_gather(blocks: Blocks) -> Program:
    """Give every chip all blocks: X of chip x is block x of Y."""
    return _Ring("all_gather_ring", blocks, reduces=False, gathers=True).build()


class _Ring:
    """Builds the program. Chip x ends the first phase with block x, and begins the second with it."""

    def __init__(self, name: str, blocks: Blocks, *, reduces: bool, gathers: bool) -> None:
        self.blocks, self.reduces, self.gathers = blocks, reduces, gathers
        self.p = ProgramBuilder(name, cores=blocks.chips)
        whole = (blocks.elements,)
        self.X: TensorHandle = self.p.tensor("X", blocks.dtype, whole if reduces else (blocks.block,), "sram")
        self.Y: TensorHandle = self.p.tensor("Y", blocks.dtype, whole if gathers else (blocks.block,), "sram")
        n = blocks.chips
        self.k: KernelBuilder = self.p.kernel("ring", {"x": n}, {"x": n})
        (self.x,) = self.k.coordinates
        self.right = (self.x + 1) % n

    def _tiles(self, name: str) -> RingHandle:
        return self.k.ring(name, STAGING, self.blocks.dtype, (self.blocks.chunk,), self.blocks.depth)

    def build(self) -> Program:
        blocks, k = self.blocks, self.k
        done = self._reduce() if self.reduces else self._own_block()
        if self.gathers:
            self._gather(done)
        else:
            with k.queue("send"), k.loop("r", blocks.rounds) as r:
                self._scatter(r)
                with k.loop("d", blocks.slices) as d:
                    blocks.at(self.Y, 0, r, d).store(done)
                    done.pop()
        return self.p.build()

    def _own_block(self) -> RingHandle:
        blocks, k = self.blocks, self.k
        mine = self._tiles("mine")
        with k.queue("load"), k.loop("r", blocks.rounds) as r, k.loop("i", blocks.slices) as i:
            mine.load(blocks.at(self.X, 0, r, i))
        return mine

    def _reduce(self) -> RingHandle:
        """The first phase but for its sends; gives the ring of the sums, of which the last ones are finished."""
        blocks, k, n, x = self.blocks, self.k, self.blocks.chips, self.x
        self.first, own = self._tiles("first"), self._tiles("own")
        self.partial, self.sums = self._tiles("partial"), self._tiles("sums")
        with k.queue("load"), k.loop("r", blocks.rounds) as r:
            with k.loop("i", blocks.slices) as i:
                self.first.load(blocks.at(self.X, (x + n - 1) % n, r, i), clip=blocks.clip)
            with k.loop("s", n - 1) as s, k.loop("j", blocks.slices) as j:
                own.load(blocks.at(self.X, (x - 2 - s + 2 * n) % n, r, j), clip=blocks.clip)
        with k.queue("add"), k.loop("r", blocks.rounds), k.loop("i", (n - 1) * blocks.slices):
            self.sums.set("add", own, self.partial)
            own.pop()
            self.partial.pop()
            self.sums.push()
        return self.sums

    def _scatter(self, r: object) -> None:
        """The sends of the first phase."""
        if not self.reduces:
            return
        blocks, k = self.blocks, self.k
        with k.loop("a", blocks.slices):
            self.partial.send(self.first, to=(self.right,))
            self.first.pop()
        with k.loop("b", (blocks.chips - 2) * blocks.slices):
            self.partial.send(self.sums, to=(self.right,))
            self.sums.pop()

    def _gather(self, done: RingHandle) -> None:
        """The second phase: finished blocks go round."""
        blocks, k, n = self.blocks, self.k, self.blocks.chips
        gathered = self._tiles("gathered")
        with k.queue("send"), k.loop("r", blocks.rounds) as r:
            self._scatter(r)
            with k.loop("d", blocks.slices) as d:
                gathered.send(done, to=(self.right,))
                blocks.at(self.Y, self.x, r, d).store(done, clip=blocks.clip)
                done.pop()
            with k.loop("e", (n - 2) * blocks.slices):
                gathered.send(gathered, to=(self.right,))
                gathered.pop()
            with k.loop("f", blocks.slices):  # the last step's are not passed on
                gathered.pop()
        with (
            k.queue("store"),
            k.loop("r", blocks.rounds) as r,
            k.loop("s", n - 1) as s,
            k.loop("i", blocks.slices) as i,
        ):
            blocks.at(self.Y, (self.x - 1 - s + n) % n, r, i).store(gathered, clip=blocks.clip)
            gathered.pop()
