"""The tensor graph: what to compute, as immutable nodes with shapes and types.

>>> a, b = tensor("a", (64, 32), "bf16"), tensor("b", (32, 16), "bf16")
>>> (a @ b + 1.0).shape
(64, 16)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from memsim.errors import WorkloadError
from memsim.isa.lexical import KEYWORDS
from memsim.isa.ops import DTYPES
from memsim.workloads.operators import OPERATORS
from memsim.workloads.shapes import (
    Shape,
    broadcast,
    check_dtype,
    check_shape,
    common_dtype,
    matmul_dtype,
    matmul_shape,
    nearest,
    shown,
)

NO_ATTRIBUTES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """A tensor of the graph: an input, or the result of an operation on other nodes.

    Two nodes are equal only where they are the same object; a node used twice is computed once.
    """

    op: str
    """``"input"``, an elementwise operator (`OPERATORS`), or one of matmul, transpose, sum, max, mean, softmax,
    log_softmax, layer_norm, rms_norm, attention, decode_attention, rope, append."""
    args: tuple[Node | float, ...]
    """Operands; a float is a scalar."""
    shape: Shape
    dtype: str
    attributes: Mapping[str, Any] = field(default_factory=lambda: NO_ATTRIBUTES)
    """What else the operation needs, by name."""
    name: str | None = None
    """Name of an input, or of the tensor that holds the result."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The operands that are nodes."""
        return tuple(arg for arg in self.args if isinstance(arg, Node))

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the whole tensor."""
        return self.elements * DTYPES[self.dtype].bytes

    @property
    def T(self) -> Node:
        """The last two dimensions swapped."""
        if len(self.shape) < 2:
            return self
        if self.op == "transpose":
            return self.nodes[0]
        return Node("transpose", (self,), (*self.shape[:-2], self.shape[-1], self.shape[-2]), self.dtype)

    def named(self, name: str) -> Node:
        """The same operation, its result in a tensor of that name. Other nodes go on to use the unnamed one."""
        return replace(self, name=check_name(name))

    def __add__(self, other: Operand) -> Node:
        return elementwise("add", self, other)

    def __radd__(self, other: float) -> Node:
        return elementwise("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return elementwise("sub", self, other)

    def __rsub__(self, other: float) -> Node:
        return elementwise("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return elementwise("mul", self, other)

    def __rmul__(self, other: float) -> Node:
        return elementwise("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return elementwise("div", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return elementwise("div", other, self)

    def __neg__(self) -> Node:
        return elementwise("neg", self)

    def __matmul__(self, other: Node) -> Node:
        return matmul(self, other)

    def __repr__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"<{self.op}{name} {self.dtype} {shown(self.shape)}>"


Operand: TypeAlias = Node | float


def tensor(name: str, shape: Sequence[int], dtype: str = "fp32", *, scale: float = 1.0) -> Node:
    """An input of the graph.

    Parameters
    ----------
    name
        Its name in the program and in the inputs.
    shape
        Sizes of its dimensions, each at least 1.
    dtype
        fp32, bf16, fp16, fp8_e4m3, fp8_e5m2, int8 or int32.
    scale
        Standard deviation of the random values that `random_inputs` draws for it, if it is of a float type.
    """
    where = f"tensor {name}"
    attributes = MappingProxyType({"scale": float(scale)})
    return Node("input", (), check_shape(shape, where), check_dtype(dtype, where), attributes, check_name(name))


def check_name(name: str) -> str:
    """``name`` if the tile ISA's text can hold it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise WorkloadError(
            f"{name!r} is not a name", where="tensor", mend="begin with a letter; go on with letters, digits and _"
        )
    if name in KEYWORDS:
        raise WorkloadError(
            f"{name!r} is a keyword of tile programs", where="tensor", mend=f"choose another name, such as {name}_"
        )
    return name


