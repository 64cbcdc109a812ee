"""Whole runs: on the CPU for real, on a GPU that counts, and on an adapter with times that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.measure import Case, Effort, NumpyDevice, WebgpuDevice, Writer, cases_of, open_webgpu, run_cases
from memsim.measure import numpy_device as on_cpu
from memsim.validate.calls import Call
from memsim.validate.measured import read_file
from memsim.webgpu.probe.timing import Measured
from tests.measure.fakes import GPU, FakeTorch
from tests.measure.test_cuda import opened

EFFORT = Effort(samples=3, batch_s=1e-4, warm_s=1e-3, window_s=0.2)
SMALL = [
    Case("matmul", "gemm", Call("gemm", "fp32", m=16, n=24, k=32)),
    Case("matmul", "gemm", Call("gemm", "fp32", batch=3, m=16, n=24, k=32)),
    Case("streams", "add", Call("elementwise", "fp32", function="add", rows=16, cols=32)),
    Case("streams", "copy", Call("elementwise", "fp32", function="copy", rows=16, cols=32)),
    Case("softmax", "softmax", Call("softmax", "fp32", rows=16, cols=32)),
    Case("norms", "layer_norm", Call("layer_norm", "fp32", rows=16, cols=32)),
    Case("norms", "rms_norm", Call("rms_norm", "fp32", rows=16, cols=32)),
    Case("reductions", "reduce", Call("reduce", "fp32", rows=16, cols=32)),
]


def writer(tmp_path: Path, gpu: str) -> Writer:
    return Writer(tmp_path / "t.csv", {"gpu": gpu})


# The CPU ------------------------------------------------------------------------------------------------------------


def test_a_cpu_runs_the_protocol_and_is_named_as_one(tmp_path: Path) -> None:
    device = NumpyDevice()
    done = run_cases(device, SMALL, writer(tmp_path, device.name), EFFORT)
    assert (done.measured, done.failed, done.refused) == (len(SMALL), [], {})
    with pytest.raises(MemsimError, match=r"no chip is known for the GPU 'CPU [\s\S]*these are times of a CPU"):
        read_file(tmp_path / "t.csv")
    rows = read_file(tmp_path / "t.csv", chips={device.name: "toy"}).rows
    assert [r.call for r in rows] == [case.call for case in SMALL]
    assert all(r.lat_lo <= r.lat_ms <= r.lat_hi for r in rows)


def test_numpy_computes_what_the_calls_mean() -> None:
    x = {case: on_cpu.NumpyLoaded(case.call, 1) for case in SMALL}
    for loaded in x.values():
        assert loaded.batch(1, 0) > 0
    product, _, add, copy, softmax, norm, rms, reduce = (loaded.copies[0] for loaded in x.values())
    np.testing.assert_allclose(product["C"], product["A"] @ product["B"].T, rtol=1e-5)
    np.testing.assert_array_equal(add["Y"], add["X"] + add["X2"])
    np.testing.assert_array_equal(copy["Y"], copy["X"])
    np.testing.assert_allclose(softmax["Y"].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(((norm["Y"] - norm["shift"]) / norm["gain"]).std(axis=1), 1, rtol=1e-3)
    np.testing.assert_allclose(((rms["Y"] / rms["gain"]) ** 2).mean(axis=1), 1, rtol=1e-3)
    np.testing.assert_allclose(reduce["Y"], reduce["X"].sum(axis=1), rtol=1e-4, atol=1e-4)


def test_a_cpu_leaves_out_what_numpy_has_not_or_takes_too_long(tmp_path: Path) -> None:
    device = NumpyDevice()
    cases = [
        Case("matmul", "gemm", Call("gemm", "bf16", m=8, n=8, k=8)),
        Case("matmul", "gemm", Call("gemm", "fp32", m=8192, n=8192, k=8192)),
        Case("streams", "gelu", Call("elementwise", "fp32", function="gelu", rows=8, cols=8)),
    ]
    done = run_cases(device, cases, writer(tmp_path, device.name), EFFORT)
    assert done.measured == 0
    assert done.refused == {
        "numpy has no products in bf16": 1, "it would take a CPU too long": 1, "gelu is not among numpy's functions": 1,
    }  # fmt: skip
    assert "1 left out: it would take a CPU too long" in str(done)


# A GPU that counts --------------------------------------------------------------------------------------------------


def test_a_suite_is_written_row_by_row_and_resumed(tmp_path: Path) -> None:
    torch, cases = FakeTorch(), cases_of("softmax", quick=True)
    file = writer(tmp_path, GPU)
    told: list[str] = []
    first = run_cases(opened(torch), cases, file, EFFORT, report=told.append)
    assert first.measured == len(cases) == len(told)
    again = run_cases(opened(torch), cases, Writer(file.path, {"gpu": GPU}, resume=True), EFFORT, report=told.append)
    assert (again.measured, again.already) == (0, len(cases))
    assert len(told) == len(cases)


def test_time_that_is_over_leaves_the_rest(tmp_path: Path) -> None:
    torch, cases = FakeTorch(), cases_of("softmax")
    done = run_cases(
        opened(torch), cases, writer(tmp_path, GPU), EFFORT, seconds=0.01, clock=lambda: torch.now
    )  # fmt: skip
    assert 0 < done.measured < len(cases)
    assert done.left == len(cases) - done.measured
    assert "--resume goes on" in str(done)


def test_a_case_that_goes_wrong_does_not_end_the_others(tmp_path: Path) -> None:
    torch = FakeTorch()
    torch.fails_on = "softmax"
    cases = [*cases_of("softmax", quick=True)[:1], *cases_of("reductions", quick=True)[:1]]
    done = run_cases(opened(torch), cases, writer(tmp_path, GPU), EFFORT)
    assert done.measured == 1
    assert done.failed == [(cases[0].label, "CUDA error: softmax went wrong")]
    assert f"failed: {cases[0].label}: CUDA error: softmax went wrong" in str(done)


def test_the_power_suite_has_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = FakeTorch(call_s=1e-3)
    device = opened(torch)
    monkeypatch.setattr("memsim.measure.energy.energy_of.__defaults__", (1, lambda: torch.now))
    case = Case("power", "softmax", Call("softmax", "fp32", rows=1024, cols=1024))
    run_cases(device, [case], writer(tmp_path, "NVIDIA H200"), EFFORT, meter=device.nvml)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8").replace(GPU, "NVIDIA H200")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (row,) = read_file(tmp_path / "t.csv").rows
    assert row.power_w == pytest.approx(400, rel=1e-2)
    assert row.energy_j == pytest.approx(0.4, rel=1e-2)


# wgpu ---------------------------------------------------------------------------------------------------------------


class Timer:
    timed_by = "timestamps"

    def __init__(self) -> None:
        self.programs: list[str] = []

    def seconds(self, program) -> Measured:
        self.programs.append(program.name)
        return Measured(1e-3, 0.9e-3, 1.2e-3, 9)


def test_an_adapter_runs_memsims_own_programs(tmp_path: Path) -> None:
    timer = Timer()
    device = WebgpuDevice("Test GPU 9000", Chip.preset("toy"), timer)
    big = Case("streams", "copy", Call("elementwise", "fp32", function="copy", rows=64, cols=1024))
    others = [case for case in SMALL if case.op in ("gemm", "softmax", "layer_norm", "rms_norm", "reduce")]
    cases = [big, *(case for case in others if case.call.batch == 1)]
    done = run_cases(device, cases, writer(tmp_path, device.name), EFFORT)
    assert timer.programs == ["copy", "gemm", "softmax", "layer_norm", "rms_norm", "reduce"]
    rows = read_file(tmp_path / "t.csv", chips={device.name: "toy"}).rows
    assert {(r.lat_ms, r.lat_lo, r.lat_hi, r.protocol) for r in rows} == {(1.0, 0.9, 1.2, "same")}
    assert done.measured == len(cases)


def test_an_adapter_leaves_out_what_no_workload_stands_for() -> None:
    device = WebgpuDevice("Test GPU 9000", Chip.preset("toy"), Timer())
    assert device.refuses(Case("s", "gelu", Call("elementwise", "fp32", function="gelu", rows=8, cols=8)))
    assert device.refuses(Case("s", "gemm", Call("gemm", "bf16", m=8, n=8, k=8)))
    assert device.refuses(Case("s", "gemm", Call("gemm", "fp32", batch=2, m=8, n=8, k=8)))
    assert device.refuses(Case("s", "gemm", Call("gemm", "fp32", m=8, n=8, k=8))) is None


def test_a_software_adapter_is_refused() -> None:
    with pytest.raises(MemsimError, match="its times say nothing of a GPU"):
        open_webgpu("llvmpipe")
