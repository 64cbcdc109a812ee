"""Searches for cheaper programs of the same meaning, in stages, of which each says what it reached.

`improve` takes any program. `search_product` is for matrix products, of which it knows more: which boxes of the
iteration space may follow one another.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from time import monotonic
from typing import Any

from memsim.locality.optimise.anneal import anneal
from memsim.locality.optimise.colouring import allocate, cost_of
from memsim.locality.optimise.copies import insert_copies
from memsim.locality.optimise.polish import polish
from memsim.locality.optimise.reallocate import placed
from memsim.locality.optimise.stagger import anneal_entries
from memsim.locality.optimise.tiles import GAPS, anneal_steps, families, schedule_of_steps, steps_cost
from memsim.locality.optimise.values import Schedule, lives_of, program_of, values_of
from memsim.locality.scalar import dally1
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.shells import Array

ROUNDS = 24
"""Rounds of a search; progress is told after each."""

STEPS_SHARE = 0.8
"""Of the time, for tiles; the rest is for single instructions. The other way round for small products."""

POLISH_ROUNDS = 20_000
"""Draws of addresses that exchange values at the end."""

Map = Callable[..., Any]

Start = tuple[int, Array, int]
"""Cost, steps, and the gap of their copies."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a stage of a search reached.

    Attributes
    ----------
    stage
        Its name.
    seconds
        Since the search began.
    cost
        Under Model 1.
    schedule
        What is computed, and in which order.
    addresses
        Of the values, where the stage chose them itself.
    """

    stage: str
    seconds: float
    cost: int
    schedule: Schedule
    addresses: Array | None = None

    def program(self) -> ScalarProgram:
        """The program, with its addresses: those of `colouring.allocate` unless the stage found others."""
        return placed(self.schedule) if self.addresses is None else program_of(self.schedule, self.addresses)


def improve(program: ScalarProgram, trials: int = 20_000, seed: int = 0, hot: float = 2.0) -> ScalarProgram:
    """A program of the same meaning that costs less under Model 1, or the same one where none was found.

    New addresses; copies of inputs that are read often for a while; random changes of single instructions; and at the
    end addresses that exchange their values.

    Parameters
    ----------
    program
        Of instructions without the tape.
    trials
        Random changes to try; 10,000 take a second for a program of 1,000 instructions.
    seed
        Of the random numbers: the same seed gives the same program.
    hot
        The temperature to begin with, in units of cost.

    Raises
    ------
    ProgramError
        If Model 1 cannot price the program.
    """
    before = dally1.score(program).cost
    plain = values_of(program)
    schedule = min((insert_copies(plain, gap) if gap else plain for gap in GAPS), key=placed_cost)
    if trials and len(schedule):
        schedule, _ = anneal(schedule, trials, seed, hot)
    lives = lives_of(schedule)
    after = program_of(schedule, polish(lives, allocate(lives), min(trials, POLISH_ROUNDS), seed))
    return after if dally1.score(after).cost < before else program


def placed_cost(schedule: Schedule) -> int:
    """What a schedule costs with the addresses of `colouring.allocate`."""
    lives = lives_of(schedule)
    return cost_of(lives, allocate(lives))


def search_product(
    program: ScalarProgram, n: int, *, seconds: float = 600, seed: int = 0, jobs: int = 1
) -> Iterator[Found]:
    """Search for a cheap product of two ``n`` by ``n`` matrices, and tell each time something cheaper was found.

    Parameters
    ----------
    program
        To start from; what it costs with better addresses is the first thing told.
    n
        Rows of the matrices, at least 2.
    seconds
        How long the search may take. It sets how many changes are tried: where a machine is fast enough to try them
        all in time, the same seed gives the same program; else the search ends after its last whole round.
    seed
        Of the random numbers.
    jobs
        Processes that search, each on its own.
    """
    begin = monotonic()
    schedule = values_of(program)
    best = Found("addresses", monotonic() - begin, placed_cost(schedule), schedule)
    yield best
    starts = _best_families(n, 4 * jobs)
    best = _found("simple tiles", begin, n, starts)
    yield best
    with workers(jobs) as each:
        starts = [*each(_entries_task, [(n, seed + job, int(12 * seconds)) for job in range(jobs)]), *starts]
        best = _found("columns that take turns", begin, n, [*starts[:jobs], (best.cost, *starts[jobs][1:])])
        yield best
        starts = sorted(starts, key=lambda start: start[0])
        for found in _rounds(n, starts, seconds, seed, jobs, each, begin):
            best = found if found.cost < best.cost else replace(best, stage=found.stage, seconds=found.seconds)
            yield best
    yield _polished(best, seed, begin)


def _polished(best: Found, seed: int, begin: float) -> Found:
    """The same order with addresses that exchanged their values."""
    lives = lives_of(best.schedule)
    addresses = polish(lives, allocate(lives), POLISH_ROUNDS, seed)
    return Found("exchanged addresses", monotonic() - begin, cost_of(lives, addresses), best.schedule, addresses)


def _found(stage: str, begin: float, n: int, starts: list[Start]) -> Found:
    """The cheapest of some steps."""
    cost, steps, gap = min(starts, key=lambda start: start[0])
    return Found(stage, monotonic() - begin, cost, schedule_of_steps(n, steps, gap))


def _best_families(n: int, count: int) -> list[Start]:
    """The cheapest simple tilings: cost, steps, gap."""
    gaps = GAPS if n <= 8 else GAPS[-2:]
    priced = [(steps_cost(n, steps, gap), steps, gap) for steps in families(n) for gap in gaps]
    return sorted(priced, key=lambda entry: entry[0])[:count]


def _rounds(
    n: int, starts: list[Start], seconds: float, seed: int, jobs: int, each: Map, begin: float
) -> Iterator[Found]:
    """Anneal tiles, then single instructions, each process on its own, in rounds that get cooler."""
    scale, before = (16 / n) ** 3.5 * seconds / ROUNDS, monotonic()
    share = STEPS_SHARE if n > 8 else 1 - STEPS_SHARE
    of_steps = round(ROUNDS * share)
    chains = [starts[job % len(starts)] for job in range(jobs)]
    for number in range(of_steps):
        heat = [_heat(n, (number + later) / of_steps) for later in (0, 1)]
        tasks = [(n, chain, int(700 * scale), seed + 7919 * number + job, *heat) for job, chain in enumerate(chains)]
        chains = list(each(_steps_task, tasks))
        yield _found("order of tiles", begin, n, chains)
        lasted, before = monotonic() - before, monotonic()
        if before + lasted > begin + share * seconds:  # the next round would end too late
            break
    schedules = [(cost, schedule_of_steps(n, steps, gap)) for cost, steps, gap in chains]
    for number in range(of_steps, ROUNDS):
        heat = [_heat(n, 0.6 + 0.4 * (number + later - of_steps) / (ROUNDS - of_steps)) for later in (0, 1)]
        tasks = [(s, int(900 * scale), seed + 7919 * number + job, *heat) for job, (_, s) in enumerate(schedules)]
        schedules = list(each(_instructions_task, tasks))
        cost, schedule = min(schedules, key=lambda entry: entry[0])
        yield Found("single instructions", monotonic() - begin, cost, schedule)
        lasted, before = monotonic() - before, monotonic()
        if before + lasted > begin + seconds:  # the next round would end too late
            return


def _heat(n: int, progress: float) -> float:
    """The temperature after a part of the search."""
    return float(0.4 + (4 + n / 8) * (1 - progress) ** 1.5)


def _entries_task(task: tuple[int, int, int]) -> Start:
    n, seed, trials = task
    gap = 14 if n <= 8 else GAPS[-1]
    steps, cost = anneal_entries(n, max(n // 2, 2) if n > 4 else n, -(-n // 3), gap, trials, seed, 4.0 * n)
    return cost, steps, gap


def _steps_task(task: tuple[int, Start, int, int, float, float]) -> Start:
    n, (_, steps, gap), trials, seed, hot, cold = task
    found, cost = anneal_steps(n, steps, gap, trials, seed, hot, cold)
    return cost, found, gap


def _instructions_task(task: tuple[Schedule, int, int, float, float]) -> tuple[int, Schedule]:
    schedule, trials, seed, hot, cold = task
    found, cost = anneal(schedule, trials, seed, hot, cold)
    return cost, found


@contextmanager
def workers(jobs: int) -> Iterator[Map]:
    """A ``map`` over so many processes; the plain one for a single job. An interrupt is for the caller alone."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield pool.map


__all__ = ["Found", "improve", "placed_cost", "search_product"]
