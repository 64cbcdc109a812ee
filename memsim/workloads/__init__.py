"""What to compute: tensor graphs, their independent numpy reference, random inputs, and the named workloads.

>>> from memsim.workloads import relu, tensor
>>> relu(tensor("a", (8, 4)) @ tensor("b", (4, 2)))
<relu fp32 (8, 2)>
"""

from memsim.workloads.attending import append, attention, decode_attention, from_heads, to_heads
from memsim.workloads.flops import flops
from memsim.workloads.functions import (
    absolute,
    cast,
    cos,
    exp,
    gelu,
    gelu_slope,
    greater,
    layer_norm,
    log,
    log_softmax,
    max,
    maximum,
    mean,
    minimum,
    recip,
    relu,
    rms_norm,
    rope,
    rsqrt,
    sigmoid,
    silu,
    sin,
    softmax,
    sqrt,
    sum,
    tanh,
)
from memsim.workloads.graph import Node, elementwise, inputs_of, matmul, output_names, tensor, walk
from memsim.workloads.inputs import random_inputs
from memsim.workloads.layers import decoder_layer, linear, mlp
from memsim.workloads.operators import OPERATORS
from memsim.workloads.reference import reference
from memsim.workloads.registry import WORKLOADS, Workload, workload
from memsim.workloads.training import TrainingStep, cross_entropy, labels, squared_error, training_step

__all__ = [
    "OPERATORS",
    "WORKLOADS",
    "Node",
    "TrainingStep",
    "Workload",
    "absolute",
    "append",
    "attention",
    "cast",
    "cos",
    "cross_entropy",
    "decode_attention",
    "decoder_layer",
    "elementwise",
    "exp",
    "flops",
    "from_heads",
    "gelu",
    "gelu_slope",
    "greater",
    "inputs_of",
    "labels",
    "layer_norm",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "maximum",
    "mean",
    "minimum",
    "mlp",
    "output_names",
    "random_inputs",
    "recip",
    "reference",
    "relu",
    "rms_norm",
    "rope",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "softmax",
    "sqrt",
    "squared_error",
    "sum",
    "tanh",
    "tensor",
    "to_heads",
    "training_step",
    "walk",
    "workload",
]
