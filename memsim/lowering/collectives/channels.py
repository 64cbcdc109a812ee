"""Collectives as NCCL runs them, on rings, on chains and between pairs: many channels, and flags beside the data.

A channel is a block on each chip, with its own ring and its own part of the vector. Data and flags are sent as two
tiles, in this order and on the same way; whoever receives waits for both. Flags of a protocol are

- *Simple*: 8 bytes for a whole slice, after a fence
- *LL*: 4 bytes for 4 bytes, so that a store of 8 bytes carries both
- *LL128*: 8 bytes for 120, a line of 128

(NVIDIA, NCCL, src/device/prims_*.h; Hu et al., Demystifying NCCL, arXiv 2507.04786).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from memsim.isa import DTYPES, Program, ProgramBuilder
from memsim.isa.builder import GroupBuilder, KernelBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RegionHandle, RingHandle, TensorHandle

Order = tuple[int, ...]
"""Chips in the order in which a ring passes them."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How a vector is cut and sent."""

    channels: int
    """Of each order of the ring."""
    tile: int
    """Elements that are sent at once."""
    slices: int
    """Tiles of a chunk, which follow one another before the next step."""
    rounds: int
    """Chunks that each chip handles, one after another."""
    flag_words: int
    """Words of 4 bytes that go with a tile."""
    buffer: str
    """Memory of what has arrived: ``"reg"`` stays on the chip, ``"sram"`` goes through its DRAM."""
    depth: int
    """Tiles that may have arrived and not yet been read: the buffer of a channel."""
    ahead: int
    """Tiles of its own that a channel loads before it needs them."""

    @property
    def block(self) -> int:
        """Elements of one chip's block in one channel."""
        return self.tile * self.slices * self.rounds


def all_reduce(wire: Wire, orders: Sequence[Order], elements: int, dtype: str) -> Program:
    """Sum X [elements] of all chips into Y [elements] on each."""
    n = len(orders[0])
    p = ProgramBuilder("all_reduce_channels", cores=n)
    X, Y = (p.tensor(name, dtype, (elements,), "sram") for name in "XY")
    return _build(p, wire, orders, dtype, _Vector(X, wire, n), _Vector(Y, wire, n))


def reduce_scatter(wire: Wire, orders: Sequence[Order], each: int, dtype: str) -> Program:
    """Sum X [chips, each]; chip x gets row x of the sum as Y [each]."""
    n = len(orders[0])
    p = ProgramBuilder("reduce_scatter_channels", cores=n)
    X, Y = p.tensor("X", dtype, (n, each), "sram"), p.tensor("Y", dtype, (each,), "sram")
    return _build(p, wire, orders, dtype, _Rows(X, wire), _Own(Y, wire), gathers=False)


def all_gather(wire: Wire, orders: Sequence[Order], each: int, dtype: str) -> Program:
    """Give every chip all rows: X [each] of chip x is row x of Y [chips, each]."""
    n = len(orders[0])
    p = ProgramBuilder("all_gather_channels", cores=n)
    X, Y = p.tensor("X", dtype, (each,), "sram"), p.tensor("Y", dtype, (n, each), "sram")
    return _build(p, wire, orders, dtype, _Own(X, wire), _Rows(Y, wire), reduces=False)


@dataclass(frozen=True, slots=True)
class _Vector:
    """A vector in parts, one a channel, each in blocks, one a chip."""

    tensor: TensorHandle
    wire: Wire
    chips: int

    def at(self, channel: Expr, block: Expr, start: Expr) -> RegionHandle:
        return self.tensor[(channel * self.chips + block) * self.wire.block + start]


@dataclass(frozen=True, slots=True)
class _Rows:
    """A row for each chip, in parts, one a channel."""

    tensor: TensorHandle
    wire: Wire

    def at(self, channel: Expr, block: Expr, start: Expr) -> RegionHandle:
        return self.tensor[block, channel * self.wire.block + start]


@dataclass(frozen=True, slots=True)
class _Own:
    """One chip's row, in parts, one a channel."""

    tensor: TensorHandle
    wire: Wire

    def at(self, channel: Expr, block: Expr, start: Expr) -> RegionHandle:
        return self.tensor[channel * self.wire.block + start]


_Cut = _Vector | _Rows | _Own


