"""What memsim claims of its predictions, as data: broken claims fail ``make validate REFERENCE=DIR``.

The bars are those that were set before: 10 % for matrix products, linear layers, softmax and norms, 5 % for what is
elementwise, 10 % from the span of sources for attention, and no row beyond a factor of 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Claim:
    """A number of a validation that stays below a bar."""

    op: str
    """As the file writes it; ``all`` for the total."""
    gpu: str
    """As the file writes it; ``all`` for all GPUs together."""
    measure: str
    """``mape``, ``outside`` (both in percent) or ``worst_factor``."""
    bar: float
    claimed: bool = True
    """Or only a goal, which is not reached yet: it is shown, and breaks nothing."""

    @property
    def text(self) -> str:
        """For people."""
        what = {"mape": "mean absolute error", "outside": "mean distance from the span", "worst_factor": "worst factor"}
        unit = "" if self.measure == "worst_factor" else " %"
        return f"{what[self.measure]} of {self.op} on {self.gpu}: at most {self.bar:g}{unit}"


A100, V100 = "NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-32GB"
CLAIMS = (
    Claim("gemm", "a100_sxm", "mape", 10),
    Claim("gemm", "h100_sxm", "mape", 10),
    Claim("attn_prefill_causal", "all", "outside", 10),
    Claim("attn_decode", "all", "outside", 10),
    Claim("linear", A100, "mape", 10),
    Claim("linear", V100, "mape", 10),
    Claim("add", "all", "mape", 5),
    Claim("gelu", "all", "mape", 5),
    Claim("softmax", "all", "mape", 10),
    Claim("ln", "all", "mape", 10),
    Claim("all", "all", "worst_factor", 3),
)
"""Of the calibration rows, all of them."""


@dataclass(frozen=True)
class Judged:
    """A claim beside what was found; None where the file has no such rows."""

    claim: Claim
    found: float | None

    @property
    def kept(self) -> bool:
        """Whether the number is there and below its bar."""
        return self.found is not None and self.found <= self.claim.bar

    @property
    def verdict(self) -> str:
        """For people."""
        if self.kept:
            return "kept"
        if self.found is None:
            return "not measured"
        return "BROKEN" if self.claim.claimed else "not reached"


def judged(record: Mapping[str, Any]) -> Iterator[Judged]:
    """Each claim beside the number of a validation's JSON."""
    groups = [*record["by"], *record["by_op"], *record["by_gpu"], *filter(None, [record["total"]])]
    values = {(group["op"], group["gpu"]): group for group in groups}
    for claim in CLAIMS:
        group = values.get((claim.op, claim.gpu))
        yield Judged(claim, None if group is None else group[claim.measure])


def broken(record: Mapping[str, Any]) -> list[Judged]:
    """Claims that do not hold; those of rows that are not in the file are passed over."""
    return [j for j in judged(record) if j.claim.claimed and j.found is not None and not j.kept]


def show(record: Mapping[str, Any]) -> str:
    """A line for each claim."""
    lines = ["claims"]
    for j in judged(record):
        found = "-" if j.found is None else f"{j.found:.2f}"
        lines.append(f"  {j.verdict:12} {found:>7}  {j.claim.text}")
    return "\n".join(lines)
