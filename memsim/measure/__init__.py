"""Measures a suite of calls on a real GPU, in the format that ``memsim validate --data`` reads.

`cases_of` is what is run, `time_case` how one is timed; `open_cuda`, `NumpyDevice` and `WebgpuDevice` are devices;
`run_cases` writes a table as it goes.
"""

from memsim.measure.cases import SUITES, Case, cases_of
from memsim.measure.cuda import CudaDevice, open_cuda
from memsim.measure.numpy_device import NumpyDevice
from memsim.measure.protocol import QUICKLY, THOROUGH, Effort, Timing, time_case
from memsim.measure.run import Finished, run_cases
from memsim.measure.table import Writer
from memsim.measure.webgpu_device import WebgpuDevice, open_webgpu

__all__ = [
    "QUICKLY",
    "SUITES",
    "THOROUGH",
    "Case",
    "CudaDevice",
    "Effort",
    "Finished",
    "NumpyDevice",
    "Timing",
    "WebgpuDevice",
    "Writer",
    "cases_of",
    "open_cuda",
    "open_webgpu",
    "run_cases",
    "time_case",
]