def _build(
    p: ProgramBuilder,
    wire: Wire,
    orders: Sequence[Order],
    dtype: str,
    source: _Cut,
    target: _Cut,
    *,
    reduces: bool = True,
    gathers: bool = True,
) -> Program:
    kernel = p.kernel("rings", occupancy=wire.channels * len(orders), cooperative=True)
    for number, order in enumerate(orders):
        _Ring(kernel, wire, number, order, dtype, source, target).write(reduces, gathers)
    return p.build()


class _Ring:
    """Writes the text of the channels that share an order of the chips.

    The chip at place p of the ring ends the first phase with block p, and begins the second with it.
    """

    def __init__(
        self, kernel: KernelBuilder, wire: Wire, number: int, order: Order, dtype: str, source: _Cut, target: _Cut
    ) -> None:
        n = len(order)
        self.wire, self.order, self.dtype, self.n = wire, order, dtype, n
        self.source, self.target = source, target
        self.g: GroupBuilder = kernel.group(f"order{number}", {"c": wire.channels, "x": n})
        self.own_channel, x = self.g.coordinates
        self.channel = self.own_channel + number * wire.channels
        places = tuple(order.index(chip) for chip in range(n))
        self.place = _looked_up(places, x)
        self.right = (self.own_channel, _looked_up(tuple(order[(place + 1) % n] for place in places), x))

    def write(self, reduces: bool, gathers: bool) -> None:
        """All queues of a block: its tiles go one after another through the registers of its threads."""
        wire, n = self.wire, self.n
        self.own = self.g.ring("own", "reg", self.dtype, (wire.tile,), wire.ahead)
        self.work = self.g.ring("work", "reg", self.dtype, (wire.tile,), 2)
        self.buffer = self.g.ring("buffer", wire.buffer, self.dtype, (wire.tile,), wire.depth)
        self.flags = self.g.ring("flags", "reg", "int32", (wire.flag_words,), wire.depth)
        first = n - 1 if reduces else n
        with (
            self.g.queue("load"),
            self.g.loop("r", wire.rounds) as r,
            self.g.loop("s", n if reduces else 1) as s,
            self._slices("i") as i,
        ):
            self.own.load(self._from(self.source, (self.place + first - s) % n, r, i), clip=True)
        with self.g.queue("threads"), self.g.loop("r", wire.rounds):
            self._work(reduces, gathers)
        with self.g.queue("out"):
            self.ones = self.g.ring("ones", "reg", "int32", (wire.flag_words,))
            self.ones.fill(1)
            with self.g.loop("r", wire.rounds) as r:
                self._out(r, reduces, gathers)

    def _slices(self, name: str, steps: int = 1) -> AbstractContextManager[Expr]:
        return self.g.loop(name, steps * self.wire.slices)

    def _from(self, cut: _Cut, place: Expr, r: Expr, piece: Expr) -> RegionHandle:
        """The tile of a block, by the place of the block's chip in the ring."""
        names = self.order if isinstance(cut, _Rows) else tuple(range(self.n))
        start = (r * self.wire.slices + piece) * self.wire.tile
        return cut.at(self.channel, _looked_up(names, place), start)

    def _work(self, reduces: bool, gathers: bool) -> None:
        """What the threads do with a chunk, step by step: hand on their own, add, hand on what is finished."""
        seen = self.g.ring("seen", "reg", "int32", (1,))
        with self._slices("a"):
            self.work.set("cast", self.own)
            self.own.pop()
            self.work.push()
        with self._slices("b", self.n - 1):
            seen.reduce("min", self.flags, axis=0)
            self.flags.pop()
            if reduces:
                self.work.set("add", self.own, self.buffer)
                self.own.pop()
            else:
                self.work.set("cast", self.buffer)
            self.buffer.pop()
            self.work.push()
        if reduces and gathers:
            with self._slices("d", self.n - 1):
                seen.reduce("min", self.flags, axis=0)
                self.flags.pop()
                self.work.set("cast", self.buffer)
                self.buffer.pop()
                self.work.push()

    def _out(self, r: Expr, reduces: bool, gathers: bool) -> None:
        """Sends of the first phase; then finished blocks, stored and sent on, but for the last."""
        if reduces:
            with self._slices("u", self.n - 1):
                self._send()
                self.work.pop()
        with self.g.loop("s", self.n - 1 if gathers else 0) as s, self._slices("v") as v:
            self._send()
            self._store(r, s, v)
        with self._slices("w") as w:
            self._store(r, self.n - 1 if gathers else 0, w)

    def _send(self) -> None:
        self.buffer.send(self.work, to=self.right)
        self.flags.send(self.ones, to=self.right)

    def _store(self, r: Expr, step: Expr | int, piece: Expr) -> None:
        self._from(self.target, (self.place - step + self.n) % self.n, r, piece).store(self.work, clip=True)
        self.work.pop()


