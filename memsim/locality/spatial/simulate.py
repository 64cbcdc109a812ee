"""A parallel program with contention: makespan, where the cycles went, and what no run can beat."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from memsim.errors import GIVE_A_CHIP, MemsimError, ProgramError, check_kind
from memsim.locality.spatial import bounds, fast
from memsim.locality.spatial.accesses import accesses_of, energy_fj, tile_numbers
from memsim.locality.spatial.machine import PRESET, Machine, machine_of
from memsim.locality.spatial.order import order_of
from memsim.locality.spatial.program import SpatialProgram
from memsim.locality.spatial.result import SpatialResult
from memsim.locality.spatial.score import plain

if TYPE_CHECKING:
    from memsim.hierarchy import Chip

ENGINES = ("fast", "simpy")
"""The compiled engine, and the readable one; they agree on every cycle."""


def simulate(program: SpatialProgram, chip: Chip | Machine | None = None, engine: str = "fast") -> SpatialResult:
    """Run a program with all its cores at the same time.

    Parameters
    ----------
    program
        Instructions of version 0 to 4, each with its core.
    chip
        A mesh that `machine_of` can read, or a `Machine`; the preset ``sutro_spatial`` unless given.
    engine
        One of `ENGINES`.

    Raises
    ------
    ProgramError
        If the program does not fit the machine, reads what was never written, or is empty.
    ChipError
        If the chip is no spatial computer.
    """
    check_kind(program, SpatialProgram, "program", "give what `memsim.locality.spatial.parse` returns")
    if engine not in ENGINES:
        raise MemsimError(f"there is no engine {engine!r}", where="engine", mend=f"choose one of {', '.join(ENGINES)}")
    if not len(program):
        raise ProgramError("the program has no instruction", mend="give it one")
    machine = _machine(chip)
    accesses = accesses_of(program, machine)
    tiles = tile_numbers(program, machine)
    order = order_of(tiles, program.operands, len(program.cells))
    if engine == "simpy":
        from memsim.locality.spatial import simpy_engine

        raw = simpy_engine.run(accesses, order, machine)
    else:
        raw = fast.run(accesses, order, machine)
    return SpatialResult(
        machine=machine,
        engine=engine,
        energy_fj=plain(energy_fj(program, accesses, machine)),
        serial_cycles=int(accesses.cycles.sum()),
        critical_path=bounds.critical_path(accesses, order),
        accesses=len(accesses.kinds),
        tiles=order.tiles,
        starts=raw.starts,
        ends=raw.ends,
        stalls=raw.stalls,
        busy=bounds.busy(accesses, order),
        links=raw.link_words.reshape(4, machine.rows, machine.columns),
        scratchpads=raw.scratchpad_words.reshape(machine.rows, machine.columns),
        ports=raw.port_words,
    )


def _machine(chip: Chip | Machine | None) -> Machine:
    """What to run on."""
    if isinstance(chip, Machine):
        return chip
    if chip is None:
        return _preset()
    from memsim.hierarchy import Chip

    check_kind(chip, Chip, "chip", GIVE_A_CHIP)
    return machine_of(chip)


@lru_cache(maxsize=1)
def _preset() -> Machine:
    from memsim.hierarchy import Chip

    return machine_of(Chip.preset(PRESET))
