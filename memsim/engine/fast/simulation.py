"""One kernel's run: compiled code does it, and Python what compiled code cannot.

It finds routes, enlarges tables, takes the rows of the trace, tells the progress, and folds steady states.
"""

from __future__ import annotations

import numpy as np

from memsim.engine.fast import words as w
from memsim.engine.fast.context import Context
from memsim.engine.fast.counted import Counted, measure
from memsim.engine.fast.loop import FINISHED, FULL, OBSERVED, STUCK, UNKNOWN_ROUTE, begin_kernel, run_until
from memsim.engine.fast.machine import ENDLESS, TRACE_ROWS, enlarge, make_machine
from memsim.engine.fast.program import Flat
from memsim.engine.fast.steady import Steady, oldest_begin, skip
from memsim.engine.fast.symmetry import alike, leave_to_first, spread
from memsim.engine.fast.totals import flows_of, stalls_of
from memsim.engine.tally import Tally, counts_by_tensor

CHUNK = 1 << 18
"""Instructions between two looks at the progress bar and the keyboard."""
WORTH = 256
"""Instructions that skipping must save."""


class Simulation:
    """One kernel of a run on a machine of its own."""

    def __init__(self, context: Context, number: int, flat: Flat) -> None:
        self.context, self.number, self.flat = context, number, flat
        self.kernel = context.plan.kernels[number]
        tracing = context.trace is not None
        self.m, self.places = make_machine(flat, self.kernel, context.plan, context.lasting, context.clock, tracing)
        self.more: Counted | None = None
        """What folding has skipped."""
        self.alike = 1
        """Cores that core 0 stands for, itself included."""
        self._servers = context.lasting.servers.copy()
        if context.fold and not tracing:
            self.alike = alike(self.kernel, self._servers, context.clock)
        self.steady: Steady | None = None
        if context.fold and flat.loops:
            like = context.plan.kernels[self.kernel.twin]
            self.steady = Steady(flat, self.kernel, like, context.hardware)

    def run(self) -> Tally:
        """Run the kernel to its end."""
        context, lasting = self.context, self.context.lasting
        self._set_window()
        if self.alike > 1:
            leave_to_first(self.m, self.alike)
        begin_kernel(self.m)
        if self.steady is not None:
            self.steady.prepare(self.m)
        status = -1
        while status != FINISHED:
            self.m[w.UNTIL] = self.m[w.EXECUTED] + CHUNK
            status = run_until(self.m, lasting.net.words, lasting.memory)
            self._attend(status)
        self._take_trace()
        if self.alike > 1:
            self.more = spread(self.m, self.places, self.more, self._servers, self.alike)
        context.clock = int(self.m[w.NOW])
        return self._tally()

    def _attend(self, status: int) -> None:
        """Do what compiled code has asked for."""
        m = self.m
        if status == FULL and m[w.TRACED] >= TRACE_ROWS - m[w.MARGIN]:
            self._take_trace()
        elif status == FULL:
            self.m = enlarge(m)
        elif status == UNKNOWN_ROUTE:
            first = int(m[w.MISSING_BASE])
            self.context.lasting.net.add(int(m[w.MISSING_SOURCE]), m[first : first + m[w.MISSING_TARGETS]].tolist())
        elif status == STUCK:
            raise AssertionError(f"kernel {self.kernel.kernel.name} is stuck at tick {m[w.NOW]}")
        elif status == OBSERVED:
            self._fold()
        elif status != FINISHED:
            if self.steady is not None:
                self.steady.choose_leader(m)
            self.context.tell(self.context.totals.executed + self._executed())

    def _executed(self) -> int:
        return self.alike * (int(self.m[w.EXECUTED]) + (self.more.executed if self.more else 0))

    # ---- folding ----

    def _counted(self) -> Counted:
        now = measure(self.m, self.context.lasting.memory, self.places)
        return now if self.more is None else now.plus(self.more)

    def _fold(self) -> None:
        """Skip periods, if this tick ends one."""
        context, m, memory = self.context, self.m, self.context.lasting.memory
        assert self.steady is not None
        tick, loop = int(m[w.NOW]) + context.skipped, int(m[w.OBSERVE])
        moments = self.steady.observe(m, memory, tick, self._counted)
        if moments is None:
            return
        before, now = moments
        period = self.steady.period(m, memory, before, now)
        if period is None:
            return
        ticks = now.tick - before.tick
        times = min(period.times, context.times_before_window(tick, ticks, oldest_begin(m) + context.skipped))
        happened = now.counted.plus(before.counted, -1)
        if times * happened.executed < WORTH:
            return
        self._take_trace()
        skip(m, memory, period, times)
        self.more = self.more.plus(happened, times) if self.more else happened.plus(happened, times - 1)
        for queue in period.waiting:  # its wait goes on; what the clock does not count of it is told here
            reason = int(m[queue + w.Q_STALLS] + m[queue + w.Q_REASON]) - self.places.stalls
            self.more = self.more.with_more("kernel", reason, times * (now.clock - before.clock))
        context.skipped += times * ticks
        self._set_window()
        self.steady.forget(loop)
        context.tell(context.totals.executed + self._executed())

    # ---- the trace ----

    def _set_window(self) -> None:
        """Tell the machine which instructions to keep, by its own clock."""
        m, window, skipped = self.m, self.context.window, self.context.skipped
        end = ENDLESS if window.end is None else window.end - skipped
        m[w.TRACE_FROM] = max(-ENDLESS, min(window.first - skipped, ENDLESS))
        m[w.TRACE_TO] = max(-ENDLESS, min(end, ENDLESS))
        first, cores = int(m[w.TRACED_CORES]), self.context.hardware.chip.core_count
        m[first : first + cores] = [core in window.cores for core in range(cores)]

    def _take_trace(self) -> None:
        trace, m, skipped = self.context.trace, self.m, self.context.skipped
        if trace is None:
            return
        steps, groups = self.kernel.steps, self.kernel.groups
        base = int(m[w.TRACE_BASE])
        rows = m[base : base + m[w.TRACED] * w.TRACE_WORDS].reshape(-1, w.TRACE_WORDS)
        queues = {step.number: group.queues[step.path[0]].name for group in groups for step in group.steps}
        for block, core, _, step, begin, end, size, sequence in rows.tolist():
            span = begin + skipped, end + skipped
            trace.append((self.number, block, core, queues[step], steps[step], *span, size, sequence))
        m[w.TRACED] = 0

    # ---- what has been counted ----

    def _tally(self) -> Tally:
        """What the kernel has done; servers, banks and stalls are added to the totals."""
        context, flat, places = self.context, self.flat, self.places
        hardware, memory, servers = context.hardware, context.lasting.memory, context.lasting.servers
        counted = self._counted()
        servers[:] = self.m[places.servers : places.servers_end].reshape(servers.shape)
        if self.more is not None:
            context.totals.add(self.more.arrays["servers"].reshape(servers.shape), self.more.arrays["banks"])
        context.totals.executed += counted.executed
        kernel = counted.arrays["kernel"]
        split = places.counts - places.stalls
        for key, ticks in stalls_of(kernel[:split], places.stall_width, flat).items():
            context.totals.stalls[key] += ticks
        by_tensor = counts_by_tensor(hardware.tensors, counted.arrays["tensors"].reshape(memory.counts.shape))
        memory.counts[:] = 0
        steps, cores = len(flat.operations), hardware.chip.core_count
        counts = kernel[split:].reshape(steps, cores, w.COUNT_WORDS)
        executions, moved, entered, fetched = (np.ascontiguousarray(counts[:, :, i]) for i in range(w.COUNT_WORDS))
        empty = self.m[flat.operations + w.O_EMPTY].astype(np.bool_)
        flows = flows_of(counted.flows, list(context.lasting.net.lengths), cores)
        context.tell(context.totals.executed)
        return Tally(executions, moved, entered, fetched, empty, flows, by_tensor)
