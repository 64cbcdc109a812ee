"""What `interpret` computes, against numpy: matrix products, elementwise primitives, reductions, rounding."""

import numpy as np
import pytest

from memsim.isa.builder import ProgramBuilder
from memsim.isa.interpret import interpret
from memsim.isa.ops import DTYPES, round_to
from tests.isa.kernels import BF16, matmul, normal, run, small_ints


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2"])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("shape", [(32, 32, 32), (37, 29, 19), (5, 3, 2)])
def test_matmul_with_clipped_edges_is_exact_on_small_integers(dtype, depth, shape):
    m, n, k = shape
    A, B = small_ints((m, k)), small_ints((k, n), seed=1)
    out = run(matmul(m, n, k, (8, 16, 4), dtype, depth), A=A, B=B)
    assert out["C"].dtype == np.float32
    np.testing.assert_array_equal(out["C"], A @ B)


@pytest.mark.parametrize("transpose", [(False, True), (True, False), (True, True)])
def test_transposed_operands(transpose):
    A, B = small_ints((20, 12)), small_ints((12, 24), seed=1)
    given = {"A": A.T if transpose[0] else A, "B": B.T if transpose[1] else B}
    out = run(matmul(20, 24, 12, (8, 16, 4), "bf16", transpose=transpose), **given)
    np.testing.assert_array_equal(out["C"], A @ B)


def test_int8_products_accumulate_exactly_in_int32():
    A = np.full((4, 2100), -128, np.int8)
    B = np.full((2100, 4), -128, np.int8)
    B[-1] = 127
    out = run(matmul(4, 4, 2100, (4, 4, 2100), "int8", out="int32"), A=A, B=B)
    assert out["C"].dtype == np.int32
    np.testing.assert_array_equal(out["C"], A.astype(np.int64) @ B.astype(np.int64))


def test_int32_accumulators_wrap():
    p = ProgramBuilder("wrap")
    A, C = p.tensor("A", "int8", (1, 1)), p.tensor("C", "int32", (1, 1))
    with p.kernel("main", grid={"i": 1}) as g:
        a, c = g.ring("a", "sram", "int8", (1, 1)), g.ring("c", "reg", "int32", (1, 1))
        with g.queue("load"):
            a.load(A[0, 0])
        with g.queue("compute"):
            c.fill(2**31 - 1)
            c.mma(a, a)
            c.push()
            a.pop()
        with g.queue("store"):
            C[0, 0].store(c)
            c.pop()
    assert run(p, A=np.array([[2]]))["C"][0, 0] == -(2**31) + 3


def test_mma_without_accumulation_discards_what_was_there():
    p = ProgramBuilder("fresh")
    A, C = p.tensor("A", "fp32", (4, 4)), p.tensor("C", "fp32", (4, 4))
    with p.kernel("main", grid={"i": 1}) as g:
        a, c = g.ring("a", "sram", "fp32", (4, 4)), g.ring("c", "reg", "fp32", (4, 4))
        with g.queue("load"):
            a.load(A[0, 0])
        with g.queue("compute"):
            c.fill(1000)
            c.mma(a, a.T, accumulate=False)
            a.pop()
            c.push()
        with g.queue("store"):
            C[0, 0].store(c)
            c.pop()
    A = small_ints((4, 4))
    np.testing.assert_array_equal(run(p, A=A)["C"], A @ A.T)


def sequential_product(A, B):
    """Sum over k one by one in fp32, each product rounded first."""
    total = np.zeros((A.shape[0], B.shape[1]), np.float32)
    for k in range(A.shape[1]):
        total = total + A[:, k : k + 1] * B[k : k + 1, :]
    return total