class _Chain:
    """Writes the text of the channels that share a chain of chips: sums flow to its first chip, and back as they are.

    A tree of GPUs of one node is a chain (NCCL, src/graph/connect.cc). Up and down have threads of their own.
    """

    def __init__(
        self, kernel: KernelBuilder, wire: Wire, number: int, order: Order, dtype: str, source: _Vector, target: _Vector
    ) -> None:
        self.wire, self.dtype, self.source, self.target = wire, dtype, source, target
        n = len(order)
        self.g = kernel.group(f"chain{number}", {"c": wire.channels, "x": n})
        own_channel, x = self.g.coordinates
        self.channel = own_channel + number * wire.channels
        places = tuple(order.index(chip) for chip in range(n))
        place = _looked_up(places, x)
        self.below = 1 - (place + 1) // n
        """1 where a chip follows in the chain, 0 for the last."""
        self.above = (place + n - 1) // n
        """1 where a chip comes before, 0 for the first."""
        self.next = (own_channel, _looked_up(tuple(order[(p + 1) % n] for p in places), x))
        self.previous = (own_channel, _looked_up(tuple(order[p - 1] for p in places), x))

    def write(self) -> None:
        """All queues of a block."""
        wire, tiles = self.wire, self.wire.slices * self.wire.rounds

        def ring(name: str, memory: str, depth: int) -> RingHandle:
            return self.g.ring(name, memory, self.dtype, (wire.tile,), depth)

        def flags(name: str) -> RingHandle:
            return self.g.ring(name, "reg", "int32", (wire.flag_words,), wire.depth)

        own, work, passed = ring("own", "reg", wire.ahead), ring("work", "reg", 2), ring("passed", "reg", 2)
        self.up, self.down = ring("up", wire.buffer, wire.depth), ring("down", wire.buffer, wire.depth)
        self.up_flags, self.down_flags = flags("up_flags"), flags("down_flags")
        with self.g.queue("load"), self.g.loop("i", tiles) as i:
            own.load(self._at(self.source, i), clip=True)
        with self.g.queue("threads_up"), self.g.loop("i", tiles):
            self._add(own, work)
        with self.g.queue("threads_down"), self.g.loop("i", tiles * self.above):
            self._check("seen_down", self.down_flags)
            passed.set("cast", self.down)
            self.down.pop()
            passed.push()
        with self.g.queue("out_up"):
            ones = self._ones("ones_up")
            with self.g.loop("i", tiles) as i:
                with self.g.loop("a", self.above):
                    self.up.send(work, to=self.previous)
                    self.up_flags.send(ones, to=self.previous)
                with self.g.loop("b", 1 - self.above):
                    self._pass(work, ones, i)
                work.pop()
        with self.g.queue("out_down"):
            ones = self._ones("ones_down")
            with self.g.loop("i", tiles * self.above) as i:
                with self.g.loop("d", self.below):
                    self._send_down(passed, ones)
                self._at(self.target, i).store(passed, clip=True)
                passed.pop()

    def _at(self, cut: _Vector, tile: Expr) -> RegionHandle:
        return cut.at(self.channel, tile * 0, tile * self.wire.tile)

    def _ones(self, name: str) -> RingHandle:
        ones = self.g.ring(name, "reg", "int32", (self.wire.flag_words,))
        ones.fill(1)
        return ones

    def _check(self, name: str, flags: RingHandle) -> None:
        seen = self.g.ring(name, "reg", "int32", (1,))
        seen.reduce("min", flags, axis=0)
        flags.pop()

    def _add(self, own: RingHandle, work: RingHandle) -> None:
        with self.g.loop("a", self.below):
            self._check("seen_up", self.up_flags)
            work.set("add", own, self.up)
            self.up.pop()
        with self.g.loop("b", 1 - self.below):
            work.set("cast", own)
        own.pop()
        work.push()

    def _pass(self, work: RingHandle, ones: RingHandle, i: Expr) -> None:
        """The first of the chain has the sum: it keeps it and sends it back."""
        self._send_down(work, ones)
        self._at(self.target, i).store(work, clip=True)

    def _send_down(self, tile: RingHandle, ones: RingHandle) -> None:
        self.down.send(tile, to=self.next)
        self.down_flags.send(ones, to=self.next)


