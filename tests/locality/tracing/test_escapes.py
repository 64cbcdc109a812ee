"""What leaves a trace is named and charged, or refused; and so is every way to be wrong."""

from __future__ import annotations

import array
import cmath
import functools
import math
import operator
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from memsim.errors import MemsimError
from memsim.locality.tracing import Escape, bytedmd, trace


def default(a: Any, function: Callable[[Any], Any] = math.sqrt) -> Any: return function(a)  # fmt: skip


ESCAPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int": (lambda a: int(a), "int"),
    "float": (lambda a: float(a), "float"),
    "complex": (lambda a: complex(a), "complex"),
    "cmath": (lambda a: cmath.sqrt(a), "complex"),
    "str": (lambda a: len(str(a)), "str"),
    "repr": (lambda a: len(repr(a)), "repr"),
    "f-string": (lambda a: len(f"{a:.3f}"), "format"),
    "format": (lambda a: len(format(a, "")), "format"),
    "%d": (lambda a: len("%d" % a), "int"),  # noqa: UP031
    "%f": (lambda a: len("%f" % a), "float"),  # noqa: UP031
    "array": (lambda a: array.array("d", [a])[0], "float"),
    "scalar of numpy": (lambda a: np.float64(a), "float"),
    "default": (default, "float"),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_named_with_its_place_and_charged(name: str) -> None:
    function, kind = ESCAPES[name]
    found = trace(function, [4])
    line = function.__code__.co_firstlineno
    assert found.escapes == (Escape(kind, f"{__file__}:{line}", 1),)
    assert (found.reads.tolist(), found.results.tolist()) == ([0], [-1])
    assert found.value == function(4)


def test_escapes_are_counted_by_place() -> None:
    score = bytedmd(lambda a: [float(x) for x in a] + [int(a[0])], [[1.5, 2.5, 3.5]])
    counts = [(escape["kind"], escape["count"]) for escape in score.details["escapes"]]
    assert counts == [("float", 3), ("int", 1)]
    assert score.to_json()["escapes"] == score.details["escapes"]
    assert score.reads == 4


def two(a: Any) -> Any:
    return a + 1


