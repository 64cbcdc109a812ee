"""The discrete-event model in SimPy: the readable specification of time.

Each queue of each resident block is a process, and so is each transfer in flight. Hardware is asked for through the
`Arbiter`, which serves all requests of a tick together, after every completion of that tick, oldest key first: so no
result depends on the order in which processes happen to be resumed. See ``docs/engine.md`` for the rules.
"""

from __future__ import annotations

import gc
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import simpy

from memsim.engine.arbiter import Arbiter, Serve
from memsim.engine.cached import Cached
from memsim.engine.extents import Extents
from memsim.engine.hardware import Hardware
from memsim.engine.plan import GroupPlan, KernelPlan, LoopNode, Node, Plan, Step
from memsim.engine.residency import Residency
from memsim.engine.rings import RingState, Wait
from memsim.engine.running import Running
from memsim.engine.servers import BUSY
from memsim.engine.tally import KernelRun, Run
from memsim.engine.tracing import Filter, TraceWindow
from memsim.engine.transfers import Flight, Process, TransferModel
from memsim.isa.model import Mma

TraceRow: TypeAlias = tuple[int, int, int, str, Step, int, int, int, int]
"""(kernel, block, core, queue, step, first tick, last tick, bytes, sequence in the queue)."""

Targets: TypeAlias = list[tuple[int, RingState]]
"""The rings that a transfer fills, each with the core that owns it."""

PROGRESS_EVERY = 1000
"""Instructions between two calls of the progress function."""


@dataclass(slots=True)
class Block:
    """A resident block: its core, counters' first values, ring instances and unfinished work."""

    number: int
    core: int
    plan: GroupPlan
    coordinates: list[int]
    rings: list[RingState]
    unfinished: int = 0
    """Queues that still run, transfers still in flight, and one until the block has been started."""