@pytest.mark.parametrize("transpose", [(False, False), (True, True)])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_exact_order_equals_an_unfused_sequential_sum_bit_by_bit(dtype, transpose):
    A, B = normal((12, 200)), normal((200, 16), seed=1)
    if dtype == "bf16":
        A, B = A.astype(BF16).astype(np.float32), B.astype(BF16).astype(np.float32)
    program = matmul(12, 16, 200, (8, 16, 32), dtype, transpose=transpose).build()
    given = {"A": A.T if transpose[0] else A, "B": B.T if transpose[1] else B}
    out = interpret(program, given, exact_order=True)
    np.testing.assert_array_equal(out["C"], sequential_product(A, B))
    default = interpret(program, given)["C"]
    np.testing.assert_allclose(default, A.astype(np.float64) @ B, rtol=0, atol=1e-4)


def test_occupancy_and_clusters_do_not_change_values():
    A, B = small_ints((32, 16)), small_ints((16, 32), seed=1)
    for cluster, occupancy in [(None, 3), ({"y": 2}, 1), ({"y": 2, "x": 2}, 2)]:
        program = matmul(32, 32, 16, (8, 8, 8), cluster=cluster, occupancy=occupancy).build()
        np.testing.assert_array_equal(interpret(program, {"A": A, "B": B}, cores=7)["C"], A @ B)


def test_softmax_of_rows():
    p = ProgramBuilder("softmax")
    X, Y = p.tensor("X", "bf16", (12, 20)), p.tensor("Y", "bf16", (12, 20))
    with p.kernel("main", grid={"y": 3}) as g:
        (y,) = g.coordinates
        x, out = g.ring("x", "sram", "bf16", (4, 20)), g.ring("out", "sram", "bf16", (4, 20))
        s, m = g.ring("s", "reg", "fp32", (4, 20)), g.ring("m", "reg", "fp32", (4, 1))
        with g.queue("load"):
            x.load(X[y * 4, 0])
        with g.queue("compute"):
            m.reduce("max", x, axis=1)
            s.set("sub", x, m)
            x.pop()
            s.set("mul", s, float(np.log2(np.e)))
            s.set("exp2", s)
            m.reduce("sum", s, axis=1)
            m.set("recip", m)
            out.set("mul", s, m)
            out.push()
        with g.queue("store"):
            Y[y * 4, 0].store(out)
            out.pop()
    X = normal((12, 20), BF16).astype(np.float64)
    e = np.exp(X - X.max(1, keepdims=True))
    out = run(p, X=X)["Y"]
    assert out.dtype == BF16
    np.testing.assert_allclose(out.astype(np.float64), e / e.sum(1, keepdims=True), rtol=2.0**-8)


def test_causal_mask_from_iota_and_where():
    p = ProgramBuilder("mask")
    X, Y = p.tensor("X", "fp32", (8, 8)), p.tensor("Y", "fp32", (8, 8))
    with p.kernel("main", grid={"y": 2, "x": 2}) as g:
        y, x = g.coordinates
        t, r, c, mask = (g.ring(n, "reg", "fp32", (4, 4)) for n in ("t", "r", "c", "mask"))
        out = g.ring("out", "reg", "fp32", (4, 4))
        with g.queue("load"):
            t.load(X[y * 4, x * 4])
        with g.queue("compute"):
            r.iota(axis=0, start=y * 4)
            c.iota(axis=1, start=x * 4)
            mask.set("ge", r, c)
            out.set("where", mask, t, -3.0e38)
            t.pop()
            out.push()
        with g.queue("store"):
            Y[y * 4, x * 4].store(out)
            out.pop()
    X = normal((8, 8))
    expected = np.where(np.tril(np.ones((8, 8))) > 0, X, np.float32(-3.0e38))
    np.testing.assert_array_equal(run(p, X=X)["Y"], expected)


def unary(op, src_dtype, dst_dtype, *more, size=8):
    """Y = op(X, *more), one tile."""
    p = ProgramBuilder("unary")
    X, Y = p.tensor("X", src_dtype, (size,)), p.tensor("Y", dst_dtype, (size,))
    with p.kernel("main", grid={"i": 1}) as g:
        x, y = g.ring("x", "sram", src_dtype, (size,)), g.ring("y", "sram", dst_dtype, (size,))
        with g.queue("load"):
            x.load(X[0])
        with g.queue("compute"):
            y.set(op, x, *more)
            x.pop()
            y.push()
        with g.queue("store"):
            Y[0].store(y)
            y.pop()
    return p


