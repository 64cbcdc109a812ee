"""The kernels on software adapters: their values are those of the closed forms, and a wrong one is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from memsim.errors import MemsimError
from memsim.webgpu.probe import GpuMachine, arithmetic, check_values, kernels, left_out
from memsim.webgpu.probe.kernels import Kernel, ramp_sum
from memsim.webgpu.probe.timing import QUICK, measure
from memsim.webgpu.probe.values import small_kernels
from tests.webgpu.samples import ADAPTERS, adapter


@cache
def machine(name: str = ADAPTERS[0]) -> GpuMachine:
    """Takes ticks for nanoseconds: on a busy machine the host's clock is too rough to calibrate them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("memsim.webgpu.probe.machine.seconds_per_tick", lambda ticks, walls: 1e-9)
        return GpuMachine(adapter(name))


def wrong(kernel: Kernel) -> str | None:
    loaded = machine().load(kernel)
    try:
        loaded.sample(3 * kernel.step)
        return loaded.differs()
    finally:
        loaded.release()


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_kernel_computes_what_it_should(name: str) -> None:
    checks = check_values(machine(name))
    assert {check.kernel: check.differs for check in checks if not check.ok} == {}
    assert len(checks) + len(left_out(machine(name))) == len(list(small_kernels())) == 16
    assert all("f16" in label for label in left_out(machine(name)))


MUTANTS = {
    "chase": ("at = data[at]; at = data[at];", "at = data[at];"),
    "read": ("sum1 += data[i1];", ""),
    "copy": ("data[i2 + p[2] + 1u] = data[i2] + (e2 >> p[4]);", ""),
    "workgroup": ("sum3 += tile", "sum3 -= tile"),
    "fma_latency": ("x = fma(x, a, b); x = fma(x, a, b);", "x = fma(x, a, b);"),
    "special": ("exp2(-x0)", "exp2(-x0 * 1.01)"),
    "empty": ("+= p[0]", "+= 1u + p[0]"),
}


@pytest.mark.parametrize("kind", MUTANTS)
def test_a_kernel_that_does_less_or_other_work_is_noticed(kind: str) -> None:
    kernel = next(kernel for kernel in small_kernels() if kernel.kind == kind)
    before, after = MUTANTS[kind]
    assert before in kernel.text
    assert wrong(kernel) is None
    assert wrong(replace(kernel, text=kernel.text.replace(before, after, 16 if kind == "special" else 1))) is not None


@pytest.mark.parametrize("dtype", ["f32", "f16", "i32"])
def test_arithmetic_that_does_other_work_is_noticed(dtype: str) -> None:
    chains = arithmetic.fma(dtype, 2)
    assert wrong(replace(chains, parameters=tuple(word ^ 1 << 22 for word in chains.parameters))) is not None
    product = arithmetic.matrix(dtype, 2)
    assert wrong(replace(product, text=product.text.replace("(j + t)", "(j / 2u + t)"))) is not None


def test_values_hold_over_many_dispatches_of_different_length() -> None:
    for kernel in (kernels.chase(300 * 64), arithmetic.empty(), arithmetic.fma("i32", 1), arithmetic.matrix("f32", 1)):
        loaded = machine().load(kernel)
        for trips in (5, 1, 17, 64, 8):
            loaded.sample(trips, 2)
            assert loaded.differs() is None, kernel.label
        loaded.release()


def test_values_hold_for_as_many_trips_as_a_kernel_allows() -> None:
    """Mesa's software drivers end longer loops without a word."""
    for kernel in (
        kernels.chase(64 << 10),
        arithmetic.fma_latency(),
        arithmetic.fma("f32", 1),
        arithmetic.fma("i32", 1),
    ):
        loaded = machine().load(kernel)
        loaded.sample(kernel.most)
        assert loaded.differs() is None, kernel.label
        loaded.release()


def test_ticks_are_calibrated_or_left_alone() -> None:
    found = GpuMachine(adapter(ADAPTERS[0]))
    assert found.timed_by == ("wall clock" if found.tick_s is None else "timestamps")
    assert found.grain_s > 0


def test_a_time_is_measured_all_the_same() -> None:
    loaded = machine().load(kernels.chase(64 << 10))
    found = measure(loaded.sample, machine().grain_s, effort=QUICK)
    loaded.release()
    assert 0 < found.low <= found.median <= found.high < 1e-3
    assert machine().submission() > 0


def test_without_timestamps_the_hosts_clock_is_taken() -> None:
    loaded = machine().load(arithmetic.fma("f32", 64))
    ticks = machine().tick_s
    try:
        machine().tick_s = None
        loaded.sample(1)
        short, long = (min(loaded.sample(trips) for _ in range(5)) for trips in (100, 3200))
    finally:
        machine().tick_s = ticks
        loaded.release()
    assert long > 4 * short >= 0


@pytest.mark.parametrize("shape", [(0, 10), (3, 1000), (1 << 20, 4096)])
def test_the_sum_of_a_ramp(shape: tuple[int, int]) -> None:
    first, words = shape
    values = (np.arange(first, first + words, dtype=np.uint64) * kernels.RAMP) % kernels.MODULUS
    assert ramp_sum(first, words) == int(values.sum()) % kernels.MODULUS


def test_tiles_have_products_that_tell_elements_apart() -> None:
    a, b = arithmetic.tiles()
    assert abs(arithmetic.PERIOD * a @ b).max() < 2048  # exact in f16
    assert len(np.unique(a @ b)) > 8


IMPOSSIBLE: dict[str, Callable[[], Kernel]] = {
    "one element": lambda: kernels.chase(64),
    "no power of two": lambda: kernels.stream(1000, 4),
    "three workgroups": lambda: kernels.stream(1 << 20, 3),
    "more invocations than vectors": lambda: kernels.stream(1 << 12, 4, "copy"),
    "workgroup memory": lambda: kernels.workgroup(1, 5000),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_sizes_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(MemsimError, match="mend: give"):
        IMPOSSIBLE[name]()


def test_a_shader_that_the_driver_refuses_is_one_message() -> None:
    kernel = replace(arithmetic.empty(), text="fn main() { nonsense }")
    with pytest.raises(MemsimError, match=r"empty dispatches on .*: the driver refuses the shader"):
        machine().load(kernel)
