"""What a probe has found, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memsim.webgpu.probe.findings import Findings, Stream
from memsim.webgpu.probe.ladder import levels_of
from memsim.webgpu.probe.timing import Measured

WIDE_SPREAD = 0.1
"""Quartiles further apart than this are pointed out."""


def binary(size: int) -> str:
    """A size with its binary prefix: ``17.5 MiB``."""
    power = min(3, max(0, (size.bit_length() - 1) // 10))
    return f"{size / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB')[power]}"


def show(found: Findings) -> str:
    """One screen: levels, bandwidths, arithmetic, dispatches, each with the spread of its samples."""
    device = found.device
    lines = [f"{device.name}, {device.backend}, driver {device.driver}; timed by {device.timed_by}"]
    lines += ["", "Latency of loads that wait for one another: plateaus of the ladder"]
    lines += [f"  {'level':8}{'ns':>9}   {'buffers':24}holds"]
    for number, level in enumerate(levels_of(found.chases)):
        holds = "-" if level.capacity is None else f"{binary(level.capacity)} (±{100 * level.uncertainty:.2g} %)"
        span = f"{binary(level.first)} to {binary(level.last)}"
        lines.append(f"  {number + 1:<8}{level.latency_ns:9.1f}   {span:24}{holds}")
    lines += ["", "Bandwidth of a full device"]
    lines += [f"  {_stream(stream)}" for stream in _told(found.streams)]
    lines += ["", *_arithmetic(found)]
    return "\n".join(lines)


def _told(streams: Sequence[Stream]) -> Iterator[Stream]:
    """Every other working set, the last ones, and the copy."""
    reads = [stream for stream in streams if stream.kind == "read"]
    yield from reads[len(reads) % 2 :: 2] if len(reads) > 8 else reads
    yield from (stream for stream in streams if stream.kind != "read")


def _stream(stream: Stream) -> str:
    return f"{stream.kind:6}{binary(stream.footprint):>10}{_number(stream.gbs, 'GB/s')}"


def _arithmetic(found: Findings) -> Iterator[str]:
    yield "Cores"
    rows: list[tuple[str, Measured | None, str]] = [("workgroup memory", found.workgroup_gbs, "GB/s")]
    rows += [(f"multiply-adds in {dtype}", rate, "G/s") for dtype, rate in found.fma_g.items()]
    rows += [("one that waits for another", found.fma_latency_ns, "ns"), ("exponentials", found.special_g, "G/s")]
    rows += [(f"products of tiles in {dtype}", rate, "G/s") for dtype, rate in found.matrix_g.items()]
    rows += [("a dispatch after another", found.dispatch_us, "us")]
    for name, value, unit in rows:
        if value is not None:
            yield f"  {name:28}{_number(value, unit)}"
    yield f"  {'a submission by itself':28}{found.submit_us:12.4g} us"
    if found.fma_groups:
        yield f"  one workgroup alone has 1/{ratio_to_one(found):.3g} of the multiply-adds of a full device"


def ratio_to_one(found: Findings) -> float:
    """Multiply-adds of a full device over those of one workgroup: near the number of cores, if it keeps one busy."""
    rates = dict(found.fma_groups)
    return rates[max(rates)].median / rates[min(rates)].median


def _number(value: Measured, unit: str) -> str:
    wide = "  WIDE" if value.spread > WIDE_SPREAD else ""
    return f"{value.median:12.4g} {unit:5}(spread {100 * value.spread:.2g} %){wide}"
