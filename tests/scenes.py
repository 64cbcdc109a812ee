"""What random programs are made of: ways to make a tile, and things to do with tiles."""

from __future__ import annotations

from collections.abc import Callable

from memsim.isa.expr import Expr, maximum, var
from memsim.isa.model import (
    Copy,
    Fill,
    Gather,
    Instruction,
    Iota,
    Load,
    Mma,
    Push,
    Reduce,
    Region,
    Send,
    Target,
    Tile,
    Vector,
)
from memsim.isa.ops import DTYPES as TYPES
from memsim.isa.ops import MMA_TYPES, VECTOR_OPS
from tests.drafts import DTYPES, Channel, GroupDraft, Shape, TensorDraft, choose_from

SIZES = (1, 2, 3, 4, 8)
ANY_OPS = ("cast", "neg", "abs", "floor", "add", "add", "sub", "mul", "mul", "max", "min", "ge", "gt", "eq", "where")
BOUNDED_OPS = ("recip", "sqrt", "rsqrt", "log2", "exp2", "sin", "cos")
"""Applied to values from 1 to 4 only, so that no infinity or NaN arises."""
Blocks = tuple[tuple[Expr, int], ...]
Maker = Callable[[GroupDraft, Shape, str, tuple[str, ...], int], Channel]


def draw_shape(group: GroupDraft) -> Shape:
    """The shape of a small tile."""
    return tuple(group.choose(*SIZES) for _ in range(group.choose(1, 2, 2, 2)))


# ---- scenes: what a body consists of ----


def write_scene(group: GroupDraft) -> None:
    """Write a body: one flow and then some other items."""
    _flow(group)
    items = [_flow, _held, _window, _scratch, _rewritten] + [_nest] * 3 * (group.scope.depth < 3)
    for _ in range(group.choose(0, 1, 2)):
        if group.has_budget:
            group.choose(*items)(group)


def write_steady(group: GroupDraft) -> None:
    """Write a body around a loop so long that the machine may settle in it, with something before it and after it."""
    if group.choose(True, False):
        _flow(group)
    room = group.room // group.choose(1, 1, 2, 3)
    with group.loop(Expr(max(1, min(group.choose(20, 40, 70, 120, 200), room)))):
        scenes = [_flow, _flow, _window, _held, _selected, _multiplied, write_scene]
        group.choose(*scenes, *[_shared] * 4 * (max(group.boxes.values()) > 1))(group)
    if group.has_budget:
        group.choose(_flow, _nest, _held)(group)


def _nest(group: GroupDraft) -> None:
    with group.loop(group.count()):
        write_scene(group)


def _flow(group: GroupDraft) -> None:
    """Make a tile, or several at once, and store it from each of its queues."""
    shape, dtype = draw_shape(group), group.choose(*DTYPES)
    queues = tuple(sorted({group.pick("store") for _ in range(group.choose(1, 1, 2))}))
    if group.choose(True, False, False):
        tile = _burst(group, shape, dtype, queues, group.choose(2, 3, 4))
    else:
        tile = draw_tile(group, shape, dtype, queues, fuel=3)
    _stored(group, tile, queues)


def _stored(group: GroupDraft, tile: Channel, queues: tuple[str, ...]) -> None:
    for queue in queues:
        group.store(queue, tile)
    group.release(tile)


def _selected(group: GroupDraft) -> None:
    """Gather some rows and store them."""
    queue, shape = group.pick("store"), (group.choose(*SIZES), group.choose(*SIZES))
    _stored(group, _gathered(group, shape, group.choose(*DTYPES), (queue,), fuel=1), (queue,))


def _shared(group: GroupDraft) -> None:
    """Get a tile from another block, or with others from one."""
    queue, maker = group.pick("store"), group.choose(_exchanged, _multicast)
    _stored(group, maker(group, draw_shape(group), group.choose(*DTYPES), (queue,), fuel=1), (queue,))


def _multiplied(group: GroupDraft) -> None:
    """Multiply, and mostly add up."""
    queue, shape = group.pick("store"), (group.choose(*SIZES), group.choose(*SIZES))
    maker = group.choose(_accumulated, _accumulated, _product)
    _stored(group, maker(group, shape, group.choose(*sorted(set(MMA_TYPES.values()))), (queue,), fuel=1), (queue,))


