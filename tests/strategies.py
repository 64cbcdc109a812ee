"""Random valid tile programs, for property tests.

`programs` draws them valid by construction (see `tests.drafts` for why none can deadlock): loop nests, rings of depth
1 to 4, chains of queues, panels held over loops, accumulators, moving windows, scratch, gathers, clipped and strided
regions, multicasts, exchanges within clusters, and groups of a cooperative kernel that feed each other; `draw_program`
does so from any source of choices. `inputs_for` draws values for their tensors, and `least_cores` tells how many cores
they need.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from memsim.isa.expr import Expr, var
from memsim.isa.model import PER_CORE_ROLES, Gather, Kernel, Load, Program, Send, Target, walk
from memsim.isa.ops import round_to
from tests.drafts import DTYPES, MANY_TRIPS, Draw, GroupDraft, KernelDraft, Tensors, choose_from, require
from tests.scenes import draw_shape, draw_tile, write_scene, write_steady
from tests.variants import layered, respelled


def draw_program(
    draw: Draw,
    *,
    max_executions: int = 2000,
    max_cores: int = 8,
    per_core_tensors: bool = True,
    max_kernels: int = 3,
    shared: bool = False,
    steady: bool = False,
) -> Program:
    """Draw a valid program of at most ``max_executions`` instruction executions that fits ``max_cores`` cores.

    With ``shared`` some of its tensors lie in a scratchpad that all cores share. With ``steady`` loops may be long,
    blocks many or few, kernels repeated as the layers of a model, and queues may nest their loops differently.
    """
    cores = choose_from(draw, (None, max_cores))
    roles = ("dram", "dram", "dram", "sram") if cores and per_core_tensors else ("dram",)
    roles = (*roles, "shared") if shared else roles
    tensors = Tensors()
    count, layers = choose_from(draw, (*(1, 1, 1) * steady, *range(1, max_kernels + 1))), 1
    if steady and choose_from(draw, (False, False, True)):
        count, layers = choose_from(draw, (1, 1, 2)), choose_from(draw, (2, 3, 5))
    budget = max_executions // (count * layers)
    kernels = [_kernel(draw, f"kernel{i}", tensors, budget, max_cores, roles, steady) for i in range(count)]
    if layers > 1:
        kernels = layered(draw, kernels, tensors.drafts, layers)
    program = Program("drawn", tuple(t.build() for t in tensors.drafts), tuple(kernels))
    if cores is not None:
        least = least_cores(program)
        cores = choose_from(draw, (*(least,) * steady, *range(least, max_cores + 1)))
    return Program(program.name, program.tensors, program.kernels, cores, choose_from(draw, (None, 12345)))


programs = st.composite(draw_program)


def least_cores(program: Program) -> int:
    """Fewest cores on which every kernel of the program can run."""
    return max(_least(kernel) for kernel in program.kernels)


def _least(kernel: Kernel) -> int:
    if kernel.cooperative:
        return -(-kernel.block_count // kernel.occupancy)
    return math.lcm(*(group.cluster_size for group in kernel.groups))


def inputs_for(program: Program, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Random values for every tensor: floats from N(0, 1), integers from -8 to 8, indices of gathers in bounds."""
    rng = np.random.default_rng(seed)
    rows = _index_rows(program)
    inputs = {}
    for tensor in program.tensors:
        shape = (program.cores or 1, *tensor.shape) if tensor.role in PER_CORE_ROLES else tensor.shape
        if tensor.name in rows:
            values: np.ndarray[Any, Any] = rng.integers(0, rows[tensor.name], shape)
        elif tensor.type.is_float:
            values = rng.standard_normal(shape, np.float32)
        else:
            values = rng.integers(-8, 9, shape)
        inputs[tensor.name] = round_to(values, tensor.dtype)
    return inputs


def _index_rows(program: Program) -> dict[str, int]:
    """Rows of the smallest region that each index tensor selects from."""
    rows: dict[str, int] = {}
    for group in (group for kernel in program.kernels for group in kernel.groups):
        instructions = [i for queue in group.queues for i, _ in walk(queue.body)]
        loaded = [(i.dst.ring, i.src.tensor) for i in instructions if isinstance(i, Load)]
        for gather in (i for i in instructions if isinstance(i, Gather)):
            for name in (tensor for ring, tensor in loaded if ring == gather.index.ring):
                rows[name] = min(gather.src.sizes[-2], rows.get(name, gather.src.sizes[-2]))
    return rows


