"""What a traced function does becomes operations: with real values, none forgotten, math put back afterwards."""

from __future__ import annotations

import copy
import functools
import json
import math
import operator
import threading
from collections.abc import Callable
from fractions import Fraction
from math import log2, sqrt
from math import sqrt as root
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import MemsimError
from memsim.locality.tracing import DIALECTS, Trace, bytedmd, trace
from tests.locality.programs import fft_like, mlp

Listed = list[tuple[list[int], bool]]


def operations(found: Trace) -> Listed:
    """What each operation reads, and whether it makes a value."""
    ends = found.offsets.tolist()
    reads = [found.reads[ends[i] : ends[i + 1]].tolist() for i in range(found.operations)]
    return list(zip(reads, (found.results >= 0).tolist(), strict=True))


BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne")
BITS = ("and_", "or_", "xor", "lshift", "rshift")
IN_PLACE = (
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "ifloordiv",
    "imod",
    "ipow",
    "iand",
    "ior",
    "ixor",
    "ilshift",
    "irshift",
)


@pytest.mark.parametrize("name", BINARY + BITS + IN_PLACE)
def test_an_operator_reads_its_operands_in_order_and_makes_a_value(name: str) -> None:
    function = getattr(operator, name)
    for args, reads in (([13, 3], [0, 1]), ([3, 3], [0, 1])):
        found = trace(lambda a, b: function(a, b), args)
        assert operations(found) == [(reads, True)]
        assert found.value == function(*args)
        assert type(found.value) is type(function(*args))
    twice = trace(lambda a: function(a, a), [3])
    assert operations(twice) == [([0, 0], True)]


@pytest.mark.parametrize(
    ("name", "constant"), [*((name, 13) for name in BINARY + BITS), *((name, 13.5) for name in BINARY)]
)
def test_constants_are_free_on_either_side(name: str, constant: Any) -> None:
    function = getattr(operator, name)
    left, right = trace(lambda a: function(a, constant), [3]), trace(lambda a: function(constant, a), [3])
    assert operations(left) == operations(right) == [([0], True)]
    assert (left.value, right.value) == (function(3, constant), function(constant, 3))


@pytest.mark.parametrize("name", ["neg", "pos", "abs", "invert"])
def test_an_operator_of_one_operand(name: str) -> None:
    function = getattr(operator, name)
    found = trace(lambda a: function(a), [-3])
    assert (operations(found), found.value) == ([([0], True)], function(-3))


ROUNDING: dict[str, Callable[[Any], Any]] = {
    "round": round,
    "to digits": lambda a: round(a, 1),
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "power of a modulus": lambda a: pow(math.floor(a), 3, 5),
}


@pytest.mark.parametrize("name", ROUNDING)
def test_rounding_makes_a_traced_value(name: str) -> None:
    found = trace(ROUNDING[name], [7.66])
    assert operations(found)[0] == ([0], True)
    assert found.value == ROUNDING[name](7.66)


def test_a_pair_of_results_is_two_values_of_one_read() -> None:
    for function in (divmod, lambda a, b: divmod(7, b)):
        found = trace(function, [7, 2])
        assert [made for _, made in operations(found)] == [True, True]
        assert operations(found)[1] == ([], True)
        assert (found.value, found.returned.tolist()) == ((3, 1), [2, 3])
    assert trace(lambda a: math.frexp(a), [7.0]).value == math.frexp(7.0)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda a: math.sqrt(a), [2.0]),
        (lambda a: root(a), [2.0]),
        (lambda a: math.exp(a), [0.5]),
        (lambda a: log2(a), [3.0]),
        (lambda a: math.tanh(a), [3.0]),
        (lambda a: math.isfinite(a), [3.0]),
        (lambda a, b: math.log(a, b), [3.0, 2.0]),
        (lambda a, b: math.atan2(a, b), [3.0, 2.0]),
        (lambda a, b: math.fmod(a, b), [3.0, 2.0]),
        (lambda a, b: math.gcd(a, b), [12, 18]),
        (lambda a, b: math.isclose(a, 3.0, rel_tol=b), [3.0, 0.5]),
        (lambda a, b: math.hypot(a, b), [3.0, 2.0]),
        (lambda a, b: math.fsum([a, 1.0, b]), [3.0, 2.0]),
        (lambda a, b: math.fsum(x for x in (a, b)), [3.0, 2.0]),
        (lambda a, b: math.dist([a], (b,)), [3.0, 2.0]),
    ],
)
def test_a_function_of_math_is_one_operation(function: Callable[..., Any], args: list[float]) -> None:
    found = trace(function, args)
    assert operations(found) == [(list(range(len(args))), True)]
    assert found.value == function(*args)
    assert found.escapes == ()


