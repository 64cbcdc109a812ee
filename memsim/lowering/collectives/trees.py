"""Collectives on a tree: broadcast, reduce, and all-reduce as one after the other, in chunks that follow one another.

The tree is given by the parent of each chip, so that any tree can be tried: binomial, binary, or one that suits the
network. Each chip runs a text of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from memsim.isa import Program, ProgramBuilder
from memsim.isa.builder import GroupBuilder
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.lowering.collectives.blocks import STAGING, Blocks

Parents = tuple[int, ...]
"""For each chip the one above it; -1 for the root."""


def binomial_tree(chips: int) -> Parents:
    """Chip x hangs on the one whose number is x without its lowest bit: log2 p levels, at most log2 p children."""
    return tuple(x & (x - 1) if x else -1 for x in range(chips))


def binary_tree(chips: int) -> Parents:
    """Two children a chip, in the order of a heap."""
    return tuple((x + 1) // 2 - 1 for x in range(chips))


def chain(chips: int) -> Parents:
    """Each chip on the one before it."""
    return tuple(x - 1 for x in range(chips))


TREES: dict[str, Callable[[int], Parents]] = {"binomial": binomial_tree, "binary": binary_tree, "chain": chain}
"""Each named tree, as a function of the number of chips."""


@dataclass
class _Node:
    """A chip in the tree: its group, its children (the largest subtree first) and its rings."""

    group: GroupBuilder
    parent: int
    children: list[int]
    own: RingHandle | None = None
    total: RingHandle | None = None
    below: dict[int, RingHandle] = field(default_factory=dict)
    """What comes from each child."""
    above: RingHandle | None = None
    """What comes from the parent."""


class _Tree:
    """Builds the program of a tree; chip 0 is the root."""

    def __init__(self, name: str, blocks: Blocks, parents: Sequence[int]) -> None:
        self.blocks = blocks
        self.rounds = -(-blocks.elements // blocks.chunk)
        self.clip = self.rounds * blocks.chunk != blocks.elements
        self.p = ProgramBuilder(name, cores=blocks.chips)
        self.X: TensorHandle = self.p.tensor("X", blocks.dtype, (blocks.elements,), "sram")
        self.Y: TensorHandle = self.p.tensor("Y", blocks.dtype, (blocks.elements,), "sram")
        kernel = self.p.kernel("tree", cooperative=True)
        self.nodes = [
            _Node(kernel.group(f"chip{x}", {"b": 1}), parent, [c for c, above in enumerate(parents) if above == x])
            for x, parent in enumerate(parents)
        ]
        for node in self.nodes:
            node.children.sort(key=lambda child: -self._size(child))

    def _size(self, x: int) -> int:
        return 1 + sum(self._size(child) for child in self.nodes[x].children)

    def _tiles(self, node: _Node, name: str) -> RingHandle:
        depth = 1 if self.rounds == 1 else 2
        return node.group.ring(name, STAGING, self.blocks.dtype, (self.blocks.chunk,), depth)

    def reduce(self) -> None:
        """Sums flow up: each chip adds what comes from below to its own part."""
        for node in self.nodes:
            node.own = self._tiles(node, "own")
            node.below = {child: self._tiles(node, f"from{child}") for child in node.children}
            node.total = self._tiles(node, "total") if node.children else node.own
            with node.group.queue("load"), node.group.loop("i", self.rounds) as i:
                node.own.load(self.X[i * self.blocks.chunk], clip=self.clip)
        for x, node in enumerate(self.nodes):
            assert node.own is not None and node.total is not None
            if node.children:
                self._add(node, node.own, node.total)
            if node.parent >= 0:
                with node.group.queue("up"), node.group.loop("i", self.rounds):
                    self.nodes[node.parent].below[x].send(node.total, to=(0,))
                    node.total.pop()

    def _add(self, node: _Node, own: RingHandle, total: RingHandle) -> None:
        with node.group.queue("add"), node.group.loop("i", self.rounds):
            part = own
            for child in reversed(node.children):  # the smallest subtree is ready first
                total.set("add", part, node.below[child])
                if part is own:
                    own.pop()
                node.below[child].pop()
                part = total
            total.push()

    def broadcast(self) -> None:
        """Values flow down, and are stored on each chip."""
        root = self.nodes[0]
        if root.total is None:
            root.total = self._tiles(root, "own")
            with root.group.queue("load"), root.group.loop("i", self.rounds) as i:
                root.total.load(self.X[i * self.blocks.chunk], clip=self.clip)
        root.above = root.total
        for node in self.nodes[1:]:
            node.above = self._tiles(node, "above")
        for node in self.nodes:
            assert node.above is not None
            with node.group.queue("down"), node.group.loop("i", self.rounds) as i:
                for child in node.children:
                    target = self.nodes[child].above
                    assert target is not None
                    target.send(node.above, to=(0,))
                self.Y[i * self.blocks.chunk].store(node.above, clip=self.clip)
                node.above.pop()

    def store(self) -> None:
        """The root stores the sum."""
        root = self.nodes[0]
        assert root.total is not None
        with root.group.queue("store"), root.group.loop("i", self.rounds) as i:
            self.Y[i * self.blocks.chunk].store(root.total, clip=self.clip)
            root.total.pop()


def all_reduce(blocks: Blocks, parents: Sequence[int]) -> Program:
    """Sum the vectors X of all chips into Y on each: up the tree, and down again."""
    tree = _Tree("all_reduce_tree", blocks, parents)
    tree.reduce()
    tree.broadcast()
    return tree.p.build()


def reduce(blocks: Blocks, parents: Sequence[int]) -> Program:
    """Sum the vectors X of all chips into Y on chip 0."""
    tree = _Tree("reduce_tree", blocks, parents)
    tree.reduce()
    tree.store()
    return tree.p.build()


def broadcast(blocks: Blocks, parents: Sequence[int]) -> Program:
    """Give X of chip 0 to all, as Y."""
    tree = _Tree("broadcast_tree", blocks, parents)
    tree.broadcast()
    return tree.p.build()


def multicast(blocks: Blocks) -> Program:
    """Give X of chip 0 to all, as Y: chip 0 sends once, and the network copies where ways part."""
    n, chunk = blocks.chips, blocks.chunk
    rounds = -(-blocks.elements // chunk)
    clip = rounds * chunk != blocks.elements
    p = ProgramBuilder("broadcast_multicast", cores=n)
    X, Y = (p.tensor(name, blocks.dtype, (blocks.elements,), "sram") for name in ("X", "Y"))
    with p.kernel("multicast", {"x": n}, {"x": n}) as k:
        (x,) = k.coordinates
        own, box = (k.ring(name, STAGING, blocks.dtype, (chunk,), 1 if rounds == 1 else 2) for name in ("own", "box"))
        root = rounds * (1 - (x + n - 1) // n)
        with k.queue("load"), k.loop("i", root) as i:
            own.load(X[i * chunk], clip=clip)
        with k.queue("send"), k.loop("i", root):
            box.send(own, to=((0, n),))
            own.pop()
        with k.queue("store"), k.loop("i", rounds) as i:
            Y[i * chunk].store(box, clip=clip)
            box.pop()
    return p.build()
