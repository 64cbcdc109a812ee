"""The second kernel of a product that is split along k: adds the parts, rounds once."""

from __future__ import annotations

from memsim.isa import ProgramBuilder
from memsim.isa.handles import TensorHandle

ELEMENTS = 1024
"""Of C, by a block: 128 threads with 8 each, 16 bytes of bf16."""
MOST_AHEAD = 12
RESIDENTS = 4


def write_reduction(p: ProgramBuilder, parts: TensorHandle, c: TensorHandle, cores: int) -> None:
    """Add ``parts`` [splits, rows, n] into ``c``."""
    splits, rows, columns = parts.tensor.shape
    wide = min(columns, ELEMENTS)
    high = min(rows, ELEMENTS // wide)
    down, across = -(-rows // high), -(-columns // wide)
    blocks = min(down * across, cores * RESIDENTS)
    with p.kernel("reduce", grid={"b": blocks}, occupancy=RESIDENTS) as kernel:
        (b,) = kernel.coordinates
        part = kernel.ring("part", "reg", parts.tensor.dtype, (high, wide), depth=min(splits, MOST_AHEAD))
        total = kernel.ring("total", "reg", parts.tensor.dtype, (high, wide))
        out = kernel.ring("out", "reg", c.tensor.dtype, (high, wide))
        turns = (down * across - 1 - b) // blocks + 1
        with kernel.queue("load"), kernel.loop("t", turns) as t, kernel.loop("s", splits) as s:
            tile = b + t * blocks
            part.load(parts[s:1, tile // across * high : high, tile % across * wide : wide], clip=True)
        with kernel.queue("add"), kernel.loop("t", turns):
            total.set("cast", part)
            part.pop()
            with kernel.loop("s", splits - 1):
                total.set("add", total, part)
                part.pop()
            out.set("cast", total)
            out.push()
        with kernel.queue("store"), kernel.loop("t", turns) as t:
            tile = b + t * blocks
            c[tile // across * high : high, tile % across * wide : wide].store(out, clip=True)
            out.pop()
