"""Tables of measurements against what memsim predicts: `read_file`, `predict_rows`, `show`, `to_json`."""

from memsim.validate.measured.batch import Batch, Failed, predict_rows, sample
from memsim.validate.measured.record import from_json, to_json
from memsim.validate.measured.row import Row, Unknown
from memsim.validate.measured.summary import Compared, Summary, by_gpu, by_op, by_op_and_gpu, total, worst
from memsim.validate.measured.table import Table, read_file, read_table
from memsim.validate.measured.text import show

__all__ = [
    "Batch",
    "Compared",
    "Failed",
    "Row",
    "Summary",
    "Table",
    "Unknown",
    "by_gpu",
    "by_op",
    "by_op_and_gpu",
    "from_json",
    "predict_rows",
    "read_file",
    "read_table",
    "sample",
    "show",
    "to_json",
    "total",
    "worst",
]
