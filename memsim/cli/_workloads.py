"""``memsim workloads``: what can be run by name, with its parameters and their defaults."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from memsim.cli._console import print_entry
from memsim.errors import WorkloadError

if TYPE_CHECKING:
    from memsim.workloads import Workload


def workloads() -> None:
    """List the workloads with their parameters and defaults."""
    from memsim.workloads import WORKLOADS

    for workload in WORKLOADS.values():
        settings = "  ".join(f"{key}={_shown(value)}" for key, value in workload.parameters.items())
        print_entry(workload.name, workload.summary.replace("`", ""), settings)


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
