"""The compiled engine: the same answer as `memsim.engine.simpy_engine`, from jitted code on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memsim.engine.cached import Cached, dirty_bytes, fill_cache, left_dirty
from memsim.engine.fast.context import Context
from memsim.engine.fast.layers import Layers
from memsim.engine.fast.machine import Lasting
from memsim.engine.fast.program import Flat, Flattener
from memsim.engine.fast.simulation import Simulation
from memsim.engine.fast.totals import Snapshot, Totals
from memsim.engine.hardware import Hardware, bank_count
from memsim.engine.plan import Plan
from memsim.engine.servers import FIRST
from memsim.engine.tally import KernelRun, Run
from memsim.engine.tracing import Filter, TraceWindow


class FastEngine:
    """Runs one `Plan`."""

    def __init__(
        self,
        plan: Plan,
        *,
        trace: TraceWindow | None = None,
        fold: bool = True,
        progress: Callable[[int], None] | None = None,
        cached: Cached = (),
    ) -> None:
        self.plan, self.chip = plan, plan.chip
        self.hardware = Hardware(plan)
        lasting = Lasting.of(self.hardware)
        fill_cache(lasting.memory, plan, cached)
        self._dirty = dirty_bytes(lasting.memory, self.hardware.tensors)
        window = Filter(trace or TraceWindow(), self.chip)
        rows: list[Any] | None = None if trace is None else []
        self.context = Context(plan, self.hardware, lasting, Totals.of(lasting), window, rows, fold, progress)
        self.kernels: list[KernelRun] = []
        self.layers = Layers(plan, self.hardware.tensors)
        self._flat: dict[int, Flat] = {}
        self._boundaries: dict[int, Snapshot] = {}

    def run(self) -> Run:
        """Run every kernel; the run ends with the last one, and when all that it wrote back has reached the DRAM."""
        context, kernels, launch = self.context, self.plan.kernels, self.chip.ticks_of(self.chip.launch)
        while len(self.kernels) < len(kernels):
            number = len(self.kernels)
            if context.fold and self._skip_layers(number):
                continue
            begun = context.tick
            context.clock += launch
            tally = Simulation(context, number, self._flat_of(number)).run()
            self.layers.note(number, tally)
            self.kernels.append(KernelRun(number, begun, context.tick, tally))
        return self._outcome()

    def _flat_of(self, number: int) -> Flat:
        twin = self.plan.kernels[number].twin
        if twin not in self._flat:
            self._flat[twin] = Flattener(self.plan.kernels[twin]).flatten()
        return self._flat[twin]

    def _skip_layers(self, kernel: int) -> bool:
        """Skip the kernels from this one on that repeat what has been; whether there were any."""
        context, lasting = self.context, self.context.lasting
        repeat = self.layers.boundary(kernel, lasting.memory, lasting.servers, context.clock)
        before = self._boundaries.get(kernel - repeat.period) if repeat else None
        self._boundaries[kernel] = now = context.totals.snapshot(context.tick)
        if repeat is None or before is None:
            return False
        ticks = now.tick - before.tick
        times = min(repeat.times, context.times_before_window(context.tick, ticks, context.tick))
        if not times:
            return False
        self.layers.rename(lasting.memory, kernel, times * repeat.period)
        context.totals.repeat(before, now, times)
        for number in range(kernel, kernel + times * repeat.period):
            like = self.kernels[number - repeat.period]
            self.layers.use(number)
            tally = self.layers.retold(like.tally, like.kernel, number)
            self.kernels.append(KernelRun(number, like.begin + ticks, like.end + ticks, tally))
        context.skipped += times * ticks
        context.tell(context.totals.executed)
        return True

    def _outcome(self) -> Run:
        context, hardware = self.context, self.hardware
        memory = context.lasting.memory
        places = {name: slice(row[FIRST], row[FIRST] + bank_count(row)) for name, row in hardware.memories.items()}
        drained = int(memory.free_at[places["dram"]].max())
        busy, passed, bank_busy = context.totals.sums()
        return Run(
            max(context.clock, drained) + context.skipped,
            self.kernels,
            busy,
            passed,
            {name: bank_busy[place] for name, place in places.items()},
            dict(context.totals.stalls),
            left_dirty(memory, hardware.tensors, self._dirty),
            context.trace,
        )
