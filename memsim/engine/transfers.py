"""Transfers on their way: SimPy processes that lead a tile through memories, links and ports, cut through."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeAlias

import simpy

from memsim.engine.arbiter import Alarm, Arbiter, RequestKey, Serve
from memsim.engine.extents import Part
from memsim.engine.hardware import Hop, Route, memory_node, node_of
from memsim.engine.plan import Step
from memsim.engine.rings import RingState, Slot
from memsim.engine.running import Running
from memsim.isa.model import Gather, Load

Process: TypeAlias = Generator[simpy.Event, Any, None]
Parts: TypeAlias = tuple[Part, ...]
TailProcess: TypeAlias = Generator[simpy.Event, Any, int]


@dataclass(slots=True)
class Flight:
    """One transfer: what it does, from which core, and the slots that it reads and fills."""

    step: Step
    key: RequestKey
    core: int
    size: int
    done: Callable[[], None]
    """Called when the last byte has arrived everywhere."""
    source: tuple[RingState, Slot] | None = None
    targets: dict[int, list[tuple[RingState, Slot]]] = field(default_factory=dict)
    """Slots to fill, by the core that owns them."""
    leaving: int = 0
    """Parts whose last byte has yet to leave the core, where no port of the source memory has seen it off before."""


class TransferModel:
    """Starts the processes of transfers; ``tail``: the tick at which the last byte is where the head is now."""

    def __init__(self, env: simpy.Environment, arbiter: Arbiter, running: Running) -> None:
        self.env, self.arbiter, self.running = env, arbiter, running
        self.hardware = running.hardware
        self.memory_node = cache(partial(memory_node, self.hardware.chip))

    def start(self, flight: Flight, parts: Parts, begun: int) -> None:
        """Let a transfer go that the DMA engine has issued from tick ``begun``."""
        self.env.process(self._transfer(flight, parts, begun))

    def _transfer(self, flight: Flight, parts: Parts, begun: int) -> Process:
        step = flight.step
        head = begun + max(step.interval, step.latency)
        if flight.size and isinstance(step.instruction, (Load, Gather)) and parts:
            yield from self._load(flight, parts, head)
        else:
            yield from self._until(head)
            if flight.size and parts:
                yield from self._store(flight, parts)
            elif flight.size:
                yield from self._on_chip(flight)
        for slots in flight.targets.values():
            for ring, slot in slots:
                slot.arriving -= 1
                slot.ready_at = max(slot.ready_at, int(self.env.now))
                ring.release()
        self._release_source(flight)
        flight.done()

    # Between a core and a chip-wide memory ---------------------------------------------------------------------

    def _load(self, flight: Flight, parts: Parts, head: int) -> Process:
        nodes = tuple(node_of(core) for core in sorted(flight.targets))
        return self._together([self._load_part(flight, part, nodes, head) for part in parts])

    def _load_part(self, flight: Flight, part: Part, nodes: tuple[str, ...], head: int) -> Process:
        hardware, step, role = self.hardware, flight.step, flight.step.source_role
        port = hardware.first_port(role, flight.core) + part.port
        source = self.memory_node(role, port)
        request = hardware.route(node_of(flight.core), (source,)).latency  # the request is small: it takes latency only
        yield from self._until(head + request)

        def access(tick: int) -> tuple[int, int]:
            first, last, fetched = self.running.read(role, port, part, tick)
            self.running.counter.fetched[step.number][flight.core] += fetched
            return first, last

        key = (*flight.key, port)
        tail = yield self.arbiter.request(key, access)
        yield from self._deliver(flight, hardware.route(source, nodes), part.size, tail, key)

    def _store(self, flight: Flight, parts: Parts) -> Process:
        flight.leaving = len(parts)
        tail = yield from self._leave(flight)
        yield from self._together([self._store_part(flight, part, tail) for part in parts])

    def _store_part(self, flight: Flight, part: Part, tail: int) -> Process:
        hardware, step, role = self.hardware, flight.step, flight.step.target_role
        route = hardware.route(node_of(flight.core), (self.memory_node(role, part.port),))
        key = (*flight.key, part.port)
        tail = yield from self._pass_hops(flight, route, part.size, tail, key, at_source=True)

        def access(tick: int) -> tuple[int, None]:
            return max(self.running.write(role, part, tick), tail), None

        yield self.arbiter.request(key, access)
        self.running.pass_route(route, step.number, flight.core, part.size)

    # Between cores, and inside one -----------------------------------------------------------------------------

    def _on_chip(self, flight: Flight) -> Process:
        """Copy, send, and loads and stores of a core's own memory."""
        tail = yield from self._leave(flight)
        parts: list[Process] = []
        others = tuple(node_of(core) for core in sorted(flight.targets) if core != flight.core)
        if others:
            route = self.hardware.route(node_of(flight.core), others)
            flight.leaving = 1 if route.hops else len(route.forks)
            parts.append(self._deliver(flight, route, flight.size, tail, (*flight.key, 0)))
        if flight.step.target is None or flight.core in flight.targets:
            copies = len(flight.targets.get(flight.core, [None]))
            parts.append(self._enter(flight, flight.core, copies, flight.size, tail, (*flight.key, 1)))
        yield from self._together(parts)

    # Steps of the way --------------------------------------------------------------------------------------------

    def _leave(self, flight: Flight) -> TailProcess:
        """Read the source tile out of its memory; its slot is given back when the last byte has passed the port.

        Without a port that takes time, that is when the last byte has passed the first link.
        """
        memory, size = flight.step.source_role, flight.size
        tail = yield from self._through_port(memory, flight.core, size, int(self.env.now), flight.key)
        if self.hardware.port_ticks(memory, size):
            Alarm(self.env, tail - int(self.env.now), lambda _: self._release_source(flight))
        return tail

    def _left(self, flight: Flight) -> None:
        flight.leaving -= 1
        if not flight.leaving:
            self._release_source(flight)

    def _deliver(self, flight: Flight, route: Route, size: int, tail: int, key: RequestKey) -> Process:
        """Send bytes over a route or tree, and into the memories of the cores at its leaves."""
        self.running.pass_route(route, flight.step.number, flight.core, size)
        return self._fan_out(flight, route, size, tail, key, at_source=True)

    def _fan_out(
        self, flight: Flight, route: Route, size: int, tail: int, key: RequestKey, *, at_source: bool
    ) -> Process:
        tail = yield from self._pass_hops(flight, route, size, tail, key, at_source=at_source)
        if route.forks:
            first = at_source and not route.hops
            forks = enumerate(route.forks)
            ways = [self._fan_out(flight, fork, size, tail, (*key, i), at_source=first) for i, fork in forks]
            yield from self._together(ways)
        else:
            core = int(route.leaf.removeprefix("core"))
            yield from self._enter(flight, core, len(flight.targets[core]), size, tail, key)

    def _enter(self, flight: Flight, core: int, copies: int, size: int, tail: int, key: RequestKey) -> Process:
        """Write bytes into the target memory of a core, once for each block there that gets them."""
        memory = flight.step.target_role
        self.running.counter.entered[flight.step.number][core] += size * copies
        for _ in range(copies):
            tail = yield from self._through_port(memory, core, size, tail, key)
        yield from self._until(tail)

    def _through_port(self, memory: str, core: int, size: int, tail: int, key: RequestKey) -> TailProcess:
        service, latency = self.hardware.port_ticks(memory, size), self.hardware.port_latency[memory]
        if not service:
            yield from self._until(int(self.env.now) + latency)
            return tail + latency
        server = self.hardware.units[memory][core]
        tail = yield self.arbiter.request(key, self._pass(server, service, latency, tail))
        return tail

    def _pass_hops(
        self, flight: Flight, route: Route, size: int, tail: int, key: RequestKey, *, at_source: bool
    ) -> TailProcess:
        for i, hop in enumerate(route.hops):
            tail = yield self.arbiter.request(key, self._pass_hop(hop, size, tail))
            if i == 0 and at_source and flight.source is not None:
                gone = tail - hop.latency - int(self.env.now)
                Alarm(self.env, max(0, gone), lambda _: self._left(flight))
        return tail

    def _pass(self, server: int, service: int, latency: int, tail: int) -> Serve:
        """Pass a server: the head goes on a latency after service starts, the tail once it has come and been served."""

        def serve(tick: int) -> tuple[int, int]:
            start = self.running.serve(server, tick, service)
            return start + latency, max(start + service, tail) + latency

        return serve

    def _pass_hop(self, hop: Hop, size: int, tail: int) -> Serve:
        """The same of a link, whose service is a matter of bytes."""

        def serve(tick: int) -> tuple[int, int]:
            start, service = self.running.serve_bytes(hop, tick, size)
            return start + hop.latency, max(start + service, tail) + hop.latency

        return serve

    def _together(self, parts: list[Process]) -> Process:
        """Run parts of a transfer side by side, to the end of the last."""
        return parts[0] if len(parts) == 1 else self._side_by_side(parts)

    def _side_by_side(self, parts: list[Process]) -> Process:
        others = [self.env.process(part) for part in parts[1:]]
        yield from parts[0]
        yield from others

    def _until(self, tick: int) -> Process:
        if tick > self.env.now:
            yield self.env.timeout(tick - int(self.env.now))

    def _release_source(self, flight: Flight) -> None:
        if flight.source is not None:
            ring, slot = flight.source
            flight.source = None
            slot.reading -= 1
            ring.release()
