"""The machine's WebGPU adapters, and devices made from them with the limits and features that the backend uses."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import Any

from memsim.errors import MemsimError
from memsim.webgpu.shader import Limits
from memsim.webgpu.software import SOFTWARE, Software, show

FEATURES = ("timestamp-query", "shader-f16")
"""Features that are used where an adapter has them."""
INSTALL = "install a driver: a GPU's own, or in software `apt-get install mesa-vulkan-drivers libvulkan1`"


GPUS = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU")
"""Kinds of adapter that are hardware; drivers say ``Unknown`` of what they do not know."""
SOFTWARE_DEVICES = ("llvmpipe", "softpipe", "swrast", "swiftshader", "basic render")
"""Parts of the names of adapters that run on the CPU, whatever kind they claim."""


LLVMPIPE_TRIPS = 65_535
"""Mesa's llvmpipe ends any loop after this many rounds, and goes on behind it (seen with Mesa 22.3.6)."""


def is_software(name: str, kind: str) -> bool:
    """Whether an adapter of that name and kind runs on the CPU, or does not say that it is a GPU."""
    return kind not in GPUS or any(device in name.lower() for device in SOFTWARE_DEVICES)


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter: what it is called, and what it can do."""

    name: str
    """Of the device, such as ``llvmpipe (LLVM 15.0.6, 256 bits)``."""
    driver: str
    backend: str
    """``Vulkan``, ``OpenGL``, ``Metal`` or ``D3D12``."""
    kind: str
    """``CPU`` for a software adapter, else ``DiscreteGPU``, ``IntegratedGPU`` …"""
    features: tuple[str, ...]
    """Those of `FEATURES` that it has."""
    limits: Limits
    index: int

    @property
    def is_software(self) -> bool:
        """Whether it runs on the CPU: it checks values, and says nothing of speed."""
        return is_software(self.name, self.kind)

    def __str__(self) -> str:
        return f"{self.name}, {self.backend}, driver {self.driver}"


def adapters() -> list[Adapter]:
    """Every adapter that can compute, in the order in which the system names them.

    Raises
    ------
    MemsimError
        The package ``wgpu`` is not installed.
    """
    return [_described(index, found) for index, found in enumerate(_found())]


def find_adapter(name: str | None = None) -> Adapter:
    """The adapter of that name: any part of its name, backend or driver, in small letters or capitals.

    Parameters
    ----------
    name
        None takes the first that is a GPU, else the first; ``llvmpipe-vulkan``, ``llvmpipe-gl`` and ``swiftshader``
        are software adapters that Debian has (`memsim.webgpu.software`).

    Raises
    ------
    MemsimError
        There is no adapter, or none of that name.
    """
    if name is not None and name in SOFTWARE:
        return _software(SOFTWARE[name])
    known = adapters()
    if not known:
        raise MemsimError("no WebGPU adapter was found", where="wgpu", mend=INSTALL)
    if name is None:
        return next((a for a in known if not a.is_software), known[0])
    for adapter in known:
        if name.lower() in str(adapter).lower():
            return adapter
    raise MemsimError(
        f"no adapter is called {name!r}",
        where="--adapter",
        mend="choose from " + "; ".join([*SOFTWARE, *(str(adapter) for adapter in known)]),
    )


def _software(wanted: Software) -> Adapter:
    early = not _found.cache_info().currsize
    if early:
        show(wanted.name)
    for adapter in adapters():
        if adapter.backend == wanted.backend and adapter.name.startswith(wanted.device):
            return adapter
    wanted.driver()  # raises where it is not installed
    raise MemsimError(
        "it is not among this machine's adapters" if early else "this process had read its list of drivers before",
        where=f"adapter {wanted.name}",
        mend=wanted.mend if early else "find it before any other adapter, or in a process of its own",
    )


def open_device(adapter: Adapter) -> Any:
    """The device of an adapter, a `wgpu.GPUDevice` with its features and limits; opened once.

    Raises
    ------
    MemsimError
        The driver does not give one.
    """
    return _device(adapter.index)


@cache
def _device(index: int) -> Any:
    found = _found()[index]
    limits = found.limits
    wanted = {
        name: limits[name]
        for name in (
            "max-compute-workgroup-storage-size",
            "max-compute-invocations-per-workgroup",
            "max-storage-buffer-binding-size",
            "max-storage-buffers-per-shader-stage",
            "max-buffer-size",
        )
    }
    features = [name for name in FEATURES if name in found.features]
    try:
        return found.request_device_sync(required_features=features, required_limits=wanted)
    except Exception as error:
        raise MemsimError(
            f"the driver gives no device: {error}", where=found.info["device"], mend="choose another adapter"
        ) from error


@cache
def _found() -> list[Any]:
    if not os.environ.get("XDG_RUNTIME_DIR"):  # without it some drivers complain on each call
        os.environ["XDG_RUNTIME_DIR"] = tempfile.gettempdir()
    try:
        import wgpu
    except ImportError as error:
        raise MemsimError(
            "the package wgpu is not installed", where="wgpu", mend="pip install 'memsim[wgpu]', or pip install wgpu"
        ) from error
    return list(wgpu.gpu.enumerate_adapters_sync())


def _described(index: int, found: Any) -> Adapter:
    info, limits = found.info, found.limits
    binding = min(limits["max-storage-buffer-binding-size"], limits["max-buffer-size"], 2**31 - 4)
    return Adapter(
        name=info["device"],
        driver=info["description"] or "unknown",
        backend=info["backend_type"],
        kind=info["adapter_type"],
        features=tuple(name for name in FEATURES if name in found.features),
        limits=Limits(
            workgroup_bytes=limits["max-compute-workgroup-storage-size"],
            invocations=limits["max-compute-invocations-per-workgroup"],
            storage_bytes=binding // 4 * 4,
            storage_buffers=limits["max-storage-buffers-per-shader-stage"],
            f16="shader-f16" in found.features,
            trips=LLVMPIPE_TRIPS if "llvmpipe" in info["device"] else 2**31 - 1,
        ),
        index=index,
    )
