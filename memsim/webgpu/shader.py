"""What the generator gives, and what it must know of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a device's limits the generator keeps to."""

    workgroup_bytes: int = 16_384
    invocations: int = 256
    storage_bytes: int = 128 << 20
    """Largest storage buffer that a shader may bind."""
    storage_buffers: int = 8
    f16: bool = False
    """Whether shaders may use 16-bit floats."""
    trips: int = 2**31 - 1
    """Of a loop: its counter is an ``i32``, and some drivers end long loops without a word."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to generate.

    Parameters
    ----------
    registers
        Whether tiles may live in registers. Without, products are still blocked in registers.
    cut
        Whether blocks that exchange tiles may be cut into dispatches. Without, they always run in one workgroup.
    """

    registers: bool = True
    cut: bool = True


@dataclass(frozen=True, slots=True)
class Shader:
    """A compute shader and its dispatch."""

    kernel: str
    text: str
    groups: int
    """Workgroups to dispatch."""
    threads: int
    scratch_words: int
    """Words of scratch that the dispatch needs."""
    buffers: tuple[str, ...]
    """Storage buffers in the order of their bindings, from binding 1 on; binding 0 are the parameters."""
    parameters: tuple[int, ...]
    workgroup_bytes: int
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each ring lives: ``register``, ``workgroup`` or ``scratch``."""

    def uses(self, buffer: str) -> bool:
        """Whether the text names a buffer after it has declared it; what is not named is not bound."""
        return self.text.count(f"{buffer}[") > 0
