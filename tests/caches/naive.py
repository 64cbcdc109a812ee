"""A cache of lists and dictionaries, written to be read: what the compiled model must agree with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from memsim.caches import CacheSpec


def digit_sum(number: int, base: int) -> int:
    total = 0
    while base > 1 and number:
        number, digit = divmod(number, base)
        total += digit
    return total % base


@dataclass
class Line:
    number: int
    valid: set[int] = field(default_factory=set)
    dirty: set[int] = field(default_factory=set)


class NaiveCache:
    """LRU only. A set is a list of lines, the next to leave first."""

    def __init__(self, spec: CacheSpec) -> None:
        self.spec = spec
        self.sets: dict[tuple[int, int], list[Line]] = {}
        self.count: Counter[str] = Counter()

    def access(self, address: int, size: int, write: bool, hint: str) -> None:
        spec = self.spec
        for number in range(address // spec.line, (address + size - 1) // spec.line + 1):
            first = max(address, number * spec.line) % spec.line
            last = min(address + size, (number + 1) * spec.line) - number * spec.line
            self.count["accesses"] += 1
            self.count["bytes_written" if write else "bytes_read"] += last - first
            (self.write if write else self.read)(number, first, last, hint)

    def set_of(self, number: int) -> list[Line]:
        within = number // self.spec.slices
        index = digit_sum(within, self.spec.sets) if self.spec.hashed_sets else within % self.spec.sets
        return self.sets.setdefault((digit_sum(number, self.spec.slices), index), [])

    def fetch(self, line: Line | None, sectors: set[int]) -> None:
        self.count["sectors_fetched"] += len(sectors)
        self.count["bytes_fetched"] += len(sectors) * self.spec.sector
        if line is not None:
            line.valid |= sectors

    def new(self, number: int, hint: str) -> Line:
        lines, line = self.set_of(number), Line(number)
        if len(lines) == self.spec.ways:
            self.leave(lines.pop(0))
            self.count["evictions"] += 1
        lines.insert(0 if hint == "stream" else len(lines), line)
        return line

    def leave(self, line: Line) -> None:
        self.count["bytes_written_back"] += len(line.dirty) * self.spec.sector

    def find(self, number: int, hint: str) -> Line | None:
        lines = self.set_of(number)
        for line in lines:
            if line.number == number:
                if hint != "stream":
                    lines.remove(line)
                    lines.append(line)
                return line
        return None

    def read(self, number: int, first: int, last: int, hint: str) -> None:
        wanted = {byte // self.spec.sector for byte in range(first, last)}
        line = self.find(number, hint)
        if line is None:
            self.count["line_misses"] += 1
            self.count["bypassed"] += hint == "bypass"
            self.fetch(None if hint == "bypass" else self.new(number, hint), wanted)
        elif wanted <= line.valid:
            self.count["hits"] += 1
        else:
            self.count["sector_misses"] += 1
            self.fetch(line, wanted - line.valid)

    def write(self, number: int, first: int, last: int, hint: str) -> None:
        sector = self.spec.sector
        wanted = {byte // sector for byte in range(first, last)}
        whole = {s for s in wanted if first <= s * sector and (s + 1) * sector <= last}
        line = self.find(number, hint)
        missed = line is None
        if line is None:
            if hint == "bypass" or not self.spec.write_allocate:
                self.count.update(write_misses=1, bypassed=1, bytes_handed_on=last - first)
                return
            line = self.new(number, hint)
        partly = wanted - whole - line.valid
        self.count["write_misses" if missed or partly else "hits"] += 1
        self.fetch(line, partly)
        line.valid |= wanted
        if self.spec.write_back:
            line.dirty |= wanted
        else:
            self.count["bytes_handed_on"] += last - first

    def flush(self) -> None:
        for lines in self.sets.values():
            for line in lines:
                self.leave(line)
        self.sets.clear()
