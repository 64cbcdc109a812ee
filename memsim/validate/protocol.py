"""How a time was measured, as far as it decides what is in the L2 cache when a kernel starts.

``weights``
    NVIDIA's database of operators (ai-dynamo/aiconfigurator, collector/trtllm/collect_gemm.py and its like for vLLM and
    SGLang): one activation, five or six copies of the weights that are used in turn, all in one CUDA graph, which is
    replayed. The result is written to the same place each time, as the allocator gives the freed block again.
``same``
    The same buffers again and again. NeuSight (neusight/Dataset/collect.py): 25 calls, the best 5 by CUDA events, no
    flush between them. Attention of NVIDIA's database (collector/trtllm/collect_attn.py): a graph of one call, which is
    replayed ten times unseen and six times timed.
``cold``
    Operands rotate through buffers that are larger than the L2 in all, as ``memsim measure`` does: nothing is left.
"""

from __future__ import annotations

from memsim.validate.calls import Call

COPIES = 6
"""Copies of the weights that are used in turn (five or six, by the version of the collector)."""
PROTOCOLS = ("weights", "same", "cold")
_OUTPUTS = frozenset({"C", "Y", "O"})


def default_protocol(call: Call) -> str:
    """The protocol of the source that publishes such rows, where a row does not name its own.

    Products on tensor cores come from NVIDIA's database; fp32 products, and all that is elementwise or along rows, from
    NeuSight; attention from NVIDIA's database, where nothing is rotated.
    """
    return "weights" if call.kind == "gemm" and call.dtype != "fp32" else "same"


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
    if protocol == "weights" and COPIES * sizes["B"] + sizes["A"] + sizes["C"] > capacity:
        left.remove("B")  # five other copies have been read since
    return tuple((name, name in _OUTPUTS) for name in left)
