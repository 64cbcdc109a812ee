"""Elementwise kernels compute what numpy does, at sizes that divide by nothing."""

import math

import numpy as np
import pytest

import memsim as ms
from memsim.errors import MemsimError
from memsim.library.pointwise import BINARY, UNARY, elementwise

CHIP = ms.Chip.preset("a100_pcie_40")
ROWS, COLS = 37, 41

REFERENCES = {
    "copy": lambda x: x,
    "cast": lambda x: x,
    "neg": lambda x: -x,
    "abs": np.abs,
    "scale": lambda x: 0.2 * x,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp": np.exp,
    "log": lambda x: np.log(np.abs(x)),
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "rsqrt": lambda x: 1 / np.sqrt(np.abs(x)),
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "max": np.maximum,
    "min": np.minimum,
    "silu_mul": lambda x, y: x / (1 + np.exp(-x)) * y,
    "triad": lambda x, y: x + 0.2 * y,
}


def _inputs(op: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    x = rng.normal(scale=2, size=ROWS * COLS)
    names = {"X": np.abs(x) if op in ("log", "sqrt", "rsqrt") else x}
    if op in BINARY:
        names["X2"] = rng.normal(size=ROWS * COLS) + 0.1
    return {name: value.astype(np.float32) for name, value in names.items()}


@pytest.mark.parametrize("op", [*UNARY, *BINARY])
def test_as_numpy(op: str) -> None:
    """Each operator, in fp32 to a few units in the last place (erf: 1.5e-7 by its approximation)."""
    inputs = _inputs(op)
    kernel = elementwise(CHIP, op, ROWS, COLS)
    expected = REFERENCES[op](*(value.astype(np.float64) for value in inputs.values()))
    np.testing.assert_allclose(ms.interpret(kernel.program, inputs)["Y"], expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "to", "tolerance"), [("fp16", None, 1e-3), ("bf16", None, 8e-3), ("fp16", "fp32", 1e-6)]
)
def test_short_types(dtype: str, to: str | None, tolerance: float) -> None:
    """Operands are rounded before, results after, and arithmetic is in fp32 between."""
    inputs = {name: value.astype(ms.isa.ops.DTYPES[dtype].numpy) for name, value in _inputs("add").items()}
    result = ms.interpret(elementwise(CHIP, "add", ROWS, COLS, dtype, to).program, inputs)["Y"]
    expected = sum(value.astype(np.float64) for value in inputs.values())
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=tolerance, atol=1e-6)


def test_blocks() -> None:
    """Few elements: PyTorch's blocks of 512, sixteen on an SM of 2048 threads. Many: fewer and larger ones."""
    small = elementwise(CHIP, "add", 100, 512).program.kernels[0]
    assert (small.groups[0].grid, small.occupancy) == ((("b", 100),), 16)
    large = elementwise(CHIP, "add", 13909, 3957).program.kernels[0]
    assert large.groups[0].grid == (("b", -(-13909 * 3957 // 8192)),)
    on_t4 = elementwise(ms.Chip.preset("t4"), "add", 100, 512).program.kernels[0]
    assert on_t4.occupancy == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gellu", 4, 4), r"no operator 'gellu'[\s\S]*gelu"),
        (("add", 0, 4), "rows is a count of at least 1, found 0"),
        (("add", 4, 2.5), "cols is a count of at least 1, found 2.5"),
        (("add", 4, 4, "fp64"), "no kernel for 'fp64'"),
        (("cast", 4, 4, "fp32", "int3"), "no kernel for 'int3'"),
    ],
)
def test_errors(arguments: tuple[object, ...], message: str) -> None:
    """What is wrong is told, with the value and a mend."""
    with pytest.raises(MemsimError, match=message):
        elementwise(CHIP, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in ms.Chip.presets() if name not in ("dally_grid", "sutro_spatial")])
def test_every_preset(name: str) -> None:
    """Every preset that has registers for it runs a kernel, no faster than its DRAM."""
    chip = ms.Chip.preset(name)
    rows, cols = 256, 1000
    result = ms.simulate(elementwise(chip, "add", rows, cols, "fp16").program, chip)
    read_s = 2 * rows * cols * 2 * float(chip.tick / chip.rate_per_tick(chip.dram.bandwidth))
    assert result.time_s > read_s
