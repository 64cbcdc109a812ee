"""Predicted beside measured times, as data and as a table."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import Any

from memsim.webgpu.probe.timing import Measured

ALL = "all"
"""Kind of the line over all cases."""


@dataclass(frozen=True, slots=True)
class Row:
    """A case: what the simulator says, and what the device took."""

    kind: str
    case: str
    predicted_s: float
    measured_s: Measured

    @property
    def error(self) -> float:
        """Predicted over measured, less 1: negative where the simulator is too fast."""
        return self.predicted_s / self.measured_s.median - 1


@dataclass(frozen=True, slots=True)
class Validation:
    """The answer of `validate`."""

    chip: str
    device: str
    timed_by: str
    rows: tuple[Row, ...]

    def mape(self) -> dict[str, float]:
        """Mean absolute percentage error by kind, as a share; and of all cases."""
        kinds = dict.fromkeys(row.kind for row in self.rows)
        by_kind = {kind: [abs(row.error) for row in self.rows if row.kind == kind] for kind in kinds}
        return {**{kind: statistics.mean(errors) for kind, errors in by_kind.items()},
                ALL: statistics.mean(abs(row.error) for row in self.rows)}  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [{**asdict(row), "error": row.error} for row in self.rows]
        return {"chip": self.chip, "device": self.device, "timed_by": self.timed_by, "rows": rows, "mape": self.mape()}


def show(found: Validation) -> str:
    """A row for each case, and the mean absolute percentage error by kind."""
    lines = [f"{found.chip} against {found.device}, timed by {found.timed_by}"]
    wide = 2 + max(len(row.case) for row in found.rows)
    lines.append(f"{'kind':13}{'case':{wide}}{'predicted':>12}{'measured':>12}{'spread':>8}{'error':>9}")
    for row in found.rows:
        times = f"{row.predicted_s * 1e6:9.1f} us{row.measured_s.median * 1e6:9.1f} us"
        lines.append(f"{row.kind:13}{row.case:{wide}}{times}{row.measured_s.spread:8.1%}{row.error:+9.1%}")
    lines.append("mean absolute percentage error")
    lines += [f"  {kind:13}{error:8.1%}" for kind, error in found.mape().items()]
    return "\n".join(lines)
