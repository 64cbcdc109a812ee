"""Synthetic traffic, as BookSim2 defines it: to which nodes each node sends, and how often.

Sources: Dally and Towles, section 3.2 (permutations of bits and digits); BookSim2's ``traffic.cpp`` for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from memsim.noc.network import Array, Network, NetworkError


@dataclass(frozen=True)
class Traffic:
    """Where packets go.

    Parameters
    ----------
    name
        What reports call it.
    targets
        For each node a row of nodes that it sends to.
    shares
        For each node the cumulative probabilities of that row; no columns where all are as likely.
    """

    name: str
    targets: Array
    shares: Array

    def probabilities(self) -> Array:
        """The share of each target in its row."""
        if self.shares.shape[1] == 0:
            return np.full(self.targets.shape, 1.0 / self.targets.shape[1])
        return np.diff(self.shares, axis=1, prepend=0.0)


def _bits(nodes: int) -> int:
    bits = nodes.bit_length() - 1
    if nodes != 1 << bits:
        raise NetworkError(f"{nodes} nodes are no power of two", where="traffic", mend="choose k, or other traffic")
    return bits


def _transpose(network: Network) -> Array:
    """The upper half of the number's bits swapped with the lower: (x, y) to (y, x)."""
    nodes = len(network.nodes)
    here = np.arange(nodes)
    if len(network.shape) == 2 and network.shape[0] == network.shape[1]:
        return here % network.shape[0] * network.shape[0] + here // network.shape[0]
    bits = _bits(nodes)
    if bits % 2:
        raise NetworkError(f"{nodes} nodes are no square", where="traffic", mend="choose k, or other traffic")
    half = bits // 2
    return here >> half | (here & (1 << half) - 1) << half


def _bitcomp(network: Network) -> Array:
    nodes = len(network.nodes)
    _bits(nodes)
    return ~np.arange(nodes) & (nodes - 1)


def _bitrev(network: Network) -> Array:
    bits = _bits(len(network.nodes))
    return np.array([int(format(i, f"0{bits}b")[::-1] or "0", 2) if bits else 0 for i in range(len(network.nodes))])


def _shuffle(network: Network) -> Array:
    nodes = len(network.nodes)
    here, bits = np.arange(nodes), _bits(nodes)
    return (here << 1 & nodes - 1) | (here >> bits - 1 if bits else 0)


