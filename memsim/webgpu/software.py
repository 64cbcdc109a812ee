"""The software adapters that Linux distributions ship, under names that are the same everywhere.

They run shaders on the CPU: they check values on a machine without a GPU, and say nothing of speed. llvmpipe is part of
Mesa, once for Vulkan and once for OpenGL. SwiftShader comes with Chromium, which runs WebGPU on it where there is no
GPU; the Vulkan loader has to be told of it. A process reads its list of drivers once: `find_adapter` of one of these
names makes it visible before that; `environment` is for a process that is to be started.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from memsim.errors import MemsimError

DRIVER_FOLDERS = ("/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d")
"""Where the Vulkan loader looks for descriptions of drivers by itself."""
CHROMIUM_FOLDERS = (
    "/usr/lib/chromium",
    "/usr/lib/chromium-browser",
    "/usr/lib64/chromium-browser",
    "/opt/google/chrome",
    "/opt/chromium.org/chromium",
)
"""Where Chromium and Chrome put SwiftShader and its description."""


@dataclass(frozen=True, slots=True)
class Software:
    """A software adapter: how to recognise it, and how a process gets to see it."""

    name: str
    backend: str
    """``Vulkan`` or ``OpenGL``."""
    device: str
    """What its device's name begins with."""
    packages: str
    """Of Debian."""
    drivers: str = ""
    """Pattern of the file that describes a Vulkan driver to the loader."""
    folders: tuple[str, ...] = ()
    """Where that file may be, the first that has it counts."""
    variables: tuple[tuple[str, str], ...] = ()
    """What else a process needs that is to see it."""

    @property
    def mend(self) -> str:
        """How to install it."""
        return f"apt-get install {self.packages}; tools/setup.sh does so on Debian"

    def driver(self) -> Path | None:
        """The file that describes its Vulkan driver; None for OpenGL.

        Raises
        ------
        MemsimError
            It is not installed.
        """
        if not self.drivers:
            return None
        for folder in self.folders:
            for found in sorted(Path(folder).glob(self.drivers)):
                return found
        raise MemsimError(
            f"no {self.drivers} in {', '.join(self.folders)}", where=f"adapter {self.name}", mend=self.mend
        )


SOFTWARE: Mapping[str, Software] = MappingProxyType(
    {
        adapter.name: adapter
        for adapter in (
            Software(
                "llvmpipe-vulkan",
                "Vulkan",
                "llvmpipe",
                "mesa-vulkan-drivers libvulkan1",
                "lvp_icd*.json",
                DRIVER_FOLDERS,
            ),
            Software(
                "llvmpipe-gl",
                "OpenGL",
                "llvmpipe",
                "libegl1 libgl1-mesa-dri",
                variables=(("LIBGL_ALWAYS_SOFTWARE", "1"), ("GALLIUM_DRIVER", "llvmpipe")),
            ),
            Software(
                "swiftshader",
                "Vulkan",
                "SwiftShader",
                "chromium libvulkan1",
                "vk_swiftshader_icd.json",
                (*CHROMIUM_FOLDERS, *DRIVER_FOLDERS),
            ),
        )
    }
)
"""The software adapters, by name."""


def environment(name: str) -> dict[str, str]:
    """Variables of a process that is to see this adapter, and no other Vulkan driver: to be added to `os.environ`.

    Parameters
    ----------
    name
        Of `SOFTWARE`.

    Raises
    ------
    MemsimError
        The name is unknown, or the adapter is not installed.
    """
    adapter = software(name)
    driver = adapter.driver()
    only = {} if driver is None else {"VK_DRIVER_FILES": str(driver), "VK_ICD_FILENAMES": str(driver)}
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()  # some drivers complain without it
    return {**only, **dict(adapter.variables), "XDG_RUNTIME_DIR": folder}


def show(name: str) -> None:
    """Make an adapter visible in this process, beside those that it sees anyway; before its drivers are first read.

    Parameters
    ----------
    name
        Of `SOFTWARE`.

    Raises
    ------
    MemsimError
        The name is unknown, or the adapter is not installed.
    """
    adapter = software(name)
    driver = adapter.driver()
    os.environ.update(adapter.variables)
    chosen = [key for key in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES") if os.environ.get(key)]
    if driver is not None and (chosen or str(driver.parent) not in DRIVER_FOLDERS):
        for key in chosen or ["VK_ADD_DRIVER_FILES"]:
            listed = os.environ.get(key, "").split(os.pathsep)
            os.environ[key] = os.pathsep.join(dict.fromkeys([*filter(None, listed), str(driver)]))


def software(name: str) -> Software:
    """The software adapter of that name; a `MemsimError` names those there are."""
    if name not in SOFTWARE:
        raise MemsimError(
            f"no software adapter is called {name!r}", where="adapter", mend="choose from " + ", ".join(SOFTWARE)
        )
    return SOFTWARE[name]
