"""Serving language models: what a prefill and a decode step take in time and energy, from the kernels that they launch.

A step is a list of calls (`memsim.library.steps`). Each distinct one is built and simulated once, and counts as often
as the step calls it; the sum is the step's time, as a stream or a CUDA graph runs kernels one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TypeAlias

from memsim.errors import MemsimError
from memsim.hierarchy import Chip, System
from memsim.isa import DTYPES
from memsim.library.clusters import system_for
from memsim.library.collective import OPERATIONS, framework_all_reduce
from memsim.library.collective import run as communicate
from memsim.library.hosts import HOSTS, Host
from memsim.library.models import Model
from memsim.library.running import ran, slowed, static_w
from memsim.library.steps import Call, decode_calls, prefill_calls

Machine: TypeAlias = Chip | System


@dataclass(frozen=True, slots=True)
class Share:
    """What the calls of one kind take in a step."""

    name: str
    op: str
    sizes: tuple[int, ...]
    count: int
    each_s: float
    """Time of one call, its launch included."""
    each_j: float
    """Energy of one call on all chips together."""
    bound: str
    choice: str

    @property
    def time_s(self) -> float:
        """Time of all calls of this kind."""
        return self.count * self.each_s

    @property
    def energy_j(self) -> float:
        """Energy of all calls of this kind, on all chips."""
        return self.count * self.each_j


@dataclass(frozen=True, slots=True)
class StepResult:
    """A prefill or a decode step of a model on one or several chips."""

    model: Model
    machine: str
    tp: int
    batch: int
    tokens: int
    """That the step yields: one for each sequence."""
    shares: tuple[Share, ...]
    host: str
    host_s: float
    """Added by software, and spent with idle chips."""
    host_j: float
    clock_hz: float
    """Of the cores."""
    slowed: bool
    """Whether a limit of power took some of the clock."""

    @property
    def time_s(self) -> float:
        """Seconds of the step."""
        return self.gpu_s + self.host_s

    @property
    def gpu_s(self) -> float:
        """Seconds that the chips work."""
        return sum(share.time_s for share in self.shares)

    @property
    def energy_j(self) -> float:
        """Joules of the step, all chips together."""
        return sum(share.energy_j for share in self.shares) + self.host_j

    @property
    def power_w(self) -> float:
        """Mean power, all chips together."""
        return self.energy_j / self.time_s

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second, all sequences together."""
        return self.tokens / self.time_s

    @property
    def joules_per_token(self) -> float:
        """Energy of a token."""
        return self.energy_j / self.tokens

    def rows(self) -> list[dict[str, object]]:
        """The table by kernel, the longest first, as plain values."""
        rows: list[dict[str, object]] = [
            {
                "kernel": share.name,
                "op": share.op,
                "sizes": list(share.sizes),
                "count": share.count,
                "each_us": share.each_s * 1e6,
                "time_ms": share.time_s * 1e3,
                "of_time": share.time_s / self.time_s,
                "energy_j": share.energy_j,
                "bound": share.bound,
                "choice": share.choice,
            }
            for share in sorted(self.shares, key=lambda share: -share.time_s)
        ]
        return rows


def decode_step(
    model: Model | str,
    machine: Machine | str,
    batch: int = 1,
    context: int = 1024,
    tp: int | None = None,
    *,
    host: Host | str | None = None,
    sampling: str = "top_p",
    mixed: int = 0,
) -> StepResult:
    """One token more for each sequence: the time per output token.

    Parameters
    ----------
    model
        A `Model`, or the name of one.
    machine
        A chip or a system of chips, or the name of a preset.
    batch
        Sequences that decode together.
    context
        Tokens that each attends to.
    tp
        Chips that share the model: 1, or all of a system.
    host
        What software adds; the model's own unless given.
    sampling
        ``"top_p"``, from the likeliest tokens, or ``"greedy"``, the likeliest.
    mixed
        Tokens of a prompt that the step reads too, as schedulers do that put new requests beside old ones.

    Raises
    ------
    MemsimError
        Unknown names, sizes below 1, heads that are not cut evenly, or weights and caches that do not fit.
    """
    found, chips = _model(model), _machine(machine, tp)
    calls = decode_calls(found, batch, context, chips.count, sampling, mixed)
    _check_memory(found, chips, batch * context + mixed)
    return _run(found, chips, calls, batch, host)


def prefill_step(
    model: Model | str,
    machine: Machine | str,
    batch: int = 1,
    prompt: int = 1024,
    tp: int | None = None,
    *,
    host: Host | str | None = None,
    sampling: str = "top_p",
) -> StepResult:
    """Prompts read, and the first token of each answer: the time to first token.

    Parameters and errors are those of `decode_step`; ``prompt`` is the tokens of each sequence.
    """
    found, chips = _model(model), _machine(machine, tp)
    calls = prefill_calls(found, batch, prompt, chips.count, sampling)
    _check_memory(found, chips, batch * prompt)
    return _run(found, chips, calls, batch, host)


