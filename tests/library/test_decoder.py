"""The small kernels of a decoder layer, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memsim.hierarchy import Chip
from memsim.isa import interpret
from memsim.library import decoder

GPU = Chip.preset("a100_sxm")


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(len(shape) + shape[-1]).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("rows", "cols"), [(1, 64), (5, 96), (3, 257)])
def test_add_norm(rows: int, cols: int) -> None:
    x, r, gain = normal(rows, cols), normal(rows, cols) + 1, normal(1, cols)
    found = interpret(decoder.add_norm(GPU, rows, cols, "fp32").program, {"X": x, "R": r, "gain": gain})
    total = x + r
    np.testing.assert_allclose(found["S"], total, rtol=1e-6)
    scale = np.sqrt((total * total).mean(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found["Y"], total / scale * gain, rtol=1e-5)


@pytest.mark.parametrize(("rows", "heads", "dim"), [(1, 1, 8), (4, 3, 32)])
def test_rope(rows: int, heads: int, dim: int) -> None:
    """As a rotation of complex numbers."""
    x, angles = normal(rows, heads, 2, dim // 2), normal(rows, dim // 2)
    found = interpret(
        decoder.rope(GPU, rows, heads, dim, "fp32").program, {"X": x, "cos": np.cos(angles), "sin": np.sin(angles)}
    )["Y"]
    turned = (x[:, :, 0] + 1j * x[:, :, 1]) * np.exp(1j * angles)[:, None]
    np.testing.assert_allclose(found, np.stack([turned.real, turned.imag], axis=2), atol=1e-6)


@pytest.mark.parametrize("cols", [1, 33, 2048])
def test_softmax(cols: int) -> None:
    x = 10 * normal(3, cols)
    found = interpret(decoder.softmax(GPU, 3, cols, "fp32").program, {"X": x})["Y"]
    powers = np.exp((x - x.max(axis=1, keepdims=True)).astype(np.float64))
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=2e-5, atol=1e-12)


@pytest.mark.parametrize("cols", [1, 4096, 9001])
def test_greatest(cols: int) -> None:
    x = normal(3, cols) - 5
    found = interpret(decoder.greatest(GPU, 3, cols).program, {"X": x})["Y"]
    assert np.array_equal(found[:, 0], x.max(axis=1))
