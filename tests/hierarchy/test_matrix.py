"""Matrix units against independent counts: SCALE-Sim's answers, folds counted one by one, steps counted one by one."""

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.errors import ChipError
from memsim.hierarchy import Chip, MatrixUnit
from memsim.hierarchy.matrix import DTYPES
from memsim.isa.ops import MMA_TYPES

SIZES = st.integers(1, 300)
TWENTY_SHAPES = [
    (m, n, k, rows, cols)
    for (m, n, k), (rows, cols) in product(
        [(1, 1, 1), (128, 128, 128), (100, 200, 300), (17, 1000, 33), (4096, 64, 512)],
        [(128, 128), (16, 64), (64, 16), (7, 5)],
    )
]


def systolic(rows: int, cols: int, dataflow: str, **values: object) -> MatrixUnit:
    scale = {"bf16": 1} | dict(values.pop("cycles_scale", {}))  # type: ignore[call-overload]
    return MatrixUnit(kind="systolic", rows=rows, cols=cols, dataflow=dataflow, cycles_scale=scale, **values)


def total(unit: MatrixUnit, m: int, n: int, k: int) -> Fraction:
    return sum(unit.cycles(m, n, k, "bf16"), Fraction(0))


@pytest.mark.parametrize(
    ("dataflow", "size", "cycles"),
    [
        ("weight_stationary", 512, 14_303),  # SCALE-Sim 3.0.0, 128 x 128 array
        ("output_stationary", 512, 12_255),
        ("weight_stationary", 1024, 89_983),
    ],
)
def test_cycles_are_those_of_scale_sim(dataflow: str, size: int, cycles: int) -> None:
    assert total(systolic(128, 128, dataflow), size, size, size) == cycles


def folds_one_by_one(m: int, n: int, k: int, rows: int, cols: int, dataflow: str) -> int:
    """Fill, stream and drain of every fold: weights move in row by row; operands enter skewed by one cycle a row."""
    cycles = 0
    for _ in range(0, n, cols):
        if dataflow == "weight_stationary":
            for _ in range(0, k, rows):
                load_weights = rows
                stream = m + (rows - 1) + (cols - 1)
                cycles += load_weights + stream
        else:
            for _ in range(0, m, rows):
                multiply = k + (cols - 1)
                shift_out = rows - 1
                cycles += multiply + shift_out
    return cycles - 1  # SCALE-Sim numbers cycles from 0


@pytest.mark.parametrize("dataflow", ["weight_stationary", "output_stationary"])
@pytest.mark.parametrize("shape", TWENTY_SHAPES)
def test_cycles_are_the_sum_of_all_folds(shape: tuple[int, int, int, int, int], dataflow: str) -> None:
    m, n, k, rows, cols = shape
    unit = systolic(rows, cols, dataflow)
    cycles = max(1, folds_one_by_one(*shape, dataflow))
    assert total(unit, m, n, k) == cycles
    assert unit.cycles(m, n, k, "bf16")[1] == min(rows + cols - 2, cycles - 1)  # the drain of the last fold


def test_several_arrays_split_an_instruction_along_n() -> None:
    one, four = systolic(8, 8, "weight_stationary"), systolic(8, 8, "weight_stationary", count=4)
    assert four.cycles(64, 128, 32, "bf16") == one.cycles(64, 32, 32, "bf16")
    assert four.cycles(64, 129, 32, "bf16") == one.cycles(64, 33, 32, "bf16")
    assert four.peak_macs_per_cycle("bf16") == 4 * 64


def test_the_scale_of_a_type_stretches_its_cycles() -> None:
    unit = systolic(8, 8, "output_stationary", cycles_scale={"int8": "1/2", "fp32": 4})
    interval, latency = unit.cycles(32, 32, 32, "bf16")
    assert unit.cycles(32, 32, 32, "int8") == (interval / 2, latency / 2)
    assert unit.cycles(32, 32, 32, "fp32") == (interval * 4, latency * 4)
    assert unit.peak_macs_per_cycle("int8") == 128
    assert unit.dtypes == ("bf16", "int8", "fp32")
    assert not unit.supports("fp16")


