"""ByteDMD's published numbers, restated from the Sutro Group's public rules and tools of autumn 2026."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from memsim.locality.tracing import DIALECTS, bytedmd
from tests.locality.programs import TABLE, matmul_ijk, ones

THREE = ("main", "dev", "classic-14")


@pytest.mark.parametrize(("function", "shapes", "main", "dev", "classic"), TABLE)
def test_programs(
    function: Callable[..., Any], shapes: tuple[tuple[int, ...], ...], main: int, dev: int, classic: int
) -> None:
    args = [ones(*shape) for shape in shapes]
    assert [bytedmd(function, args, dialect).cost for dialect in THREE] == [main, dev, classic]


SMALL: dict[str, tuple[Callable[..., Any], list[Any], tuple[int, int, int]]] = {
    "dot by sum": (lambda a, b: sum(x * y for x, y in zip(a, b, strict=True)), [[0, 1], [2, 3]], (12, 12, 14)),
    "a0*b0+a1*b1": (lambda a, b: a[0] * b[0] + a[1] * b[1], [[0, 1], [2, 3]], (11, 11, 12)),
    "(a+b)+c": (lambda a, b, c: (a + b) + c, [1, 2, 3], (6, 7, 7)),
    "b+c > a+d": (lambda a, b, c, d: b + c > a + d, [1, 2, 3, 4], (11, 11, 12)),
    "a*b+c*d+e": (lambda a, b, c, d, e: a * b + c * d + e, [1, 2, 3, 4, 5], (13, 15, 18)),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_functions(name: str) -> None:
    function, args, costs = SMALL[name]
    assert tuple(bytedmd(function, args, dialect).cost for dialect in THREE) == costs


PRODUCTS = {
    ("main", 1): {2: 57, 3: 258, 4: 720, 8: 8_867, 16: 109_783},
    ("dev", 1): {2: 60, 4: 721, 8: 8_794},
    ("classic-14", 1): {2: 66, 4: 948, 8: 12_900},
    ("main", 4): {2: 419, 3: 1_917, 4: 5_493},
    ("l2-live", 1): {2: 59, 4: 721, 8: 8_793, 16: 109_217},
    ("l2-classic", 1): {2: 78, 4: 1_049, 8: 13_724, 16: 181_258},
}


@pytest.mark.parametrize(("dialect", "size"), PRODUCTS)
def test_naive_matrix_products(dialect: str, size: int) -> None:
    found = {n: bytedmd(matmul_ijk, [ones(n, n)] * 2, dialect, size).cost for n in PRODUCTS[dialect, size]}
    assert found == PRODUCTS[dialect, size]


def test_a_score_names_model_dialect_and_version() -> None:
    versions = {name: bytedmd(lambda a: a + a, [1], name) for name in DIALECTS}
    assert {name: score.version for name, score in versions.items()} == {
        "main": "2cc2a62",
        "dev": "5676476",
        "classic-14": "43e8471",
        "l2-live": "autumn 2026",
        "l2-classic": "autumn 2026",
    }
    assert all((s.model, s.dialect, s.engine) == ("bytedmd", name, "fenwick") for name, s in versions.items())
