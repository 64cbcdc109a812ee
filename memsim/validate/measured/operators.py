"""Operators and types, as tables write them, and the calls they mean."""

from __future__ import annotations

import re

from memsim.validate.calls import TWO_INPUTS

OPERATORS: dict[str, str] = {
    "gemm": "gemm", "matmul": "gemm", "mm": "gemm", "bmm": "gemm",
    "linear": "linear",
    "softmax": "softmax",
    "ln": "layer_norm", "layer_norm": "layer_norm", "layernorm": "layer_norm",
    "rms_norm": "rms_norm", "rmsnorm": "rms_norm",
    "reduce": "reduce", "sum": "reduce",
    "attn_decode": "attn_decode",
    "attn_prefill": "attn_prefill", "attn_prefill_causal": "attn_prefill",
}  # fmt: skip
"""Kind of call by operator; the elementwise functions are added below."""
UNARY = (
    "copy", "cast", "neg", "abs", "scale", "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "exp", "log", "sqrt",
    "rsqrt",
)  # fmt: skip
FUNCTIONS: dict[str, str] = {
    **{name: name for name in (*sorted(TWO_INPUTS), *UNARY)},
    **dict.fromkeys(("addu", "mulu", "divu"), "scale"),  # NeuSight: a tensor and a number
}
"""Elementwise function by operator."""
OPERATORS |= dict.fromkeys(FUNCTIONS, "elementwise")

NEEDS: dict[str, tuple[str, ...]] = {
    "gemm": ("m", "n", "k"),
    "linear": ("m", "n", "k"),
    "attn_decode": ("batch", "seq", "n_heads"),
    "attn_prefill": ("batch", "seq", "n_heads"),
}
"""Columns that a kind of call must fill; all others need rows and cols."""

TYPES = {
    "fp32": "fp32", "float32": "fp32", "f32": "fp32", "float": "fp32", "fp32 simt": "fp32", "simt": "fp32",
    "tf32": "tf32", "fp32 tf32": "tf32",
    "fp16": "fp16", "float16": "fp16", "f16": "fp16", "half": "fp16",
    "bf16": "bf16", "bfloat16": "bf16",
    "fp8": "fp8_e4m3", "fp8_e4m3": "fp8_e4m3", "e4m3": "fp8_e4m3", "fp8_e4m3fn": "fp8_e4m3",
    "float8_e4m3fn": "fp8_e4m3",
    "fp8_e5m2": "fp8_e5m2", "e5m2": "fp8_e5m2", "float8_e5m2": "fp8_e5m2",
    "int8": "int8", "i8": "int8",
}  # fmt: skip
"""Type of the ISA by what a table calls it."""
HEAD_DIM = 128
"""Of attention where a row says none."""
_HEADS = re.compile(r"\bhd\s*(\d+)\b")


def is_causal(op: str) -> bool:
    """Whether queries of a prefill see only the keys before them.

    Parameters
    ----------
    op
        The operator's name.
    """
    return op.endswith("_causal")


def read_dtype(text: str) -> tuple[str | None, int | None]:
    """Type and width of a head of a text such as ``bf16 hd128``; None for what it does not say.

    Parameters
    ----------
    text
        As a table writes it.
    """
    lower = text.strip().lower()
    found = _HEADS.search(lower)
    name = " ".join(_HEADS.sub(" ", lower).split())
    return TYPES.get(name), int(found[1]) if found else None
