"""Reads a trace of commands and tells each rule of the standards that it breaks; knows nothing of the model.

Times of a command of several cycles are those of its last cycle, from which the standards count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.dram import DramPart, Run
from memsim.dram.state import COMMANDS

ROW_COMMANDS = {"ACT", "PRE", "PREALL", "REF", "ACT2"}


@dataclass(frozen=True)
class Command:
    start: int
    name: str
    bank: int
    row: int


def commands(run: Run) -> list[Command]:
    return [Command(int(at), COMMANDS[number], int(bank), int(row)) for at, number, bank, row in run.trace]


class Checker:
    """Walks over a trace once; `broken` yields a sentence for each rule that is broken."""

    def __init__(self, part: DramPart) -> None:
        self.part, self.t = part, part.timing
        self.ticks = 2 if part.half_clocks else 1
        self.of_stack = part.bank_groups * part.banks
        ranks = part.pseudo_channels * (part.stacks if part.ranks_apart else 1)
        self.of_rank = part.bank_count // ranks
        self.open: dict[int, int] = {}
        self.closed_at: dict[int, int] = {}

    def broken(self, trace: list[Command]) -> Iterator[str]:
        t, first, refreshes = self.t, 0, dict[int, Command]()
        horizon = self.ticks * (max(t.faw, t.rc, t.cwl + t.bl + t.wr + t.rp) + 8)  # beyond it, only a refresh matters
        for i, command in enumerate(trace):
            while trace[first].start < command.start - horizon:
                first += 1
            past = [*refreshes.values(), *trace[first:i]]
            if command.name == "REF":
                refreshes[command.bank] = command
            yield from self.state(command)
            yield from self.buses(command, past)
            yield from self.distances(command, past)
            yield from self.window(command, past)

    # What a command does ------------------------------------------------------------------------------------------

    def state(self, c: Command) -> Iterator[str]:
        if c.name == "ACT":
            if c.bank in self.open:
                yield f"{c}: the bank is open"
            self.open[c.bank] = c.row
        elif c.name in {"RD", "WR", "RDA", "WRA"}:
            if self.open.get(c.bank) != c.row:
                yield f"{c}: the row is not open"
            if c.name.endswith("A"):
                self.open.pop(c.bank, None)
        elif c.name == "PRE":
            if self.open.pop(c.bank, None) is None:
                yield f"{c}: nothing to close"
        elif c.name in {"PREALL", "REF"}:
            inside = [bank for bank in self.open if bank // self.of_rank == c.bank]
            if c.name == "REF" and inside:
                yield f"{c}: rows are open"
            for bank in inside:
                del self.open[bank]

    # How long it takes of its bus ---------------------------------------------------------------------------------

    def cycles(self, name: str) -> int:
        of = {"ACT": self.part.act_cycles, "SYNC": 1, "ACT2": 1}
        if name in {"RD", "WR", "RDA", "WRA"}:
            return int(self.part.column_cycles * self.ticks)
        return int(of.get(name, self.part.row_cycles) * self.ticks)

    def end(self, c: Command) -> int:
        return c.start + self.cycles(c.name) - 1

    def buses(self, c: Command, past: list[Command]) -> Iterator[str]:
        for p in past[-8:]:
            one_bus = not self.part.split_buses or (p.name in ROW_COMMANDS) == (c.name in ROW_COMMANDS)
            if one_bus and p.start + self.cycles(p.name) > c.start:
                yield f"{c} while {p} holds the bus"
        if self.ticks == 2 and c.start % 2 and c.name not in {"PRE", "PREALL"}:
            yield f"{c} on half a clock"
        if c.name[:2] in {"RD", "WR"}:
            begins, ends = self.data(c)
            for p in past:
                if p.name[:2] in {"RD", "WR"} and p.bank // self.of_stack // self.part.stacks == (
                    c.bank // self.of_stack // self.part.stacks
                ):
                    other_begins, other_ends = self.data(p)
                    if begins < other_ends and other_begins < ends:
                        yield f"{c} and {p} drive the data pins at once"

    def data(self, c: Command) -> tuple[int, int]:
        latency = self.t.cl if c.name.startswith("RD") else self.t.cwl
        return c.start + latency * self.ticks, c.start + (latency + self.t.bl) * self.ticks

    # Distances ----------------------------------------------------------------------------------------------------

    def distances(self, c: Command, past: list[Command]) -> Iterator[str]:
        for p in past:
            for rule, clocks in self.rules(p, c):
                if self.end(c) - self.end(p) < clocks * self.ticks:
                    yield f"{p} to {c}: {rule} asks for {clocks} clocks"

    def rules(self, p: Command, c: Command) -> Iterator[tuple[str, int]]:
        t, whole = self.t, {"PREALL", "REF"}
        before, after = p.name, c.name
        rank_p = p.bank if before in whole else p.bank // self.of_rank
        rank_c = c.bank if after in whole else c.bank // self.of_rank
        if rank_p != rank_c:
            return
        bank = before in whole or after in whole or p.bank == c.bank
        columns = {"RD", "WR", "RDA", "WRA"}
        if before in columns and after in columns:
            yield from self.between_columns(p, c)
        if before == "ACT" and after == "ACT":
            yield "tRRD_S", t.rrd_s
            if p.bank // self.part.banks == c.bank // self.part.banks:
                yield "tRRD_L", t.rrd_l
        if before in {"PRE", "PREALL"} and after in {"PRE", "PREALL"}:
            yield "tPPD", t.ppd
        if before == "REF" and after in {"ACT", "REF"}:
            yield "tRFC", t.rfc
        if before in {"PRE", "PREALL"} and after == "REF":
            yield "tRP", t.rp
        if not bank:
            return
        if before == "ACT":
            to = {"ACT": ("tRC", t.rc), "PRE": ("tRAS", t.ras), "PREALL": ("tRAS", t.ras), "REF": ("tRC", t.rc)}
            to |= dict.fromkeys(("RD", "RDA"), ("tRCD", t.rcd_rd)) | dict.fromkeys(("WR", "WRA"), ("tRCD", t.rcd_wr))
            if after in to:
                yield to[after]
        if before in {"PRE", "PREALL"} and after == "ACT":
            yield "tRP", t.rp if before == "PRE" else t.rp_all
        if before[:2] == "RD" and after in {"PRE", "PREALL"}:
            yield "tRTP", t.rtp
        if before[:2] == "WR" and after in {"PRE", "PREALL"}:
            yield "tWR", t.cwl + t.bl + t.wr
        if before.endswith("A") and after in {"ACT", "REF"}:
            yield "tRP after its own precharge", t.rp + (t.rtp if before == "RDA" else t.cwl + t.bl + t.wr)

    def between_columns(self, p: Command, c: Command) -> Iterator[tuple[str, int]]:
        t, banks = self.t, self.part.banks
        group = p.bank // banks == c.bank // banks
        stack = p.bank // self.of_stack == c.bank // self.of_stack
        if p.name[:2] == c.name[:2]:
            yield ("tCCD_S", t.ccd_s) if stack else ("tCCD_R", t.ccd_r)
            if group:
                yield "tCCD_L", t.ccd_l if p.name.startswith("RD") else t.ccd_l_wr
        elif p.name.startswith("WR"):
            yield "tWTR_S", t.cwl + t.bl + t.wtr_s
            if group:
                yield "tWTR_L", t.cwl + t.bl + t.wtr_l
        else:
            yield "tRTW", t.rtw

    def window(self, c: Command, past: list[Command]) -> Iterator[str]:
        if c.name == "ACT":
            rank = c.bank // self.of_rank
            acts = [p for p in past if p.name == "ACT" and p.bank // self.of_rank == rank]
            if len(acts) >= 4 and c.start - acts[-4].start < self.t.faw * self.ticks:
                yield f"{c}: the fifth activate within tFAW of {acts[-4]}"
        if c.name == "ACT2":
            first = next(p for p in reversed(past) if p.name == "ACT" and p.bank == c.bank)
            if c.start - first.start > self.part.split_activate * self.ticks:
                yield f"{c} is late for {first}"