def elementwise(op: str, *args: Operand) -> Node:
    """An elementwise operator (`OPERATORS`) on nodes and scalars, which broadcast as in numpy."""
    if op not in OPERATORS:
        raise WorkloadError(f"unknown operator {op!r}", where="elementwise", mend=nearest(op, OPERATORS))
    operator = OPERATORS[op]
    if len(args) != operator.arity:
        raise WorkloadError(f"takes {operator.arity} operands, found {len(args)}", where=op)
    operands = tuple(as_operand(op, arg) for arg in args)
    nodes = [arg for arg in operands if isinstance(arg, Node)]
    if not nodes:
        raise WorkloadError(f"all operands are scalars: {args}", where=op, mend="compute it in Python")
    dtype = common_dtype(op, [node.dtype for node in nodes])
    if not DTYPES[dtype].is_float:
        _check_integers(op, dtype, operands)
    return Node(op, operands, broadcast(op, [node.shape for node in nodes]), dtype)


def matmul(a: Node, b: Node, dtype: str | None = None) -> Node:
    """The matrix product under numpy's rules of shapes, summed in fp32 (int32 for int8 operands).

    ``dtype`` is the type of the result: by default that of float operands, int32 for int8 ones.
    """
    for operand in (a, b):
        if not isinstance(operand, Node):
            raise WorkloadError(f"operand {operand!r} is not a tensor", where="matmul", mend="use * to scale")
    return Node("matmul", (a, b), matmul_shape(a.shape, b.shape), matmul_dtype(a.dtype, b.dtype, dtype))


def as_operand(op: str, value: Operand) -> Operand:
    """``value`` as a node or a finite float."""
    if isinstance(value, Node):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise WorkloadError(
            f"operand {value!r} is neither a tensor nor a finite number", where=op, mend="make it a tensor(name, shape)"
        )
    return float(value)


def walk(roots: Sequence[Node]) -> Iterator[Node]:
    """Every node that the roots need, once, operands before their users."""
    done: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((node, True))
            stack.extend((arg, False) for arg in reversed(node.nodes))


def inputs_of(roots: Sequence[Node]) -> dict[str, Node]:
    """The inputs that the roots need, by name; two inputs of one name are an error."""
    found: dict[str, Node] = {}
    for node in walk(roots):
        if node.op == "input":
            assert node.name is not None
            if node.name in found:
                raise WorkloadError(
                    f"two inputs are called {node.name}: {found[node.name]!r} and {node!r}",
                    where="graph",
                    mend="make the tensor once and use it twice, or choose another name",
                )
            found[node.name] = node
    return found


def as_roots(nodes: Node | Sequence[Node]) -> tuple[Node, ...]:
    """One node or a sequence of them, as a tuple."""
    roots = tuple(nodes) if isinstance(nodes, Iterable) else (nodes,)
    if not roots:
        raise WorkloadError("nothing to compute: the list of nodes is empty", where="graph", mend="give a node")
    for root in roots:
        if not isinstance(root, Node):
            raise WorkloadError(f"{root!r} is not a node", where="graph", mend="build it with memsim.workloads")
    return roots


def output_names(roots: Sequence[Node]) -> tuple[str, ...]:
    """Names of the result tensors: those given by `Node.named`, else ``out`` (``out0``, ``out1`` … of several)."""
    names = tuple(
        root.name if root.name and root.op != "input" else ("out" if len(roots) == 1 else f"out{i}")
        for i, root in enumerate(roots)
    )
    taken = list(inputs_of(roots)) + list(names)
    double = next((name for name in names if taken.count(name) > 1), None)
    if double:
        raise WorkloadError(
            f"two tensors are called {double}",
            where="graph",
            mend="name the result with .named(...), or rename the input",
        )
    return names


def _check_integers(op: str, dtype: str, operands: Sequence[Operand]) -> None:
    if not OPERATORS[op].on_integers:
        raise WorkloadError(f"operand of type {dtype}: {op} needs floats", where=op, mend="cast(x, 'fp32') first")
    for operand in operands:
        if isinstance(operand, float) and not operand.is_integer():
            raise WorkloadError(
                f"scalar {operand} with tensors of type {dtype}", where=op, mend="cast(x, 'fp32') first"
            )