VALUES = np.array([0.25, 1, 2, 3.5, 4, 7, 9.75, 100], np.float32)
UNARY = {
    "cast": lambda v: v,
    "neg": lambda v: -v,
    "abs": abs,
    "floor": np.floor,
    "recip": lambda v: 1 / v,
    "sqrt": np.sqrt,
    "rsqrt": lambda v: v**-0.5,
    "exp2": lambda v: 2**v,
    "log2": np.log2,
    "sin": np.sin,
    "cos": np.cos,
}


@pytest.mark.parametrize("op", sorted(UNARY))
def test_unary_primitives(op):
    out = run(unary(op, "fp32", "fp32"), X=VALUES)["Y"]
    np.testing.assert_allclose(out, UNARY[op](VALUES.astype(np.float64)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("add", VALUES + 2),
        ("sub", VALUES - 2),
        ("mul", VALUES * 2),
        ("max", np.maximum(VALUES, 2)),
        ("min", np.minimum(VALUES, 2)),
        ("ge", VALUES >= 2),
        ("gt", VALUES > 2),
        ("eq", VALUES == 2),
    ],
)
def test_binary_primitives_with_a_scalar(op, expected):
    np.testing.assert_array_equal(run(unary(op, "fp32", "fp32", 2.0), X=VALUES)["Y"], expected.astype(np.float32))


def test_fp8_saturates_and_rounds_to_nearest_even():
    X = np.array([1e6, -1e6, 448, 460, 1.0625, 1.1875, 0.0009765625, -0.0], np.float32)
    out = run(unary("cast", "fp32", "fp8_e4m3"), X=X)["Y"]
    expected = np.array([448, -448, 448, 448, 1.0, 1.25, 0.0, -0.0], np.float32)
    np.testing.assert_array_equal(out.astype(np.float32), expected)
    out = run(unary("mul", "fp32", "fp8_e5m2", 1e6), X=X)["Y"].astype(np.float32)
    assert out[0] == 57344


def test_vector_rounds_once_from_fp32():
    """1 + 2**-9 + 2**-20 is above the tie of bf16: rounding through a narrower type on the way would lose that."""
    X = np.full(8, 1 + 2.0**-8, np.float32)
    out = run(unary("add", "fp32", "bf16", 2.0**-20), X=X)["Y"].astype(np.float32)
    np.testing.assert_array_equal(out, np.full(8, 1 + 2.0**-7))


@pytest.mark.parametrize(("dst", "expected"), [("int8", [0, 127, -128, 2, 2, -2, 0, 3]), ("int32", None)])
def test_floats_to_integers_round_to_even_and_saturate(dst, expected):
    X = np.array([0.5, 1e10, -1e10, 1.5, 2.5, -1.5, -0.5, 2.75], np.float32)
    if expected is None:
        expected = [0, 2**31 - 1, -(2**31), 2, 2, -2, 0, 3]
    np.testing.assert_array_equal(run(unary("cast", "fp32", dst), X=X)["Y"], expected)


