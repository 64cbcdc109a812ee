"""``memsim workloads``: what can be run by name, with its parameters and their defaults."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from memsim.errors import WorkloadError

if TYPE_CHECKING:
    from memsim.workloads import Workload


def workloads() -> None:
    """List the workloads with their parameters and defaults."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    from memsim.workloads import WORKLOADS

    console = Console(highlight=False)
    for workload in WORKLOADS.values():
        console.print(Text(workload.name, style="bold"))
        settings = "  ".join(f"{key}={_shown(value)}" for key, value in workload.parameters.items())
        for line, style in ((workload.summary.replace("`", ""), ""), (settings, "dim")):
            console.print(Padding(Text(line, style=style), (0, 0, 0, 4)))


def find(name: str) -> Workload:
    """The workload of that name."""
    from memsim.workloads import WORKLOADS

    if name not in WORKLOADS:
        near = difflib.get_close_matches(name, WORKLOADS, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(WORKLOADS)}, or name a .tile file"
        raise WorkloadError(f"there is no workload {name!r}", mend=mend)
    return WORKLOADS[name]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else '""'
