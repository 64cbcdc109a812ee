"""Convolutions of the reference against loops that follow the definition, and what makes no sense."""

from itertools import product

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from memsim.errors import WorkloadError
from memsim.workloads import conv2d, flops, matmul, random_inputs, reference, tensor, workload


def by_loops(x, w, stride, padding, groups):
    """The definition: for each element of the result, each product."""
    (down, right), (above, left) = stride, padding
    height, width, channels, filters = w.shape
    rows = (x.shape[1] + 2 * above - height) // down + 1
    columns = (x.shape[2] + 2 * left - width) // right + 1
    out = np.zeros((x.shape[0], rows, columns, filters))
    for n, i, j, f in np.ndindex(out.shape):
        first = f // (filters // groups) * channels
        for r, s in product(range(height), range(width)):
            row, column = i * down + r - above, j * right + s - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                out[n, i, j, f] += x[n, row, column, first : first + channels] @ w[r, s, :, f]
    return out


@hypothesis.given(
    images=st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
    window=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    groups=st.integers(1, 3),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
@hypothesis.settings(max_examples=40)
def test_the_reference_is_the_definition(images, window, stride, padding, groups, sizes):
    padding = tuple(min(pad, k - 1) for pad, k in zip(padding, window, strict=True))
    hypothesis.assume(all(n + 2 * pad >= k for n, pad, k in zip(images[1:], padding, window, strict=True)))
    x, w = tensor("x", (*images, groups * sizes[0])), tensor("w", (*window, sizes[0], groups * sizes[1]))
    node = conv2d(x, w, stride=stride, padding=padding, groups=groups)
    values = random_inputs(node)
    exact = by_loops(*(values[name].astype(float) for name in "xw"), stride, padding, groups)
    assert node.shape == exact.shape
    np.testing.assert_allclose(reference(node, values), exact, rtol=1e-6, atol=1e-6)
    assert flops(node) == 2 * exact.size * window[0] * window[1] * sizes[0]


def test_filters_of_one_pixel_are_a_product_of_matrices():
    x, w = tensor("x", (3, 5, 4, 6), "bf16"), tensor("w", (1, 1, 6, 7), "bf16")
    values = random_inputs([x, w])
    flat = matmul(tensor("x", (60, 6), "bf16"), tensor("w", (6, 7), "bf16"))
    given = {"x": values["x"].reshape(60, 6), "w": values["w"].reshape(6, 7)}
    np.testing.assert_array_equal(reference(conv2d(x, w), values).reshape(60, 7), reference(flat, given))


def test_integers_are_exact_and_saturate_where_int8_is_wanted():
    x, w = tensor("x", (1, 4, 4, 500), "int8"), tensor("w", (3, 3, 500, 2), "int8")
    given = {"x": np.full(x.shape, -128), "w": np.full(w.shape, -128)}
    assert conv2d(x, w).dtype == "int32"
    assert (reference(conv2d(x, w), given) == 9 * 500 * 128**2).all()
    assert (reference(conv2d(x, w, dtype="int8"), given) == 127).all()


def test_a_pair_may_be_one_number():
    x, w = tensor("x", (1, 9, 9, 2)), tensor("w", (3, 3, 2, 2))
    one, two = conv2d(x, w, stride=2, padding=1), conv2d(x, w, stride=(2, 2), padding=(1, 1))
    assert one.shape == two.shape == (1, 5, 5, 2)
    assert one.attributes == two.attributes


def test_the_named_layer_is_one_of_resnet_50():
    node = workload("conv2d", batch=1)
    assert node.shape == (1, 28, 28, 128)
    assert flops(workload("conv2d", batch=1, bias=False, activation="")) == 2 * 28 * 28 * 128 * 9 * 128


X, W = tensor("x", (1, 8, 8, 6)), tensor("w", (3, 3, 6, 4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: conv2d(X, 3.0), ["operand 3.0 is not a tensor"]),
        (lambda: conv2d(tensor("x", (8, 8, 6)), W), ["conv2d", "(8, 8, 6)", "batch x rows x columns x channels"]),
        (lambda: conv2d(X, tensor("w", (3, 3, 5, 4))), ["filters of 5 channels, images of 6", "(3, 3, 6, 4)"]),
        (lambda: conv2d(X, W, groups=4), ["6 channels and 4 filters", "4 groups", "common divisor"]),
        (lambda: conv2d(X, W, groups=2), ["2 groups", "(3, 3, 3, 4)"]),
        (lambda: conv2d(X, W, groups=0), ["0 groups"]),
        (lambda: conv2d(X, W, stride=0), ["stride is 0", "at least 1"]),
        (lambda: conv2d(X, W, stride=(1, 2, 3)), ["stride is (1, 2, 3)", "two in a tuple"]),
        (lambda: conv2d(X, W, padding=-1), ["padding is -1", "at least 0"]),
        (lambda: conv2d(X, W, padding=1.0), ["padding is 1.0", "whole number"]),
        (lambda: conv2d(X, W, padding=(3, 0)), ["padding of 3 for filters of size 3", "from 0 to 2"]),
        (lambda: conv2d(X, tensor("w", (9, 1, 6, 4))), ["filters (9, 1)", "larger than images (8, 8)"]),
        (lambda: conv2d(X, tensor("w", (3, 3, 6, 4), "bf16")), ["conv2d", "types fp32 and bf16"]),
        (lambda: conv2d(tensor("x", (1, 8, 8, 6), "int32"), tensor("w", (3, 3, 6, 4), "int32")), ["conv2d", "int32"]),
        (lambda: conv2d(X, W, dtype="fp31"), ["conv2d", "fp31"]),
        (lambda: workload("conv2d", channels=10, groups=3), ["10 channels in 3 groups"]),
        (lambda: workload("conv2d", filters=10, groups=4), ["10 filters", "4 groups"]),
        (lambda: workload("conv2d", size=1, padding=1), ["padding of 1 for filters of size 1"]),
    ],
)
def test_errors(call, words):
    with pytest.raises(WorkloadError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
