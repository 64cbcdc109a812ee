"""Clocks and energy of a board, by NVIDIA's management library (the module pynvml of nvidia-ml-py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memsim.errors import MemsimError

Handle = Any


class Nvml:
    """What a board tells of itself.

    Parameters
    ----------
    module
        pynvml, started.
    handle
        Of the board.
    """

    def __init__(self, module: Any, handle: Handle) -> None:
        self.module, self.handle = module, handle

    @classmethod
    def of(cls, module: Any, torch: Any, index: int) -> Nvml:
        """The board that CUDA counts as ``index``: found by its UUID, as NVML may count otherwise.

        Parameters
        ----------
        module
            pynvml.
        torch
            The module.
        index
            As CUDA counts.
        """
        call(module.nvmlInit)
        uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
        if uuid is None:  # PyTorch before 2.4
            return cls(module, call(lambda: module.nvmlDeviceGetHandleByIndex(index)))
        name = str(uuid) if str(uuid).startswith("GPU-") else f"GPU-{uuid}"
        return cls(module, call(lambda: module.nvmlDeviceGetHandleByUUID(name)))

    def clock_mhz(self) -> float:
        """Of the SMs, now."""
        return float(call(lambda: self.module.nvmlDeviceGetClockInfo(self.handle, self.module.NVML_CLOCK_SM)))

    def energy_j(self) -> float:
        """Joules that the board has drawn since its driver was loaded."""
        return float(call(lambda: self.module.nvmlDeviceGetTotalEnergyConsumption(self.handle))) / 1e3

    def power_limit_w(self) -> float:
        """Watts that the board may draw, as it is set."""
        return float(call(lambda: self.module.nvmlDeviceGetEnforcedPowerLimit(self.handle))) / 1e3

    def temperature_c(self) -> float:
        """Of the GPU."""
        kind = self.module.NVML_TEMPERATURE_GPU
        return float(call(lambda: self.module.nvmlDeviceGetTemperature(self.handle, kind)))

    def driver(self) -> str:
        """Version of the driver."""
        version = call(self.module.nvmlSystemGetDriverVersion)
        return version.decode() if isinstance(version, bytes) else str(version)


def call(function: Callable[[], Any]) -> Any:
    """Call the library; whatever it raises is told in one message.

    Parameters
    ----------
    function
        What is called.
    """
    try:
        return function()
    except Exception as error:
        raise MemsimError(f"does not answer: {error}", where="NVML", mend="check the driver with nvidia-smi") from error
