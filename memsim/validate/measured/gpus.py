"""Names of GPUs, as drivers and tables write them, and the presets they mean."""

from __future__ import annotations

import difflib
import re

MAKERS = frozenset(
    {"nvidia", "tesla", "geforce", "amd", "instinct", "quadro", "radeon", "gpu", "graphics", "corporation"}
)
"""Words that tell nothing."""
NAMES: dict[str, tuple[str, ...]] = {
    "a100_sxm": ("A100-SXM4-80GB", "A100 SXM", "A100 SXM4", "A100 SXM 80GB", "A100-80GB", "A100 80", "A100 80GB SXM"),
    "a100_sxm_40": ("A100-SXM4-40GB", "A100 SXM 40GB", "A100 40GB SXM"),
    "a100_pcie": ("A100 80GB PCIe", "A100-PCIE-80GB", "A100 PCIe"),
    "a100_pcie_40": ("A100-PCIE-40GB", "A100 40GB PCIe"),
    "h100_sxm": ("H100 80GB HBM3", "H100 SXM", "H100 SXM5", "H100 SXM5 80GB", "H100-SXM-80GB", "H100 HBM3"),
    "h100_pcie": ("H100 PCIe", "H100 PCIe 80GB", "H100 80GB PCIe", "H100 80GB HBM2e"),
    "h200_sxm": ("H200", "H200 SXM", "H200 SXM 141GB", "H200 141GB HBM3e"),
    "b200_sxm": ("B200", "B200 SXM", "B200 180GB", "B200 SXM 180GB"),
    "gb200_sxm": ("GB200", "GB200 SXM"),
    "b300_sxm": ("B300", "B300 SXM", "B300 SXM6", "B300 SXM6 AC", "B300 270GB"),
    "gh200": ("GH200", "GH200 480GB", "GH200 96GB", "GH200 96GB HBM3", "GH200 SXM"),
    "p100_pcie": ("P100-PCIE-16GB", "P100 PCIe", "P100 16GB PCIe"),
    "p4": ("P4", "P4 8GB"),
    "l40": ("L40", "L40 48GB"),
    "l4": ("L4", "L4 24GB"),
    "l40s": ("L40S", "L40S 48GB"),
    "t4": ("T4", "T4 16GB"),
    "v100_pcie": ("V100-PCIE-32GB", "V100-PCIE-16GB", "V100 PCIe"),
    "v100_sxm": ("V100-SXM2-32GB", "V100-SXM2-16GB", "V100 SXM", "V100 SXM2"),
    "rtx_3090": ("RTX 3090",),
    "rtx_4090": ("RTX 4090",),
    "rtx_pro_6000_server": ("RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000 Server Edition"),
    "mi100": ("MI100",),
    "mi210": ("MI210",),
    "mi300x": ("MI300X", "MI300X OAM"),
}  # fmt: skip
"""Names by preset, without the words of `MAKERS`. A name that would fit several is not here."""


def plain(name: str) -> str:
    """A name without case, spaces, dashes, underscores and words that tell nothing: how two names are compared.

    Parameters
    ----------
    name
        As someone wrote it.
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    return "".join(word for word in words if word not in MAKERS)


_PRESET_OF = {plain(name): preset for preset, names in NAMES.items() for name in (preset, *names)}


def preset_of(name: str) -> str | None:
    """The preset that a GPU's name means, or None.

    Parameters
    ----------
    name
        Of a preset, or what a driver calls the GPU.
    """
    from memsim.hierarchy import Chip

    if name in Chip.presets():
        return name
    known = {plain(preset): preset for preset in Chip.presets()} | _PRESET_OF
    return known.get(plain(name))


def mend_of(name: str) -> str:
    """What to do about a name that no preset has.

    Parameters
    ----------
    name
        The name.
    """
    if name.startswith("CPU "):
        return f"these are times of a CPU, for which there is no preset; --chip '{name}=FILE.toml' gives a chip for it"
    near = difflib.get_close_matches(plain(name), _PRESET_OF, n=1, cutoff=0.6)
    hint = f"did you mean {_PRESET_OF[near[0]]}? " if near else ""
    return f"{hint}memsim chips lists the presets; --chip '{name}=NAME|FILE.toml' gives the chip"
