"""What programs over scalars cost where the price of a word is how far away it lies.

`bytedmd` traces any Python function over numbers; `read` takes programs from text, and `score` prices them under one of
`MODELS`, `score_all` under every one that can take them; `decide` says whether they are right.
"""

from memsim.locality.accesses import Accesses, scalar_accesses
from memsim.locality.challenges import CHALLENGES, Challenge
from memsim.locality.diagnosis import Diagnosis, diagnose
from memsim.locality.files import read
from memsim.locality.pricing import MODELS, decide, score, score_all
from memsim.locality.scalar.execute import execute
from memsim.locality.scalar.program import ScalarProgram
from memsim.locality.scalar.symbolic import Proof, prove_product
from memsim.locality.scores import Score
from memsim.locality.tile_accesses import tile_accesses
from memsim.locality.tracing import DIALECTS, Trace, bytedmd, price, trace
from memsim.locality.trackers import ArrayLog, LRUStackTracker, MemTracker, TrackedArray

__all__ = [
    "CHALLENGES",
    "DIALECTS",
    "MODELS",
    "Accesses",
    "ArrayLog",
    "Challenge",
    "Diagnosis",
    "LRUStackTracker",
    "MemTracker",
    "Proof",
    "ScalarProgram",
    "Score",
    "Trace",
    "TrackedArray",
    "bytedmd",
    "decide",
    "diagnose",
    "execute",
    "price",
    "prove_product",
    "read",
    "scalar_accesses",
    "score",
    "score_all",
    "tile_accesses",
    "trace",
]
