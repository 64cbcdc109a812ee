"""Rules on who fills and empties a ring, as far as the text alone decides them; `tokens` decides the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from memsim.isa.model import Pop, Push, ring_written, transfer_target
from memsim.isa.sites import Site, describe, reads_of


@dataclass(slots=True)
class _Use:
    """Every instruction that touches one ring, wherever it stands."""

    transfers: list[Site] = field(default_factory=list)
    writes: list[Site] = field(default_factory=list)
    pushes: list[Site] = field(default_factory=list)
    pops: list[Site] = field(default_factory=list)
    reads: list[Site] = field(default_factory=list)


def check_roles(sites: Iterable[Site]) -> None:
    """Raise unless each ring is filled in one way, by one queue of its block, and emptied by those that read it."""
    for (_, _, ring), use in _uses(sites).items():
        _check_one_style(ring, use)
        _check_one_writer(ring, use)
        _check_produced(ring, use)
        _check_consumed(ring, use)


def _uses(sites: Iterable[Site]) -> dict[tuple[str, str, str], _Use]:
    """Uses of each ring, by kernel, group and ring."""
    uses: dict[tuple[str, str, str], _Use] = {}
    for site in sites:
        kernel, group, instruction = site.kernel.name, site.group.name, site.instruction

        def use(ring: str, group: str = group, kernel: str = kernel) -> _Use:
            return uses.setdefault((kernel, group, ring), _Use())

        target, written = transfer_target(instruction), ring_written(instruction)
        if target is not None:
            use(target.ring, target.group or group).transfers.append(site)
        if written is not None:
            use(written).writes.append(site)
        for name in reads_of(instruction):
            use(name).reads.append(site)
        if isinstance(instruction, Push):
            use(instruction.ring).pushes.append(site)
        if isinstance(instruction, Pop):
            use(instruction.ring).pops.append(site)
    return uses


def _check_one_style(ring: str, use: _Use) -> None:
    if use.transfers and use.writes:
        raise use.writes[0].error(
            f"ring {ring} is also filled by `{describe(use.transfers[0].instruction)}` in {use.transfers[0].where}",
            "fill a ring either by transfers or by computing in it; use a second ring",
        )
    if use.transfers and use.pushes:
        raise use.pushes[0].error(
            f"ring {ring} is filled by `{describe(use.transfers[0].instruction)}`, which pushes by itself",
            "leave the push out",
        )


def _check_one_writer(ring: str, use: _Use) -> None:
    producing = use.writes + use.pushes
    for site in producing[1:]:
        if site.queue.name != producing[0].queue.name:
            raise site.error(
                f"ring {ring} has two producers: queue {site.queue.name} here, and queue {producing[0].queue.name} "
                f"in {producing[0].where}",
                "let one queue produce it; give the other a ring of its own",
            )


def _check_produced(ring: str, use: _Use) -> None:
    if not use.transfers and not use.writes:
        for site in use.reads + use.pops:
            raise site.error(f"nothing ever fills ring {ring}", f"load, send, copy or compute into {ring}")


def _check_consumed(ring: str, use: _Use) -> None:
    poppers = {site.queue.name for site in use.pops}
    filling = use.transfers or use.pushes
    if filling and not poppers:
        raise filling[0].error(
            f"ring {ring} is filled but no queue of its block ever pops it",
            f"write `pop {ring}` where its tile is no longer needed",
        )
    writers = {site.queue.name for site in use.writes}
    for site in use.reads:
        if site.queue.name not in poppers | writers:
            raise site.error(
                f"queue {site.queue.name} reads ring {ring} but never pops it",
                f"write `pop {ring}` in this queue after its last read",
            )
