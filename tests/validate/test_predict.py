"""Predictions through the library's kernels: against bounds that no GPU can beat, and against measured rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from memsim.engine import power, simulate
from memsim.hierarchy import Chip
from memsim.library import sampling
from memsim.validate.calls import KINDS, Call
from memsim.validate.measured import read_file
from memsim.validate.predict import build, predict

KERNELS = Path(__file__).parents[2] / "examples" / "kernels.csv"
A100 = Chip.preset("a100_sxm")
HEADS = {"batch": 2, "seq": 512, "heads": 32, "kv_heads": 8, "head_dim": 128}
SHEET = {"rows": 4096, "cols": 1024}
CALLS = [
    Call("gemm", "bf16", m=512, n=1024, k=1024),
    Call("gemm", "fp32", m=256, n=256, k=256),
    Call("linear", "fp32", m=256, n=256, k=256),
    Call("elementwise", "fp32", function="add", **SHEET),
    Call("softmax", "fp32", **SHEET),
    Call("layer_norm", "fp32", **SHEET),
    Call("rms_norm", "bf16", **SHEET),
    Call("reduce", "fp32", **SHEET),
    Call("attn_prefill", "bf16", **HEADS),
    Call("attn_decode", "bf16", **HEADS),
]


def test_every_kind_of_call_is_tried() -> None:
    assert {call.kind for call in CALLS} == set(KINDS)


@pytest.mark.parametrize("call", CALLS, ids=lambda c: f"{c.kind}-{c.dtype}")
def test_no_prediction_beats_the_roofs(call: Call) -> None:
    found = predict(call, A100, "cold")
    peak = 312e12 if call.kind in ("gemm", "attn_prefill") and call.dtype == "bf16" else 19.5e12  # data sheet
    seconds = max(call.bytes / 2.039e12 / 1.1, call.flops / peak)  # what is written may stay in the cache
    assert found.time_s > min(seconds, 1e-6)
    assert found.time_s < 50 * max(seconds, 2e-6)
    assert 0 < found.power_w < 500
    assert found.energy_j == pytest.approx(found.power_w * found.time_s)
    assert found.choice and found.bound
    assert 0.2e9 < found.clock <= 1.41e9


def test_tensors_of_kernels_have_the_names_that_protocols_know() -> None:
    for call in CALLS:
        names = {tensor.name for tensor in build(call, A100).program.tensors}
        expected = {"X", "W", "Y"} if call.kind == "gemm" and call.dtype == "fp32" else set(call.tensor_bytes)
        assert expected <= names, call.kind


def test_what_the_cache_holds_makes_a_stream_faster() -> None:
    call = Call("elementwise", "fp32", function="copy", rows=2048, cols=2048)  # 16 MiB in, 16 out: it fits
    warm, cold = predict(call, A100, "same"), predict(call, A100, "cold")
    assert warm.time_s < 0.95 * cold.time_s  # the L2 alone takes nearly as long as the DRAM
    assert warm.energy_j < 0.8 * cold.energy_j


def test_weights_in_turn_are_cold_once_they_no_longer_fit() -> None:
    call = Call("gemm", "bf16", m=16, n=8192, k=4096)  # 64 MiB of weights
    assert predict(call, A100, "weights").time_s == pytest.approx(predict(call, A100, "cold").time_s, rel=0.1)
    small = Call("gemm", "bf16", m=16, n=1024, k=2048)  # 4 MiB
    assert predict(small, A100, "weights").time_s < predict(small, A100, "cold").time_s


@pytest.mark.parametrize("row", read_file(KERNELS).rows, ids=lambda r: f"{r.gpu}-{r.op}-{r.line}")
def test_measured_rows_are_met_within_a_factor_of_three(row) -> None:
    found = predict(row, Chip.preset(row.chip))
    assert row.lat_ms / 3 < 1e3 * found.time_s < row.lat_ms * 3


def test_a_call_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the limit of power too, where the die bounds the call: its time goes by the clock."""
    small, large = Call("gemm", "bf16", m=128, n=1024, k=1024), Call("gemm", "bf16", m=4096, n=4096, k=4096)
    runs: list[float] = []

    def counted(program, chip, **options):
        runs.append(float(chip.clock))
        return simulate(program, chip, **options)

    monkeypatch.setattr(sampling, "simulate", counted)
    monkeypatch.setattr(power, "simulate", counted)
    assert predict(small, A100, "cold").clock == 1.41e9
    assert runs == [1.41e9]
    assert predict(large, A100, "cold").clock < 1.41e9
    assert runs == [1.41e9, 1.41e9]
