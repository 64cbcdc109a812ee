"""The readable engine: cores are SimPy processes, and an arbiter decides in the middle of each cycle which words move.

It is the specification; `fast` is its twin. A word asks for one resource at a time: the wires of a link, a scratchpad
or a port. The arbiter looks at resources from the sinks back to the sources, so that a buffer that is left in a cycle
can be entered in the same cycle; at each, the oldest word that can move does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import simpy

from memsim.locality.spatial.accesses import LOCAL, READ, RECV, SEND, Accesses
from memsim.locality.spatial.fast import Raw
from memsim.locality.spatial.machine import Machine
from memsim.locality.spatial.order import Order

Process: TypeAlias = Generator[simpy.Event, Any, None]

REQUESTS, RESPONSES = 0, 1
"""The two virtual networks: each has buffers of its own on every link, and they share its wires."""

VALUES, LINKS, SCRATCHPADS, PORTS = range(4)
"""Why a core waits."""

EAST, WEST, NORTH, SOUTH = range(4)
STEP = {EAST: (1, 0), WEST: (-1, 0), NORTH: (0, 1), SOUTH: (0, -1)}

Tile: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Wires:
    """One cycle of a link: leaving ``tile`` in a direction, part ``stage`` of the hop."""

    network: int
    tile: Tile
    direction: int
    stage: int


@dataclass
class Word:
    """A word on its way for a core."""

    core: int
    since: int
    read: bool
    place: Hashable = None
    """The buffer that it is in; None for a place of its own."""


@dataclass
class Request:
    """A word that asks to move."""

    word: Word
    resource: Hashable
    place: Hashable
    """The buffer that it will be in."""
    moved: simpy.Event


@dataclass
class Fabric:
    """Buffers and the arbiter of everything that words pass."""

    env: simpy.Environment
    machine: Machine
    holds: dict[Hashable, Word] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    words: dict[Hashable, int] = field(default_factory=lambda: defaultdict(int))
    stalls: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    def move(self, word: Word, resource: Hashable, place: Hashable = None) -> simpy.Event:
        """Ask for a resource to get to a place; the event fires in the cycle after the move."""
        moved = self.env.event()
        self.requests.append(Request(word, resource, place, moved))
        return moved

    def arbiter(self) -> Process:
        """Decide in the middle of each cycle; whoever moved goes on at its end."""
        while True:
            yield self.env.timeout(0.5)
            granted = self.decide()
            yield self.env.timeout(0.5)
            for request in granted:
                request.moved.succeed()

    def decide(self) -> list[Request]:
        """Grant what can be granted in this cycle."""
        asked: dict[Hashable, list[Request]] = defaultdict(list)
        for request in sorted(self.requests, key=lambda r: (r.word.since, r.word.core)):
            asked[request.resource].append(request)
        granted: list[Request] = []
        busy: set[Hashable] = set()
        for resource in sorted(asked, key=self.rank):
            wires = (resource.tile, resource.direction, resource.stage) if isinstance(resource, Wires) else None
            winner = None if wires in busy else next((r for r in asked[resource] if self.can_move(r)), None)
            if winner is not None:
                self.take(winner)
                granted.append(winner)
                busy |= {wires} if wires else set()
            for request in asked[resource]:
                if request is not winner:
                    self.stalls[request.word.core, cause(resource)] += 1
        self.requests = [r for r in self.requests if r not in granted]
        return granted

    def can_move(self, request: Request) -> bool:
        """Whether there is room where a word wants to go."""
        return request.place is None or request.place not in self.holds

    def take(self, request: Request) -> None:
        """Move a word."""
        word = request.word
        if word.place is not None:
            del self.holds[word.place]
        word.place = request.place
        if word.place is not None:
            self.holds[word.place] = word
        self.words[request.resource] += 1

    def rank(self, resource: Any) -> tuple[int, ...]:
        """Where a resource stands on the way from the sinks to the sources."""
        if not isinstance(resource, Wires):
            return (0,) if resource[0] == "port" else (2, resource[1]) if resource[0] == "scratchpad" else (4,)
        (x, y), way = resource.tile, resource.direction
        left = {EAST: self.machine.columns - x, WEST: x, NORTH: self.machine.rows - y, SOUTH: y}[way]
        along = x if way in (NORTH, SOUTH) else y
        return 1 if resource.network == RESPONSES else 3, int(way in (EAST, WEST)), way, along, left, -resource.stage


def cause(resource: Hashable) -> int:
    """Why a word that did not get a resource waits."""
    if isinstance(resource, Wires):
        return LINKS
    assert isinstance(resource, tuple)
    return PORTS if resource[0] == "port" else SCRATCHPADS


class Run:
    """A program on a machine."""

    def __init__(self, accesses: Accesses, order: Order, machine: Machine) -> None:
        self.accesses, self.order, self.machine = accesses, order, machine
        self.env = simpy.Environment()
        self.fabric = Fabric(self.env, machine)
        count = len(order.owners)
        self.starts, self.ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.done = [self.env.event() for _ in range(count)]

    def run(self) -> Raw:
        """To the end of the last core."""
        cores = [self.env.process(self.core(core)) for core in range(len(self.order.tiles))]
        self.env.process(self.fabric.arbiter())
        self.env.run(self.env.all_of(cores))
        return self.raw()

    def core(self, core: int) -> Process:
        """Execute the instructions of a core, one after another."""
        order, free, index = self.order, 0, int(self.order.heads[core])
        while index >= 0:
            others = order.before[order.first_before[index] : order.first_before[index + 1]]
            yield self.env.all_of([self.done[other] for other in others.tolist()])
            self.starts[index] = self.env.now
            self.fabric.stalls[core, VALUES] += int(self.env.now) - free
            for access in range(self.accesses.first[index], self.accesses.first[index + 1]):
                yield from self.access(core, access)
            self.ends[index] = free = int(self.env.now)
            self.done[index].succeed()
            index = int(order.following[index])

    def access(self, core: int, number: int) -> Process:
        """Move one word, or ask for one and wait for it."""
        kind, port = self.accesses.kinds[number], ("port", int(self.accesses.ports[number]))
        here, there = self.tile(self.order.tiles[core]), self.tile(self.accesses.tiles[number])
        scratchpad = ("scratchpad", there)
        word = Word(core, int(self.env.now), read=kind == READ)
        if kind == LOCAL:
            yield self.fabric.move(word, scratchpad)
        elif kind == READ:
            yield from self.travel(word, REQUESTS, here, there)
            yield self.fabric.move(word, scratchpad, ("way out", there))
            yield from self.travel(word, RESPONSES, there, here)
            self.release(word)
        elif kind == RECV:
            yield self.fabric.move(word, port)
            yield from self.travel(word, REQUESTS, (here[0], 0), here)
            yield self.fabric.move(word, scratchpad)
        elif kind == SEND:
            yield self.fabric.move(word, scratchpad)
            yield from self.travel(word, RESPONSES, here, (here[0], 0))
            yield self.fabric.move(word, port)
        else:
            yield self.fabric.move(word, ("router", core))
            yield from self.travel(word, REQUESTS, here, there)
            yield self.fabric.move(word, scratchpad)

    def travel(self, word: Word, network: int, here: Tile, there: Tile) -> Process:
        """Along x, then along y, one part of a link a cycle."""
        while here != there:
            if here[0] != there[0]:
                direction = EAST if there[0] > here[0] else WEST
            else:
                direction = NORTH if there[1] > here[1] else SOUTH
            for stage in range(self.machine.hop):
                wires = Wires(network, here, direction, stage)
                yield self.fabric.move(word, wires, wires)  # into the buffer at the end of the wires
            here = here[0] + STEP[direction][0], here[1] + STEP[direction][1]

    def release(self, word: Word) -> None:
        """The core takes a response out of the network."""
        del self.fabric.holds[word.place]

    def tile(self, number: int) -> Tile:
        """Column and row of a tile."""
        return int(number) % self.machine.columns, int(number) // self.machine.columns

    def raw(self) -> Raw:
        """The counts as arrays."""
        machine, fabric = self.machine, self.fabric
        stalls = np.zeros((len(self.order.tiles), 4), np.int64)
        for (core, why), cycles in fabric.stalls.items():
            stalls[core, why] = cycles
        links = np.zeros(4 * machine.tiles, np.int64)
        scratchpads, ports = np.zeros(machine.tiles, np.int64), np.zeros(machine.columns, np.int64)
        for resource, count in fabric.words.items():
            if isinstance(resource, Wires):
                x, y = resource.tile
                links[resource.direction * machine.tiles + x + machine.columns * y] += count * (resource.stage == 0)
            elif isinstance(resource, tuple) and resource[0] == "port":
                ports[resource[1]] = count
            elif isinstance(resource, tuple) and resource[0] == "scratchpad":
                x, y = resource[1]
                scratchpads[x + machine.columns * y] = count
        return Raw(self.starts, self.ends, stalls, links, scratchpads, ports)


def run(accesses: Accesses, order: Order, machine: Machine) -> Raw:
    """Run a program with SimPy."""
    return Run(accesses, order, machine).run()