def tree_all_reduce(wire: Wire, orders: Sequence[Order], elements: int, dtype: str) -> Program:
    """Sum X [elements] of all chips into Y [elements] on each, along a chain and back."""
    p = ProgramBuilder("all_reduce_chains", cores=len(orders[0]))
    X, Y = (p.tensor(name, dtype, (elements,), "sram") for name in "XY")
    kernel = p.kernel("chains", occupancy=wire.channels * len(orders), cooperative=True)
    for number, order in enumerate(orders):
        _Chain(kernel, wire, number, order, dtype, _Vector(X, wire, 1), _Vector(Y, wire, 1)).write()
    return p.build()


def all_to_all(wire: Wire, chips: int, each: int, dtype: str) -> Program:
    """Row y of X [chips, each] of chip x becomes row x of Y [chips, each] of chip y: a message for each pair."""
    n = chips
    p = ProgramBuilder("all_to_all_channels", cores=n)
    X, Y = (_Rows(p.tensor(name, dtype, (n, each), "sram"), wire) for name in "XY")
    kernel = p.kernel("pairs", {"c": wire.channels, "x": n}, occupancy=wire.channels, cooperative=True)
    c, x = kernel.coordinates
    pieces = wire.slices * wire.rounds

    def ring(name: str, memory: str, depth: int) -> RingHandle:
        return kernel.ring(name, memory, dtype, (wire.tile,), depth)

    out, kept = ring("out", "reg", wire.ahead), ring("kept", "reg", wire.ahead)
    boxes = [ring(f"from{s}", wire.buffer, wire.depth) for s in range(1, n)]
    marks = [kernel.ring(f"flags{s}", "reg", "int32", (wire.flag_words,), wire.depth) for s in range(1, n)]
    with kernel.queue("load"), kernel.loop("s", n - 1) as s, kernel.loop("i", pieces) as i:
        out.load(X.at(c, (x + s + 1) % n, i * wire.tile), clip=True)
    with kernel.queue("own"), kernel.loop("i", pieces) as i:
        kept.load(X.at(c, x, i * wire.tile), clip=True)
    with kernel.queue("keep"), kernel.loop("i", pieces) as i:
        Y.at(c, x, i * wire.tile).store(kept, clip=True)
        kept.pop()
    with kernel.queue("send"):
        ones = kernel.ring("ones", "reg", "int32", (wire.flag_words,))
        ones.fill(1)
        for step, (box, mark) in enumerate(zip(boxes, marks, strict=True), start=1):
            with kernel.loop(f"i{step}", pieces):
                box.send(out, to=(c, (x + step) % n))
                mark.send(ones, to=(c, (x + step) % n))
                out.pop()
    for step, (box, mark) in enumerate(zip(boxes, marks, strict=True), start=1):
        seen = kernel.ring(f"seen{step}", "reg", "int32", (1,))
        with kernel.queue(f"receive{step}"), kernel.loop("i", pieces) as i:
            seen.reduce("min", mark, axis=0)
            mark.pop()
            Y.at(c, (x - step + n) % n, i * wire.tile).store(box, clip=True)
            box.pop()
    return p.build()


def _looked_up(values: Order, index: Expr) -> Expr:
    """``values[index]`` for 0 ≤ index < len(values), as a quasi-affine expression: a step at each index."""
    n = len(values)
    stride = (values[1] - values[0]) % n if n > 1 else 0
    if all(value == (values[0] + stride * i) % n for i, value in enumerate(values)):
        return index if (values[0], stride) == (0, 1) else (index * stride + values[0]) % n
    steps = index * 0 + values[0]
    for at in range(1, n):
        if values[at] != values[at - 1]:
            steps = steps + (values[at] - values[at - 1]) * ((index + n - at) // n)
    return steps


def flag_words(protocol: str, tile: int, dtype: str) -> int:
    """Words of 4 bytes that go with a tile."""
    bytes_ = tile * DTYPES[dtype].bytes
    return {"simple": 2, "ll": -(-bytes_ // 4), "ll128": 2 * -(-bytes_ // 120)}[protocol]
