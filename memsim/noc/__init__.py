"""Networks at the level of flits: input-queued routers with virtual channels and credits, cycle by cycle.

`simulate` measures latency against load as BookSim2 does; `deliver` sends given transfers; `multicast` and `reduce`
build trees. Networks come from `mesh`, `torus`, `ring`, `crossbar`, `fattree`, `dragonfly`, `from_graph` and
`from_chip`.
"""

from memsim.noc.deadlock import check_deadlock, dependencies
from memsim.noc.graphs import from_chip, from_graph
from memsim.noc.network import Network, NetworkError, Router
from memsim.noc.simulation import Measured, Protocol, packet_cycles, saturation, simulate, sweep, zero_load
from memsim.noc.topologies import TOPOLOGIES, crossbar, dragonfly, fattree, mesh, ring, torus
from memsim.noc.traffic import NAMES, Traffic, pattern, traffic_matrix
from memsim.noc.transfers import Delivered, Transfer, deliver
from memsim.noc.trees import Tree, multicast, reduce

__all__ = [
    "NAMES",
    "TOPOLOGIES",
    "Delivered",
    "Measured",
    "Network",
    "NetworkError",
    "Protocol",
    "Router",
    "Traffic",
    "Transfer",
    "Tree",
    "check_deadlock",
    "crossbar",
    "deliver",
    "dependencies",
    "dragonfly",
    "fattree",
    "from_chip",
    "from_graph",
    "mesh",
    "multicast",
    "packet_cycles",
    "pattern",
    "reduce",
    "ring",
    "saturation",
    "simulate",
    "sweep",
    "torus",
    "traffic_matrix",
    "zero_load",
]
