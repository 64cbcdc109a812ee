"""The path of a CUDA GPU, with a PyTorch that counts: warm-up, rotation, random data, graphs, clocks, energy."""

from __future__ import annotations

import math
import sys

import pytest

from memsim.errors import MemsimError
from memsim.measure import Case, Effort, open_cuda, time_case
from memsim.measure.energy import energy_of, idle_power
from memsim.measure.nvml import Nvml
from memsim.measure.protocol import MOST_COPIES, ROTATION, copies_of, protocol_of
from memsim.validate.calls import Call
from tests.measure.fakes import GPU, L2, MEMORY, FakePynvml, FakeTorch

PRODUCT = Case("matmul", "gemm", Call("gemm", "bf16", m=256, n=512, k=512))
BYTES = 2 * (256 * 512 + 512 * 512 + 256 * 512)
EFFORT = Effort(samples=5, batch_s=2e-3, warm_s=0.05, window_s=2.0)


def opened(torch: FakeTorch):
    return open_cuda(0, torch, Nvml.of(FakePynvml(torch), torch, 0))


def test_buffers_are_rotated_through_more_than_the_cache() -> None:
    torch = FakeTorch()
    device = opened(torch)
    copies = copies_of(PRODUCT, device)
    assert copies == math.ceil(ROTATION * L2 / BYTES)
    assert protocol_of(PRODUCT, device) == "cold"
    time_case(device, PRODUCT, EFFORT)
    first = torch.calls[: 2 * copies]
    assert len({id(t) for t in first}) == copies
    assert [id(t) for t in first[:copies]] == [id(t) for t in first[copies:]]  # in turn


def test_small_calls_that_fit_the_cache_whatever_is_done_are_said_to_be_warm() -> None:
    tiny = Case("matmul", "gemm", Call("gemm", "bf16", m=1, n=8, k=8))
    device = opened(FakeTorch())
    assert copies_of(tiny, device) == MOST_COPIES
    assert protocol_of(tiny, device) == "same"


def test_data_are_normal_random_numbers() -> None:
    torch = FakeTorch()
    time_case(opened(torch), PRODUCT, EFFORT)
    assert {t.filled for t in torch.made} == {"normal"}
    assert {t.filled for t in torch.calls} == {"normal"}
    assert {t.dtype for t in torch.made} == {"bfloat16"}


def test_nothing_counts_before_the_warm_up_is_over() -> None:
    torch = FakeTorch(call_s=1e-3)  # long: no graph
    found = time_case(opened(torch), PRODUCT, EFFORT)
    warm = len(torch.calls) - found.calls * (EFFORT.samples + 1)
    assert warm * 1e-3 >= EFFORT.warm_s
    assert found.mode == "stream"
    assert found.calls * 1e-3 >= EFFORT.batch_s
    assert found.median == pytest.approx(1e-3)


def test_short_calls_are_launched_as_graphs() -> None:
    torch = FakeTorch(call_s=20e-6, graphed_s=18e-6)
    device = opened(torch)
    found = time_case(device, PRODUCT, EFFORT)
    (graph,) = torch.graphs
    assert found.mode == "graph"
    assert found.median == pytest.approx(18e-6)
    assert graph.calls % found.copies == 0  # all copies are in it, in turn
    assert graph.replays * graph.calls == found.calls * (EFFORT.samples + 1)


def test_the_clock_is_told_and_memory_given_back() -> None:
    torch = FakeTorch()
    found = time_case(opened(torch), PRODUCT, EFFORT)
    assert found.clock_mhz == 1500
    assert torch.emptied == 1


