"""Run the tokens of a woven text again, to see that the rings allow it as it is written."""

from __future__ import annotations

from collections.abc import Sequence

from memsim.webgpu.tokens import Cycle, Node, Step, Tokens


def replay(body: Sequence[Node], tokens: Tokens) -> bool:
    """Whether the tokens allow a woven text as it is; changes them."""
    for node in body:
        if isinstance(node, Step):
            if tokens.plan(tokens.rings.actors[node.actor], node.instruction) != node:
                return False
            tokens.fire(node)
        elif not _replay_cycle(node, tokens):
            return False
    return True


def _replay_cycle(cycle: Cycle, tokens: Tokens) -> bool:
    """Run the first trip and the last: what a trip needs of the fills lies between what these two need."""
    before = tokens.copy()
    if not replay(cycle.body, tokens):
        return False
    change, trips = tokens.change(before), cycle.count.const if cycle.count.is_constant else None
    if not change and tokens.same_open(before):
        return True
    if trips is None:
        return False
    if trips > 1:
        opened = tokens.copy()
        last = tokens.advanced(change, trips - 2)
        start = last.copy()
        if not replay(cycle.body, last) or not last.same_open(opened) or last.change(start) != change:
            return False
        tokens.fill, tokens.open = last.fill, last.open
    return True
