"""What software adds to the time of a step beside the GPU's: nothing, or what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from memsim.library.knobs import knob
from memsim.library.steps import Call


@dataclass(frozen=True, slots=True)
class Host:
    """Seconds that the host adds, where it isn't hidden behind the GPU's work."""

    name: str
    meaning: str
    call_s: Mapping[str, float] = field(default_factory=dict)
    """For each call of an operator, by its kind; what is not listed costs nothing."""

    step_knob: str = ""
    """Name of the knob that says what each step takes beside, in ms."""
    own_all_reduce: bool = False
    """Whether it has an all-reduce of its own for short vectors between neighbours on NVLink."""

    def step_s(self, calls: Sequence[Call]) -> float:
        """Seconds that a step of these calls takes beside the GPU's time."""
        each = knob(self.step_knob) * 1e-3 if self.step_knob else 0.0
        return each + sum(self.call_s.get(call.op, 0.0) * call.count for call in calls)


HOSTS: dict[str, Host] = {
    "none": Host("none", "the GPU's time alone: a CUDA graph, launched in time"),
    "vllm": Host(
        "vllm",
        "a serving framework that schedules ahead (vLLM): what it does between steps while the GPU waits",
        step_knob="serving_step",
        own_all_reduce=True,
    ),
    "llmcompass": Host(
        "llmcompass",
        "each operator called from Python and waited for: measured on A100 with operands of one element"
        " (Zhang et al., LLMCompass, ISCA 2024, hardware_model/compute_module.py)",
        {"gemm": 21e-6, "softmax": 12e-6, "layer_norm": 45e-6, "gelu": 45e-6},
    ),
}
"""By name."""
