"""All-reduce in one or two shots: each chip gets from all others at once (vLLM, csrc/custom_all_reduce.cuh).

One shot gives each chip all vectors, which it adds: one way of latency, (n - 1) vectors over its links. Two shots give
it one block of all, and all the sums: two ways, 2 (n - 1) / n vectors. All chips meet before and after.
"""

from __future__ import annotations

from memsim.isa import Program, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RegionHandle, RingHandle, TensorHandle

_IN_FLIGHT = 4
"""Tiles from each other chip that are on their way at once."""


def one_shot(chips: int, elements: int, dtype: str, tile: int) -> Program:
    """Sum X [elements] of all chips into Y [elements] on each; ``tile`` elements are sent at once."""
    return _Shots("one_shot", chips, elements, dtype, tile, 1).build()


def two_shot(chips: int, elements: int, dtype: str, tile: int) -> Program:
    """The same by way of one block of the sum on each chip."""
    return _Shots("two_shot", chips, elements, dtype, tile, chips).build()


class _Shots:
    """Builds the program: queues that meet, load, send, add, hand sums round and store."""

    def __init__(self, name: str, chips: int, elements: int, dtype: str, tile: int, blocks: int) -> None:
        self.n, self.dtype, self.blocks = chips, dtype, blocks
        share = -(-elements // blocks)
        self.rounds = -(-share // min(tile, share))
        self.tile = -(-share // self.rounds)
        self.p = ProgramBuilder(name, cores=chips)
        self.X, self.Y = (self.p.tensor(name, dtype, (elements,), "sram") for name in "XY")
        self.k = self.p.kernel(name, {"x": chips}, {"x": chips})
        (self.x,) = self.k.coordinates
        self.flags: dict[tuple[str, int], RingHandle] = {}

    def build(self) -> Program:
        """All queues."""
        k, others = self.k, range(1, self.n)
        own, total = (self._ring(name) for name in ("own", "total"))
        out = k.ring("out", "reg", self.dtype, (self.tile,), self.n - 1)
        parts = [self._ring(f"part{s}") for s in others]
        self._meet("before")
        with k.queue("load"), k.loop("i", self.rounds) as i:
            own.load(self._at(self.X, self.x, i), clip=True)
            with k.loop("s", self.n - 1 if self.blocks > 1 else 1) as s:
                out.load(self._at(self.X, (self.x + s + 1) % self.n, i), clip=True)
        with k.queue("send"):
            self._wait("before")
            with k.loop("i", self.rounds):
                for away, part in enumerate(parts, start=1):
                    part.send(out, to=((self.x + away) % self.n,))
                    if self.blocks > 1:
                        out.pop()
                if self.blocks == 1:
                    out.pop()
        with k.queue("add"), k.loop("i", self.rounds):
            for number, part in enumerate(parts):
                total.set("add", total if number else own, part)
                part.pop()
            own.pop()
            total.push()
        self._finish(total)
        return self.p.build()

    def _finish(self, total: RingHandle) -> None:
        """Store the sums; with two shots, hand them round first."""
        k, others = self.k, range(1, self.n)
        boxes = [self._ring(f"from{s}") for s in others] if self.blocks > 1 else []
        with k.queue("store"):
            with k.loop("i", self.rounds) as i:
                for s, box in enumerate(boxes, start=1):
                    box.send(total, to=((self.x + s) % self.n,))
                self._at(self.Y, self.x, i).store(total, clip=True)
                total.pop()
            if not boxes:
                self._meet_again()
        if boxes:
            with k.queue("gather"):
                with k.loop("i", self.rounds) as i:
                    for s, box in enumerate(boxes, start=1):
                        self._at(self.Y, (self.x - s + self.n) % self.n, i).store(box, clip=True)
                        box.pop()
                self._meet_again()

    def _ring(self, name: str) -> RingHandle:
        return self.k.ring(name, "reg", self.dtype, (self.tile,), min(self.rounds, _IN_FLIGHT))

    def _at(self, tensor: TensorHandle, block: Expr, i: Expr) -> RegionHandle:
        if self.blocks == 1:
            return tensor[i * self.tile]
        return tensor[(block * self.rounds + i) * self.tile]

    def _meet(self, name: str) -> None:
        """Tell all others that this chip has come."""
        with self.k.queue(name):
            self._tell(name)

    def _tell(self, name: str) -> None:
        here = self.k.ring(f"{name}_here", "reg", "int32", (1,))
        here.fill(1)
        for s in range(1, self.n):
            self.flags[name, s] = self.k.ring(f"{name}{s}", "reg", "int32", (1,))
            self.flags[name, s].send(here, to=((self.x + s) % self.n,))

    def _wait(self, name: str) -> None:
        """Wait until all others have come."""
        seen = self.k.ring(f"{name}_seen", "reg", "int32", (1,))
        for s in range(1, self.n):
            seen.reduce("min", self.flags[name, s], axis=0)
            self.flags[name, s].pop()

    def _meet_again(self) -> None:
        self._tell("after")
        self._wait("after")
