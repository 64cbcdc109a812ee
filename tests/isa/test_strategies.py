"""The random programs themselves: all run, none depends on timing, and together they reach every part of the ISA."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from memsim.isa.analyze import analyze
from memsim.isa.interpret import interpret
from memsim.isa.model import (
    PER_CORE_ROLES,
    Copy,
    Fill,
    Gather,
    Iota,
    Load,
    Mma,
    Pop,
    Push,
    Reduce,
    Send,
    Store,
    Vector,
    tiles_read,
    walk,
)
from memsim.isa.verify import verify
from tests.strategies import inputs_for, least_cores, programs
from tests.variants import respelled


def cores_of(program):
    return program.cores or least_cores(program)


def run(program, inputs, **options):
    return interpret(program, inputs, cores=cores_of(program), **options)


def with_depths(program, depth_of):
    """The same program with other ring depths."""
    kernels = tuple(
        replace(
            kernel,
            groups=tuple(
                replace(group, rings=tuple(replace(ring, depth=depth_of(ring)) for ring in group.rings))
                for group in kernel.groups
            ),
        )
        for kernel in program.kernels
    )
    return replace(program, kernels=kernels)


@given(programs(), st.integers(0, 3))
def test_every_program_runs_and_deeper_rings_change_no_value(program, seed):
    inputs = inputs_for(program, seed)
    out = run(program, inputs)
    deeper = run(with_depths(program, lambda ring: ring.depth + 2), inputs)
    for name, values in out.items():
        assert values.tobytes() == deeper[name].tobytes(), name


@given(programs(max_executions=800), st.data())
def test_other_spellings_of_loops_change_no_value(program, data):
    inputs = inputs_for(program)
    kernels = tuple(respelled(data.draw, kernel) for kernel in program.kernels)
    event(f"respelled: {kernels != program.kernels}")
    other = replace(program, kernels=kernels, cores=cores_of(program))
    verify(other)
    again = run(other, inputs)
    for name, values in run(program, inputs).items():
        assert values.tobytes() == again[name].tobytes(), name


@settings(max_examples=30)
@given(programs(steady=True, shared=True))
def test_steady_programs_run_too(program):
    verify(program)
    assert sum(told.count for told in analyze(program, cores=cores_of(program)).executions) <= 2000
    for name, values in run(program, inputs_for(program)).items():
        assert not np.isnan(values.astype(np.float32)).any(), name


@given(programs(max_executions=500, max_cores=4, max_kernels=2))
def test_programs_keep_to_their_limits(program):
    seen = Counter()
    run(program, {}, observer=lambda kernel, group, block, *_: seen.update([kernel]))
    assert sum(seen.values()) <= 500
    assert len(program.kernels) <= 2
    assert least_cores(program) <= 4
    assert program.cores is None or least_cores(program) <= program.cores <= 4
    assert all(1 <= ring.depth <= 4 for kernel in program.kernels for group in kernel.groups for ring in group.rings)


@given(programs(per_core_tensors=False))
def test_per_core_tensors_can_be_left_out(program):
    assert all(tensor.role == "dram" for tensor in program.tensors)


@given(programs())
def test_values_stay_finite_enough_to_compare(program):
    """Floats that a program computes from `inputs_for` are numbers, so that two engines can be compared."""
    for name, values in run(program, inputs_for(program)).items():
        assert not np.isnan(values.astype(np.float32)).any(), name


@given(programs(max_kernels=1))
def test_inputs_follow_the_seed_and_fit_the_tensors(program):
    first, again, other = inputs_for(program, 1), inputs_for(program, 1), inputs_for(program, 2)
    assert list(first) == [tensor.name for tensor in program.tensors]
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)
    assert sum(a.size for a in first.values()) < 16 or any((first[n] != other[n]).any() for n in first)


# ---- the rest of the ISA agrees with what runs ----


@given(programs())
def test_verify_accepts_every_program(program):
    verify(program)


@given(programs(max_executions=1000))
def test_analyze_counts_what_is_executed(program):
    counts, moved = Counter(), Counter()

    def observe(kernel, group, block, queue, instruction, size):
        key = (kernel, group, queue, id(instruction))
        counts[key] += 1
        moved[key] += size

    run(program, inputs_for(program), observer=observe)
    for told in analyze(program, cores=cores_of(program)).executions:
        key = (told.kernel, told.group, told.queue, id(told.instruction))
        assert (told.count, told.bytes) == (counts.pop(key, 0), moved.pop(key, 0)), told
    assert not counts


# ---- what the strategy reaches ----


def instructions(program):
    """Each instruction with its loops, its queue and its group."""
    for kernel in program.kernels:
        for group in kernel.groups:
            for queue in group.queues:
                for instruction, loops in walk(queue.body):
                    yield instruction, loops, queue, group


def has(*kinds):
    return lambda program: any(isinstance(i, kinds) for i, *_ in instructions(program))


def any_instruction(test):
    return lambda program: any(test(i, loops) for i, loops, *_ in instructions(program))


def consumer_counts(program):
    for kernel in program.kernels:
        for group in kernel.groups:
            pops = {(i.ring, q.name) for q in group.queues for i, _ in walk(q.body) if isinstance(i, Pop)}
            yield from Counter(ring for ring, _ in pops).values()


FEATURES = {
    **{kind.__name__.lower(): has(kind) for kind in (Load, Store, Gather, Copy, Send, Mma, Vector, Reduce, Fill, Iota)},
    "push": has(Push),
    "three nested loops": any_instruction(lambda i, loops: len(loops) >= 3),
    "constant zero trips": any_instruction(
        lambda i, loops: any(x.count.is_constant and not x.count.const for x in loops)
    ),
    "count by an outer counter": any_instruction(
        lambda i, loops: any(y.var in x.count.variables() for y in loops for x in loops)
    ),
    "count with min": any_instruction(lambda i, loops: any("min(" in str(x.count) for x in loops)),
    "count with max": any_instruction(lambda i, loops: any("max(" in str(x.count) for x in loops)),
    "count with //": any_instruction(lambda i, loops: any("//" in str(x.count) for x in loops)),
    "clipped load": any_instruction(lambda i, _: isinstance(i, Load) and i.src.clip),
    "clipped store": any_instruction(lambda i, _: isinstance(i, Store) and i.dst.clip),
    "strided load": any_instruction(lambda i, _: isinstance(i, Load) and max(i.src.steps) > 1),
    "strided store": any_instruction(lambda i, _: isinstance(i, Store) and max(i.dst.steps) > 1),
    "transposed load": any_instruction(lambda i, _: isinstance(i, Load) and i.transpose),
    "transposed copy": any_instruction(lambda i, _: isinstance(i, Copy) and i.transpose),
    "multicast load": any_instruction(lambda i, _: isinstance(i, Load) and bool(i.dst.blocks)),
    "multicast send": any_instruction(lambda i, _: isinstance(i, Send) and any(n > 1 for _, n in i.dst.blocks)),
    "exchange": any_instruction(lambda i, _: isinstance(i, Send) and all(n == 1 for _, n in i.dst.blocks)),
    "send to a group": any_instruction(lambda i, _: isinstance(i, Send) and i.dst.group is not None),
    "slots ahead": any_instruction(lambda i, _: any(tile.ahead for tile in tiles_read(i))),
    "accumulation": any_instruction(lambda i, _: isinstance(i, Mma) and i.accumulate),
    "several consumers": lambda p: max(consumer_counts(p), default=0) > 1,
    "several kernels": lambda p: len(p.kernels) == 3,
    "several groups": lambda p: any(len(k.groups) == 2 and not k.cooperative for k in p.kernels),
    "cooperative": lambda p: any(k.cooperative for k in p.kernels),
    "occupancy": lambda p: any(k.occupancy > 1 for k in p.kernels),
    "depth 4": lambda p: any(r.depth == 4 for k in p.kernels for g in k.groups for r in g.rings),
    "cluster in two dimensions": lambda p: any(sum(c > 1 for c in g.cluster) > 1 for k in p.kernels for g in k.groups),
    "per-core output": lambda p: bool(
        {i.dst.tensor for i, *_ in instructions(p) if isinstance(i, Store)}
        & {t.name for t in p.tensors if t.role in PER_CORE_ROLES}
    ),
    "a kernel reads what one before wrote": lambda p: any(
        i.src.tensor.startswith("Y") for i, *_ in instructions(p) if isinstance(i, Load)
    ),
    **{
        f"{dtype} ring": lambda p, d=dtype: any(r.dtype == d for k in p.kernels for g in k.groups for r in g.rings)
        for dtype in ("fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "int8", "int32")
    },
}


@settings(max_examples=200, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.data())
def _draw_into(drawn, data):
    drawn.append(data.draw(programs()))


def test_programs_reach_every_part_of_the_isa():
    drawn = []
    _draw_into(drawn)
    missed = [name for name, test in FEATURES.items() if not any(test(program) for program in drawn)]
    assert missed == []
