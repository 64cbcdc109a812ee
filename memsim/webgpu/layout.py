"""Where the tensors of a program lie on a device: packed as on the host, in as few storage buffers as hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import ProgramError
from memsim.isa.model import PER_CORE_ROLES, Program, Store, Tensor, walk
from memsim.webgpu.scope import TensorPlace

Array: TypeAlias = np.ndarray[Any, Any]
DROPPED = 1
"""Words at the start of each buffer that take what a clip drops."""
MOST_ELEMENTS = 2**31 - 1
"""Elements of a tensor: WGSL computes coordinates in 32 bits."""


class Layout:
    """The buffers of a program's tensors.

    Tensors of 32-bit types, and packed ones that no instruction stores to, are plain words. Packed tensors that are
    stored to are words of atomics, since two threads may write elements that share one.

    Parameters
    ----------
    program
        Whose tensors.
    cores
        Copies of a tensor in a per-core role.
    storage_bytes
        Largest storage buffer that a shader may bind.

    Raises
    ------
    ProgramError
        A tensor is too large for one buffer.
    """

    def __init__(self, program: Program, cores: int | None, storage_bytes: int) -> None:
        stored = _stored(program)
        self.words: dict[str, int] = {}
        """Words of each buffer."""
        self._at: dict[str, tuple[Tensor, str, int]] = {}
        for tensor in program.tensors:
            words = _words(tensor, cores)
            _check_size(tensor, words, cores, storage_bytes)
            kind = "packed" if tensor.type.bits < 32 and tensor.name in stored else "plain"
            buffer = self._room(kind, words, storage_bytes)
            self._at[tensor.name] = (tensor, buffer, self.words[buffer])
            self.words[buffer] += words

    def _room(self, kind: str, words: int, storage_bytes: int) -> str:
        """A buffer with room for so many words; a new one if there is none."""
        of_kind = [name for name in self.words if name.startswith(kind)]
        for name in of_kind:
            if 4 * (self.words[name] + words) <= storage_bytes:
                return name
        name = f"{kind}{len(of_kind)}"
        self.words[name] = DROPPED
        return name

    def is_atomic(self, buffer: str) -> bool:
        """Whether the words of a buffer are atomics."""
        return buffer.startswith("packed")

    def offset(self, name: str) -> int:
        """Index of a tensor's first word in its buffer."""
        return self._at[name][2]

    def place(self, name: str, base: str) -> TensorPlace:
        """A tensor's place, for a shader that calls its first word ``base``."""
        tensor, buffer, _ = self._at[name]
        return TensorPlace(tensor, buffer, self.is_atomic(buffer), base, tensor.role in PER_CORE_ROLES)

    def packed(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """The words of each buffer."""
        words = {name: np.zeros(max(count, 1), np.uint32) for name, count in self.words.items()}
        for name, (_, buffer, offset) in self._at.items():
            data = np.ascontiguousarray(values[name]).reshape(-1).view(np.uint8)
            words[buffer].view(np.uint8)[4 * offset : 4 * offset + data.size] = data
        return words

    def unpacked(self, words: Mapping[str, Array], cores: int | None) -> dict[str, Array]:
        """Each tensor from the words of the buffers."""
        values = {}
        for name, (tensor, buffer, offset) in self._at.items():
            shape = (cores or 1, *tensor.shape) if tensor.role in PER_CORE_ROLES else tensor.shape
            count = int(np.prod(shape, dtype=np.int64))
            raw = words[buffer].view(np.uint8)[4 * offset : 4 * offset + count * tensor.type.bytes]
            values[name] = np.array(raw.view(tensor.type.numpy).reshape(shape))
        return values


def _words(tensor: Tensor, cores: int | None) -> int:
    copies = (cores or 1) if tensor.role in PER_CORE_ROLES else 1
    return -(-tensor.bytes * copies // 4)


def _check_size(tensor: Tensor, words: int, cores: int | None, storage_bytes: int) -> None:
    copies = (cores or 1) if tensor.role in PER_CORE_ROLES else 1
    if 4 * (words + DROPPED) > storage_bytes or tensor.bytes * copies // tensor.type.bytes > MOST_ELEMENTS:
        raise ProgramError(
            f"tensor {tensor.name} takes {4 * words:,} bytes, and the device binds at most {storage_bytes:,}",
            where=f"tensor {tensor.name}",
            mend="run a smaller problem, or on another device",
        )


def _stored(program: Program) -> set[str]:
    """Tensors that some instruction stores to."""
    return {
        instruction.dst.tensor
        for kernel in program.kernels
        for group in kernel.groups
        for queue in group.queues
        for instruction, _ in walk(queue.body)
        if isinstance(instruction, Store)
    }
