"""Latency over footprint and power over intensity, with kernels that are made up."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from memsim.errors import MemsimError
from memsim.measure import Effort
from memsim.measure.curves import CHASE_LOADS, KIB, MIB, STRIDE, WORD, cycle, footprints, kernels, latency, power
from memsim.measure.webgpu_device import latency as adapter_latency
from tests.measure.fakes import FakeTorch
from tests.measure.test_cuda import opened
from tests.webgpu.probe.fakes import FakeMachine


def test_a_cycle_meets_every_element_once() -> None:
    words = cycle(100)
    at, seen = 0, []
    for _ in range(100):
        seen.append(at)
        at = int(words[at])
    assert at == 0
    assert sorted(seen) == list(range(0, 100 * STRIDE // WORD, STRIDE // WORD))
    assert not np.array_equal(np.diff(seen), np.diff(sorted(seen)))


def test_footprints_grow_from_4_kib_to_eight_times_the_cache() -> None:
    sizes = footprints(4 * MIB)
    assert (sizes[0], sizes[-1]) == (4 * KIB, 32 * MIB)
    assert all(size % STRIDE == 0 for size in sizes)
    assert max(b / a for a, b in pairwise(sizes)) < 2**0.25 * 1.05
    assert footprints(4 * MIB, quick=True) == tuple(4 * KIB * 2**i for i in range(14))


class Kernels:
    """A chase takes 10 us and then 100 ns a load, 300 beyond 16 KiB; a multiply-add as long as its clock says."""

    def __init__(self, torch: FakeTorch) -> None:
        self.torch, self.steps = torch, []

    def chase(self, data, result, loads: int) -> None:
        self.torch.now += 10e-6 + loads * (100e-9 if data.numel() * WORD <= 16 * KIB else 300e-9)

    def multiply(self, x, y, steps: int) -> None:
        assert x.filled == "normal"
        self.steps.append(steps)
        self.torch.now += 1e-2


def test_latency_is_what_a_load_adds() -> None:
    torch = FakeTorch()
    torch.from_numpy = lambda words: SimpleNamespace(to=lambda place: SimpleNamespace(numel=lambda: len(words)))
    torch.zeros = lambda count, **options: SimpleNamespace()
    rows = list(latency(opened(torch), (8 * KIB, 64 * KIB), Kernels(torch)))
    assert [r["latency_ns"] for r in rows] == pytest.approx([100, 300])
    assert [r["latency_cycles"] for r in rows] == pytest.approx([150, 450])  # at 1500 MHz
    assert [r["buffer_kB"] for r in rows] == [8, 64]
    assert CHASE_LOADS > 10_000


def test_power_is_that_of_the_counter_at_each_intensity() -> None:
    torch = FakeTorch()
    run = Kernels(torch)
    effort = Effort(window_s=1.0)
    rows = list(power(opened(torch), run, effort, steps=(0, 3), elements=1000, clock=lambda: torch.now))
    assert [r["flop_per_byte"] for r in rows] == [0.25, 1.0]
    assert [r["power_w"] for r in rows] == pytest.approx([400, 400], rel=1e-3)
    assert [r["gb_per_s"] for r in rows] == pytest.approx([8e-4 / 1.0 * 1.0] * 2, rel=1e-6)
    assert rows[1]["gflop_per_s_fp32"] == pytest.approx(rows[1]["gb_per_s"] * 1.0)
    assert set(run.steps) == {0, 3}


def test_an_adapter_has_the_probes_ladder() -> None:
    machine = FakeMachine("h100_pcie", storage_bytes=1 << 20)
    rows = list(adapter_latency("Test GPU", machine, quick=True))
    assert rows[0]["buffer_kB"] == 4 and rows[-1]["buffer_kB"] == 1024
    assert rows[0]["latency_ns"] < rows[-1]["latency_ns"]
    assert machine.loaded == 0


def test_without_triton_that_is_said() -> None:
    with pytest.raises(MemsimError, match="needs Triton"):
        kernels()