def test_functions_of_python_are_made_of_operators() -> None:
    compared = [([1, 0], True), ([3], False), ([2, 1], True), ([4], False)]
    smallest = trace(lambda a: min(a), [[3, 1, 2]])
    assert (operations(smallest), smallest.returned.tolist(), smallest.value) == (compared, [1], 1)
    assert trace(lambda a: max(a), [[3, 1, 2]]).returned.tolist() == [0]
    assert trace(lambda a: sorted(a), [[3, 1, 2]]).value == [1, 2, 3]
    assert operations(trace(lambda a: sum(a), [[5, 6]])) == [([0], True), ([2, 1], True)]  # 0 + the first
    assert operations(trace(lambda a: math.prod(a), [[5, 6]])) == [([0], True), ([2, 1], True)]


def test_branches_indices_and_look_ups_are_reads_and_no_escapes() -> None:
    found = trace(lambda a, b: [b, a][a] if a else range(a), [1, 5])
    assert operations(found) == [([0], False), ([0], False)]
    assert found.returned.tolist() == [0]
    assert operations(trace(lambda a: {3: 4}[a], [3])) == [([0], False), ([0], True), ([1], False)]  # hash, ==, bool
    assert operations(trace(lambda a: not a, [3])) == [([0], False)]
    assert found.escapes == ()


def test_a_failed_operation_has_read_its_operands() -> None:
    def function(a: Any, b: Any) -> Any:
        try:
            return a / b
        except ZeroDivisionError:
            return math.copysign(a, b)

    assert operations(trace(function, [1, 0])) == [([0, 1], False), ([0, 1], True)]


def test_copies_are_the_same_value() -> None:
    found = trace(lambda a: [copy.copy(a[0]), *copy.deepcopy(a)], [[1, 2]])
    assert (found.operations, found.returned.tolist()) == (0, [0, 0, 1])


def test_a_traced_value_is_what_its_number_is() -> None:
    def function(a: Any) -> list[bool]:
        return [isinstance(a, float), isinstance(a, int), isinstance(a == 1, bool)]

    assert trace(function, [1.0]).value == [True, False, True]


def test_scalars_of_numpy_are_constants() -> None:
    found = trace(lambda a: np.float64(2) * a - np.int64(1) + a * np.float32(2) / np.float64(4), [3])
    assert [made for _, made in operations(found)] == [True] * 5
    assert found.value == 6.5


def test_arguments_are_copies_numbered_in_order() -> None:
    given_list = [[1, 2], (3, [4])]

    def function(a: Any, b: Any) -> Any:
        a[0][0] += b
        return a, {"k": None, "b": [b, 2]}

    found = trace(function, [given_list, 5])
    assert given_list == [[1, 2], (3, [4])]
    assert found.arguments.tolist() == [0, 0, 0, 0, 1]
    assert found.value == ([[6, 2], (3, [4])], {"k": None, "b": [5, 2]})
    assert found.returned.tolist() == [5, 1, 2, 3, 4]


