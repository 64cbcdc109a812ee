"""The compiled engine: one pass over the words on their way for each cycle; the twin of `simpy_engine`.

A core has at most one word on its way, so words are numbered as cores are. The list of words is kept in the order of
their age, which makes the first that asks for a resource the one that gets it. Whether a link may pass a word on
depends on whether the word in the buffer at its end leaves it in the same cycle: chains of such questions are followed
to their end; routes along x, then y, have no circles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from memsim.compiled import bare, bare_inlined, compiled
from memsim.locality.shells import Array
from memsim.locality.spatial.accesses import Accesses
from memsim.locality.spatial.machine import Machine
from memsim.locality.spatial.order import Order

# Columns of a word's state.
_INSTRUCTION, _ACCESS, _KIND, _X, _Y, _TO_X, _TO_Y, _PORT, _WANTS, _PLACE, _READY_FROM, _FIELDS = range(12)
# Columns of a resource's state; a buffer has the number of the link before it, a tile's way out that of its scratchpad.
_ASKED_AT, _WINNER, _DECIDED_AT, _MOVED_AT, _HOLDS, _RESOURCE_FIELDS = range(6)
_INJECT = -2
"""In place of a resource: the word goes from its core to the router, which nothing hinders."""

_VALUES, _LINKS, _SCRATCHPADS, _PORTS = range(4)


class Raw(NamedTuple):
    """What an engine finds out.

    Attributes
    ----------
    starts, ends
        Cycle in which each instruction begins, and that after its last: ``(m,)`` int64.
    stalls
        Cycles in which each core waited for values, links, scratchpads and ports: ``(c, 4)`` int64.
    link_words, scratchpad_words, port_words
        Words through each link (direction east, west, north, south; tile), scratchpad and port, int64.
    """

    starts: Array
    ends: Array
    stalls: Array
    link_words: Array
    scratchpad_words: Array
    port_words: Array


class _Sizes(NamedTuple):
    columns: int
    tiles: int
    hop: int
    links: int
    scratchpads: int
    ports: int


class _Program(NamedTuple):
    first: Array
    kinds: Array
    to: Array
    ports: Array
    owners: Array
    tiles: Array
    heads: Array
    following: Array
    first_after: Array
    after: Array


class _State(NamedTuple):
    words: Array
    resources: Array
    waits: Array
    active: Array
    fresh: Array


def run(accesses: Accesses, order: Order, machine: Machine) -> Raw:
    """Run a program cycle by cycle."""
    links, tiles, count, cores = 4 * machine.tiles * machine.hop, machine.tiles, len(order.owners), len(order.tiles)
    sizes = _Sizes(machine.columns, tiles, machine.hop, links, 2 * links, 2 * links + tiles)
    program = _Program(
        *(accesses.first, accesses.kinds, accesses.tiles, accesses.ports),
        *(order.owners, order.tiles, order.heads, order.following, order.first_after, order.after),
    )
    state = _State(
        words=np.zeros((cores, _FIELDS), np.int64),
        resources=np.full((sizes.ports + machine.columns, _RESOURCE_FIELDS), -1, np.int64),
        waits=np.diff(order.first_before),
        active=np.empty(2 * cores, np.int64),
        fresh=np.empty(cores, np.int64),
    )
    raw = Raw(
        starts=np.empty(count, np.int64),
        ends=np.empty(count, np.int64),
        stalls=np.zeros((cores, 4), np.int64),
        link_words=np.zeros(4 * tiles, np.int64),
        scratchpad_words=np.zeros(tiles, np.int64),
        port_words=np.zeros(machine.columns, np.int64),
    )
    _run(program, state, raw, sizes)
    return raw


@compiled
def _run(program: _Program, state: _State, raw: Raw, sizes: _Sizes) -> None:
    many, new, now = 0, 0, 0
    for core in range(len(program.heads)):
        head = program.heads[core]
        state.words[core, _INSTRUCTION], state.words[core, _ACCESS] = head, program.first[head]
        if state.waits[head] == 0:
            state.fresh[new] = core
            new += 1
    while new + many > 0:
        state.fresh[:new].sort()
        many = _set_out(program, state, raw, sizes, many, new, now)
        _decide(state.words, state.resources, state.active[:many], now, sizes)
        now += 1
        many, new = _go_on(program, state, raw, sizes, many, now)


@bare
def _set_out(program: _Program, state: _State, raw: Raw, sizes: _Sizes, many: int, new: int, now: int) -> int:
    """Begin the accesses of this cycle: the youngest words, by core; returns how many words are on their way."""
    for k in range(new):
        core = state.fresh[k]
        word = state.words[core]
        at, index = word[_ACCESS], word[_INSTRUCTION]
        if at == program.first[index]:
            raw.starts[index] = now
            raw.stalls[core, _VALUES] += now - word[_READY_FROM]
        _begin(word, program.kinds[at], program.tiles[core], program.to[at], program.ports[at], sizes)
        state.active[many + k] = core
    return many + new


@bare
def _go_on(program: _Program, state: _State, raw: Raw, sizes: _Sizes, many: int, now: int) -> tuple[int, int]:
    """Move the words that do; returns how many are still on their way, and how many cores begin an access."""
    kept, new = 0, 0
    for k in range(many):
        core = state.active[k]
        word = state.words[core]
        wants, over = word[_WANTS], False
        if wants == _INJECT or _moves(state.words, state.resources, core, now - 1):
            _tally(wants, raw.link_words, raw.scratchpad_words, raw.port_words, sizes)
            over = _advance(word, core, state.resources, program.tiles[core], sizes)
        else:
            raw.stalls[core, _cause(wants, sizes)] += 1
        if not over:
            state.active[kept] = core
            kept += 1
            continue
        word[_ACCESS] += 1
        if word[_ACCESS] < program.first[word[_INSTRUCTION] + 1]:
            state.fresh[new] = core
            new += 1
        else:
            new = _finish(program, state, raw, core, new, now)
    return kept, new


@bare_inlined
def _finish(program: _Program, state: _State, raw: Raw, core: int, new: int, now: int) -> int:
    """End a core's instruction: others that waited for it may begin, and its next one."""
    word = state.words[core]
    done = word[_INSTRUCTION]
    raw.ends[done] = word[_READY_FROM] = now
    for edge in range(program.first_after[done], program.first_after[done + 1]):
        other = program.after[edge]
        state.waits[other] -= 1
        if state.waits[other] == 0 and state.words[program.owners[other], _INSTRUCTION] == other:
            state.fresh[new] = program.owners[other]
            new += 1
    following = program.following[done]
    word[_INSTRUCTION] = following
    if following >= 0:
        word[_ACCESS] = program.first[following]
        if state.waits[following] == 0:
            state.fresh[new] = core
            new += 1
    return new


