"""Tell why a token run did not end well: unequal rates, or queues that wait for each other."""

from __future__ import annotations

from collections.abc import Callable

from memsim.errors import ProgramError
from memsim.isa._token_code import Op
from memsim.isa._token_net import DATA, Actor, Network
from memsim.isa.counting import sum_over
from memsim.isa.expr import Expr
from memsim.isa.model import Kernel
from memsim.isa.sites import describe, group_where, placed

_MAX_TOLD = 8
"""Queues of a deadlock that a message names."""
_MAX_DEEPER = 8
"""By how many slots rings are deepened, at most, to see whether that mends a deadlock."""


def check_end(network: Network, kernel: Kernel, deepen: Callable[[dict[tuple[int, int], int]], bool]) -> None:
    """Raise unless every queue has ended and every ring that is popped is empty.

    ``deepen`` says whether a run with the given ring depths, by (group, ring), would end well.
    """
    waiting = [actor for actor in network.actors if not actor.ended]
    if waiting:
        chain = _chain(network, waiting[0])
        last = chain[-1]
        if _is_lost(network, last):
            raise _starved(network, kernel, last)
        raise _deadlock(network, kernel, chain, waiting, deepen)
    for slot, fill in enumerate(network.fill):
        if fill:
            pushes = network.pushes[network.slot_ring[slot]]
            raise _unequal(network, kernel, slot, pushes, pushes - fill)


# ---- who waits for whom ----


def _chain(network: Network, actor: Actor) -> list[Actor]:
    """Actors of which each waits for the next: up to one that waits for an ended one, or round a whole circle."""
    chain = [actor]
    while True:
        following = _blocker(network, chain[-1])
        if following is None or following.ended:
            return chain
        if following in chain:
            return chain[chain.index(following) :]
        chain.append(following)


def _is_lost(network: Network, actor: Actor) -> bool:
    """Whether an actor waits for one that has ended, or for none at all."""
    following = _blocker(network, actor)
    return following is None or following.ended


def _blocker(network: Network, actor: Actor) -> Actor | None:
    """The actor for whose move ``actor`` waits: one that has not ended, if there is one."""
    wait = network.waits_for(actor)
    assert wait is not None
    kind, at = wait
    if kind != DATA:
        fullest = max(network.slots_of[at], key=lambda slot: network.fill[slot])
        return network.actors[network.consumer[fullest]]
    ring = network.slot_ring[at]
    if network.owner[ring] >= 0:
        return network.actors[network.owner[ring]]
    producers = [other for other in network.actors if _may_produce(network, other, ring)]
    return next((other for other in producers if not other.ended), producers[0] if producers else None)


def _may_produce(network: Network, actor: Actor, ring: int) -> bool:
    return any(_fills(network, actor, op, ring) for op in actor.code.ops)


def _fills(network: Network, actor: Actor, op: Op, ring: int) -> bool:
    """Whether ``op`` of ``actor`` fills ``ring``, or may fill it for some value of its counters."""
    if op.transfer < 0:
        return op.push >= 0 and actor.ring_base + op.push == ring
    aim = actor.aims[op.transfer]
    block, number = network.ring_of[ring]
    moving = aim.blocks is not None and actor.code.transfers[op.transfer][1:] == (network.blocks[block].group, number)
    return moving or ring in aim.rings


# ---- unequal rates ----


def _starved(network: Network, kernel: Kernel, actor: Actor) -> ProgramError:
    """The error of an actor that waits for one that has ended: the rates that they would have, could it go on."""
    kind, at = network.waits_for(actor) or (DATA, 0)
    if kind != DATA:
        slot = max(network.slots_of[at], key=lambda s: network.fill[s])
        pushes = _times(actor, lambda op: _fills(network, actor, op, at))
        return _unequal(network, kernel, slot, pushes, network.pushes[at] - network.fill[slot])
    pushes = network.pushes[network.slot_ring[at]]
    pops = _times(actor, lambda op: op.pop >= 0 and actor.slot_base + op.pop == at)
    if pushes != pops:
        return _unequal(network, kernel, at, pushes, pops)
    name = network.ring_name(network.slot_ring[at])
    return network.error(
        actor,
        f"ring {name} is read ahead beyond the last of its tiles ({pushes} in all)",
        "read only tiles that are still to be pushed, or push more",
    )


