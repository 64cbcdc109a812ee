"""Attention: prefill as FlashAttention-2 and -3 write it, and decode with its keys split over blocks.

New keys and values go into the cache first, in a kernel of their own, as serving frameworks do. Each block reads the
length of its sequence, then which pages hold it, then queries, keys and values.
"""

from __future__ import annotations

from dataclasses import replace

from memsim.errors import ChipError, MemsimError
from memsim.hierarchy import Chip
from memsim.hierarchy.costs import access_energy
from memsim.hierarchy.units import Duration
from memsim.hierarchy.wires import RANDOM
from memsim.isa.analyze import peak_bytes
from memsim.isa.builder import ProgramBuilder
from memsim.isa.expr import Expr, minimum
from memsim.isa.handles import RegionHandle, TensorHandle
from memsim.isa.model import Program
from memsim.library.attention_block import Block, Limit, Sizes, Span
from memsim.library.attention_tiles import PLAIN, Drawing, Tiles, decode_tiles, drawing, prefill_tiles, splits
from memsim.library.kernel import Kernel
from memsim.library.knobs import knob

Tensors = dict[str, TensorHandle]


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
    """Attention of ``seq`` new tokens of each sequence to each other.

    FlashAttention-3 where the matrix unit runs beside its warps, else FlashAttention-2. One token is a decode.

    Parameters
    ----------
    chip
        The GPU.
    batch, seq
        Sequences, and tokens of each.
    heads, kv_heads
        Heads of queries, and of keys and values; ``heads / kv_heads`` adjacent ones share keys and values.
    head_dim
        Elements of a head.
    dtype
        Of queries, keys, values and result.
    causal
        Whether a token sees only those up to itself.

    Returns
    -------
    Kernel
        Its tensors: `Q` and `O` [batch, kv_heads, heads / kv_heads, seq, head_dim]; the new `K_new` and `V_new`, and
        the caches `K` and `V` that they go to, [batch, kv_heads, seq, head_dim].

    Raises
    ------
    MemsimError
        A size is not positive, heads are not shared evenly, or the chip lacks the type or the memory.
    """
    sizes = _checked(chip, batch, seq, heads, kv_heads, head_dim, dtype)
    if seq == 1:
        return decode(chip, batch, seq, heads, kv_heads, head_dim, dtype)
    tiles = prefill_tiles(chip, head_dim, dtype)
    pairs = batch * heads * (seq * (seq + 1) // 2 if causal else seq * seq)
    program = ProgramBuilder("prefill", useful_flops=4 * head_dim * pairs)
    tensors = _tensors(program, sizes, seq)
    _append_all(program, sizes, tensors, chip)
    packed = sizes.packed(tiles)
    drawn = _drawing(chip, sizes, tiles, packed, causal)
    drawn_tiles = replace(tiles, rows=drawn.tall * (tiles.rows // packed))
    _attend(program, sizes, tensors, drawn_tiles, packed * drawn.heads, drawn, causal)
    size = f"{tiles.block_rows} x {tiles.columns}"
    choice = ", ".join(filter(None, (tiles.name, size, f"{packed} heads packed" if packed > 1 else "", str(drawn))))
    return _launched(program, chip, choice, drawn)


def decode(
    chip: Chip,
    batch: int,
    seq: int,
    heads: int,
    kv_heads: int,
    head_dim: int = 128,
    dtype: str = "bf16",
) -> Kernel:
    """Attention of one new token of each sequence to ``seq`` keys, its own the last of them.

    The queries of a group of heads are rows of one tile, so keys and values are read once. Where there are fewer blocks
    than cores, each takes a part of the keys, and a kernel adds the parts.

    Parameters
    ----------
    chip, batch, heads, kv_heads, head_dim, dtype
        As for `prefill`.
    seq
        Keys of each sequence, the new one included.

    Returns
    -------
    Kernel
        Its tensors: as those of `prefill`, with one token in place of ``seq`` in all but `K` and `V`.

    Raises
    ------
    MemsimError
        As `prefill`.
    """
    sizes = _checked(chip, batch, seq, heads, kv_heads, head_dim, dtype)
    tiles = decode_tiles(chip, head_dim, dtype, sizes.group)
    if sizes.group > tiles.rows:
        raise MemsimError(
            f"{sizes.group} heads share keys and values, a tile has {tiles.rows} rows",
            where="decode",
            mend="use more heads of keys and values",
        )
    program = ProgramBuilder("decode", useful_flops=4 * batch * heads * head_dim * seq)
    tensors = _tensors(program, sizes, 1)
    _append_one(program, sizes, tensors, tiles)
    count = -(-seq // tiles.columns)
    parts = splits(batch * kv_heads, count, chip.core_count, tiles)
    _decode(program, sizes, tensors, tiles, parts)
    if parts > 1:
        _merge(program, sizes, tensors, parts, chip)
    split = f", {parts} splits" if parts > 1 else ""
    choice = f"{tiles.name}, {tiles.block_rows} x {tiles.columns}{split}"
    return _launched(program, chip, choice, early=int(parts > 1 and tiles.third))


def _checked(chip: Chip, batch: int, seq: int, heads: int, kv_heads: int, head_dim: int, dtype: str) -> Sizes:
    sizes = Sizes(batch, seq, heads, kv_heads, head_dim, dtype)
    for name in ("batch", "seq", "heads", "kv_heads", "head_dim"):
        if (value := getattr(sizes, name)) < 1:
            raise MemsimError(f"{name} is {value}", where="attention", mend="use a positive number")
    if heads % kv_heads:
        raise MemsimError(
            f"{heads} heads are not shared evenly by {kv_heads} heads of keys and values",
            where="attention",
            mend="make heads a multiple of kv_heads",
        )
    matrix = chip.core.matrix
    if matrix is None or not matrix.supports(dtype):
        known = ", ".join(matrix.dtypes) if matrix else "nothing"
        raise ChipError(
            f"the matrix unit of {chip.name} does not multiply {dtype}", where="attention", mend=f"it takes {known}"
        )
    return sizes


def _tensors(program: ProgramBuilder, s: Sizes, new: int) -> Tensors:
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys("QO", (s.batch, s.kv_heads, s.group, new, s.head_dim))
    shapes |= dict.fromkeys("KV", (s.batch, s.kv_heads, s.seq, s.head_dim))
    shapes |= dict.fromkeys(("K_new", "V_new"), (s.batch, s.kv_heads, new, s.head_dim))
    tensors = {name: program.tensor(name, s.dtype, shape) for name, shape in shapes.items()}
    return tensors | {name: program.tensor(name, "int32", (s.batch,)) for name in ("slots", "lengths", "pages")}


def _launched(program: ProgramBuilder, chip: Chip, choice: str, drawn: Drawing = PLAIN, early: int = 0) -> Kernel:
    """The kernel on a chip that starts kernels and blocks as the knobs say.

    A block that is drawn for several starts as often, waits for their lengths and pages (two loads that hit the cache,
    of which its text has one pair), and has the room that it needs.

    A chip has one time to launch all kernels, so it is the mean. ``early`` kernels are launched while the one before
    runs (programmatic dependent launch), and cost none.
    """
    built = program.build()
    late = (len(built.kernels) - early) / len(built.kernels)
    launch = (_seconds(chip, chip.launch) + knob("attention_start") / float(chip.clock)) * late
    block = _seconds(chip, chip.block_start) + knob("attention_block") / float(chip.clock)
    block += (drawn.heads * drawn.tall - 1) * (block + 2 * _hit_s(chip))
    values: dict[str, object] = {"launch": f"{launch * 1e6:.6f} us", "block_start": f"{block * 1e6:.6f} us"}
    return Kernel(built, chip.replace(values | (_room(built, chip) if drawn != PLAIN else {})), choice)


def _hit_s(chip: Chip) -> float:
    """A load that the cache, or where there is none the DRAM, answers, in seconds."""
    first = chip.dram if chip.cache is None else chip.cache
    return sum(_seconds(chip, part) for part in (chip.core.dma.latency, first.latency)) + 2 * _seconds(
        chip, chip.network.hop_latency
    )


def _seconds(chip: Chip, duration: Duration) -> float:
    return float(chip.ticks_of(duration) * chip.tick)


def _room(program: Program, chip: Chip) -> dict[str, object]:
    """Memories of a core as large as a program needs, at the energies that they had."""
    needed, values = peak_bytes(program), dict[str, object]()
    plain = chip.replace({"toggle": RANDOM})
    for role, memory in (("reg", chip.core.reg), ("sram", chip.core.sram)):
        if needed.get(role, 0) > memory.capacity:
            values[f"core.{role}.capacity"] = needed[role]
            for access in ("read_energy", "write_energy"):
                values[f"core.{role}.{access}"] = f"{access_energy(plain, role, getattr(memory, access))!r} pJ/bit"
    return values


APPEND_TOKENS = 1024
"""Tokens at most that a block of the prefill's append stands for."""


MERGE_BYTES = 1 << 15
"""Parts that a block of the merge takes at a time, where one head's are not more."""


def _append_all(program: ProgramBuilder, s: Sizes, t: Tensors, chip: Chip) -> None:
    """Write the keys and values of all tokens to the cache, a stream of copies."""
    tokens = 64
    while tokens < APPEND_TOKENS and s.batch * s.kv_heads * -(-s.seq // tokens) > 8 * chip.core_count:
        tokens *= 2
    room = chip.core.sram.capacity // (2 * s.head_dim * 2)
    while tokens > room:
        tokens //= 2
    with program.kernel("append", grid={"b": s.batch, "h": s.kv_heads, "t": -(-s.seq // tokens)}) as k:
        b, h, i = k.coordinates
        slot, seen = k.ring("slot", "reg", "int32", (1,)), k.ring("seen", "reg", "int32", (1,))
        rings = {name: k.ring(name.lower(), "sram", s.dtype, (tokens, s.head_dim)) for name in ("K", "V")}
        with k.queue("load"):
            slot.load(t["slots"][b])
            seen.set("cast", slot)
            slot.pop()
            for name, ring in rings.items():
                ring.load(t[f"{name}_new"][b, h, i * tokens : tokens, 0 : s.head_dim], clip=True)
        with k.queue("store"):
            for name, ring in rings.items():
                t[name][b, h, i * tokens : tokens, 0 : s.head_dim].store(ring, clip=True)
                ring.pop()


def _append_one(program: ProgramBuilder, s: Sizes, t: Tensors, tiles: Tiles) -> None:
    """Write the key and value of one token of each sequence to the cache, one block a token."""
    with program.kernel("append", grid={"b": s.batch}, occupancy=4) as k:
        (b,) = k.coordinates
        slot, seen = k.ring("slot", "reg", "int32", (1,)), k.ring("seen", "reg", "int32", (1,))
        # Of two rows the first lies before the tensor and is dropped: with the other alone, whose place is aligned to
        # nothing, the cache would be cut into segments of single rows.
        rings = {name: k.ring(name.lower(), "sram", s.dtype, (s.kv_heads, 2, s.head_dim)) for name in ("K", "V")}
        before, step = -tiles.columns, s.seq - 1 + tiles.columns
        with k.queue("load"):
            slot.load(t["slots"][b])
            seen.set("cast", slot)
            slot.pop()
            for name, ring in rings.items():
                ring.load(t[f"{name}_new"][b, 0 : s.kv_heads, -1:2, 0 : s.head_dim], clip=True)
        with k.queue("store"):
            for name, ring in rings.items():
                t[name][b, 0 : s.kv_heads, before:2:step, 0 : s.head_dim].store(ring, clip=True)
                ring.pop()


def _tile_counts(first: Expr, s: Sizes, tiles: Tiles, causal: bool) -> tuple[Expr, Expr]:
    """Tiles of keys that all queries of a block see whole, and those that some query sees."""
    whole, every = s.seq // tiles.columns, -(-s.seq // tiles.columns)
    if not causal:
        return Expr(whole), Expr(every)
    seen = first + tiles.block_rows
    return minimum((first + 1) // tiles.columns, whole), minimum((seen + tiles.columns - 1) // tiles.columns, every)


def _drawing(chip: Chip, s: Sizes, tiles: Tiles, packed: int, causal: bool) -> Drawing:
    tokens = tiles.groups * (tiles.rows // packed)
    count, steps = -(-s.seq // tokens), s.seq / tiles.columns / (2 if causal else 1) + 0.5
    blocks = s.batch * s.heads // packed * count
    return drawing(blocks, s.group // packed, tiles, tokens, count, steps, chip.core_count)


def _spans(first: Expr, full: Expr, total: Expr, wide: int) -> list[Span]:
    """Wide steps, single steps, masked steps."""
    spans = []
    if wide > 1:
        spans.append(Span(first, full // wide, wide))
    past = full // wide * wide if wide > 1 else Expr(0)
    if full != Expr(0):
        spans.append(Span(first + past, full - past))
    if full != total:
        spans.append(Span(first + full, total - full, masked=True))
    return spans


def _attend(
    program: ProgramBuilder, s: Sizes, t: Tensors, tiles: Tiles, heads: int, drawn: Drawing, causal: bool
) -> None:
    """Prefill: a block for each tile of tokens (``tiles.rows``) of so many heads, those with most keys first."""
    dim, count = s.head_dim, -(-s.seq // tiles.block_rows)
    grid = {"late": count, "b": s.batch, "h": s.kv_heads, "g": s.group // heads}
    with program.kernel("attend", grid=grid) as kernel:
        late, b, h, g = kernel.coordinates
        first = (count - 1 - late) * tiles.block_rows
        wides = (1,) if drawn.wide == 1 else (1, drawn.wide)
        block = Block(kernel, s, tiles, (heads, tiles.rows), wides)
        spans = _spans(Expr(0), *_tile_counts(first, s, tiles, causal), drawn.wide)

        def keys(name: str, tile: Expr, wide: int) -> RegionHandle:
            return t[name][b, h, tile * tiles.columns : wide * tiles.columns, 0:dim]

        def rows(name: str, number: int) -> RegionHandle:
            return t[name][b, h, g * heads : heads, first + number * tiles.rows : tiles.rows, 0:dim]

        with kernel.queue("load"):
            block.wait_for_indices(t["lengths"][b])
            block.wait_for_pages(t["pages"][b])
            for number, group in enumerate(block.groups):
                group.q.load(rows("Q", number), clip=True)
            block.load_keys(spans, keys)
        starts = [first + number * tiles.rows for number in range(tiles.groups)]
        outcomes = block.attend(spans, [Limit(None, row) if causal else Limit(s.seq) for row in starts])
        for number, outcome in enumerate(outcomes):
            with kernel.queue(f"store{number}"):
                rows("O", number).store(outcome.out, clip=True)
                outcome.out.pop()


def _decode(program: ProgramBuilder, s: Sizes, t: Tensors, tiles: Tiles, parts: int) -> None:
    """Decode: a block for each part of the keys of each head of keys and values."""
    dim, rows, count = s.head_dim, tiles.rows, -(-s.seq // tiles.columns)
    each = -(-count // parts)
    if parts > 1:
        t["O_part"] = program.tensor("O_part", "fp32", (parts, s.batch, s.kv_heads, s.group, dim))
        t["sums"] = program.tensor("sums", "fp32", (parts, s.batch, s.kv_heads, s.group))
    with program.kernel("attend", grid={"b": s.batch, "h": s.kv_heads, "x": parts}) as kernel:
        b, h, x = kernel.coordinates
        block = Block(kernel, s, tiles, (rows, 1))
        first = x * each if parts > 1 else Expr(0)
        total = minimum(each, count - first) if parts > 1 else Expr(count)
        full = minimum(each, count - 1 - first) if parts > 1 else Expr(count - 1)
        spans = _spans(first, full, total, 1)

        def keys(name: str, tile: Expr, wide: int) -> RegionHandle:
            return t[name][b, h, tile * tiles.columns : wide * tiles.columns, 0:dim]

        with kernel.queue("load"):
            block.wait_for_indices(t["lengths"][b])
            block.groups[0].q.load(t["Q"][b, h, 0:rows, 0:1, 0:dim], clip=True)
            block.wait_for_pages(t["pages"][b])
            block.load_keys(spans, keys)
        (outcome,) = block.attend(spans, [Limit(s.seq)], part=parts > 1)
        with kernel.queue("store"):
            if outcome.sums is None:
                t["O"][b, h, 0:rows, 0:1, 0:dim].store(outcome.out, clip=True)
            else:
                t["sums"][x, b, h, 0:rows].store(outcome.sums, clip=True)
                outcome.sums.pop()
                t["O_part"][x, b, h, 0:rows, 0:dim].store(outcome.out, clip=True)
            outcome.out.pop()


def _merge(program: ProgramBuilder, s: Sizes, t: Tensors, parts: int, chip: Chip) -> None:
    """Weigh the parts by their sums and add them: FlashAttention's combine kernel, up to four heads a block."""
    dim, row = s.head_dim, 4 * parts * s.head_dim
    rows = next(n for n in (4, 2, 1) if s.group % n == 0 and (n == 1 or n * row <= MERGE_BYTES))
    occupancy = max(1, min(4, chip.core.sram.capacity // (2 * rows * row)))
    grid = {"b": s.batch, "h": s.kv_heads, "g": s.group // rows}
    with program.kernel("merge", grid=grid, occupancy=occupancy) as k:
        b, h, g = k.coordinates
        part = k.ring("part", "sram", "fp32", (parts, rows, dim))
        sums = k.ring("sums", "sram", "fp32", (parts, rows, 1))
        share = k.ring("share", "reg", "fp32", (parts, rows, 1))
        top, total = (k.ring(name, "reg", "fp32", (1, rows, 1)) for name in ("top", "total"))
        summed = k.ring("summed", "reg", "fp32", (1, rows, dim))
        weighed = k.ring("weighed", "reg", "fp32", (parts, rows, dim))
        out = k.ring("out", "reg", s.dtype, (1, rows, dim))
        with k.queue("load"):
            sums.load(t["sums"][0:parts, b, h, g * rows : rows])
            part.load(t["O_part"][0:parts, b, h, g * rows : rows, 0:dim])
        with k.queue("merge"):
            top.reduce("max", sums, axis=0)
            share.set("sub", sums, top)
            sums.pop()
            share.set("exp2", share)
            total.reduce("sum", share, axis=0)
            total.set("recip", total)
            share.set("mul", share, total)
            weighed.set("mul", part, share)
            part.pop()
            summed.reduce("sum", weighed, axis=0)
            out.set("cast", summed)
            out.push()
        with k.queue("store"):
            t["O"][b, h, g * rows : rows, 0:1, 0:dim].store(out)
            out.pop()
