"""The words of a network at cycle 0, from its description."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from memsim.noc import words as w
from memsim.noc.network import D_EJECT, D_INJECT, D_INTERVAL, L_CYCLES, L_DIM, L_INTERVAL, Array, Network, Router


@dataclass(frozen=True)
class _Layout:
    """Where each table begins. Ports and channels are numbered router by router, then the nodes' injection ports."""

    ports: int
    routers: int
    channels: int
    outs: int
    switch: int
    packets: int
    nodes: int
    free: int
    slots: int
    lists: int
    first: int
    choices: int
    end: int
    slot_words: int
    span: int
    most_packets: int
    channel_words: int

    def channel(self, entrance: Array | int, vc: Array | int, v: int) -> Array:
        return self.channels + (np.asarray(entrance) * v + vc) * self.channel_words

    def out(self, port: Array | int, vc: Array | int, v: int) -> Array:
        return self.outs + (np.asarray(port) * v + vc) * w.OUT_WORDS

    def port(self, port: Array | int) -> Array:
        return self.ports + np.asarray(port) * w.PORT_WORDS


@dataclass(frozen=True)
class _Wires:
    """Ports as flat lists: the link or ~node of each output and input, and the port that each belongs to."""

    outs: Array
    ins: Array
    out_router: Array
    in_router: Array
    out_number: Array
    port_of_out: dict[int, int]
    port_of_in: dict[int, int]


def _wires(network: Network) -> _Wires:
    outs = np.array([out for row in network.outputs for out in row], dtype=np.int64)
    ins = np.array([entrance for row in network.inputs for entrance in row], dtype=np.int64)
    out_router = np.repeat(np.arange(network.routers), [len(row) for row in network.outputs])
    in_router = np.repeat(np.arange(network.routers), [len(row) for row in network.inputs])
    numbers = np.concatenate([np.arange(len(row)) for row in network.outputs])
    of_out = {int(out): p for p, out in enumerate(outs)}
    of_in = {int(entrance): p for p, entrance in enumerate(ins)}
    return _Wires(outs, ins, out_router, in_router, numbers, of_out, of_in)


def _layout(network: Network, router: Router, wires: _Wires) -> _Layout:
    nodes, v, ins = len(network.nodes), router.vcs, len(wires.ins)
    ports = len(wires.outs) + nodes
    longest = int(network.node_links[:, :D_INTERVAL].max())
    longest = max(longest, int(network.links[:, L_CYCLES].max())) if len(network.links) else longest
    span = 2 ** math.ceil(math.log2(longest + router.credit_delay + 4))
    slot_words = 2 * (ports + ins * router.input_speedup + nodes) + 1
    flying = ports * (longest + 2)
    most_packets = ins * v * router.buffer + flying + nodes
    channel_words = w.CHANNEL_WORDS + router.buffer
    sizes = {
        "ports": ports * w.PORT_WORDS,
        "routers": network.routers * w.ROUTER_WORDS,
        "channels": ins * v * channel_words,
        "outs": ports * v * w.OUT_WORDS,
        "switch": ins * router.input_speedup * w.SWITCH_WORDS,
        "packets": most_packets * w.PACKET_WORDS,
        "nodes": nodes * w.NODE_WORDS,
        "free": most_packets,
        "slots": span * slot_words,
        "lists": 2 * ins * v,
        "first": network.first.size,
        "choices": network.choices.size,
    }
    bases, at = {}, w.HEADER_WORDS
    for name, size in sizes.items():
        bases[name] = at
        at += size
    return _Layout(
        **bases, end=at, slot_words=slot_words, span=span, most_packets=most_packets, channel_words=channel_words
    )


def words(network: Network, router: Router, flits: int) -> Array:
    """The array at cycle 0: empty buffers, full credits."""
    wires = _wires(network)
    layout = _layout(network, router, wires)
    m = np.zeros(layout.end, dtype=np.int64)
    _header(m, network, router, flits, layout)
    _fill_ports(m, network, router, wires, layout)
    _fill_channels(m, network, router, wires, layout)
    _fill_routers(m, network, router, wires, layout)
    _fill_nodes(m, network, router, wires, layout)
    packets = layout.packets + np.arange(layout.most_packets) * w.PACKET_WORDS
    m[layout.free : layout.free + layout.most_packets] = packets[::-1]
    return m


