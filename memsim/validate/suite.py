"""What is run to hold a chip against the device it was probed on. The suite is data: a line for each case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from memsim.hierarchy import Chip
from memsim.isa import Program
from memsim.validate import programs


@dataclass(frozen=True, slots=True)
class Case:
    """A program at two sizes: one to be timed, and a small one whose values are compared with the interpreter's."""

    kind: str
    """Errors are told by it."""
    name: str
    build: Callable[..., Program]
    """From the chip and parameters to the program."""
    timed: Mapping[str, Any]
    small: Mapping[str, Any]

    def program(self, chip: Chip, *, small: bool = False) -> Program:
        """The program for a chip.

        Parameters
        ----------
        chip
            What it is compiled for.
        small
            The one whose values are compared.
        """
        return self.build(chip, **(self.small if small else self.timed))

    @property
    def label(self) -> str:
        """The name with the parameters of the timed program."""
        return f"{self.name} {' '.join(f'{key}={value}' for key, value in self.timed.items())}"


def _compiled(workload: str, chip: Chip, **parameters: Any) -> Program:
    from memsim.lowering import compile
    from memsim.workloads import workload as graph_of

    return compile(graph_of(workload, **parameters), chip, name=workload)


def named(kind: str, workload: str, timed: Mapping[str, Any], small: Mapping[str, Any]) -> Case:
    """A case of one of the named workloads of ``memsim run``, compiled for the chip, in fp32.

    Parameters
    ----------
    kind
        Errors are told by it.
    workload
        Its name.
    timed, small
        Parameters of the two programs.
    """
    fp32 = {"dtype": "fp32"}
    return Case(kind, workload, partial(_compiled, workload), {**timed, **fp32}, {**small, **fp32})


def _product(tile: int, depth: int) -> Case:
    sizes = {"tile": tile, "depth": depth}
    return Case("matmul", "matmul", programs.matmul, {"size": 1024, **sizes}, {"size": 2 * tile, **sizes})


_SHEET, _SCRAP = {"rows": 4096, "columns": 4096}, {"rows": 32, "columns": 512}
_HEADS: dict[str, Any] = {"heads": 8, "kv_heads": 8, "queries": 1024, "keys": 1024, "dim": 64}
_FEW: dict[str, Any] = {"heads": 2, "kv_heads": 1, "queries": 32, "keys": 32, "dim": 16}

SUITE: tuple[Case, ...] = (
    Case("stream", "copy", programs.copy, _SHEET, _SCRAP),
    Case("stream", "copy", programs.copy, {"rows": 512, "columns": 1024}, _SCRAP),
    named("stream", "elementwise", {**_SHEET, "length": 1}, {**_SCRAP, "length": 1}),
    named("reduction", "reduce", {**_SHEET, "axis": -1}, {**_SCRAP, "axis": -1}),
    named("reduction", "reduce", {**_SHEET, "axis": 0}, {**_SCRAP, "axis": 0}),
    Case("transpose", "transpose", programs.transpose, _SHEET, {"rows": 64, "columns": 96}),
    Case("transpose", "transpose", programs.transpose, {"rows": 512, "columns": 1024}, {"rows": 64, "columns": 96}),
    _product(16, 16),
    _product(32, 16),
    _product(64, 16),
    named("matmul", "matmul", {"m": 1024, "n": 1024, "k": 1024}, {"m": 48, "n": 40, "k": 56}),
    named("softmax", "softmax", {"rows": 4096, "columns": 1024}, {"rows": 16, "columns": 50}),
    named("convolution", "conv2d", {"batch": 8}, {"batch": 2, "rows": 7, "columns": 9, "channels": 8, "filters": 12}),
    named("attention", "attention", _HEADS, _FEW),
    named("attention", "flash_attention", _HEADS, _FEW),
)
"""Streams, reductions, transposes, products at several tile sizes, softmax, convolution, attention. Anything that
`named` or a builder of tile programs makes can be added."""
