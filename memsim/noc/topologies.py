"""Topologies with their routing, ports in BookSim2's order (it decides who wins a tie).

Sources: W. J. Dally and B. Towles, "Principles and Practices of Interconnection Networks", 2004 (k-ary n-cubes,
datelines, fat trees); J. Kim, W. J. Dally, S. Scott and D. Abts, "Technology-driven, highly-scalable dragonfly
topology", ISCA 2008.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from memsim.noc.network import Array, Network, NetworkError, first_of, routes_from_lists
from memsim.noc.words import EITHER_CLASS, SAME_CLASS


def mesh(k: int = 8, n: int = 2, *, link_cycles: int = 1) -> Network:
    """A k-ary n-mesh, one node a router, with dimension-order routing: along the first dimension first."""
    return _cube(k, n, wrap=False, link_cycles=link_cycles, balanced=False)


def torus(k: int = 8, n: int = 2, *, link_cycles: int = 2, balanced: bool = False) -> Network:
    """A k-ary n-cube with dimension-order routing, the short way round; half-way round, either way at random.

    Against deadlock a packet that turns into a dimension takes the upper half of the virtual channels if it is above
    its target, and else the lower half. ``balanced`` leaves the half open to those that cross neither of two datelines.
    Links take two cycles: a folded torus has them twice as long as a mesh's.
    """
    return _cube(k, n, wrap=True, link_cycles=link_cycles, balanced=balanced)


def ring(k: int = 8, *, link_cycles: int = 2, balanced: bool = False) -> Network:
    """A torus of one dimension."""
    return _cube(k, 1, wrap=True, link_cycles=link_cycles, balanced=balanced)


def _cube(k: int, n: int, *, wrap: bool, link_cycles: int, balanced: bool) -> Network:
    _at_least(k, 2, "k")
    _at_least(n, 1, "n")
    size = k**n
    routers = np.arange(size)
    at = np.stack([routers // k**d % k for d in range(n)])
    row = np.full((size, 2 * n), -1)
    links: list[tuple[int, int, int, int, int]] = []
    for r in range(size):
        for d in range(n):
            for side, edge in ((0, k - 1), (1, 0)):
                if wrap or at[d, r] != edge:
                    step = (1 if side == 0 else -1) if at[d, r] != edge else (1 - k if side == 0 else k - 1)
                    row[r, 2 * d + side] = len(links)
                    links.append((r, r + step * k**d, link_cycles, 1, d))
    table = np.array(links, dtype=np.int64)
    # An input of even number comes from the neighbour above, over that one's link downward.
    coming = {(target, 2 * d + 1 - _side(row, source, i)): i for i, (source, target, _, _, d) in enumerate(links)}
    outputs = [[int(i) for i in row[r] if i >= 0] + [~r] for r in range(size)]
    inputs = [[coming[r, p] for p in range(2 * n) if (r, p) in coming] + [~r] for r in range(size)]
    first, choices = _dimension_order(k, n, at, row, wrap=wrap, balanced=balanced)
    kind = "torus" if wrap else "mesh"
    return Network(
        name=f"{'x'.join([str(k)] * n)} {kind}", links=table, nodes=routers, outputs=outputs, inputs=inputs,
        first=first, choices=choices, classes=2 if wrap else 1, lengths_mm=np.zeros(len(table)), shape=(k,) * n,
    )  # fmt: skip


def _side(row: Array, source: int, link: int) -> int:
    return int(np.flatnonzero(row[source] == link)[0]) % 2


def _dimension_order(k: int, n: int, at: Array, row: Array, *, wrap: bool, balanced: bool) -> tuple[Array, Array]:
    """Steps along the first dimension in which router (rows) and node (columns) differ."""
    size = k**n
    here = np.broadcast_to(np.arange(size)[:, None], (size, size))
    differs = np.stack([at[d][:, None] != at[d][None, :] for d in range(n)])
    arrived, d = ~differs.any(axis=0), differs.argmax(axis=0)
    x, y = at[d, here], at[d, here.T]
    ahead = (y - x) % k
    up = 2 * ahead < k if wrap else y > x
    tie = (2 * ahead == k) & ~arrived if wrap else np.zeros_like(arrived)
    low = np.where(arrived, ~here, row[here, 2 * d + np.where(up | tie, 0, 1)])
    counts = np.where(tie, 2, 1)
    first = first_of(counts)
    choices = np.zeros((int(counts.sum()), 2), dtype=np.int64)
    choices[first[:, :-1], 0] = low
    choices[first[:, :-1], 1] = _entry(x, y, k, up | tie, wrap=wrap, balanced=balanced)
    choices[first[:, :-1][tie] + 1, 0] = row[here, 2 * d + 1][tie]
    choices[first[:, :-1][tie] + 1, 1] = _entry(x, y, k, up & tie, wrap=wrap, balanced=balanced)[tie]
    return first, choices


def _entry(x: Array, y: Array, k: int, up: Array, *, wrap: bool, balanced: bool) -> Array:
    """The class of channels in which a packet for y enters a ring at x."""
    if not wrap:
        return np.zeros_like(x)
    if not balanced:
        return (x > y).astype(np.int64)
    middle = (k - 1) // 2
    wraps = np.where(up, x > y, x < y)
    crosses = np.where(up, (x <= middle) & (y > middle), (x > middle) & (y <= middle))
    return np.where(wraps, 1, np.where(crosses, 0, EITHER_CLASS))


def crossbar(k: int = 8) -> Network:
    """One router with k nodes."""
    _at_least(k, 1, "k")
    ports = [[~n for n in range(k)]]
    first, choices = routes_from_lists([[[(~n, 0)] for n in range(k)]])
    none = np.zeros((0, 5), dtype=np.int64)
    nodes = np.zeros(k, dtype=np.int64)
    return Network(f"crossbar of {k}", none, nodes, ports, ports, first, choices, shape=(k,))


def fattree(k: int = 4, n: int = 3) -> Network:
    """A k-ary n-tree: k to the n nodes, n levels of routers; up by random links to a common ancestor, then down."""
    _at_least(k, 2, "k")
    _at_least(n, 1, "n")
    width = k ** (n - 1)
    links: list[tuple[int, int, int, int, int]] = []
    down: dict[tuple[int, int, int], int] = {}
    up: dict[tuple[int, int, int], int] = {}

    def below(level: int, position: int, port: int) -> tuple[int, int]:
        """The router of the next level at a port, and which of its upward ports leads back."""
        span = k ** (n - 1 - level)
        branch = span // k
        group, inside = divmod(position, span)
        return group * span + port * branch + inside % branch, inside // branch

    for level in range(n - 1):
        for position in range(width):
            for port in range(k):
                child, back = below(level, position, port)
                here, there = level * width + position, (level + 1) * width + child
                down[level, position, port] = len(links)
                links.append((here, there, 1, 1, level))
                up[level + 1, child, back] = len(links)
                links.append((there, here, 1, 1, level))
    outputs = _tree_ports(k, n, down, up)
    reverse = {i: i ^ 1 for i in range(len(links))}
    inputs = [[reverse[i] if i >= 0 else i for i in ports] for ports in outputs]
    steps = [[_tree_steps(k, n, r, node, outputs) for node in range(k**n)] for r in range(n * width)]
    first, choices = routes_from_lists(steps)
    nodes = np.array([(n - 1) * width + node // k for node in range(k**n)], dtype=np.int64)
    table = np.array(links, dtype=np.int64).reshape(-1, 5)
    name = f"fat tree of {n} levels with {k} ports down and up"
    return Network(name, table, nodes, outputs, inputs, first, choices, lengths_mm=np.zeros(len(table)), shape=(k,) * n)


def _tree_ports(
    k: int, n: int, down: dict[tuple[int, int, int], int], up: dict[tuple[int, int, int], int]
) -> list[list[int]]:
    """Ports of each router: down (at the last level, the nodes), then up."""
    result = []
    for level in range(n):
        for position in range(k ** (n - 1)):
            if level == n - 1:
                ports = [~(position * k + port) for port in range(k)]
            else:
                ports = [down[level, position, port] for port in range(k)]
            result.append(ports + [up[level, position, port] for port in range(k) if level > 0])
    return result


def _tree_steps(k: int, n: int, router: int, node: int, outputs: list[list[int]]) -> list[tuple[int, int]]:
    level, position = divmod(router, k ** (n - 1))
    span = k ** (n - level)  # nodes below this router
    start = position // k ** (n - 1 - level) * span
    if start <= node < start + span:
        return [(outputs[router][(node - start) // (span // k)], 0)]
    return [(out, 0) for out in outputs[router][k:]]


def dragonfly(k: int = 2, *, local_cycles: int = 10, global_cycles: int = 100) -> Network:
    """A dragonfly with minimal routing: k nodes and k global links a router, 2k routers a group, 2k² + 1 groups.

    A packet changes its class of channels with the global link.
    """
    _at_least(k, 1, "k")
    a = 2 * k
    groups = a * k + 1
    links: list[tuple[int, int, int, int, int]] = []
    local: dict[tuple[int, int], int] = {}
    far: dict[tuple[int, int], int] = {}
    for r in range(a * groups):
        group, inside = divmod(r, a)
        for other in (o for o in range(a) if o != inside):
            local[r, group * a + other] = len(links)
            links.append((r, group * a + other, local_cycles, 1, 0))
        for port in range(k):
            slot = inside * k + port
            there = slot if slot < group else slot + 1
            back = group if group < there else group - 1
            far[group, there] = len(links)
            links.append((r, there * a + back // k, global_cycles, 1, 1))
    table = np.array(links, dtype=np.int64)
    own = [[~(r * k + i) for i in range(k)] for r in range(a * groups)]
    outputs = [own[r] + [int(i) for i in np.flatnonzero(table[:, 0] == r)] for r in range(a * groups)]
    inputs = [own[r] + _dragonfly_inputs(table, r) for r in range(a * groups)]

    def step(router: int, node: int) -> tuple[int, int]:
        group, home = router // a, node // k
        if home == router:
            return ~node, 0
        if home // a == group:
            return local[router, home], SAME_CLASS
        link = far[group, home // a]
        gate = int(table[link, 0])
        return (link, 1) if gate == router else (local[router, gate], SAME_CLASS)

    first, choices = routes_from_lists([[[step(r, n)] for n in range(a * groups * k)] for r in range(a * groups)])
    nodes = np.arange(a * groups * k, dtype=np.int64) // k
    lengths = np.zeros(len(table))
    name = f"dragonfly of {groups} groups"
    return Network(name, table, nodes, outputs, inputs, first, choices, 2, lengths, shape=(len(nodes),))


def _dragonfly_inputs(table: Array, router: int) -> list[int]:
    coming = [int(i) for i in np.flatnonzero(table[:, 1] == router)]
    return sorted(coming, key=lambda i: (int(table[i, 4]), int(table[i, 0])))


def _at_least(value: int, least: int, name: str) -> None:
    if value < least:
        raise NetworkError(f"{value} is too small", where=name, mend=f"give at least {least}")


TOPOLOGIES: dict[str, Callable[..., Network]] = {
    "mesh": mesh,
    "torus": torus,
    "ring": ring,
    "crossbar": crossbar,
    "fattree": fattree,
    "dragonfly": dragonfly,
}