def _digits(network: Network, shift: Callable[[int], int]) -> Array:
    """Each coordinate moved on, round its dimension."""
    here, stride = np.arange(len(network.nodes)), 1
    result = np.zeros_like(here)
    for size in network.shape:
        result += (here // stride % size + shift(size)) % size * stride
        stride *= size
    return result


def _tornado(network: Network) -> Array:
    """Just under half-way round each dimension."""
    return _digits(network, lambda size: (size + 1) // 2 - 1)


def _neighbor(network: Network) -> Array:
    return _digits(network, lambda size: 1)


_PERMUTATIONS: dict[str, Callable[[Network], Array]] = {
    "transpose": _transpose,
    "bitcomp": _bitcomp,
    "bitrev": _bitrev,
    "shuffle": _shuffle,
    "tornado": _tornado,
    "neighbor": _neighbor,
}


def _uniform(nodes: int) -> Array:
    """Each node, the sender among them, is as likely."""
    return np.full((nodes, nodes), 1.0 / nodes)


def _diagonal(nodes: int) -> Array:
    """Two thirds to itself, a third to the next."""
    return np.eye(nodes) * 2 / 3 + np.roll(np.eye(nodes), 1, axis=1) / 3


def _asymmetric(nodes: int) -> Array:
    """Half to its number modulo half the nodes, half to that in the upper half."""
    weights = np.zeros((nodes, nodes))
    here, half = np.arange(nodes), nodes // 2
    for target in (here % half, here % half + half):
        weights[here, target] += 0.5
    return weights


def _taper64(nodes: int) -> Array:
    """Half uniform, half to the nine nodes around, on 64 nodes."""
    if nodes != 64:
        raise NetworkError(f"traffic taper64 needs 64 nodes, not {nodes}", where="traffic", mend="choose k = 8")
    weights = np.full((64, 64), 0.5 / 64)
    here = np.arange(64)
    for rows in (-8, 0, 8):
        for columns in (-1, 0, 1):
            weights[here, (here + rows + columns) % 64] += 0.5 / 9
    return weights


_WEIGHTS: dict[str, Callable[[int], Array]] = {
    "diagonal": _diagonal,
    "asymmetric": _asymmetric,
    "taper64": _taper64,
}

NAMES = ("uniform", *_PERMUTATIONS, *_WEIGHTS, "randperm", "hotspot", "background")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


def _hotspot(arguments: str, nodes: int, seed: int) -> Array:
    """All to some nodes, ``hotspot({1,2},{3,1})`` at rates three to one; unless named, to one that the seed chooses."""
    groups = re.findall(r"\{([^}]*)\}", arguments) or ([arguments] if arguments else ["-1"])
    draw = np.random.default_rng(seed)
    spots = [int(draw.integers(nodes)) if spot < 0 else spot for spot in _numbers(groups[0])]
    rates = (_numbers(groups[1]) if len(groups) > 1 else []) or [1]
    rates += [rates[-1]] * (len(spots) - len(rates))
    for spot in spots:
        if spot >= nodes:
            raise NetworkError(f"there is no node {spot}", where="traffic", mend=f"name nodes 0 … {nodes - 1}")
    weights = np.zeros((nodes, nodes))
    for spot, rate in zip(spots, rates, strict=False):
        weights[:, spot] += rate
    return weights / weights.sum(axis=1, keepdims=True)


def _background(arguments: str, nodes: int) -> Array:
    """Uniform but for some nodes, which receive nothing: ``background({1,2})``."""
    weights = np.ones((nodes, nodes))
    weights[:, [node for node in _numbers(arguments) if node < nodes]] = 0
    if not weights.any():
        raise NetworkError("traffic background leaves no node", where="traffic", mend="exclude fewer nodes")
    return weights / weights.sum(axis=1, keepdims=True)


def traffic_matrix(name: str, weights: Array) -> Traffic:
    """Traffic from a matrix: how much row's node sends to column's; each row is brought to a sum of 1."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise NetworkError("traffic needs as many rows as columns", where="traffic", mend="give a square matrix")
    if (weights < 0).any() or not (weights.sum(axis=1) > 0).all():
        raise NetworkError("each node must send something", where="traffic", mend="give each row a positive sum")
    weights = weights / weights.sum(axis=1, keepdims=True)
    width = int((weights > 0).sum(axis=1).max())
    order = np.argsort(weights <= 0, axis=1, kind="stable")[:, :width]
    shares = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    same = np.allclose(np.diff(shares, axis=1, prepend=0.0), 1.0 / width)
    empty = np.zeros((len(weights), 0))
    return Traffic(name, np.ascontiguousarray(order, dtype=np.int64), empty if same else np.ascontiguousarray(shares))


def pattern(name: str, network: Network, *, seed: int = 0) -> Traffic:
    """Traffic by name, of those in `NAMES`; ``seed`` decides what is drawn once (randperm, a hotspot)."""
    nodes = len(network.nodes)
    base, _, arguments = name.partition("(")
    arguments = arguments.rstrip(")")
    if base in _PERMUTATIONS or base == "randperm":
        row = np.random.default_rng(seed).permutation(nodes) if base == "randperm" else _PERMUTATIONS[base](network)
        return Traffic(name, np.ascontiguousarray(row[:, None], dtype=np.int64), np.zeros((nodes, 0)))
    if base == "uniform":
        return traffic_matrix(name, _uniform(nodes))
    if base == "hotspot":
        return traffic_matrix(name, _hotspot(arguments, nodes, seed))
    if base == "background":
        return traffic_matrix(name, _background(arguments, nodes))
    if base in _WEIGHTS:
        return traffic_matrix(name, _WEIGHTS[base](nodes))
    raise NetworkError(f"unknown traffic {name!r}", where="traffic", mend=f"choose from {', '.join(NAMES)}")
