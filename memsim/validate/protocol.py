"""How a time was measured, as far as it decides what is in the L2 cache when a kernel starts.

``weights``
    NVIDIA's database of operators (ai-dynamo/aiconfigurator, collector/trtllm/collect_gemm.py and its like for vLLM and
    SGLang): one activation, five or six copies of the weights that are used in turn, all in one CUDA graph, which is
    replayed. The result is written to the same place each time, as the allocator gives the freed block again.
``same``
    The same buffers again and again. Attention of NVIDIA's database (collector/trtllm/collect_attn.py): a graph of one
    call, which is replayed ten times unseen and six times timed.
``eager``
    The same buffers again and again, each call from Python between two CUDA events: NeuSight
    (neusight/Dataset/collect.py), 25 calls, the best 5, no flush between them. The GPU is idle when the first event is
    recorded, so the time that the framework takes to launch the kernel is measured too (`host_s`).
``cold``
    Operands rotate through buffers that are larger than the L2 in all, as ``memsim measure`` does: nothing is left.
"""

from __future__ import annotations

from fractions import Fraction

from memsim.library.knobs import knob
from memsim.validate.calls import Call

COPIES = 6
"""Copies of the weights that are used in turn (five or six, by the version of the collector)."""
KEPT = Fraction(7, 10)
"""Of the L2, what a stream of all cores finds again when it comes round: read bandwidth over footprint leaves the L2's
plateau at 28 of 40 MiB on A100 and at 36 of 50 on H100 PCIe (te42kyfo/gpu-benches): a line that cores near both
partitions read is there twice."""
CALLS = 25
"""Of an eager measurement."""
POWER_WINDOW_S = 0.025
"""Seconds over which a board takes the mean of its power, to hold it against its limit: A100 and H100 sample 25 ms in
every 100 (Yang, Adamek and Armour, SC'24). A burst of calls that ends sooner runs at the full clock: on A100 PCIe fp32
products of up to a millisecond do, longer ones do not."""
PROTOCOLS = ("weights", "same", "eager", "cold")
_WITH_WEIGHTS = frozenset({"linear", "layer_norm", "rms_norm"})
_OUTPUTS = frozenset({"C", "Y", "O"})


def default_protocol(call: Call) -> str:
    """The protocol of the source that publishes such rows, where a row does not name its own.

    Products on tensor cores come from NVIDIA's database; fp32 products, and all that is elementwise or along rows, from
    NeuSight; attention from NVIDIA's database, where nothing is rotated.
    """
    if call.kind.startswith("attn"):
        return "same"
    return "weights" if call.kind == "gemm" and call.dtype != "fp32" else "eager"


def host_s(call: Call, protocol: str) -> float:
    """Seconds that a framework takes from the first event to the launch, where the protocol measures them.

    Modules with weights take longer: a linear layer asks its library for an algorithm. Softmax warns each time.

    Parameters
    ----------
    call
        What is called.
    protocol
        One of `PROTOCOLS`.
    """
    if protocol != "eager":
        return 0.0
    host_us = knob("host_with_weights" if call.kind in _WITH_WEIGHTS else "host")
    return (host_us + knob("host_warning") * (call.kind == "softmax")) * 1e-6


def reaches_power_limit(call_s: float, protocol: str) -> bool:
    """Whether a measurement lasts long enough for a board to slow down for its power limit.

    Parameters
    ----------
    call_s
        Seconds of a call at the full clock.
    protocol
        One of `PROTOCOLS`; all but the eager one repeat a call for much longer.
    """
    return protocol != "eager" or CALLS * call_s > POWER_WINDOW_S


def cached_tensors(call: Call, capacity: int, protocol: str) -> tuple[tuple[str, bool], ...]:
    """What the runs before have left in a cache that replaces what was longest unused.

    Parameters
    ----------
    call
        What is run again and again.
    capacity
        Bytes of the cache.
    protocol
        One of `PROTOCOLS`.

    Returns
    -------
    tuple
        (Name of a tensor, whether it was written and not yet written back), the longest unused first. What is larger
        than the cache is there in part: the engine keeps the most recent of it.
    """
    sizes = call.tensor_bytes
    if protocol == "cold":
        return ()
    left = list(sizes)
    if protocol == "weights" and COPIES * sizes["B"] + sizes["A"] + sizes["C"] > KEPT * capacity:
        left.remove("B")  # five other copies have been read since
    return tuple((name, name in _OUTPUTS) for name in left)