def from_another_thread(a: Any) -> Any:
    found = []

    def work() -> None:
        try:
            found.append(a + 1)
        except MemsimError:
            found.append(0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


def swallows(a: Any) -> Any:
    try:
        return np.asarray([a])
    except MemsimError:
        return a


def holds_itself(a: Any) -> Any:
    found = [a]
    found.append(found)
    return found


def yields(a: Any) -> Iterator[Any]:
    yield a


HERE = __file__
WRONG: dict[str, tuple[Callable[[], Any], str, str]] = {
    "numpy array": (lambda: trace(lambda a: np.array([a, a]), [1]), HERE, "converted to a numpy array"),
    "numpy of a list": (lambda: trace(lambda a: np.sum([a, a]), [1]), HERE, "converted to a numpy array"),
    "numpy function": (lambda: trace(lambda a: np.sum(a), [1]), HERE, "numpy.sum is given a traced value"),
    "numpy ufunc": (lambda: trace(lambda a: np.exp(a), [1]), HERE, "numpy.exp is given a traced value"),
    "numpy operand": (lambda: trace(lambda a: a * np.ones(2), [1]), HERE, "numpy.multiply is given a traced value"),
    "numpy element": (lambda: trace(lambda a: np.full(3, a), [1]), HERE, "traced value"),
    "numpy, swallowed": (lambda: trace(swallows, [1]), HERE, "converted to a numpy array"),
    "pickle": (lambda: trace(lambda a: pickle.dumps([a]), [1]), HERE, "a traced value is pickled"),
    "another thread": (lambda: trace(from_another_thread, [1]), HERE, "another thread uses a traced value"),
    "nested": (lambda: trace(lambda a: trace(two, [1]), [1]), "two", "a trace inside a traced function"),
    "nested argument": (lambda: trace(lambda a: bytedmd(two, [a]), [1]), "two", "a trace inside"),
    "raises": (lambda: trace(lambda a: 1 / a, [0]), HERE, "raised ZeroDivisionError: division by zero"),
    "domain": (lambda: trace(lambda a: math.sqrt(a), [-1]), HERE, "raised ValueError: math domain error"),
    "attribute": (lambda: trace(lambda a: a.real, [1]), HERE, "raised AttributeError"),
    "text": (lambda: trace(lambda a: a + "x", [1]), HERE, "raised TypeError: unsupported operand"),
    "matrix product": (lambda: trace(lambda a: a @ a, [1]), HERE, "raised TypeError: unsupported operand"),
    "divmod of text": (lambda: trace(lambda a: divmod(a, "x"), [1]), HERE, "raised TypeError: unsupported operand"),
    "divmod by text": (lambda: trace(lambda a: divmod("x", a), [1]), HERE, "raised TypeError"),
    "float as index": (lambda: trace(lambda a: [1, 2][a], [1.0]), HERE, "raised TypeError"),
    "returns text": (lambda: trace(lambda a: "x", [1]), "what", "'x' is no number, list, tuple or dict"),
    "returns a set": (lambda: trace(lambda a: {a}, [1]), "what", "a set is no number, list, tuple or dict"),
    "returns a generator": (lambda: trace(yields, [1]), "yields", "it runs only when it is awaited or iterated"),
    "returns an array": (lambda: trace(lambda a: np.ones(3), [1]), "what", "a ndarray is no number"),
    "returns a key": (lambda: trace(lambda a: {a: 1}, [1]), "what", "a key of a dict is traced"),
    "returns a ring": (lambda: trace(holds_itself, [1]), "holds_itself", "what is returned holds itself"),
    "too few": (lambda: trace(lambda a, b: a, [1]), "", "1 arguments do not fit"),
    "too many": (lambda: trace(two, [1, 2]), "two", "2 arguments do not fit two(a: 'Any')"),
    "no arguments": (lambda: trace(lambda: 1, []), "", "the arguments hold no number"),
    "empty lists": (lambda: trace(lambda a: 1, [[]]), "", "the arguments hold no number"),
    "text given": (lambda: trace(two, ["abc"]), "argument 1", "'abc' is no number"),
    "nested text": (lambda: trace(two, [[1, [2, "x"]]]), "argument 1[1][1]", "'x' is no number"),
    "array given": (lambda: trace(two, [np.ones(3)]), "argument 1", "a ndarray is no number"),
    "none given": (lambda: trace(two, [None]), "argument 1", "a NoneType is no number"),
    "a number for a list": (lambda: trace(two, 3), "two", "the arguments are a int"),  # type: ignore[arg-type]
    "text for a list": (lambda: trace(two, "12"), "two", "the arguments are a str"),
    "no function": (lambda: trace(3, [1]), "function", "a int is no function"),  # type: ignore[arg-type]
    "dialect": (lambda: bytedmd(two, [1], "trunk"), "dialect", "'trunk' is no dialect of ByteDMD"),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_way_to_be_wrong_tells_where_what_and_how_to_mend_it(name: str) -> None:
    attempt, where, cause = WRONG[name]
    with pytest.raises(MemsimError) as caught:
        attempt()
    assert where in str(caught.value.where)
    assert cause in caught.value.cause
    assert caught.value.mend


def test_the_users_error_is_the_cause_and_its_line_the_place() -> None:
    def function(a: Any) -> Any:
        return [a][3]

    with pytest.raises(MemsimError) as caught:
        trace(function, [1])
    assert isinstance(caught.value.__cause__, IndexError)
    assert caught.value.where == f"{__file__}:{function.__code__.co_firstlineno + 1}"


KEPT: list[Any] = []

AFTERWARDS: dict[str, Callable[[], Any]] = {
    "operator": lambda: KEPT[0] + 1,
    "reflected": lambda: 1 + KEPT[0],
    "branch": lambda: bool(KEPT[0]),
    "math": lambda: math.floor(KEPT[0]),
    "str": lambda: str(KEPT[0]),
    "pickle": lambda: pickle.dumps(KEPT[0]),
    "another trace": lambda: trace(lambda a: a + KEPT[0], [1]),
    "returned later": lambda: trace(lambda a: [a, KEPT[0]], [1]),
    "argument": lambda: trace(two, KEPT),
}


@pytest.mark.parametrize("name", AFTERWARDS)
def test_a_value_that_was_kept_is_of_no_use_afterwards(name: str) -> None:
    KEPT.clear()
    trace(lambda a: KEPT.append(a), [1])
    with pytest.raises(MemsimError) as caught:
        AFTERWARDS[name]()
    assert caught.value.mend
    assert repr(KEPT[0]) == "Traced(1)"


def test_a_partial_is_named() -> None:
    with pytest.raises(MemsimError, match="partial"):
        trace(functools.partial(two, 1), [2])


LEAKS = {
    "operator.index": lambda x: operator.index(x) * 2,
    "hash": lambda x: hash(x) * 2,
    "hex": lambda x: int(hex(x), 16),
    "chr": lambda x: ord(chr(x)),
    "bytes": lambda x: bytes([x])[0] + 1,
    "range": lambda x: sum(range(x, x + 1)) * 2,
}


@pytest.mark.parametrize("name", LEAKS)
def test_plain_numbers_that_functions_get_are_named(name: str) -> None:
    found = trace(LEAKS[name], [7])
    assert {escape.kind for escape in found.escapes} <= {"index", "hash"}
    assert found.escapes, "what is computed from it is not seen"


def test_look_ups_are_no_escapes() -> None:
    def steered(a: Any, table: dict[int, int]) -> Any:
        row = [10, 20, 30, 40]
        row[a] = 5
        return row[a], row[:a], {a: 1}[a], a in {a, 3}, table

    assert trace(lambda a: steered(a, {})[0], [1]).escapes == ()