def test_integers_compute_in_int32():
    """2**24 + 1 has no fp32: only int32 arithmetic keeps it."""
    X = np.full(8, 2**24 + 1)
    np.testing.assert_array_equal(run(unary("add", "int32", "int32", 2.0), X=X)["Y"], X + 2)
    out = run(unary("add", "int32", "fp32", 2.0), X=X)["Y"]
    np.testing.assert_array_equal(out, np.full(8, np.float32(2**24) + 2))
    np.testing.assert_array_equal(run(unary("add", "int8", "int8", 100.0), X=np.full(8, 100))["Y"], np.full(8, 127))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("op", ["sum", "max", "min"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("exact_order", [False, True])
def test_reductions(axis, op, dtype, exact_order):
    shape = (1, 7) if axis == 0 else (5, 1)
    out_dtype = "int32" if dtype == "int8" else "fp32"
    p = ProgramBuilder("reduce")
    X, Y = p.tensor("X", dtype, (5, 7)), p.tensor("Y", out_dtype, shape)
    with p.kernel("main", grid={"i": 1}) as g:
        x, y = g.ring("x", "sram", dtype, (5, 7)), g.ring("y", "sram", out_dtype, shape)
        with g.queue("load"):
            x.load(X[0, 0])
        with g.queue("compute"):
            y.reduce(op, x, axis=axis)
            x.pop()
            y.push()
        with g.queue("store"):
            Y[0, 0].store(y)
            y.pop()
    X = 30 * small_ints((5, 7))
    out = interpret(p.build(), {"X": round_to(X, dtype)}, exact_order=exact_order)["Y"]
    np.testing.assert_array_equal(out, getattr(X, op)(axis=axis, keepdims=True))


def test_exact_order_sums_a_reduction_one_by_one():
    p = ProgramBuilder("sum")
    X, Y = p.tensor("X", "fp32", (1, 1000)), p.tensor("Y", "fp32", (1, 1))
    with p.kernel("main", grid={"i": 1}) as g:
        x, y = g.ring("x", "sram", "fp32", (1, 1000)), g.ring("y", "sram", "fp32", (1, 1))
        with g.queue("load"):
            x.load(X[0, 0])
        with g.queue("compute"):
            y.reduce("sum", x, axis=1)
            x.pop()
            y.push()
        with g.queue("store"):
            Y[0, 0].store(y)
            y.pop()
    X = normal((1, 1000))
    total = np.float32(0)
    for value in X[0]:
        total = total + value
    assert interpret(p.build(), {"X": X}, exact_order=True)["Y"][0, 0] == total


@pytest.mark.parametrize(("dtype", "value", "expected"), [("int32", 2**24 + 1, 2**24 + 1), ("fp32", 2**24 + 1, 2**24)])
def test_a_fill_takes_its_value_in_the_type_of_the_destination(dtype, value, expected):
    p = ProgramBuilder("fill")
    Y = p.tensor("Y", dtype, (2,))
    with p.kernel("main", grid={"i": 1}) as g:
        y = g.ring("y", "sram", dtype, (2,))
        with g.queue("compute"):
            y.fill(value)
            y.push()
        with g.queue("store"):
            Y[0].store(y)
            y.pop()
    assert run(p)["Y"].tolist() == [expected] * 2


@pytest.mark.parametrize("exact_order", [False, True])
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8"])
def test_rows_of_a_product_may_lie_in_several_dimensions(dtype, exact_order):
    p = ProgramBuilder("rows")
    kind, total = DTYPES[dtype].numpy, "int32" if dtype == "int8" else "fp32"
    X, W = p.tensor("X", dtype, (2, 3, 4, 8)), p.tensor("W", dtype, (5, 8))
    Y = p.tensor("Y", total, (2, 3, 4, 5))
    with p.kernel("main", grid={"i": 1}) as g:
        x, w = g.ring("x", "sram", dtype, (2, 3, 4, 8)), g.ring("w", "sram", dtype, (5, 8))
        c = g.ring("c", "reg", total, (2, 3, 4, 5))
        with g.queue("load"):
            x.load(X[0, 0, 0, 0])
            w.load(W[0, 0])
        with g.queue("work"):
            c.mma(x, w.T, accumulate=False)
            c.mma(x, w.T)
            x.pop()
            w.pop()
            c.push()
        with g.queue("store"):
            Y[0, 0, 0, 0].store(c)
            c.pop()
    given = {"X": small_ints((2, 3, 4, 8), kind, 1), "W": small_ints((5, 8), kind, 2)}
    expected = 2 * np.einsum("abck,nk->abcn", *(v.astype(np.float64) for v in given.values()))
    np.testing.assert_array_equal(interpret(p.build(), given, exact_order=exact_order)["Y"], expected)
