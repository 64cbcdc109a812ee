"""The tables of a running network, from its description."""

from __future__ import annotations

import math

import numpy as np

from memsim.noc import columns as c
from memsim.noc.network import L_CYCLES, L_DIM, L_INTERVAL, L_TARGET, Array, Network, Router

_NODE_CYCLES = 1
"""Injection and ejection links, and their credits: as in BookSim2."""


def _ports(network: Network, router: Router) -> tuple[Array, Array, Array, Array]:
    """Tables of output ports, input ports, routers, and the port of each output; injection ports come last."""
    outs = [(r, out) for r, row in enumerate(network.outputs) for out in row]
    ins = [(r, entrance) for r, row in enumerate(network.inputs) for entrance in row]
    out_port = {out: p for p, (_, out) in enumerate(outs)}
    in_port = {entrance: p for p, (_, entrance) in enumerate(ins)}
    ports = np.full((len(outs) + len(network.nodes), c.PORT_COLUMNS), -1, dtype=np.int64)
    ports[:, [c.P_FREE_AT, c.P_POINTER, c.P_FLITS]] = 0
    ports[:, c.P_INTERVAL] = 1
    inputs = np.full((len(ins), c.INPUT_COLUMNS), -1, dtype=np.int64)
    for p, (_, out) in enumerate(outs):
        delay = int(network.links[out, L_CYCLES]) if out >= 0 else _NODE_CYCLES
        ports[p, [c.P_DELAY, c.P_CREDIT]] = delay, delay + 1 + router.credit_delay
        if out >= 0:
            ports[p, [c.P_INTERVAL, c.P_DIM]] = network.links[out, [L_INTERVAL, L_DIM]]
            ports[p, c.P_INPUT] = in_port[out]
        else:
            ports[p, c.P_NODE] = ~out
    for node in range(len(network.nodes)):
        p = len(outs) + node
        ports[p, [c.P_DELAY, c.P_CREDIT, c.P_INPUT]] = _NODE_CYCLES, _NODE_CYCLES + 1, in_port[~node]
    for p, (r, entrance) in enumerate(ins):
        upstream = out_port[entrance] if entrance >= 0 else len(outs) + ~entrance
        dim = network.links[entrance, L_DIM] if entrance >= 0 else -1
        inputs[p] = r, upstream, dim
    port_of = np.array([out_port[i] for i in (*range(len(network.links)), *(~n for n in range(len(network.nodes))))])
    return ports, inputs, _routers(network), port_of


def _routers(network: Network) -> Array:
    routers = np.zeros((network.routers, c.ROUTER_COLUMNS), dtype=np.int64)
    routers[:, c.R_INS] = [len(row) for row in network.inputs]
    routers[:, c.R_OUTS] = [len(row) for row in network.outputs]
    routers[1:, c.R_IN] = np.cumsum(routers[:, c.R_INS])[:-1]
    routers[1:, c.R_OUT] = np.cumsum(routers[:, c.R_OUTS])[:-1]
    return routers


def _calendar(ports: Array, inputs: int, speedup: int, nodes: int) -> Array:
    """Slots for every cycle up to the longest delay, each with room for all that can happen in one."""
    span = 2 ** math.ceil(math.log2(int(ports[:, [c.P_DELAY, c.P_CREDIT]].max()) + 4))
    most = len(ports) + inputs * speedup + nodes
    return np.zeros((span, 2 * most + 1), dtype=np.int64)


def tables(network: Network, router: Router, flits: int) -> tuple[Array, ...]:
    """All tables at cycle 0, in the order of `memsim.noc.columns`."""
    ports, inputs, routers, port_of = _ports(network, router)
    v, nodes = router.vcs, len(network.nodes)
    channels = np.zeros((len(inputs) * v, c.CHANNEL_COLUMNS), dtype=np.int64)
    channels[:, [c.C_GRANTED_AT, c.C_ASKED_AT]] = -1
    outs = np.zeros((len(ports) * v, c.OUT_COLUMNS), dtype=np.int64)
    outs[:, c.O_CREDITS], outs[:, c.O_STAMP] = router.buffer, -1
    switch = np.zeros((len(inputs) * router.input_speedup, c.SWITCH_COLUMNS), dtype=np.int64)
    switch[:, c.S_STAMP] = -1
    switch[:, c.S_OFFSET] = np.arange(len(switch)) % router.input_speedup
    calendar = _calendar(ports, len(inputs), router.input_speedup, nodes)
    packets = np.zeros((len(channels) * router.buffer + calendar.size // 2 + nodes, c.PACKET_COLUMNS), dtype=np.int64)
    packets[:, c.K_FREE] = np.arange(len(packets))[::-1]
    node = np.zeros((nodes, c.NODE_COLUMNS), dtype=np.int64)
    node[:, c.N_PACKET], node[:, c.N_LAST] = -1, v - 1
    node[:, c.N_PORT] = len(ports) - nodes + np.arange(nodes)
    lists = np.zeros((2, len(channels)), dtype=np.int64)
    choices = network.choices.copy()
    choices[:, 0] = port_of[np.where(choices[:, 0] >= 0, choices[:, 0], len(network.links) + ~choices[:, 0])]
    counts = np.zeros((1, c.COUNT_COLUMNS), dtype=np.int64)
    counts[0, c.FREE] = len(packets)
    buffers = np.zeros((len(channels), router.buffer), dtype=np.int64)
    result = (
        _options(network, router, flits), ports, inputs, routers, channels, buffers, outs, switch, packets, node,
        lists, calendar, np.ascontiguousarray(network.first), choices, counts,
    )  # fmt: skip
    return result


def _options(network: Network, router: Router, flits: int) -> Array:
    options = np.zeros((1, c.OPTION_COLUMNS), dtype=np.int64)
    options[0, [c.V, c.BUFFER, c.SPEEDUP, c.ROUTING]] = (
        router.vcs, router.buffer, router.input_speedup, router.routing_delay,
    )  # fmt: skip
    options[0, [c.SPECULATIVE, c.CUT_THROUGH, c.FLITS, c.CLASSES]] = (
        router.speculative, router.cut_through, flits, network.classes,
    )  # fmt: skip
    return options
