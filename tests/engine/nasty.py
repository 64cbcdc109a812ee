"""Programs written to break a second engine: what a random search seldom draws. Each with the chip to run it on."""

from __future__ import annotations

from typing import Any

from memsim.hierarchy import Chip
from tests.engine.machines import plain_chip
from tests.engine.nasty_texts import SHARE_B, all_to_all, layers, matmul, pipeline, sends, stream

ZERO = "0 cycles"
TIMELESS: dict[str, Any] = {
    "launch": ZERO,
    "core.dma.issue": ZERO,
    "core.dma.latency": ZERO,
    "core.vector.latency": ZERO,
    "core.matrix.latency": ZERO,
    "dram.latency": ZERO,
    "network.hop_latency": ZERO,
}
MESH: dict[str, Any] = {
    "core.grid": [4, 4],
    "core.sram.bandwidth": "24 B/cycle",
    "core.reg.bandwidth": "100 B/cycle",
    "core.sram.latency": "3 cycles",
    "dram.at": [["0 mm", "1 mm"], ["4 mm", "3 mm"]],
    "dram.channels": 6,
    "dram.bandwidth": "40.7 GB/s",
    "network.topology": "mesh",
    "network.link_bandwidth": "7.3 GB/s",
    "block_start": "5 cycles",
}


def cached(capacity: str = "8 KiB", *, write_back: bool = True, **changes: Any) -> dict[str, Any]:
    """Changes that put a cache in front of the DRAM."""
    places = [["0 mm", "0 mm"], ["1 mm", "0 mm"]]
    cache = {
        "capacity": capacity,
        "bandwidth": "32 B/cycle",
        "slices": 4,
        "latency": "11 cycles",
        "interleave": "64 B",
        "at": places,
        "write_back": write_back,
    }
    return {"cache": cache, "dram.channels": 3, "dram.interleave": "128 B", **changes}


def graph(*edges: str, **changes: Any) -> dict[str, Any]:
    """Changes that wire a network by hand: ``"core0 core1"`` is a link."""
    return {"network.topology": "graph", "network.edges": [edge.split() for edge in edges], **changes}


CHAIN = graph("dram0 core0", "core0 core1", "core1 core2", "core2 core3")
STAR = graph("core0 core1", "core0 core2", "core0 core3", "core1 dram0", "core2 dram0")


def chip(cores: int, changes: dict[str, Any]) -> Chip:
    """The plain chip, changed."""
    return plain_chip(cores, **changes)


