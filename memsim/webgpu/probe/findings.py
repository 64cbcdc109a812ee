"""What a probe has measured, as data, and as JSON that reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from memsim.errors import MemsimError
from memsim.webgpu.device import is_software
from memsim.webgpu.probe.timing import Measured

FORMAT = 1
"""Of the JSON; another number is another layout."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where it was measured, and by which clock."""

    name: str
    driver: str
    backend: str
    kind: str
    """``CPU`` for a software adapter."""
    features: tuple[str, ...]
    workgroup_bytes: int
    """Workgroup memory that the driver allows."""
    storage_bytes: int
    """Largest buffer that the driver binds."""
    timed_by: str
    """``timestamps`` or ``wall clock``."""
    grain_s: float
    """Seconds that the clock can tell apart."""

    @property
    def is_software(self) -> bool:
        """Whether it runs on the CPU: its times say nothing."""
        return is_software(self.name, self.kind)


@dataclass(frozen=True, slots=True)
class Chase:
    """Latency of a load in a buffer."""

    footprint: int
    """Bytes."""
    latency_ns: Measured


@dataclass(frozen=True, slots=True)
class Stream:
    """Bandwidth of all workgroups together."""

    kind: str
    """``read`` or ``copy`` (which counts each byte twice)."""
    footprint: int
    """Bytes."""
    groups: int
    """Workgroups of 256 invocations."""
    gbs: Measured
    """GB/s."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that `probe` has measured."""

    device: Device
    quick: bool
    chases: tuple[Chase, ...] = ()
    """By growing footprint."""
    streams: tuple[Stream, ...] = ()
    """Reads with all workgroups over working sets, then one copy."""
    occupancy: tuple[Stream, ...] = ()
    """Reads of two working sets over numbers of workgroups."""
    workgroup_gbs: Measured | None = None
    """GB/s of all workgroup memories together."""
    fma_g: Mapping[str, Measured] = field(default_factory=dict)
    """10^9 multiply-adds a second by type of WGSL."""
    fma_groups: tuple[tuple[int, Measured], ...] = ()
    """The same in f32 over numbers of workgroups."""
    fma_latency_ns: Measured | None = None
    special_g: Measured | None = None
    """10^9 exponentials a second."""
    matrix_g: Mapping[str, Measured] = field(default_factory=dict)
    """10^9 multiply-adds a second in products of tiles by type of WGSL."""
    dispatch_us: Measured | None = None
    """A dispatch that waits for the one before, in one pass."""
    submit_us: float = 0.0
    """A submission by itself, until the host knows of its end."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives equal findings."""
        return {"memsim_probe": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str = "findings") -> Findings:
        """Findings from the values of `to_json`.

        Parameters
        ----------
        values
            As read from a file.
        where
            Named in errors.

        Raises
        ------
        MemsimError
            The values are no findings of a probe.
        """
        if not isinstance(values, Mapping) or values.get("memsim_probe") != FORMAT:
            raise MemsimError("is not what a probe has measured", where=where, mend="give a file that --json wrote")
        try:
            return _findings({key: value for key, value in values.items() if key != "memsim_probe"})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MemsimError(
                f"a part of the measurements is missing or malformed: {error}", where=where, mend="probe again"
            ) from error


def _findings(values: dict[str, Any]) -> Findings:
    made: dict[str, Any] = dict(values)
    device = dict(values["device"])
    made["device"] = Device(**{**device, "features": tuple(device["features"])})
    made["chases"] = tuple(Chase(int(c["footprint"]), _measured(c["latency_ns"])) for c in values["chases"])
    for key in ("streams", "occupancy"):
        made[key] = tuple(
            Stream(**{**s, "footprint": int(s["footprint"]), "gbs": _measured(s["gbs"])}) for s in values[key]
        )
    for key in ("workgroup_gbs", "fma_latency_ns", "special_g", "dispatch_us"):
        made[key] = None if values[key] is None else _measured(values[key])
    for key in ("fma_g", "matrix_g"):
        made[key] = {name: _measured(one) for name, one in values[key].items()}
    made["fma_groups"] = tuple((int(groups), _measured(one)) for groups, one in values["fma_groups"])
    for key in ("chases", "streams", "occupancy"):
        if not made[key] or any(one.footprint < 1 for one in made[key]):
            raise ValueError(f"{key} are none, or of no size")
    if not made["device"].name.isprintable() or not isinstance(made["device"].name, str):
        raise ValueError("the name of the device is no line of text")
    return Findings(**made)


def _measured(values: Mapping[str, Any]) -> Measured:
    median, low, high = (float(values[key]) for key in ("median", "low", "high"))
    if not 0 < low <= median <= high < float("inf"):
        raise ValueError(f"{low}, {median}, {high} are no quartiles of positive numbers")
    return Measured(median, low, high, int(values["samples"]))
