"""A CUDA GPU through PyTorch: events around batches, graphs for short calls, clocks by NVML."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from memsim.errors import MemsimError
from memsim.measure.cases import Case
from memsim.measure.numpy_device import shapes_of
from memsim.measure.nvml import Nvml
from memsim.measure.torch_calls import TYPES, result_type, torch_call

EXTRA = "pip install 'memsim[cuda]'"
OUTPUTS = frozenset({"C", "Y", "O"})
WITH_FP8 = (8, 9)
"""Compute capability from which on there are products in fp8."""


def open_cuda(index: int = 0, torch: Any = None, nvml: Nvml | None = None) -> CudaDevice:
    """The GPU of that number.

    Parameters
    ----------
    index
        As CUDA counts.
    torch, nvml
        The modules, for tests; imported if not given.

    Raises
    ------
    MemsimError
        PyTorch or NVML's module is not installed, or there is no such GPU.
    """
    torch = torch if torch is not None else _import("torch")
    if not torch.cuda.is_available():
        raise MemsimError(
            "PyTorch finds no CUDA GPU",
            where="--backend cuda",
            mend="run it on a machine with one; --backend cpu tries the protocol, --backend wgpu measures other GPUs",
        )
    count = torch.cuda.device_count()
    if not 0 <= index < count:
        raise MemsimError(f"there is no GPU {index}", where="--device", mend=f"choose one from 0 to {count - 1}")
    torch.cuda.set_device(index)
    torch.cuda.init()
    return CudaDevice(torch, index, nvml or Nvml.of(_import("pynvml"), torch, index))


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MemsimError(f"needs {name}, which is not here: {error}", where="--backend cuda", mend=EXTRA) from error


class CudaDevice:
    """A GPU: see `memsim.measure.protocol.Device`.

    Parameters
    ----------
    torch
        The module.
    index
        Of the GPU.
    nvml
        Its clocks and counters.
    """

    backend = "cuda"
    has_graphs = True

    def __init__(self, torch: Any, index: int, nvml: Nvml) -> None:
        self.torch, self.nvml, self.place = torch, nvml, f"cuda:{index}"
        self.name = torch.cuda.get_device_name(index)
        properties = torch.cuda.get_device_properties(index)
        self.cache_bytes, self.memory_bytes = int(properties.L2_cache_size), int(properties.total_memory)
        self.capability = tuple(torch.cuda.get_device_capability(index))

    def refuses(self, case: Case) -> str | None:
        """Why a case cannot run here, or None."""
        dtype = case.call.dtype
        if dtype not in TYPES or torch_call(case.call) is None:
            return f"PyTorch has no {case.op} in {dtype}"
        if dtype.startswith("fp8") and self.capability < WITH_FP8:
            return "the GPU has no products in fp8"
        if dtype.startswith("fp8") and (case.call.n % 16 or case.call.k % 16):
            return "PyTorch's products in fp8 need multiples of 16"
        if dtype in ("bf16", "tf32") and self.capability < (8, 0):
            return f"the GPU has no {dtype}"
        if 2 * case.call.bytes > 0.8 * self.memory_bytes:
            return "two copies of its operands do not fit its memory"
        return None

    def load(self, case: Case, copies: int) -> CudaLoaded:
        """So many copies of the operands, filled with random numbers."""
        return CudaLoaded(self, case, copies)

    def clock_mhz(self) -> float | None:
        """Of the SMs, now."""
        return self.nvml.clock_mhz()


class CudaLoaded:
    """A case on a GPU."""

    def __init__(self, device: CudaDevice, case: Case, copies: int) -> None:
        self.torch, self.device, self.case = device.torch, device, case
        self.graph: Any = None
        self.captured = 0
        run = torch_call(case.call)
        assert run is not None
        self.run = run
        self.torch.backends.cuda.matmul.allow_tf32 = case.call.dtype == "tf32"
        random = self.torch.Generator(device=device.place)
        random.manual_seed(0)
        self.tensors = [self._tensors(random) for _ in range(copies)]
        self.kept: list[Any] = [None] * copies
        """The last result of each copy: as long as it is kept, its memory is not given to another."""
        self.begin, self.end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))

    def _tensors(self, random: Any) -> dict[str, Any]:
        call, torch, place = self.case.call, self.torch, self.device.place
        made: dict[str, Any] = {}
        for name, shape in shapes_of(call).items():
            dtype = getattr(torch, TYPES[result_type(call) if name in OUTPUTS else call.dtype])
            if call.dtype.startswith("fp8") and name not in OUTPUTS:
                made[name] = torch.randn(shape, device=place, dtype=torch.bfloat16, generator=random).to(dtype)
            else:
                made[name] = torch.randn(shape, device=place, dtype=dtype, generator=random)
        if call.dtype.startswith("fp8"):
            made["one"] = torch.ones((), device=place, dtype=torch.float32)
        return made

    def _calls(self, calls: int, first: int) -> None:
        torch, run, tensors, kept = self.torch, self.run, self.tensors, self.kept
        copies = len(tensors)
        for i in range(first, first + calls):
            kept[i % copies] = run(torch, tensors[i % copies])

    def batch(self, calls: int, first: int) -> float:
        """Seconds of so many calls, by events before and behind them."""
        if self.graph is not None and calls % self.captured:
            raise MemsimError(
                f"{calls} calls are no whole graphs of {self.captured}", where="a batch", mend="give a multiple"
            )
        self.torch.cuda.synchronize()
        self.begin.record()
        if self.graph is None:
            self._calls(calls, first)
        else:
            for _ in range(calls // self.captured):
                self.graph.replay()
        self.end.record()
        self.end.synchronize()
        return float(self.begin.elapsed_time(self.end)) / 1e3

    def capture(self, calls: int) -> None:
        """Make a graph of so many calls."""
        self.torch.cuda.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph):
            self._calls(calls, 0)
        self.graph, self.captured = graph, calls

    def release(self) -> None:
        """Give the memory back."""
        self.graph, self.tensors, self.kept = None, [], []
        self.torch.cuda.synchronize()
        self.torch.cuda.empty_cache()
