"""Names of GPUs as drivers write them."""

from __future__ import annotations

import pytest

from memsim.hierarchy import Chip
from memsim.validate.measured.gpus import NAMES, mend_of, preset_of

DRIVERS = {
    "NVIDIA A100-PCIE-40GB": "a100_pcie_40",
    "Tesla V100-PCIE-32GB": "v100_pcie",
    "NVIDIA H100 80GB HBM3": "h100_sxm",
    "NVIDIA H100 PCIe": "h100_pcie",
    "NVIDIA H200": "h200_sxm",
    "NVIDIA B200": "b200_sxm",
    "NVIDIA L4": "l4",
    "NVIDIA L40S": "l40s",
    "Tesla T4": "t4",
    "Tesla P4": "p4",
    "Tesla P100-PCIE-16GB": "p100_pcie",
    "NVIDIA L40": "l40",
    "NVIDIA GH200 480GB": "gh200",
    "NVIDIA GB200": "gb200_sxm",
    "NVIDIA B300 SXM6 AC": "b300_sxm",
    "AMD Instinct MI210": "mi210",
    "AMD_MI210": "mi210",
    "AMD Instinct MI300X": "mi300x",
    "NVIDIA A100-SXM4-80GB": "a100_sxm",
    "NVIDIA A100 80GB PCIe": "a100_pcie",
    "NVIDIA A100-SXM4-40GB": "a100_sxm_40",
    "Tesla V100-SXM2-32GB": "v100_sxm",
    "NVIDIA GeForce RTX 4090": "rtx_4090",
    "nvidia a100 sxm4 80gb": "a100_sxm",
    "H100-SXM": "h100_sxm",
}
"""As cudaGetDeviceProperties or rocm-smi tell them."""


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_s_name_is_known(name: str) -> None:
    assert preset_of(name) == DRIVERS[name]


def test_every_preset_is_known_by_its_own_name() -> None:
    assert [preset_of(name) for name in Chip.presets()] == list(Chip.presets())


def test_every_name_is_one_of_a_preset() -> None:
    assert set(NAMES) <= set(Chip.presets())


@pytest.mark.parametrize("name", ["A100", "H100", "V100", "MI250", "K80", "CPU Some Xeon"])
def test_what_would_fit_several_presets_or_none_is_unknown(name: str) -> None:
    assert preset_of(name) is None


def test_a_near_name_is_suggested() -> None:
    assert "did you mean h200_sxm?" in mend_of("NVIDIA H200X")
    assert "--chip 'gtx 99=NAME|FILE.toml'" in mend_of("gtx 99")
