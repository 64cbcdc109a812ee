"""Queues woven into one text: each keeps its order, loops stay loops, and the rings allow what is written."""

from collections import defaultdict

import pytest

import memsim as ms
from memsim.errors import ProgramError
from memsim.isa.model import Loop, walk
from memsim.webgpu import shaders
from memsim.webgpu.multicast import localised
from memsim.webgpu.tokens import Cycle, Step
from memsim.webgpu.units import queue_texts, units_of
from memsim.webgpu.weave import weave_unit
from tests.webgpu.samples import SIZES, compiled, drawn


def woven_texts(program):
    for kernel in program.kernels:
        for unit in units_of(localised(kernel, program)):
            yield from weave_unit(unit, kernel.name)


def size_of(body):
    return sum(1 if isinstance(node, Step) else size_of(node.body) for node in body)


def executed(body, env):
    """Each step of a woven text with the values of its counters."""
    for node in body:
        if isinstance(node, Cycle):
            for value in range(node.count.evaluate(env)):
                yield from executed(node.body, {**env, node.variable: value})
        else:
            yield node.actor, fixed(node.instruction, env)


def listed(body, env):
    """Each instruction of a queue with the values of its counters."""
    for statement in body:
        if isinstance(statement, Loop):
            for value in range(statement.count.evaluate(env)):
                yield from listed(statement.body, {**env, statement.var: value})
        else:
            yield fixed(statement, env)


def fixed(instruction, env):
    """What an instruction does: its names, and the numbers that its coordinates come to."""
    out = [type(instruction).__name__]
    for name in ("ring", "dst", "src", "op", "args", "a", "b"):
        part = getattr(instruction, name, None)
        starts = getattr(part, "starts", None)
        if starts is not None:
            out.append((part.tensor, tuple(e.evaluate(env) for e in starts), part.sizes))
        elif getattr(part, "blocks", None) is not None:
            out.append((part.ring, tuple((e.evaluate(env), n) for e, n in part.blocks)))
        else:
            out.append(part)
    return tuple(map(str, out))


def check_orders(program, units=3):
    """Each queue runs its instructions, all of them, in its own order, in the first few units and the last."""
    for woven in woven_texts(program):
        unit = woven.unit
        numbers = unit.chosen or range(unit.count)
        for number in {*numbers[:units], numbers[-1]}:
            at = unit.coordinates(number)
            orders = defaultdict(list)
            for actor, told in executed(woven.body, at):
                orders[actor].append(told)
            texts = [text for member in unit.members for text in queue_texts(unit, member)]
            for actor, text in enumerate(texts):
                assert orders[actor] == list(listed(text, at))


@pytest.mark.parametrize("seed", range(60))
def test_each_queue_keeps_its_order_in_random_programs(seed):
    program = drawn(seed, max_executions=600)
    if program is not None:
        check_orders(program)


@pytest.mark.parametrize("seed", range(100, 112))
def test_and_where_queues_nest_their_loops_differently(seed):
    program = drawn(seed, steady=True, shared=True, max_executions=800)
    if program is not None:
        check_orders(program)


@pytest.mark.parametrize("name", SIZES)
def test_and_in_workloads(name):
    program, _ = compiled(name)
    check_orders(program)


# ---- loops stay loops ----


def matmul(trips, load="loop k {k} {{ {a} {b} }}", compute="loop k {k} {{ mma c += a b  pop a  pop b }}"):
    parts = {"k": trips, "a": "load a <- A[0, k*8]", "b": "load b <- B[k*8, 0]"}
    return ms.parse(f"""
    program p
    tensor A dram fp32 [8, {8 * trips}]
    tensor B dram fp32 [{8 * trips}, 8]
    tensor C dram fp32 [8, 8]
    kernel main blocks (x 1) {{
      ring a sram fp32 [8, 8] depth 2
      ring b sram fp32 [8, 8] depth 2
      ring c reg fp32 [8, 8]
      queue load {{ {load.format(**parts)} }}
      queue compute {{ fill c 0  {compute.format(**parts)}  push c }}
      queue store {{ store C[0, 0] <- c  pop c }}
    }}""")


def only(program):
    (woven,) = woven_texts(program)
    return woven


