"""``memsim microbench``: characterise a memory, a network or a whole chip as one would silicon.

Each command lives in a module ``_microbench_NAME`` with a function ``NAME``; the studies are in `memsim.microbench`.
"""

from __future__ import annotations

import typer

from memsim.cli import _microbench_bandwidth, _microbench_dram, _microbench_latency, _microbench_noc

app = typer.Typer(
    help="Characterise DRAM, a network or a chip with synthetic traffic.", no_args_is_help=True, add_completion=False
)
app.command("bandwidth")(_microbench_bandwidth.bandwidth)
app.command("dram")(_microbench_dram.dram)
app.command("latency")(_microbench_latency.latency)
app.command("noc")(_microbench_noc.noc)
