"""Energy of a bit of SRAM over the size of the memory: both families of a node, and points from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from memsim.hierarchy import technologies
from memsim.hierarchy.sram import SramFamily
from memsim.report.figures import style

NODE_COLOURS = {"n45": style.BLUE, "n28": style.SKY, "n16": style.GREEN, "n7": style.ORANGE, "n3": style.VERMILLION}
FAMILIES: dict[SramFamily, str] = {"published": "-", "dally": "--"}


class Points(NamedTuple):
    """What others say: KiB and pJ/bit."""

    kib: Sequence[float]
    pj_per_bit: Sequence[float]
    node: str
    """Of which colour."""


@style.styled
def draw_sram_energy(points: Mapping[str, Points] | None = None, nodes: Sequence[str] = ("n45", "n7")) -> Figure:
    """Curves of each node, ``published`` drawn full and ``dally`` dashed, with points by name.

    Parameters
    ----------
    points
        Published or computed energies, by the name that the legend gives them.
    nodes
        Named technologies, of `NODE_COLOURS`.
    """
    figure = style.new_figure(7.6, 4.6)
    axes = figure.subplots()
    kib = np.geomspace(1, 256 * 1024, 100)
    for node in nodes:
        for family, dashes in FAMILIES.items():
            pj = [technologies()[node].sram_pj_per_bit(int(1024 * size), family=family) for size in kib]
            axes.plot(kib, pj, dashes, color=NODE_COLOURS[node], linewidth=1.8, label=f"{node}, {family}")
    for marker, (name, some) in zip("osD^vPX", (points or {}).items(), strict=False):
        axes.plot(some.kib, some.pj_per_bit, marker, color=NODE_COLOURS[some.node], markeredgecolor="white", label=name)
    axes.set(xscale="log", yscale="log", xlabel="capacity (KiB)", ylabel="energy of a bit read (pJ)")
    axes.set_title("SRAM: energy over capacity")
    figure.legend(loc="outside right upper")
    return figure