def _held(group: GroupDraft) -> None:
    """A panel that stays resident while a nested body reads it again and again."""
    reader, shape, dtype = group.pick("compute"), draw_shape(group), group.choose(*DTYPES)
    if group.choose(True, False):
        panel = _burst(group, shape, dtype, (reader,), 2)
    else:
        panel = draw_tile(group, shape, dtype, (reader,), fuel=1)
    outer = group.scope.readable
    group.scope.readable = [*outer, (panel, reader)]
    (_nest if group.scope.depth < 3 else _flow)(group)
    group.scope.readable = outer
    group.release(panel)


def _scratch(group: GroupDraft) -> None:
    """A tile that one queue keeps to itself: it is never pushed, and readable from here to the end of the body."""
    queue = group.pick("compute")
    channel = group.channel(draw_shape(group), group.choose(*DTYPES), (queue, "scratch"), ())
    group.emit(queue, _constant(group, channel))
    group.scope.readable.append((channel, queue))


def _rewritten(group: GroupDraft) -> None:
    """A scratch tile that its queue changes and stores, again and again."""
    queue, dtype = group.pick("compute"), group.choose(*DTYPES)
    channel = group.channel(draw_shape(group), dtype, (queue, "scratch"), ())
    group.emit(queue, _constant(group, channel))
    with group.loop(group.count()):
        step = group.choose(1.0, -2.0)
        group.emit(queue, Vector(group.choose("add", "max"), channel.name, (Tile(channel.name), step)))
        group.store(queue, channel)


def _window(group: GroupDraft) -> None:
    """Sums of neighbouring tiles: some stay resident while, each round, one comes and one goes."""
    shape, width = draw_shape(group), group.choose(2, 3)
    loader, adder, keeper = group.pick("load"), group.pick("compute"), group.pick("store")
    tiles = group.channel(shape, group.choose(*DTYPES), (loader, "arrives"), (adder,))
    for _ in range(width - 1):
        _load_into(group, loader, tiles)
    with group.loop(group.count()):
        _load_into(group, loader, tiles)
        total = group.channel(shape, group.choose(*DTYPES), (adder, "computed"), (keeper,))
        group.emit(adder, Vector("add", total.name, (Tile(tiles.name, 0), Tile(tiles.name, width - 1))))
        _push(group, adder, total)
        group.release(tiles, 1)
        group.store(keeper, total)
        group.release(total)
    group.release(tiles)


# ---- tiles that arrive ----


