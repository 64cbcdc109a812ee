"""The tensor under which a ring's energy is told."""

from __future__ import annotations

from memsim.engine.compile_plan import ring_labels
from memsim.isa import parse

TEXT = """
program labels
tensor X dram fp32 [16, 16]
tensor W dram fp32 [16, 16]
tensor Y dram fp32 [16, 16]
kernel k blocks (b 1) {
  ring x sram fp32 [16, 16]
  ring near reg fp32 [16, 16]
  ring w sram fp32 [16, 16]
  ring c reg fp32 [16, 16]
  ring scale reg fp32 [16, 1]
  ring out sram fp32 [16, 16]
  ring lost reg fp32 [16, 16]
  queue load { load x <- X[0, 0]  load w <- W[0, 0] }
  queue move { copy near <- x  pop x }
  queue compute {
    mma c = near w
    pop near
    pop w
    scale = max(c, axis 1)
    out = mul(c, scale)
    push out
    fill lost 0
  }
  queue store { store Y[0, 0] <- out  pop out }
}"""


def test_loaded_rings_have_their_source_and_computed_ones_what_they_go_into() -> None:
    group = parse(TEXT).kernels[0].groups[0]
    assert ring_labels(group) == {
        "x": "X",
        "near": "X",
        "w": "W",
        "c": "Y",
        "scale": "Y",
        "out": "Y",
        "lost": "(lost)",
    }
