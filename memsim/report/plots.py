"""`result.plot`: the figures of one result, each drawn into a file."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memsim.errors import MemsimError

if TYPE_CHECKING:
    from memsim.report.source import Outcome


class ResultPlots:
    """Figures of one result. Each method writes the file whose suffix names the format, and returns its path."""

    def __init__(self, result: Outcome) -> None:
        self._result = result

    def energy(self, path: str | Path) -> Path:
        """Energy by part and by tensor: stacked bars, static energy hatched."""
        figure = _module("figures.energy").draw_energy(self._result.energy.by("part", "tensor"), self._title)
        return _save(figure, path)

    def roofline(self, path: str | Path) -> Path:
        """Roofline of every memory level and compute peak, with this workload on it."""
        r, facts = self._result, _module("facts")
        figure = _module("figures.roofline").draw_roofline(
            facts.roofs(r), facts.peaks(r), r.flops, r.time_s, self._title, r.workload
        )
        return _save(figure, path)

    def timeline(self, path: str | Path, core: int = 0, window: tuple[float, float] | None = None) -> Path:
        """What the queues of ``core`` did in ``window`` (start, end in s; by default the beginning).

        Raises
        ------
        MemsimError
            If the run was not traced, or nothing happened on that core in that window.
        """
        trace = self._result.trace
        if trace is None:
            raise MemsimError("a timeline needs a trace", where=self._title, mend="simulate(program, chip, trace=True)")
        return _save(_module("figures.timeline").draw_timeline(trace, core, window, self._title), path)

    def floorplan(self, path: str | Path) -> Path:
        """The chip to scale: utilisation of each core's units, bytes over each link."""
        r, facts = self._result, _module("facts")
        figure = _module("figures.floorplan").draw_floorplan(
            facts.cores(r), facts.memories(r), facts.links(r), r.chip.core.pitch, self._title
        )
        return _save(figure, path)

    @property
    def _title(self) -> str:
        return f"{self._result.workload} on {self._result.chip.name}"


def _save(figure: Any, path: str | Path) -> Path:
    saved: Path = _module("figures.style").save(figure, path)
    return saved


def _module(name: str) -> Any:
    """Matplotlib takes a second to import: only when a figure is drawn."""
    return import_module(f"memsim.report.{name}")
