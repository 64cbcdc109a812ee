"""A tile ring while it runs: slots, tokens, and who waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import simpy

from memsim.isa.model import Ring

Wait: TypeAlias = "tuple[str, RingState | None, int]"


@dataclass(slots=True)
class Slot:
    """One tile of a ring, from its opening to its release."""

    number: int
    pushed: bool = False
    arriving: int = 0
    """Transfers that still fill it."""
    reading: int = 0
    """Transfers that still read it."""
    ready_at: int = 0
    """Tick from which its contents may be read."""
    by_mma: bool = False
    """Whether the last write was a matrix product, onto which another may accumulate without waiting."""
    pops: int = 0


class RingState:
    """One block's ring; ``writer`` is the queue whose compute instructions write it (-1: transfers do)."""

    def __init__(self, ring: Ring, writer: int, consumers: tuple[int, ...], env: simpy.Environment) -> None:
        self.ring, self.writer, self.env = ring, writer, env
        self.slots: dict[int, Slot] = {}
        self.opened = self.pushed = self.released = 0
        self.open: Slot | None = None
        self.popped = dict.fromkeys(consumers, 0)
        self._watch: simpy.Event | None = None

    # Waiting -------------------------------------------------------------------------------------------------

    def changed(self) -> simpy.Event:
        """An event that fires at the next change of this ring."""
        if self._watch is None:
            self._watch = self.env.event()
        return self._watch

    def announce(self) -> None:
        """Tell those who wait that something has changed."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.succeed()

    # Conditions: None, or why an instruction must wait ---------------------------------------------------------

    def wait_to_open(self) -> Wait | None:
        """Whether the back slot is free."""
        if self.opened - self.released < self.ring.depth:
            return None
        return f"waiting for space in {self.ring.name}", self, -1

    def wait_to_write(self, now: int, accumulate: bool) -> Wait | None:
        """Whether the open slot may be written (or the back slot opened)."""
        slot = self.open
        if slot is None:
            return self.wait_to_open()
        if slot.reading:
            return f"waiting for reads of {self.ring.name} to end", self, -1
        if slot.ready_at > now and not (accumulate and slot.by_mma):
            return f"waiting for the result in {self.ring.name}", None, slot.ready_at
        return None

    def wait_to_read(self, queue: int, ahead: int, now: int) -> Wait | None:
        """Whether the tile that ``queue`` names has arrived."""
        writing = self.open is not None and queue == self.writer
        slot = self.open if writing else self._resident(queue, ahead)
        if slot is None or not (slot.pushed or writing) or slot.arriving:
            return f"waiting for data in {self.ring.name}", self, -1
        if slot.ready_at > now:
            return f"waiting for the result in {self.ring.name}", None, slot.ready_at
        return None

    def wait_to_pop(self, queue: int) -> Wait | None:
        """Whether there is a pushed slot for ``queue`` to pop."""
        if self.popped[queue] < self.pushed:
            return None
        return f"waiting for data in {self.ring.name}", self, -1

    # Changes -------------------------------------------------------------------------------------------------

    def slot(self, queue: int, ahead: int) -> Slot:
        """The slot that ``queue`` reads: call when `wait_to_read` says that it is there."""
        if self.open is not None and queue == self.writer:
            return self.open
        slot = self._resident(queue, ahead)
        assert slot is not None
        return slot

    def open_back(self) -> Slot:
        """Open the back slot."""
        self.open = self.slots[self.opened] = Slot(self.opened)
        self.opened += 1
        return self.open

    def push(self) -> None:
        """Hand the open slot on."""
        assert self.open is not None
        self.open.pushed = True
        self.open = None
        self.pushed += 1
        self.announce()

    def pop(self, queue: int) -> None:
        """Give the front slot of ``queue`` back."""
        self.slots[self.popped[queue]].pops += 1
        self.popped[queue] += 1
        self.release()

    def release(self) -> None:
        """Free, in order, the slots that have arrived, that every consumer has popped and that nobody reads."""
        while (slot := self.slots.get(self.released)) is not None:
            if not slot.pushed or slot.arriving or slot.pops < len(self.popped) or slot.reading:
                break
            del self.slots[self.released]
            self.released += 1
        self.announce()

    def _resident(self, queue: int, ahead: int) -> Slot | None:
        return self.slots.get(self.popped.get(queue, self.released) + ahead)
