"""`predict`: the time, power and energy of a call on a chip, through the kernel that a library would launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from memsim.validate.calls import Call
from memsim.validate.prediction import Prediction
from memsim.validate.protocol import cached_tensors, default_protocol, host_s, reaches_power_limit

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.library import Kernel
    from memsim.validate.measured.row import Row


def predict(row: Row | Call, chip: Chip, protocol: str | None = None) -> Prediction:
    """Predict a call on a chip.

    Parameters
    ----------
    row
        A call, or a row of measurements.
    chip
        What it runs on.
    protocol
        How it is measured, which decides what is cached: see `memsim.validate.protocol`. Unless given, as the row says,
        or the source of such calls.

    Raises
    ------
    MemsimError
        The chip cannot run such a call.
    """
    from memsim.engine.power import with_normal_data
    from memsim.library.sampling import run

    call = row if isinstance(row, Call) else row.call
    if protocol is None:
        protocol = default_protocol(call) if isinstance(row, Call) else row.protocol
    kernel = build(call, chip)
    loaded = with_normal_data(kernel.program, kernel.chip)
    cached = _cached(kernel, call, protocol)
    found = run(kernel, loaded, cached, lambda time_s: reaches_power_limit(time_s, protocol))
    return Prediction(
        found.time_s + host_s(call, protocol),
        found.bottleneck,
        kernel.choice,
        found.energy_j,
        found.power_w,
        found.clock_hz,
    )


_NAMES = {("gemm", "A"): "X", ("gemm", "B"): "W", ("gemm", "C"): "Y"}
"""Tensors of a product in fp32, whose kernel is that of a linear layer without bias."""


def _cached(kernel: Kernel, call: Call, protocol: str) -> tuple[tuple[str, bool], ...]:
    """What of the kernel's tensors the runs before have left in the cache."""
    cache = kernel.chip.cache
    if cache is None:
        return ()
    tensors = {tensor.name for tensor in kernel.program.tensors if tensor.role == "dram"}
    left = (
        (_NAMES.get((call.kind, name), name) if name not in tensors else name, dirty)
        for name, dirty in cached_tensors(call, cache.capacity, protocol)
    )
    return tuple((name, dirty and cache.write_back) for name, dirty in left if name in tensors)


def build(call: Call, chip: Chip) -> Kernel:
    """The kernel that a library launches for a call.

    Parameters
    ----------
    call
        What is called.
    chip
        What it runs on.
    """
    return _BUILDERS[call.kind](call, chip)


def _gemm(call: Call, chip: Chip) -> Kernel:
    if call.dtype == "fp32":  # full precision, as PyTorch's default: tensor cores would round to tf32
        from memsim.library.simt import bmm, linear

        if call.batch > 1:
            return bmm(chip, call.batch, call.m, call.n, call.k)
        return linear(chip, call.m, call.n, call.k, bias=False)
    from memsim.library.gemm import gemm

    dtype = "fp32" if call.dtype == "tf32" else call.dtype
    return gemm(chip, call.m, call.n, call.k, dtype=dtype, batch=call.batch)


def _linear(call: Call, chip: Chip) -> Kernel:
    if call.dtype != "fp32":
        return _gemm(call, chip)
    from memsim.library.simt import linear

    return linear(chip, call.m, call.n, call.k, batch=call.batch, bias=True)


def _elementwise(call: Call, chip: Chip) -> Kernel:
    from memsim.library.pointwise import elementwise

    return elementwise(chip, call.function, call.rows, call.cols, dtype=call.dtype)


def _rows(call: Call, chip: Chip) -> Kernel:
    from memsim.library import rows

    builder: Callable[..., Kernel] = getattr(rows, call.kind)
    return builder(chip, call.rows, call.cols, dtype=call.dtype)


def _prefill(call: Call, chip: Chip) -> Kernel:
    from memsim.library.attention import prefill

    return prefill(
        chip, call.batch, call.seq, call.heads, call.kv_heads, head_dim=call.head_dim, dtype=call.dtype,
        causal=call.causal,
    )  # fmt: skip


def _decode(call: Call, chip: Chip) -> Kernel:
    from memsim.library.attention import decode

    return decode(
        chip, call.batch, call.seq, call.heads, call.kv_heads, head_dim=call.head_dim, dtype=call.dtype
    )  # fmt: skip


_BUILDERS: dict[str, Callable[[Call, Chip], Kernel]] = {
    "gemm": _gemm,
    "linear": _linear,
    "elementwise": _elementwise,
    "softmax": _rows,
    "layer_norm": _rows,
    "rms_norm": _rows,
    "reduce": _rows,
    "attn_prefill": _prefill,
    "attn_decode": _decode,
}
"""By kind of call."""
