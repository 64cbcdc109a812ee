"""Texts of programs for `tests.engine.nasty`: streams, products, exchanges, pipelines and layers of any size."""

from __future__ import annotations

STREAM = """
kernel k blocks (b {blocks}) {{
  ring a sram fp32 [16, 16] depth {depth}
  queue load {{ loop i {trips} {{ load a <- X[{row}, 0] clip }} }}
  queue use {{ loop i {trips} {{ pop a }} }}
}}"""


def stream(trips: int, row: str = "i*16", *, blocks: int = 1, depth: int = 2, rows: int = 4096) -> str:
    """A loop that loads tiles of 16 rows and drops them."""
    return f"tensor X dram fp32 [{rows}, 16]" + STREAM.format(trips=trips, row=row, blocks=blocks, depth=depth)


MATMUL = """
tensor A dram fp32 [64, 16000]
tensor B dram fp32 [16000, 64]
tensor C dram fp32 [64, 64]
kernel k blocks (y {y}, x {x}) cluster ({cy}, 1) {{
  ring a sram fp32 [16, 16] depth {depth}
  ring b sram fp32 [16, 16] depth {depth}
  ring c reg fp32 [16, 16]
  queue load {{ {load} }}
  queue compute {{ fill c 0 loop k {k} {{ mma c += a b pop a pop b }} push c }}
  queue store {{ store C[y*16, x*16] <- c pop c }}
}}"""


def matmul(k: int, *, y: int = 1, x: int = 1, depth: int = 2, load: str = "", cluster: int = 1) -> str:
    """A product over ``k`` steps; ``load`` is the text of the loading queue."""
    load = load or f"loop k {k} {{ load a <- A[y*16, k*16] load b <- B[k*16, x*16] }}"
    return MATMUL.format(k=k, y=y, x=x, depth=depth, load=load, cy=cluster)


SHARE_B = """loop k {k} {{
  load a <- A[y*16, k*16]
  loop m max(1 - y, 0) {{ load b to (0 : 4, x) <- B[k*16, x*16] }}
}}"""

SENDS = """
kernel k {head} blocks (b {blocks}) {{
  ring s {memory} fp32 [8, 8] depth 2
  ring r {memory} fp32 [8, 8] depth {depth}
  queue make {{ loop i {trips} {{ fill s 1 push s }} }}
  queue net {{ loop i {trips} {{ {sends} pop s }} }}
  queue use {{ loop i {trips} {{ {pops} }} }}
}}"""


def sends(
    text: str, pops: int, *, blocks: int, trips: int = 25, depth: int = 4, occupancy: int = 1, memory: str = "sram"
) -> str:
    """Every block makes tiles and sends them to others, all of which drop what they get."""
    head = f"occupancy {occupancy} cooperative"
    values = {"head": head, "blocks": blocks, "memory": memory, "depth": depth, "trips": trips, "sends": text}
    return SENDS.format(**values, pops="pop r " * pops)


def all_to_all(blocks: int, trips: int, head: str = "cooperative") -> str:
    """Each block sends each of its tiles to all blocks, itself included, into a ring for each sender."""
    every = range(blocks)
    rings = "\n".join(f"  ring r{i} sram fp32 [8, 8] depth {i % 3 + 1}" for i in every)
    turns = " ".join(f"loop m max(1 - max(b - {i}, {i} - b), 0) {{ send r{i} to (0 : {blocks}) <- s }}" for i in every)
    pops = " ".join(f"pop r{i}" for i in every)
    return f"""
kernel k {head} blocks (b {blocks}) {{
  ring s sram fp32 [8, 8] depth 2
{rings}
  queue make {{ loop i {trips} {{ fill s 1 push s }} }}
  queue net {{ loop i {trips} {{ {turns} pop s }} }}
  queue use {{ loop i {trips} {{ {pops} }} }}
}}"""


def pipeline(stages: int, trips: int) -> str:
    """Groups in a row, each handing on what it gets: deep, with rings of many depths."""
    groups = []
    for i in range(stages):
        last = i == stages - 1
        out = f"store Y[i*8, 0] <- r{i}" if last else f"send r{i + 1} to g{i + 1}(0) <- r{i}"
        source = "load r0 <- X[i*8, 0]" if i == 0 else ""
        queue_in = f"queue in {{ loop i {trips} {{ {source} }} }}" if i == 0 else ""
        groups.append(f"""
  group g{i} blocks (b 1) {{
    ring r{i} {"reg" if i % 2 else "sram"} fp32 [8, 8] depth {i % 3 + 1}
    {queue_in}
    queue out {{ loop i {trips} {{ {out} pop r{i} }} }}
  }}""")
    tensors = f"tensor X dram fp32 [{trips * 8}, 8]\ntensor Y dram fp32 [{trips * 8}, 8]"
    return f"{tensors}\nkernel k cooperative {{ {''.join(groups)} }}"


def layers(count: int, trips: int, *, blocks: int = 2, weights: bool = True) -> str:
    """Kernels of one text, each with weights of its own, that hand activations to and fro."""
    rows, row = blocks * trips * 16, f"b*{trips * 16} + i*16"
    tensors = [f"tensor {name} dram fp32 [{rows}, 16]" for name in ("P", "Q")]
    kernels = []
    for i in range(count):
        source, target, weight = "PQ"[i % 2], "QP"[i % 2], f"W{i}" if weights else "W0"
        tensors += [f"tensor {weight} dram fp32 [{rows}, 16]"] if weights or i == 0 else []
        kernels.append(f"""
kernel layer{i} blocks (b {blocks}) {{
  ring x sram fp32 [16, 16] depth 2
  ring w sram fp32 [16, 16] depth 3
  ring y reg fp32 [16, 16] depth 1
  queue load {{ loop i {trips} {{ load x <- {source}[{row}, 0] load w <- {weight}[{row}, 0] }} }}
  queue compute {{ loop i {trips} {{ mma y = x w pop x pop w push y }} }}
  queue store {{ loop i {trips} {{ store {target}[{row}, 0] <- y pop y }} }}
}}""")
    return "\n".join([*tensors, *kernels])