def _header(m: Array, network: Network, router: Router, flits: int, layout: _Layout) -> None:
    m[w.V], m[w.BUFFER], m[w.ROUTING], m[w.SPEEDUP] = (
        router.vcs, router.buffer, router.routing_delay, router.input_speedup,
    )  # fmt: skip
    m[w.SPECULATIVE], m[w.CUT_THROUGH], m[w.FLITS] = router.speculative, router.cut_through, flits
    m[w.CLASSES], m[w.NODES], m[w.ROUTERS] = network.classes, len(network.nodes), network.routers
    m[w.FREE_BASE], m[w.FREE], m[w.PACKET_BASE] = layout.free, layout.most_packets, layout.packets
    m[w.NODE_BASE], m[w.ROUTER_BASE], m[w.CHOICE_BASE] = layout.nodes, layout.routers, layout.choices
    m[w.SLOT_BASE], m[w.SLOT_MASK], m[w.SLOT_WORDS] = layout.slots, layout.span - 1, layout.slot_words
    m[w.CHANNEL_BASE], m[w.OUT_BASE], m[w.PORT_BASE] = layout.channels, layout.outs, layout.ports
    m[w.PORTS] = sum(len(row) for row in network.outputs)


def _fill_ports(m: Array, network: Network, router: Router, wires: _Wires, layout: _Layout) -> None:
    """Ports and their output channels."""
    routed, nodes = len(wires.outs), len(network.nodes)
    ports = m[layout.ports : layout.routers].reshape(-1, w.PORT_WORDS)
    link = wires.outs >= 0
    rows = network.links[np.where(link, wires.outs, 0)] if len(network.links) else np.zeros((routed, 5), dtype=np.int64)
    ports[:, w.P_NODE], ports[:, w.P_DIM], ports[:, w.P_STAMP] = -1, -1, -1
    ports[:routed, w.P_NODE] = np.where(link, -1, ~wires.outs)
    exits = np.broadcast_to(network.node_links, (nodes, 3))
    ends = exits[np.where(link, 0, ~wires.outs)]
    ports[:routed, w.P_INTERVAL] = np.where(link, rows[:, L_INTERVAL], ends[:, D_INTERVAL])
    ports[routed:, w.P_INTERVAL] = exits[:, D_INTERVAL]
    ports[:routed, w.P_DIM] = np.where(link, rows[:, L_DIM], -1)
    ports[:routed, w.P_DELAY] = np.where(link, rows[:, L_CYCLES], ends[:, D_EJECT])
    ports[routed:, w.P_DELAY] = exits[:, D_INJECT]
    # A credit takes its link, a cycle to be read, and a router's time to process it.
    ports[:, w.P_CREDIT_DELAY] = ports[:, w.P_DELAY] + 1
    ports[:routed, w.P_CREDIT_DELAY] += router.credit_delay
    ports[:routed, w.P_NUMBER] = wires.out_number
    v = router.vcs
    ports[:, w.P_OUTS] = layout.out(np.arange(routed + nodes), 0, v)
    outs = m[layout.outs : layout.switch].reshape(-1, v, w.OUT_WORDS)
    outs[:, :, w.O_CREDITS], outs[:, :, w.O_STAMP] = router.buffer, -1
    outs[:, :, w.O_PORT] = layout.port(np.arange(routed + nodes))[:, None]
    outs[:routed, :, w.O_NUMBER] = wires.out_number[:, None] * v + np.arange(v)
    behind = [wires.port_of_in.get(int(out), -1) if out >= 0 else -1 for out in wires.outs]
    behind += [wires.port_of_in[~node] for node in range(nodes)]
    targets = layout.channel(np.array(behind)[:, None], np.arange(v), v)
    outs[:, :, w.O_TARGET] = np.where(np.array(behind)[:, None] >= 0, targets, -1)


