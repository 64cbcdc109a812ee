"""The compiled engine: the same answer as `memsim.engine.simpy_engine`, from jitted code on arrays.

Python prepares each kernel's tables and arrays, calls `run_until` again and again, and does what compiled code cannot:
find routes, enlarge arrays, take the rows of the trace, tell the progress. A key press of Ctrl-C is seen between calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.flows import LENGTHS
from memsim.engine.fast.loop import FINISHED, FULL, STUCK, UNKNOWN_ROUTE, begin_kernel, run_until
from memsim.engine.fast.machine import ENDLESS, TRACE_ROWS, Lasting, Places, enlarge, make_machine
from memsim.engine.fast.program import Flat, Flattener
from memsim.engine.hardware import Hardware, bank_count
from memsim.engine.memory import lines_by_age, owner
from memsim.engine.plan import KernelPlan, Plan
from memsim.engine.servers import BUSY, BYTES, FIRST, Array
from memsim.engine.tally import KernelRun, RouteFlows, Run, Tally
from memsim.engine.tracing import Filter, TraceWindow

CHUNK = 1 << 18
"""Instructions between two looks at the clock, the progress bar and the keyboard."""


class FastEngine:
    """Runs one `Plan`."""

    def __init__(
        self,
        plan: Plan,
        *,
        trace: TraceWindow | None = None,
        fold: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.plan, self.chip, self.fold, self.progress = plan, plan.chip, fold, progress
        self.hardware = Hardware(plan)
        self.lasting = Lasting.of(self.hardware)
        self.trace: list[Any] | None = None if trace is None else []
        self._window = Filter(trace or TraceWindow(), self.chip)
        self.stalls: dict[tuple[str, str], int] = defaultdict(int)
        self.kernels: list[KernelRun] = []
        self.executed = 0
        self.now = 0
        self._flat: dict[int, Flat] = {}

    def run(self) -> Run:
        """Run every kernel; the run ends with the last one, and when all that it wrote back has reached the DRAM."""
        launch = self.chip.ticks_of(self.chip.launch)
        for number, kernel in enumerate(self.plan.kernels):
            begun = self.now
            self.now += launch
            tally = self._run_kernel(number, kernel)
            self.kernels.append(KernelRun(number, begun, self.now, tally))
        return self._outcome()

    def _run_kernel(self, number: int, kernel: KernelPlan) -> Tally:
        if kernel.twin not in self._flat:
            self._flat[kernel.twin] = Flattener(self.plan.kernels[kernel.twin]).flatten()
        flat = self._flat[kernel.twin]
        tracing = self.trace is not None
        m, places = make_machine(flat, kernel, self.plan, self.lasting, self.now, tracing)
        self._set_window(m)
        begin_kernel(m)
        while True:
            m[w.UNTIL] = m[w.EXECUTED] + CHUNK
            status = run_until(m, self.lasting.net.words, self.lasting.memory)
            if status == FULL and m[w.TRACED] >= TRACE_ROWS - m[w.MARGIN]:
                self._take_trace(m, number)
            elif status == FULL:
                m = enlarge(m)
            elif status == UNKNOWN_ROUTE:
                first = int(m[w.MISSING_BASE])
                self.lasting.net.add(int(m[w.MISSING_SOURCE]), m[first : first + m[w.MISSING_TARGETS]].tolist())
            elif status == FINISHED:
                break
            elif status == STUCK:
                raise AssertionError(f"kernel {kernel.kernel.name} is stuck at tick {m[w.NOW]}")
            elif self.progress is not None:
                self.progress(self.executed + int(m[w.EXECUTED]))
        self._take_trace(m, number)
        self.now = int(m[w.NOW])
        self.executed += int(m[w.EXECUTED])
        return self._tally(m, places, kernel, flat)

    def _set_window(self, m: Array) -> None:
        m[w.TRACE_FROM] = min(self._window.first, ENDLESS)
        m[w.TRACE_TO] = ENDLESS if self._window.end is None else min(self._window.end, ENDLESS)
        first = int(m[w.TRACED_CORES])
        m[first : first + self.chip.core_count] = [core in self._window.cores for core in range(self.chip.core_count)]

    def _take_trace(self, m: Array, number: int) -> None:
        if self.trace is None:
            return
        steps, groups = self.plan.kernels[number].steps, self.plan.kernels[number].groups
        base = int(m[w.TRACE_BASE])
        rows = m[base : base + m[w.TRACED] * w.TRACE_WORDS].reshape(-1, w.TRACE_WORDS)
        queues = {step.number: group.queues[step.path[0]].name for group in groups for step in group.steps}
        for block, core, _, step, begin, end, size, sequence in rows.tolist():
            self.trace.append((number, block, core, queues[step], steps[step], begin, end, size, sequence))
        m[w.TRACED] = 0

    # What has been counted -----------------------------------------------------------------------------------

    def _tally(self, m: Array, places: Places, kernel: KernelPlan, flat: Flat) -> Tally:
        servers = self.lasting.servers
        servers[:] = m[places.servers : places.servers + servers.size].reshape(servers.shape)
        for (name, reason), ticks in _stalls(m, places, flat).items():
            self.stalls[name, reason] += ticks
        memory = self.lasting.memory
        back, through = (
            {name: int(n) for name, n in zip(self.hardware.tensors, counts.tolist(), strict=False) if n}
            for counts in (memory.written_back, memory.written_through)
        )
        memory.written_back[:] = memory.written_through[:] = 0
        steps, cores = len(flat.operations), self.chip.core_count
        counts = m[places.counts : places.counts + steps * cores * w.COUNT_WORDS].reshape(steps, cores, w.COUNT_WORDS)
        executions, moved, entered, fetched = (np.ascontiguousarray(counts[:, :, i]) for i in range(w.COUNT_WORDS))
        empty = m[flat.operations + w.O_EMPTY].astype(np.bool_)
        flows = _flows(m, list(self.lasting.net.lengths), cores)
        return Tally(executions, moved, entered, fetched, empty, flows, back, through)

    def _outcome(self) -> Run:
        lasting, memory = self.lasting, self.lasting.memory
        busy = memory.busy.tolist()
        banks = {name: slice(row[FIRST], row[FIRST] + bank_count(row)) for name, row in self.hardware.memories.items()}
        drained = int(memory.free_at[banks["dram"]].max())
        dirty: dict[str, int] = defaultdict(int)
        for segment, _, size, _ in lines_by_age(memory).tolist():
            if size:
                dirty[self.hardware.tensors[owner(memory, segment)]] += size
        return Run(
            max(self.now, drained),
            self.kernels,
            lasting.servers[:, BUSY].tolist(),
            lasting.servers[:, BYTES].tolist(),
            {name: busy[place] for name, place in banks.items()},
            dict(self.stalls),
            dict(dirty),
            self.trace,
        )


def _stalls(m: Array, places: Places, flat: Flat) -> dict[tuple[str, str], int]:
    """Ticks by queue name and reason, in the words of the specification."""
    reasons = [
        "waiting for a transfer to end (limit in flight)",
        "waiting for the dma engine",
        "waiting for the matrix unit",
        "waiting for the vector unit",
        "working",
        "waiting for a memory port",
    ]
    for ring in flat.ring_names:
        reasons += [f"waiting for data in {ring}", f"waiting for space in {ring}"]
        reasons += [f"waiting for reads of {ring} to end", f"waiting for the result in {ring}"]
    found: dict[tuple[str, str], int] = defaultdict(int)
    for i, queue in enumerate(flat.queue_names):
        first = places.stalls + i * places.stall_width
        for reason, ticks in zip(reasons, m[first : first + places.stall_width].tolist(), strict=True):
            if ticks:
                found[queue, reason] += ticks
    return found


def _flows(m: Array, lengths: list[float], cores: int) -> RouteFlows:
    first, last = int(m[w.FLOW_BASE]), int(m[w.FLOW_BASE] + m[w.FLOW_ROOM] * w.FLOW_WORDS)
    rows = m[first:last].reshape(-1, w.FLOW_WORDS)
    rows = rows[rows[:, w.FLOW_KEY] >= 0]
    rows = rows[np.argsort(rows[:, w.FLOW_KEY])]
    keys = rows[:, w.FLOW_KEY]
    mm = np.array(lengths or [0.0])[keys % LENGTHS]
    amounts = (np.ascontiguousarray(rows[:, i]) for i in (w.FLOW_BYTES, w.FLOW_ROUTER_BYTES))
    return RouteFlows(keys // LENGTHS // cores, keys // LENGTHS % cores, mm, *amounts)
