"""What a random case exercises: features of its program and its chip, and what happened when it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from memsim.engine.extents import Part
from memsim.engine.hardware import Hardware, Route, answering
from memsim.engine.memory import COUNTED, PIECE_WORDS
from memsim.engine.result import Result
from memsim.engine.running import Running
from memsim.engine.servers import LATENCY
from memsim.engine.transfers import Flight, Parts, TransferModel
from memsim.isa import Program
from memsim.isa.canonical import key
from memsim.isa.model import (
    PER_CORE_ROLES,
    Copy,
    Gather,
    Instruction,
    Kernel,
    Load,
    Loop,
    Mma,
    Region,
    Send,
    Store,
    tiles_read,
    walk,
)
from tests.engine.machines import run
from tests.engine.twins import Case

LONG = 20
"""Trips of a loop in which a machine may settle."""


@dataclass
class Seen:
    """A case that has run, and what was noted on the way."""

    case: Case
    notes: Counter[str] = field(default_factory=Counter)
    result: Result | None = None

    @property
    def program(self) -> Program:
        return self.case.program

    @property
    def instructions(self) -> Iterator[tuple[Instruction, tuple[Loop, ...], Kernel]]:
        for kernel in self.program.kernels:
            for group in kernel.groups:
                for queue in group.queues:
                    yield from ((i, loops, kernel) for i, loops in walk(queue.body))

    def role(self, i: Load | Gather | Store) -> str:
        region = i.dst if isinstance(i, Store) else i.src
        return self.program.tensor(region.tensor).role


def watched(case: Case) -> Seen:
    """Run a case in the discrete-event model and note what its hardware meets."""
    seen = Seen(case)
    with _noting(seen.notes):
        seen.result = run(case.program, case.chip)
    return seen


@contextmanager
def _noting(notes: Counter[str]) -> Iterator[None]:
    serve, read, start = Running.serve, Running.read, TransferModel.start

    def noted_serve(self: Running, server: int, head: int, service: int) -> int:
        begin = serve(self, server, head, service)
        notes[f"{self.hardware.names[server][1]} contended"] += begin > head
        return begin

    def noted_read(self: Running, role: str, port: int, part: Part, tick: int) -> tuple[int, int, int]:
        answer = read(self, role, port, part, tick)
        _note_read(notes, self.hardware, role, part, answer[0] - tick, answer[2])
        return answer

    def noted_start(self: TransferModel, flight: Flight, parts: Parts, begun: int) -> None:
        _note_flight(notes, self, flight, parts)
        start(self, flight, parts, begun)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Running, "serve", noted_serve)
        patch.setattr(Running, "read", noted_read)
        patch.setattr(TransferModel, "start", noted_start)
        yield


def _note_read(notes: Counter[str], hardware: Hardware, role: str, part: Part, delay: int, fetched: int) -> None:
    """Note a read of which the first byte came after ``delay`` ticks, ``fetched`` bytes of it from behind a cache."""
    chip, size = hardware.chip, part.size
    latency = hardware.memories[role][LATENCY]
    if answering(hardware.chip, role) != "cache":
        notes[f"{role} contended"] += delay > latency
        return
    assert chip.cache is not None
    notes["cache hit"] += fetched < size
    notes["cache miss"] += fetched > 0
    notes["segment larger than the cache"] += any(
        bytes_ > chip.cache.capacity // chip.cache.partitions for bytes_ in part.words[1::PIECE_WORDS]
    )
    within = chip.ticks_of(chip.cache.latency)
    notes["cache contended, or fill awaited"] += not fetched and delay > within
    notes["cache or dram contended"] += fetched == size and delay > within + latency


def _note_flight(notes: Counter[str], model: TransferModel, flight: Flight, parts: Parts) -> None:
    kind = type(flight.step.instruction).__name__.lower()
    if not flight.size:
        notes[f"empty {kind}"] += 1
        return
    blocks = sum(map(len, flight.targets.values()))
    if blocks > 1:
        notes[f"multicast {kind}"] += 1
        notes["multicast to several blocks of a core"] += blocks > len(flight.targets)
        for route in _trees(model, flight, parts):
            notes["fork at the source"] += bool(route.forks and not route.hops)
            notes["fork on the way"] += bool(route.forks and route.hops)
            notes["fork at a target"] += _forks_at_target(route)
    if kind == "send" and flight.core in flight.targets:
        notes["send to the own core"] += 1
    if len(parts) > 1:
        notes["transfer over several ports"] += 1


def _trees(model: TransferModel, flight: Flight, parts: Parts) -> Iterator[Route]:
    """The trees that a multicast takes over the network."""
    role, own = flight.step.source_role, f"core{flight.core}"
    nodes = [f"core{core}" for core in sorted(flight.targets)]
    if parts:
        sources = {model.memory_node(role, part.port) for part in parts}
        yield from (model.hardware.route(source, tuple(nodes)) for source in sources)
    elif nodes != [own]:
        yield model.hardware.route(own, tuple(node for node in nodes if node != own))


def _forks_at_target(route: Route) -> bool:
    return any((fork.leaf and not fork.hops) or _forks_at_target(fork) for fork in route.forks)


def noted(*names: str) -> Callable[[Seen], bool]:
    """Whether one of these has happened."""
    return lambda seen: any(seen.notes[name] for name in names)


def some(test: Callable[[Instruction, tuple[Loop, ...]], Any]) -> Callable[[Seen], bool]:
    """Whether an instruction passes a test."""
    return lambda seen: any(test(i, loops) for i, loops, _ in seen.instructions)


def kernels(test: Callable[[Kernel], Any]) -> Callable[[Seen], bool]:
    """Whether a kernel passes a test."""
    return lambda seen: any(map(test, seen.program.kernels))


def _begins_before(region: Region) -> bool:
    return any(start.const < 0 for start in region.starts)


def _count_texts(loops: tuple[Loop, ...]) -> str:
    return " ".join(str(loop.count) for loop in loops)


def _coordinates(i: Instruction) -> str:
    match i:
        case Load(src=region) | Gather(src=region) | Store(dst=region):
            return " ".join(map(str, region.starts))
    return ""


def _long(i: Instruction, loops: tuple[Loop, ...]) -> bool:
    return any(loop.count.is_constant and loop.count.const >= LONG for loop in loops)


def _per_core_only(seen: Seen, kernel: Kernel) -> bool:
    moves = [i for i, _, k in seen.instructions if k is kernel and isinstance(i, (Load, Gather, Store))]
    sends = any(isinstance(i, Send) for i, _, k in seen.instructions if k is kernel)
    return bool(moves) and not sends and all(seen.role(i) in PER_CORE_ROLES for i in moves)


def _nested_apart(kernel: Kernel) -> bool:
    """Whether the queue that fills a ring nests its loops another way than one that reads it."""
    for group in kernel.groups:
        nests: dict[str, set[tuple[str, ...]]] = {}
        for queue in group.queues:
            for i, loops in walk(queue.body):
                rings = [t.ring for t in tiles_read(i)]
                rings += [i.dst.ring] if isinstance(i, (Load, Copy)) and not i.dst.blocks else []
                for ring in rings:
                    nests.setdefault(ring, set()).add(tuple(str(loop.count) for loop in loops))
        if any(len(found) > 1 for found in nests.values()):
            return True
    return False


def _waves(seen: Seen) -> bool:
    assert seen.result is not None
    cores = {k.kernel.name: k.cores * k.kernel.occupancy for k in seen.result.plan.kernels}
    return any(kernel.block_count > cores[kernel.name] for kernel in seen.program.kernels)


def _several_resident(seen: Seen) -> bool:
    assert seen.result is not None
    return any(k.kernel.block_count > k.cores and k.kernel.occupancy > 1 for k in seen.result.plan.kernels)


def _partitions(seen: Seen) -> int:
    return seen.case.chip.cache.partitions if seen.case.chip.cache else 1


def _twin_kernels(seen: Seen) -> bool:
    keys = Counter(key(seen.program, kernel) for kernel in seen.program.kernels)
    return max(keys.values(), default=0) > 1


def _counted(kind: str) -> Callable[[Seen], bool]:
    """Whether memories did something of a kind."""
    column = COUNTED.index(kind)
    return lambda seen: (
        seen.result is not None
        and any(counts[column] for k in seen.result.run.kernels for counts in k.tally.by_tensor.values())
    )


def _stalled(text: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.result is not None and any(text in why for _, why in seen.result.run.stalls)


FEATURES: dict[str, Callable[[Seen], bool]] = {
    # the program
    **{
        f"depth {n}": kernels(lambda k, n=n: any(r.depth == n for g in k.groups for r in g.rings)) for n in (1, 2, 3, 4)
    },
    "strided load": some(lambda i, _: isinstance(i, Load) and max(i.src.steps) > 1),
    "strided store": some(lambda i, _: isinstance(i, Store) and max(i.dst.steps) > 1),
    "transposed load": some(lambda i, _: isinstance(i, Load) and i.transpose),
    "transposed store": some(lambda i, _: isinstance(i, Store) and i.transpose),
    "clipped load": some(lambda i, _: isinstance(i, Load) and i.src.clip),
    "clipped store": some(lambda i, _: isinstance(i, Store) and i.dst.clip),
    "load that begins before the tensor": some(lambda i, _: isinstance(i, Load) and _begins_before(i.src)),
    "store that begins before the tensor": some(lambda i, _: isinstance(i, Store) and _begins_before(i.dst)),
    "copy": some(lambda i, _: isinstance(i, Copy)),
    "uniform gather": some(lambda i, _: isinstance(i, Gather) and i.distribution == "uniform"),
    "sequential gather": some(lambda i, _: isinstance(i, Gather) and i.distribution == "sequential"),
    "gather in a long loop": some(lambda i, loops: isinstance(i, Gather) and _long(i, loops)),
    "gather from a core's own memory": lambda s: any(
        isinstance(i, Gather) and s.role(i) in PER_CORE_ROLES for i, *_ in s.instructions
    ),
    **{
        f"{what} {role}": lambda s, kind=kind, role=role: any(
            isinstance(i, kind) and s.role(i) == role for i, *_ in s.instructions
        )
        for what, kind in (("load from", Load), ("store to", Store))
        for role in ("dram", "shared", "sram", "reg")
    },
    "exchange in a cluster": lambda s: any(
        isinstance(i, Send) and not i.dst.group and not k.cooperative for i, _, k in s.instructions
    ),
    "send between groups": some(lambda i, _: isinstance(i, Send) and i.dst.group),
    "slots ahead": some(lambda i, _: any(tile.ahead for tile in tiles_read(i))),
    "accumulating mma": some(lambda i, _: isinstance(i, Mma) and i.accumulate),
    "fresh mma": some(lambda i, _: isinstance(i, Mma) and not i.accumulate),
    "three nested loops": some(lambda i, loops: len(loops) >= 3),
    "count by an outer counter": some(lambda i, loops: any(a.var in b.count.variables() for a in loops for b in loops)),
    **{
        f"count with {op}": some(lambda i, loops, op=op: op in _count_texts(loops))
        for op in ("min(", "max(", "//", "%")
    },
    **{f"coordinate with {op}": some(lambda i, _, op=op: op in _coordinates(i)) for op in ("min(", "max(", "//", "%")},
    "zero trips": some(lambda i, loops: any(x.count.is_constant and not x.count.const for x in loops)),
    "long loop": some(_long),
    "long loop, contended": lambda s: some(_long)(s) and noted("link contended", "dram contended")(s),
    "long loop of several blocks": lambda s: any(
        _long(i, loops) and k.block_count > 1 for i, loops, k in s.instructions
    ),
    "a stream nested in two ways": kernels(_nested_apart),
    "several kernels": lambda s: len(s.program.kernels) > 1,
    "layers": _twin_kernels,
    "kernel of per-core tensors alone": lambda s: any(_per_core_only(s, k) for k in s.program.kernels),
    "several groups": kernels(lambda k: len(k.groups) > 1 and not k.cooperative),
    "cooperative": kernels(lambda k: k.cooperative),
    "cluster": kernels(lambda k: any(g.cluster_size > 1 for g in k.groups)),
    "waves": _waves,
    "several blocks on a core at once": _several_resident,
    "one block": kernels(lambda k: k.block_count == 1),
    # the chip
    **{
        f"{name} network": lambda s, name=name: s.case.chip.network.topology == name
        for name in ("mesh", "torus", "ring", "crossbar", "tree", "graph")
    },
    "links with their own energy": lambda s: bool(s.case.chip.network.links),
    "preset": lambda s: s.case.chip.name != "drawn",
    "no latency anywhere": lambda s: not (s.case.chip.launch.value or s.case.chip.dram.latency.value),
    "issue takes no time": lambda s: s.case.chip.core.dma.issue.value == 0,
    "no port of sram": lambda s: s.case.chip.core.sram.bandwidth is None,
    "no port of reg": lambda s: s.case.chip.core.reg.bandwidth is None,
    "no port at all": lambda s: s.case.chip.core.reg.bandwidth is s.case.chip.core.sram.bandwidth is None,
    "odd channels": lambda s: s.case.chip.dram.channels % 2 == 1 and s.case.chip.dram.channels > 1,
    "three ports": lambda s: len(s.case.chip.memory_nodes("dram")) == 3,
    "idle cores": lambda s: (s.program.cores or 99) < s.case.chip.core_count,
    "clock of the DRAM": lambda s: s.case.chip.dram.clock is not None,
    "cache": lambda s: s.case.chip.cache is not None,
    "partitions": lambda s: _partitions(s) > 1,
    "no latency between partitions": lambda s: _partitions(s) > 1 and not s.case.chip.cache.partition_latency.value,
    "rate between partitions": lambda s: _partitions(s) > 1 and s.case.chip.cache.partition_bandwidth is not None,
    "part of DRAM": lambda s: s.case.chip.dram.part is not None,
    "part of DRAM behind a cache": lambda s: s.case.chip.dram.part is not None and s.case.chip.cache is not None,
    "part of DRAM in a linear map": lambda s: (
        s.case.chip.dram.part is not None and s.case.chip.dram.channel_map == "linear"
    ),
    "part of DRAM in a hashed map": lambda s: (
        s.case.chip.dram.part is not None and s.case.chip.dram.channel_map == "hashed"
    ),
    # what happened
    **{
        f"{kind} contended": noted(f"{kind} contended")
        for kind in ("link", "dma", "matrix", "vector", "sram", "reg", "dram", "shared", "cache or dram")
    },
    "empty load": noted("empty load"),
    "empty store": noted("empty store"),
    "multicast load": noted("multicast load"),
    "multicast send": noted("multicast send"),
    **{
        name: noted(name)
        for name in (
            "multicast to several blocks of a core",
            "fork at the source",
            "fork on the way",
            "fork at a target",
            "send to the own core",
            "transfer over several ports",
            "segment larger than the cache",
            "cache contended, or fill awaited",
            "cache hit",
            "cache miss",
        )
    },
    "dirty lines evicted": _counted("written back"),
    "writes that went through": _counted("written through"),
    "rows opened": _counted("rows opened"),
    "bursts read beyond what was asked": _counted("read beyond"),
    "bursts written beyond what was asked": _counted("written beyond"),
    "bytes between partitions": _counted("between partitions"),
    "dirty at the end": lambda s: s.result is not None and bool(s.result.run.final_write_back),
    "limit in flight": _stalled("limit in flight"),
    "waited for space": _stalled("waiting for space"),
    "waited for a result": _stalled("waiting for the result"),
    "waited for reads": _stalled("waiting for reads"),
    "waited for a port": _stalled("memory port"),
}