@given(SIZES, SIZES, SIZES, st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_arrays_move_each_operand_once_for_each_fold_that_needs_it(
    m: int, n: int, k: int, rows: int, cols: int, count: int
) -> None:
    each = math.ceil(n / count)
    n_folds, k_folds, m_folds = (len(range(0, a, b)) for a, b in ((each, cols), (k, rows), (m, rows)))
    ws = systolic(rows, cols, "weight_stationary", count=count).operand_elements(m, n, k, "bf16")
    assert ws == (m * k * n_folds, k * n, m * n * k_folds, m * n * k_folds)
    os = systolic(rows, cols, "output_stationary", count=count).operand_elements(m, n, k, "bf16")
    assert os == (m * k * n_folds, k * n * m_folds, m * n, m * n)


@given(SIZES, SIZES, SIZES, st.tuples(*[st.integers(1, 64)] * 4), st.integers(1, 4))
def test_a_dot_product_engine_takes_whole_native_steps(
    m: int, n: int, k: int, native: tuple[int, int, int, int], count: int
) -> None:
    m0, n0, k0, cycles = native
    unit = MatrixUnit(native={"fp16": native}, count=count, latency="7 cycles")
    each = math.ceil(n / count)
    longest = len(list(product(range(0, m, m0), range(0, each, n0), range(0, k, k0))))
    assert unit.cycles(m, n, k, "fp16") == (longest * cycles, 7)
    parts = [min(each, n - start) for start in range(0, n, each)]
    steps = sum(len(list(product(range(0, m, m0), range(0, part, n0), range(0, k, k0)))) for part in parts)
    moved = unit.operand_elements(m, n, k, "fp16")
    assert moved == (longest * m0 * k0, steps * k0 * n0, steps * m0 * n0, steps * m0 * n0)


def test_a_native_step_may_be_narrower_where_the_unit_says_so() -> None:
    wgmma = MatrixUnit(native={"bf16": (64, 256, 16, 128)}, n_step=8)
    assert wgmma.cycles(64, 256, 16, "bf16")[0] == 128
    assert wgmma.cycles(64, 128, 16, "bf16")[0] == 64
    assert wgmma.cycles(128, 129, 32, "bf16")[0] == 4 * 136 * 128 // 256
    assert wgmma.cycles(64, 1, 1, "bf16")[0] == 4
    # a is fetched for each native step, b and c for the columns that are worked on
    assert wgmma.operand_elements(64, 264, 16, "bf16") == (2 * 64 * 16, 264 * 16, 64 * 264, 64 * 264)
    with pytest.raises(ChipError, match=r"(?s)n_step.*48 columns do not divide the native 256.*divisor of 256"):
        MatrixUnit(native={"bf16": (64, 256, 16, 128)}, n_step=48)


@pytest.mark.parametrize(
    ("unit", "reads"),
    [
        (MatrixUnit(native={"bf16": (8, 8, 8, 1)}), 16 * 16 * 3),  # four steps of k, the first of which reads no c
        (systolic(8, 8, "weight_stationary"), 16 * 16 * 3),  # four folds of k
        (systolic(8, 8, "output_stationary"), 0),  # c stays in the array
    ],
)
def test_a_product_that_starts_afresh_does_not_read_the_old_sum(unit: MatrixUnit, reads: int) -> None:
    fresh = unit.operand_elements(16, 16, 32, "bf16", accumulate=False)
    onto = unit.operand_elements(16, 16, 32, "bf16")
    assert fresh.c_reads == reads == onto.c_reads - 16 * 16
    assert fresh._replace(c_reads=onto.c_reads) == onto


@given(SIZES, SIZES, SIZES, st.integers(1, 40), st.integers(1, 40), st.sampled_from(["weight", "output"]))
def test_no_instruction_beats_the_peak(m: int, n: int, k: int, rows: int, cols: int, kept: str) -> None:
    array = systolic(rows, cols, f"{kept}_stationary")
    assert total(array, m, n, k) * array.peak_macs_per_cycle("bf16") >= m * n * k - rows * cols
    dot = MatrixUnit(native={"bf16": (rows, cols, 4, 3)})
    assert dot.cycles(m, n, k, "bf16")[0] * dot.peak_macs_per_cycle("bf16") >= m * n * k


def test_the_operand_types_are_those_of_the_instruction_set() -> None:
    assert set(DTYPES) == set(MMA_TYPES)


def test_a_pause_is_in_cycles():
    with pytest.raises(ChipError, match="not in cycles"):
        Chip.preset("a100_sxm").replace({"core.matrix.pause": "10 ns"})
