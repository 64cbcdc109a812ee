"""Reports of a result: one screen of text, comparisons, figures, trace files and plain data."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memsim.report.comparison import Comparison, compare
    from memsim.report.plots import ResultPlots
    from memsim.report.screen import render, show, text
    from memsim.report.tables import to_json
    from memsim.report.trace import write_trace

__all__ = ["Comparison", "ResultPlots", "compare", "render", "show", "text", "to_json", "write_trace"]

_HOMES = {
    "compare": "comparison",
    "Comparison": "comparison",
    "ResultPlots": "plots",
    "render": "screen",
    "show": "screen",
    "text": "screen",
    "to_json": "tables",
    "write_trace": "trace",
}


def __getattr__(name: str) -> Any:
    """Load each report when it is first asked for: pandas, rich and matplotlib take their time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
