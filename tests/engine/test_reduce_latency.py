"""The result of a reduction comes later than that of other vector instructions, where a chip says so."""

import pytest

import memsim as ms

TEXT = """
program sum
tensor X dram fp32 [8, 64]
tensor Y dram fp32 [8, 1]
kernel main blocks (b 1) {
  ring x sram fp32 [8, 64]
  ring s reg fp32 [8, 1]
  ring y reg fp32 [8, 1]
  queue load { load x <- X[0, 0] }
  queue compute { s = sum(x, axis 1)  y = mul(s, 0.5)  pop x  push y }
  queue store { store Y[0, 0] <- y  pop y }
}
"""


@pytest.mark.parametrize("engine", ["fast", "simpy"])
def test_what_follows_a_reduction_waits_for_it(engine: str) -> None:
    """One reduction, one dependent instruction: the difference in latency is the difference in time."""
    toy = ms.Chip.preset("toy")
    slow = toy.replace({"core.vector.reduce_latency": "500 cycles"})
    fast, late = (ms.simulate(ms.parse(TEXT), chip, engine=engine).ticks for chip in (toy, slow))
    assert late - fast == slow.ticks_of(slow.core.vector.reduce_latency) - toy.ticks_of(toy.core.vector.latency)
