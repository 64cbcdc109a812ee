"""Phase 3 of a tick: hardware is granted to all requests of the tick together, oldest key first."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeAlias

import simpy
from simpy.events import NORMAL, EventPriority

RequestKey: TypeAlias = tuple[int, ...]
"""(kernel, block, queue, sequence, part …): the order in which requests of one tick are served."""
Serve: TypeAlias = Callable[[int], tuple[int, Any]]
"""Called with the tick; returns the tick at which the asker goes on, and what it is told."""

AFTER_ALL_OTHERS = EventPriority(2)  # SimPy's own priorities are 0 (urgent) and 1 (normal)


class Alarm(simpy.Event):
    """An event that fires after a delay and calls ``then`` with itself."""

    def __init__(
        self, env: simpy.Environment, delay: int, then: Callable[[simpy.Event], None], priority: EventPriority = NORMAL
    ) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        self.callbacks = [then]
        env.schedule(self, priority, delay)


class _Granted(simpy.Event):
    """A request's event; it fires when the asker may go on."""

    def go_on(self, delay: int, value: Any) -> None:
        """Fire ``delay`` ticks from now with ``value``."""
        self._ok, self._value = True, value
        self.env.schedule(self, delay=delay)


class Arbiter:
    """Collects the requests of a tick and serves them, after all else of that tick, in the order of their keys."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self._requests: list[tuple[RequestKey, Serve, _Granted]] = []

    def request(self, key: RequestKey, serve: Serve) -> simpy.Event:
        """Ask for hardware: ``serve`` is called in phase 3 and decides when the returned event fires."""
        if not self._requests:
            Alarm(self.env, 0, self._serve_all, AFTER_ALL_OTHERS)
        event = _Granted(self.env)
        self._requests.append((key, serve, event))
        return event

    def _serve_all(self, _alarm: simpy.Event) -> None:
        requests, self._requests = self._requests, []
        now = int(self.env.now)
        for _, serve, event in sorted(requests, key=itemgetter(0)):
            resume, value = serve(now)
            event.go_on(resume - now, value)
