"""Kernels run as samples against whole runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memsim.engine.power import simulate_capped
from memsim.hierarchy import Chip
from memsim.library import Kernel
from memsim.library import gemm as products
from memsim.library.sampling import run

CACHED = (("A", False), ("C", True))


def sampled(monkeypatch: pytest.MonkeyPatch, name: str, m: int, n: int, k: int) -> Kernel:
    monkeypatch.setattr(products, "MANY_STEPS", 1)
    kernel = products.gemm(Chip.preset(name), m, n, k)
    assert [sample.steps for sample in kernel.samples] == list(products.SAMPLED)
    return kernel


@pytest.mark.parametrize(
    ("name", "m", "n", "k"),
    [
        ("a100_sxm", 4096, 4096, 4096),
        ("a100_sxm", 1024, 8192, 8192),
        ("h100_sxm", 4096, 4096, 8192),
        ("h100_sxm", 16384, 512, 8192),
        ("l4", 4096, 4096, 4096),
    ],
)
def test_samples_tell_what_the_whole_run_takes(
    monkeypatch: pytest.MonkeyPatch, name: str, m: int, n: int, k: int
) -> None:
    kernel = sampled(monkeypatch, name, m, n, k)
    told = run(kernel, kernel.chip, CACHED)
    whole = run(replace(kernel, samples=()), kernel.chip, CACHED)
    assert told.time_s == pytest.approx(whole.time_s, rel=0.03)
    assert told.energy_j == pytest.approx(whole.energy_j, rel=0.04)
    assert told.clock_hz == pytest.approx(whole.clock_hz, rel=0.025)
    assert told.power_w <= (kernel.chip.tdp_w or 0) * 1.0001


def test_a_limit_that_does_not_act_leaves_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = sampled(monkeypatch, "a100_sxm", 4096, 4096, 4096)
    for whole in (kernel, replace(kernel, samples=())):
        free, held = run(whole, kernel.chip, CACHED, lambda _: False), run(whole, kernel.chip, CACHED)
        assert free.clock_hz == float(kernel.chip.clock) > held.clock_hz
        assert free.time_s < held.time_s


def test_a_short_kernel_is_run_as_it_is() -> None:
    kernel = products.gemm(Chip.preset("a100_sxm"), 512, 512, 512)
    assert kernel.samples == ()
    found, result = run(kernel, kernel.chip), simulate_capped(kernel.program, kernel.chip, cached=())
    assert (found.time_s, found.energy_j, found.bottleneck) == (result.time_s, found.energy_j, result.bottleneck)
