"""``memsim workloads``: what can be run by name, with its parameters and their defaults."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from memsim.errors import WorkloadError


def workloads() -> None:
    """List the workloads with their parameters and defaults."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from memsim.workloads import WORKLOADS

    table = Table(box=None, pad_edge=False)
    for header in ("workload", "what it computes", "parameters"):
        table.add_column(header, no_wrap=header == "workload")
    for name, make in WORKLOADS.items():
        settings = " ".join(f"{key}={_shown(value)}" for key, value in parameters_of(name).items())
        table.add_row(name, Text((inspect.getdoc(make) or "").splitlines()[0]), Text(settings))
    Console().print(table)


def parameters_of(name: str) -> dict[str, Any]:
    """Default of each parameter of a named workload; its type is the parameter's type."""
    return {key: parameter.default for key, parameter in inspect.signature(find(name)).parameters.items()}


def find(name: str) -> Any:
    """The function that makes the graph of a named workload."""
    from memsim.workloads import WORKLOADS

    known: Mapping[str, Any] = WORKLOADS
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}, or name a .tile file"
        raise WorkloadError(f"there is no workload {name!r}", mend=mend)
    return known[name]


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
