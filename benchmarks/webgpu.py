"""Generated WGSL beside WGSL written by hand: matrix products on one adapter, in turns, in one run.

    python benchmarks/webgpu.py [--adapter NAME] [--size 256] [--rounds 5]

The hand-written shader is the plain tiled one of every tutorial: a workgroup of 16 x 16 threads, a 16-wide panel of
each operand in workgroup memory, one element of the result a thread. The generated ones come from tile programs: with
the same tiles (``plain``), and with tiles of which each thread has a register block (``blocked``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from memsim.isa import Program, ProgramBuilder
from memsim.webgpu import find_adapter
from memsim.webgpu.device import Adapter, open_device
from memsim.webgpu.execute import DeviceProgram

BY_HAND = """
@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read_write> C: array<f32>;
var<workgroup> a: array<f32, 256>;
var<workgroup> b: array<f32, 256>;
const N = SIZEu;
@compute @workgroup_size(16, 16) fn main(
    @builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) at: vec3<u32>) {
  let row = group.y * 16u + at.y;
  let column = group.x * 16u + at.x;
  var sum = 0.0;
  for (var k0 = 0u; k0 < N; k0 += 16u) {
    a[at.y * 16u + at.x] = A[row * N + k0 + at.x];
    b[at.y * 16u + at.x] = B[(k0 + at.y) * N + column];
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) { sum = sum + a[at.y * 16u + k] * b[k * 16u + at.x]; }
    workgroupBarrier();
  }
  C[row * N + column] = sum;
}
"""


def product(size: int, tile: int, depth: int) -> Program:
    """The tile program of C = A B in fp32: ``tile`` x ``tile`` results a block, ``depth`` steps of k a tile."""
    p = ProgramBuilder(f"matmul{tile}x{depth}")
    A, B, C = (p.tensor(name, "fp32", (size, size)) for name in "ABC")
    with p.kernel("main", grid={"y": size // tile, "x": size // tile}) as k:
        y, x = k.coordinates
        a = k.ring("a", "sram", "fp32", (tile, depth), depth=2)
        b = k.ring("b", "sram", "fp32", (depth, tile), depth=2)
        c = k.ring("c", "reg", "fp32", (tile, tile))
        with k.queue("load"), k.loop("k", size // depth) as i:
            a.load(A[y * tile, i * depth])
            b.load(B[i * depth, x * tile])
        with k.queue("compute"):
            c.fill(0)
            with k.loop("k", size // depth):
                c.mma(a, b)
                a.pop()
                b.pop()
            c.push()
        with k.queue("store"):
            C[y * tile, x * tile].store(c)
            c.pop()
    return p.build()


def by_hand(adapter: Adapter, a: Any, b: Any) -> tuple[Callable[[], float], Callable[[], Any]]:
    """The hand-written shader: a function that runs and times it, and one that gives its result."""
    import wgpu

    device, size = open_device(adapter), a.shape[0]
    module = device.create_shader_module(code=BY_HAND.replace("SIZE", str(size)))
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "main"})
    usage = wgpu.BufferUsage
    given = [device.create_buffer_with_data(data=x, usage=usage.STORAGE) for x in (a, b)]
    out = device.create_buffer(size=a.nbytes, usage=usage.STORAGE | usage.COPY_SRC)
    fence = device.create_buffer(size=16, usage=usage.STORAGE | usage.COPY_SRC)
    entries = [{"binding": n, "resource": {"buffer": x}} for n, x in enumerate([*given, out])]
    group = device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)

    def run() -> float:
        encoder = device.create_command_encoder()
        computing = encoder.begin_compute_pass()
        computing.set_pipeline(pipeline)
        computing.set_bind_group(0, group)
        computing.dispatch_workgroups(size // 16, size // 16)
        computing.end()
        began = time.perf_counter()
        device.queue.submit([encoder.finish()])
        device.queue.read_buffer(fence)
        return time.perf_counter() - began

    return run, lambda: np.frombuffer(device.queue.read_buffer(out), np.float32).reshape(size, size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    measure(find_adapter(options.adapter), options.size, options.rounds)


def measure(adapter: Adapter, size: int, rounds: int) -> dict[str, float]:
    """Seconds of each, the shortest of some rounds in turns; printed, with ratios to the one by hand."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    hand, result = by_hand(adapter, a, b)
    programs = {"plain": product(size, 16, 16), "blocked": product(size, 64, 16)}
    loaded = {name: DeviceProgram.of(program, {"A": a, "B": b}, adapter) for name, program in programs.items()}
    runs: dict[str, Callable[[], float]] = {"by hand": hand}
    runs |= {name: prepared.wall for name, prepared in loaded.items()}
    seconds = {name: min(run() for _ in range(2)) for name, run in runs.items()}  # the first call compiles
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name] = min(seconds[name], run())
    for name, prepared in loaded.items():
        assert (prepared.outputs()["C"] == result()).all() or not adapter.is_software, f"{name} and by hand differ"
    print(f"{size}^3 fp32 matrix product on {adapter}")
    for name, taken in seconds.items():
        rate = 2 * size**3 / taken / 1e9
        print(f"  {name:10}{taken * 1e3:9.2f} ms{rate:9.2f} GFLOP/s{seconds['by hand'] / taken:7.2f} x by hand")
    return seconds


if __name__ == "__main__":
    main()
