"""Laws that hold for every program on every chip, tried on random ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memsim.engine.ledger import unit_energy_pj
from memsim.engine.result import Result
from memsim.hierarchy import Chip
from memsim.hierarchy.dram_parts import dram_part
from memsim.isa import Program, analyze
from memsim.isa.analyze import Execution
from memsim.isa.model import Copy, Gather, Group, Kernel, Load, Send, Store
from tests.chips import chips
from tests.engine.machines import Shuffled, run
from tests.strategies import programs

MOVES = ("load", "store", "copy", "send", "gather")
WRITE_BACKS = ("write_back", "final_write_back")


def amount(result: Result, **where: Container[object]) -> int:
    """Sum of the ledger's integers whose keys match."""
    return sum(n for key, n in result.energy.counts.items() if all(getattr(key, k) in v for k, v in where.items()))


def ledger_adds_up(program: Program, chip: Chip, result: Result) -> None:
    assert all(isinstance(n, int) and n >= 0 for n in result.energy.counts.values())
    dynamic = sum(n * unit_energy_pj(chip, key) for key, n in result.energy.counts.items()) * 1e-12
    total = dynamic + chip.static_power_w * result.time_s
    assert abs(result.energy_j - total) <= 1e-9 * total
    for column in ("part", "tensor", "operation", "level", "core"):
        assert abs(result.energy.by(column)["energy_j"].sum() - total) <= 1e-9 * total


def static_counts_are_those_of_analyze(program: Program, chip: Chip, result: Result) -> None:
    analysis = analyze(program)
    rows = result.executions.itertuples(index=False)
    simulated = {(r.kernel, r.group, r.queue, r.path): (r.count, r.bytes) for r in rows}
    assert simulated == {(e.kernel, e.group, e.queue, e.path): (e.count, e.bytes) for e in analysis.executions}
    assert result.macs == {dtype: n for dtype, n in analysis.macs.items() if n}
    assert result.executed_flops == analysis.flops
    elements: Counter[str] = Counter()
    for (kind, _), n in analysis.vector_elements.items():
        elements[kind] += n
    classes = ("simple", "special", "reduce")
    assert +elements == +Counter({kind: amount(result, part=("vector",), access=(kind,)) for kind in classes})


def memories_read_and_write_what_transfers_move(program: Program, chip: Chip, result: Result) -> None:
    read: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for e in analyze(program).executions:
        if not isinstance(e.instruction, (Load, Store, Copy, Send, Gather)):
            continue
        source, destination, targets = ends_of(program, e)
        read[source] += e.bytes
        written[destination] += e.bytes * targets
        if isinstance(e.instruction, Gather):
            ring = kernel_group(program, e)[1].ring(e.instruction.index.ring)
            read[ring.memory] += e.count * ring.tile_bytes
    for role in {*read, *written}:
        level = "cache" if role == "dram" and chip.cache else role
        by = range(chip.core_count)  # what memories do among themselves is no core's
        assert amount(result, part=(level,), operation=MOVES, access=("read",), core=by) == 8 * read[role]
        assert amount(result, part=(level,), operation=MOVES, access=("write",), core=by) == 8 * written[role]


def state_counts_are_within_their_bounds(program: Program, chip: Chip, result: Result) -> None:
    read = amount(result, part=("cache",), operation=("load", "gather"), access=("read",))
    filled = amount(result, part=("dram",), operation=("load", "gather"), access=("read",))
    written = amount(result, part=("cache",), operation=("store",), access=("write",))
    back = amount(result, part=("dram",), operation=WRITE_BACKS, access=("write",))
    if chip.cache is None:
        assert read == written == back == 0
        return
    assert filled <= read
    assert amount(result, part=("cache",), operation=("fill",)) == filled
    assert back <= written
    if not chip.cache.write_back:
        assert back == written


def partitions_copy_no_more_than_is_read(program: Program, chip: Chip, result: Result) -> None:
    read = amount(result, part=("cache",), operation=("load", "gather"), access=("read",))
    copied = [amount(result, part=("cache",), operation=("copy",), access=(access,)) for access in ("read", "write")]
    assert copied[0] == copied[1] <= read
    moved = amount(result, part=("wires",), operation=("copy",), core=(-1,))
    assert moved == copied[0]
    if chip.cache is None or chip.cache.partitions == 1:
        assert copied[0] == 0


