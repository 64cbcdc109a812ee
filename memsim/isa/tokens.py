"""Run the tokens of a program without time, and so decide its rates and deadlock for every timing.

**Why one run is enough.** Queues talk through rings, each with one producing queue; no instruction chooses by a value;
a wait is for a token that only this queue will take. So an instruction that can go on can still go on after any
other queue has moved, and all maximal runs make the same moves (Kahn 1974: a network of such processes is determinate).
A ring is a counter, the program a cyclo-static dataflow graph (Lee and Messerschmitt 1987; Bilsen et al. 1996): if
one greedy run empties every queue and every ring, no schedule can be stuck; if it is stuck, all are. Timing and
limits of hardware only order the moves, since hardware never waits on a ring.

**Why trip counts cost nothing.** The run goes in rounds: each queue goes on until it waits, ends or begins another
iteration of a loop. What a round does is decided by the queues' positions, the rings' fills and open slots, and by
comparing counters with trip counts. Let two states at ends of rounds agree in positions, fills and open slots, and
let each queue's counters agree but for one loop, whose counter is ``d > 0`` higher in the second. Then the queue has
not left that loop in between (its outer counters only grow, and they are the same). The rounds between the two states
will occur again, with those counters ``d`` higher, if the same comparisons come out the same: the advancing loops do
not end, so ``counter + m * d < trips`` for ``m`` repetitions; and the trip counts and targets inside them do not
change under ``counter -> counter + d``, which is proved on the range of counters that the repetitions pass through.
All ``m`` are then skipped at once: counters grow by ``m * d``, pushes by ``m`` times those of one period. Different
queues may advance different loops by different ``d``: `load` one iteration of two loads, `compute` two of one each.
What has to be found is only the earlier state; a table finds it for each choice of advancing loops.

Blocks whose trip counts and targets are equal behave equally, so each distinct set of connected blocks runs once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from memsim.errors import ProgramError
from memsim.isa._token_code import Block, GroupCode, compile_kernel, points_in, specialise
from memsim.isa._token_errors import check_end
from memsim.isa._token_fold import Folder
from memsim.isa._token_net import Network, Sets
from memsim.isa.counting import ranges_of
from memsim.isa.model import Kernel
from memsim.isa.rewriting import substitute
from memsim.isa.sites import Site, group_where, placed

MAX_STEPS = 2_000_000
"""Steps of one set of connected blocks that are run, what folding skips left out."""
MAX_BLOCKS = 200_000
"""Blocks of one group that are looked at, those that only differ in coordinates without effect counted once."""


def check_tokens(sites: Sequence[Site], *, fold: bool = True) -> None:
    """Raise unless every ring of every block is produced by one queue, balanced, and never in a deadlock.

    Parameters
    ----------
    sites
        Every instruction of the program.
    fold
        Whether to skip periods; without it the run is the plain one (for tests).
    """
    for kernel in sites[0].program.kernels if sites else ():
        codes = compile_kernel(kernel, {(s.group.name, s.path): s for s in sites if s.kernel is kernel})
        seen: set[object] = set()
        for blocks in _connected_blocks(kernel, codes):
            key = _behaviour(codes, blocks)
            if key not in seen:
                seen.add(key)
                _run(kernel, codes, blocks, fold)


def _run(kernel: Kernel, codes: Sequence[GroupCode], blocks: Sequence[Block], fold: bool) -> None:
    network = Network(codes, blocks)
    if not _rests(network, fold):
        at = next((a for a in network.actors if not a.ended), network.actors[0])
        raise ProgramError(
            f"cannot decide whether the queues ever wait for each other: more than {MAX_STEPS:,} steps do not repeat "
            f"(queue {at.code.name} has come to {network.moment(at)})",
            where=placed([f"kernel {kernel.name}"], kernel),
            mend="make trip counts independent of outer counters, or shorten the outer loop",
        )
    check_end(network, kernel, lambda depths: _ends_well(Network(codes, blocks, depths), fold))


def _rests(network: Network, fold: bool) -> bool:
    """Run a network; whether it came to rest in time."""
    return all(
        network.run(actors, Folder(network, actors).observe if fold else _ignore, MAX_STEPS)
        for actors in network.parts()
    )


def _ends_well(network: Network, fold: bool) -> bool:
    return _rests(network, fold) and all(actor.ended for actor in network.actors)


def _ignore() -> None:
    """Observe nothing."""


# ---- which blocks to run together ----


def _behaviour(codes: Sequence[GroupCode], blocks: Sequence[Block]) -> object:
    """What decides the run of connected blocks: equal for blocks that differ in their coordinates alone."""
    number_of = {(block.group, block.coordinates): number for number, block in enumerate(blocks)}
    behaviour: list[object] = []
    for block in blocks:
        targets: list[object] = []
        for queue, aims in zip(codes[block.group].queues, block.targets, strict=True):
            for (_, group, _), target in zip(queue.transfers, aims, strict=True):
                if target is None or not all(start.is_constant for start, _ in target):
                    targets.append((target, block.coordinates if target else None))
                else:
                    # None where it never runs: a transfer in a loop of no rounds joins no blocks
                    targets.append(tuple(number_of.get((group, point)) for point in points_in(target, {})))
        behaviour.append((block.group, block.counts, tuple(targets)))
    return tuple(behaviour)


def _connected_blocks(kernel: Kernel, codes: Sequence[GroupCode]) -> Iterator[list[Block]]:
    """Sets of blocks that transfers join, enough of them to see every behaviour."""
    _check_count(kernel, codes)
    if kernel.cooperative and any(map(_talks, codes)):
        yield from _joined(codes, [block for code in codes for block in _all_blocks(code)])
        return
    for code in codes:
        if not _talks(code):
            for block in _distinct_blocks(code):
                yield [block]
            continue
        size = code.group.cluster_size
        blocks = _all_blocks(code)
        while cluster := list(itertools.islice(blocks, size)):
            yield from _joined(codes, cluster)


def _check_count(kernel: Kernel, codes: Sequence[GroupCode]) -> None:
    """Refuse kernels whose blocks differ in so many ways that looking at each would take minutes."""
    for code in codes:
        used = _coordinates_used(code)
        kinds = math.prod(size for name, size in code.group.grid if name in used or _talks(code))
        if kinds > MAX_BLOCKS:
            raise ProgramError(
                f"cannot look at {kinds:,} blocks whose trip counts or targets may all differ (at most {MAX_BLOCKS:,})",
                where=group_where(kernel, code.group),
                mend="use fewer blocks and loop in each, or trip counts that depend on fewer coordinates",
            )


def _coordinates_used(code: GroupCode) -> set[str]:
    """Variables that occur in trip counts."""
    return {name for queue in code.queues for loop in queue.loops for name in loop.count.variables()}


def _talks(code: GroupCode) -> bool:
    """Whether some transfer of the group names its target blocks."""
    return any(target is not None for targets in specialise(code, {}).targets for target in targets)


def _all_blocks(code: GroupCode) -> Iterator[Block]:
    for number in range(code.group.block_count):
        yield specialise(code, code.group.coordinates(number))


def _distinct_blocks(code: GroupCode) -> Iterator[Block]:
    """A block for each value of the coordinates that occur in trip counts."""
    used = _coordinates_used(code)
    choices = [range(size) if name in used else range(1) for name, size in code.group.grid]
    for point in itertools.product(*choices):
        yield specialise(code, {name: value for (name, _), value in zip(code.group.grid, point, strict=True)})


def _joined(codes: Sequence[GroupCode], blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Split blocks into sets between which no transfer goes."""
    number_of = {(block.group, block.coordinates): number for number, block in enumerate(blocks)}
    set_of = Sets(len(blocks))
    for number, block in enumerate(blocks):
        for other in _reached(codes, block):
            if other in number_of:
                set_of.join(number, number_of[other])
    sets: dict[int, list[Block]] = {}
    for number, block in enumerate(blocks):
        sets.setdefault(set_of.find(number), []).append(block)
    yield from sets.values()


def _reached(codes: Sequence[GroupCode], block: Block) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Every block that a transfer of ``block`` may fill, by group and coordinates."""
    code = codes[block.group]
    fixed = {name: value for (name, _), value in zip(code.group.grid, block.coordinates, strict=True)}
    for queue, targets in zip(code.queues, block.targets, strict=True):
        for (site, group, _), target in zip(queue.transfers, targets, strict=True):
            if target is None:
                continue
            ranges = ranges_of([(loop.var, substitute(loop.count, fixed)) for loop in site.loops])
            if ranges is None:
                continue
            spans = [(start.bounds(ranges), count) for start, count in target]
            sizes = [size for _, size in codes[group].group.grid]
            axes = [
                range(max(low, 0), min(high + count, size))
                for ((low, high), count), size in zip(spans, sizes, strict=True)
            ]
            yield from ((group, point) for point in itertools.product(*axes))
