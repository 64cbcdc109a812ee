"""A GPU through wgpu: programs that memsim compiles to WGSL, and the probe's pointer chase. No library's kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from memsim.measure.cases import Case
from memsim.measure.curves import KIB, SOURCE
from memsim.measure.protocol import Timing
from memsim.validate.programs import COPY_TILE

if TYPE_CHECKING:
    from memsim.hierarchy import Chip
    from memsim.isa import Program
    from memsim.validate.local import Timer
    from memsim.webgpu import Adapter
    from memsim.webgpu.probe import Machine

LARGEST_BYTES = 1 << 29
"""Of a case: what most adapters bind."""
LARGEST_FLOPS = 2e11
PROTOCOL = "same"
"""Buffers are not rotated: a program runs again and again on its own."""
_WORKLOADS = {"softmax": "softmax", "layer_norm": "layer_norm", "rms_norm": "rms_norm", "reduce": "reduce"}


def open_webgpu(name: str | None) -> Adapter:
    """The adapter of that name, or the first GPU.

    Parameters
    ----------
    name
        A part of the adapter's name.

    Raises
    ------
    MemsimError
        It is in software: its times say nothing.
    """
    from memsim.webgpu import find_adapter
    from memsim.webgpu.probe.studies import software_error

    adapter = find_adapter(name)
    if adapter.is_software:
        raise software_error(adapter.name)
    return adapter


class WebgpuDevice:
    """Times cases as WGSL.

    Parameters
    ----------
    name
        Of the adapter.
    chip
        What programs are compiled for.
    timer
        Measures them: a `memsim.validate.local.GpuTimer`.
    """

    backend = "wgpu"

    def __init__(self, name: str, chip: Chip, timer: Timer) -> None:
        self.name, self.chip, self.timer = name, chip, timer

    def refuses(self, case: Case) -> str | None:
        """Why a case cannot run here, or None."""
        call = case.call
        if call.dtype != "fp32":
            return f"programs are measured in fp32, not {call.dtype}"
        if call.kind not in ("gemm", *_WORKLOADS) and call.function != "copy":
            return f"no workload stands for {case.op}"
        if call.batch > 1:
            return "no workload stands for many products side by side"
        if call.function == "copy" and (call.rows % COPY_TILE[0] or call.cols % COPY_TILE[1]):
            return "a copy is of whole tiles"
        if call.flops > LARGEST_FLOPS or call.bytes > LARGEST_BYTES:
            return "its buffers are larger than adapters bind, or it takes too long"
        return None

    def time(self, case: Case) -> Timing:
        """Seconds of a run: median, and quartiles in place of percentiles."""
        found = self.timer.seconds(self._program(case))
        mode = "pass" if self.timer.timed_by == "timestamps" else "wall clock"
        return Timing(found.median, found.low, found.high, found.samples, 1, 1, mode, None)

    def _program(self, case: Case) -> Program:
        from memsim.lowering import compile
        from memsim.validate.programs import copy
        from memsim.workloads import workload

        call = case.call
        if call.function == "copy":
            return copy(self.chip, rows=call.rows, columns=call.cols)
        settings: dict[str, Any] = {"dtype": "fp32"}
        if call.kind == "gemm":
            settings |= {"m": call.m, "n": call.n, "k": call.k}
            return compile(workload("matmul", **settings), self.chip, name=case.op)
        settings |= {"rows": call.rows, "columns": call.cols}
        return compile(workload(_WORKLOADS[call.kind], **settings), self.chip, name=case.op)


def latency(
    name: str, machine: Machine, *, quick: bool, report: Callable[[str], None] = lambda what: None
) -> Iterator[dict[str, Any]]:
    """Latency over footprint, by the probe's own ladder.

    Parameters
    ----------
    name
        Of the adapter.
    machine
        Its device.
    quick
        Fewer sizes.
    report
        Told what is about to be measured.
    """
    from memsim.webgpu.probe.studies import FULL, QUICKLY, Study

    report("latency over footprint")
    for chase in Study(machine, QUICKLY if quick else FULL).ladder():
        ns = chase.latency_ns.median
        yield {
            "source": SOURCE, "gpu": name, "sm_mhz": None, "buffer_kB": chase.footprint / KIB, "latency_ns": ns,
            "latency_cycles": None,
        }  # fmt: skip