@bare_inlined
def _begin(word: Array, kind: int, tile: int, to: int, port: int, sizes: _Sizes) -> None:
    """Set out on an access from a core's tile."""
    word[_KIND], word[_PLACE], word[_PORT] = kind, -1, sizes.ports + port
    word[_X], word[_Y] = tile % sizes.columns, tile // sizes.columns
    word[_TO_X], word[_TO_Y] = to % sizes.columns, to // sizes.columns
    if kind == 1:
        word[_WANTS] = _onward(word, 0, sizes)
    elif kind == 2:
        word[_WANTS] = _INJECT
    elif kind == 3:
        word[_WANTS] = word[_PORT]
        word[_Y] = 0
    else:
        word[_WANTS] = sizes.scratchpads + tile
        if kind == 4:
            word[_TO_Y] = 0


@bare_inlined
def _link(word: Array, sizes: _Sizes) -> int:
    """The link that leads on from a tile, along x before y, as a number without its network."""
    way = 2 if word[_TO_Y] > word[_Y] else 3
    if word[_X] != word[_TO_X]:
        way = 0 if word[_TO_X] > word[_X] else 1
    return int((way * sizes.tiles + word[_Y] * sizes.columns + word[_X]) * sizes.hop)


@bare_inlined
def _cause(wants: int, sizes: _Sizes) -> int:
    """What a word waits for, as a column of the stalls."""
    if wants >= sizes.ports:
        return 3
    return 2 if wants >= sizes.scratchpads else 1


