"""fp32 matrix products without tensor cores: what cuBLAS's sgemm launches for torch.nn.Linear and torch.bmm.

`tiles` is the catalogue of thread blocks, with what limits each on an SM; `pipes` makes a chip whose products run on
the vector lanes; `choice` takes a block and a number of splits; `program` writes the tile program.
"""

from memsim.library.simt.build import bmm, build, linear
from memsim.library.simt.pipes import simt_chip
from memsim.library.simt.program import Plan, Product

__all__ = ["Plan", "Product", "bmm", "build", "linear", "simt_chip"]
