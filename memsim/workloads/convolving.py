"""Convolution of images whose channels lie side by side (NHWC), with filters [height, width, channels, filters]."""

from __future__ import annotations

from types import MappingProxyType

from memsim.errors import WorkloadError
from memsim.workloads.graph import Node
from memsim.workloads.shapes import matmul_dtype, shown

Pair = int | tuple[int, int]
"""One number for rows and columns, or one for each."""


def conv2d(x: Node, w: Node, *, stride: Pair = 1, padding: Pair = 0, groups: int = 1, dtype: str | None = None) -> Node:
    """``out[n, i, j, f]`` is the sum of ``x[n, i*stride + r - padding, j*stride + s - padding, c] * w[r, s, c, f]``.

    Over rows r, columns s and channels c of a filter: the cross-correlation that neural networks call convolution. x is
    zero outside of its rows and columns. Sums are those of `matmul`: in fp32, int32 for int8.

    Parameters
    ----------
    x
        Shape [batch, rows, columns, channels].
    w
        Shape [height, width, channels / groups, filters], of the type of x.
    stride
        Rows and columns from one window to the next, each at least 1.
    padding
        Rows and columns of zeros on each side, less than the height and width of a filter.
    groups
        Parts of the channels, each with filters of its own: filters f of group g see channels of group g alone.
    dtype
        Of the result: by default that of float operands, int32 for int8 ones.

    Returns
    -------
    Node
        Shape [batch, (rows + 2 padding - height) // stride + 1, likewise columns, filters].
    """
    steps, pads = _pair("stride", stride, 1), _pair("padding", padding, 0)
    _check_shapes(x, w, groups)
    sizes = []
    for n, k, step, pad in zip(x.shape[1:3], w.shape[:2], steps, pads, strict=True):
        if pad >= k:
            raise WorkloadError(
                f"padding of {pad} for filters of size {k}", where="conv2d", mend=f"choose from 0 to {k - 1}"
            )
        if n + 2 * pad < k:
            raise WorkloadError(
                f"filters {shown(w.shape[:2])} are larger than images {shown(x.shape[1:3])} with padding {shown(pads)}",
                where="conv2d",
                mend="pad more, or take smaller filters",
            )
        sizes.append((n + 2 * pad - k) // step + 1)
    attributes = MappingProxyType({"stride": steps, "padding": pads, "groups": groups})
    shape = (x.shape[0], *sizes, w.shape[3])
    return Node("conv2d", (x, w), shape, matmul_dtype(x.dtype, w.dtype, dtype, "conv2d"), attributes)


def _pair(name: str, value: Pair, least: int) -> tuple[int, int]:
    pair = value if isinstance(value, tuple) else (value, value)
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < least for n in pair):
        raise WorkloadError(
            f"{name} is {value!r}", where="conv2d", mend=f"give a whole number of at least {least}, or two in a tuple"
        )
    return pair


def _check_shapes(x: Node, w: Node, groups: int) -> None:
    for operand in (x, w):
        if not isinstance(operand, Node):
            raise WorkloadError(
                f"operand {operand!r} is not a tensor", where="conv2d", mend="make it a tensor(name, shape)"
            )
    shapes = f"x {shown(x.shape)} and w {shown(w.shape)}"
    if len(x.shape) != 4 or len(w.shape) != 4:
        raise WorkloadError(
            shapes, where="conv2d", mend="x is batch x rows x columns x channels, w height x width x channels x filters"
        )
    channels, filters = x.shape[3], w.shape[3]
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1 or channels % groups or filters % groups:
        raise WorkloadError(
            f"{channels} channels and {filters} filters do not divide into {groups!r} groups",
            where="conv2d",
            mend="choose a common divisor of both",
        )
    if w.shape[2] * groups != channels:
        raise WorkloadError(
            f"{shapes}, {groups} groups: filters of {w.shape[2]} channels, images of {channels}",
            where="conv2d",
            mend=f"give w the shape {shown((*w.shape[:2], channels // groups, filters))}",
        )
