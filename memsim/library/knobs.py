"""The numbers that were fitted to measured kernels. All others are in the chips, from datasheets and microbenchmarks.

There are fewer than twelve, so that agreement means something. None differs between GPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knob:
    """A fitted number."""

    value: float
    unit: str
    meaning: str
    fixed_by: str
    """The measured rows that fixed it."""


KNOBS: dict[str, Knob] = {
    "attention_block": Knob(
        1500,
        "cycles",
        "from the start of a block of attention to its first load: arguments, code, barriers and tables set up",
        "64 rows of attention below 600 us, A100 and H100: most of all decode of few keys in batches of 32 to 2048",
    ),
    "attention_start": Knob(
        2600,
        "cycles",
        "what a kernel of attention takes beyond the gap between kernels of a graph and its blocks: first fetches of "
        "code and arguments, and its share of the graph, which holds one call only",
        "the same 64 rows: most of all decode of few keys in batches of 1 to 8, and with few splits",
    ),
    "gemm_start": Knob(
        1400,
        "cycles",
        "of a matrix product, once: from its launch to its first load, code fetched, arguments and descriptors read",
        "gemm rows of A100 SXM and H100 SXM, bf16 (tests/library/data/gemm_rows.csv)",
    ),
    "gemm_epilogue": Knob(
        8,
        "instructions an element",
        "of the epilogue of a matrix product: scale, convert, through shared memory, address, store",
        "gemm rows of A100 SXM and H100 SXM, bf16 (tests/library/data/gemm_rows.csv)",
    ),
    "host": Knob(
        17,
        "us",
        "from the record of an event to the launch of a kernel by PyTorch, where each call is timed on its own",
        "add rows of A100 PCIe, fp32",
    ),
    "host_with_weights": Knob(
        50,
        "us",
        "likewise of a module with weights, and an algorithm to be chosen",
        "linear rows of A100 PCIe under 70 us, fp32",
    ),
    "host_warning": Knob(
        7,
        "us",
        "more where the framework warns each time, as torch.nn.Softmax does that is told no dimension (NeuSight's)",
        "softmax rows of A100 PCIe and V100 PCIe, fp32",
    ),
    "row_slots": Knob(
        2.9,
        "issue slots",
        "that an instruction takes in softmax and norms: pipes of 16 lanes, branches, waits for one another",
        "softmax and ln rows of A100 PCIe and V100 PCIe, fp32",
    ),
    "serving_step": Knob(
        0.4,
        "ms",
        "between two steps of a serving framework, in which the GPU waits: sampling and copies launched one by one, "
        "batches put together anew",
        "time per output token of Llama 3.1 8B and Qwen3 32B on H100 with 8 to 32 sequences (ML.ENERGY v3, vLLM)",
    ),
}
"""By name."""

_overrides: ContextVar[dict[str, float] | None] = ContextVar("overrides", default=None)


def knob(name: str) -> float:
    """The value of a knob, or what `overridden` says for now."""
    known = _overrides.get() or {}
    return known.get(name, KNOBS[name].value)


@contextmanager
def overridden(**values: float) -> Iterator[None]:
    """Other values for a while, to fit them or to ask what they matter.

    Parameters
    ----------
    **values
        By name; each is in `KNOBS`.
    """
    if unknown := set(values) - set(KNOBS):
        raise KeyError(f"no knobs {sorted(unknown)}")
    token = _overrides.set({**(_overrides.get() or {}), **values})
    try:
        yield
    finally:
        _overrides.reset(token)
