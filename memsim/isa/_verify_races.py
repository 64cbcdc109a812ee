"""Rule on races: in a kernel no tensor element is written twice, nor both written and read.

So the values of a program do not depend on the order in which its blocks and queues run. For each tensor,
`_race_proofs` shows from the starts of the regions that accesses never meet; what it leaves open is listed
(`_race_cells`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from memsim.errors import ProgramError
from memsim.isa._race_cells import Cores, Meeting, find_meeting
from memsim.isa._race_proofs import Access, access_of, never_meet, writes_once
from memsim.isa._verify_regions import iteration_text
from memsim.isa.analyze import usable_cores
from memsim.isa.counting import MAX_POINTS
from memsim.isa.model import PER_CORE_ROLES, Gather, Kernel, Load, Program, Store, Tensor
from memsim.isa.sites import Site, describe


def check_races(program: Program, sites: Iterable[Site]) -> None:
    """Raise unless every element of every tensor is written at most once in a kernel, and not read there if it is."""
    accesses: dict[tuple[str, str], list[Access]] = {}
    for site in sites:
        access = None
        match site.instruction:
            case Store(dst=region):
                access = access_of(site, region, True)
            case Load(src=region) | Gather(src=region):
                access = access_of(site, region, False)
        if access is not None:
            accesses.setdefault((site.kernel.name, access.region.tensor), []).append(access)
    for (_, name), group in accesses.items():
        if any(access.writes for access in group):
            kernel, tensor = group[0].site.kernel, program.tensor(name)
            _check_tensor(tensor, group, _cores(program, kernel, tensor))


def _cores(program: Program, kernel: Kernel, tensor: Tensor) -> Cores | None:
    """How the blocks of a kernel share the copies of a tensor; ``None`` where there is one copy."""
    if tensor.role not in PER_CORE_ROLES or program.cores is None:
        return None
    first, firsts = 0, {}
    for group in kernel.groups:
        firsts[group.name] = first
        first += group.block_count
    return Cores(usable_cores(kernel, program.cores), firsts)


def _check_tensor(tensor: Tensor, accesses: Sequence[Access], cores: Cores | None) -> None:
    for suspects in _suspects(accesses, cores):
        meeting, complete = find_meeting(tensor, suspects, cores)
        if meeting is not None:
            raise _race(tensor, meeting)
        if not complete:
            raise _undecided(tensor, suspects)


def _suspects(accesses: Sequence[Access], cores: Cores | None) -> list[list[Access]]:
    """Accesses, alone or in pairs, that no proof keeps apart."""
    kernel = accesses[0].site.kernel
    alone = cores is not None and kernel.block_count <= cores.count  # at most one block on each core
    suspects = []
    for access in accesses:
        fixed = [name for name, _ in access.site.group.grid] if alone else []
        if access.writes and not writes_once(access, fixed):
            suspects.append([access])
    for a, b in combinations(accesses, 2):
        if not a.writes and not b.writes:
            continue
        if alone and a.site.group is not b.site.group:
            continue
        fixed = [name for name, _ in a.site.group.grid] if alone else []
        if not never_meet(a, b, fixed):
            suspects.append([a, b])
    return suspects


def _race(tensor: Tensor, meeting: Meeting) -> ProgramError:
    first, second = meeting.first.site, meeting.second.site
    element = f"{tensor.name}[{', '.join(map(str, meeting.element))}]"
    here = f"in {iteration_text(second.group, meeting.second_at)}"
    there = f"in {iteration_text(first.group, meeting.first_at)}"
    if first.path == second.path and first.group is second.group:
        cause = f"race on {element}: written here both {there} and {here}"
    else:
        verb = "written" if meeting.second.writes else "read"
        cause = f"race on {element}: {verb} {here}, written by `{describe(first.instruction)}` ({first.where}) {there}"
    return second.error(
        cause,
        "within a kernel write each element once and read none that is written: use another tensor, or a second kernel",
    )


def _undecided(tensor: Tensor, suspects: Sequence[Access]) -> ProgramError:
    site = suspects[-1].site
    pair = f"`{describe(suspects[0].site.instruction)}` and " if len(suspects) > 1 else ""
    return site.error(
        f"cannot prove that {pair}`{describe(site.instruction)}` never meet in an element of {tensor.name}: "
        f"their starts are no mixed-radix numbers, and they touch more than {MAX_POINTS:,} elements",
        "give each counter and block coordinate its own range of elements, for example `start = y*128 + k*16`",
    )
