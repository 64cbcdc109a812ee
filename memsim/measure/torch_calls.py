"""Calls of PyTorch: what each case runs, on buffers that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from memsim.validate.calls import Call

Tensors: TypeAlias = dict[str, Any]
TorchCall: TypeAlias = Callable[[Any, Tensors], Any]
"""From the module torch and the tensors of a copy to the result, where it is not written to a tensor that is given."""

TYPES = {
    "fp32": "float32", "tf32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
}  # fmt: skip
"""Name of the type in PyTorch."""


def torch_call(call: Call) -> TorchCall | None:
    """What runs a call, or None where PyTorch has no such kernel.

    Parameters
    ----------
    call
        What is called.
    """
    if call.kind == "elementwise":
        return _FUNCTIONS.get(call.function)
    if call.kind == "gemm":
        if call.dtype.startswith("fp8"):
            return _scaled if call.batch == 1 else None
        return _batched if call.batch > 1 else _product
    if call.kind == "attn_prefill":
        return _prefill if call.causal else _attend
    return _KINDS.get(call.kind)


def result_type(call: Call) -> str:
    """Type of the result: products of 8-bit numbers are kept in bf16.

    Parameters
    ----------
    call
        What is called.
    """
    return "bf16" if call.dtype.startswith("fp8") else call.dtype


def _product(torch: Any, t: Tensors) -> None:
    torch.mm(t["A"], t["B"].t(), out=t["C"])


def _batched(torch: Any, t: Tensors) -> None:
    torch.bmm(t["A"], t["B"].transpose(1, 2), out=t["C"])


def _scaled(torch: Any, t: Tensors) -> Any:
    return torch._scaled_mm(
        t["A"], t["B"].t(), scale_a=t["one"], scale_b=t["one"], out_dtype=torch.bfloat16
    )  # fmt: skip


def _attend(torch: Any, t: Tensors, causal: bool = False) -> Any:
    attention = torch.nn.functional.scaled_dot_product_attention
    grouped = t["Q"].shape[1] != t["K"].shape[1]
    return attention(t["Q"], t["K"], t["V"], is_causal=causal, enable_gqa=grouped)


def _prefill(torch: Any, t: Tensors) -> Any:
    return _attend(torch, t, causal=True)


_KINDS: dict[str, TorchCall] = {
    "linear": lambda torch, t: torch.nn.functional.linear(t["X"], t["W"], t["bias"]),
    "softmax": lambda torch, t: torch.softmax(t["X"], -1),
    "layer_norm": lambda torch, t: torch.nn.functional.layer_norm(t["X"], t["gain"].shape, t["gain"], t["shift"]),
    "rms_norm": lambda torch, t: torch.nn.functional.rms_norm(t["X"], t["gain"].shape, t["gain"]),
    "reduce": lambda torch, t: torch.sum(t["X"], -1),
    "attn_decode": _attend,
}
_FUNCTIONS: dict[str, TorchCall] = {
    "copy": lambda torch, t: _copy(t),
    "scale": lambda torch, t: _into(torch.mul, t, 0.2),
    "add": lambda torch, t: _into(torch.add, t, t["X2"]),
    "mul": lambda torch, t: _into(torch.mul, t, t["X2"]),
    "exp": lambda torch, t: _into(torch.exp, t),
    "tanh": lambda torch, t: _into(torch.tanh, t),
    "relu": lambda torch, t: torch.nn.functional.relu(t["X"]),
    "gelu": lambda torch, t: torch.nn.functional.gelu(t["X"]),
    "silu": lambda torch, t: torch.nn.functional.silu(t["X"]),
}


def _into(function: Callable[..., Any], t: Tensors, *more: Any) -> None:
    function(t["X"], *more, out=t["Y"])


def _copy(t: Tensors) -> None:
    t["Y"].copy_(t["X"])