@given(st.lists(st.integers(-50, 50), min_size=8, max_size=8))
def test_values_are_those_of_the_plain_function(numbers: list[int]) -> None:
    def function(a: list[Any]) -> Any:
        low = sorted(a)[: 1 + abs(a[0]) % 4]
        return [sum(low), max(a) // (1 + a[1] * a[1]), [x for x in a if x > a[2]]]

    assert trace(function, [numbers]).value == function(numbers)
    assert trace(fft_like, [numbers]).value == fft_like(numbers)
    weights = [numbers[i : i + 3] for i in range(3)]
    assert trace(mlp, [weights, weights, numbers[:3]]).value == mlp(weights, weights, numbers[:3])


def test_callables_of_every_kind() -> None:
    class Scale:
        def __init__(self, by: float) -> None:
            self.by = by

        def method(self, a: Any) -> Any:
            return root(a) * self.by

        __call__ = method

    local = sqrt

    def inner(a: Any) -> Any:
        return local(a)

    def outer(a: Any) -> Any:
        return inner(a) + local(a)

    @functools.wraps(outer)
    def wrapped(*args: Any) -> Any:
        return outer(*args)

    partial = functools.partial(lambda b, a: root(a) + b, 1.0)
    for function in (Scale(2.0), Scale(2.0).method, outer, wrapped, partial):
        found = trace(function, [9.0])
        assert found.value in (4.0, 6.0)
        assert found.escapes == (), function
    assert local is math.sqrt


def state_of_math() -> list[object]:
    return [*vars(math).values(), sqrt, root, log2]


def test_math_is_put_back_even_after_errors() -> None:
    before = state_of_math()

    def fails(a: Any) -> Any:
        assert root is not before[-2]
        raise KeyError(a)

    with pytest.raises(MemsimError):
        trace(fails, [1.0])
    assert all(one is other for one, other in zip(state_of_math(), before, strict=True))

    def interrupted(a: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(interrupted, [1.0])
    assert all(one is other for one, other in zip(state_of_math(), before, strict=True))
    assert trace(lambda a: root(a), [4.0]).value == 2.0


def test_a_name_that_is_assigned_during_the_trace_keeps_its_value() -> None:
    namespace: dict[str, Any] = {"sqrt": math.sqrt}
    exec("def function(a):\n    global sqrt\n    sqrt = abs\n    return sqrt(a)", namespace)
    assert trace(namespace["function"], [-4.0]).value == 4.0
    assert namespace["sqrt"] is abs


def test_other_threads_use_math_meanwhile_and_wait_with_traces() -> None:
    started, finished, found = threading.Event(), threading.Event(), list[Any]()

    def other() -> None:
        started.wait(10)
        found.append(math.sqrt(16.0))
        finished.set()
        found.append(bytedmd(lambda a: math.sqrt(a), [4.0]).details["value"])

    def function(a: Any) -> Any:
        started.set()
        assert finished.wait(10)
        return a + 1

    thread = threading.Thread(target=other)
    thread.start()
    assert operations(trace(function, [1.0])) == [([0], True)]
    thread.join(10)
    assert found == [4.0, 2.0]
    assert type(math.sqrt(4.0)) is float


def test_a_score_is_plain_json() -> None:
    def function(a: Any, b: Any) -> Any:
        return {1: (a, 1j * b), "none": [None, a > b, Fraction(1, 3)]}

    shown = json.loads(json.dumps(bytedmd(function, [1, 2.5]).to_json()))
    assert shown["value"] == {"1": [1, "2.5j"], "none": [None, False, "1/3"]}
    names = ("model", "dialect", "version", "bytes_per_element", "elements", "operations", "escapes")
    assert [shown[name] for name in names] == ["bytedmd", "main", "2cc2a62", 1, 2, 2, []]


def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memsim.locality.tracing.front.PATIENCE_S", 0.01)
    caught: list[MemsimError] = []

    def other() -> None:
        try:
            trace(lambda a: a, [1])
        except MemsimError as error:
            caught.append(error)

    def function(a: Any) -> Any:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        return a

    trace(function, [1])
    assert [error.cause for error in caught] == ["another trace has run for 0 s"]
    assert trace(lambda a: a, [1]).value == 1


def test_dead_values_and_values_returned_twice_are_priced() -> None:
    def function(a: Any, b: Any) -> Any:
        a[0] + a[1]
        return [b, b, a[1]]

    costs = {dialect: bytedmd(function, [[1, 2, 3], 4], dialect).cost for dialect in DIALECTS}
    # main: from the top a1 a0 b, as a2 is dead. classic-14: b a2 a1 a0. dev: a0 at 3, a1 at 2, b at 4 for each of its
    # two reads at exit, a1 at 1. l2: b at 4 once, then at 1; a1 under it where b stays.
    assert costs == {
        "main": 1 + 2,
        "dev": 2 + 2 + 2 + 2 + 1,
        "classic-14": 2 + 2,
        "l2-live": 2 + 2 + 2 + 1 + 1,
        "l2-classic": 2 + 2 + 2 + 1 + 2,
    }
