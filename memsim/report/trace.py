"""A traced run as Chrome trace JSON, which https://ui.perfetto.dev opens: one process a core, one thread a lane.

Format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
Perfetto keeps whole nanoseconds and wants the events of a thread to nest. So starts and ends are both rounded down
to a nanosecond (what touches still touches), events that overlap go to different lanes, and exact ticks are in args.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from memsim.errors import MemsimError
from memsim.report.intervals import binned, pack

if TYPE_CHECKING:
    from memsim.report.source import Outcome

Event = dict[str, Any]

CHIP_PROCESS = 1
FIRST_CORE = 2
"""Process number of core 0; process 1 holds kernels and counters."""
COUNTER_BINS = 2000
EVENTS_A_WRITE = 4096
ARGUMENTS = ("kernel", "block", "lane", "start_tick", "end_tick")
"""Columns of the trace that each event carries as they are."""


def write_trace(result: Outcome, path: str | Path) -> Path:
    """Write the trace of ``result`` to ``path``, packed if it ends in ``.gz``; events are written as they are made.

    Raises
    ------
    MemsimError
        If the run was not traced, or the file cannot be written.
    """
    if result.trace is None:
        raise MemsimError(
            "the run was not traced", where=f"trace of {result.workload}", mend="simulate(program, chip, trace=True)"
        )
    target = Path(path)
    try:
        with _open(target) as file:
            _write(file, events(result.trace, result.kernels, result.tick_s, result.time_s), result)
    except OSError as error:
        raise MemsimError(
            f"cannot write the trace: {error.strerror}", where=str(target), mend="choose a folder that exists"
        ) from error
    return target


def _open(path: Path) -> IO[str]:
    return gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8")


def _write(file: IO[str], found: Iterable[Event], result: Outcome) -> None:
    about = {"workload": result.workload, "chip": result.chip.name, "engine": result.engine}
    about["tick_s"] = str(result.tick_s)
    file.write(f'{{"displayTimeUnit":"ns","otherData":{json.dumps(about)},"traceEvents":[\n')
    waiting: list[str] = []
    separator = ""
    for event in found:
        waiting.append(separator + json.dumps(event, separators=(",", ":")))
        separator = ",\n"
        if len(waiting) >= EVENTS_A_WRITE:
            file.writelines(waiting)
            waiting.clear()
    file.writelines(waiting)
    file.write("\n]}\n")


def events(trace: pd.DataFrame, kernels: pd.DataFrame, tick_s: Fraction, time_s: float) -> Iterator[Event]:
    """Every event of the trace, one at a time: names, kernels, instructions track by track, then counters.

    Parameters
    ----------
    trace
        Columns kernel, block, core, queue, op, detail, start_tick, end_tick, bytes, lane.
    kernels
        Columns kernel, start_s, end_s.
    tick_s
        Length of a tick, s, exactly.
    time_s
        Length of the run, s.
    """
    yield _name("process_name", CHIP_PROCESS, 0, "chip")
    yield _name("thread_name", CHIP_PROCESS, 1, "kernels")
    for kernel in kernels.to_dict("records"):
        start, end = (int(float(kernel[key]) * 1e9) for key in ("start_s", "end_s"))
        yield _span(str(kernel["kernel"]), "kernel", (start, end), (CHIP_PROCESS, 1), {})
    tracks: dict[int, int] = {}
    for _, rows in trace.groupby(["core", "queue"]):
        core = int(rows["core"].iloc[0])
        if core not in tracks:
            yield _name("process_name", FIRST_CORE + core, 0, f"core {core}")
        first = tracks.get(core, 1)
        tracks[core] = first + (yield from _queue(rows, (FIRST_CORE + core, first), tick_s))
    yield from _counters(trace, float(tick_s), time_s)


def _queue(rows: pd.DataFrame, first: tuple[int, int], tick_s: Fraction) -> Generator[Event, None, int]:
    """Events of one queue of one core, on as many tracks as overlap needs; returns how many it took."""
    process, thread = first
    rows = rows.sort_values(["start_tick", "end_tick"], kind="stable")
    lanes = pack(rows["start_tick"].to_numpy(), rows["end_tick"].to_numpy())
    count, queue = 1 + int(lanes.max()), str(rows["queue"].iloc[0])
    for lane in range(count):
        yield _name("thread_name", process, thread + lane, queue if lane == 0 else f"{queue} {lane + 1}")
    to_ns = tick_s * 10**9
    columns = [rows[name].tolist() for name in (*ARGUMENTS, "op", "detail", "bytes")]
    for lane, *values, op, detail, size in zip(lanes.tolist(), *columns, strict=True):
        args = dict(zip(ARGUMENTS, values, strict=True))
        if size:
            args["bytes"] = size
        span = (_floor_ns(args["start_tick"], to_ns), _floor_ns(args["end_tick"], to_ns))
        yield _span(f"{op} {detail}".rstrip(), op, span, (process, thread + lane), args)
    return count


def _counters(trace: pd.DataFrame, tick_s: float, time_s: float) -> Iterator[Event]:
    """Bytes a second of each kind of transfer, all cores together, in equal bins that hold every byte."""
    moving = trace[trace["bytes"] > 0]
    if time_s <= 0 or moving.empty:
        return
    width = time_s / COUNTER_BINS
    for op, group in moving.groupby("op", sort=True):
        starts, ends = (group[c].to_numpy(float) * tick_s for c in ("start_tick", "end_tick"))
        rates = binned(starts, ends, group["bytes"].to_numpy(float), time_s, COUNTER_BINS) / width * 1e-9
        last = None
        for i, rate in enumerate(np.round(rates, 3).tolist()):
            if rate != last:
                yield _counter(f"{op} (GB/s)", i * width, rate)
            last = rate
        yield _counter(f"{op} (GB/s)", time_s, 0.0)


def _counter(name: str, at_s: float, value: float) -> Event:
    return {"ph": "C", "name": name, "pid": CHIP_PROCESS, "ts": int(at_s * 1e9) / 1000, "args": {"GB/s": value}}


def _span(name: str, category: str, span_ns: tuple[int, int], track: tuple[int, int], args: Event) -> Event:
    start, end = span_ns
    return {"ph": "X", "name": name, "cat": category, "pid": track[0], "tid": track[1], "ts": start / 1000,
            "dur": (end - start) / 1000, "args": args}  # fmt: skip


def _name(kind: str, process: int, thread: int, name: str) -> Event:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": {"name": name}}


def _floor_ns(tick: int, to_ns: Fraction) -> int:
    return tick * to_ns.numerator // to_ns.denominator
