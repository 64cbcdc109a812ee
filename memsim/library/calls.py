"""From a call of a step to the kernel that a GPU's library launches for it."""

from __future__ import annotations

from collections.abc import Callable

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.library import decoder
from memsim.library.kernel import Kernel
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
    return _BUILDERS[call.op](chip, *call.sizes, call.dtype)


def _gemm(chip: Chip, m: int, n: int, k: int, batch: int, dtype: str) -> Kernel:
    from memsim.lowering.compile import compile as c
    from memsim.workloads import tensor

    b = () if batch == 1 else (batch,)
    return Kernel(c(tensor("A", (*b, m, k), dtype) @ tensor("B", (*b, n, k), dtype).T, chip), chip, "")


def _rope(chip: Chip, rows: int, cols: int, dtype: str) -> Kernel:
    return decoder.rope(chip, rows, cols // 128, 128, dtype)


def _prefill(chip: Chip, batch: int, seq: int, heads: int, kept: int, dim: int, dtype: str) -> Kernel:
    from memsim.lowering.compile import compile as c
    from memsim.workloads import attending, tensor

    q = tensor("Q", (batch, heads, seq, dim), dtype)
    k = tensor("K", (batch, kept, seq, dim), dtype)
    v = tensor("V", (batch, kept, seq, dim), dtype)
    return Kernel(c(attending.attention(q, k, v, causal=True), chip), chip, "")


def _decode(chip: Chip, batch: int, seq: int, heads: int, kept: int, dim: int, dtype: str) -> Kernel:
    from memsim.lowering.compile import compile as c
    from memsim.workloads import attending, tensor

    q = tensor("Q", (batch, heads, dim), dtype)
    k = tensor("K", (batch, kept, seq, dim), dtype)
    v = tensor("V", (batch, kept, seq, dim), dtype)
    return Kernel(c(attending.decode_attention(q, k, v), chip), chip, "")


def _node(name: str) -> Callable[..., Kernel]:
    def build(chip: Chip, rows: int, cols: int, dtype: str) -> Kernel:
        from memsim.lowering.compile import compile as c
        from memsim.workloads import functions, tensor

        return Kernel(c(getattr(functions, name)(tensor("X", (rows, cols), dtype)), chip), chip, "")

    return build


_BUILDERS: dict[str, Callable[..., Kernel]] = {
    "gemm": _gemm,
    "attention_prefill": _prefill,
    "attention_decode": _decode,
    "softmax": _node("softmax"),
    "layer_norm": _node("layer_norm"),
    "rms_norm": _node("rms_norm"),
    "gelu": _node("gelu"),
    "add_norm": decoder.add_norm,
    "silu_mul": decoder.silu_mul,
    "rope": _rope,
    "copy": decoder.copy,
    "argmax": decoder.greatest,
}
