"""Serving of whole models, predicted beside what was measured: ``serving.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from memsim.library.serving import decode_step, prefill_step

if TYPE_CHECKING:
    from memsim.library.serving import StepResult


@dataclass(frozen=True, slots=True)
class Anchor:
    """A measured step of a model."""

    what: str
    """``"prefill"`` or ``"decode"``."""
    model: str
    machine: str
    batch: int
    tokens: int
    """Of each prompt, or that each new token attends to."""
    time_ms: float
    source: str
    power_w: float = 0.0
    """Of all chips together; 0 where it was not measured."""
    tp: int | None = None
    mixed: int = 0
    """Tokens of prompts that a decode step reads too."""

    def predict(self) -> StepResult:
        """What the simulator says of it."""
        if self.what == "prefill":
            return prefill_step(self.model, self.machine, self.batch, self.tokens, self.tp)
        return decode_step(self.model, self.machine, self.batch, self.tokens, self.tp, mixed=self.mixed)


@dataclass(frozen=True, slots=True)
class Compared:
    """A measured step, and what was predicted."""

    anchor: Anchor
    step: StepResult

    @property
    def time_error(self) -> float:
        """Predicted over measured time, less 1."""
        return self.step.time_s * 1e3 / self.anchor.time_ms - 1

    @property
    def power_error(self) -> float | None:
        """The same of power, where it was measured."""
        return self.step.power_w / self.anchor.power_w - 1 if self.anchor.power_w else None


@cache
def anchors() -> tuple[Anchor, ...]:
    """All measured steps."""
    text = (resources.files("memsim.validate") / "serving.toml").read_text(encoding="utf-8")
    return tuple(Anchor(**values) for values in tomllib.loads(text)["anchor"])


def compare(chosen: tuple[Anchor, ...] | None = None) -> tuple[Compared, ...]:
    """Predict each; a prefill takes half a minute, a decode step some seconds."""
    return tuple(Compared(anchor, anchor.predict()) for anchor in chosen or anchors())


def table(compared: tuple[Compared, ...]) -> str:
    """In Markdown, as docs/serving.md has it."""
    lines = [
        "| | on | sequences | tokens | measured ms | here | | measured W | here | |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for each in compared:
        anchor, step = each.anchor, each.step
        power = (
            "| | |"
            if each.power_error is None
            else f"{anchor.power_w:.0f} | {step.power_w:.0f} | {each.power_error:+.0%}"
        )
        lines.append(
            f"| {anchor.model}, {anchor.what} | {anchor.tp or ''} {anchor.machine} | {anchor.batch} | {anchor.tokens} |"
            f" {anchor.time_ms:g} | {step.time_s * 1e3:.4g} | {each.time_error:+.1%} | {power} |"
        )
    return "\n".join(lines)