@dataclass(slots=True)
class QueueState:
    """One queue of one block: its place in the order of requests and its transfers in flight."""

    block: Block
    number: int
    name: str
    sequence: int = 0
    transfers: int = 0
    bytes: int = 0
    freed: simpy.Event | None = None
    """Fires when a transfer of this queue has ended, if the queue waits for that."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Collect cyclic garbage rarely: a run makes millions of short-lived events and next to no cycles."""
    thresholds = gc.get_threshold()
    gc.set_threshold(200_000, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


class SimpyEngine:
    """Runs one `Plan`; afterwards the public attributes hold what happened."""

    def __init__(
        self,
        plan: Plan,
        *,
        trace: TraceWindow | None = None,
        progress: Callable[[int], None] | None = None,
        env: simpy.Environment | None = None,
        cached: Cached = (),
    ) -> None:
        self.plan, self.chip = plan, plan.chip
        self.hardware = Hardware(plan)
        self.running = Running(self.hardware, cached)
        self.extents = Extents(self.hardware)
        self.env = env or simpy.Environment()
        self.arbiter = Arbiter(self.env)
        self.transfers = TransferModel(self.env, self.arbiter, self.running)
        self.stalls: dict[tuple[str, str], int] = defaultdict(int)
        self.trace: list[TraceRow] | None = None if trace is None else []
        self._traces = Filter(trace or TraceWindow(), self.chip)
        self.kernels: list[KernelRun] = []
        self.progress = progress
        self.executed = 0
        self._blocks: dict[int, Block] = {}
        self._ended: deque[Block] = deque()
        self._one_ended = self.env.event()
        self._kernel = 0
        self._limits = (self.chip.core.dma.max_transfers, self.chip.core.dma.max_bytes)

    def run(self) -> Run:
        """Run every kernel; the run ends with the last one, and when all that it wrote back has reached the DRAM."""
        main = self.env.process(self._kernels())
        with rare_collection():
            self.env.run(until=main)
        running = self.running
        return Run(
            max(int(self.env.now), running.drained_at()),
            self.kernels,
            running.servers[:, BUSY].tolist(),
            running.link_bytes,
            running.bank_busy(),
            dict(self.stalls),
            running.final_write_back(),
            self.trace,
        )

    # Kernels and blocks --------------------------------------------------------------------------------------

    def _kernels(self) -> Process:
        launch = self.chip.ticks_of(self.chip.launch)
        for number, kernel in enumerate(self.plan.kernels):
            begun = int(self.env.now)
            self._kernel = number
            self.extents = Extents(self.hardware)
            self.running.begin_kernel(len(kernel.steps))
            yield self.env.timeout(launch)
            yield from self._run_kernel(kernel)
            self.kernels.append(KernelRun(number, begun, int(self.env.now), self.running.finish_kernel()))

    def _run_kernel(self, plan: KernelPlan) -> Process:
        residency = Residency(plan)
        total = plan.kernel.block_count
        done = 0
        starting = residency.enter(range(plan.cores))
        while done < total:
            self._one_ended = self.env.event()
            for cluster in starting:
                self._start(residency, cluster)
            if not self._ended:
                yield self._one_ended
            cores = []
            while self._ended:
                block = self._ended.popleft()
                del self._blocks[block.number]
                residency.leave(block.number)
                cores.append(block.core)
                done += 1
            starting = residency.enter(sorted(cores))

    def _start(self, residency: Residency, cluster: list[int]) -> None:
        blocks = []
        for number in cluster:
            plan = residency.group_of(number)
            owners = zip(plan.group.rings, plan.writers, plan.consumers, strict=True)
            rings = [RingState(ring, writer, consumers, self.env) for ring, writer, consumers in owners]
            coordinates = list(plan.group.coordinates(number - plan.first_block).values())
            block = Block(number, residency.core_of(number), plan, coordinates, rings, len(plan.queues) + 1)
            self._blocks[number] = block
            blocks.append(block)
        for block in blocks:
            for i, queue in enumerate(block.plan.queues):
                self.env.process(self._queue(QueueState(block, i, queue.name), queue.body))
            self._finish_work(block)

    def _finish_work(self, block: Block) -> None:
        block.unfinished -= 1
        if not block.unfinished:
            self._ended.append(block)
            if not self._one_ended.triggered:
                self._one_ended.succeed()

    # Queues --------------------------------------------------------------------------------------------------

    def _queue(self, queue: QueueState, body: tuple[Node, ...]) -> Process:
        start = self.chip.ticks_of(self.chip.block_start)
        if start:
            yield self.env.timeout(start)
        block = queue.block
        counters = block.coordinates + [0] * (block.plan.counters - len(block.coordinates))
        executions = self.running.counter.executions
        for step in _walk(body, counters):
            queue.sequence += 1
            self._count()
            executions[step.number][block.core] += 1
            if step.unit == "dma":
                yield from self._issue_transfer(queue, step, counters)
            elif step.unit:
                yield from self._issue_compute(queue, step)
            elif step.operation == "push":
                block.rings[step.ring].push()
            else:
                ring = block.rings[step.ring]
                while (wait := ring.wait_to_pop(queue.number)) is not None:
                    yield from self._wait(queue, step, wait)
                ring.pop(queue.number)
        self._finish_work(block)

    def _count(self) -> None:
        self.executed += 1
        if self.progress and self.executed % PROGRESS_EVERY == 0:
            self.progress(self.executed)

    def _spent(self, queue: QueueState, doing: str, ticks: int) -> None:
        if ticks:
            self.stalls[queue.name, doing] += ticks

    def _wait(self, queue: QueueState, step: Step, wait: Wait) -> Process:
        reason, ring, tick = wait
        begun = int(self.env.now)
        if tick >= 0:
            yield self.env.timeout(tick - begun)
        elif ring is not None:
            yield ring.changed()
        else:
            queue.freed = self.env.event()
            yield queue.freed
        self._spent(queue, reason, int(self.env.now) - begun)

    def _key(self, queue: QueueState) -> tuple[int, ...]:
        return (self._kernel, queue.block.number, queue.number, queue.sequence)

    # Compute -------------------------------------------------------------------------------------------------

    def _issue_compute(self, queue: QueueState, step: Step) -> Process:
        block, now = queue.block, self.env
        while (wait := self._blocked_compute(queue, step)) is not None:
            yield from self._wait(queue, step, wait)
        target = block.rings[step.writes]
        slot = target.open or target.open_back()
        asked = int(now.now)
        hardware, core = self.hardware, block.core
        unit = hardware.units[step.unit][core]

        def use_unit(tick: int) -> tuple[int, int]:
            start = self.running.serve(unit, tick, step.interval)
            return (start if step.ports else start + step.interval), start

        begun = yield self.arbiter.request(self._key(queue), use_unit)
        ports = [self._use_port(hardware.units[name][core], ticks, step.interval) for name, ticks in step.ports]
        yield from [self.arbiter.request(self._key(queue), port) for port in ports]
        ended = int(now.now)
        slot.ready_at = max(slot.ready_at, ended + step.latency)
        slot.by_mma = isinstance(step.instruction, Mma)
        self._spent(queue, f"waiting for the {step.unit} unit", begun - asked)
        self._spent(queue, "working", step.interval)
        self._spent(queue, "waiting for a memory port", ended - begun - step.interval)
        if self.trace is not None:
            self._record(queue, step, begun, 0, queue.sequence)

    def _use_port(self, port: int, ticks: int, interval: int) -> Serve:
        """Take a port from the moment the unit starts; go on when both have ended."""

        def serve(tick: int) -> tuple[int, None]:
            return max(self.running.serve(port, tick, ticks) + ticks, tick + interval), None

        return serve

    def _blocked_compute(self, queue: QueueState, step: Step) -> Wait | None:
        rings, now = queue.block.rings, int(self.env.now)
        for ring, ahead in step.reads:
            wait = rings[ring].wait_to_read(queue.number, ahead, now)
            if wait is not None:
                return wait
        return rings[step.writes].wait_to_write(now, step.accumulates)

    # Transfers -----------------------------------------------------------------------------------------------

    def _issue_transfer(self, queue: QueueState, step: Step, counters: list[int]) -> Process:
        block = queue.block
        targets = self._targets(block, step, counters)
        extent = self.extents.of(step, counters, queue.sequence)
        size = extent.size
        while (wait := self._blocked_transfer(queue, step, targets, size)) is not None:
            yield from self._wait(queue, step, wait)
        flight = self._take_slots(queue, step, targets, size)
        dma = self.hardware.units["dma"][block.core]
        asked = int(self.env.now)

        def use_dma(tick: int) -> tuple[int, int]:
            start = self.running.serve(dma, tick, step.interval)
            return start + step.interval, start

        begun = yield self.arbiter.request(flight.key, use_dma)
        self._spent(queue, "waiting for the dma engine", begun - asked)
        self._spent(queue, "working", step.interval)
        if self.trace is not None:
            flight.done = self._traced(queue, step, begun, size, flight.done)
        self.transfers.start(flight, extent.parts, begun)

    def _take_slots(self, queue: QueueState, step: Step, targets: Targets, size: int) -> Flight:
        block = queue.block

        def done() -> None:
            queue.transfers -= 1
            queue.bytes -= size
            if queue.freed is not None and not queue.freed.triggered:
                queue.freed.succeed()
            self._finish_work(block)

        flight = Flight(step, self._key(queue), block.core, size, done)
        if step.reads:
            number, ahead = step.reads[0]
            ring = block.rings[number]
            slot = ring.slot(queue.number, ahead)
            slot.reading += 1
            flight.source = ring, slot
        for core, ring in targets:
            slot = ring.open_back()
            ring.push()
            slot.arriving += 1
            flight.targets.setdefault(core, []).append((ring, slot))
        queue.transfers += 1
        queue.bytes += size
        block.unfinished += 1
        counter = self.running.counter
        counter.moved[step.number][block.core] += size
        counter.empty[step.number] |= not size
        return flight

    def _traced(
        self, queue: QueueState, step: Step, begun: int, size: int, done: Callable[[], None]
    ) -> Callable[[], None]:
        sequence = queue.sequence

        def record() -> None:
            self._record(queue, step, begun, size, sequence)
            done()

        return record

    def _record(self, queue: QueueState, step: Step, begun: int, size: int, sequence: int) -> None:
        """Note an instruction that ends now, if it lies in the window that is traced."""
        assert self.trace is not None
        block, now = queue.block, int(self.env.now)
        if self._traces(block.core, begun, now):
            self.trace.append((self._kernel, block.number, block.core, queue.name, step, begun, now, size, sequence))

    def _blocked_transfer(self, queue: QueueState, step: Step, targets: Targets, size: int) -> Wait | None:
        now = int(self.env.now)
        for ring, ahead in step.reads:
            wait = queue.block.rings[ring].wait_to_read(queue.number, ahead, now)
            if wait is not None:
                return wait
        for _, target in targets:
            wait = target.wait_to_open()
            if wait is not None:
                return wait
        most, most_bytes = self._limits
        if queue.transfers >= most or (queue.transfers and queue.bytes + size > most_bytes):
            return "waiting for a transfer to end (limit in flight)", None, -1
        return None

    def _targets(self, block: Block, step: Step, counters: list[int]) -> Targets:
        target = step.target
        if target is None:
            return []
        if target.blocks is None:
            return [(block.core, block.rings[target.ring])]
        group = next(g for g in self.plan.kernels[self._kernel].groups if g.group.name == target.group)
        ranges = [range(start(counters), start(counters) + count) for start, count in target.blocks]
        owners = [self._blocks[group.first_block + group.group.block_index(at)] for at in product(*ranges)]
        return [(owner.core, owner.rings[target.ring]) for owner in owners]


def _walk(body: tuple[Node, ...], counters: list[int]) -> Iterator[Step]:
    for node in body:
        if isinstance(node, LoopNode):
            for value in range(node.count(counters)):
                counters[node.variable] = value
                yield from _walk(node.body, counters)
        else:
            yield node