@bare_inlined
def _tally(wants: int, links: Array, scratchpads: Array, ports: Array, sizes: _Sizes) -> None:
    """Count a word that moves."""
    if wants >= sizes.ports:
        ports[wants - sizes.ports] += 1
    elif wants >= sizes.scratchpads:
        scratchpads[wants - sizes.scratchpads] += 1
    elif wants >= 0 and wants % sizes.hop == 0:
        links[wants % sizes.links // sizes.hop] += 1


@bare_inlined
def _decide(words: Array, resources: Array, active: Array, now: int, sizes: _Sizes) -> None:
    """Which words move in this cycle: responses, then scratchpads, then requests."""
    for core in active:
        wants = words[core, _WANTS]
        if wants >= 0 and not sizes.scratchpads <= wants < sizes.ports:
            _ask(resources, wants, core, now)
            if wants >= sizes.ports:
                resources[wants, _MOVED_AT] = now
    for core in active:
        if sizes.links <= words[core, _WANTS] < sizes.scratchpads:
            _follow(words, resources, words[core, _WANTS], now, sizes)
    for core in active:
        wants = words[core, _WANTS]
        if sizes.scratchpads <= wants < sizes.ports and resources[wants, _ASKED_AT] != now:
            holds = resources[wants, _HOLDS]
            if words[core, _KIND] != 1 or holds < 0 or _moves(words, resources, holds, now):
                _ask(resources, wants, core, now)
                resources[wants, _MOVED_AT] = now
    for core in active:
        if 0 <= words[core, _WANTS] < sizes.links:
            _follow(words, resources, words[core, _WANTS], now, sizes)


@bare_inlined
def _ask(resources: Array, wants: int, core: int, now: int) -> None:
    """Ask for a resource; the first in a cycle, who is the oldest, gets it."""
    if resources[wants, _ASKED_AT] != now:
        resources[wants, _ASKED_AT], resources[wants, _WINNER] = now, core


@bare_inlined
def _moves(words: Array, resources: Array, core: int, now: int) -> bool:
    """Whether it is decided that a word moves in this cycle."""
    wants = words[core, _WANTS]
    return bool(resources[wants, _MOVED_AT] == now and resources[wants, _WINNER] == core)


@bare_inlined
def _follow(words: Array, resources: Array, link: int, now: int, sizes: _Sizes) -> None:
    """Decide on a link, and on those behind it that it depends on."""
    at, moves = link, False
    while True:
        if resources[at, _DECIDED_AT] == now:
            moves = resources[at, _MOVED_AT] == now
            break
        if at < sizes.links and resources[at + sizes.links, _MOVED_AT] == now:  # a response takes the wires
            break
        holds = resources[at, _HOLDS]
        if holds < 0:
            moves = True
            break
        wants = words[holds, _WANTS]
        if resources[wants, _ASKED_AT] != now or resources[wants, _WINNER] != holds:
            break
        if wants >= sizes.scratchpads:
            moves = True
            break
        at = wants
    last, at = at, link
    while True:
        resources[at, _DECIDED_AT] = now
        if moves:
            resources[at, _MOVED_AT] = now
        if at == last:
            break
        at = words[resources[at, _HOLDS], _WANTS]


@bare_inlined
def _advance(word: Array, core: int, resources: Array, tile: int, sizes: _Sizes) -> bool:
    """Move a word by one step; returns whether its access is over."""
    wants, kind = word[_WANTS], word[_KIND]
    if word[_PLACE] >= 0 and resources[word[_PLACE], _HOLDS] == core:
        resources[word[_PLACE], _HOLDS] = -1
    word[_PLACE] = -1
    if wants == _INJECT:
        word[_WANTS] = _onward(word, 0, sizes)
    elif wants >= sizes.ports:
        if kind == 4:
            return True
        word[_WANTS] = _onward(word, 0, sizes)
    elif wants >= sizes.scratchpads:
        if kind != 1 and kind != 4:
            return True
        if kind == 1:  # back from the tile's way out
            word[_PLACE] = wants
            resources[wants, _HOLDS] = core
            word[_TO_X], word[_TO_Y] = tile % sizes.columns, tile // sizes.columns
        word[_WANTS] = _onward(word, sizes.links, sizes)
    else:
        return _hop(word, core, resources, wants, sizes)
    return False


@bare_inlined
def _hop(word: Array, core: int, resources: Array, wants: int, sizes: _Sizes) -> bool:
    """Move a word into the buffer at the end of a link; returns whether that ends its access."""
    link = wants % sizes.links
    if link % sizes.hop < sizes.hop - 1:
        word[_WANTS] = wants + 1
    else:
        way = link // sizes.hop // sizes.tiles
        if way < 2:
            word[_X] += 1 - 2 * way
        else:
            word[_Y] += 5 - 2 * way
        back = wants >= sizes.links
        if back and word[_KIND] == 1 and word[_X] == word[_TO_X] and word[_Y] == word[_TO_Y]:
            return True
        word[_WANTS] = _onward(word, sizes.links if back else 0, sizes)
    word[_PLACE] = wants
    resources[wants, _HOLDS] = core
    return False


@bare_inlined
def _onward(word: Array, network: int, sizes: _Sizes) -> int:
    """What a word wants at the tile that it has come to."""
    if word[_X] != word[_TO_X] or word[_Y] != word[_TO_Y]:
        return network + _link(word, sizes)
    if word[_KIND] == 4:
        return int(word[_PORT])
    return int(sizes.scratchpads + word[_Y] * sizes.columns + word[_X])
