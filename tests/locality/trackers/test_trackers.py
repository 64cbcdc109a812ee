"""Trackers of blocks: published numbers (the Sutro Group's public rules, autumn 2026) and the rules as written."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError
from memsim.locality.trackers import LRUStackTracker, MemTracker

Event = tuple[str, int]
"""A name and the size that is written, or 0 for a read."""

MIXED = [("a", 4), ("b", 4), ("a", 0), ("b", 0), ("c", 4), ("c", 0), ("a", 0)]
ONE = [("x", 1), ("x", 0), ("x", 0), ("x", 0)]
TEN = [("x", 10), ("x", 0)]


def tracked(events: list[Event]) -> tuple[MemTracker, LRUStackTracker]:
    clock, stack = MemTracker(), LRUStackTracker()
    for name, size in events:
        for tracker in (clock, stack):
            if size:
                tracker.write(name, size)
            else:
                tracker.read(name)
    return clock, stack


@pytest.mark.parametrize(
    ("events", "dmc", "dmd"), [(MIXED, "50.22333494", "35.39526896"), (ONE, "4.14626437", "3.00000000")]
)
def test_published_traces(events: list[Event], dmc: str, dmd: str) -> None:
    clock, stack = tracked(events)
    assert (f"{clock.dmc:.8f}", f"{stack.dmd:.8f}") == (dmc, dmd)


def test_published_trace_of_ten() -> None:
    clock, stack = tracked(TEN)
    assert (f"{clock.dmc:.7f}", f"{stack.dmd:.8f}") == ("31.6227766", "22.46827819")


def test_published_mean_distance() -> None:
    assert tracked(MIXED)[0].ard == 11.0


events = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 7)), max_size=60)


def without_early_reads(events: list[Event]) -> list[Event]:
    """Reads before the first write become writes."""
    known: set[str] = set()
    found = []
    for name, size in events:
        found.append((name, size if size or name in known else 3))
        known.add(name)
    return found


def naive(events: list[Event]) -> tuple[float, float, float]:
    """DMC, ARD and DMD with a list of elements."""
    clock, dmc, dmd, weighed, read = 0, 0.0, 0.0, 0, 0
    written: dict[str, int] = {}
    stack: list[str] = []
    for name, size in events:
        size_now = size or stack.count(name)
        clock += size_now
        if size:
            written[name] = clock
            stack = [one for one in stack if one != name] + [name] * size
            continue
        distance = clock - written[name]
        dmc += size_now * math.sqrt(distance)
        weighed += size_now * distance
        read += size_now
        dmd += sum(math.sqrt(len(stack) - i) for i, one in enumerate(stack) if one == name)
    return dmc, weighed / read if read else 0.0, dmd


@given(events)
def test_trackers_follow_the_rules(drawn: list[Event]) -> None:
    events = without_early_reads(drawn)
    clock, stack = tracked(events)
    assert (clock.dmc, clock.ard, stack.dmd) == pytest.approx(naive(events), rel=1e-12)


def test_a_tracker_can_be_asked_again_and_again() -> None:
    stack = LRUStackTracker()
    stack.write("a", 2)
    assert (stack.dmd, stack.dmd) == (0.0, 0.0)
    stack.read("a")
    once = stack.dmd
    stack.read("a")
    assert stack.dmd == 2 * once == 2 * (1 + math.sqrt(2))


def test_scores_name_model_and_rules() -> None:
    clock, stack = tracked(MIXED)
    scores = [*clock.scores(), stack.score()]
    assert [score.model for score in scores] == ["dmc", "ard", "dmd"]
    assert [score.cost for score in scores] == [clock.dmc, clock.ard, stack.dmd]
    assert {(score.reads, score.writes, score.version) for score in scores} == {(4, 3, "autumn 2026")}
    assert scores[0].details["elements_read"] == 16


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "4", 10**14])
@pytest.mark.parametrize("kind", [MemTracker, LRUStackTracker])
def test_sizes_are_whole_numbers(kind: Any, size: Any) -> None:
    with pytest.raises(MemsimError) as caught:
        kind().write("w", size)
    assert str(caught.value) == f"write 'w': {size!r} is no size\n  mend: use a whole number from 1 to 1,000,000,000"


@pytest.mark.parametrize("kind", [MemTracker, LRUStackTracker])
def test_what_is_read_was_written(kind: Any) -> None:
    with pytest.raises(MemsimError) as caught:
        kind().read("w")
    assert str(caught.value) == "read 'w': nothing was written to 'w'\n  mend: write it before it is read"


def test_a_refused_event_leaves_no_trace() -> None:
    clock, stack = tracked(MIXED)
    both: tuple[MemTracker | LRUStackTracker, ...] = (clock, stack)
    for tracker in both:
        with pytest.raises(MemsimError):
            tracker.read("z")
        with pytest.raises(MemsimError):
            tracker.write("a", 0)
    assert (f"{clock.dmc:.8f}", f"{stack.dmd:.8f}") == ("50.22333494", "35.39526896")


def test_a_million_events_take_seconds() -> None:
    clock, stack = MemTracker(), LRUStackTracker()
    before = time.process_time()
    for i in range(500_000):
        for tracker in (clock, stack):
            tracker.write(i % 1000)
            tracker.read(i * 7919 % 1000 if i >= 1000 else i)
    assert stack.dmd > 0
    assert time.process_time() - before < 20
