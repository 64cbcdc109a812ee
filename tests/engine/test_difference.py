"""What is told where two results differ: the first instruction first, then every number that is not the same."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memsim.engine.difference import MOST_LINES, first_difference
from memsim.engine.memory import COUNTED
from memsim.engine.result import Result
from memsim.engine.tally import Run, objects
from memsim.isa import parse
from tests.engine.machines import Shuffled, run
from tests.engine.nasty import NASTY


@pytest.fixture(scope="module")
def result() -> Result:
    chip, text = NASTY["dirty lines that leave in a loop"]
    return run(parse(f"program p\n{text}"), chip)


def changed(result: Result, **changes: Any) -> Result:
    """The result of another engine that counts something else."""
    other = copy(result)
    other.engine, other.run = "other", replace(result.run, **changes)
    return other


def delayed(run: Run, at: dict[int, int]) -> list[Any]:
    """The trace with some rows, by their place in it, beginning and ending later."""
    assert run.trace is not None
    rows = list(run.trace)
    for i, by in at.items():
        rows[i] = (*rows[i][:5], rows[i][5] + by, rows[i][6] + by, *rows[i][7:])
    return rows


def other_tally(result: Result, **changes: Any) -> Result:
    """The result with a changed tally in its second kernel."""
    kernels = list(result.run.kernels)
    kernels[1] = replace(kernels[1], tally=replace(kernels[1].tally, **changes))
    return changed(result, kernels=kernels)


def test_equal_results_have_no_difference(result: Result) -> None:
    chip, text = NASTY["dirty lines that leave in a loop"]
    assert first_difference(result, run(parse(f"program p\n{text}"), chip, Shuffled(3))) is None
    assert first_difference(result, changed(result, trace=None)) is None
    trace = result.run.trace
    assert trace is not None
    assert first_difference(result, changed(result, trace=trace[::-1])) is None


def test_the_first_instruction_that_differs_is_told_as_both_have_it(result: Result) -> None:
    trace = result.run.trace
    assert trace is not None
    order = sorted(range(len(trace)), key=lambda i: trace[i][5:7])
    told = first_difference(result, changed(result, trace=delayed(result.run, {order[200]: 3, order[40]: 7})))
    assert told is not None
    head, count, one, other = told.splitlines()
    _, _, core, queue, step, start, end, size, sequence = trace[order[40]]
    assert head == "simpy and other differ on p"
    assert count == "first of 2 instructions:"
    assert one.startswith("  simpy: kernel layer") and other.startswith("  other: kernel layer")
    for line, by in ((one, 0), (other, 7)):
        assert f"queue {queue}, its {sequence}" in line
        assert line.endswith(f"on core {core}, ticks {start + by}..{end + by}, {size} B")
        assert step.operation in line and ".".join(map(str, step.path)) in line


def test_an_instruction_that_one_engine_does_not_run_is_told(result: Result) -> None:
    trace = result.run.trace
    assert trace is not None
    told = first_difference(result, changed(result, trace=[row for row in trace if row[8] != 4]))
    assert told is not None and "its 4th: nothing" in told


def one_more(values: list[int]) -> list[int]:
    return [values[0] + 1, *values[1:]]


def test_every_number_is_compared(result: Result) -> None:
    run = result.run
    server = result.parts["part"][0]
    tick = run.kernels[0]
    changes: dict[str, tuple[dict[str, Any], str]] = {
        "ticks": ({"ticks": run.ticks + 1}, f"ticks: {run.ticks} | {run.ticks + 1}"),
        "span": (
            {"kernels": [replace(tick, end=tick.end + 1), *run.kernels[1:]]},
            f"kernel layer0: span: ({tick.begin}, {tick.end}) | ({tick.begin}, {tick.end + 1})",
        ),
        "fewer kernels": ({"kernels": run.kernels[:1]}, "kernels run: 2 | 1"),
        "servers": ({"server_busy": one_more(run.server_busy)}, f"busy ticks of {server}:"),
        "links": ({"link_bytes": one_more(run.link_bytes)}, f"bytes over {server}:"),
        "banks": (
            {"bank_busy": run.bank_busy | {"dram": one_more(run.bank_busy["dram"])}},
            "busy ticks of bank of dram 0:",
        ),
        "memories": ({"bank_busy": {"dram": run.bank_busy["dram"]}}, "memories: ['cache', 'dram'] | ['dram']"),
        "stalls": ({"stalls": run.stalls | {("load", "working"): -1}}, "stalls ('load', 'working'):"),
        "write-back": ({"final_write_back": {"P": 1}}, f"final write-back P: {run.final_write_back['P']} | 1"),
    }
    for name, (change, line) in changes.items():
        told = first_difference(result, changed(result, **change))
        assert told is not None and line in told, name
        assert "instructions" not in told, name


def test_every_count_of_a_kernel_is_compared(result: Result) -> None:
    tally = result.run.kernels[1].tally
    for table in ("executions", "moved", "entered", "fetched"):
        counts = getattr(tally, table).copy()
        counts[2, 1] += 5
        told = first_difference(result, other_tally(result, **{table: counts}))
        assert told is not None, table
        assert f"kernel layer1: {table} of (step, core) (2, 1): {counts[2, 1] - 5} | {counts[2, 1]}" in told
        cut = first_difference(result, other_tally(result, **{table: counts[:, :1]}))
        assert cut is not None and f"{table} of (step, core): shape" in cut
    told = first_difference(result, other_tally(result, empty=~tally.empty))
    assert told is not None and "empty transfers of step (0,): False | True" in told
    for kind in range(len(COUNTED)):
        counts = dict(tally.by_tensor)
        counts["P"] = tuple(n + 77 * (i == kind) for i, n in enumerate(counts.get("P", (0,) * len(COUNTED))))
        told = first_difference(result, other_tally(result, by_tensor=counts))
        before = tally.by_tensor.get("P", 0)
        assert told is not None and f"kernel layer1: {', '.join(COUNTED)} of P: {before} | {counts['P']}" in told
    crossed = objects([*tally.flows.crossed[:-1], (("nvlink", 2),)])
    told = first_difference(result, other_tally(result, flows=replace(tally.flows, crossed=crossed)))
    assert told is not None and "(('nvlink', 2),)): 0 | (" in told
    for column in ("bytes", "router_bytes"):
        flows = replace(tally.flows, **{column: getattr(tally.flows, column) + 1})
        told = first_difference(result, other_tally(result, flows=flows))
        assert told is not None and "kernel layer1: flow of (step, core, mm)" in told


def test_flows_may_be_cut_into_rows_and_ordered_in_any_way(result: Result) -> None:
    flows = result.run.kernels[1].tally.flows
    columns = {}
    for name in ("step", "core", "mm", "crossed", "bytes", "router_bytes"):
        column = getattr(flows, name)[::-1]
        split = column[:1] // 2 if "bytes" in name else column[:1]
        rest = column[:1] - split if "bytes" in name else column[:1]
        columns[name] = np.concatenate([split, rest, column[1:]])
    assert first_difference(result, other_tally(result, flows=replace(flows, **columns))) is None


def test_the_ledger_is_compared_and_the_lines_are_few(result: Result) -> None:
    other = changed(result)
    other.energy = copy(result.energy)
    other.energy.counts = {key: amount + 1 for key, amount in result.energy.counts.items()}
    told = first_difference(result, other)
    assert told is not None
    lines = told.splitlines()
    assert len(lines) == 1 + MOST_LINES + 1
    assert lines[1].startswith("  ledger Key(part=")
    assert lines[-1] == f"  and {len(result.energy.counts) - MOST_LINES} more"
