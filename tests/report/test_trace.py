import gzip
import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError
from memsim.report import write_trace
from memsim.report.trace import events
from tests.report.fakes import TRACE, make_result

NO_KERNELS = pd.DataFrame(columns=["kernel", "start_s", "end_s"])


def by_track(found):
    tracks = defaultdict(list)
    for event in found:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append(event)
    return tracks


def ns(event):
    """Start and end in whole nanoseconds, as Perfetto keeps them."""
    start, length = round(event["ts"] * 1000), round(event["dur"] * 1000)
    return start, start + length


def test_the_file_is_json_with_every_instruction_once(result, tmp_path):
    path = write_trace(result, tmp_path / "t.json")
    data = json.loads(path.read_text())
    spans = [e for e in data["traceEvents"] if e["ph"] == "X" and e["cat"] != "kernel"]
    assert len(spans) == len(result.trace)
    assert data["otherData"]["workload"] == "matmul" and data["otherData"]["tick_s"] == "1/1000000000"
    assert sorted((e["args"]["start_tick"], e["args"]["end_tick"]) for e in spans) == sorted(
        zip(result.trace["start_tick"], result.trace["end_tick"], strict=True)
    )
    assert sum(e["args"].get("bytes", 0) for e in spans) == result.trace["bytes"].sum()


def test_cores_are_processes_and_queues_threads_with_names(result):
    found = list(events(result.trace, result.kernels, result.tick_s, result.time_s))
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in found if e["ph"] == "M" and e["name"] == "thread_name"}
    processes = {e["pid"]: e["args"]["name"] for e in found if e["ph"] == "M" and e["name"] == "process_name"}
    assert set(processes.values()) == {"chip", "core 0", "core 1"}
    assert len(names) == len(set(names))
    for track, spans in by_track(found).items():
        assert track in names
        if processes[track[0]] != "chip":
            assert {e["cat"] for e in spans} <= {"load", "mma", "store"}
    assert {"load", "load 2", "compute", "store", "kernels"} <= set(names.values())


def check_nesting(found):
    for spans in by_track(found).values():
        times = [ns(e) for e in spans]
        assert times == sorted(times)  # monotone
        assert all(start <= end for start, end in times)
        assert all(a[1] <= b[0] for a, b in pairwise(times))


def test_events_of_a_track_follow_each_other(result):
    check_nesting(events(result.trace, result.kernels, result.tick_s, result.time_s))


SPANS = st.tuples(st.integers(0, 10**7), st.integers(0, 40), st.sampled_from(["q", "r"]))


@given(
    st.lists(SPANS, min_size=1, max_size=60),
    st.sampled_from([Fraction(1, 10**9), Fraction(1, 1_755_000_000), Fraction(10, 17_000_000_001), Fraction(7, 10**9)]),
)
def test_no_clock_makes_events_of_a_track_overlap(spans, tick):
    rows = [
        ("k", 0, 0, queue, "load", "A", float(a * tick), float((a + n) * tick), a, a + n, 64, "dma")
        for a, n, queue in spans
    ]
    trace = pd.DataFrame(rows, columns=TRACE)
    found = list(events(trace, NO_KERNELS, tick, float(trace["end_s"].max())))
    check_nesting(found)
    for event in found:
        if event["ph"] == "X":
            exact = event["args"]["start_tick"] * tick * 10**6
            assert exact - Fraction(1, 1000) < Fraction(event["ts"]).limit_denominator(1000) <= exact


def test_counters_hold_every_byte_and_end_at_zero(result):
    found = list(events(result.trace, result.kernels, result.tick_s, result.time_s))
    for op, moved in result.trace[result.trace["bytes"] > 0].groupby("op")["bytes"].sum().items():
        points = [(e["ts"] * 1e-6, e["args"]["GB/s"]) for e in found if e["ph"] == "C" and e["name"] == f"{op} (GB/s)"]
        assert points[-1][1] == 0
        assert [t for t, _ in points] == sorted(t for t, _ in points)
        area = sum(rate * 1e9 * (after[0] - t) for (t, rate), after in pairwise(points))
        assert area == pytest.approx(moved, rel=0.02)  # times are kept to the nanosecond, rates to the MB/s


def test_kernels_have_a_track_of_their_own(result):
    found = events(result.trace, result.kernels, result.tick_s, result.time_s)
    (kernel,) = [event for event in found if event.get("cat") == "kernel"]
    assert kernel["name"] == "main" and ns(kernel) == (0, 20_000)


def test_events_are_made_one_at_a_time(result):
    stream = events(result.trace, result.kernels, result.tick_s, result.time_s)
    assert iter(stream) is stream
    assert next(stream)["ph"] == "M"


def test_a_packed_file(result, tmp_path):
    path = write_trace(result, tmp_path / "t.json.gz")
    with gzip.open(path, "rt") as file:
        assert len(json.load(file)["traceEvents"]) > len(result.trace)


def test_an_empty_trace_is_still_a_trace(tmp_path):
    empty = make_result(trace=pd.DataFrame(columns=TRACE), kernels=NO_KERNELS)
    data = json.loads(write_trace(empty, tmp_path / "t.json").read_text())
    assert [e["ph"] for e in data["traceEvents"]] == ["M", "M"]


def test_a_run_without_trace_says_how_to_get_one(tmp_path):
    with pytest.raises(MemsimError, match="was not traced") as caught:
        write_trace(make_result(trace=None), tmp_path / "t.json")
    assert "trace=True" in caught.value.mend


def test_a_folder_that_is_not_there(result, tmp_path):
    with pytest.raises(MemsimError, match="cannot write the trace") as caught:
        write_trace(result, tmp_path / "none" / "t.json")
    assert "none" in str(caught.value.where)
