"""What software adds to the time of a step beside the GPU's: nothing, or what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memsim.library.steps import Call


@dataclass(frozen=True, slots=True)
class Host:
    """Seconds that the host adds, where it isn't hidden behind the GPU's work."""

    name: str
    meaning: str
    call_s: Mapping[str, float] = field(default_factory=dict)
    """For each call of an operator, by its kind; what is not listed costs nothing."""

    sequence_s: float = 0.0
    """For each sequence of a step."""

    def step_s(self, calls: Sequence[Call], batch: int) -> float:
        """Seconds for the calls of a step of ``batch`` sequences."""
        return sum(self.call_s.get(call.op, 0.0) * call.count for call in calls) + self.sequence_s * batch


HOSTS: dict[str, Host] = {
    "none": Host("none", "the GPU's time alone: a CUDA graph, launched in time"),
    "llmcompass": Host(
        "llmcompass",
        "each operator called from Python and waited for: measured on A100 with operands of one element"
        " (Zhang et al., LLMCompass, ISCA 2024, hardware_model/compute_module.py)",
        {"gemm": 21e-6, "softmax": 12e-6, "layer_norm": 45e-6, "gelu": 45e-6},
    ),
}
"""By name."""
