"""Many rows: equal calls once, long ones first, failures and interrupts told, and the same answer from processes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from memsim.errors import MemsimError
from memsim.library import KNOBS, overridden
from memsim.validate.calls import Call
from memsim.validate.measured import Row, batch, predict_rows, read_file, sample
from tests.validate.made import prediction, row

KERNELS = Path(__file__).parents[2] / "examples" / "kernels.csv"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Call, str, str]]:
    """What is asked of `predict`, which takes as many ms as the call has rows; 13 rows cannot be."""
    calls: list[tuple[Call, str, str]] = []

    def predict(call: Call, chip, protocol: str):
        calls.append((call, chip.name, protocol))
        if call.rows == 13:
            raise MemsimError("13 rows", where="here")
        if call.rows == 99:
            raise KeyboardInterrupt
        return prediction(float(call.rows))

    monkeypatch.setattr(batch, "predict", predict)
    return calls


def rows_of(*counts: int) -> list[Row]:
    return [row(line, call=Call("softmax", "fp32", rows=n, cols=8)) for line, n in enumerate(counts, 2)]


def test_equal_calls_are_predicted_once_and_rows_keep_their_order(asked) -> None:
    found = predict_rows(rows_of(5, 7, 5), jobs=1)
    assert [call.rows for call, _, _ in asked] == [7, 5]  # the long one first
    assert [(c.row.line, c.prediction.time_s) for c in found.compared] == [(2, 0.005), (3, 0.007), (4, 0.005)]


def test_another_protocol_is_another_prediction(asked) -> None:
    call = Call("softmax", "fp32", rows=5, cols=8)
    rows = [row(call=call), Row(3, "softmax", "x", "fp32", "h100_sxm", call, "cold", lat_ms=1.0)]
    predict_rows(rows, jobs=1)
    assert Counter(protocol for _, _, protocol in asked) == {"same": 1, "cold": 1}


def test_a_row_that_cannot_be_predicted_is_told_and_the_others_go_on(asked) -> None:
    found = predict_rows(rows_of(5, 13, 7), jobs=1)
    assert [(f.row.line, f.reason) for f in found.failed] == [(3, "here: 13 rows")]
    assert [c.row.line for c in found.compared] == [2, 4]
    assert not found.interrupted


def test_an_interrupt_keeps_what_is_done(asked) -> None:
    found = predict_rows(rows_of(100, 5, 99, 7), jobs=1)  # 100 first, then 99
    assert [c.row.line for c in found.compared] == [2]
    assert found.missing == 3 and found.interrupted


def test_progress_counts_rows(asked) -> None:
    told: list[tuple[int, int]] = []
    predict_rows(rows_of(5, 7, 5), jobs=1, report=lambda done, whole: told.append((done, whole)))
    assert told == [(1, 3), (3, 3)]


def test_no_more_processors_than_this_process_may_use() -> None:
    assert 1 <= batch.processors() <= (os.cpu_count() or 1)


# A sample -----------------------------------------------------------------------------------------------------------


def test_a_sample_is_spread_as_the_whole_is() -> None:
    rows = [row(line, op=op, gpu=gpu) for line, (op, gpu) in enumerate(
        [("gemm", "a")] * 60 + [("gemm", "b")] * 30 + [("ln", "a")] * 10, 2)]  # fmt: skip
    chosen = sample(rows, 20, seed=0)
    assert [r.line for r in chosen] == sorted({r.line for r in chosen})
    assert Counter((r.op, r.gpu) for r in chosen) == {("gemm", "a"): 12, ("gemm", "b"): 6, ("ln", "a"): 2}
    assert chosen == sample(rows, 20, seed=0)
    assert chosen != sample(rows, 20, seed=1)


def test_each_operator_on_each_gpu_is_in_a_small_sample() -> None:
    rows = [row(line, op=op) for line, op in enumerate(["gemm"] * 98 + ["ln", "add"], 2)]
    assert Counter(r.op for r in sample(rows, 3, seed=4)) == {"gemm": 1, "ln": 1, "add": 1}


def test_a_sample_of_more_than_all_is_all() -> None:
    rows = [row(line) for line in range(2, 5)]
    assert sample(rows, 10, 0) == tuple(rows)


# Processes ----------------------------------------------------------------------------------------------------------


def test_processes_say_what_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other knobs than usual: a process of its own knows of them."""
    rows = [r for r in read_file(KERNELS).rows if r.call.kind == "gemm" and r.call.flops < 2e9]
    assert len(rows) > 4
    monkeypatch.setattr(batch, "ALONE", 0)
    changed = {"gemm_start": 2 * KNOBS["gemm_start"].value}
    usual = predict_rows(rows, jobs=1)
    with overridden(**changed):
        alone, together = predict_rows(rows, jobs=1), predict_rows(rows, jobs=2)
    assert together == alone
    assert all(a.prediction.time_s > b.prediction.time_s for a, b in zip(alone.compared, usual.compared, strict=True))