def draw_tile(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """Make one tile in a ring of those consumers; ``fuel`` bounds how many steps it takes."""
    makers: list[Maker] = [_loaded, _loaded]
    if fuel and group.has_budget:
        makers += [_vector, _vector, _vector, _given, _copied, _accumulated]
        if len(shape) == 2:
            makers += [_gathered] + [_product] * 3 * (dtype in MMA_TYPES.values())
        if 1 in shape:
            makers += [_reduced] * 3
        if group.scope.in_step and max(group.boxes.values()) > 1:
            makers += [_exchanged, _exchanged, _multicast, _multicast]
    return choose_from(group.draw, makers)(group, shape, dtype, consumers, fuel - 1)


def _loaded(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    return _burst(group, shape, dtype, consumers, 1)


def _burst(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], tiles: int) -> Channel:
    queue = group.pick("load")
    channel = group.channel(shape, dtype, (queue, "arrives"), consumers)
    for _ in range(tiles):
        _load_into(group, queue, channel)
    return channel


def _load_into(group: GroupDraft, queue: str, channel: Channel) -> None:
    group.emit(queue, _load(group, channel, None))
    group.filled(channel)


def _load(group: GroupDraft, channel: Channel, blocks: Blocks | None) -> Load:
    turned = len(channel.shape) == 2 and group.choose(False, False, True)
    region = group.source(channel.shape[::-1] if turned else channel.shape, channel.dtype)
    return Load(Target(channel.name, blocks), region, turned, group.choose(0.0, -1.0, 3.0))


def _copied(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    queue, turned = group.pick("net"), len(shape) == 2 and group.choose(True, False)
    source = draw_tile(group, shape[::-1] if turned else shape, dtype, (queue,), fuel)
    channel = group.channel(shape, dtype, (queue, "arrives"), consumers)
    group.emit(queue, Copy(Target(channel.name), group.operand(source), turned))
    group.release(source)
    return group.filled(channel)


def _gathered(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """Rows of a table, by indices that are loaded, or counted where there are enough rows."""
    queue, (count, width), rows = group.pick("load"), shape, group.choose(1, 3, 5, 9)
    index = _counted(group, count, rows, queue) if rows >= count and group.choose(True, False) else None
    index = index or _indices(group, count, rows, queue)
    tensors = group.kernel.tensors
    starts = (group.start(rows), group.start(width))
    needs = [start.bounds(group.scope.ranges)[1] + size for start, size in zip(starts, (rows, width), strict=True)]
    role = group.choose(*group.kernel.roles)
    table = tensors.add(TensorDraft(f"W{len(tensors.drafts)}", role, dtype, needs))
    tensors.read.add(table.name)
    channel = group.channel(shape, dtype, (queue, "arrives"), consumers)
    how = group.choose("uniform", "sequential")
    region = Region(table.name, starts, (rows, width))
    group.emit(queue, Gather(Target(channel.name), region, group.operand(index), how))
    group.release(index)
    return group.filled(channel)


def _counted(group: GroupDraft, count: int, rows: int, reader: str) -> Channel:
    queue = group.pick("compute")
    index = group.channel((count,), group.choose("int8", "int32"), (queue, "computed", rows), (reader,))
    group.emit(queue, Iota(index.name, 0, Expr(rows - count)))
    return _push(group, queue, index)


def _indices(group: GroupDraft, count: int, rows: int, reader: str) -> Channel:
    queue, tensors = group.pick("load"), group.kernel.tensors
    start = group.start(count)
    length = start.bounds(group.scope.ranges)[1] + count
    role = group.choose(*group.kernel.roles)
    tensor = tensors.add(TensorDraft(f"I{len(tensors.drafts)}", role, "int32", [length], index_rows=rows))
    tensors.read.add(tensor.name)
    index = group.channel((count,), "int32", (queue, "arrives", rows), (reader,))
    group.emit(queue, Load(Target(index.name), Region(tensor.name, (start,), (count,))))
    return group.filled(index)


# ---- tiles from other blocks ----


def _exchanged(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """Each block sends a tile to the block that stands some places on, around the cluster."""
    queue = group.pick("net")
    name = group.choose(*(name for name, size in group.boxes.items() if size > 1))
    shift, size = group.choose(*range(1, group.boxes[name])), group.boxes[name]
    to = var(name) // size * size + (var(name) + shift) % size
    blocks = tuple((to if n == name else var(n), 1) for n in group.grid)
    source = draw_tile(group, shape, dtype, (queue,), fuel)
    channel = group.channel(shape, dtype, (queue, "sent", str(to)), consumers)
    group.emit(queue, Send(Target(channel.name, blocks), group.operand(source)))
    group.release(source)
    return group.filled(channel)


def _multicast(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """One block of each row (plane, ...) of the cluster loads a tile for all of it, or sends them one of its own."""
    many = [name for name, size in group.boxes.items() if size > 1]
    names = many if group.choose(True, False) else [group.choose(*many)]
    sizes = {name: group.boxes[name] for name in names}
    distance = sum(((var(n) + group.choose(*range(size))) % size for n, size in sizes.items()), Expr(0))
    blocks = tuple((var(n) // sizes[n] * sizes[n], sizes[n]) if n in sizes else (var(n), 1) for n in group.grid)
    queue = group.pick("load")
    channel = group.channel(shape, dtype, (queue, "multicast", str(distance), *sizes), consumers)
    with group.loop(maximum(1 - distance, 0)):
        if group.choose(True, False):
            group.emit(queue, _load(group, channel, blocks))
        else:
            source = draw_tile(group, shape, dtype, (queue,), fuel)
            group.emit(queue, Send(Target(channel.name, blocks), group.operand(source)))
            group.release(source)
    return group.filled(channel)


# ---- tiles that are computed ----


def _push(group: GroupDraft, queue: str, channel: Channel) -> Channel:
    group.emit(queue, Push(channel.name))
    return group.filled(channel)


def _computing(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...]) -> tuple[str, Channel]:
    queue = group.pick("compute")
    return queue, group.channel(shape, dtype, (queue, "computed"), consumers)


def _constant(group: GroupDraft, channel: Channel) -> Instruction:
    if group.choose(True, False):
        return Fill(channel.name, group.choose(0.0, 1.0, -2.0, *([0.5] * TYPES[channel.dtype].is_float)))
    return Iota(channel.name, group.choose(*range(len(channel.shape))), group.start(2))


def _given(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    queue, channel = _computing(group, shape, dtype, consumers)
    group.emit(queue, _constant(group, channel))
    return _push(group, queue, channel)


def _vector(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """One elementwise instruction, sometimes a few more that rewrite the open slot."""
    queue, channel = _computing(group, shape, dtype, consumers)
    op = group.choose(*ANY_OPS)
    places = [group.choose(True, False) for _ in range(VECTOR_OPS[op].arity)]
    whole = group.choose(*range(len(places)))  # this argument has the full shape
    args, made = [], []
    for place in range(len(places)):
        arg, source = _argument(group, queue, shape, fuel, whole=place == whole)
        args.append(arg)
        made += [source] if source else []
    group.emit(queue, Vector(op, channel.name, tuple(args)))
    for source in made:
        group.release(source)
    if TYPES[dtype].is_float and group.choose(True, False, False):
        for clip, bound in (("max", 1.0), ("min", 4.0)):
            group.emit(queue, Vector(clip, channel.name, (Tile(channel.name), bound)))
        group.emit(queue, Vector(group.choose(*BOUNDED_OPS), channel.name, (Tile(channel.name),)))
    return _push(group, queue, channel)


def _argument(
    group: GroupDraft, queue: str, shape: Shape, fuel: int, whole: bool
) -> tuple[Tile | float, Channel | None]:
    """A scalar, a tile that is there, or a new one: of the full shape, or broadcast to it."""
    fits = [c for c, q in group.scope.readable if q == queue and _broadcasts(c.shape, shape, whole)]
    if fits and group.choose(True, True, False):
        return group.operand(group.choose(*fits)), None
    if not whole:
        if group.choose(True, False):
            return group.choose(0.5, 2.0, -1.0), None
        shape = shape[group.choose(*range(len(shape))) :]
        shape = tuple(n if group.choose(True, False) else 1 for n in shape)
    source = draw_tile(group, shape, group.choose(*DTYPES), (queue,), fuel)
    return group.operand(source), source


def _broadcasts(shape: Shape, to: Shape, whole: bool) -> bool:
    if whole:
        return shape == to
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, m) for n, m in pairs)


def _reduced(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    axis = group.choose(*(axis for axis, n in enumerate(shape) if n == 1))
    longer = (*shape[:axis], group.choose(*SIZES), *shape[axis + 1 :])
    queue, channel = _computing(group, shape, dtype, consumers)
    source = draw_tile(group, longer, group.choose(*DTYPES), (queue,), fuel)
    group.emit(queue, Reduce(group.choose("sum", "max", "min"), channel.name, group.operand(source), axis))
    group.release(source)
    return _push(group, queue, channel)


def _product(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    queue, channel = _computing(group, shape, dtype, consumers)
    _multiply(group, queue, channel, fuel, accumulate=False)
    return _push(group, queue, channel)


def _multiply(group: GroupDraft, queue: str, channel: Channel, fuel: int, accumulate: bool) -> None:
    (m, n), k = channel.shape, group.choose(*SIZES)
    dtype = group.choose(*(name for name, total in MMA_TYPES.items() if total == channel.dtype))
    turn_a, turn_b = group.choose(True, False), group.choose(True, False)
    a = draw_tile(group, (k, m) if turn_a else (m, k), dtype, (queue,), fuel)
    b = draw_tile(group, (n, k) if turn_b else (k, n), dtype, (queue,), fuel)
    group.emit(queue, Mma(channel.name, group.operand(a), group.operand(b), accumulate, turn_a, turn_b))
    group.release(a)
    group.release(b)


def _accumulated(group: GroupDraft, shape: Shape, dtype: str, consumers: tuple[str, ...], fuel: int) -> Channel:
    """A tile that gathers something in each round of a loop."""
    queue, channel = _computing(group, shape, dtype, consumers)
    group.emit(queue, _constant(group, channel))
    multiplies = len(shape) == 2 and dtype in MMA_TYPES.values() and group.choose(True, True, False)
    with group.loop(group.count()):
        if multiplies:
            _multiply(group, queue, channel, fuel, accumulate=True)
        else:
            source = draw_tile(group, shape, group.choose(*DTYPES), (queue,), fuel)
            op = group.choose("add", "max", "min")
            group.emit(queue, Vector(op, channel.name, (Tile(channel.name), group.operand(source))))
            group.release(source)
    return _push(group, queue, channel)