def test_a_text_is_as_long_for_a_billion_trips_as_for_two():
    few, many = only(matmul(2)), only(matmul(10**9 // 8))
    assert size_of(few.body) == size_of(many.body) == 9
    assert [type(node) for node in many.body].count(Cycle) == 1


def test_a_loop_that_is_nested_otherwise_is_stripped():
    nested = "loop y 16 {{ loop z 4 {{ load a <- A[0, (y*4 + z)*8]  load b <- B[(y*4 + z)*8, 0] }} }}"
    woven = only(matmul(64, load=nested))
    assert size_of(woven.body) == 9
    check_orders(matmul(64, load=nested))


def test_a_first_trip_apart_is_written_out():
    apart = "mma c += a b  pop a  pop b  loop k 63 {{ mma c += a b  pop a  pop b }}"
    woven = only(matmul(64, compute=apart))
    assert size_of(woven.body) == 9 + 5
    check_orders(matmul(64, compute=apart))


def test_demand_keeps_rings_shallow():
    woven = only(matmul(64))
    assert set(woven.rings.peak.values()) == {1}  # though two of them are two deep


def test_panels_fill_a_ring_in_a_loop():
    program = ms.parse("""
    program p
    tensor A dram fp32 [400, 8]
    tensor C dram fp32 [8]
    kernel main blocks (x 1) {
      ring a sram fp32 [8] depth 400
      ring c sram fp32 [8]
      queue load { loop k 400 { load a <- A[k, 0] } }
      queue compute { c = add(a, a@399)  push c  loop k 400 { pop a } }
      queue store { store C[0] <- c  pop c }
    }""")
    woven = only(program)
    assert size_of(woven.body) < 10
    assert woven.rings.peak[0, "a"] == 400
    check_orders(program)


# ---- blocks ----


def test_a_multicast_load_is_done_by_each_block():
    program, _ = compiled("matmul")
    assert any(group.cluster_size > 1 for kernel in program.kernels for group in kernel.groups)
    assert all(len(woven.unit.members) == 1 for woven in woven_texts(program))


EXCHANGE = """
program p
tensor A dram fp32 [4, 8]
tensor C dram fp32 [4, 8]
kernel main blocks (x 4) cluster ({cluster}) {{
  ring a sram fp32 [8]
  ring got sram fp32 [8]
  queue load {{ load a <- A[x, 0] }}
  queue net {{ send got to (x//{cluster}*{cluster} + (x + 1)%{cluster}) <- a  pop a }}
  queue store {{ store C[x, 0] <- got  pop got }}
}}"""


@pytest.mark.parametrize(("cluster", "units"), [(2, 2), (4, 1)])
def test_blocks_that_send_to_each_other_are_one_workgroup(cluster, units):
    woven = only(ms.parse(EXCHANGE.format(cluster=cluster)))
    assert len(woven.unit.members) == cluster
    assert woven.unit.count == units


def test_blocks_that_count_differently_have_texts_of_their_own():
    program = ms.parse("""
    program p
    tensor A dram fp32 [8, 8]
    tensor C dram fp32 [4, 8]
    kernel main blocks (x 4) {
      ring a sram fp32 [8] depth 5
      ring c sram fp32 [8]
      queue load { loop k x + 1 { load a <- A[k + x, 0] } }
      queue compute { loop k x + 1 { loop j 1 { c = add(a, 1.0)  pop a } } push c }
      queue store { store C[x, 0] <- c  pop c }
    }""")
    check_orders(program)
    text = only(program)
    assert text.unit.chosen is None
    assert any(isinstance(node, Cycle) and not node.count.is_constant for node in text.body)


SCATTER = """
program p
tensor A dram fp32 [8]
tensor C dram fp32 [2, {half}, 8]
kernel main blocks (x 2) cluster (2) {{
  ring a sram fp32 [8]
  ring got sram fp32 [8]
  queue load {{ loop lead max(1 - x, 0) {{ loop k {trips} {{ load a <- A[0] }} }} }}
  queue net {{ loop lead max(1 - x, 0) {{ loop k {trips} {{ send got to ({target}) <- a  pop a }} }} }}
  queue store {{ loop k {half} {{ store C[x, k, 0] <- got  pop got }} }}
}}"""


def scatter(trips, target):
    return ms.parse(SCATTER.format(trips=trips, half=trips // 2, target=target))


def test_sends_whose_target_alternates_stay_in_a_loop():
    program = scatter(9000, "k%2")
    assert size_of(only(program).body) < 20
    check_orders(scatter(40, "k%2"))


def test_other_moving_targets_are_written_out():
    program = scatter(40, "k//2%2")
    assert size_of(only(program).body) > 40
    check_orders(program)


def test_what_would_be_too_long_is_refused_with_the_reason():
    program = scatter(9000, "k//2%2")
    ms.isa.verify(program)
    with pytest.raises(ProgramError, match="no static order of the queues was found") as caught:
        shaders(program)
    assert "kernel main" in str(caught.value.where)
    assert "same trip counts" in caught.value.mend


def test_walk_sees_what_is_checked():
    """What is listed is what a text has: as many instructions as `walk`, where every loop runs once."""
    program = matmul(1)
    queue = program.kernels[0].groups[0].queues[0]
    assert len(list(listed(queue.body, {}))) == len(list(walk(queue.body)))
