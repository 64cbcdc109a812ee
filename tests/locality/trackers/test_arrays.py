"""Arrays that tell trackers what they do."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memsim.errors import MemsimError
from memsim.locality.trackers import ArrayLog, LRUStackTracker, MemTracker, TrackedArray


@pytest.mark.parametrize(("n", "dmc", "dmd"), [(2, "62.3361", "46.6020"), (4, "498.6890", "355.2308")])
def test_published_product_and_sum(n: int, dmc: str, dmd: str) -> None:
    """``C = A @ B; (C * A).sum()``, from the Sutro Group's public rules of autumn 2026."""
    log = ArrayLog()
    a, b = log.array(np.ones((n, n))), log.array(np.ones((n, n)))
    c = a @ b
    assert (c * a).sum().values == n**3
    assert (f"{log.clock.dmc:.4f}", f"{log.stack.dmd:.4f}") == (dmc, dmd)
    assert [score.cost for score in log.scores()] == [log.clock.dmc, log.clock.ard, log.stack.dmd]


def test_the_events_behind_it() -> None:
    clock, stack = MemTracker(), LRUStackTracker()
    for event in ["+A", "+B", "+copy", "A", "copy", "+C", "C", "A", "+D", "D"]:
        for tracker in (clock, stack):
            if event.startswith("+"):
                tracker.write(event[1:], 4)
            else:
                tracker.read(event)
    assert (f"{clock.dmc:.4f}", f"{stack.dmd:.4f}") == ("62.3361", "46.6020")


def new(values: Any) -> tuple[ArrayLog, TrackedArray]:
    log = ArrayLog()
    return log, log.array(values)


def counts(log: ArrayLog) -> tuple[int, int]:
    score = log.stack.score()
    return score.reads, score.writes


ELEMENTWISE = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge", "eq", "ne")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operators(name: str) -> None:
    function = getattr(operator, name)
    one, other = np.array([[1.0, 2.0]]), np.array([[2.0], [3.0]])
    log = ArrayLog()
    a, b = log.array(one), log.array(other)
    assert (function(a, b).values == function(one, other)).all()
    assert counts(log) == (2, 3)
    assert (function(a, 2).values == function(one, 2)).all()
    assert (function(2, a).values == function(2, one)).all()
    assert counts(log) == (4, 5)
    assert (function(a, a).values == function(one, one)).all()
    assert counts(log) == (6, 6)


@pytest.mark.parametrize("name", ["neg", "pos", "abs"])
def test_operators_of_one_array(name: str) -> None:
    log, a = new([1.0, -2.0])
    assert (getattr(operator, name)(a).values == getattr(operator, name)(np.array([1.0, -2.0]))).all()
    assert counts(log) == (1, 2)


def test_sums_and_transposes() -> None:
    values = np.arange(6.0).reshape(2, 3)
    log, a = new(values)
    assert (a.T.values == values.T).all()
    assert a.T.shape == (3, 2)
    assert counts(log) == (0, 1)
    assert (a.sum(0).values == values.sum(0)).all()
    assert a.sum().values == 15
    assert counts(log) == (2, 3)
    assert ((a.T @ a).values == values.T @ values).all()
    assert counts(log) == (4, 5)  # the copy and the product
    assert ((a @ log.array([1.0, 2.0, 3.0])).values == values @ [1, 2, 3]).all()


def test_values_are_copies() -> None:
    _, a = new([1.0, 2.0])
    a.values[0] = 7
    assert a.values.tolist() == [1.0, 2.0]
    assert repr(a) == "TrackedArray(array([1., 2.]))"


BAD: dict[str, tuple[Callable[[TrackedArray], Any], str]] = {
    "numpy function": (lambda a: np.sum(a), "given to numpy.sum"),
    "ufunc": (lambda a: np.sqrt(a), "given to numpy.sqrt"),
    "array on the left": (lambda a: np.ones(2) * a, "given to numpy.multiply, or combined with a plain array"),
    "array on the right": (lambda a: a * np.ones(2), "combined with a ndarray"),
    "text": (lambda a: a + "x", "combined with a str"),
    "product with a number": (lambda a: a @ 2, "combined with a int"),
    "conversion": (lambda a: np.asarray(a), "converted to a plain array"),
    "index": (lambda a: a[0], "indexed or iterated over"),
    "iteration": (lambda a: list(a), "indexed or iterated over"),
    "condition": (lambda a: 1 if a else 2, "used as a condition"),
    "float": (lambda a: float(a), "converted to a number"),
    "int": (lambda a: int(a), "converted to a number"),
    "index of a list": (lambda a: [1, 2][a], "converted to a number"),
    "method": (lambda a: a.mean(), "asked for .mean"),
    "pickle": (lambda a: pickle.dumps(a), "copied or pickled"),
    "copy": (lambda a: copy.deepcopy(a), "copied or pickled"),
    "shapes": (lambda a: a + a._log.array([1.0, 2.0, 3.0]), "numpy refuses operands of shape (2,) and (3,)"),
    "shapes of a product": (lambda a: a @ a._log.array([1.0, 2.0, 3.0]), "shape (2,) and (3,) have no product"),
    "axis": (lambda a: a.sum(3), "numpy refuses operands of shape (2,)"),
    "logs": (lambda a: a + new([1.0, 2.0])[1], "the arrays have different logs"),
    "logs of a product": (lambda a: a @ new([1.0, 2.0])[1], "the arrays have different logs"),
    "text as an array": (lambda a: a._log.array(["x"]), "a list is no array of numbers"),
    "ragged": (lambda a: a._log.array([[1], [1, 2]]), "a list is no array of numbers"),
    "again": (lambda a: a._log.array(a), "converted to a plain array"),
    "empty": (lambda a: a._log.array([]), "an array of shape (0,) has no element"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_known_is_refused_and_costs_nothing(name: str) -> None:
    attempt, cause = BAD[name]
    log, a = new([1.0, 2.0])
    with pytest.raises(MemsimError) as caught:
        attempt(a)
    assert cause in caught.value.cause
    assert caught.value.where
    assert caught.value.mend
    assert log.stack.score().reads == 0