def _times(actor: Actor, chosen: Callable[[Op], bool]) -> int:
    """How often the chosen steps of an actor run, if nothing stops it."""
    loop_of = {loop: actor.counts[number] for number, loop in enumerate(actor.code.loops)}
    total = 0
    for op in actor.code.ops:
        if op.site is not None and chosen(op):
            nest = [(loop.var, _expr(loop_of[loop])) for loop in op.site.loops]
            total += sum_over(nest, where=op.site.where)
    return total


def _expr(count: int | Expr) -> Expr:
    return Expr(count) if isinstance(count, int) else count


def _unequal(network: Network, kernel: Kernel, slot: int, pushes: int, pops: int) -> ProgramError:
    ring = network.slot_ring[slot]
    name, block = network.ring_name(ring), network.ring_of[ring][0]
    queue = network.actors[network.consumer[slot]].code.name
    group = network.codes[network.blocks[block].group].group
    owner = network.owner[ring]
    by = f" by queue {network.actors[owner].code.name}" if owner >= 0 else ""
    return ProgramError(
        f"ring {name} is filled {_count(pushes)}{by}, and popped {_count(pops)} by queue {queue} "
        f"({network.block_text(block)})",
        where=group_where(kernel, group, f"ring {name}"),
        mend="make the trip counts around both equal; each consuming queue pops each tile once",
    )


def _count(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


# ---- deadlock ----


def _deadlock(
    network: Network,
    kernel: Kernel,
    circle: list[Actor],
    waiting: list[Actor],
    deepen: Callable[[dict[tuple[int, int], int]], bool],
) -> ProgramError:
    others = [actor for actor in waiting if actor not in circle]
    told = [_told(network, actor) for actor in [*circle, *others][:_MAX_TOLD]]
    more = len(waiting) - len(told)
    return ProgramError(
        f"deadlock: {'; '.join(told)}{f'; and {more} more' if more else ''}",
        where=placed([f"kernel {kernel.name}"], kernel),
        mend=_cure(network, circle, deepen),
    )


def _told(network: Network, actor: Actor) -> str:
    kind, at = network.waits_for(actor) or (DATA, 0)
    ring = network.slot_ring[at] if kind == DATA else at
    site = actor.op.site
    what = describe(site.instruction) if site is not None else "its end"
    place = f" ({site.instruction.place})" if site is not None and site.instruction.place else ""
    name, whose = network.ring_name(ring), network.ring_of[ring][0]
    of = "" if whose == actor.block else f" of {network.block_text(whose)}"
    if kind == DATA:
        state = f"a tile of ring {name}{of} ({network.fill[at]} resident, {network.pushes[ring]} pushed so far)"
    else:
        state = f"a free slot of ring {name}{of} (all {network.depth[ring]} full)"
    return f"queue {actor.code.name} ({network.moment(actor)}) waits at `{what}`{place} for {state}"


def _cure(network: Network, circle: list[Actor], deepen: Callable[[dict[tuple[int, int], int]], bool]) -> str:
    full = {at for kind, at in (network.waits_for(actor) or (DATA, 0) for actor in circle) if kind != DATA}
    rings = {(network.blocks[block].group, number): at for at in full for block, number in (network.ring_of[at],)}
    for more in range(1, _MAX_DEEPER + 1) if rings else ():
        depths = {key: network.depth[at] + more for key, at in rings.items()}
        if deepen(depths):
            deeper = " and ".join(f"ring {network.ring_name(at)} depth {depths[key]}" for key, at in rings.items())
            return f"give {deeper}"
    return "push what is waited for before waiting: no small ring depth breaks this circle"
