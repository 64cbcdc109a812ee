"""PyTorch, NVML and Triton that are made up: they count what is asked of them, and a virtual clock goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

GPU = "Test GPU 9000"
L2 = 4 << 20
MEMORY = 8 << 30


class Tensor:
    def __init__(self, shape, dtype: str, filled: str) -> None:
        self.shape, self.dtype, self.filled = tuple(shape), dtype, filled

    def t(self) -> Tensor:
        return self

    def transpose(self, a: int, b: int) -> Tensor:
        return self

    def to(self, dtype: str) -> Tensor:
        return Tensor(self.shape, dtype, self.filled)

    def numel(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count

    copied: list[Tensor] = []  # noqa: RUF012


class FakeTorch:
    """Each call takes ``call_s`` of the GPU; in a graph it takes ``graphed_s``. Launches take the host 5 us each."""

    __version__ = "9.9"
    float32, float16, bfloat16, int64 = "float32", "float16", "bfloat16", "int64"
    float8_e4m3fn, float8_e5m2 = "float8_e4m3fn", "float8_e5m2"

    def __init__(self, call_s: float = 20e-6, graphed_s: float = 18e-6, capability=(9, 0), gpus: int = 1) -> None:
        self.now, self.call_s, self.graphed_s, self.gpus = 0.0, call_s, graphed_s, gpus
        self.calls: list[Tensor] = []
        """First operand of each call."""
        self.made: list[Tensor] = []
        self.graphs: list[Any] = []
        self.capturing: Any = None
        self.emptied = 0
        self.fails_on: str | None = None
        self.backends = SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=None)))
        functional = {name: self._op(name) for name in ("linear", "relu", "gelu", "silu", "layer_norm", "rms_norm")}
        self.nn = SimpleNamespace(
            functional=SimpleNamespace(**functional, scaled_dot_product_attention=self._op("attention"))
        )
        for name in ("mm", "bmm", "add", "mul", "exp", "tanh", "softmax", "sum", "_scaled_mm"):
            setattr(self, name, self._op(name))
        self.cuda = FakeCuda(self, capability)

    def _op(self, name: str):
        def op(first: Tensor, *others: Any, **options: Any) -> Tensor:
            if name == self.fails_on:
                raise RuntimeError(f"CUDA error: {name} went wrong\nmore lines")
            self.calls.append(first)
            if self.capturing is not None:
                self.capturing.calls += 1
            else:
                self.now += self.call_s
            return Tensor(first.shape, first.dtype, "result")

        return op

    def Generator(self, device: str):
        return SimpleNamespace(manual_seed=lambda seed: None, device=device)

    def randn(self, shape, *, device: str, dtype: str, generator: Any = None) -> Tensor:
        shape = (shape,) if isinstance(shape, int) else shape
        self.made.append(Tensor(shape, dtype, "normal"))
        return self.made[-1]

    def ones(self, shape, *, device: str, dtype: str) -> Tensor:
        return Tensor(shape, dtype, "ones")

    def empty_like(self, tensor: Tensor) -> Tensor:
        return Tensor(tensor.shape, tensor.dtype, "nothing")


class FakeCuda:
    def __init__(self, torch: FakeTorch, capability) -> None:
        self.torch, self.capability = torch, capability

    def is_available(self) -> bool:
        return self.torch.gpus > 0

    def device_count(self) -> int:
        return self.torch.gpus

    def set_device(self, index: int) -> None:
        pass

    def init(self) -> None:
        pass

    def get_device_name(self, index: int) -> str:
        return GPU

    def get_device_properties(self, index: int):
        return SimpleNamespace(L2_cache_size=L2, total_memory=MEMORY, uuid="1234")

    def get_device_capability(self, index: int):
        return self.capability

    def synchronize(self) -> None:
        pass

    def empty_cache(self) -> None:
        self.torch.emptied += 1

    def Event(self, enable_timing: bool):
        assert enable_timing
        return FakeEvent(self.torch)

    def CUDAGraph(self):
        graph = FakeGraph(self.torch)
        self.torch.graphs.append(graph)
        return graph

    @contextmanager
    def graph(self, graph: FakeGraph) -> Iterator[None]:
        self.torch.capturing = graph
        yield
        self.torch.capturing = None


class FakeEvent:
    def __init__(self, torch: FakeTorch) -> None:
        self.torch, self.at = torch, 0.0

    def record(self) -> None:
        self.at = self.torch.now

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, other: FakeEvent) -> float:
        return 1e3 * (other.at - self.at)


class FakeGraph:
    def __init__(self, torch: FakeTorch) -> None:
        self.torch, self.calls, self.replays = torch, 0, 0

    def replay(self) -> None:
        self.replays += 1
        self.torch.now += self.calls * self.torch.graphed_s


class FakePynvml:
    """A board that draws ``watts`` by the torch's clock, and 50 W of a clock of its own while it rests."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    def __init__(self, torch: FakeTorch, watts: float = 400.0) -> None:
        self.torch, self.watts, self.rested = torch, watts, 0.0

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        assert uuid == "GPU-1234"
        return "handle"

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:
        assert (handle, kind) == ("handle", self.NVML_CLOCK_SM)
        return 1500

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return round(1e3 * (self.watts * self.torch.now + 50 * self.rested))

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:
        return 700_000

    def nvmlDeviceGetTemperature(self, handle: str, kind: int) -> int:
        return 55

    def nvmlSystemGetDriverVersion(self) -> bytes:
        return b"999.1"
