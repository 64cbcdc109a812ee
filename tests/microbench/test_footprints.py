"""Bandwidth over footprint: measured plateaus and knees restated (te42kyfo/gpu-benches), and what must hold anyway."""

from __future__ import annotations

import pytest

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.microbench.footprints import Reach, each_core, knee, whole_chip

MIB = 1 << 20
WHOLE = [("a100_sxm", 8, 5440.0), ("h100_pcie", 8, 6950.0), ("h100_pcie", 128, 1989.0)]
"""Preset, MiB of a buffer on a plateau, GB/s read."""
WITHIN = 0.03


@pytest.mark.parametrize(("preset", "mib", "gbs"), WHOLE)
def test_the_plateaus_of_a_buffer_that_cores_share(preset: str, mib: int, gbs: float) -> None:
    (point,) = whole_chip(Chip.preset(preset), [mib * MIB])
    assert point.bandwidth_gbs == pytest.approx(gbs, rel=WITHIN)


def test_the_dram_of_an_a100() -> None:
    (point,) = whole_chip(Chip.preset("a100_sxm"), [128 * MIB])
    assert point.bandwidth_gbs == pytest.approx(1868, rel=0.09)


@pytest.mark.parametrize(("preset", "gbs"), [("a100_sxm", 19_100), ("h100_pcie", 25_200), ("v100_pcie", 13_850)])
def test_the_plateau_of_the_l1(preset: str, gbs: float) -> None:
    assert each_core(Chip.preset(preset), [64 << 10])[0].bandwidth_gbs == pytest.approx(gbs, rel=WITHIN)


def test_the_l2_of_a_v100_when_all_read_the_same() -> None:
    assert each_core(Chip.preset("v100_pcie"), [2 * MIB])[0].bandwidth_gbs == pytest.approx(2430, rel=0.12)


@pytest.mark.parametrize(
    ("preset", "kib"), [("a100_sxm", (148, 172)), ("h100_pcie", (204, 236)), ("v100_pcie", (116, 148))]
)
def test_the_knee_of_the_l1(preset: str, kib: tuple[int, int]) -> None:
    """On silicon the last point of the plateau, and one beyond it."""
    inside, beyond = each_core(Chip.preset(preset), [size << 10 for size in kib])
    assert beyond.bandwidth_gbs < 0.9 * inside.bandwidth_gbs


@pytest.mark.parametrize(("preset", "mib"), [("a100_sxm", (24, 34)), ("h100_pcie", (32, 44))])
def test_the_knee_of_the_l2(preset: str, mib: tuple[int, int]) -> None:
    """On silicon it is at 30 and at 40 MiB: the buffer, and copies of what cores read from the other partition."""
    inside, beyond = whole_chip(Chip.preset(preset), [size * MIB for size in mib])
    assert beyond.bandwidth_gbs < 0.6 * inside.bandwidth_gbs


def test_a_knee_is_where_a_curve_leaves_for_good() -> None:
    curve = [Reach(size, gbs) for size, gbs in ((1, 10.0), (2, 8.0), (4, 9.5), (8, 5.0), (16, 4.0))]
    assert knee(curve, 10) == 8
    assert knee(curve[:3], 10) == 4


def test_what_cannot_be_measured_is_refused() -> None:
    chip = Chip.preset("v100_pcie")
    with pytest.raises(MemsimError, match=r"(?s)80 cores.*320 to"):
        whole_chip(chip, [100])
    with pytest.raises(MemsimError, match="have no L1 with a bandwidth"):
        each_core(Chip.preset("toy"), [4096])
