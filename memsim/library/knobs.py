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
    "gemm_start": Knob(
        1200,
        "cycles",
        "from the start of a block of a matrix product to its first load: code fetched, arguments and descriptors read",
        "gemm rows of A100 and H100",
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
        "likewise of an operator with weights, which autograd records",
        "linear rows of A100 PCIe under 70 us, fp32",
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