NASTY: dict[str, tuple[Chip, str]] = {
    # ---- ties, and time that stands still ----
    "all cores ask one bank in one tick": (chip(8, TIMELESS), stream(20, "0", blocks=8, depth=3)),
    "all cores wait for one fill": (chip(8, {**cached(), **TIMELESS}), stream(20, "i % 3 * 16", blocks=8)),
    "transfers of no time": (chip(4, {**TIMELESS, "network.link_bandwidth": "100000 B/cycle"}), stream(9, blocks=4)),
    "copies of no time at all": (
        chip(2, TIMELESS),
        """
kernel k blocks (b 2) {
  ring a sram fp32 [4, 4] depth 2
  ring c reg fp32 [4, 4] depth 3
  ring d sram fp32 [4, 4] depth 1
  queue make { loop i 30 { fill a 1 push a } }
  queue to { loop i 30 { copy c <- a pop a } }
  queue back { loop i 30 { copy d <- c transpose pop c } }
  queue drop { loop i 30 { pop d } }
}""",
    ),
    "equal streams in step": (chip(4, MESH | {"core.grid": [2, 2]}), matmul(20, y=2, x=2, depth=3)),
    "one transfer in flight": (chip(4, {"core.dma.max_transfers": 1}), matmul(12, y=2, x=2, depth=4)),
    "three transfers in flight": (chip(2, {"core.dma.max_transfers": 3}), matmul(25, y=2, depth=4)),
    "two tiles in flight, to the byte": (chip(2, {"core.dma.max_bytes": "2 KiB"}), matmul(15, y=2, depth=4)),
    "two tiles in flight, but for a byte": (chip(2, {"core.dma.max_bytes": "2047 B"}), matmul(15, y=2, depth=4)),
    "no byte in flight beside another": (chip(4, {"core.dma.max_bytes": "1 B"}), matmul(12, y=2, x=2, depth=4)),
    # ---- multicast ----
    "a multicast to the core of its source": (
        chip(2, {"core.sram.bandwidth": "16 B/cycle"}),
        sends("loop m max(1 - b, 0) { send r to (0 : 4) <- s }", 1, blocks=4, occupancy=2),
    ),
    "the same without ports": (
        chip(2, {}),
        sends("loop m max(1 - b, 0) { send r to (0 : 4) <- s }", 1, blocks=4, occupancy=2, memory="reg"),
    ),
    "a block sends to itself": (chip(1, {}), sends("send r to (b) <- s", 1, blocks=1)),
    "a tree that forks at its source": (
        chip(4, STAR),
        sends("loop m max(1 - b, 0) { send r to (0 : 4) <- s }", 1, blocks=4),
    ),
    "a tree that leads through its targets": (
        chip(4, CHAIN),
        sends("loop m max(1 - b, 0) { send r to (1 : 3) <- s }", 0, blocks=4).replace(
            "{  } }", "{ loop m min(b, 1) { pop r } } }"
        ),
    ),
    "loads that fork at the port": (chip(4, STAR), matmul(16, y=4, load=SHARE_B.format(k=16), cluster=4)),
    "loads shared in turn on a mesh": (chip(16, MESH), matmul(24, y=4, x=4, load=SHARE_B.format(k=24), cluster=4)),
    "everyone to the next": (chip(4, CHAIN), sends("send r to ((b + 1) % 4) <- s", 1, blocks=4)),
    "everyone to the next, two on a core": (
        chip(3, {"core.sram.bandwidth": "9 B/cycle"}),
        sends("send r to ((b + 1) % 6) <- s", 1, blocks=6, occupancy=2),
    ),
    "all to all": (chip(4, MESH | {"core.grid": [2, 2]}), all_to_all(4, 20)),
    "all to all on a crossbar, in step": (chip(6, {}), all_to_all(6, 12)),
    "all to all, two on a core": (
        chip(2, {"core.sram.bandwidth": "9 B/cycle"}),
        all_to_all(4, 12, "occupancy 2 cooperative"),
    ),
    "tiles that several wait for": (
        chip(2, {}),
        """
tensor X dram fp32 [2048, 16]
tensor Y dram fp32 [2, 640, 16]
kernel k blocks (b 2) {
  ring a sram fp32 [16, 16] depth 3
  ring c reg fp32 [16, 16] depth 1
  queue load { loop i 40 { load a <- X[b*640 + i*16, 0] } }
  queue slow { loop i 40 { c = exp2(a) pop a push c } }
  queue net { loop i 40 { store Y[b, i*16, 0] <- c pop c } }
  queue quick { loop i 40 { pop a } }
}""",
    ),
    # ---- pipelines over groups ----
    "a deep pipeline": (chip(6, {}), pipeline(6, 40)),
    "a deep pipeline on two cores": (
        chip(2, MESH | {"core.grid": [2, 1]}),
        pipeline(4, 30).replace("kernel k", "kernel k occupancy 2"),
    ),
    # ---- loops ----
    "queues that nest one stream differently": (
        chip(1, {}),
        """
tensor X dram fp32 [1920, 16]
tensor Y dram fp32 [1920, 16]
kernel k blocks (b 1) {
  ring a sram fp32 [16, 16] depth 4
  ring c reg fp32 [16, 16] depth 2
  queue load { loop i 120 { load a <- X[i*16, 0] } }
  queue compute { loop i 12 { loop j 5 { c = neg(a@1) push c c = add(a, 1) push c pop a pop a } } }
  queue store { loop i 3 { loop j 40 { store Y[i*640 + j*16, 0] <- c pop c } } }
}""",
    ),
    "three tiles a round against one": (
        chip(1, {}),
        """
tensor X dram fp32 [1920, 16]
kernel k blocks (b 1) {
  ring a sram fp32 [16, 16] depth 4
  ring c reg fp32 [16, 16] depth 3
  queue load { loop i 120 { load a <- X[i*16, 0] } }
  queue compute { loop i 40 { c = add(a, a@2) pop a pop a pop a push c } }
  queue drop { loop i 8 { loop j 5 { pop c } } }
}""",
    ),
    "a period of several rounds": (chip(1, {"dram.channels": 3}), stream(90, "i % 3 * 16 + i % 2 * 64", depth=3)),
    "a body that changes every third round": (
        chip(2, {}),
        """
tensor X dram fp32 [4096, 16]
kernel k blocks (b 2) {
  ring a sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16] depth 1
  queue load { loop i 60 { loop j i % 3 { load a <- X[b*16 + j*16, 0] } } }
  queue compute { loop i 60 { loop j i % 3 { c = neg(a) pop a push c pop c } } }
}""",
    ),
    "two streams that never meet again": (
        chip(1, {"core.dma.issue": "5 cycles"}),
        """
kernel k blocks (b 1) {
  ring a sram fp32 [8, 13] depth 2
  ring c sram fp32 [8, 17] depth 2
  ring d reg fp32 [8, 13] depth 2
  ring e reg fp32 [8, 17] depth 2
  queue one { loop i 300 { fill a 1 push a } }
  queue two { loop i 300 { fill c 2 push c } }
  queue three { loop i 300 { copy d <- a pop a } }
  queue four { loop i 300 { copy e <- c pop c } }
  queue five { loop i 300 { pop d } }
  queue six { loop i 300 { pop e } }
}""",
    ),
    "rates with no common period": (
        chip(3, {"dram.bandwidth": "7.77 GB/s", "network.link_bandwidth": "9.1 GB/s", "clock": "1.83 GHz"}),
        stream(60, "b*1024 + i*16", blocks=3, depth=3),
    ),
    "addresses decide": (chip(4, MESH | {"core.grid": [2, 2]}), stream(80, "b*1040 + i*16", blocks=4, rows=5000)),
    "addresses decide behind a cache": (chip(4, cached("1 MiB")), stream(60, "(b*7 + i*5) % 64 * 16", blocks=4)),
    "more segments than a page of the address map": (
        chip(1, {"dram.channels": 4}),
        stream(600, "i*16 + 65000", depth=4, rows=80000),
    ),
    "gathers in a long loop": (
        chip(2, cached("2 KiB")),
        """
cores 2
tensor W dram fp32 [500, 32]
tensor I dram int32 [1600]
tensor S sram fp32 [40, 32]
kernel k blocks (b 2) {
  ring n sram int32 [8] depth 2
  ring e sram fp32 [8, 32] depth 2
  ring f sram fp32 [8, 32] depth 2
  ring g reg fp32 [8, 32] depth 1
  queue ids { loop i 70 { load n <- I[b*640 + i*8] } }
  queue rows { loop i 70 {
    gather e <- W[i % 5 * 10 : 450, 0 : 32] by n
    gather f <- W[0 : 13, 0 : 32] by n distribution sequential
    gather g <- S[0 : 40, 0 : 32] by n
    pop n
  } }
  queue drop { loop i 70 { pop e pop f pop g } }
}""",
    ),
    "inner counts by outer counters": (
        chip(4, {}),
        """
tensor X dram fp32 [1024, 16]
kernel k blocks (b 4) {
  ring a sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16] depth 1
  queue load { loop i 12 { loop j min(i, b + 3) { loop m (i + j) % 3 { load a <- X[(i + j)*16, 0] } } } }
  queue compute {
    loop i 12 { fill c 0 loop j min(i, b + 3) { loop m (i + j) % 3 { c = add(c, a) pop a } } push c pop c }
  }
}""",
    ),
    "loops of no trips": (
        chip(2, {}),
        """
tensor X dram fp32 [1024, 16]
kernel k blocks (b 2) {
  ring a sram fp32 [16, 16]
  queue load { loop i 0 { load a <- X[i*16, 0] } loop i 20 { loop j max(i - 17, 0) { load a <- X[i*16 + j*16, 0] } } }
  queue use { loop i 20 { loop j max(i - 17, 0) { pop a } loop j 0 { pop a } } loop i b - b { pop a } }
}""",
    ),
    "a loop whose tiles are cut, then empty": (chip(2, {}), stream(50, "b*8 + i*16", blocks=2, depth=3, rows=500)),
    "a loop whose tiles begin before the tensor": (
        chip(2, {}),
        stream(50, "b*8 + i*16 - 300", blocks=2, depth=3, rows=500),
    ),
    "a long loop that begins before the tensor and ends after it": (
        chip(2, cached("8 KiB")),
        stream(900, "b*8 + i*8 - 1000", blocks=2, depth=3, rows=5000),
    ),
    "windows that slide over a tensor's edges": (
        chip(2, cached("4 KiB")),
        """
tensor X dram fp32 [14, 15, 32]
tensor Y dram fp32 [14, 15, 8]
kernel k blocks (b 2) {
  ring x sram fp32 [4, 5, 16] depth 2
  ring w sram fp32 [16, 8]
  ring c reg fp32 [4, 5, 8] depth 2
  queue load {
    loop y 2 { loop v 3 { loop r 3 { loop s 3 { loop k 2 {
      load x <- X[y*8 + b*4 + r - 1 : 4, v*5 + s - 1 : 5, k*16 : 16] clip } } } } }
  }
  queue compute {
    fill w 1
    loop y 2 { loop v 3 { fill c 0 loop t 18 { mma c += x w pop x } push c } }
  }
  queue store { loop y 2 { loop v 3 { store Y[y*8 + b*4, v*5, 0] <- c clip pop c } } }
}""",
    ),
    "stores that are cut, then empty": (
        chip(2, cached("1 KiB")),
        """
tensor Y dram fp32 [500, 32]
kernel k blocks (b 2) {
  ring c reg fp32 [16, 16] depth 2
  queue make { loop i 40 { fill c 1 push c } }
  queue store { loop i 40 { store Y[i*16, b*16] <- c clip pop c } }
}""",
    ),
    "stores that begin before the tensor": (
        chip(2, cached("1 KiB")),
        """
tensor Y dram fp32 [500, 32]
kernel k blocks (b 2) {
  ring c reg fp32 [16, 16] depth 2
  queue make { loop i 40 { fill c 1 push c } }
  queue store { loop i 40 { store Y[i*16 - 100, b*16 - 3] <- c clip pop c } }
}""",
    ),
    "two settled stretches in one loop": (chip(1, cached("64 KiB")), stream(160, "min(i, 70)*16", depth=3)),
    "a long loop in a long loop": (
        chip(1, {}),
        """
tensor X dram fp32 [4096, 16]
tensor Y dram fp32 [480, 16]
kernel k blocks (b 1) {
  ring a sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16] depth 2
  queue load { loop i 30 { loop j 30 { load a <- X[j*16, 0] } } }
  queue compute { loop i 30 { fill c 0 loop j 30 { c = add(c, a) pop a } push c } }
  queue store { loop i 30 { store Y[i*16, 0] <- c pop c } }
}""",
    ),
    "a very long loop": (chip(1, {}), stream(3000, "i % 4 * 16")),
    "a very long product on a mesh": (chip(4, MESH | {"core.grid": [2, 2]}), matmul(250, y=2, x=2)),
    "a window that slides": (
        chip(1, {}),
        """
tensor X dram fp32 [4096, 16]
tensor Y dram fp32 [1600, 16]
kernel k blocks (b 1) {
  ring a sram fp32 [16, 16] depth 5
  ring c reg fp32 [16, 16] depth 2
  queue load { loop i 103 { load a <- X[i*16, 0] } }
  queue compute { loop i 100 { c = add(a, a@3) c = mul(c, a@1) push c pop a } pop a pop a pop a }
  queue store { loop i 100 { store Y[i*16, 0] <- c pop c } }
}""",
    ),
    # ---- slots ----
    "scratch that is stored while it is rewritten": (
        chip(2, {"core.sram.bandwidth": "8 B/cycle"}),
        """
tensor Y dram fp32 [2, 640, 16]
kernel k blocks (b 2) {
  ring s sram fp32 [16, 16]
  queue work { fill s 0 loop i 40 { s = add(s, 1) store Y[b, i*16, 0] <- s } }
}""",
    ),
    "sums that forward, and sums that wait": (
        chip(1, {"core.matrix.latency": "40 cycles"}),
        """
tensor X dram fp32 [1024, 16]
kernel k blocks (b 1) {
  ring a sram fp32 [16, 16] depth 1
  ring c reg fp32 [16, 16] depth 2
  queue load { load a <- X[0, 0] }
  queue compute {
    loop i 20 { mma c = a a mma c += a a mma c += a a c = mul(c, 2) mma c += a a push c }
    pop a
  }
  queue drop { loop i 20 { pop c } }
}""",
    ),
    # ---- caches ----
    "a cache too small by one tile": (chip(1, cached("4 KiB")), stream(80, "i % 5 * 16")),
    "a cache smaller than a segment": (chip(2, cached("100 B")), layers(2, 10)),
    "dirty lines that leave in a loop": (chip(2, cached("3 KiB")), layers(2, 30)),
    "writes that go through": (chip(2, cached("4 KiB", write_back=False)), layers(2, 30)),
    "a slow DRAM drains after the end": (chip(2, cached("2 KiB", **{"dram.bandwidth": "1 B/cycle"})), layers(1, 12)),
    # ---- kernels, blocks ----
    "twelve layers": (chip(2, {}), layers(12, 8)),
    "twelve layers behind a cache": (chip(2, cached("64 KiB")), layers(12, 8)),
    "layers that share their weights": (chip(2, cached("64 KiB")), layers(10, 8, weights=False)),
    "layers on a mesh": (chip(16, MESH), layers(6, 6, blocks=16)),
    "kernels with nothing to do": (
        chip(2, {"block_start": "3 cycles"}),
        "kernel one blocks (b 5) { }\nkernel two blocks (b 3) { queue idle { } }\n"
        "kernel three blocks (b 7) { queue idle { loop i 0 { } } queue other { loop i 1000 { } } }",
    ),
    "kernels with nothing to do in no time": (
        chip(2, TIMELESS),
        "kernel one blocks (b 5) { }\nkernel two blocks (b 3) { queue idle { loop i 3 { } } }\n"
        "kernel three blocks (b 1) { }",
    ),
    "no kernel": (chip(1, {}), "tensor X dram fp32 [4]"),
    "waves of uneven blocks": (
        chip(3, {"block_start": "11 cycles"}),
        stream(20, "b*16", blocks=17).replace("loop i 20", "loop i b * 5 % 7"),
    ),
    "clusters that wait for one core": (
        chip(4, {}),
        """
tensor X dram fp32 [4096, 16]
kernel k occupancy 2 {
  group wide blocks (b 8) cluster (4) {
    ring a sram fp32 [16, 16]
    queue load { loop i b*2 { load a <- X[b*16, 0] } }
    queue use { loop i b*2 { pop a } }
  }
  group narrow blocks (b 9) {
    ring a sram fp32 [16, 16]
    queue load { loop i 9 - b { load a <- X[b*16, 0] } }
    queue use { loop i 9 - b { pop a } }
  }
}""",
    ),
    "cores that are all alike": (
        chip(16, {"core.grid": [4, 4], "core.sram.bandwidth": "16 B/cycle"}),
        """
cores 16
tensor X sram fp32 [640, 16]
tensor Y reg fp32 [640, 16]
kernel k blocks (b 32) {
  ring a sram fp32 [16, 16] depth 2
  ring c reg fp32 [16, 16] depth 2
  queue load { loop i 20 { load a <- X[i*16, 0] } }
  queue compute { loop i 20 { c = neg(a) pop a push c } }
  queue store { loop i 20 { store Y[b // 16 * 320 + i*16, 0] <- c pop c } }
}""",
    ),
    "scratchpad traffic both ways": (
        chip(4, {"shared": {"capacity": "1 MiB", "bandwidth": "20 B/cycle", "banks": 3, "latency": "4 cycles"}}),
        layers(2, 10, blocks=4).replace("tensor Q dram", "tensor Q shared"),
    ),
    "clocks that do not divide": (chip(2, {"clock": "1.755 GHz", "dram.clock": "2.6 GHz"}), matmul(20, y=2)),
}
