"""Programs written in Python: the builder records what its methods are told, then checks the whole.

>>> p = ProgramBuilder("double")
>>> X = p.tensor("X", "fp32", (64, 64))
>>> Y = p.tensor("Y", "fp32", (64, 64))
>>> with p.kernel("main", grid={"y": 4}) as k:
...     (y,) = k.coordinates
...     x = k.ring("x", "sram", "fp32", (16, 64), depth=2)
...     r = k.ring("r", "sram", "fp32", (16, 64))
...     with k.queue("load"):
...         x.load(X[y * 16, 0])
...     with k.queue("compute"):
...         r.set("add", x, x)
...         x.pop()
...         r.push()
...     with k.queue("store"):
...         Y[y * 16, 0].store(r)
...         r.pop()
>>> program = p.build()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from memsim.errors import Location, ProgramError
from memsim.isa.expr import Expr, ExprLike, var
from memsim.isa.handles import RingHandle, TensorHandle
from memsim.isa.lexical import check_name, nearest
from memsim.isa.model import Group, Kernel, Program, Queue, Ring, Statement, Tensor
from memsim.isa.ops import DTYPES
from memsim.isa.recorder import Recorder, caller, place, whole


class ProgramBuilder:
    """Builds a `Program`: declare tensors, open kernels, then `build`.

    Parameters
    ----------
    name
        Name of the program.
    cores
        Cores that it is written for; ``None`` takes all of a chip's.
    useful_flops
        Operations of the algorithm itself (2 a multiply-add), for MFU; ``None`` counts what is executed.
    """

    def __init__(self, name: str, cores: int | None = None, useful_flops: int | None = None) -> None:
        self.name = check_name(name, "program", caller())
        self.cores = None if cores is None else whole(cores, "cores")
        self.useful_flops = None if useful_flops is None else whole(useful_flops, "useful_flops", least=0)
        self._place = place()
        self._recorder = Recorder()
        self._tensors: dict[str, Tensor] = {}
        self._kernels: dict[str, KernelBuilder] = {}

    def tensor(self, name: str, dtype: str, shape: Sequence[int], role: str = "dram") -> TensorHandle:
        """Declare a tensor in a memory role."""
        _check_new(name, "tensor", self._tensors)
        check_name(role, "memory role", caller())
        self._tensors[name] = Tensor(name, role, _dtype(dtype), _shape(shape))
        return TensorHandle(self._tensors[name], self._recorder)

    def kernel(
        self,
        name: str,
        grid: Mapping[str, int] | None = None,
        cluster: Mapping[str, int] | None = None,
        occupancy: int = 1,
        cooperative: bool = False,
    ) -> KernelBuilder:
        """Add a kernel: with ``grid`` it has one group of its own name, without it those of `KernelBuilder.group`."""
        _check_new(name, "kernel", self._kernels)
        kernel = KernelBuilder(name, whole(occupancy, "occupancy"), cooperative, self._recorder)
        if grid is not None:
            kernel.group(name, grid, cluster)
        self._kernels[name] = kernel
        return kernel

    def build(self, verify: bool = True) -> Program:
        """The program; it has passed `memsim.isa.verify` unless ``verify`` is false."""
        kernels = tuple(kernel.build() for kernel in self._kernels.values())
        tensors = tuple(self._tensors.values())
        program = Program(self.name, tensors, kernels, self.cores, self.useful_flops, place=self._place)
        if verify:
            from memsim.isa.verify import verify as check

            check(program)
        return program


class _Context:
    """`with` for the eye only: it shows what belongs together."""

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let errors pass."""