def _fill_channels(m: Array, network: Network, router: Router, wires: _Wires, layout: _Layout) -> None:
    """Input channels and switch inputs."""
    v, speedup, count = router.vcs, router.input_speedup, len(wires.ins)
    channels = m[layout.channels : layout.outs].reshape(count, v, layout.channel_words)
    channels[:, :, w.C_GRANTED_AT], channels[:, :, w.C_ASKED_AT] = -1, -1
    starts = np.concatenate([np.arange(len(row)) for row in network.inputs])
    channels[:, :, w.C_ROUTER] = (layout.routers + wires.in_router * w.ROUTER_WORDS)[:, None]
    channels[:, :, w.C_NUMBER] = starts[:, None] * v + np.arange(v)
    channels[:, :, w.C_VC] = np.arange(v)
    channels[:, :, w.C_DIM] = np.array([network.links[i, L_DIM] if i >= 0 else -1 for i in wires.ins])[:, None]
    part = np.arange(count)[:, None] * speedup + np.arange(v) % speedup
    channels[:, :, w.C_SWITCH] = layout.switch + part * w.SWITCH_WORDS
    routed = len(wires.outs)
    upstream = np.array([wires.port_of_out[int(i)] if i >= 0 else routed + int(~i) for i in wires.ins])
    channels[:, :, w.C_BACK] = layout.out(upstream[:, None], np.arange(v), v)
    channels[:, :, w.C_BACK_DELAY] = m[layout.port(upstream) + w.P_CREDIT_DELAY][:, None]
    switch = m[layout.switch : layout.packets].reshape(count, speedup, w.SWITCH_WORDS)
    switch[:, :, w.S_STAMP], switch[:, :, w.S_OFFSET] = -1, np.arange(speedup)
    switch[:, :, w.S_NUMBER] = starts[:, None] * speedup + np.arange(speedup)


def _fill_routers(m: Array, network: Network, router: Router, wires: _Wires, layout: _Layout) -> None:
    """Routers, their lists and their routes."""
    v, speedup = router.vcs, router.input_speedup
    ins = np.array([len(row) for row in network.inputs])
    outs = np.array([len(row) for row in network.outputs])
    before = np.cumsum(ins) - ins
    routers = m[layout.routers : layout.channels].reshape(-1, w.ROUTER_WORDS)
    routers[:, w.R_WAITING_LIST] = layout.lists + before * v
    routers[:, w.R_READY_LIST] = layout.lists + (before + ins.sum()) * v
    routers[:, w.R_CHANNELS], routers[:, w.R_OUTS] = ins * v, outs * v
    routers[:, w.R_SWITCH] = layout.switch + before * speedup * w.SWITCH_WORDS
    routers[:, w.R_SWITCHES], routers[:, w.R_PORTS] = ins * speedup, outs
    width = network.first.shape[1]
    routers[:, w.R_FIRST] = layout.first + np.arange(network.routers) * width
    m[layout.first : layout.choices] = network.first.ravel()
    choices = m[layout.choices : layout.end].reshape(-1, 2)
    choices[:, 1] = network.choices[:, 1]
    links = np.array([wires.port_of_out[i] for i in range(len(network.links))], dtype=np.int64)
    exits = np.array([wires.port_of_out[~n] for n in range(len(network.nodes))], dtype=np.int64)
    step = network.choices[:, 0]
    known = np.concatenate([links, exits])[np.where(step >= 0, step, len(links) + ~step)]
    choices[:, 0] = layout.port(known)


def _fill_nodes(m: Array, network: Network, router: Router, wires: _Wires, layout: _Layout) -> None:
    nodes = m[layout.nodes : layout.free].reshape(-1, w.NODE_WORDS)
    nodes[:, w.N_PACKET], nodes[:, w.N_NEXT], nodes[:, w.N_LAST] = -1, w.NEVER, router.vcs - 1
    nodes[:, w.N_PORT] = layout.port(len(wires.outs) + np.arange(len(network.nodes)))