@pytest.mark.parametrize(("dtype", "allowed"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_tf32_only_where_it_is_meant(dtype: str, allowed: bool) -> None:
    torch = FakeTorch()
    time_case(opened(torch), Case("matmul", "gemm", Call("gemm", dtype, m=256, n=512, k=512)), EFFORT)
    assert torch.backends.cuda.matmul.allow_tf32 is allowed


def test_products_in_fp8_have_scales_and_give_bf16() -> None:
    torch = FakeTorch()
    device = opened(torch)
    loaded = device.load(Case("matmul", "gemm", Call("gemm", "fp8_e4m3", m=16, n=32, k=64)), 2)
    tensors = loaded.tensors[0]
    assert (tensors["A"].dtype, tensors["C"].dtype, tensors["one"].filled) == ("float8_e4m3fn", "bfloat16", "ones")
    assert loaded.batch(2, 0) > 0


def test_results_are_kept_so_that_their_memory_rotates_too() -> None:
    torch = FakeTorch()
    loaded = opened(torch).load(Case("softmax", "softmax", Call("softmax", "fp32", rows=8, cols=8)), 3)
    loaded.batch(3, 0)
    assert len({id(result) for result in loaded.kept}) == 3
    loaded.release()
    assert loaded.kept == [] and loaded.tensors == []


def test_a_batch_of_half_a_graph_is_refused() -> None:
    loaded = opened(FakeTorch()).load(PRODUCT, 2)
    loaded.capture(4)
    with pytest.raises(MemsimError, match="6 calls are no whole graphs of 4"):
        loaded.batch(6, 0)


@pytest.mark.parametrize(
    ("call", "capability", "reason"),
    [
        (Call("gemm", "bf16", m=8, n=8, k=8), (7, 5), "the GPU has no bf16"),
        (Call("gemm", "fp8_e4m3", m=16, n=16, k=16), (8, 0), "the GPU has no products in fp8"),
        (Call("gemm", "fp8_e4m3", m=16, n=20, k=16), (9, 0), "PyTorch's products in fp8 need multiples of 16"),
        (Call("gemm", "int8", m=8, n=8, k=8), (9, 0), "PyTorch has no gemm in int8"),
        (Call("gemm", "bf16", m=2**16, n=2**16, k=8), (9, 0), "two copies of its operands do not fit its memory"),
        (Call("gemm", "bf16", m=8, n=8, k=8), (9, 0), None),
    ],
)
def test_what_a_gpu_cannot_do_is_said_beforehand(call: Call, capability, reason: str | None) -> None:
    assert opened(FakeTorch(capability=capability)).refuses(Case("matmul", "gemm", call)) == reason


def test_energy_is_that_of_the_counter_over_the_window() -> None:
    torch = FakeTorch(call_s=1e-3)
    device = opened(torch)
    loaded = device.load(PRODUCT, 2)
    drawn = energy_of(device.nvml, loaded, 1e-3, EFFORT, clock=lambda: torch.now)
    assert drawn.power_w == pytest.approx(400, rel=1e-3)
    assert drawn.energy_j == pytest.approx(400 * 1e-3, rel=1e-3)
    assert drawn.window_s >= EFFORT.window_s
    assert drawn.calls == pytest.approx(drawn.window_s / 1e-3)


def test_power_at_rest_is_measured_with_the_context_open() -> None:
    torch = FakeTorch()
    module = FakePynvml(torch)
    nvml = Nvml.of(module, torch, 0)

    def sleep(seconds: float) -> None:
        module.rested += seconds

    assert idle_power(nvml, EFFORT, lambda: module.rested, sleep) == pytest.approx(50)


def test_a_board_tells_of_itself() -> None:
    device = opened(FakeTorch())
    assert (device.name, device.cache_bytes, device.memory_bytes) == (GPU, L2, MEMORY)
    assert (device.nvml.driver(), device.nvml.power_limit_w(), device.nvml.temperature_c()) == ("999.1", 700, 55)


def test_what_nvml_raises_is_told() -> None:
    torch = FakeTorch()
    module = FakePynvml(torch)
    nvml = Nvml.of(module, torch, 0)

    def broken(handle: str, kind: int) -> int:
        raise ValueError("Not Supported")

    module.nvmlDeviceGetClockInfo = broken
    with pytest.raises(MemsimError, match="NVML: does not answer: Not Supported"):
        nvml.clock_mhz()


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MemsimError, match=r"needs torch[\s\S]*pip install 'memsim\[cuda\]'"):
        open_cuda()


def test_without_a_gpu_that_is_said() -> None:
    with pytest.raises(MemsimError, match="PyTorch finds no CUDA GPU"):
        open_cuda(0, FakeTorch(gpus=0))
    with pytest.raises(MemsimError, match="there is no GPU 3"):
        open_cuda(3, FakeTorch(gpus=2))
