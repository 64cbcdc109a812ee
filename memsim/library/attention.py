"""Attention: prefill as FlashAttention-2 and -3 write it, and decode with its keys split over blocks.

The new keys and values go into the cache first, in a kernel of their own, as serving frameworks do. Each block reads
the lengths of its sequence, then the pages of its cache, then queries, keys and values.
"""

from __future__ import annotations

import math

from memsim.errors import ChipError, MemsimError
from memsim.hierarchy import Chip
from memsim.isa.builder import ProgramBuilder
from memsim.isa.expr import Expr, ceil_div, maximum, minimum
from memsim.isa.handles import RegionHandle, TensorHandle
from memsim.library.attention_block import Block, Keys, Sizes, before, up_to_own
from memsim.library.attention_tiles import Tiles, decode_tiles, prefill_tiles, splits
from memsim.library.kernel import Kernel


def prefill(
    chip: Chip,
    batch: int,
    seq: int,
    heads: int,
    kv_heads: int,
    head_dim: int = 128,
    dtype: str = "bf16",
    causal: bool = True,
) -> Kernel:
    """Attention of ``seq`` new tokens of each sequence to each other: FlashAttention-3 or -2.

    Tensors: `Q` and `O` [batch, kv_heads, heads / kv_heads, seq, head_dim]; `K_new`, `V_new`, and the caches `K`, `V`
    that they go to, [batch, kv_heads, seq, head_dim].
    """
    sizes = _checked(chip, batch, seq, heads, kv_heads, head_dim, dtype)
    tiles = prefill_tiles(chip, head_dim, dtype)
    program = ProgramBuilder(
        "prefill", useful_flops=4 * batch * heads * head_dim * (seq * (seq + 1) // 2 if causal else seq * seq)
    )
    tensors = _tensors(program, sizes, seq)
    _append(program, sizes, tensors, seq, chip, tiles)
    _attend(program, sizes, tensors, tiles, causal)
    return Kernel(program.build(), chip, f"{tiles.name}, {tiles.block_rows} x {tiles.columns}")


def _tensors(program: ProgramBuilder, sizes: Sizes, new: int) -> dict[str, TensorHandle]:
    s = sizes
    rows = (s.batch, s.kv_heads, s.group, new, s.head_dim)
    shapes = {"Q": rows, "O": rows}
    shapes |= {name: (s.batch, s.kv_heads, s.seq, s.head_dim) for name in ("K", "V")}
    shapes |= {name: (s.batch, s.kv_heads, new, s.head_dim) for name in ("K_new", "V_new")}
    tensors = {name: program.tensor(name, s.dtype, shape) for name, shape in shapes.items()}
    return tensors | {name: program.tensor(name, "int32", (s.batch,)) for name in ("slots", "lengths", "pages")}


def _append(
    program: ProgramBuilder, sizes: Sizes, t: dict[str, TensorHandle], new: int, chip: Chip, tiles: Tiles
) -> None:
    """Write the new keys and values to where ``slots`` says."""
    s = sizes
    tokens = tiles.columns if new > 1 else 1
    chunk = max(1, 64 // s.kv_heads) if new == 1 else 1
    while -(-s.batch // chunk) > 16 * chip.core_count and new == 1:
        chunk *= 2
    grid = {"b": -(-s.batch // chunk), "t": -(-new // tokens)}
    if new > 1:
        grid["h"] = s.kv_heads
    with program.kernel("append", grid=grid, occupancy=4) as k:
        b, i, *rest = k.coordinates
        h = rest[0] if rest else Expr(0)
        heads = 1 if rest else s.kv_heads
        shape = (chunk, heads, tokens if new > 1 else 2, s.head_dim)
        slot = k.ring("slot", "sram", "int32", (1,))
        seen = k.ring("seen", "reg", "int32", (1,))
        rings = {name: k.ring(name.lower(), "sram", s.dtype, shape) for name in ("K", "V")}
        with k.queue("move"):
            slot.load(t["slots"][b * chunk])
            seen.set("cast", slot)
            slot.pop()
            for name, ring in rings.items():
                source = t[f"{name}_new"]
                first = i * tokens if new > 1 else Expr(-1)
                ring.load(source[b * chunk : chunk, h : heads, first : shape[2], 0 : s.head_dim], clip=True)
        with k.queue("store"):
            for name, ring in rings.items():
                if new > 1:
                    region = t[name][b * chunk : chunk, h : heads, i * tokens : tokens, 0 : s.head_dim]
                else:
                    # Two rows, of which the first lies before the cache and is dropped: so that the place of the
                    # other, which is aligned to nothing, does not cut the cache into segments of single rows.
                    start = -tiles.columns
                    step = s.seq - 1 - start
                    region = t[name][b * chunk : chunk, h : heads, start:2:step, 0 : s.head_dim]
                region.store(ring, clip=True)
                ring.pop()


def _attend(program: ProgramBuilder, sizes: Sizes, t: dict[str, TensorHandle], tiles: Tiles, causal: bool) -> None:
    s, dim = sizes, sizes.head_dim
    count = -(-s.seq // tiles.block_rows)
    grid = {"tile": count, "b": s.batch, "h": s.kv_heads, "g": s.group}
    with program.kernel("attend", grid=grid) as kernel:
        late, b, h, g = kernel.coordinates
        first = (count - 1 - late) * tiles.block_rows
        block = Block(kernel, sizes, tiles, (1, tiles.rows))
        all_tiles = -(-s.seq // tiles.columns)
        full = minimum((first + 1) // tiles.columns, s.seq // tiles.columns) if causal else Expr(s.seq // tiles.columns)
        total = minimum((first + tiles.block_rows + tiles.columns - 1) // tiles.columns, all_tiles)

        def tile(name: str, j: Expr) -> RegionHandle:
            return t[name][b, h, j * tiles.columns : tiles.columns, 0:dim]

        keys = Keys(Expr(0), full, total if causal else Expr(all_tiles), tile)
        rows = [first + number * tiles.rows for number in range(tiles.groups)]
        with kernel.queue("load"):
            queries = [t["Q"][b, h, g:1, row : tiles.rows, 0:dim] for row in rows]
            block.load(t["lengths"][b], t["pages"][b], queries, keys)
        for number, row in enumerate(rows):
            with kernel.queue(f"attend{number or ''}"):
                block.attend(number, keys, up_to_own(row) if causal else before(s.seq))
                block.groups[number].finish()
            with kernel.queue(f"store{number or ''}"):
                t["O"][b, h, g:1, row : tiles.rows, 0:dim].store(block.groups[number].out, clip=True)
                block.groups[number].out.pop()


def decode(
    chip: Chip,
    batch: int,
    seq: int,
    heads: int,
    kv_heads: int,
    head_dim: int = 128,
    dtype: str = "bf16",
) -> Kernel:
    """Attention of one new token of each sequence to ``seq`` keys, its own among them: split-KV decode."""
    sizes = _checked(chip, batch, seq, heads, kv_heads, head_dim, dtype)
    tiles = decode_tiles(chip, head_dim, dtype)
    program = ProgramBuilder("decode", useful_flops=4 * batch * heads * head_dim * seq)
    tensors = _tensors(program, sizes, 1)
    _append(program, sizes, tensors, 1, chip, tiles)
    count = -(-seq // tiles.columns)
    parts = splits(batch * kv_heads, count, OCC * chip.core_count)
    _decode(program, sizes, tensors, tiles, parts)
    if parts > 1:
        _merge(program, sizes, tensors, parts)
    return Kernel(program.build(), chip, f"{tiles.name}, {tiles.block_rows} x {tiles.columns}, {parts} splits")

OCC=1

def _decode(program: ProgramBuilder, sizes: Sizes, t: dict[str, TensorHandle], tiles: Tiles, parts: int) -> None:
    s, dim, rows = sizes, sizes.head_dim, tiles.rows
    count = -(-s.seq // tiles.columns)
    each = -(-count // parts)
    if parts > 1:
        t["O_part"] = program.tensor("O_part", "fp32", (parts, s.batch, s.kv_heads, s.group, dim))
        t["sums"] = program.tensor("sums", "fp32", (parts, s.batch, s.kv_heads, s.group))
    with program.kernel("attend", grid={"b": s.batch, "h": s.kv_heads, "x": parts}, occupancy=OCC) as kernel:
        b, h, x = kernel.coordinates
        block = Block(kernel, sizes, tiles, (rows, 1))

        def tile(name: str, j: Expr) -> RegionHandle:
            return t[name][b, h, j * tiles.columns : tiles.columns, 0:dim]

        total = minimum(each, count - x * each) if parts > 1 else Expr(count)
        full = minimum(each, count - 1 - x * each) if parts > 1 else Expr(count - 1)
        keys = Keys(x * each, full, total, tile)
        with kernel.queue("load"):
            block.load(t["lengths"][b], t["pages"][b], [t["Q"][b, h, 0:rows, 0:1, 0:dim]], keys)
        group = block.groups[0]
        if parts > 1:
            out = kernel.ring("partial", "reg", "fp32", (rows, 1, dim))
            sums = kernel.ring("lse", "reg", "fp32", (rows, 1, 1))
        with kernel.queue("attend"):
            block.attend(0, keys, before(s.seq))
            if parts == 1:
                group.finish()
            else:
                group.partial(out, sums)
        with kernel.queue("store"):
            if parts == 1:
                t["O"][b, h, 0:rows, 0:1, 0:dim].store(group.out, clip=True)
                group.out.pop()
            else:
                t["O_part"][x, b, h, 0:rows, 0:dim].store(out, clip=True)
                t["sums"][x, b, h, 0:rows].store(sums, clip=True)
                out.pop()
                sums.pop()


def _merge(program: ProgramBuilder, sizes: Sizes, t: dict[str, TensorHandle], parts: int) -> None:
    """Weigh the parts by their sums and add them: FlashAttention's combine kernel, four rows a block."""
    s, dim = sizes, sizes.head_dim
    rows = math.gcd(4, s.group)
    with program.kernel("merge", grid={"b": s.batch, "h": s.kv_heads, "g": s.group // rows}, occupancy=4) as k:
        b, h, g = k.coordinates
        part = k.ring("part", "reg", "fp32", (parts, rows, dim))
        lse = k.ring("lse", "reg", "fp32", (parts, rows, 1))
        share = k.ring("share", "reg", "fp32", (parts, rows, 1))
        top, total = (k.ring(name, "reg", "fp32", (1, rows, 1)) for name in ("top", "total"))
        scaled = k.ring("scaled", "reg", "fp32", (parts, rows, dim))
        summed = k.ring("summed", "reg", "fp32", (1, rows, dim))
        out = k.ring("out", "reg", s.dtype, (1, rows, dim))
        with k.queue("load"):
            lse.load(t["sums"][0:parts, b, h, g * rows : rows])
            part.load(t["O_part"][0:parts, b, h, g * rows : rows, 0:dim])
        with k.queue("merge"):
            top.reduce("max", lse, axis=0)
            share.set("sub", lse, top)
            lse.pop()
            share.set("exp2", share)
            total.reduce("sum", share, axis=0)
            total.set("recip", total)
            share.set("mul", share, total)
            scaled.set("mul", part, share)
            part.pop()
            summed.reduce("sum", scaled, axis=0)
            out.set("cast", summed)
            out.push()
        with k.queue("store"):
            t["O"][b, h, g * rows : rows, 0:1, 0:dim].store(out)
            out.pop()


def _checked(
    chip: Chip, batch: int, seq: int, heads: int, kv_heads: int, head_dim: int, dtype: str
) -> Sizes:
    for name, value in (("batch", batch), ("seq", seq), ("heads", heads), ("kv_heads", kv_heads), ("head_dim", head_dim)):
        if value < 1:
            raise MemsimError(f"{name} is {value}", where="attention", mend="use a positive number")
    if heads % kv_heads:
        raise MemsimError(
            f"{heads} heads are not shared evenly by {kv_heads} heads of keys and values",
            where="attention",
            mend="make heads a multiple of kv_heads",
        )
    matrix = chip.core.matrix
    if matrix is None or not matrix.supports(dtype):
        raise ChipError(f"{chip.name} does not multiply {dtype}", where="attention", mend="choose another type or chip")
    return Sizes(batch, seq, heads, kv_heads, head_dim, dtype)
