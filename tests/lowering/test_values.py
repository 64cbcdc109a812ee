"""Functions in primitives, and schedules: evaluated with the primitives' own definitions, against the reference."""

import numpy as np
import pytest

from memsim.isa.ops import REDUCE_OPS, VECTOR_OPS
from memsim.lowering import values
from memsim.lowering.passes import many_passes, one_pass
from memsim.lowering.values import LEAF, REDUCE, Value, apply, function, given, order, reduced
from memsim.lowering.vectors import Scratch, schedule
from memsim.workloads import OPERATORS, elementwise, reference, tensor

X, Y = (Value(LEAF, (), frozenset({0, 1}), "fp32", how=name) for name in "xy")
ROW = Value(LEAF, (), frozenset({1}), "fp32", how="row")


def evaluate(value, leaves):
    """The value in fp32."""
    if value.op == LEAF:
        return leaves[value.how]
    args = [evaluate(arg, leaves) if isinstance(arg, Value) else np.float32(arg) for arg in value.args]
    if value.op == REDUCE:
        return REDUCE_OPS[value.how].compute(args[0], axis=value.axis, keepdims=True)
    return VECTOR_OPS[value.op].compute(*args)


@pytest.mark.parametrize("op", sorted(set(OPERATORS) - {"cast"}))
def test_functions_are_what_the_reference_says(op):
    x = np.linspace(-8, 8, 400, dtype=np.float32).reshape(20, 20)
    y = x[::-1].copy()
    if OPERATORS[op].positive is not None:
        x, y = np.abs(x) + 0.25, np.abs(y) + 0.25
    arity = OPERATORS[op].arity
    name = {"add": "add", "minimum": "minimum"}.get(op, op)
    found = evaluate(function(name, *(X, Y)[:arity]), {"x": x, "y": y})
    node = elementwise(op, *(tensor(n, (20, 20)) for n in "xy"[:arity]))
    expected = reference(node, {"x": x, "y": y} if arity == 2 else {"x": x})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)


def test_scalars_stand_on_either_side():
    x = np.full((1, 1), 4, np.float32)
    for op, value in (("div", 0.5), ("sub", -2.0)):
        assert evaluate(function(op, 2.0, X), {"x": x}) == value
    assert evaluate(function("div", X, 2.0), {"x": x}) == 2


def test_softmax_of_large_values():
    x = np.array([[1e4, 1e4, -1e4]], np.float32)
    np.testing.assert_allclose(evaluate(values.softmax(X, 1), {"x": x}), [[0.5, 0.5, 0]])


def test_order_gives_arguments_first_and_each_once():
    y = apply("add", X, ROW)
    z = apply("mul", y, y)
    assert [*order([z])] == [X, ROW, y, z]


def test_types_and_spans_of_results():
    i = Value(LEAF, (), frozenset({0}), "int8")
    assert apply("add", i, 1.0).dtype == "int32"
    assert apply("exp2", i).dtype == "fp32"
    assert apply("add", i, ROW).span == {0, 1}
    assert reduced("sum", X, 1).span == {0}


# ---- schedules ----


def shape_of(value):
    return tuple(8 if axis in value.span else 1 for axis in (0, 1))


def test_a_chain_needs_one_scratch_tile():
    value = apply("abs", apply("exp2", apply("mul", apply("add", X, Y), 2.0)))
    scratch = Scratch()
    steps = schedule({"out": value}, [X, Y], shape_of, scratch)
    assert [step.ring for step in steps] == ["t0", "t0", "t0", "out"]
    assert len(scratch.specs) == 1


def test_scratch_is_kept_while_it_is_needed():
    e = apply("exp2", X)
    scratch = Scratch()
    steps = schedule({"out": apply("mul", apply("abs", e), e)}, [X], shape_of, scratch)
    assert [step.ring for step in steps] == ["t0", "t1", "out"]


def test_scratch_of_other_shapes_and_types_is_apart():
    total = reduced("sum", apply("abs", X), 1)
    scratch = Scratch()
    steps = schedule({"out": apply("add", apply("abs", total), ROW)}, [X, ROW], shape_of, scratch)
    assert [(spec.shape, spec.dtype) for spec in scratch.specs] == [((8, 8), "fp32"), ((8, 1), "fp32")]
    assert [step.ring for step in steps] == ["t0", "t1", "t1", "out"]


def test_an_accumulator_is_overwritten_in_place():
    c = given("c", frozenset({0, 1}), "fp32")
    value = apply("abs", apply("max", apply("mul", c, 2.0), 0.0))
    scratch = Scratch()
    steps = schedule({"out": value}, [c], shape_of, scratch, {"c": c})
    assert [step.ring for step in steps] == ["c", "c", "out"]
    assert not scratch.specs


def test_an_accumulator_that_is_needed_again_is_kept():
    c = given("c", frozenset({0, 1}), "fp32")
    steps = schedule({"out": apply("mul", apply("abs", c), c)}, [c], shape_of, Scratch(), {"c": c})
    assert [step.ring for step in steps] == ["t0", "out"]


def test_a_known_value_as_target_is_a_copy():
    (step,) = schedule({"out": X}, [X], shape_of, Scratch())
    assert step.value is X


# ---- passes ----


def test_a_chain_of_reductions_takes_a_pass_each_and_one_to_write():
    assert len(one_pass(values.layer_norm(X, 1, 8, 0.0, None, None))) == 1
    assert len(many_passes(values.layer_norm(X, 1, 8, 0.0, None, None))) == 3
    assert len(many_passes(values.rms_norm(X, 1, 8, 0.0, None))) == 2
    assert len(many_passes(reduced("sum", X, 1))) == 2


def test_the_sum_of_a_softmax_runs_beside_its_maximum():
    passes = many_passes(values.softmax(X, 1))
    assert len(passes) == 2
    assert [state.value.how for state in passes[0].states] == ["max", "sum"]
    assert passes[0].copies


def test_a_sum_of_other_exponentials_does_not():
    top = reduced("max", Y, 1)
    powers = apply("exp2", apply("mul", apply("sub", X, top), 2.0))
    assert len(many_passes(apply("mul", powers, reduced("sum", powers, 1)))) == 3


def test_independent_reductions_share_a_pass():
    both = apply("add", reduced("sum", X, 1), reduced("max", X, 1))
    passes = many_passes(both)
    assert len(passes) == 2
    assert len(passes[0].states) == 2