class KernelBuilder(_Context):
    """A kernel; where it has one group, that group's methods are here too."""

    def __init__(self, name: str, occupancy: int, cooperative: bool, recorder: Recorder) -> None:
        self.name = name
        self._occupancy, self._cooperative = occupancy, cooperative
        self._recorder, self._place = recorder, place()
        self._groups: dict[str, GroupBuilder] = {}

    def group(self, name: str, grid: Mapping[str, int], cluster: Mapping[str, int] | None = None) -> GroupBuilder:
        """Add a group of blocks that run the same text. ``grid`` and ``cluster`` map a coordinate's name to a size."""
        _check_new(name, "group", self._groups)
        group = GroupBuilder(name, self.name, grid, cluster or {}, self._recorder)
        self._groups[name] = group
        return group

    @property
    def coordinates(self) -> tuple[Expr, ...]:
        """The block coordinates, in grid order."""
        return self._only().coordinates

    def ring(self, name: str, memory: str, dtype: str, shape: Sequence[int], depth: int = 1) -> RingHandle:
        """Declare a ring of ``depth`` slots."""
        return self._only().ring(name, memory, dtype, shape, depth)

    def queue(self, name: str) -> AbstractContextManager[None]:
        """Record the instructions of a queue; a queue opened again goes on where it ended."""
        return self._only().queue(name)

    def loop(self, name: str, count: ExprLike) -> AbstractContextManager[Expr]:
        """Record a loop of ``count`` rounds; gives its counter."""
        return self._recorder.loop(name, count)

    def build(self) -> Kernel:
        """The kernel as data."""
        groups = tuple(group.build() for group in self._groups.values())
        return Kernel(self.name, groups, self._occupancy, self._cooperative, place=self._place)

    def _only(self) -> GroupBuilder:
        if len(self._groups) == 1:
            return next(iter(self._groups.values()))
        raise ProgramError(
            f"kernel {self.name} has {len(self._groups)} groups, so it is open which one is meant",
            where=caller(),
            mend="give the kernel a `grid`, or call the method of the group that `k.group(...)` returned",
        )


class GroupBuilder(_Context):
    """A group of blocks: its rings and queues."""

    def __init__(
        self, name: str, kernel: str, grid: Mapping[str, int], cluster: Mapping[str, int], recorder: Recorder
    ) -> None:
        self.name = name
        self._key = f"{kernel}/{name}"
        self._grid = tuple(
            (check_name(axis, "block coordinate", caller()), whole(n, f"grid size {axis}")) for axis, n in grid.items()
        )
        self._cluster = _cluster(grid, cluster)
        self._recorder, self._place = recorder, place()
        self._rings: dict[str, Ring] = {}
        self._queues: dict[str, tuple[Location | None, list[Statement]]] = {}

    @property
    def coordinates(self) -> tuple[Expr, ...]:
        """The block coordinates, in grid order."""
        return tuple(var(axis) for axis, _ in self._grid)

    def ring(self, name: str, memory: str, dtype: str, shape: Sequence[int], depth: int = 1) -> RingHandle:
        """Declare a ring of ``depth`` slots for tiles of ``shape`` in a per-core memory."""
        _check_new(name, "ring", self._rings)
        check_name(memory, "memory role", caller())
        self._rings[name] = Ring(name, memory, _dtype(dtype), _shape(shape), whole(depth, "depth"))
        return RingHandle(self._rings[name], self._key, self._recorder)

    def queue(self, name: str) -> AbstractContextManager[None]:
        """Record the instructions of a queue; a queue opened again goes on where it ended."""
        check_name(name, "queue", caller())
        _, body = self._queues.setdefault(name, (place(), []))
        return self._recorder.queue(self._key, tuple(axis for axis, _ in self._grid), body)

    def loop(self, name: str, count: ExprLike) -> AbstractContextManager[Expr]:
        """Record a loop of ``count`` rounds; gives its counter."""
        return self._recorder.loop(name, count)

    def build(self) -> Group:
        """The group as data."""
        queues = tuple(Queue(name, tuple(body), place=where) for name, (where, body) in self._queues.items())
        return Group(self.name, self._grid, tuple(self._rings.values()), queues, self._cluster, place=self._place)


def _cluster(grid: Mapping[str, int], cluster: Mapping[str, int]) -> tuple[int, ...]:
    for axis in cluster:
        if axis not in grid:
            raise ProgramError(f"cluster names unknown coordinate `{axis}`", where=caller(), mend=nearest(axis, grid))
    return tuple(whole(cluster.get(axis, 1), f"cluster size {axis}") for axis in grid)


def _check_new(name: str, what: str, known: Mapping[str, object]) -> None:
    check_name(name, what, caller())
    if name in known:
        raise ProgramError(f"{what} `{name}` is defined already", where=caller(), mend="choose another name")


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise ProgramError(f"unknown dtype {name!r}", where=caller(), mend=nearest(str(name), DTYPES))
    return name


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if not shape:
        raise ProgramError("the shape has no dimensions", where=caller(), mend="use (1,) for a single element")
    return tuple(whole(size, "a size of a shape") for size in shape)
