"""Predicts many rows, in several processes: equal calls once, the long ones first."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, TypeAlias

from memsim.errors import MemsimError
from memsim.validate.calls import Call
from memsim.validate.measured.row import Row
from memsim.validate.measured.summary import Compared
from memsim.validate.predict import predict
from memsim.validate.prediction import Prediction

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

ALONE = 16
"""Up to so many predictions, starting processes takes longer than it saves."""

Key: TypeAlias = tuple[str, Call, str]
"""Chip, call and protocol: what a prediction depends on."""
Outcome: TypeAlias = Prediction | str
"""A prediction, or why there is none."""
Report: TypeAlias = Callable[[int, int], None]
Start: TypeAlias = Callable[[Key], Outcome]


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be predicted."""

    row: Row
    reason: str


@dataclass(slots=True)
class Batch:
    """What has been predicted so far."""

    compared: list[Compared] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    missing: int = 0
    """Rows that an interrupt has left out."""

    @property
    def interrupted(self) -> bool:
        """Whether some rows were not tried."""
        return self.missing > 0


def predict_rows(
    rows: Sequence[Row],
    *,
    chips: Mapping[str, Chip] | None = None,
    jobs: int | None = None,
    report: Report = lambda done, total: None,
) -> Batch:
    """Predict each row. An interrupt ends it, and what is done is returned.

    Parameters
    ----------
    rows
        What was measured.
    chips
        Chips by name, besides the presets.
    jobs
        Processes; as many as there are processors, if not given.
    report
        Called with rows done and rows in all.
    """
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        groups.setdefault((row.chip, row.call, row.protocol), []).append(row)
    keys = sorted(groups, key=lambda key: -_effort(key[1]))
    outcomes: dict[Key, Outcome] = {}
    done = 0
    try:
        for key, outcome in _outcomes(keys, chips or {}, jobs or processors()):
            outcomes[key] = outcome
            done += len(groups[key])
            report(done, len(rows))
    except KeyboardInterrupt:
        pass
    return _batch(rows, outcomes)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batch(rows: Sequence[Row], outcomes: Mapping[Key, Outcome]) -> Batch:
    batch = Batch()
    for row in rows:
        match outcomes.get((row.chip, row.call, row.protocol)):
            case None:
                batch.missing += 1
            case str(reason):
                batch.failed.append(Failed(row, reason))
            case prediction:
                batch.compared.append(Compared(row, prediction))
    return batch


def _effort(call: Call) -> float:
    """Roughly in proportion to the time that a simulation takes: blocks and trips grow with both."""
    return call.flops / 1000 + call.bytes


def _outcomes(keys: Sequence[Key], chips: Mapping[str, Chip], jobs: int) -> Iterator[tuple[Key, Outcome]]:
    from memsim.engine import warm

    worker = Worker(dict(chips), knobs_now())
    if jobs == 1 or len(keys) <= ALONE:
        yield from ((key, worker(key)) for key in keys)
        return
    rest = list(keys)
    if not warm.is_compiled():  # once, before several processes begin to compile the same
        shortest = rest.pop()
        yield shortest, worker(shortest)
    with _pool(min(jobs, len(rest)), worker) as pool:
        with _deaf():
            futures: dict[Future[Outcome], Key] = {pool.submit(_work, key): key for key in rest}
        for future in as_completed(futures):
            yield futures[future], future.result()


@contextmanager
def _pool(jobs: int, worker: Worker) -> Iterator[ProcessPoolExecutor]:
    """Processes that leave an interrupt to this one; what has not begun by then is dropped."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (worker,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that begin here never hear of an interrupt, not even while they import."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread has handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Worker:
    """Predicts; knows the chips that it has met.

    Parameters
    ----------
    chips
        By name, besides the presets.
    knobs
        Values of the fitted numbers.
    """

    def __init__(self, chips: dict[str, Chip], knobs: dict[str, float]) -> None:
        self.chips, self.knobs = chips, knobs

    def __call__(self, key: Key) -> Outcome:
        """The prediction of a call on a chip, or why there is none."""
        from memsim.library import overridden

        name, call, protocol = key
        try:
            with overridden(**self.knobs):
                return predict(call, self._chip(name), protocol)
        except MemsimError as error:
            return str(error)
        except Exception as error:  # a defect in one kernel must not take a thousand predictions with it
            return f"internal error, please report it: {type(error).__name__}: {error}"

    def _chip(self, name: str) -> Chip:
        if name not in self.chips:
            from memsim.hierarchy import Chip

            self.chips[name] = Chip.preset(name)
        return self.chips[name]


def knobs_now() -> dict[str, float]:
    """Values of all knobs, those that are overridden included: another process would not know of these."""
    from memsim.library import KNOBS, knob

    return {name: knob(name) for name in KNOBS}


_worker: Worker | None = None
"""Of this process."""


def _begin(worker: Worker) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(500_000, 20, 100)  # as in the command line: much is made and little dies
    _worker = worker


def _work(key: Key) -> Outcome:
    assert _worker is not None
    return _worker(key)


def sample(rows: Sequence[Row], most: int, seed: int) -> tuple[Row, ...]:
    """Some of the rows, spread over operators and GPUs as in the whole, in the order of the file.

    Parameters
    ----------
    rows
        All of them.
    most
        How many are wanted; each operator on each GPU has one at least, if there is room.
    seed
        Of the choice.
    """
    if most >= len(rows):
        return tuple(rows)
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.op, row.gpu), []).append(row)
    chooser = random.Random(seed)
    queues = []
    for group in groups.values():
        shuffled = chooser.sample(group, len(group))
        queues += [((place + 0.5) / len(group), chooser.random(), row) for place, row in enumerate(shuffled)]
    first = {id(min(q for q in queues if q[2].op == op and q[2].gpu == gpu)[2]) for op, gpu in groups}
    ordered = sorted(queues, key=lambda entry: (id(entry[2]) not in first, entry[:2]))
    return tuple(sorted((entry[2] for entry in ordered[:most]), key=lambda row: row.line))