# ---- kernels ----


def _kernel(
    draw: Draw, name: str, tensors: Tensors, budget: int, max_cores: int, roles: tuple[str, ...], steady: bool
) -> Kernel:
    tensors.next_kernel()
    kind = choose_from(draw, ("one group", "one group", "one group", "two groups", "cooperative", "pipeline"))
    cooperative = kind in ("cooperative", "pipeline")
    if steady and "sram" in roles and choose_from(draw, (False, False, True)):
        roles = ("sram", "reg")
    kernel = KernelDraft(tensors, budget, cooperative, roles, MANY_TRIPS[-1] if steady else 4)
    write: Callable[[GroupDraft], None] = write_scene
    most_blocks = 8
    if steady:
        write = choose_from(draw, (write_steady, write_steady, write_scene))
        most_blocks = choose_from(draw, (1, 2, 2, 4, 8, 24))
    occupancy = choose_from(draw, (1, 2, 2, 3) if steady and cooperative else (1, 1, 2))
    if kind == "pipeline":
        groups = _pipeline(draw, kernel, max_cores)
    else:
        names = ["first", "second"] if kind == "two groups" else ["main"]
        groups = [_group(draw, kernel, name, min(most_blocks, 4) if cooperative else most_blocks) for name in names]
        if math.lcm(*(math.prod(group.cluster) for group in groups)) > max_cores:
            groups[-1] = GroupDraft(draw, kernel, names[-1], groups[-1].grid, (1,) * len(groups[-1].grid))
        for i, group in enumerate(groups, 1):  # all but a quarter: what a body takes is only reckoned
            kernel.budget = budget * i * 3 // (4 * len(groups))
            write(group)
    require(draw, kernel.executions <= budget)  # writing stops early enough for nearly all
    built = kernel.build(name, groups, occupancy)
    return respelled(draw, built) if steady else built


def _group(draw: Draw, kernel: KernelDraft, name: str, most_blocks: int) -> GroupDraft:
    grid: dict[str, int] = {}
    cluster: list[int] = []
    for axis in choose_from(draw, (("x",), ("y", "x"), ("z", "y", "x"))):
        grid[axis] = choose_from(draw, [n for n in (1, 2, 3, 4, 6) if n * math.prod(grid.values()) <= most_blocks])
        room = 4 // math.prod(cluster)
        cluster.append(choose_from(draw, [c for c in (1, 2, 3, 4) if grid[axis] % c == 0 and c <= room]))
    return GroupDraft(draw, kernel, name, grid, (1,) * len(grid) if kernel.cooperative else tuple(cluster))


def _pipeline(draw: Draw, kernel: KernelDraft, max_cores: int) -> list[GroupDraft]:
    """Two groups, each block of the first feeding one block of the second or two."""
    sizes = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1))
    size, fan = choose_from(draw, [(size, fan) for size, fan in sizes if size * (1 + fan) <= max_cores])
    first = GroupDraft(draw, kernel, "first", {"i": size}, (1,))
    second = GroupDraft(draw, kernel, "second", {"j": size * fan}, (1,))
    write_scene(first)
    most = max(1, min(kernel.most_trips, first.room // (1 + fan) // 2))
    count = Expr(choose_from(draw, (1, 2, 3, 4, *(n for n in MANY_TRIPS if n <= most))))
    with kernel.loop(first.counter, count), first.rounds(count), second.rounds(count):
        _bridge(first, second, fan)
    write_scene(second)
    return [first, second]


def _bridge(first: GroupDraft, second: GroupDraft, fan: int) -> None:
    """Make a tile in the first group, send it to the second, store it there."""
    shape, dtype = draw_shape(first), first.choose(*DTYPES)
    sender, consumer = first.pick("net"), second.pick("store")
    tile = draw_tile(first, shape, dtype, (sender,), fuel=2)
    received = second.channel(shape, dtype, (sender, "first"), (consumer,))
    target = Target(received.name, ((var("i") * fan, fan),), "second")
    first.emit(sender, Send(target, first.operand(tile)))
    first.release(tile)
    second.store(consumer, second.filled(received))
    second.release(received)
