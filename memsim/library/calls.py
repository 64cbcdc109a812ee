"""From a call of a step to the kernel that a GPU's library launches for it, and what it finds in the cache."""

from __future__ import annotations

from collections.abc import Callable

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.library import attention, decoder, rows
from memsim.library.gemm import gemm
from memsim.library.kernel import Kernel
from memsim.library.pointwise import elementwise
from memsim.library.steps import Call


def kernel_of(call: Call, chip: Chip) -> Kernel:
    """The kernel of a call on one chip.

    Raises
    ------
    MemsimError
        If no library has this operator, or the chip cannot hold its operands.
    """
    if call.op not in _BUILDERS:
        mend = "use one of: " + ", ".join(_BUILDERS)
        raise MemsimError(f"no kernel for {call.op!r}", where=call.name, mend=mend)
    return _BUILDERS[call.op](chip, *call.sizes, dtype=call.dtype)


def warm_tensors(call: Call, kernel: Kernel, chip: Chip) -> tuple[tuple[str, bool], ...]:
    """What the kernel before has left in the cache: activations, yet to be written to DRAM. Weights and KV are cold.

    Parameters
    ----------
    call, kernel
        The call and its kernel.
    chip
        What it runs on; without a cache that keeps what is written, nothing is warm.
    """
    if chip.cache is None or not chip.cache.write_back:
        return ()
    names = {tensor.name for tensor in kernel.program.tensors}
    return tuple((name, True) for name in _MADE_BEFORE.get(call.op, ("X", "X2")) if name in names)


_MADE_BEFORE = {
    "gemm": ("A",),
    "attention_prefill": ("Q", "K_new", "V_new"),
    "attention_decode": ("Q", "K_new", "V_new"),
    "copy": (),
}
"""Tensors of an operator that the kernel before has written; of all others, the operands."""


def _gemm(chip: Chip, m: int, n: int, k: int, batch: int, *, dtype: str) -> Kernel:
    return gemm(chip, m, n, k, dtype=dtype, batch=batch)


def _softmax(chip: Chip, count: int, cols: int, *, dtype: str) -> Kernel:
    """By a warp up to 1024 columns; beyond, in 16 bits, by a block that holds the row."""
    narrow = cols <= 1024 or dtype == "fp32"
    return (rows.softmax if narrow else decoder.softmax)(chip, count, cols, dtype=dtype)


def _pointwise(op: str) -> Callable[..., Kernel]:
    def build(chip: Chip, rows: int, cols: int, *, dtype: str) -> Kernel:
        return elementwise(chip, op, rows, cols, dtype=dtype)

    return build


_BUILDERS: dict[str, Callable[..., Kernel]] = {
    "gemm": _gemm,
    "attention_prefill": attention.prefill,
    "attention_decode": attention.decode,
    "softmax": _softmax,
    "layer_norm": rows.layer_norm,
    "rms_norm": rows.rms_norm,
    "gelu": _pointwise("gelu_tanh"),
    "silu_mul": _pointwise("silu_mul"),
    "copy": _pointwise("copy"),
    "add_norm": decoder.add_norm,
    "rope": decoder.rope,
    "greatest": decoder.greatest,
    "sample": decoder.sample,
}