@dataclass(frozen=True, slots=True)
class Serving:
    """What serving a model takes: prompts read together, then one token after another."""

    prompt: int
    context: int
    prefill: StepResult
    decode: StepResult

    @property
    def time_to_first_token_s(self) -> float:
        """From prompts that arrive together to the first token of each."""
        return self.prefill.time_s

    @property
    def time_per_output_token_s(self) -> float:
        """From one token of a sequence to its next."""
        return self.decode.time_s


def serve(
    model: Model | str,
    machine: Machine | str,
    batch: int = 1,
    prompt: int = 1024,
    context: int | None = None,
    tp: int | None = None,
    *,
    host: Host | str | None = None,
    sampling: str = "top_p",
    mixed: int = 0,
) -> Serving:
    """Prefill and decode of a model.

    Parameters and errors are those of `decode_step` and `prefill_step`; ``context`` is, unless given, the prompt and
    the new token.
    """
    seen = prompt + 1 if context is None else context
    prefill = prefill_step(model, machine, batch, prompt, tp, host=host, sampling=sampling)
    decode = decode_step(model, machine, batch, seen, tp, host=host, sampling=sampling, mixed=mixed)
    return Serving(prompt, seen, prefill, decode)


@dataclass(frozen=True, slots=True)
class _Chips:
    """One chip, or as many of a system as share the model."""

    name: str
    chip: Chip
    count: int
    system: System | None


def _model(model: Model | str) -> Model:
    return Model.preset(model) if isinstance(model, str) else model


def _machine(machine: Machine | str, tp: int | None) -> _Chips:
    if isinstance(machine, str):
        machine = System.preset(machine) if machine in System.presets() else Chip.preset(machine)
    if isinstance(machine, Chip):
        if tp in (None, 1):
            return _Chips(machine.name, machine, 1, None)
        machine = system_for(machine, tp or 1)
    count = machine.count if tp is None else tp
    if not 1 <= count <= machine.count:
        mend = f"use 1 to {machine.count}"
        raise MemsimError(f"{count} chips of {machine.count}", where=f"{machine.name}: tp", mend=mend)
    if count == 1:
        return _Chips(machine.name, machine.chip, 1, None)
    system = machine if count == machine.count else machine.replace({"count": count})
    return _Chips(machine.name, machine.chip, count, system)


def _check_memory(model: Model, chips: _Chips, cached_tokens: int) -> None:
    need = model.weight_bytes(chips.count) + model.cache_bytes(cached_tokens, chips.count)
    have = chips.chip.dram.capacity
    if need > have:
        text = f"{model.name} needs {need / 1e9:.1f} GB on each of {chips.count} chips, {chips.chip.name} has"
        raise MemsimError(
            f"{text} {have / 1e9:.1f} GB", where="memory", mend="use more chips, a smaller batch or a shorter context"
        )


def _run(model: Model, chips: _Chips, calls: Sequence[Call], batch: int, host: Host | str | None) -> StepResult:
    """A step, at the fastest clock at which its mean power keeps to the chip's limit.

    A board measures power over milliseconds, so a step is judged as a whole and not kernel by kernel.
    """
    software = _host(model.host if host is None else host)
    host_s = software.step_s(calls)

    def at(clock: Fraction) -> StepResult:
        shares = tuple(_share(call, chips, clock, software) for call in calls)
        idle_j = static_w(chips.chip, clock) * chips.count * host_s
        slow = clock < chips.chip.clock
        return StepResult(
            model, chips.name, chips.count, batch, batch, shares, software.name, host_s, idle_j, float(clock), slow
        )

    step, limit, dvfs = at(chips.chip.clock), chips.chip.tdp_w, chips.chip.dvfs
    if limit is None or dvfs is None or step.power_w <= limit * chips.count:
        return step
    for clock in dvfs.clocks_below(chips.chip.clock):
        step = at(clock)
        if step.power_w <= limit * chips.count:
            break
    return step


def _host(host: Host | str) -> Host:
    if isinstance(host, Host):
        return host
    if host not in HOSTS:
        raise MemsimError(f"unknown host {host!r}", where="host", mend="use one of: " + ", ".join(HOSTS))
    return HOSTS[host]


def _share(call: Call, chips: _Chips, clock: Fraction, software: Host) -> Share:
    if chips.system is not None and call.op in OPERATIONS:
        size = call.sizes[0] * DTYPES[call.dtype].bytes
        own = software.own_all_reduce and call.op == "all_reduce"
        run = (framework_all_reduce if own else partial(communicate, call.op))(chips.system, size, call.dtype)
        return Share(call.name, call.op, call.sizes, call.count, run.time_s, run.energy_j, "links", run.text)
    one = ran(call, chips.chip) if clock == chips.chip.clock else slowed(call, chips.chip, clock)
    energy_j = one.energy_j * chips.count
    return Share(call.name, call.op, call.sizes, call.count, one.time_s, energy_j, one.bound, one.choice)