def bursts_are_whole_and_rows_are_opened_for_them(program: Program, chip: Chip, result: Result) -> None:
    opened = amount(result, part=("rows",))
    beyond = amount(result, part=("dram",), operation=("beyond",))
    if chip.dram.part is None:
        assert opened == beyond == 0
        return
    moved = amount(result, part=("dram",)) - amount(result, part=("dram",), operation=("final_write_back",))
    burst = 8 * dram_part(chip.dram.part).burst_bytes
    assert moved % burst == 0
    assert opened <= moved // burst
    assert bool(opened) == bool(moved)


def time_is_no_less_than_any_bound(program: Program, chip: Chip, result: Result) -> None:
    assert (result.bounds["of_time"] <= 1).all(), result.bounds
    assert (result.parts["utilisation"] <= 1).all()
    assert 0 <= result.mbu <= 1


def links_hand_on_what_they_get(program: Program, chip: Chip, result: Result) -> None:
    into: Counter[str] = Counter()
    out: Counter[str] = Counter()
    for link in result.links.itertuples(index=False):
        out[link.src] += link.bytes
        into[link.dst] += link.bytes
    ends = ("core", "dram", "cache", "shared")
    multicast = any(ends_of(program, e)[2] > 1 for e in analyze(program).executions if e.bytes)
    for router in (node for node in {*into, *out} if not node.startswith(ends)):
        assert into[router] <= out[router] if multicast else into[router] == out[router]
    sent, received = (sum(n for node, n in side.items() if node.startswith(ends)) for side in (out, into))
    assert sent <= received if multicast else sent == received


def memories_move_no_more_than_their_bandwidth(program: Program, chip: Chip, result: Result) -> None:
    for role, memory in (("dram", chip.dram), ("shared", chip.shared)):
        if memory is not None:
            moved = amount(result, part=(role,), access=("read", "write"))
            moved -= amount(result, part=(role,), operation=("final_write_back",), access=("write",))
            assert moved <= 8 * result.ticks * chip.rate_per_tick(memory.bandwidth)


LAWS = (
    ledger_adds_up,
    static_counts_are_those_of_analyze,
    memories_read_and_write_what_transfers_move,
    state_counts_are_within_their_bounds,
    time_is_no_less_than_any_bound,
    memories_move_no_more_than_their_bandwidth,
    links_hand_on_what_they_get,
    partitions_copy_no_more_than_is_read,
    bursts_are_whole_and_rows_are_opened_for_them,
)


@given(programs(max_executions=800, shared=True), chips())
@settings(max_examples=100)
def test_every_run_obeys_the_laws(program: Program, chip: Chip) -> None:
    result = run(program, chip)
    for law in LAWS:
        law(program, chip, result)


@given(programs(max_executions=400, shared=True), chips(), st.integers(0, 1000))
def test_no_result_depends_on_the_order_of_events_within_a_tick(program: Program, chip: Chip, seed: int) -> None:
    first, second = run(program, chip), run(program, chip, Shuffled(seed))
    assert first.ticks == second.ticks
    assert first.energy.counts == second.energy.counts
    assert first.run.stalls == second.run.stalls
    assert _spans(first) == _spans(second)


def _spans(result: Result) -> list[Any]:
    assert result.trace is not None
    columns = ["kernel", "block", "queue", "op", "start_tick", "end_tick", "bytes"]
    return sorted(result.trace[columns].itertuples(index=False, name=None))


def kernel_group(program: Program, e: Execution) -> tuple[Kernel, Group]:
    """Kernel and group of an instruction."""
    kernel = next(k for k in program.kernels if k.name == e.kernel)
    return kernel, kernel.group(e.group)


def ends_of(program: Program, e: Execution) -> tuple[str, str, int]:
    """Source role, destination role and number of targets of a transfer."""
    i, (kernel, group) = e.instruction, kernel_group(program, e)
    if isinstance(i, Store):
        return group.ring(i.src.ring).memory, program.tensor(i.dst.tensor).role, 1
    assert isinstance(i, (Load, Gather, Copy, Send))
    owner = kernel.group(i.dst.group) if i.dst.group else group
    targets = 1
    for _, count in i.dst.blocks or ():
        targets *= count
    source = program.tensor(i.src.tensor).role if isinstance(i, (Load, Gather)) else group.ring(i.src.ring).memory
    return source, owner.ring(i.dst.ring).memory, targets
