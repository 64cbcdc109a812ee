"""Kernels over rows compute what numpy does, at sizes that divide by nothing, on both sides of their limits."""

import numpy as np
import pytest

import memsim as ms
from memsim.engine.difference import first_difference
from memsim.errors import MemsimError
from memsim.library.rows import EPS, layer_norm, reduce, rms_norm, softmax

CHIP = ms.Chip.preset("a100_pcie_40")


def _matrix(rows: int, cols: int, dtype: str = "fp32") -> np.ndarray:
    values = np.random.default_rng(11).normal(loc=1, scale=3, size=(rows, cols))
    return values.astype(ms.isa.ops.DTYPES[dtype].numpy)


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("rows", "cols"), [(37, 41), (5, 1), (3, 1024), (3, 1025), (7, 4099), (7200, 3)])
def test_softmax(rows: int, cols: int) -> None:
    """A warp's kernel and a block's."""
    x = _matrix(rows, cols)
    result = ms.interpret(softmax(CHIP, rows, cols).program, {"X": x})["Y"]
    np.testing.assert_allclose(result, _softmax(x.astype(np.float64)), rtol=5e-6, atol=1e-9)


@pytest.mark.parametrize(("rows", "cols"), [(37, 41), (3, 2050), (7200, 5)])
def test_norms(rows: int, cols: int) -> None:
    """Layer norm and RMS norm, with gain and shift."""
    x = _matrix(rows, cols)
    gain, shift = _matrix(1, cols)[0], _matrix(2, cols)[1]
    wide = x.astype(np.float64)
    layer = ms.interpret(layer_norm(CHIP, rows, cols).program, {"X": x, "gain": gain, "shift": shift})["Y"]
    rms = ms.interpret(rms_norm(CHIP, rows, cols).program, {"X": x, "gain": gain})["Y"]
    deviation = np.sqrt(wide.var(axis=1, keepdims=True) + EPS)
    np.testing.assert_allclose(
        layer, (wide - wide.mean(axis=1, keepdims=True)) / deviation * gain + shift, rtol=1e-4, atol=2e-5
    )
    size = np.sqrt((wide**2).mean(axis=1, keepdims=True) + EPS)
    np.testing.assert_allclose(rms, wide / size * gain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("rows", "cols"), [(37, 41), (1, 1), (3, 9000), (5000, 7), (700, 300)])
@pytest.mark.parametrize("axis", [0, 1])
def test_sums(rows: int, cols: int, axis: int) -> None:
    """Along rows and along columns, by one block and by several."""
    x = _matrix(rows, cols)
    result = ms.interpret(reduce(CHIP, rows, cols, axis=axis).program, {"X": x})["Y"]
    np.testing.assert_allclose(result, x.astype(np.float64).sum(axis=axis), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [("fp16", 1e-3), ("bf16", 8e-3)])
def test_short_types(dtype: str, tolerance: float) -> None:
    """Operands and results are short, arithmetic is in fp32."""
    x = _matrix(9, 2050, dtype)
    result = ms.interpret(softmax(CHIP, 9, 2050, dtype).program, {"X": x})["Y"]
    np.testing.assert_allclose(result.astype(np.float64), _softmax(x.astype(np.float64)), rtol=tolerance, atol=1e-7)


@pytest.mark.parametrize("build", [softmax, layer_norm, rms_norm, reduce])
def test_errors(build: object) -> None:
    """What is wrong is told, with the value."""
    with pytest.raises(MemsimError, match="cols is a count of at least 1, found 0"):
        build(CHIP, 4, 0)  # type: ignore[operator]
    with pytest.raises(MemsimError, match="no kernel for 'int8'"):
        build(CHIP, 4, 4, "int8")  # type: ignore[operator]


@pytest.mark.parametrize("name", [name for name in ms.Chip.presets() if name not in ("dally_grid", "sutro_spatial")])
def test_every_preset(name: str) -> None:
    """Every preset runs them, no faster than its DRAM reads the matrix."""
    chip = ms.Chip.preset(name)
    read_s = 100 * 1200 * 4 * float(chip.tick / chip.rate_per_tick(chip.dram.bandwidth))
    for build in (softmax, layer_norm, reduce):
        kernel = build(chip, 100, 1200)
        assert ms.simulate(kernel.program, kernel.chip).time_s > read_s


def test_both_engines_agree() -> None:
    """Latencies of reductions, rows that come again and blocks that stay: the same ticks in the specification."""
    toy = ms.Chip.preset("toy")
    for kernel in (layer_norm(toy, 60, 300), softmax(toy, 10, 1500), reduce(toy, 200, 300, axis=0)):
        fast, specified = (ms.simulate(kernel.program, kernel.chip, engine=engine) for engine in ("fast", "simpy"))
        assert first_difference(fast, specified) is None
