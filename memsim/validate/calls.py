"""A call of a GPU library, by its sizes: what a row of measurements names, and what a prediction is made for."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "gemm", "linear", "elementwise", "softmax", "layer_norm", "rms_norm", "reduce", "attn_prefill", "attn_decode",
)  # fmt: skip
"""Kinds of calls, each with a builder in `memsim.library`."""
BITS = {"fp32": 32, "tf32": 32, "fp16": 16, "bf16": 16, "fp8_e4m3": 8, "fp8_e5m2": 8, "int8": 8}
"""Bits of an element by type."""
TWO_INPUTS = frozenset({"add", "sub", "mul", "div", "max", "min", "silu_mul", "triad"})
"""Elementwise functions of two tensors; all others have one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call. Sizes that its kind does not have are 0."""

    kind: str
    """One of `KINDS`."""
    dtype: str
    """Type of the operands: a name of the ISA, or ``tf32``."""
    function: str = ""
    """Of an elementwise call."""
    batch: int = 1
    """Products side by side, or sequences of an attention."""
    m: int = 0
    n: int = 0
    k: int = 0
    """Of a product [m, k] by [k, n]."""
    seq: int = 0
    """Queries of a prefill, or keys of a decoding step."""
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    causal: bool = True
    rows: int = 0
    cols: int = 0
    """Of an elementwise call, or of one along rows."""

    @property
    def flops(self) -> float:
        """Operations that the algorithm needs: 2 a multiply-add; 1 an element and input where none is multiplied."""
        match self.kind:
            case "gemm" | "linear":
                return 2.0 * self.batch * self.m * self.n * self.k
            case "attn_prefill":
                pairs = self.seq * (self.seq + 1) / 2 if self.causal else float(self.seq) ** 2
                return 4.0 * self.batch * self.heads * self.head_dim * pairs
            case "attn_decode":
                return 4.0 * self.batch * self.heads * self.head_dim * self.seq
        return float(self.rows * self.cols)

    @property
    def tensor_bytes(self) -> dict[str, int]:
        """Bytes of each tensor, by its name in the kernels of `memsim.library`."""
        sizes = _elements(self)
        return {name: count * BITS[self.dtype] // 8 for name, count in sizes.items()}

    @property
    def bytes(self) -> int:
        """Bytes of all tensors: what has to move at least where nothing is cached."""
        return sum(self.tensor_bytes.values())

    @property
    def is_product(self) -> bool:
        """Whether its size is best told in operations."""
        return self.kind in ("gemm", "linear", "attn_prefill")


def _elements(call: Call) -> dict[str, int]:
    b, m, n, k = call.batch, call.m, call.n, call.k
    sheet = call.rows * call.cols
    match call.kind:
        case "gemm":
            return {"A": b * m * k, "B": b * k * n, "C": b * m * n}
        case "linear":
            return {"X": b * m * k, "W": b * k * n, "bias": n, "Y": b * m * n}
        case "attn_prefill" | "attn_decode":
            queries = b * (call.seq if call.kind == "attn_prefill" else 1) * call.heads * call.head_dim
            keys = b * call.seq * call.kv_heads * call.head_dim
            return {"Q": queries, "K": keys, "V": keys, "O": queries}
        case "elementwise":
            second = {"X2": sheet} if call.function in TWO_INPUTS else {}
            return {"X": sheet, **second, "Y": sheet}
        case "reduce":
            return {"X": sheet, "Y": call.rows}
    return {"X": sheet, "Y": sheet}
