"""Tile programs that are measured, beside the workloads that memsim has by name."""

from __future__ import annotations

from memsim.isa import Program, parse

UNCONTENDED = """\
program uncontended
cores {cores}
tensor A sram bf16 [64, 64]
kernel k blocks (b {cores}) {{
  ring a sram bf16 [64, 64] depth 4
  ring c reg fp32 [64, 64] depth 2
  queue load {{ loop i {trips} {{ load a <- A[0, 0] }} }}
  queue multiply {{ loop i {trips} {{ mma c = a a  push c  pop a }} }}
  queue drain {{ loop i {trips} {{ pop c }} }}
}}
"""
"""Every core works on its own tensor: no two of them ever want the same server."""

STREAMING = """\
program streaming
cores {cores}
tensor A dram bf16 [{cores}, 64, 64]
kernel k blocks (b {cores}) {{
  ring a sram bf16 [64, 64] depth 4
  ring c reg fp32 [64, 64] depth 2
  queue load {{ loop i {trips} {{ load a <- A[b, 0 : 64, 0 : 64] }} }}
  queue multiply {{ loop i {trips} {{ mma c = a a  push c  pop a }} }}
  queue drain {{ loop i {trips} {{ pop c }} }}
}}
"""
"""Every core reads DRAM over the network, so that they contend for links and channels."""

TEXTS = {"uncontended": UNCONTENDED, "streaming": STREAMING}


def tile_program(name: str, **sizes: int) -> Program:
    """The program of that name, for so many ``cores`` and ``trips`` of its loop."""
    return parse(TEXTS[name].format(**sizes))
