"""Transfers of many bytes over a flit network: when each has arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from memsim.noc import words as w
from memsim.noc.network import Array, Network, NetworkError, Router
from memsim.noc.state import words


class Transfer(NamedTuple):
    """Bytes from one node to another: their numbers or names, and the cycle at which they are ready."""

    source: int | str
    target: int | str
    bytes: int
    start: int = 0


@dataclass(frozen=True)
class Delivered:
    """When transfers have arrived, and what links carried.

    Parameters
    ----------
    finish
        For each transfer the cycle in which its last flit arrives.
    link_flits
        Flits that passed each link.
    flits
        Flits injected in all.
    faults
        Flits out of order or without room: 0, or the model is wrong.
    """

    finish: tuple[int, ...]
    link_flits: Array
    flits: int
    faults: int

    def wire_energy_pj(
        self, network: Network, *, flit_bytes: int, pj_per_bit_mm: float, pj_per_bit_hop: float
    ) -> float:
        """Energy of links and the routers before them: bits times (energy of a hop + mm times energy of a mm)."""
        bits = 8 * flit_bytes * self.link_flits
        return float((bits * (pj_per_bit_hop + network.lengths_mm * pj_per_bit_mm)).sum())


def deliver(
    network: Network,
    transfers: Iterable[Transfer | tuple[int | str, int | str, int] | tuple[int | str, int | str, int, int]],
    *,
    flit_bytes: int = 16,
    packet_flits: int = 8,
    router: Router | None = None,
    seed: int = 1,
) -> Delivered:
    """Send transfers as packets of at most ``packet_flits`` flits; a node sends its own in order of their start.

    Flits are payload: give the bytes of a header to the transfer where there is one.
    """
    router = router or Router()
    router.check(network, packet_flits)
    if flit_bytes < 1:
        raise NetworkError(f"{flit_bytes} is no size of a flit", where="flit_bytes", mend="give at least 1")
    listed = [Transfer(*transfer) for transfer in transfers]
    given, left, end = _packets(network, listed, flit_bytes, packet_flits)
    finish = np.array([transfer.start for transfer in listed], dtype=np.int64)
    m = words(network, router, packet_flits)
    nodes = m[m[w.NODE_BASE] : m[w.NODE_BASE] + len(network.nodes) * w.NODE_WORDS].reshape(-1, w.NODE_WORDS)
    nodes[:, w.N_LEFT], nodes[:, w.N_END] = left, end
    busy = left < end
    nodes[busy, w.N_NEXT] = given[left[busy], 0]
    m[w.PHASE], m[w.STOP], m[w.DRAIN_AT] = w.RUNNING, 1, w.NEVER
    _run(m, given, finish, network, seed)
    base = m[w.PORT_BASE]
    ports = m[base : base + m[w.PORTS] * w.PORT_WORDS].reshape(-1, w.PORT_WORDS)
    carried = np.zeros(len(network.links), dtype=np.int64)
    carried[[out for row in network.outputs for out in row if out >= 0]] = ports[ports[:, w.P_NODE] < 0, w.P_FLITS]
    return Delivered(tuple(int(t) for t in finish), carried, int(given[:, 2].sum()), int(m[w.FAULTS]))


def _packets(network: Network, transfers: Sequence[Transfer], flit_bytes: int, most: int) -> tuple[Array, Array, Array]:
    """Packets node by node in order of start (time, target, flits, transfer), and each node's range of rows."""
    number = {name: i for i, name in enumerate(network.names)}
    rows: list[list[tuple[int, int, int, int]]] = [[] for _ in network.nodes]
    for i, transfer in sorted(enumerate(transfers), key=lambda pair: pair[1].start):
        source, target = (_node(end, number, len(network.nodes), f"transfers[{i}]") for end in transfer[:2])
        if transfer.bytes < 0 or transfer.start < 0:
            raise NetworkError(
                f"{transfer} is negative", where=f"transfers[{i}]", mend="give bytes and start from 0 on"
            )
        network.path(source, target)  # or an error that says where it ends
        flits = -(-transfer.bytes // flit_bytes)
        sizes = [most] * (flits // most) + ([flits % most] if flits % most else [])
        rows[source] += [(transfer.start, target, size, i) for size in sizes]
    ends = np.cumsum([len(row) for row in rows])
    given = np.array([packet for row in rows for packet in row], dtype=np.int64).reshape(-1, 4)
    return given, np.concatenate([[0], ends[:-1]]).astype(np.int64), ends.astype(np.int64)


def _node(name: int | str, number: dict[str, int], count: int, where: str) -> int:
    node = number.get(name) if isinstance(name, str) else name
    if node is None or not 0 <= node < count:
        raise NetworkError(f"there is no node {name!r}", where=where, mend=f"give a number below {count} or a name")
    return node


def _run(m: Array, given: Array, finish: Array, network: Network, seed: int) -> None:
    from memsim.noc.cycle import advance

    if not len(given):
        return
    none, now = np.zeros((1, 1), dtype=np.int64), int(given[:, 0].min())
    last_start, random = int(given[:, 0].max()), np.array([seed], dtype=np.uint64)
    while True:
        before, until = int(m[w.RETIRED]), now + 100_000
        now = advance(now, until, m, 0.0, none, np.zeros((1, 0)), given, random, finish)
        if now < until:
            return
        if m[w.RETIRED] == before and now > last_start + 100_000:
            raise NetworkError(
                "packets wait for one another for ever", where=network.name, mend="use deadlock-free routes"
            )
