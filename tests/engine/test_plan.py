"""Plans: steps numbered within their kernel, and twins that are what they would be if compiled alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from itertools import count
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from memsim.engine import compile_plan
from memsim.engine.compile_plan import make_plan
from memsim.engine.servers import PAGE_SEGMENTS
from memsim.hierarchy import Chip
from memsim.isa import Program, parse
from memsim.isa.canonical import canonical
from tests.chips import chips
from tests.engine.machines import plain_chip
from tests.strategies import programs

COUNTERS = [[(7 * i + 3 * j) % 11 for j in range(40)] for i in range(4)]


def equal(a: Any, b: Any) -> bool:
    """Equality of plans: compiled expressions are equal where their values are, at a few points."""
    if isinstance(a, Callable) and not is_dataclass(a):  # type: ignore[arg-type]
        return [a(c) for c in COUNTERS] == [b(c) for c in COUNTERS]
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if is_dataclass(a) and type(a) is type(b) and type(a).__module__ == "memsim.engine.plan":
        return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return bool(a == b)


@given(programs(steady=True, shared=True), chips(), st.integers(0, 3))
def test_a_twin_has_the_groups_that_it_would_have_alone(program: Program, chip: Chip, change: int) -> None:
    plan = make_plan(program, chip)
    unlike = count()
    with mock.patch.object(compile_plan, "key", lambda *_: next(unlike)):
        alone = make_plan(program, chip)
    assert [kernel.twin for kernel in alone.kernels] == list(range(len(program.kernels)))
    for one, other in zip(plan.kernels, alone.kernels, strict=True):
        assert (one.kernel, one.cores, one.tensors) == (other.kernel, other.cores, other.tensors)
        assert equal(one.groups, other.groups)
    step = next((s for kernel in plan.kernels for s in kernel.steps), None)
    if step is not None:  # the comparison can fail
        changes = ({"number": -1}, {"path": ()}, {"tensor": "?"}, {"postings": (None,)})
        assert not equal(step, replace(step, **changes[change]))


@given(programs(steady=True, shared=True), chips())
def test_twins_are_the_same_up_to_names_and_lie_alike_in_memory(program: Program, chip: Chip) -> None:
    plan = make_plan(program, chip)
    for number, kernel in enumerate(plan.kernels):
        assert [step.number for step in kernel.steps] == list(range(len(kernel.steps)))
        first = plan.kernels[kernel.twin]
        assert first.twin == kernel.twin <= number
        assert canonical(program, kernel.kernel) == (canonical(program, first.kernel)[0], kernel.tensors)
        for one, other in zip(first.tensors, kernel.tensors, strict=True):
            a, b = plan.layouts.get(one), plan.layouts.get(other)
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert a.segment_shape == b.segment_shape
                assert (a.base - b.base) % PAGE_SEGMENTS == 0


TEXT = "program many\n" + "".join(
    f"""
    tensor X{i} dram fp32 [{rows}, 16]
    kernel k{i} blocks (b 2) {{
      ring a sram fp32 [16, 16]
      queue load {{ loop i 2 {{ load a <- X{i}[b * 32 + i * 16, 0] }} }}
      queue use {{ loop i 2 {{ pop a }} }}
    }}"""
    for i, rows in enumerate((64, 64, 128, 64))
)


def test_a_tensor_of_another_shape_makes_another_kernel() -> None:
    assert [kernel.twin for kernel in make_plan(parse(TEXT), plain_chip(2)).kernels] == [0, 0, 2, 0]


def test_kernels_that_are_the_same_are_compiled_once() -> None:
    with mock.patch.object(compile_plan, "_compile_groups", wraps=compile_plan._compile_groups) as compiled:
        plan = make_plan(parse(TEXT), plain_chip(2))
        assert compiled.call_count == 2
        assert [kernel.steps[0].tensor for kernel in plan.kernels] == ["X0", "X1", "X2", "X3"]
        assert compiled.call_count == 2
